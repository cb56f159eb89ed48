//! What was measured before, kept so that a long run can be stopped and resumed.
//!
//! A folder holds `measured.csv`, one line for every clip and experiment (key, then the fields of [`Measured`]), and one file for every mask that was
//! searched for. Keys are SHA-256 over everything the result depends on, so nothing stale is ever taken.

use super::coded::Measured;
use super::error::{Error, Result};
use super::masks::Found;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file of what was measured.
const MEASURED: &str = "measured.csv";

/// Names a result by what it depends on.
#[must_use]
pub fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    // A version of the experiments themselves: raised when one of them changes what it measures.
    hash.update("sparc reproduce 2");
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    codec_train::data::hex(&hash.finalize()[..16])
}

/// The folder, or nothing at all: then nothing is kept.
#[derive(Debug, Default)]
pub struct Store {
    folder: Option<PathBuf>,
    known: HashMap<String, Measured>,
}

impl Store {
    /// Opens a folder, making it where there is none. Lines that are not whole are left aside.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let path = folder.join(MEASURED);
        let mut known = HashMap::new();
        match fs::read(&path) {
            Ok(text) => {
                // A kill may have cut the last line short.
                let end = text.iter().rposition(|&b| b == b'\n');
                let whole = &text[..end.map_or(0, |at| at + 1)];
                let mut lines = csv::ReaderBuilder::new();
                let mut lines = lines.has_headers(false).from_reader(whole);
                known.extend(lines.deserialize::<(String, Measured)>().flatten());
                if whole.len() < text.len() {
                    fs::write(&path, whole).map_err(Error::io(&path))?;
                }
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io(&path)(e)),
        }
        Ok(Store {
            folder: Some(folder.to_path_buf()),
            known,
        })
    }

    /// A result kept earlier.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Measured> {
        self.known.get(key).copied()
    }

    /// Keeps a result.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put(&mut self, key: &str, measured: &Measured) -> Result<()> {
        self.known.insert(key.to_owned(), *measured);
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let path = folder.join(MEASURED);
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(Error::io(&path))?;
        let mut line = csv::WriterBuilder::new();
        let mut line = line.has_headers(false).from_writer(Vec::new());
        let line = line
            .serialize((key, measured))
            .map_err(std::io::Error::from)
            .and_then(|()| line.into_inner().map_err(|e| e.into_error()));
        // The whole line at once.
        line.and_then(|line| file.write_all(&line))
            .map_err(Error::io(&path))
    }

    /// Where the file of this key and kind lies, if there is a folder.
    #[must_use]
    pub fn path(&self, key: &str, extension: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join(format!("{key}.{extension}")))
    }

    /// What a search found, kept under a key.
    #[must_use]
    pub fn found(&self, key: &str) -> Option<Found> {
        postcard::from_bytes(&fs::read(self.path(key, "mask")?).ok()?).ok()
    }

    /// Keeps what a search found; the file appears whole or not at all.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put_found(&self, key: &str, found: &Found) -> Result<()> {
        let (Some(folder), Some(path)) = (&self.folder, self.path(key, "mask")) else {
            return Ok(());
        };
        let bytes = postcard::to_stdvec(found).map_err(|e| Error::Options(e.to_string()))?;
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(Error::io(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_known_after_a_restart_to_the_last_bit() {
        let folder = tempfile::tempdir().expect("a folder");
        let measured = Measured {
            bytes: Some(1234.0),
            seconds: 2.0,
            mse: Some(1.0 / 3.0),
            pesq_wb: None,
            pesq_nb: Some(0.1 + 0.2),
            stoi: Some(1e-17),
            phases: Some(1.0),
        };
        let name = key(&["a", "b"]);
        {
            let mut store = Store::open(folder.path()).expect("opens");
            assert_eq!(store.get(&name), None);
            store.put(&name, &measured).expect("is kept");
            store.put_found(&name, &found()).expect("is kept");
        }
        // A line cut short by a kill must not be believed.
        let path = folder.path().join("measured.csv");
        let mut text = fs::read_to_string(&path).expect("is there");
        text.push_str("ffff,12,2,,,,,0.9");
        fs::write(&path, text).expect("is written");
        let mut store = Store::open(folder.path()).expect("opens again");
        assert_eq!(store.get(&name), Some(measured));
        assert_eq!(store.get("ffff"), None);
        store.put("eeee", &measured).expect("is kept");
        let again = Store::open(folder.path()).expect("opens again");
        assert_eq!(again.get("eeee"), Some(measured));
        assert_eq!(store.found(&name), Some(found()));
        let path = store.path(&name, "mask").expect("a folder");
        let bytes = fs::read(&path).expect("is there");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("is written");
        assert_eq!(store.found(&name), None);
    }

    fn found() -> Found {
        let mask = [true, false, true, false, false, true];
        Found {
            shape: (2, 3),
            mask: Some(mask.into_iter().collect()),
            levels: Some(ndarray::Array2::from_elem((2, 3), 1.5)),
            real: Some(vec![0.0, 0.25, 0.5, 1.0, 0.0, 1.0]),
            seed: Some((0.9, 77)),
            course: vec![[0.0, 1.0, 2.0], [1.0, 0.5, 2.5]],
        }
    }

    #[test]
    fn keys_depend_on_where_the_parts_end() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["a"]).len(), 32);
    }
}
