//! The clips of an experiment: a few of a folder, each cut to where somebody speaks.

use super::error::{Error, Result};
use codec_train::data::Corpus;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Samples of the frames in which activity is counted: 20 ms at 16 kHz.
const FRAME: usize = 320;
/// A frame this far below the loudest one counts as a pause, dB.
const PAUSE: f32 = 35.0;

/// A piece of a clip.
#[derive(Debug, Clone)]
pub struct Excerpt {
    /// File name without its folder.
    pub name: String,
    /// Where in the file it begins, seconds.
    pub start: f64,
    /// Samples, full scale 1.
    pub pcm: Vec<f32>,
    /// SHA-256 of the samples, lower-case hex: names the excerpt wherever it lies.
    pub hash: String,
}

impl Excerpt {
    /// Seconds of sound at `rate` Hz.
    #[must_use]
    pub fn seconds(&self, rate: u32) -> f64 {
        self.pcm.len() as f64 / f64::from(rate)
    }
}

/// Files that were left out, and why.
pub type Skipped = Vec<(PathBuf, String)>;

/// `count` clips spread evenly over those in `folders` that are long enough, each cut to `seconds`; also the
/// files that were left out, and why.
///
/// # Errors
/// As [`Corpus::load`]; [`codec_train::Error::NoClips`] if fewer than `count` can be used.
pub fn choose(
    folders: &[PathBuf],
    rate: u32,
    count: usize,
    seconds: f32,
) -> Result<(Vec<Excerpt>, Skipped)> {
    let corpus = Corpus::load(folders, rate, seconds)?;
    let found = corpus.clips.len();
    if count == 0 || found < count {
        return Err(Error::Train(codec_train::Error::NoClips {
            folders: format!(
                "{} for {count}: {found} of at least {seconds} s are there",
                folders
                    .iter()
                    .map(|f| f.display().to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            skipped: corpus.skipped.len(),
            first: String::new(),
        }));
    }
    let length = (seconds * rate as f32).round() as usize;
    let excerpts = (0..count)
        .map(|i| {
            let clip = &corpus.clips[(2 * i + 1) * found / (2 * count)];
            let start = most_active(&clip.pcm, length);
            let pcm = clip.pcm[start..(start + length).min(clip.pcm.len())].to_vec();
            let mut hash = Sha256::new();
            for x in &pcm {
                hash.update(x.to_le_bytes());
            }
            Excerpt {
                name: clip
                    .path
                    .file_name()
                    .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
                start: start as f64 / f64::from(rate),
                hash: codec_train::data::hex(&hash.finalize()),
                pcm,
            }
        })
        .collect();
    Ok((excerpts, corpus.skipped))
}

/// Where the `length` samples with the fewest pauses begin; of equal ones the loudest.
fn most_active(pcm: &[f32], length: usize) -> usize {
    let energies: Vec<f32> = pcm
        .chunks_exact(FRAME)
        .map(|frame| frame.iter().map(|x| x * x).sum())
        .collect();
    let loudest = energies.iter().fold(0.0f32, |a, &b| a.max(b));
    let floor = loudest * 10f32.powf(-PAUSE / 10.0);
    let frames = (length / FRAME).clamp(1, energies.len().max(1));
    let score = |window: &[f32]| {
        let active = window.iter().filter(|&&e| e > floor).count();
        (active, window.iter().sum::<f32>())
    };
    let mut best = (0, (0, 0.0f32));
    for (at, window) in energies.windows(frames).enumerate() {
        let this = score(window);
        if this > best.1 {
            best = (at, this);
        }
    }
    (best.0 * FRAME).min(pcm.len().saturating_sub(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_avoided() {
        let mut pcm = vec![0.0f32; 32_000];
        for (i, x) in pcm[16_000..24_000].iter_mut().enumerate() {
            *x = (i as f32 * 0.3).sin();
        }
        let start = most_active(&pcm, 8_000);
        assert!(start.abs_diff(16_000) <= FRAME, "{start}");
        assert!(most_active(&pcm, 32_000) == 0);
        assert_eq!(most_active(&[], 100), 0);
    }
}
