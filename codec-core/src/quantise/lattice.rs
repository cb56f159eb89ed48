//! The background lattice: its geometry, how it is sampled, and how it fills an image (Spec §8.2).

use super::levels;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{Header, LatticeShape};
use codec_format::symbols::Mask;
use ndarray::{ArrayView2, ArrayViewMut2};

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
    /// For every bin: the lower of the two bands it is interpolated between, and the weight of the upper.
    blend: Vec<(usize, f32)>,
}

impl Lattice {
    /// The lattice of a header, if it has one.
    #[must_use]
    pub fn of(header: &Header) -> Option<Self> {
        let shape = header.lattice?;
        let edges = header.lattice_edges();
        let bins = *edges.last()?;
        let centres: Vec<f32> = edges
            .windows(2)
            .map(|e| (e[0] + e[1] - 1) as f32 * 0.5)
            .collect();
        let mut blend = Vec::with_capacity(bins);
        let mut band = 0;
        for bin in 0..bins {
            let x = bin as f32;
            while band + 2 < centres.len() && centres[band + 1] <= x {
                band += 1;
            }
            let weight = match (centres.get(band), centres.get(band + 1)) {
                (Some(&low), Some(&high)) => ((x - low) / (high - low)).clamp(0.0, 1.0),
                _ => 0.0,
            };
            blend.push((band, weight));
        }
        Some(Lattice {
            shape,
            edges,
            blend,
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

    /// Fills the frames of a segment with its lattice `cells`, in dB above the origin (Spec §8.2): linear between band
    /// centres and between step centres; beyond the outermost centres the nearest one holds.
    ///
    /// `before` and `after` are the neighbouring segments' cells, whose nearest step serves across the border; they are
    /// empty at the ends of the stream.
    pub fn fill(&self, before: &[u8], cells: &[u8], after: &[u8], mut out: ArrayViewMut2<'_, f32>) {
        let every = usize::from(self.shape.every);
        let bands = self.bands();
        let (Some(first), Some(last)) = (cells.get(..bands), last_step(cells, bands)) else {
            out.fill(0.0);
            return;
        };
        let before = last_step(before, bands).unwrap_or(first);
        let after = after.get(..bands).unwrap_or(last);
        let column = |step: i64| match usize::try_from(step) {
            Err(_) => before,
            Ok(step) => cells.get(step * bands..(step + 1) * bands).unwrap_or(after),
        };
        let mut blended = vec![0.0; bands];
        for (frame, mut row) in out.outer_iter_mut().enumerate() {
            // Positions are doubled so that the centre of a step of any width is a whole number.
            let twice = 2 * frame as i64;
            let centre = |step: i64| 2 * step * every as i64 + every as i64 - 1;
            let step = (frame / every) as i64;
            let low = step - i64::from(twice < centre(step));
            let weight = (twice - centre(low)) as f32 / (2 * every) as f32;
            for ((y, &a), &b) in blended.iter_mut().zip(column(low)).zip(column(low + 1)) {
                let a = levels::lattice(&self.shape, a);
                let b = levels::lattice(&self.shape, b);
                *y = a + (b - a) * weight;
            }
            for (y, &(band, upper)) in row.iter_mut().zip(&self.blend) {
                let low = blended[band];
                let high = blended.get(band + 1).copied().unwrap_or(low);
                *y = low + (high - low) * upper;
            }
        }
    }
}

/// The last of the steps in `cells`, if there is one.
fn last_step(cells: &[u8], bands: usize) -> Option<&[u8]> {
    cells.get(cells.len().checked_sub(bands)?..)
}
