//! Writes `fuzz/seeds` and `fuzz/outcomes.tsv` anew after a change of the format:
//! `cargo run --release --manifest-path fuzz/Cargo.toml --bin seeds`.

use std::fs;
use std::io::{Error, Result};
use std::path::Path;

fn main() -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::remove_dir_all(here.join("seeds"))?;
    for (target, name, bytes) in sparc_fuzz::seeds::all() {
        let folder = here.join("seeds").join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{name}.bin")), bytes)?;
    }
    let outcomes = sparc_fuzz::outcomes(here)?;
    for (file, depth) in &outcomes {
        let deep = if file.contains("model_parse") { 1 } else { 2 };
        if file.starts_with("seeds") && *depth < deep {
            return Err(Error::other(format!(
                "{file} comes no further than {depth}"
            )));
        }
    }
    let lines = outcomes
        .iter()
        .map(|(file, depth)| format!("{file}\t{depth}\n"));
    fs::write(here.join("outcomes.tsv"), lines.collect::<String>())
}
