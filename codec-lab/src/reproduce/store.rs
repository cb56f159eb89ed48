//! What was measured before, kept so that a long run can be stopped and gone on with.
//!
//! A folder holds `measured.csv`, one line for every clip and experiment, and one file for every mask that was
//! searched for. Keys are SHA-256 over everything the result depends on, so nothing stale is ever taken.

use super::coded::Measured;
use codec_train::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// First line of `measured.csv`.
const HEAD: &str = "key,bytes,seconds,mse,pesq_wb,pesq_nb,stoi,phases";

/// Names a result by what it depends on.
#[must_use]
pub fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    // A version of the experiments themselves: raised when one of them changes what it measures.
    hash.update("sparc reproduce 1");
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
    /// [`Error::Io`].
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let path = folder.join("measured.csv");
        let mut known = HashMap::new();
        match fs::read_to_string(&path) {
            Ok(text) => {
                // A kill may have cut the last line short.
                let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
                known.extend(whole.lines().skip(1).filter_map(parse));
                if whole.len() < text.len() {
                    fs::write(&path, whole).map_err(Error::io(&path))?;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                fs::write(&path, format!("{HEAD}\n")).map_err(Error::io(&path))?;
            }
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
    /// [`Error::Io`].
    pub fn put(&mut self, key: &str, measured: &Measured) -> Result<()> {
        self.known.insert(key.to_owned(), *measured);
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let path = folder.join("measured.csv");
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(Error::io(&path))?;
        file.write_all(format!("{}\n", line(key, measured)).as_bytes())
            .map_err(Error::io(&path))
    }

    /// Where the file of this key and kind lies, if there is a folder.
    #[must_use]
    pub fn path(&self, key: &str, extension: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join(format!("{key}.{extension}")))
    }

    /// Bytes kept under a key.
    #[must_use]
    pub fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        fs::read(self.path(key, "mask")?).ok()
    }

    /// Keeps bytes under a key; the file appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn put_bytes(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let Some(path) = self.path(key, "mask") else {
            return Ok(());
        };
        let part = path.with_extension("part");
        fs::write(&part, bytes)
            .and_then(|()| fs::rename(&part, &path))
            .map_err(Error::io(&path))
    }
}

fn line(key: &str, m: &Measured) -> String {
    let cell = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
    let cells = [
        key.to_owned(),
        cell(m.bytes),
        m.seconds.to_string(),
        cell(m.mse),
        cell(m.pesq_wb),
        cell(m.pesq_nb),
        cell(m.stoi),
        cell(m.phases),
    ];
    cells.join(",")
}

fn parse(line: &str) -> Option<(String, Measured)> {
    let cells: Vec<&str> = line.split(',').collect();
    let [key, bytes, seconds, mse, pesq_wb, pesq_nb, stoi, phases] = cells[..] else {
        return None;
    };
    let number = |text: &str| -> Option<Option<f64>> {
        match text {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    };
    let measured = Measured {
        bytes: number(bytes)?,
        seconds: seconds.parse().ok()?,
        mse: number(mse)?,
        pesq_wb: number(pesq_wb)?,
        pesq_nb: number(pesq_nb)?,
        stoi: number(stoi)?,
        phases: number(phases)?,
    };
    Some((key.to_owned(), measured))
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
            store.put_bytes(&name, b"mask").expect("is kept");
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
        assert_eq!(store.bytes(&name).as_deref(), Some(&b"mask"[..]));
    }

    #[test]
    fn keys_depend_on_where_the_parts_end() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["a"]).len(), 32);
    }
}
