//! How far decoded sound is from its original, to choose between encodings of it: no measure of quality by itself.
//!
//! Both sounds are cut into Hann frames of about 16 ms, half a frame apart. The mean power of each of 20 bands, equally
//! wide on the Bark scale, is compressed to something like loudness, and the differences are averaged over bands and
//! frames, as a share of the original's mean loudness. Phases do not count.

use crate::error::Result;
use crate::transform::stft::Transform;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{Stft, WindowKind};

/// Bands on the Bark scale, from 0 Hz to half the rate.
const BANDS: usize = 20;
/// Exponent of the compression of power: loudness grows by 1.4 with every 10 dB.
const COMPRESSION: f32 = 0.15;
/// Frames held at once.
const BLOCK: usize = 256;

/// The loudness of a clip by channel, frame and band, to hold others against.
#[derive(Debug)]
pub struct Reference {
    ear: Ear,
    /// Frames x bands, flat, of each channel.
    loudness: Vec<Vec<f32>>,
    /// Mean over all of them.
    mean: f64,
    samples: usize,
}

impl Reference {
    /// Listens to planar PCM at `rate` Hz.
    ///
    /// # Errors
    /// Never for rates from 1000 Hz on.
    pub fn new(channels: &[Vec<f32>], rate: u32) -> Result<Self> {
        let ear = Ear::new(rate)?;
        let samples = channels.iter().map(Vec::len).max().unwrap_or(0);
        let loudness: Vec<Vec<f32>> = channels
            .iter()
            .map(|pcm| {
                let mut all = Vec::with_capacity(ear.frames(samples) * BANDS);
                ear.listen(pcm, samples, |loudness| all.extend_from_slice(loudness));
                all
            })
            .collect();
        let count = loudness.iter().map(Vec::len).sum::<usize>().max(1);
        let mean = loudness
            .iter()
            .flatten()
            .map(|&x| f64::from(x))
            .sum::<f64>()
            / count as f64;
        Ok(Reference {
            ear,
            loudness,
            mean,
            samples,
        })
    }

    /// Mean absolute difference of loudness of `channels` to the reference, as a share of the reference's mean: 0 for
    /// the same sound, 1 for silence. Against a silent reference the difference itself.
    ///
    /// Missing channels and samples count as silence; further ones do not count.
    #[must_use]
    pub fn distance(&self, channels: &[Vec<f32>]) -> f64 {
        let (mut sum, mut count) = (0.0f64, 0usize);
        for (channel, reference) in self.loudness.iter().enumerate() {
            let pcm = channels.get(channel).map_or(&[][..], Vec::as_slice);
            let pcm = &pcm[..pcm.len().min(self.samples)];
            let mut left = &reference[..];
            self.ear.listen(pcm, self.samples, |loudness| {
                let (here, rest) = left.split_at(loudness.len());
                left = rest;
                let differences = here
                    .iter()
                    .zip(loudness)
                    .map(|(a, b)| f64::from(libm::fabsf(a - b)));
                sum += differences.sum::<f64>();
                count += here.len();
            });
        }
        let mean = sum / count.max(1) as f64;
        if self.mean > 0.0 {
            mean / self.mean
        } else {
            mean
        }
    }
}

/// From samples to loudness.
#[derive(Debug)]
struct Ear {
    transform: Transform,
    /// The band of every bin but that of 0 Hz, and the bins of every band.
    bands: Vec<usize>,
    widths: Vec<f32>,
}

impl Ear {
    fn new(rate: u32) -> Result<Self> {
        let mut n_fft: u16 = 64;
        // The power of two from 13 to 26 ms, where a transform can be that long.
        while n_fft < 4096 && u64::from(n_fft) * 1000 < u64::from(rate) * 13 {
            n_fft *= 2;
        }
        let stft = Stft {
            n_fft,
            window_length: n_fft,
            window: WindowKind::Hann,
            hop: n_fft / 2,
        };
        let transform = Transform::new(&stft, usize::from(n_fft / 2))?;
        let bark = |bin: usize| {
            let hertz = bin as f32 * rate as f32 / f32::from(n_fft);
            // Traunmueller 1990.
            (26.81 * hertz / (1960.0 + hertz) - 0.53).max(0.0)
        };
        let (low, high) = (bark(1), bark(transform.bins() - 1));
        let bands: Vec<usize> = (1..transform.bins())
            .map(|bin| {
                let share = (bark(bin) - low) / (high - low).max(1e-6);
                ((share * BANDS as f32) as usize).min(BANDS - 1)
            })
            .collect();
        let mut widths = vec![0.0f32; BANDS];
        bands.iter().for_each(|&band| widths[band] += 1.0);
        Ok(Ear {
            transform,
            bands,
            widths,
        })
    }

    /// Frames over `samples` samples, centred on them.
    fn frames(&self, samples: usize) -> usize {
        1 + samples / self.transform.hop()
    }

    /// Gives `take` the loudness of a block of frames after the other, frames x bands; `pcm` is followed by silence
    /// up to `samples`.
    fn listen(&self, pcm: &[f32], samples: usize, mut take: impl FnMut(&[f32])) {
        let frames = self.frames(samples);
        for first in (0..frames).step_by(BLOCK) {
            let count = BLOCK.min(frames - first);
            let spectra = self.transform.spectra(pcm, 0, first as i64, count);
            let mut loudness = vec![0.0f32; count * BANDS];
            for (frame, row) in spectra.outer_iter().enumerate() {
                let out = &mut loudness[frame * BANDS..(frame + 1) * BANDS];
                for (z, &band) in row.iter().skip(1).zip(&self.bands) {
                    out[band] += z.re * z.re + z.im * z.im;
                }
                for (x, &width) in out.iter_mut().zip(&self.widths) {
                    // Bands between two low bins have none.
                    *x = libm::powf(*x / width.max(1.0), COMPRESSION);
                }
            }
            take(&loudness);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.1
            })
            .collect()
    }

    #[test]
    fn the_same_sound_is_at_no_distance_and_silence_at_one() {
        for rate in [8_000, 16_000, 48_000] {
            let pcm = vec![noise(20_000, 1), noise(20_000, 2)];
            let reference = Reference::new(&pcm, rate).unwrap();
            assert_eq!(reference.distance(&pcm), 0.0);
            assert!((reference.distance(&[]) - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn more_noise_is_further_away_and_polarity_is_not() {
        let tone: Vec<f32> = (0..30_000)
            .map(|i| 0.3 * libm::sinf(i as f32 * 0.2))
            .collect();
        let reference = Reference::new(core::slice::from_ref(&tone), 16_000).unwrap();
        let with = |level: f32| -> f64 {
            let noisy = tone
                .iter()
                .zip(noise(30_000, 3))
                .map(|(x, n)| x + level * n);
            reference.distance(&[noisy.collect()])
        };
        assert!(with(0.01) < with(0.1) && with(0.1) < with(1.0));
        let turned: Vec<f32> = tone.iter().map(|x| -x).collect();
        assert!(reference.distance(&[turned]) < 1e-5);
    }

    #[test]
    fn lengths_need_not_agree() {
        let reference = Reference::new(&[noise(5_000, 1)], 16_000).unwrap();
        let longer = reference.distance(&[noise(9_000, 1)]);
        assert!(longer < 1e-6, "{longer}");
        let shorter = reference.distance(&[noise(2_000, 1)]);
        assert!((0.2..1.0).contains(&shorter), "{shorter}");
        assert!(Reference::new(&[], 16_000).unwrap().distance(&[]) == 0.0);
        // A silent reference: nothing is divided by it.
        let silent = Reference::new(&[vec![0.0; 3_000]], 16_000).unwrap();
        assert!(silent.distance(&[noise(3_000, 1)]) > 0.0);
    }
}
