//! Checkpoints: all that training needs to go on exactly where it stopped.
//!
//! Layout, little-endian: `SPARCCK1`, SHA-256 of configuration and data, step, best loss (f32), step of the
//! best, three groups of vectors (best weights, weights, first and second moments), SHA-256 of everything before.

use crate::error::{Error, Result};
use crate::optimiser::State;
use sha2::{Digest, Sha256};
use std::path::Path;

const MAGIC: &[u8; 8] = b"SPARCCK1";

/// A state of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// SHA-256 over configuration text, seed, steps and data hashes: a checkpoint fits no other run.
    pub run: [u8; 32],
    /// Smallest validation loss so far.
    pub best: f32,
    /// The step it was found at.
    pub best_step: u64,
    /// The weights of that step, one vector per parameter.
    pub best_weights: Vec<Vec<f32>>,
    /// The present weights.
    pub weights: Vec<Vec<f32>>,
    /// The optimiser's state, the number of steps taken with it.
    pub optimiser: State,
}

impl Checkpoint {
    /// Writes the checkpoint to `path`, first beside it, so that a crash leaves the old one whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut out = MAGIC.to_vec();
        out.extend(self.run);
        out.extend(self.optimiser.steps.to_le_bytes());
        out.extend(self.best.to_le_bytes());
        out.extend(self.best_step.to_le_bytes());
        for group in [
            &self.best_weights,
            &self.weights,
            &self.optimiser.first,
            &self.optimiser.second,
        ] {
            out.extend((group.len() as u32).to_le_bytes());
            for vector in group {
                out.extend((vector.len() as u32).to_le_bytes());
                out.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
            }
        }
        let digest = Sha256::digest(&out);
        out.extend(digest);
        write_atomically(path, &out)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] if it is no checkpoint, damaged, or of another run than `run`.
    pub fn read(path: &Path, run: [u8; 32]) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let fail = |what: &str| Error::File {
            path: path.into(),
            what: what.into(),
        };
        if !bytes.starts_with(MAGIC) {
            return Err(fail("not a checkpoint"));
        }
        let end = bytes
            .len()
            .checked_sub(32)
            .ok_or_else(|| fail("checkpoint is cut short"))?;
        if Sha256::digest(&bytes[..end])[..] != bytes[end..] {
            return Err(fail("checkpoint is damaged"));
        }
        let mut reader = Reader {
            bytes: &bytes[MAGIC.len()..end],
        };
        let checkpoint = (|| {
            let run = reader.take()?;
            let steps = u64::from_le_bytes(reader.take()?);
            let best = f32::from_le_bytes(reader.take()?);
            let best_step = u64::from_le_bytes(reader.take()?);
            let (best_weights, weights) = (reader.group()?, reader.group()?);
            let (first, second) = (reader.group()?, reader.group()?);
            let optimiser = State {
                steps,
                first,
                second,
            };
            Some(Checkpoint {
                run,
                best,
                best_step,
                best_weights,
                weights,
                optimiser,
            })
        })()
        .ok_or_else(|| fail("checkpoint is cut short"))?;
        if checkpoint.run != run {
            return Err(fail(
                "checkpoint of a run with another configuration, seed or data",
            ));
        }
        Ok(checkpoint)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*head)
    }

    fn group(&mut self) -> Option<Vec<Vec<f32>>> {
        let count = u32::from_le_bytes(self.take()?);
        let mut group = Vec::new();
        for _ in 0..count {
            let len = u32::from_le_bytes(self.take()?) as usize;
            let (numbers, rest) = self.bytes.split_at_checked(len.checked_mul(4)?)?;
            self.bytes = rest;
            group.push(
                numbers
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect(),
            );
        }
        Some(group)
    }
}

/// Writes a file under another name, then gives it its own.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = std::path::PathBuf::from(beside);
    std::fs::write(&beside, bytes).map_err(Error::io(&beside))?;
    std::fs::rename(&beside, path).map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Checkpoint {
        Checkpoint {
            run: [7; 32],
            best: 0.25,
            best_step: 12,
            best_weights: vec![vec![1.0, 2.0], vec![]],
            weights: vec![vec![3.0, f32::MIN_POSITIVE], vec![]],
            optimiser: State {
                steps: 13,
                first: vec![vec![0.5; 2]],
                second: vec![vec![0.125; 2]],
            },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c");
        some().write(&path).expect("written");
        assert_eq!(Checkpoint::read(&path, [7; 32]).expect("read"), some());
    }

    #[test]
    fn damage_and_other_runs_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c");
        some().write(&path).expect("written");
        let error = Checkpoint::read(&path, [8; 32])
            .expect_err("another run")
            .to_string();
        assert!(error.contains("another configuration"), "{error}");
        let whole = std::fs::read(&path).expect("bytes");
        for cut in [0, 8, 39, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).expect("written");
            assert!(Checkpoint::read(&path, [7; 32]).is_err(), "cut at {cut}");
        }
        let mut flipped = whole;
        flipped[60] ^= 1;
        std::fs::write(&path, &flipped).expect("written");
        assert!(Checkpoint::read(&path, [7; 32])
            .expect_err("damage")
            .to_string()
            .contains("damaged"));
    }
}
