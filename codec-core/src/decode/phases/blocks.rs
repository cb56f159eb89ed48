//! The third stage: phases for an image that grows, one segment at a time (Spec §9.2).
//!
//! Blocks end where segments do, whatever pieces the caller gives: the same segments give the same PCM. A block looks
//! ahead by [`LOOKAHEAD`] and is tied to its past by [`TIED`], so that no seam is heard.

use super::{rebuild, Block};
use crate::decode::planes::{Known, StoredPhase};
use crate::decode::rows::Rows;
use crate::quantise::levels::magnitude;
use crate::transform::stft::{Complex32, Transform};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ndarray::{Array2, ArrayView2};

/// What a block sees beyond its end, as a multiple of the transform length.
const LOOKAHEAD: usize = 4;
/// Decided spectra before a block that its phases must agree with, as a multiple of the transform length.
pub(in crate::decode) const TIED: usize = 2;

/// Decides the phases of one channel. Frames are fine ones, counted from the start of the stream.
#[derive(Debug, Clone)]
pub struct Blocks {
    transform: Transform,
    /// Level of the image's floor, dB.
    origin: f32,
    /// Dense levels, dB above the origin.
    dense: Rows<f32>,
    /// Spectra of the bins that the waveform layer covers.
    low: Rows<Complex32>,
    stored: Vec<StoredPhase>,
    /// Where the segments end whose phases are due, oldest first.
    ends: VecDeque<usize>,
    /// First frame without decided phases, and the spectra decided just before it.
    undecided: usize,
    tied: Vec<Complex32>,
}

impl Blocks {
    /// Begins a channel. The first `covered` bins are the waveform layer's; `origin` is in dB.
    #[must_use]
    pub fn new(transform: &Transform, origin: f32, covered: usize) -> Self {
        Blocks::from_frame(transform, origin, covered, 0)
    }

    /// Begins the same channel with frame `start`, which nothing ties to what comes before.
    #[must_use]
    pub fn starting_at(&self, start: usize) -> Self {
        Blocks::from_frame(&self.transform, self.origin, self.low.width(), start)
    }

    fn from_frame(transform: &Transform, origin: f32, covered: usize, start: usize) -> Self {
        Blocks {
            transform: transform.clone(),
            origin,
            dense: Rows::new(start, transform.bins()),
            low: Rows::new(start, covered),
            stored: Vec::new(),
            ends: VecDeque::new(),
            undecided: start,
            tied: Vec::new(),
        }
    }

    /// Takes the next segment's known spectra, as many frames as it has.
    pub fn announce(&mut self, known: Known) {
        let start = self.low.end();
        let phases = known.phases.into_iter();
        self.stored.extend(phases.map(|phase| StoredPhase {
            frame: start + phase.frame,
            ..phase
        }));
        self.low.extend(known.low.view());
        self.ends.push_back(self.low.end());
    }

    /// Takes the next dense frames, frames x bins in dB above the origin.
    pub fn extend(&mut self, dense: ArrayView2<'_, f32>) {
        self.dense.extend(dense);
    }

    /// The spectra of the next segment, frames x bins, flat, once as many frames of what follows are there as a block
    /// looks ahead; with `last`, nothing more will follow.
    pub fn next(&mut self, last: bool) -> Option<Vec<Complex32>> {
        let end = *self.ends.front()?;
        let ahead = end + LOOKAHEAD * self.transform.n_fft() / self.transform.hop();
        let have = self.dense.end();
        if have < if last { end } else { ahead } {
            return None;
        }
        self.ends.pop_front();
        Some(self.decide(end, ahead.min(have)))
    }

    /// Decides the phases of the frames up to `end`, seeing those up to `seen`.
    fn decide(&mut self, end: usize, seen: usize) -> Vec<Complex32> {
        let bins = self.transform.bins();
        let start = self.undecided;
        let first = start - self.tied.len() / bins;
        let levels = self.dense.get(first..seen);
        let mut magnitudes = Array2::zeros((seen - first, bins));
        for (y, &x) in magnitudes.iter_mut().zip(levels) {
            *y = magnitude(x + self.origin);
        }
        let mut stored: Vec<StoredPhase> = self
            .stored
            .iter()
            .filter(|phase| phase.frame < seen)
            .map(|&phase| StoredPhase {
                frame: phase.frame - first,
                ..phase
            })
            .collect();
        // The lowest band is known: its magnitudes and phases both.
        let covered = self.low.width();
        for (at, &z) in self.low.get(start..seen).iter().enumerate() {
            let (frame, bin) = (start - first + at / covered, at % covered);
            let (size, unit) = polar(z);
            magnitudes[(frame, bin)] = size;
            stored.push(StoredPhase { frame, bin, unit });
        }
        let block = Block {
            magnitudes: magnitudes.view(),
            known: &self.tied,
            stored: &stored,
            first_frame: first as u64,
        };
        let mut spectra = rebuild(&self.transform, &block);

        let keep = TIED * self.transform.n_fft() / self.transform.hop();
        // Never back before the block: the tie was as long, or began where this did, already.
        let from = end.saturating_sub(keep).max(first);
        self.undecided = end;
        self.tied.clear();
        self.tied
            .extend_from_slice(&spectra[(from - first) * bins..(end - first) * bins]);
        self.dense.drop_before(from);
        self.low.drop_before(from);
        self.stored.retain(|phase| phase.frame >= end);
        spectra.truncate((end - first) * bins);
        spectra.drain(..(start - first) * bins);
        spectra
    }
}

/// Magnitude and direction of a spectral value; the direction of nothing is 1.
fn polar(z: Complex32) -> (f32, Complex32) {
    let size = libm::sqrtf(z.re * z.re + z.im * z.im);
    if size > 1e-20 {
        (size, Complex32::new(z.re / size, z.im / size))
    } else {
        (0.0, Complex32::new(1.0, 0.0))
    }
}
