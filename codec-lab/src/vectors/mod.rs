//! Streams by which a decoder can be tested (Spec §13): every coding, every size at its border, every fault, in as few
//! bytes as will do. The files are kept with the specification; what is here wrote them, and `replay` replays them.

mod faulty;
mod lawful;
mod networks;
mod pieces;
mod scene;

use replay::{manifest, Entry, MANIFEST};
use sparc::Networks;
use std::path::Path;
use std::{fs, io};

/// A stream of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// Its place in the set: `baseline`, `uncommon` or `faulty`, and the file.
    pub file: String,
    /// The section of the specification that it is about.
    pub section: &'static str,
    /// The stream.
    pub bytes: Vec<u8>,
}

/// All of them, in the manifest's order.
///
/// # Errors
/// None but those of a bug here: a stream that the writer does not take.
pub fn all() -> codec_format::Result<Vec<Vector>> {
    let mut all = lawful::streams()?;
    all.extend(networks::lawful()?);
    all.sort_by_key(|vector| vector.file.starts_with("uncommon"));
    all.extend(faulty::streams()?);
    all.extend(networks::faulty()?);
    Ok(all)
}

/// Writes all streams and their manifest into a folder.
///
/// # Errors
/// Those of writing files.
pub fn write(folder: &Path, networks: &Networks) -> io::Result<()> {
    let vectors = all().map_err(io::Error::other)?;
    for vector in &vectors {
        let path = folder.join(&vector.file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, &vector.bytes)?;
    }
    let lines: Vec<Entry> = vectors
        .iter()
        .map(|v| Entry::of(&v.file, v.section, &v.bytes, networks))
        .collect();
    fs::write(folder.join(MANIFEST), manifest(&lines))
}
