//! Where a decoder's time goes, by looking at its stack a few hundred times a second.

use crate::{now, Result};
use std::fs;

/// Decodes a file again and again for so many seconds of processor time; prints the stacks seen, innermost function
/// first, in lines `count<tab>function;function;...`, and first the number of decodings and their time.
pub fn run(file: &str, seconds: f64) -> Result<()> {
    let bytes = fs::read(file)?;
    sparc::decode(&bytes)?;
    let guard = pprof::ProfilerGuard::new(499)?;
    let start = now();
    let mut runs = 0;
    while now() - start < seconds * 1e3 {
        std::hint::black_box(sparc::decode(&bytes)?);
        runs += 1;
    }
    let each = (now() - start) / f64::from(runs);
    println!("{runs}\t{each:.3}");
    for (stack, count) in &guard.report().build()?.data {
        let functions = stack.frames.iter().flatten().map(|symbol| symbol.name());
        println!("{count}\t{}", functions.collect::<Vec<_>>().join(";"));
    }
    Ok(())
}
