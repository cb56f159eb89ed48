//! The waveform layer: from indices to spectra (Spec §9.6).
//!
//! The ear, and every measure of speech, is pickiest where the first harmonics lie, and there are few bins. Below
//! some hundred hertz a coefficient costs about what a kept value does, but brings the phase along: what comes out
//! is not completed and not rebuilt, and the phases of everything above start from it.

use crate::error::Result;
use crate::quantise::coefficients::step;
use crate::simd::LANES;
use crate::transform::lanes::LaneTransform;
use crate::transform::lapped;
use codec_format::header::Header;
use codec_format::memory::Memory;
use codec_format::symbols::Row;

/// The lowest band of one channel on its way from indices to spectra.
#[derive(Debug)]
pub(super) struct LowBand<M: Memory> {
    header: Header,
    hop: usize,
    coefficients: usize,
    covered: usize,
    up: usize,
    /// Coefficients x `2 hop` samples.
    basis: M::Of<f32>,
    /// The transform's length and two hops, and ends where the latest block does.
    signal: M::Of<f32>,
    /// Spectra of the latest `frames` fine frames: real and imaginary parts of the covered bins.
    spectra: M::Of<[f32; 2]>,
    frames: usize,
    /// The next block.
    block: usize,
    /// Fine frames whose spectra there have been.
    made: usize,
}

impl<M: Memory> LowBand<M> {
    /// That of a stream with a waveform layer, `up` fine frames for each of its frames, of which the latest `known` are
    /// held.
    pub fn of(header: &Header, up: usize, known: usize, memory: &mut M) -> Result<Option<Self>> {
        let coefficients = header.coefficients();
        if coefficients == 0 {
            return Ok(None);
        }
        let (n, hop) = (usize::from(header.stft.n_fft), usize::from(header.stft.hop));
        let (covered, frames) = (header.covered_bins(), (known + 1) * up);
        Ok(Some(LowBand {
            header: header.clone(),
            hop,
            coefficients,
            covered,
            up,
            basis: memory.take(coefficients * 2 * hop)?,
            signal: memory.take(n + 2 * hop)?,
            spectra: memory.take(frames * covered)?,
            frames,
            block: 0,
            made: 0,
        }))
    }

    /// Begins with coded frame `start`, as if there was silence before.
    pub fn reset(&mut self, start: usize) {
        let (hop, coefficients) = (self.hop, self.coefficients);
        lapped::fill(hop, coefficients, &mut self.basis);
        self.signal.fill(0.0);
        self.block = start;
        self.made = start * self.up;
    }

    /// Adds the block of the next frame.
    pub fn push(&mut self, row: &Row<'_>, transform: &mut LaneTransform<M>) {
        let step = step(&self.header, row.threshold.unwrap_or(0)) * (2.0 / self.hop as f32);
        self.begin_block();
        let from = self.signal.len() - 2 * self.hop;
        let block = &mut self.signal[from..];
        for (&q, wave) in row
            .waveform
            .iter()
            .zip(self.basis.chunks_exact(2 * self.hop))
        {
            if q != 0 {
                let x = f32::from(q) * step;
                for (y, &w) in block.iter_mut().zip(wave) {
                    *y += x * w;
                }
            }
        }
        self.transform(usize::MAX, transform);
    }

    /// Makes the spectra of the fine frames before `end`, no block following.
    pub fn end(&mut self, end: usize, transform: &mut LaneTransform<M>) {
        while self.made < end {
            self.begin_block();
            self.transform(end, transform);
        }
    }

    /// Moves on by a block.
    fn begin_block(&mut self) {
        let kept = self.signal.len() - self.hop;
        self.signal.copy_within(self.hop.., 0);
        self.signal[kept..].fill(0.0);
        self.block += 1;
    }

    /// Makes the spectra of the fine frames before `end` whose samples lack no block.
    fn transform(&mut self, end: usize, transform: &mut LaneTransform<M>) {
        let (len, hop) = (self.signal.len() as i64, self.hop as i64);
        let (n, fine) = (len - 2 * hop, hop / self.up as i64);
        let first = self.block as i64 * hop - len;
        while self.made < end {
            let from = self.made as i64 * fine - n / 2 - first;
            // The last sample that lacks no block lies one hop before the end of the signal.
            let Some(room) = usize::try_from(len - hop - n - from).ok() else {
                return;
            };
            let slot = self.made % self.frames;
            let ready = (room / fine as usize + 1).min(LANES).min(end - self.made);
            let count = ready.min(self.frames - slot);
            let out = &mut self.spectra[slot * self.covered..(slot + count) * self.covered];
            transform.analyse(&self.signal, from, fine as usize, self.covered, out);
            self.made += count;
        }
    }

    /// Fine frames whose spectra there have been, counted from the start of the stream.
    pub fn made(&self) -> usize {
        self.made
    }

    /// The covered bins of a fine frame that is held.
    pub fn spectrum(&self, fine: usize) -> &[[f32; 2]] {
        &self.spectra[fine % self.frames * self.covered..][..self.covered]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::policy::Rise;
    use crate::encode::{Policy, Settings};
    use crate::quantise::coefficients::quantise;
    use crate::transform::circle::Circle;
    use crate::transform::lapped::Lapped;
    use crate::transform::stft::Transform;
    use alloc::vec;
    use alloc::vec::Vec;
    use codec_format::header::{Signal, WaveformShape};
    use codec_format::memory::Heap;
    use codec_format::symbols::{Kept, Mask, RowBuffer, SparseImage, MAX_INDEX};
    use ndarray::{Array2, ArrayView1};

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

    /// Spectra of the fine frames of an image that begins with coded frame `start`, frames x covered bins.
    fn spectra(header: &Header, image: &SparseImage, start: usize) -> Array2<[f32; 2]> {
        let memory = &mut Heap::new(u64::MAX);
        let mut circle = Circle::new(memory).unwrap();
        let mut transform = LaneTransform::new(&header.stft, memory).unwrap();
        circle.reset();
        transform.reset(&circle);
        let mut low = LowBand::of(header, 4, 3, memory).unwrap().unwrap();
        let mut rows = RowBuffer::new(header, memory).unwrap();
        let mut all = Array2::from_elem((4 * image.frames, header.covered_bins()), [0.0; 2]);
        let mut taken = 0;
        let mut take = |low: &LowBand<Heap>| {
            while taken < low.made() - 4 * start {
                let spectrum = low.spectrum(4 * start + taken);
                all.row_mut(taken).assign(&ArrayView1::from(spectrum));
                taken += 1;
            }
        };
        low.reset(start);
        for frame in 0..image.frames {
            low.push(&rows.row(image, frame), &mut transform);
            take(&low);
        }
        low.end(4 * (start + image.frames), &mut transform);
        take(&low);
        all
    }

    #[test]
    fn fine_steps_give_the_band_back_wherever_it_is_begun() {
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
        let all = spectra(&header, &whole, 0);
        let (mut error, mut power) = (0.0f64, 0.0f64);
        for ((frame, bin), z) in all.indexed_iter() {
            // The stream's ends have no block beyond them.
            if (8..64 * 4 - 8).contains(&frame) {
                let w = wanted[(frame, bin)];
                error += f64::from((z[0] - w.re).powi(2) + (z[1] - w.im).powi(2));
                power += f64::from(w.re * w.re + w.im * w.im);
            }
        }
        assert!(error < 1e-4 * power, "{error} of {power}");

        // Begun later, it lacks one block.
        let later = spectra(&header, &part(16, 65), 16);
        for ((frame, bin), z) in later.indexed_iter() {
            if frame >= 8 {
                assert_eq!(*z, all[(64 + frame, bin)]);
            }
        }
    }

    #[test]
    fn a_forged_step_stays_finite() {
        let mut header = header(127);
        header.quantiser.origin = i16::MAX;
        let image = image(&header, vec![255; 4], vec![MAX_INDEX; 4 * 24]);
        for [re, im] in &spectra(&header, &image, 0) {
            assert!((re * re + im * im).is_finite());
        }
    }
}
