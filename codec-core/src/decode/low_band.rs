//! The waveform layer: from indices to spectra (Spec §9.6).
//!
//! The ear, and every measure of speech, is pickiest where the first harmonics lie, and there are few bins. Below
//! some hundred hertz a coefficient costs about what a kept value does, but brings the phase along: what comes out
//! is not completed and not rebuilt, and the phases of everything above start from it.

use crate::quantise::coefficients::step;
use crate::transform::lapped::Lapped;
use crate::transform::stft::{Complex32, Transform};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::symbols::SparseImage;
use ndarray::Array2;

/// The lowest band of one channel on its way from indices to spectra.
#[derive(Debug, Clone)]
pub(super) struct LowBand {
    lapped: Arc<Lapped>,
    covered: usize,
    /// Samples from position `start` on; those of the last hop lack the block to come.
    signal: Vec<f32>,
    start: i64,
    /// Blocks added.
    blocks: i64,
    /// Frames of the synthesis grid whose spectra were taken.
    taken: i64,
    /// Scratch of one block.
    block: Vec<f32>,
}

impl LowBand {
    /// That of a stream with a waveform layer.
    pub fn of(header: &Header) -> Option<Self> {
        let lapped = Lapped::of(header)?;
        Some(LowBand {
            start: -(lapped.hop() as i64),
            covered: header.covered_bins(),
            signal: Vec::new(),
            blocks: 0,
            taken: 0,
            block: vec![0.0; 2 * lapped.hop()],
            lapped: Arc::new(lapped),
        })
    }

    /// Adds the blocks of the next segment, which must be as long as its frames.
    pub fn push(&mut self, header: &Header, image: &SparseImage) {
        let hop = self.lapped.hop();
        let rows = image.waveform().chunks(self.lapped.coefficients());
        for (row, &threshold) in rows.zip(image.thresholds()) {
            let step = step(header, threshold);
            let at = ((self.blocks - 1) * hop as i64 - self.start) as usize;
            if self.signal.len() < at + 2 * hop {
                self.signal.resize(at + 2 * hop, 0.0);
            }
            self.lapped.add(
                row.iter().map(|&q| f32::from(q) * step),
                &mut self.block,
                &mut self.signal[at..at + 2 * hop],
            );
            self.blocks += 1;
        }
    }

    /// Spectra of the next `frames` frames of the grid of `transform`, frames x covered bins. The blocks that reach
    /// into them must have been pushed, as far as there are any.
    pub fn take(&mut self, transform: &Transform, frames: usize) -> Array2<Complex32> {
        let spectra = transform.spectra(&self.signal, self.start, self.taken, frames);
        self.taken += frames as i64;
        let needed = self.taken * transform.hop() as i64 - transform.n_fft() as i64 / 2;
        // The next block is added from here on.
        let needed = needed.min((self.blocks - 1) * self.lapped.hop() as i64);
        let drop = ((needed - self.start).max(0) as usize).min(self.signal.len());
        self.signal.drain(..drop);
        self.start += drop as i64;
        Array2::from_shape_fn((frames, self.covered), |at| spectra[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::policy::Rise;
    use crate::encode::{Policy, Settings};
    use crate::quantise::coefficients::quantise;
    use codec_format::header::{Signal, WaveformShape};
    use codec_format::symbols::{Kept, Mask, MAX_INDEX};

    fn header(step: i8) -> Header {
        let settings = Settings {
            waveform: Some(WaveformShape {
                coefficients: 24,
                step,
            }),
            policy: Policy::Ridge {
                margin: 0.0,
                threshold_step: 8,
                rise: Rise::NONE,
            },
            ..Settings::speech()
        };
        let mono = Signal {
            rate: 16_000,
            channels: 1,
        };
        settings.header(mono, None, -300, None)
    }

    /// A sum of sines below 600 Hz, with an onset.
    fn sound(len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| {
                let sine = |f: f32, p: f32| libm::sinf(f * i as f32 * 0.000_392_7 + p);
                let on = if i > len / 3 { 0.3 } else { 0.01 };
                on * (sine(110.0, 0.0) + 0.5 * sine(220.0, 1.0) + 0.3 * sine(540.0, 2.0))
            })
            .collect()
    }

    fn image(header: &Header, thresholds: Vec<u8>, waveform: Vec<i16>) -> SparseImage {
        let frames = thresholds.len();
        SparseImage {
            kept: Kept::Ridge {
                mask: Mask::repeat(false, 257 * frames),
                values: Vec::new(),
                thresholds,
                waveform,
            },
            ..SparseImage::silent(header, frames)
        }
    }

    #[test]
    fn fine_steps_give_the_band_back_however_the_segments_are_cut() {
        let header = header(40);
        let pcm = sound(64 * 256);
        let lapped = Lapped::of(&header).unwrap();
        let coefficients = lapped.analyse(&pcm, 0, 0, 65);
        let thresholds = vec![0; 65];
        let indices = quantise(&header, coefficients.view(), &thresholds);
        let part = |from: usize, to: usize| {
            let indices = indices[from * 24..to * 24].to_vec();
            image(&header, thresholds[from..to].to_vec(), indices)
        };
        let whole = part(0, 65);
        let transform = Transform::new(&header.stft, 64).unwrap();
        let wanted = transform.spectra(&pcm, 0, 0, 65 * 4);
        let mut low = LowBand::of(&header).unwrap();
        low.push(&header, &whole);
        let all = low.take(&transform, 65 * 4);
        let (mut error, mut power) = (0.0f64, 0.0f64);
        for ((frame, bin), z) in all.indexed_iter() {
            // The stream's ends have no block beyond them.
            if (8..64 * 4 - 8).contains(&frame) {
                let w = wanted[(frame, bin)];
                error += f64::from((z.re - w.re).powi(2) + (z.im - w.im).powi(2));
                power += f64::from(w.re * w.re + w.im * w.im);
            }
        }
        assert!(error < 1e-4 * power, "{error} of {power}");

        let mut cut = LowBand::of(&header).unwrap();
        cut.push(&header, &part(0, 16));
        let mut rows = 0;
        for segment in 1..=4 {
            let end = (16 * segment + 16).min(65);
            cut.push(&header, &part(16 * segment, end));
            let some = cut.take(&transform, 64);
            for ((frame, bin), z) in some.indexed_iter() {
                assert_eq!(*z, all[(rows + frame, bin)]);
            }
            rows += 64;
        }
    }

    #[test]
    fn a_forged_step_stays_finite() {
        let mut header = header(127);
        header.quantiser.origin = i16::MAX;
        let image = image(&header, vec![255; 4], vec![MAX_INDEX; 4 * 24]);
        let mut low = LowBand::of(&header).unwrap();
        low.push(&header, &image);
        let transform = Transform::new(&header.stft, 64).unwrap();
        for &z in &low.take(&transform, 16) {
            assert!(z.re.is_finite() && z.im.is_finite());
            assert!(libm::sqrtf(z.re * z.re + z.im * z.im).is_finite());
        }
    }
}
