//! Writing outputs: whole or not at all.

use crate::fault::Fault;
use codec_audio::file::{is_pipe, reason};
use std::fs::{self, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// Writes `bytes` to `path`, or to the standard output where `path` is `-`.
///
/// A file appears under its name only once it is complete: it is written beside it and then renamed, so
/// that a failure leaves whatever was there before.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let failed = |e: std::io::Error| Fault::Output(format!("cannot be written: {}", reason(&e)));
    if is_pipe(path) {
        let mut out = std::io::stdout().lock();
        if out.is_terminal() {
            return Err(Fault::Output(
                "is a terminal; redirect it to a file or a pipe".into(),
            ));
        }
        return out
            .write_all(bytes)
            .and_then(|()| out.flush())
            .map_err(failed);
    }
    // A rename would replace a link by a file; what it points to is meant.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(Fault::Output("cannot be written: it is a folder".into()))
        }
        // Devices and named pipes cannot be renamed over.
        Ok(found) if !found.is_file() => {
            let mut file = OpenOptions::new().write(true).open(path).map_err(failed)?;
            return file.write_all(bytes).map_err(failed);
        }
        _ => {}
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    builder.prefix(".sparc-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: the system takes away what its umask says.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Prints text to the standard output. A reader that has gone away is no fault of ours.
pub fn print(text: &str) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Fault::Output(format!("cannot be written: {}", reason(&e))))
        }
        _ => Ok(()),
    }
}

/// Makes a folder for outputs, with those it lies in.
pub fn make_folder(path: &Path) -> Result<(), Fault> {
    fs::create_dir_all(path).map_err(|e| Fault::Output(format!("cannot be made: {}", reason(&e))))
}

/// The output for `input` in `folder`: its name with another extension.
pub fn in_folder(folder: &Path, input: &Path, extension: &str) -> PathBuf {
    let stem = if is_pipe(input) {
        "stdin".as_ref()
    } else {
        input.file_stem().unwrap_or("out".as_ref())
    };
    let mut name = stem.to_os_string();
    name.push(".");
    name.push(extension);
    folder.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for bytes in [&b"long before"[..], b"after"] {
            write(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no").join("a");
        assert_eq!(
            write(&missing, b"x").unwrap_err().to_string(),
            "cannot be written: no such file or folder"
        );
        assert_eq!(
            write(folder.path(), b"x").unwrap_err().to_string(),
            "cannot be written: it is a folder"
        );
    }

    #[test]
    fn only_the_last_extension_is_replaced() {
        assert_eq!(
            in_folder(Path::new("d"), Path::new("x/a.b.wav"), "sparc"),
            Path::new("d/a.b.sparc")
        );
        assert_eq!(
            in_folder(Path::new("d"), Path::new("-"), "wav"),
            Path::new("d/stdin.wav")
        );
    }
}
