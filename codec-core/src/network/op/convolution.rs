//! Convolutions (Spec §8.4): what lies around a run of frames is gathered with zeros where there is no image, then
//! [`kernel`] sums it up.

use crate::network::kernel::{self, Geometry, Job, Weights, LANES};
use crate::network::tensor::{Tensor, View};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::op::{Convolution, ConvolutionKind};
use core::ops::Range;

/// Weights in the order they are read.
#[derive(Debug, Clone)]
pub(in crate::network) enum Kernel {
    /// For every group of channels alone.
    Groups(Vec<Weights>),
    /// For all outputs side by side, each with its own inputs: where groups have too few outputs to fill a register.
    Lanes(Weights),
}

impl Kernel {
    /// The weights, and the convolution without them.
    pub fn new(op: &Convolution) -> (Convolution, Self) {
        let (inputs, outputs) = (op.group_inputs(), op.group_outputs());
        let (kb, kf) = (usize::from(op.kernel.bins), usize::from(op.kernel.frames));
        let weight = |o: usize, i: usize, b: usize, f: usize| {
            op.weights[((o * inputs + i) * kb + b) * kf + f]
        };
        let kernel = if op.groups > 1 && outputs < LANES {
            let all = usize::from(op.outputs);
            Kernel::Lanes(Weights::lanes(all, inputs, kb, kf, weight))
        } else {
            let group = |g: usize| {
                Weights::new(outputs, inputs, kb, kf, |o, i, b, f| {
                    weight(g * outputs + o, i, b, f)
                })
            };
            Kernel::Groups((0..usize::from(op.groups)).map(group).collect())
        };
        let shape = Convolution {
            weights: Vec::new(),
            ..op.clone()
        };
        (shape, kernel)
    }
}

/// Writes these frames.
pub(super) fn run(
    op: &Convolution,
    kernel: &Kernel,
    input: &View<'_>,
    frames: Range<usize>,
    out: &mut Tensor,
    scratch: &mut Vec<f32>,
) {
    let around = Around::new(op, input, &frames);
    let mut scale = None;
    if op.kind == ConvolutionKind::Sparse {
        let counts = around.counts(op, input, out.bins);
        mark(&counts, frames.clone(), out);
        let area = op.kernel.area() as f32;
        let factor = |&count: &u16| match count {
            0 => 0.0,
            count => area / f32::from(count),
        };
        scale = Some(counts.iter().map(factor).collect::<Vec<f32>>());
    }
    let hide = op.kind == ConvolutionKind::Sparse && input.is_sparse();
    let (bins, outputs, count) = (out.bins, out.channels, frames.len());
    let out = out.at_mut(frames);
    let mut convolve = |scratch: &[f32], weights: &Weights, width: usize, first: usize| {
        let job = Job {
            input: scratch,
            geometry: Geometry::new(op, around.bins, width),
            frames: count,
            bins,
            weights,
            scale: scale.as_deref(),
            bias: &op.bias[first..],
            outputs,
        };
        kernel::convolve(&job, &mut out[first..]);
    };
    match kernel {
        Kernel::Groups(groups) => {
            let (width, made) = (op.group_inputs(), op.group_outputs());
            for (g, weights) in groups.iter().enumerate() {
                around.gather(input, g * width..(g + 1) * width, hide, scratch);
                convolve(scratch, weights, width, g * made);
            }
        }
        Kernel::Lanes(weights) => {
            around.gather(input, 0..usize::from(op.inputs), hide, scratch);
            let width = weights.width() * op.group_inputs();
            let widened;
            let all: &[f32] = if width == usize::from(op.inputs) {
                scratch
            } else {
                widened = widen(op, weights.width(), scratch);
                &widened
            };
            convolve(all, weights, width, 0);
        }
    }
}

/// What a convolution reads for a run of frames: pixels of the input with a margin around them.
struct Around {
    /// First frame, perhaps before the image, and how many.
    first: i64,
    frames: usize,
    /// Bins with the margins, and the lower margin.
    bins: usize,
    margin: usize,
}

impl Around {
    fn new(op: &Convolution, input: &View<'_>, frames: &Range<usize>) -> Self {
        let reach = |size: u8, dilation: u8| usize::from(size / 2) * usize::from(dilation);
        let stride = usize::from(op.stride.frames);
        let (time, margin) = (
            reach(op.kernel.frames, op.dilation.frames),
            reach(op.kernel.bins, op.dilation.bins),
        );
        Around {
            first: (frames.start * stride) as i64 - time as i64,
            frames: frames.len().saturating_sub(1) * stride + 2 * time + 1,
            bins: input.bins() + 2 * margin,
            margin,
        }
    }

    /// The frames that the image has, and where the first of them lies among all.
    fn inside(&self, input: &View<'_>) -> (Range<usize>, usize) {
        let held = input.frames();
        let start = (self.first.max(0) as usize).max(held.start);
        let end = (self.first + self.frames as i64).max(0) as usize;
        let end = end.min(held.end).max(start);
        (start..end, (start as i64 - self.first) as usize)
    }

    /// Writes some channels of the input with zeros around; with `hide`, unobserved pixels become zero.
    fn gather(&self, input: &View<'_>, channels: Range<usize>, hide: bool, out: &mut Vec<f32>) {
        let width = channels.len();
        out.clear();
        out.resize(self.frames * self.bins * width, 0.0);
        let (frames, at) = self.inside(input);
        let mut seen = vec![1; input.bins()];
        for (frame, row) in frames.zip(out.chunks_exact_mut(self.bins * width).skip(at)) {
            let row = &mut row[self.margin * width..][..input.bins() * width];
            if hide {
                input.observed(frame, &mut seen);
            }
            let mut first = 0;
            for part in input.parts() {
                let from = channels.start.clamp(first, first + part.channels);
                let to = channels.end.clamp(first, first + part.channels);
                let values = part.at(frame..frame + 1);
                if !hide && to - from == width && width == part.channels {
                    row.copy_from_slice(values);
                } else if from < to {
                    let place = from - channels.start..to - channels.start;
                    let picked = from - first..to - first;
                    let pixels = values.chunks_exact(part.channels).zip(&seen);
                    for (pixel, (values, &seen)) in row.chunks_exact_mut(width).zip(pixels) {
                        if seen != 0 {
                            pixel[place.clone()].copy_from_slice(&values[picked.clone()]);
                        }
                    }
                }
                first += part.channels;
            }
        }
    }

    /// Observed pixels in the window of every output pixel, counted inside the image only.
    fn counts(&self, op: &Convolution, input: &View<'_>, bins: usize) -> Vec<u16> {
        let taps =
            |size: u8, dilation: u8| (0..usize::from(size)).map(move |n| n * usize::from(dilation));
        let (inside, at) = self.inside(input);
        // A frame's observed pixels between their margins; nothing outside the image.
        let mut rows = vec![0u8; self.frames * self.bins];
        for (frame, row) in inside.zip(rows.chunks_exact_mut(self.bins).skip(at)) {
            input.observed(frame, &mut row[self.margin..][..input.bins()]);
        }
        let reach = 2 * usize::from(op.kernel.frames / 2) * usize::from(op.dilation.frames);
        let starts = (0..self.frames - reach).step_by(usize::from(op.stride.frames));
        let mut out = Vec::new();
        let mut column = vec![0u16; self.bins];
        for start in starts {
            column.fill(0);
            for tap in taps(op.kernel.frames, op.dilation.frames) {
                let row = &rows[(start + tap) * self.bins..][..self.bins];
                column
                    .iter_mut()
                    .zip(row)
                    .for_each(|(c, &r)| *c += u16::from(r));
            }
            out.extend((0..bins).map(|bin| {
                let first = bin * usize::from(op.stride.bins);
                taps(op.kernel.bins, op.dilation.bins)
                    .map(|tap| column[first + tap])
                    .sum::<u16>()
            }));
        }
        out
    }
}

/// An output pixel is observed if anything in its window is.
fn mark(counts: &[u16], frames: Range<usize>, out: &mut Tensor) {
    let rows = counts.chunks_exact(out.bins);
    for (frame, counts) in frames.zip(rows) {
        if let Some(observed) = out.observed_mut(frame) {
            for (o, &count) in observed.iter_mut().zip(counts) {
                *o = u8::from(count > 0);
            }
        }
    }
}

/// Gives every output inputs of its own: pixels of group inputs x `lanes` numbers.
fn widen(op: &Convolution, lanes: usize, gathered: &[f32]) -> Vec<f32> {
    let (inputs, outputs) = (op.group_inputs(), op.group_outputs());
    let pixels = gathered.chunks_exact(usize::from(op.inputs));
    let mut out = vec![0.0; pixels.len() * inputs * lanes];
    for (wide, pixel) in out.chunks_exact_mut(inputs * lanes).zip(pixels) {
        for (i, row) in wide.chunks_exact_mut(lanes).enumerate() {
            for (o, y) in row.iter_mut().enumerate().take(usize::from(op.outputs)) {
                *y = pixel[o / outputs * inputs + i];
            }
        }
    }
    out
}
