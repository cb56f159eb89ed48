//! What the fuzz targets do with their input, as plain functions.
//!
//! Each takes any bytes, panics where a promise of the codec is broken, and otherwise says how far the
//! input came (0: it was turned away at the door), so that tests can tell a good seed from a useless one.
//! `tests/regressions.rs` of the root package includes this file and replays seeds and old crashes.

mod draws;
mod format;
mod model;
mod resign;
pub mod seeds;
mod sound;
mod symbols;

use std::io::Result;
use std::path::Path;

pub use format::{format_parse, format_roundtrip};
pub use model::model_parse;
pub use sound::{decode_full, encode_pcm};

/// A target: bytes in, how far they came out.
pub type Target = fn(&[u8]) -> usize;

/// Every target by the name of its binary, seed folder and regression folder.
pub const TARGETS: [(&str, Target); 5] = [
    ("format_parse", format_parse),
    ("format_roundtrip", format_roundtrip),
    ("model_parse", model_parse),
    ("decode_full", decode_full),
    ("encode_pcm", encode_pcm),
];

/// Every seed and regression below the folder `fuzz`, by its path there, and how far it comes.
pub fn outcomes(fuzz: &Path) -> Result<Vec<(String, usize)>> {
    let mut outcomes = Vec::new();
    for kind in ["regressions", "seeds"] {
        for (name, target) in TARGETS {
            let Ok(entries) = fuzz.join(kind).join(name).read_dir() else {
                continue;
            };
            for entry in entries {
                let path = entry?.path();
                // Of a panic inside, this names the file.
                println!("{}", path.display());
                let depth = target(&std::fs::read(&path)?);
                let file = path.strip_prefix(fuzz).unwrap_or(&path);
                outcomes.push((file.display().to_string(), depth));
            }
        }
    }
    outcomes.sort();
    Ok(outcomes)
}
