//! What flows between layers: values, and which pixels were observed. Frames are counted from the start of
//! the stream; a tensor holds a run of them.

use crate::planes::Planes;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::{Normalisation, Plane};
use core::ops::Range;
use ndarray::Array2;

/// Values of frames x bins x channels, the channel fastest.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    /// First frame held.
    start: usize,
    pub bins: usize,
    pub channels: usize,
    pub data: Vec<f32>,
    /// One a pixel, one if it carries information; `None` if every pixel does.
    pub observed: Option<Vec<u8>>,
}

impl Tensor {
    pub fn zeros(frames: Range<usize>, bins: usize, channels: usize) -> Self {
        let data = vec![0.0; frames.len() * bins * channels];
        Tensor {
            start: frames.start,
            bins,
            channels,
            data,
            observed: None,
        }
    }

    fn frames(&self) -> usize {
        self.data.len() / (self.bins * self.channels).max(1)
    }

    /// The frame after the last one held.
    pub fn end(&self) -> usize {
        self.start + self.frames()
    }

    /// The channels of one pixel.
    pub fn at(&self, frame: usize, bin: usize) -> &[f32] {
        &self.data[((frame - self.start) * self.bins + bin) * self.channels..][..self.channels]
    }

    /// Appends the frames that follow.
    pub fn append(&mut self, next: Tensor) {
        if self.observed.is_some() || next.observed.is_some() {
            let ones = |t: &Tensor| vec![1u8; t.frames() * t.bins];
            let mut all = self.observed.take().unwrap_or_else(|| ones(self));
            all.extend(next.observed.clone().unwrap_or_else(|| ones(&next)));
            self.observed = Some(all);
        }
        self.bins = next.bins;
        self.data.extend(next.data);
    }

    /// Forgets the frames before `frame`.
    pub fn drop_before(&mut self, frame: usize) {
        let drop = frame.saturating_sub(self.start).min(self.frames());
        self.data.drain(..drop * self.bins * self.channels);
        if let Some(observed) = &mut self.observed {
            observed.drain(..drop * self.bins);
        }
        self.start += drop;
    }
}

/// One source of a layer.
pub(super) enum Input<'a> {
    /// An input plane, its first frame, and the mask plane where it is sparse.
    Plane {
        values: &'a Array2<f32>,
        start: usize,
        observed: Option<&'a Array2<f32>>,
        /// Offset and scale; none for the mask, which is a number already.
        normalisation: Option<Normalisation>,
    },
    /// The output of an earlier layer.
    Layer(&'a Tensor),
}

impl<'a> Input<'a> {
    pub fn plane(
        planes: &'a Planes,
        start: usize,
        plane: Plane,
        normalisation: &Normalisation,
    ) -> Self {
        Input::Plane {
            values: planes.get(plane),
            start,
            observed: if plane == Plane::Values {
                Some(&planes.mask)
            } else {
                None
            },
            normalisation: if plane == Plane::Mask {
                None
            } else {
                Some(*normalisation)
            },
        }
    }

    fn channels(&self) -> usize {
        match self {
            Input::Plane { .. } => 1,
            Input::Layer(tensor) => tensor.channels,
        }
    }

    /// Frames held.
    fn range(&self) -> Range<usize> {
        match self {
            Input::Plane { values, start, .. } => *start..*start + values.nrows(),
            Input::Layer(tensor) => tensor.start..tensor.end(),
        }
    }

    fn is_observed(&self, frame: usize, bin: usize) -> bool {
        match self {
            Input::Plane {
                observed, start, ..
            } => observed.map_or(true, |m| m[(frame - start, bin)] != 0.0),
            Input::Layer(t) => t
                .observed
                .as_ref()
                .map_or(true, |m| m[(frame - t.start) * t.bins + bin] != 0),
        }
    }

    /// Writes the pixel's channels to the start of `out`; unobserved pixels of a plane are zero in the
    /// network's units, not in dB.
    fn copy(&self, frame: usize, bin: usize, out: &mut [f32]) {
        match self {
            Input::Plane {
                values,
                start,
                observed,
                normalisation,
            } => {
                let at = (frame - start, bin);
                let hidden = observed.map_or(false, |m| m[at] == 0.0);
                out[0] = match normalisation {
                    _ if hidden => 0.0,
                    Some(n) => (values[at] - n.offset) / n.scale,
                    None => values[at],
                };
            }
            Input::Layer(tensor) => out[..tensor.channels].copy_from_slice(tensor.at(frame, bin)),
        }
    }

    /// Observed pixels in the kernel's window around every pixel of the frames `range`, counted inside the
    /// image only.
    fn counts(&self, range: Range<usize>, bins: usize, kb: usize, kf: usize) -> Vec<u16> {
        let held = self.range();
        let mut out = vec![0u16; range.len() * bins];
        let mut column = vec![0u16; bins];
        for (frame, sums) in range.zip(out.chunks_exact_mut(bins)) {
            // Sums along frames, then along bins: the window is a rectangle.
            column.iter_mut().for_each(|c| *c = 0);
            for other in
                frame.saturating_sub(kf / 2).max(held.start)..(frame + kf / 2 + 1).min(held.end)
            {
                for (bin, count) in column.iter_mut().enumerate() {
                    *count += u16::from(self.is_observed(other, bin));
                }
            }
            for (bin, sum) in sums.iter_mut().enumerate() {
                *sum = column[bin.saturating_sub(kb / 2)..(bin + kb / 2 + 1).min(bins)]
                    .iter()
                    .sum();
            }
        }
        out
    }

    /// Factor of a sparse convolution for every pixel: kernel area over observed count, zero where nothing
    /// is observed (Uhrig et al. 2017, eq. 2, scaled by the area).
    pub fn normaliser(&self, range: Range<usize>, bins: usize, kb: usize, kf: usize) -> Vec<f32> {
        let area = (kb * kf) as f32;
        self.counts(range, bins, kb, kf)
            .into_iter()
            .map(|count| {
                if count == 0 {
                    0.0
                } else {
                    area / f32::from(count)
                }
            })
            .collect()
    }
}

/// The mask after a sparse layer: max pooling by the kernel, then the union over the sources (Uhrig et al.
/// 2017, eq. 3).
pub(super) fn spread(
    inputs: &[Input<'_>],
    range: Range<usize>,
    bins: usize,
    kb: usize,
    kf: usize,
) -> Option<Vec<u8>> {
    let mut union = vec![0u8; range.len() * bins];
    for input in inputs {
        for (u, count) in union
            .iter_mut()
            .zip(input.counts(range.clone(), bins, kb, kf))
        {
            *u |= u8::from(count > 0);
        }
    }
    if union.iter().all(|&u| u == 1) {
        None
    } else {
        Some(union)
    }
}

/// A zero-padded image, frames x bins x channels.
pub struct Padded {
    pub(super) row: usize,
    pub(super) channels: usize,
    pub(super) data: Vec<f32>,
}

/// Concatenates the frames `range` of the inputs along the channels, with half a kernel around: of their own
/// frames where they have some, else zeros. With `observed_only`, unobserved pixels become zero.
pub(super) fn pad(
    inputs: &[Input<'_>],
    range: Range<usize>,
    bins: usize,
    kb: usize,
    kf: usize,
    observed_only: bool,
) -> Padded {
    let channels: usize = inputs.iter().map(Input::channels).sum();
    let row = (bins + kb - 1) * channels;
    let mut data = vec![0.0; (range.len() + kf - 1) * row];
    let mut first = 0;
    for input in inputs {
        let held = input.range();
        for frame in
            range.start.saturating_sub(kf / 2).max(held.start)..(range.end + kf / 2).min(held.end)
        {
            let at = (frame + kf / 2 - range.start) * row + kb / 2 * channels;
            for (bin, pixel) in data[at..at + bins * channels]
                .chunks_exact_mut(channels)
                .enumerate()
            {
                if !observed_only || input.is_observed(frame, bin) {
                    input.copy(frame, bin, &mut pixel[first..]);
                }
            }
        }
        first += input.channels();
    }
    Padded {
        row,
        channels,
        data,
    }
}
