//! Phases for a magnitude image (Spec §9): integration of the phase gradient, then fast Griffin-Lim,
//! with known phases held.

mod gradient;
mod griffin_lim;

pub use gradient::gamma;

use crate::stft::{Complex32, Transform};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::WindowKind;
use ndarray::ArrayView2;

/// Griffin-Lim steps after the integration.
pub const STEPS: usize = 8;

/// A phase the stream stores, on the synthesis grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredPhase {
    /// Frame from the start of the block.
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
    /// The stream's window.
    pub window: WindowKind,
}

/// Decides the phases of a block. Returns its spectra, frames x bins, flat; the known frames as given.
#[must_use]
pub fn rebuild(transform: &Transform, block: &Block<'_>) -> Vec<Complex32> {
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
    let mut spectra = gradient::integrate(transform, block, &fixed);
    if fixed.iter().any(Option::is_none) {
        griffin_lim::refine(
            transform,
            block.magnitudes,
            &fixed,
            known_frames,
            &mut spectra,
            STEPS,
        );
    }
    spectra
}
