//! Any input file to a [`Pcm`].

use crate::error::{Error, Result};
use crate::{packed, wav, Pcm};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest input file, bytes: what [`MAX_SAMPLES`](crate::MAX_SAMPLES) take as 32-bit floats, and a
/// margin for headers.
pub const MAX_FILE: u64 = 4 * crate::MAX_SAMPLES + (1 << 20);

/// Whether a path stands for the standard input or output.
pub fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The bytes of a file, or of the standard input where `path` is `-`.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let failed = |e: std::io::Error| Error::Input(reason(&e));
    let read = if is_pipe(path) {
        std::io::stdin()
            .lock()
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
    } else {
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(Error::Input("is a folder".into()));
        }
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)
    };
    read.map_err(failed)?;
    match bytes.len() as u64 {
        0 => Err(Error::Input("is empty".into())),
        n if n > MAX_FILE => Err(Error::Limit(format!(
            "is larger than the limit of {MAX_FILE} bytes"
        ))),
        _ => Ok(bytes),
    }
}

/// The sound in a file's bytes, checked ([`Pcm::check`]). The format is found from the content, never
/// from the name.
pub fn clip(bytes: Vec<u8>) -> Result<Pcm> {
    let clip = if wav::is_wav(&bytes) {
        wav::read(bytes)?
    } else if is_sparc(&bytes) {
        return Err(Error::Input("is a .sparc file, not audio to encode".into()));
    } else {
        packed::read(bytes)?
    };
    clip.check()?;
    Ok(clip)
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
