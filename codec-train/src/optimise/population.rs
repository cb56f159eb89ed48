//! A generation of masks, and the file that keeps it.
//!
//! Layout, little-endian: `SPARCGA1`, SHA-256 of what determines the search, evaluations (u64), the history
//! (u32 count, then best and mean as f64), the individuals (u32 count; each fitness as f64, tilt as three f32
//! and the mask, eight pixels a byte, the first in the lowest bit), SHA-256 of everything before.

use super::sampling::Tilt;
use crate::checkpoint::write_atomically;
use crate::error::{Error, Result};
use codec_format::symbols::Mask;
use sha2::{Digest, Sha256};
use std::path::Path;

const MAGIC: &[u8; 8] = b"SPARCGA1";

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
        let mut out = MAGIC.to_vec();
        out.extend(run);
        out.extend(self.evaluations.to_le_bytes());
        out.extend((self.history.len() as u32).to_le_bytes());
        for (best, mean) in &self.history {
            out.extend(best.to_le_bytes());
            out.extend(mean.to_le_bytes());
        }
        out.extend((self.individuals.len() as u32).to_le_bytes());
        for one in &self.individuals {
            out.extend(one.fitness.to_le_bytes());
            for x in [one.tilt.level, one.tilt.low, one.tilt.evenness] {
                out.extend(x.to_le_bytes());
            }
            out.extend(
                one.mask
                    .chunks(8)
                    .map(|bits| bits.iter_ones().fold(0u8, |byte, bit| byte | 1u8 << bit)),
            );
        }
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
        if !bytes.starts_with(MAGIC) {
            return Err(fail("not a checkpoint of a genetic search"));
        }
        let body = bytes
            .len()
            .checked_sub(32)
            .filter(|&end| end >= MAGIC.len())
            .ok_or_else(|| fail("checkpoint is cut short"))?;
        if Sha256::digest(&bytes[..body])[..] != bytes[body..] {
            return Err(fail("checkpoint is damaged"));
        }
        let mut reader = Reader(&bytes[MAGIC.len()..body]);
        let found: [u8; 32] = reader
            .take()
            .ok_or_else(|| fail("checkpoint is cut short"))?;
        if found != run {
            return Err(fail(
                "checkpoint of a search with another clip, model, or options",
            ));
        }
        reader
            .population(pixels)
            .filter(|p| {
                !p.individuals.is_empty()
                    && p.individuals.iter().all(|i| i.mask.count_ones() == kept)
            })
            .ok_or_else(|| fail("checkpoint holds other masks than its search makes"))
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    fn f32(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }

    fn count(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn population(&mut self, pixels: usize) -> Option<Population> {
        let mut out = Population {
            evaluations: self.take().map(u64::from_le_bytes)?,
            ..Population::default()
        };
        for _ in 0..self.count()? {
            out.history.push((self.f64()?, self.f64()?));
        }
        for _ in 0..self.count()? {
            let fitness = self.f64()?;
            let tilt = Tilt {
                level: self.f32()?,
                low: self.f32()?,
                evenness: self.f32()?,
            };
            let (bits, rest) = self.0.split_at_checked(pixels.div_ceil(8))?;
            self.0 = rest;
            let mask = (0..pixels)
                .map(|p| bits[p / 8] >> (p % 8) & 1 == 1)
                .collect();
            out.individuals.push(Individual {
                mask,
                tilt,
                fitness,
            });
        }
        self.0.is_empty().then_some(out)
    }
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
