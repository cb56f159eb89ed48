//! Files of bytes, and which of them are what.

use crate::error::{Error, Result};
use crate::{Pcm, Source};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest input that is read as a whole, bytes: what [`MAX_SAMPLES`](crate::MAX_SAMPLES) take as 32-bit floats, and a
/// margin for headers.
pub const MAX_FILE: u64 = 4 * crate::MAX_SAMPLES + (1 << 20);

/// Whether a path stands for the standard input or output.
pub fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The bytes of a file, or of the standard input where `path` is `-`: opened, not read.
///
/// # Errors
/// [`Error::Input`] if it cannot be read.
pub fn open(path: &Path) -> Result<Box<dyn Read>> {
    if is_pipe(path) {
        return Ok(Box::new(std::io::stdin()));
    }
    Ok(Box::new(opened(path)?))
}

/// A file that is no folder.
pub(crate) fn opened(path: &Path) -> Result<File> {
    let failed = |e: std::io::Error| Error::Input(reason(&e));
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(Error::Input("is a folder".into()));
    }
    Ok(file)
}

/// All bytes of a file, or of the standard input where `path` is `-`.
///
/// # Errors
/// [`Error::Input`] if it cannot be read or is empty, [`Error::Limit`] beyond [`MAX_FILE`].
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    let bytes = all(open(path)?)?;
    if bytes.is_empty() {
        return Err(Error::Input("is empty".into()));
    }
    Ok(bytes)
}

/// All bytes that come.
pub(crate) fn all(from: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|e| Error::Input(reason(&e)))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::Limit(format!(
            "is larger than the limit of {MAX_FILE} bytes"
        )));
    }
    Ok(bytes)
}

/// The sound in a file's bytes, checked ([`Pcm::check`]). The format is found from the content, never
/// from the name.
pub fn clip(bytes: Vec<u8>) -> Result<Pcm> {
    Source::of(bytes)?.collect()
}

/// Whether these bytes begin as a `.sparc` file does (Spec §2).
pub fn is_sparc(bytes: &[u8]) -> bool {
    bytes.starts_with(&sparc::codec_format::SIGNATURE)
}

/// What an I/O error says, as part of a sentence about the file.
pub fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind::*;
    match error.kind() {
        NotFound => "no such file or folder".into(),
        PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
