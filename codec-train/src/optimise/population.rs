//! A generation of masks, and the file that keeps it: postcard, and a SHA-256 of it behind.

use super::sampling::Tilt;
use crate::checkpoint::write_atomically;
use crate::error::{Error, Result};
use codec_format::symbols::Mask;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What a file says it is.
const KIND: &str = "sparc genetic 2";

/// A mask and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Individual {
    pub mask: Mask,
    /// The density its pixels, or most of them, came from.
    pub tilt: Tilt,
    /// Larger is better.
    pub fitness: f64,
}

/// A generation, best first, and all that went before in short.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Population {
    pub individuals: Vec<Individual>,
    /// Best and mean fitness of every generation.
    pub history: Vec<(f64, f64)>,
    pub evaluations: u64,
}

impl Population {
    /// Generations after the first one.
    pub fn generation(&self) -> u32 {
        self.history.len().saturating_sub(1) as u32
    }

    /// Writes the population, first beside `path`, so that a crash leaves the old file whole.
    pub fn write(&self, path: &Path, run: [u8; 32]) -> Result<()> {
        let individuals = self.individuals.iter().map(|one| Stored {
            fitness: one.fitness,
            tilt: [one.tilt.level, one.tilt.low, one.tilt.evenness],
            mask: packed(&one.mask),
        });
        let saved = Saved {
            kind: KIND.into(),
            run,
            evaluations: self.evaluations,
            history: self.history.clone(),
            individuals: individuals.collect(),
        };
        let mut out = postcard::to_stdvec(&saved).map_err(|e| Error::File {
            path: path.into(),
            what: e.to_string(),
        })?;
        let digest = Sha256::digest(&out);
        out.extend(digest);
        write_atomically(path, &out)
    }

    /// Reads a population of masks of `pixels` pixels of which `kept` are kept.
    pub fn read(path: &Path, run: [u8; 32], pixels: usize, kept: usize) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let fail = |what: &str| Error::File {
            path: path.into(),
            what: what.into(),
        };
        let whole = bytes
            .split_last_chunk::<32>()
            .filter(|(body, digest)| Sha256::digest(body)[..] == digest[..]);
        let saved = whole
            .and_then(|(body, _)| postcard::from_bytes::<Saved>(body).ok())
            .filter(|saved| saved.kind == KIND)
            .ok_or_else(|| fail("not a whole checkpoint of a genetic search"))?;
        if saved.run != run {
            return Err(fail(
                "checkpoint of a search with another clip, model, or options",
            ));
        }
        let individuals: Option<Vec<Individual>> = saved
            .individuals
            .into_iter()
            .map(|one| {
                let mask = unpacked(&one.mask, pixels).filter(|m| m.count_ones() == kept)?;
                let [level, low, evenness] = one.tilt;
                Some(Individual {
                    mask,
                    tilt: Tilt {
                        level,
                        low,
                        evenness,
                    },
                    fitness: one.fitness,
                })
            })
            .collect();
        let individuals = individuals
            .filter(|all| !all.is_empty())
            .ok_or_else(|| fail("checkpoint holds other masks than its search makes"))?;
        Ok(Population {
            individuals,
            history: saved.history,
            evaluations: saved.evaluations,
        })
    }
}

/// What is in a file.
#[derive(Serialize, Deserialize)]
struct Saved {
    kind: String,
    /// SHA-256 of what determines the search.
    run: [u8; 32],
    evaluations: u64,
    history: Vec<(f64, f64)>,
    individuals: Vec<Stored>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    fitness: f64,
    /// Level, low, evenness.
    tilt: [f32; 3],
    /// Eight pixels a byte, the first in the lowest bit.
    mask: Vec<u8>,
}

fn packed(mask: &Mask) -> Vec<u8> {
    let byte = |bits: u8, bit| bits | 1u8 << bit;
    mask.chunks(8)
        .map(|bits| bits.iter_ones().fold(0, byte))
        .collect()
}

fn unpacked(bytes: &[u8], pixels: usize) -> Option<Mask> {
    (bytes.len() == pixels.div_ceil(8)).then(|| {
        (0..pixels)
            .map(|p| bytes[p / 8] >> (p % 8) & 1 == 1)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Population {
        let one = |first: usize| Individual {
            mask: (0..13).map(|i| i % 3 == first).collect(),
            tilt: Tilt {
                level: 0.5,
                low: -0.25,
                evenness: 1.0,
            },
            fitness: -1.5,
        };
        Population {
            individuals: vec![one(1), one(2)],
            history: vec![(-1.5, -2.0), (-1.25, f64::MIN)],
            evaluations: 7,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c");
        some().write(&path, [3; 32]).expect("written");
        let read = Population::read(&path, [3; 32], 13, 4).expect("read");
        assert_eq!(read, some());
        assert_eq!(read.generation(), 1);
    }

    #[test]
    fn damage_and_other_searches_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c");
        some().write(&path, [3; 32]).expect("written");
        let why = |run, pixels, kept| {
            Population::read(&path, run, pixels, kept)
                .expect_err("refused")
                .to_string()
        };
        assert!(why([4; 32], 13, 4).contains("another clip"));
        assert!(why([3; 32], 13, 5).contains("other masks"));
        assert!(why([3; 32], 99, 4).contains("other masks"));
        let whole = std::fs::read(&path).expect("bytes");
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("written");
            assert!(
                Population::read(&path, [3; 32], 13, 4).is_err(),
                "cut at {cut}"
            );
        }
    }
}
