//! The third stage: from dense levels to samples, frame by frame (Spec §9).
//!
//! ```text
//! levels - integration of the phase gradient - Griffin-Lim steps, each some frames behind the one before - samples
//! ```
//!
//! Nothing grows with the stream and nothing is allocated after [`Synthesis::new`].

mod integration;
mod magnitude;
mod overlap;
mod refinement;

pub use integration::Integration;
pub use refinement::STEPS;

use crate::error::Result;
use crate::quantise::angles::phase_bits;
use crate::simd;
use crate::transform::circle::Circle;
use crate::transform::lanes::LaneTransform;
use crate::transform::stft::with_hop;
use codec_format::header::{Header, Stft};
use codec_format::memory::Memory;
use magnitude::Magnitudes;
use overlap::Place;
use refinement::{Entry, Refinement, Tick};

/// What a stream says of the spectrum of one fine frame beside its levels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Spectra of the bins that the waveform layer covers, real and imaginary parts.
    pub low: &'a [[f32; 2]],
    /// Stored phases, one number for each bin: index + 1, or 0 where none is stored. Those of covered bins have no
    /// effect.
    pub stored: Option<&'a [u16]>,
}

/// The sound of one channel.
///
/// Frames are fine ones. Frame `t` is centred on sample `t * hop`; the samples that come out begin half a transform
/// before the first frame's.
#[derive(Debug)]
pub struct Synthesis<M: Memory> {
    /// With the hop of fine frames.
    stft: Stft,
    covered: usize,
    circle: Circle<M>,
    magnitudes: Magnitudes<M>,
    integration: Integration<M>,
    refinement: Refinement<M>,
    /// Spectra of the covered bins of the frame that waits for the next one's levels; then all its integrated spectrum.
    spectrum: M::Of<[f32; 2]>,
    /// Its magnitudes.
    loudness: M::Of<f32>,
    /// The first frame, frames taken from there on, and frames that entered the pipeline, even such as do not exist.
    first: u64,
    taken: u64,
    entered: u64,
}

impl<M: Memory> Synthesis<M> {
    /// Takes all buffers of a channel whose fine frames are `hop` samples apart. [`Synthesis::reset`] comes before
    /// anything else.
    ///
    /// # Errors
    /// [`Error::Settings`](crate::Error::Settings) if the transform is not supported or its frames are too dense,
    /// [`Error::Format`](crate::Error::Format) if there is no more memory.
    pub fn new(header: &Header, hop: usize, memory: &mut M) -> Result<Self> {
        let stft = with_hop(&header.stft, hop)?;
        let covered = header.covered_bins();
        let bits = phase_bits(header.phase);
        Ok(Synthesis {
            stft,
            covered,
            circle: Circle::new(memory)?,
            magnitudes: Magnitudes::new(2 * i32::from(header.quantiser.origin), memory)?,
            integration: Integration::new(&stft, covered, bits, memory)?,
            refinement: Refinement::new(&stft, covered, bits, memory)?,
            spectrum: memory.take(stft.bins())?,
            loudness: memory.take(stft.bins())?,
            first: 0,
            taken: 0,
            entered: 0,
        })
    }

    /// Begins with fine frame `frame`: those before it do not exist.
    pub fn reset(&mut self, frame: u64) {
        self.circle.reset();
        self.magnitudes.reset();
        self.integration.reset(frame);
        self.refinement.reset(&self.circle);
        self.first = frame;
        self.taken = 0;
        self.entered = 0;
    }

    /// The transform of the fine grid, for analysing what else belongs to its frames.
    pub fn transform(&mut self) -> &mut LaneTransform<M> {
        &mut self.refinement.transform
    }

    /// Samples from one fine frame to the next.
    #[must_use]
    pub fn hop(&self) -> usize {
        usize::from(self.stft.hop)
    }

    /// Fine frames that are pushed after a frame before its first samples come out.
    #[must_use]
    pub fn delay(&self) -> usize {
        1 + STEPS * self.refinement.lag()
    }

    /// Position of the sample that comes out next; negative ones lie before the stream.
    #[must_use]
    pub fn position(&self) -> i64 {
        let done = self
            .entered
            .saturating_sub((STEPS * self.refinement.lag()) as u64);
        (self.first + done) as i64 * i64::from(self.stft.hop) - i64::from(self.stft.n_fft / 2)
    }

    /// Takes the dense levels of the next fine frame, one for each bin, and returns the samples that became final: a hop,
    /// or none while the pipeline fills.
    ///
    /// # Panics
    /// If there are not as many levels as bins, or known spectra as covered bins.
    pub fn push(&mut self, levels: &[i16], known: Known<'_>) -> &[f32] {
        let full = self.taken > 0 && self.advance(Some(levels));
        self.integration
            .enter(levels, known.low, known.stored, &self.circle);
        self.spectrum[..self.covered].copy_from_slice(known.low);
        self.taken += 1;
        if full {
            self.refinement.pcm()
        } else {
            &[]
        }
    }

    /// After the last frame, the samples that are left, a hop or less at a time: frames beyond it do not exist, and the
    /// sound ends with the last sample that it reaches. None once all have come out.
    pub fn drain(&mut self) -> Option<&[f32]> {
        let end = (self.first + self.taken) as i64 * i64::from(self.stft.hop)
            + i64::from(self.stft.n_fft / 2)
            - i64::from(self.stft.hop);
        loop {
            let left = usize::try_from(end - self.position()).unwrap_or(0);
            if self.taken == 0 || left == 0 {
                return None;
            }
            if self.advance(None) {
                let pcm = self.refinement.pcm();
                return Some(&pcm[..left.min(pcm.len())]);
            }
        }
    }

    /// Sends the frame that waits, if there is one, into the pipeline; says whether samples came out. `after` is the one
    /// that follows.
    fn advance(&mut self, after: Option<&[i16]>) -> bool {
        let place = Place {
            first: self.first,
            // As far as anything knows that has to be decided now.
            end: self.first + self.taken,
            frame: self.first + self.entered,
        };
        let exists = place.frame < place.end;
        if exists {
            self.integrate(after);
        }
        let entry = exists.then(|| Entry {
            spectrum: &self.spectrum,
            magnitudes: &self.loudness,
            stored: self.integration.stored(),
        });
        simd::run(Tick {
            refinement: &mut self.refinement,
            circle: &self.circle,
            entry,
            place,
        });
        if exists {
            self.integration.finish();
        }
        self.entered += 1;
        place.of_lane(STEPS, self.refinement.lag()).is_some()
    }

    /// The spectrum of the frame that waits, with integrated phases where none are known.
    fn integrate(&mut self, after: Option<&[i16]>) {
        self.integration.integrate(after);
        let (turns, levels) = (self.integration.turns(), self.integration.levels());
        for k in 0..turns.len() {
            self.loudness[k] = self.magnitudes.of(levels[k]);
        }
        for k in self.covered..turns.len() {
            let [re, im] = self.circle.unit(turns[k]);
            self.spectrum[k] = [self.loudness[k] * re, self.loudness[k] * im];
        }
    }
}

#[cfg(test)]
mod tests;
