//! Checkpoints: all that training needs to go on exactly where it stopped, as a safetensors file.
//!
//! The tensors of parameter `i` are `weights.i`, `best.i` (those of the smallest validation loss), the optimiser's
//! `first.i` and `second.i`, and `average.i` where a running mean is kept; the metadata has the rest and a SHA-256 over everything.

use crate::data::hex;
use crate::error::{Error, Result};
use crate::optimiser::State;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

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
    /// Their running mean, where one is kept; else empty.
    pub average: Vec<Vec<f32>>,
    /// The optimiser's state, the number of steps taken with it.
    pub optimiser: State,
}

const GROUPS: [&str; 5] = ["weights", "best", "first", "second", "average"];

impl Checkpoint {
    fn groups(&self) -> [&Vec<Vec<f32>>; 5] {
        let State { first, second, .. } = &self.optimiser;
        [
            &self.weights,
            &self.best_weights,
            first,
            second,
            &self.average,
        ]
    }

    /// What the file says besides the tensors; the loss by its bits, for it may be infinite.
    fn facts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("run", hex(&self.run)),
            ("steps", self.optimiser.steps.to_string()),
            ("best", self.best.to_bits().to_string()),
            ("best_step", self.best_step.to_string()),
        ]
    }

    /// Over facts and numbers.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (key, value) in self.facts() {
            hash.update(format!("{key}={value};"));
        }
        for group in self.groups() {
            for numbers in group {
                hash.update((numbers.len() as u64).to_le_bytes());
                hash.update(bytes(numbers));
            }
        }
        hex(&hash.finalize())
    }

    /// Writes the checkpoint to `path`, first beside it, so that a crash leaves the old one whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut tensors: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, group) in GROUPS.iter().zip(self.groups()) {
            let named = group.iter().enumerate();
            tensors.extend(named.map(|(i, numbers)| (format!("{name}.{i}"), bytes(numbers))));
        }
        let fail = |what: String| Error::File {
            path: path.into(),
            what,
        };
        let views = tensors
            .iter()
            .map(|(name, bytes)| {
                let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes);
                Ok((name.as_str(), view.map_err(|e| fail(e.to_string()))?))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut facts: HashMap<String, String> = HashMap::new();
        facts.extend(self.facts().into_iter().map(|(k, v)| (k.to_owned(), v)));
        facts.insert("sha256".into(), self.digest());
        let file = safetensors::serialize(views, Some(facts)).map_err(|e| fail(e.to_string()))?;
        write_atomically(path, &file)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] if it is no checkpoint, damaged, or of another run than `run`.
    pub fn read(path: &Path, run: [u8; 32]) -> Result<Self> {
        let file = std::fs::read(path).map_err(Error::io(path))?;
        let fail = |what: &str| Error::File {
            path: path.into(),
            what: what.into(),
        };
        let (of_run, whole) = taken(&file, run).ok_or_else(|| fail("not a whole checkpoint"))?;
        if !of_run {
            return Err(fail(
                "checkpoint of a run with another configuration, seed or data",
            ));
        }
        whole.ok_or_else(|| fail("checkpoint is damaged"))
    }
}

/// Whether a file is a checkpoint of `run`, and what it holds if it is that of its own digest; nothing if it is none.
fn taken(file: &[u8], run: [u8; 32]) -> Option<(bool, Option<Checkpoint>)> {
    let (_, header) = SafeTensors::read_metadata(file).ok()?;
    let tensors = SafeTensors::deserialize(file).ok()?;
    let facts = header.metadata().as_ref()?;
    if *facts.get("run")? != hex(&run) {
        return Some((false, None));
    }
    let group = |name: &str| -> Option<Vec<Vec<f32>>> {
        let mut group = Vec::new();
        while let Ok(tensor) = tensors.tensor(&format!("{name}.{}", group.len())) {
            let each = tensor.data().chunks_exact(4);
            group.push(
                each.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect(),
            );
        }
        Some(group)
    };
    let checkpoint = Checkpoint {
        run,
        best: f32::from_bits(facts.get("best")?.parse().ok()?),
        best_step: facts.get("best_step")?.parse().ok()?,
        weights: group(GROUPS[0])?,
        best_weights: group(GROUPS[1])?,
        optimiser: State {
            steps: facts.get("steps")?.parse().ok()?,
            first: group(GROUPS[2])?,
            second: group(GROUPS[3])?,
        },
        average: group(GROUPS[4])?,
    };
    let whole = *facts.get("sha256")? == checkpoint.digest();
    Some((true, whole.then_some(checkpoint)))
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Writes a file under another name, then gives it its own.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::io(path))?;
    file.write_all(bytes).map_err(Error::io(path))?;
    // Files of this kind are private; a model is not.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let public = std::fs::Permissions::from_mode(0o644);
        file.as_file()
            .set_permissions(public)
            .map_err(Error::io(path))?;
    }
    match file.persist(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::io(path)(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Checkpoint {
        Checkpoint {
            run: [7; 32],
            best: f32::INFINITY,
            best_step: 12,
            best_weights: vec![vec![1.0, 2.0], vec![4.0]],
            weights: vec![vec![3.0, f32::MIN_POSITIVE], vec![5.0]],
            optimiser: State {
                steps: 13,
                first: vec![vec![0.5; 2]],
                second: vec![vec![0.125; 2]],
            },
            average: vec![vec![2.0; 2], vec![4.5]],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c");
        some().write(&path).expect("written");
        assert_eq!(Checkpoint::read(&path, [7; 32]).expect("read"), some());
        let files = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 1, "nothing is left beside it");
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
        for at in [whole.len() - 1, whole.len() - 30] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, &flipped).expect("written");
            let error = Checkpoint::read(&path, [7; 32]).expect_err("damage");
            assert!(error.to_string().contains("damaged"), "{error}");
        }
    }
}
