//! The threads in which an encoder tries settings.
//!
//! The library takes whatever pool it is called in. Rayon's global one would not do here: a process that Python forked has
//! the pool and none of its threads, and would wait for them for ever. So there is a pool for every process.

use crate::fault::{option, Fault};
use pyo3::{pyfunction, PyResult};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

struct Pool {
    /// Threads; 0 for as many as there are cores.
    count: usize,
    /// Of which process, once there are any.
    threads: Option<(u32, Arc<ThreadPool>)>,
}

/// Locked only while the global lock is held, so that no fork finds it locked.
static POOL: Mutex<Pool> = Mutex::new(Pool {
    count: 0,
    threads: None,
});

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This process' threads; the caller holds the global lock.
pub fn threads() -> PyResult<Arc<ThreadPool>> {
    let mut pool = lock();
    let process = std::process::id();
    if let Some((of, threads)) = &pool.threads {
        if *of == process {
            return Ok(threads.clone());
        }
    }
    let built = ThreadPoolBuilder::new().num_threads(pool.count).build();
    let threads = Arc::new(built.map_err(|error| {
        Fault::Codec(sparc::Error::Other(format!("cannot be started: {error}"))).raised("threads")
    })?);
    // Those of the process before cannot be ended from here: they are not here.
    std::mem::forget(pool.threads.replace((process, threads.clone())));
    Ok(threads)
}

/// Sets how many threads the encoders of this process try settings in; 0 is for as many as there are cores, or as
/// the environment's RAYON_NUM_THREADS says, which is the default.
///
/// The bytes are the same with any number. Decoding takes the caller's thread alone.
#[pyfunction]
pub fn set_threads(count: i64) -> PyResult<()> {
    let wanted = usize::try_from(count).ok().filter(|&count| count <= 1024);
    let count = wanted.ok_or_else(|| option(format!("{count} threads are not from 0 to 1024")))?;
    let mut pool = lock();
    pool.count = count;
    match pool.threads.take() {
        Some((of, threads)) if of != std::process::id() => std::mem::forget(threads),
        threads => drop(threads),
    }
    Ok(())
}
