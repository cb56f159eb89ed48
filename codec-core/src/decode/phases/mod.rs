//! Phases for a magnitude image (Spec §9): integration of the phase gradient, then fast Griffin-Lim,
//! with known phases held.

mod gradient;
mod griffin_lim;

pub use gradient::gamma;

use crate::transform::stft::{Complex32, Transform};
use alloc::vec;
use alloc::vec::Vec;
use ndarray::ArrayView2;

/// Griffin-Lim steps after the integration.
pub const STEPS: usize = 8;

/// Momentum of those steps. Close to one helps when many steps follow; with the few taken here a smaller one ends a
/// little better.
const MOMENTUM: f32 = 0.7;

/// The phases that Griffin-Lim iteration starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Those of the integrated gradient (PGHI).
    Gradient,
    /// Zero everywhere.
    Zero,
    /// Uniformly random, from this seed.
    Random(u64),
}

/// A way to phases, for comparisons; [`Method::DECODER`] is what a stream is decoded by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Method {
    /// Where the iteration starts.
    pub start: Start,
    /// Griffin-Lim steps.
    pub steps: usize,
    /// Momentum of the steps, 0..1: none is the plain iteration.
    pub momentum: f32,
}

impl Method {
    /// What the decoder does (Spec §9).
    pub const DECODER: Method = Method {
        start: Start::Gradient,
        steps: STEPS,
        momentum: MOMENTUM,
    };
}

/// A phase that is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredPhase {
    /// Frame of the block.
    pub frame: usize,
    /// Bin.
    pub bin: usize,
    /// Unit vector: cosine and sine of the phase relative to the start of the frame.
    pub unit: Complex32,
}

/// A run of frames whose phases are wanted.
pub struct Block<'a> {
    /// Magnitudes, frames x bins; the leading `known.len() / bins` frames are only context.
    pub magnitudes: ArrayView2<'a, f32>,
    /// Spectra of the leading frames, already decided: frames x bins, flat.
    pub known: &'a [Complex32],
    /// Stored phases within the block.
    pub stored: &'a [StoredPhase],
    /// Number of the block's first frame in the stream: seeds the phases of inaudible pixels.
    pub first_frame: u64,
}

/// Decides the phases of a block as the decoder does. Returns its spectra, frames x bins, flat; the known frames as
/// given.
#[must_use]
pub fn rebuild(transform: &Transform, block: &Block<'_>) -> Vec<Complex32> {
    rebuild_by(transform, block, &Method::DECODER)
}

/// As [`rebuild`], by another method.
#[must_use]
pub fn rebuild_by(transform: &Transform, block: &Block<'_>, method: &Method) -> Vec<Complex32> {
    let (frames, bins) = block.magnitudes.dim();
    let known_frames = (block.known.len() / bins).min(frames);
    let mut fixed = vec![None; frames * bins];
    for (slot, &value) in fixed.iter_mut().zip(block.known) {
        *slot = Some(value);
    }
    for phase in block.stored {
        if phase.frame >= known_frames && phase.frame < frames && phase.bin < bins {
            let magnitude = block.magnitudes[(phase.frame, phase.bin)];
            fixed[phase.frame * bins + phase.bin] = Some(Complex32::new(
                phase.unit.re * magnitude,
                phase.unit.im * magnitude,
            ));
        }
    }
    let from = |angle: &dyn Fn(usize) -> f32| -> Vec<Complex32> {
        let pixel = |(pixel, (&magnitude, fixed)): (usize, (&f32, &Option<Complex32>))| {
            let (sin, cos) = libm::sincosf(angle(pixel));
            fixed.unwrap_or_else(|| Complex32::new(magnitude * cos, magnitude * sin))
        };
        let pixels = block.magnitudes.iter().zip(&fixed);
        pixels.enumerate().map(pixel).collect()
    };
    let mut spectra = match method.start {
        Start::Gradient => gradient::integrate(transform, block, &fixed),
        Start::Zero => from(&|_| 0.0),
        Start::Random(seed) => from(&|pixel| gradient::arbitrary(seed ^ (pixel as u64) << 20)),
    };
    if fixed.iter().any(Option::is_none) {
        griffin_lim::refine(
            transform,
            block.magnitudes,
            &fixed,
            known_frames,
            &mut spectra,
            (method.steps, method.momentum),
        );
    }
    spectra
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::stft::level;
    use codec_format::header::{Stft, WindowKind};
    use ndarray::Array2;

    /// How far the magnitudes of the signal that these spectra make are from those wanted, relative.
    fn inconsistency(transform: &Transform, wanted: &Array2<f32>, spectra: Vec<Complex32>) -> f32 {
        let (frames, bins) = wanted.dim();
        let len = (frames - 1) * transform.hop();
        let spectra = Array2::from_shape_vec((frames, bins), spectra).unwrap();
        let signal = transform.synthesise(spectra.view(), len);
        let again = transform.spectra(&signal, 0, 0, frames);
        let apart = |(a, b): (&f32, &Complex32)| {
            let d = a - libm::sqrtf(b.re * b.re + b.im * b.im);
            d * d
        };
        let power: f32 = wanted.iter().map(|a| a * a).sum();
        libm::sqrtf(wanted.iter().zip(&again).map(apart).sum::<f32>() / power)
    }

    #[test]
    fn griffin_lim_makes_spectra_more_consistent_and_the_gradient_is_a_better_start_than_none() {
        let stft = Stft {
            n_fft: 256,
            window_length: 256,
            window: WindowKind::Hann,
            hop: 64,
        };
        let transform = Transform::new(&stft, 64).unwrap();
        let mut phase = 0.0f32;
        let signal: Vec<f32> = (0..6400)
            .map(|i| {
                phase += 0.1 + 0.05 * libm::sinf(i as f32 * 0.001);
                (1..6)
                    .map(|h| libm::sinf(phase * h as f32) / h as f32)
                    .sum()
            })
            .collect();
        let spectra = transform.spectra(&signal, 0, 0, 101);
        let magnitudes = spectra.mapv(|z| libm::powf(10.0, level(z) / 20.0));
        let block = Block {
            magnitudes: magnitudes.view(),
            known: &[],
            stored: &[],
            first_frame: 0,
        };
        let by = |start, steps| {
            let method = Method {
                start,
                steps,
                momentum: 0.0,
            };
            inconsistency(
                &transform,
                &magnitudes,
                rebuild_by(&transform, &block, &method),
            )
        };
        let (zero, random) = (by(Start::Zero, 0), by(Start::Random(1), 0));
        assert!(by(Start::Zero, 16) < 0.8 * zero);
        assert!(by(Start::Random(1), 16) < 0.8 * random);
        assert!(by(Start::Gradient, 0) < 0.5 * random.min(zero));
        assert_eq!(
            rebuild(&transform, &block),
            rebuild_by(&transform, &block, &Method::DECODER)
        );
    }
}
