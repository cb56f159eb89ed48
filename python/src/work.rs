//! Work without Python's global lock, and without panics that reach Python.

use crate::fault::Fault;
use pyo3::{PyResult, Python};
use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

/// Does `work` while other Python threads run; its errors are about `subject`.
///
/// Whatever it borrows of arrays must not be changed by those threads meanwhile, as with numpy's own functions.
pub fn unlocked<T: Send>(
    py: Python<'_>,
    subject: &str,
    work: impl FnOnce() -> Result<T, Fault> + Send,
) -> PyResult<T> {
    let done = py.detach(|| caught(work));
    done.map_err(|fault| fault.raised(subject))
}

/// `work`, a panic of which is a fault as any other.
fn caught<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // What a panic leaves half done is dropped, or never looked at again (`Shared`).
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Fault::Panic(words(&*panic))))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "sparc failed where it should not: {}",
        text.unwrap_or("no reason given")
    )
}

/// An encoder or decoder that several threads may call: one after the other, each without the global lock.
#[derive(Debug)]
pub struct Shared<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    of: T,
    /// What went wrong before: it is said again, for what follows would be made of half a stream.
    fault: Option<Fault>,
}

impl<T: Send> Shared<T> {
    /// What nobody has called yet.
    pub fn new(of: T) -> Self {
        Shared(Mutex::new(State { of, fault: None }))
    }

    /// Does `work` on it.
    pub fn call<R: Send>(
        &self,
        py: Python<'_>,
        subject: &str,
        work: impl FnOnce(&mut T) -> Result<R, Fault> + Send,
    ) -> PyResult<R> {
        // The lock is waited for without the global one, or two threads could wait for each other.
        unlocked(py, subject, || {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(fault) = &state.fault {
                return Err(fault.clone());
            }
            let done = caught(|| work(&mut state.of));
            state.fault = done.as_ref().err().cloned();
            done
        })
    }
}
