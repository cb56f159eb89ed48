//! Writing outputs: whole or not at all.

use crate::fault::Fault;
use codec_audio::file::{is_pipe, reason};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, IsTerminal, Seek, SeekFrom, Stdout, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Writes `bytes` to `path`, or to the standard output where `path` is `-`, as [`Sink`] does.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let mut sink = Sink::open(path)?;
    sink.write(bytes)?;
    sink.finish()
}

/// An output that is written bit by bit.
///
/// A file appears under its name only once it is complete: it is written beside it and then renamed, so
/// that a failure leaves whatever was there before. A pipe gets what is written at once.
pub struct Sink {
    place: Place,
}

enum Place {
    Pipe(Stdout),
    /// A device or a named pipe, which cannot be renamed over.
    Device(File),
    /// What will be the file of this name.
    File(BufWriter<NamedTempFile>, PathBuf),
}

fn failed(error: std::io::Error) -> Fault {
    Fault::Output(format!("cannot be written: {}", reason(&error)))
}

impl Sink {
    /// Begins to write to `path`, or to the standard output where `path` is `-`.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let place = |place| Ok(Sink { place });
        if is_pipe(path) {
            let out = std::io::stdout();
            if out.is_terminal() {
                return Err(Fault::Output(
                    "is a terminal; redirect it to a file or a pipe".into(),
                ));
            }
            return place(Place::Pipe(out));
        }
        // A rename would replace a link by a file; what it points to is meant.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => {
                return Err(Fault::Output("cannot be written: it is a folder".into()))
            }
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
                return place(Place::Device(file));
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
        let file = builder.tempfile_in(folder).map_err(failed)?;
        place(Place::File(BufWriter::new(file), path))
    }

    /// Whether what was written can be written over.
    pub fn is_file(&self) -> bool {
        matches!(self.place, Place::File(..))
    }

    /// Writes `bytes`; whoever reads the pipe has them then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.place {
            Place::Pipe(out) => out.write_all(bytes).and_then(|()| out.flush()),
            Place::Device(file) => file.write_all(bytes),
            Place::File(file, _) => file.write_all(bytes),
        }
        .map_err(failed)
    }

    /// Writes `bytes` over the beginning of a file.
    pub fn write_over(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        match &mut self.place {
            Place::File(file, _) => file
                .seek(SeekFrom::Start(0))
                .and_then(|_| file.write_all(bytes))
                .map_err(failed),
            _ => Ok(()),
        }
    }

    /// Ends the output: now the file is there.
    pub fn finish(self) -> Result<(), Fault> {
        if let Place::File(file, path) = self.place {
            let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
            file.persist(path).map_err(|e| failed(e.error))?;
        }
        Ok(())
    }
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
