//! Times decoders and engines within this process: one command each, one line of JSON each, so that `peers.py` can run
//! them in turn. Times are processor time in milliseconds: what else runs on the machine hardly enters.

mod delay;
mod network;
mod opus;
mod stages;

use std::error::Error;
use std::fs;

/// What can go wrong is said and ends the program.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "sparc-peers opus CLIP.wav BITRATE RUNS
sparc-peers decode FILE.sparc RUNS
sparc-peers stages FILE.sparc SECONDS
sparc-peers delay FILE.sparc
sparc-peers network MODEL.sparcmodel PLANES OUT RUNS";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["opus", clip, bitrate, runs] => opus::run(clip, bitrate.parse()?, runs.parse()?),
        ["decode", file, runs] => {
            let bytes = fs::read(file)?;
            let times = timed(runs.parse()?, || Ok(sparc::decode(&bytes)?.len()))?;
            print("decode", &times);
            Ok(())
        }
        ["stages", file, seconds] => stages::run(file, seconds.parse()?),
        ["delay", file] => delay::run(file),
        ["network", model, planes, out, runs] => network::run(model, planes, out, runs.parse()?),
        _ => Err(USAGE.into()),
    }
}

/// Processor time of this process so far, ms.
pub fn now() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time is a valid place to write one.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(code, 0, "no clock of processor time");
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}

/// Processor time of each of so many runs, ms.
pub fn timed<T>(runs: usize, mut work: impl FnMut() -> Result<T>) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..runs {
        let start = now();
        std::hint::black_box(work()?);
        times.push(now() - start);
    }
    Ok(times)
}

/// One line of JSON for what was timed.
pub fn print(name: &str, times: &[f64]) {
    let times: Vec<String> = times.iter().map(|time| format!("{time:.3}")).collect();
    println!("{{\"name\": \"{name}\", \"ms\": [{}]}}", times.join(", "));
}
