//! The background lattice: its geometry, how it is sampled, and how it fills an image (Spec §8.2).

use super::levels;
use crate::error::Result;
use alloc::vec::Vec;
use codec_format::header::{Header, LatticeShape};
use codec_format::memory::Memory;
use codec_format::symbols::Mask;
use ndarray::ArrayView2;

/// Added to the mean of a cell's levels, dB: the mean of a log-power lies below the log of the mean, by
/// 2.5 dB for noise (the mean of `10 log10` of an exponential variable).
const LOG_MEAN_BIAS: f32 = 2.5;

/// A lattice laid over the bins of a stream.
#[derive(Debug, Clone)]
pub struct Lattice {
    shape: LatticeShape,
    /// First bin of each band, then the number of bins: `bands + 1` entries. Bins below the first are the
    /// waveform layer's.
    edges: Vec<usize>,
}

impl Lattice {
    /// The lattice of a header, if it has one.
    #[must_use]
    pub fn of(header: &Header) -> Option<Self> {
        let shape = header.lattice?;
        Some(Lattice {
            edges: header.lattice_edges().to_vec(),
            shape,
        })
    }

    /// Number of bands.
    #[must_use]
    pub fn bands(&self) -> usize {
        usize::from(self.shape.bands)
    }

    /// Lattice steps of a segment of `frames` frames.
    #[must_use]
    pub fn steps(&self, frames: usize) -> usize {
        let every = usize::from(self.shape.every);
        frames.div_ceil(every)
    }

    /// Samples the lattice from the pixels that are *not* kept: the mean of each cell, in dB above the
    /// origin. A cell without any repeats the step before it (the band below, in the first step).
    ///
    /// `image` is frames x bins in dB above the origin, `kept` in pixel order.
    #[must_use]
    pub fn sample(&self, image: ArrayView2<'_, f32>, kept: &Mask) -> Vec<u8> {
        let (frames, bins) = image.dim();
        let every = usize::from(self.shape.every);
        let bands = self.bands();
        let mut out: Vec<u8> = Vec::with_capacity(self.steps(frames) * bands);
        for first in (0..frames).step_by(every) {
            for band in 0..bands {
                let (mut sum, mut count) = (0.0f32, 0u32);
                for frame in first..frames.min(first + every) {
                    for bin in self.edges[band]..self.edges[band + 1] {
                        if !kept[frame * bins + bin] {
                            sum += image[(frame, bin)];
                            count += 1;
                        }
                    }
                }
                let index = if count > 0 {
                    levels::round_index(sum / count as f32 + LOG_MEAN_BIAS, self.shape.step)
                } else if first > 0 {
                    out[out.len() - bands]
                } else {
                    out.last().copied().unwrap_or(0)
                };
                out.push(index);
            }
        }
        out
    }
}

/// One in the weights of [`Filling`].
const ONE: i32 = 1 << 15;

/// The whole-number weight nearest to `over / whole`, brought to 0..=1.
fn weight(over: i32, whole: i32) -> u16 {
    let over = over.clamp(0, whole);
    ((2 * ONE * over + whole) / (2 * whole)) as u16
}

/// `a` and `b` mixed, with the weight `w` of `b`.
fn blend(a: i16, b: i16, w: u16) -> i16 {
    let apart = i32::from(b) - i32::from(a);
    (i32::from(a) + ((apart * i32::from(w) + ONE / 2) >> 15)) as i16
}

/// What fills a frame between two columns (Spec §8.2).
#[derive(Debug)]
pub struct Filling<M: Memory> {
    shape: LatticeShape,
    /// For every bin: the lower of the two bands it is interpolated between, and the weight of the upper.
    bands: M::Of<u8>,
    weights: M::Of<u16>,
    /// Scratch: a column at the frame's time, and the last band once more.
    column: M::Of<i16>,
}

impl<M: Memory> Filling<M> {
    /// That of a header with a lattice of this shape. [`reset`](Self::reset) comes first.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if there is no memory left.
    pub fn new(header: &Header, shape: LatticeShape, memory: &mut M) -> Result<Self> {
        let bins = header.stft.bins();
        Ok(Filling {
            shape,
            bands: memory.take(bins)?,
            weights: memory.take(bins)?,
            column: memory.take(usize::from(shape.bands) + 1)?,
        })
    }

    /// Works the weights out, of the header it was made for.
    pub fn reset(&mut self, header: &Header) {
        let edges = header.lattice_edges();
        // Twice the centre, so that it is a whole number.
        let centre = |band: usize| match (edges.get(band), edges.get(band + 1)) {
            (Some(&from), Some(&to)) => (from + to) as i32 - 1,
            _ => i32::MAX,
        };
        let last = usize::from(self.shape.bands) - 1;
        let mut band = 0;
        let places = self.bands.iter_mut().zip(self.weights.iter_mut());
        for (bin, (place, upper)) in places.enumerate() {
            let twice = 2 * bin as i32;
            while band + 1 < last && centre(band + 1) <= twice {
                band += 1;
            }
            *place = band as u8;
            *upper = if last > 0 {
                weight(twice - centre(band), centre(band + 1) - centre(band))
            } else {
                0
            };
        }
    }

    /// Where frame `at`, from 0, of those that a column covers lies: whether between this column and the next rather
    /// than the one before and this, and the weight of the later of the two.
    #[must_use]
    pub fn place(&self, at: usize) -> (bool, u16) {
        let every = i32::from(self.shape.every);
        // Doubled, so that the centre of a step of any width is a whole number.
        let over = 2 * at as i32 - (every - 1);
        let behind = over >= 0;
        let over = if behind { over } else { over + 2 * every };
        (behind, weight(over, 2 * every))
    }

    /// Bands of a column.
    #[must_use]
    pub fn bands(&self) -> usize {
        usize::from(self.shape.bands)
    }

    /// Fills a frame between two columns, `w` being the weight of the later.
    pub fn fill(&mut self, columns: (&[u8], &[u8]), w: u16, out: &mut [i16]) {
        let (earlier, later) = columns;
        for ((y, &a), &b) in self.column.iter_mut().zip(earlier).zip(later) {
            let level = |index| levels::lattice(&self.shape, index);
            *y = blend(level(a), level(b), w);
        }
        if let [.., last, beyond] = &mut self.column[..] {
            *beyond = *last;
        }
        let places = self.bands.iter().zip(self.weights.iter());
        for (y, (&band, &upper)) in out.iter_mut().zip(places) {
            let band = usize::from(band);
            *y = blend(self.column[band], self.column[band + 1], upper);
        }
    }
}
