//! Convolutions and their gradients, a strip of bins of one sample a task.

use super::super::{Dims, Filter, Reach, Wanted};
use super::kernel::{
    convolve_row, weight_gradient, weight_gradient_of_few, Layout, Packed, Padded, Row, Taps,
    Transposed,
};
use super::{Buffer, Image};
use rayon::prelude::*;
use std::ops::Range;

/// Bins of a task: with its surroundings and 16 channels of 64 frames it stays in the second cache.
const STRIP: usize = 32;
/// Outputs of a group up to which the gradient of its weights is summed along the frames.
const FEW: usize = 2;

/// What a task needs besides its result, kept from one task to the next.
#[derive(Default)]
struct Scratch {
    input: Padded,
    gradient: Padded,
    transposed: Transposed,
    row: Row,
}

/// A strip of one sample: its bins, and their part of every channel of a batch.
struct Strip<'a> {
    sample: usize,
    bins: Range<usize>,
    channels: Vec<&'a mut [f32]>,
}

/// Cuts a batch into strips of `size` bins, in the order of samples and bins.
fn strips(batch: &mut [f32], dims: Dims, size: usize) -> Vec<Strip<'_>> {
    let a_sample = dims.bins.div_ceil(size);
    let mut all = Vec::new();
    for (at, image) in batch.chunks_exact_mut(dims.pixels()).enumerate() {
        let (sample, channel) = (at / dims.channels, at % dims.channels);
        for (i, part) in image.chunks_mut(size * dims.frames).enumerate() {
            if channel == 0 {
                all.push(Strip {
                    sample,
                    bins: i * size..i * size + part.len() / dims.frames,
                    channels: Vec::with_capacity(dims.channels),
                });
            }
            all[sample * a_sample + i].channels.push(part);
        }
    }
    all
}

/// Where things lie for a filter over images of one size.
struct Plan<'a> {
    filter: &'a Filter<'a>,
    input: Dims,
    /// Channels of a group.
    inputs: usize,
    outputs: usize,
    /// Output bins of a task.
    strip: usize,
    /// Of the rows of the input.
    layout: Layout,
}

impl<'a> Plan<'a> {
    fn new(filter: &'a Filter<'a>, input: Dims, out: Dims) -> Self {
        let frames = filter.window.frames;
        let reach = (frames.taps - 1) * frames.dilation;
        Plan {
            filter,
            input,
            inputs: filter.inputs / filter.groups,
            outputs: filter.outputs / filter.groups,
            strip: STRIP / filter.window.bins.stride,
            layout: Layout::new(frames.before, frames.stride, out.frames, reach),
        }
    }

    fn weight(&self, group: usize, o: usize, i: usize, bin: usize, frame: usize) -> f32 {
        let row = ((group * self.outputs + o) * self.inputs + i) * self.filter.window.bins.taps;
        self.filter.weights[(row + bin) * self.filter.window.frames.taps + frame]
    }

    /// The taps in a strip of the input.
    fn taps(&self) -> Taps {
        let (bins, frames) = (self.filter.window.bins, self.filter.window.frames);
        Taps {
            stride: bins.stride,
            rows: (0..bins.taps).map(|b| b * bins.dilation).collect(),
            columns: (0..frames.taps)
                .map(|f| self.layout.offset(f * frames.dilation))
                .collect(),
        }
    }

    /// The channels of a group and bins of an output strip, of the sample `x` of the input.
    fn copy_input(&self, x: &[f32], group: usize, strip: &Range<usize>, to: &mut Padded) {
        let bins = self.filter.window.bins;
        let size = self.inputs * self.input.pixels();
        let first = (strip.start * bins.stride) as isize - bins.before as isize;
        let rows = (strip.len() - 1) * bins.stride + (bins.taps - 1) * bins.dilation + 1;
        to.copy(
            &x[group * size..(group + 1) * size],
            (self.inputs, self.input.bins, self.input.frames),
            first..first + rows as isize,
            self.layout,
        );
    }
}

pub(super) fn forward(x: &Image, filter: &Filter<'_>, bias: Option<&[f32]>, out: Dims) -> Image {
    let plan = Plan::new(filter, x.dims, out);
    let taps = plan.taps();
    let packed: Vec<Packed> = (0..filter.groups)
        .map(|group| {
            let (rows, columns) = (taps.rows.clone(), taps.columns.clone());
            Packed::new(plan.outputs, plan.inputs, rows, columns, |o, i, b, f| {
                plan.weight(group, o, i, b, f)
            })
        })
        .collect();
    let mut result = Buffer::any(out.numbers());
    strips(&mut result.0, out, plan.strip)
        .into_par_iter()
        .for_each_init(Scratch::default, |scratch, mut to| {
            for (group, packed) in packed.iter().enumerate() {
                plan.copy_input(x.sample(to.sample), group, &to.bins, &mut scratch.input);
                for y in 0..to.bins.len() {
                    let top = y * taps.stride;
                    convolve_row(&scratch.input, packed, top, out.frames, &mut scratch.row);
                    for c in 0..plan.outputs {
                        let channel = group * plan.outputs + c;
                        let to = &mut to.channels[channel][y * out.frames..][..out.frames];
                        match bias {
                            None => to.copy_from_slice(scratch.row.channel(c)),
                            Some(bias) => {
                                for (to, x) in to.iter_mut().zip(scratch.row.channel(c)) {
                                    *to = x + bias[channel];
                                }
                            }
                        }
                    }
                }
            }
        });
    Image::new(result, out)
}

/// Along one axis, the taps through which gradients come back to the pixels `phase + i * stride` of the input: which, and
/// how far behind output `i - before` the output lies that read by it.
fn back(reach: Reach, phase: usize) -> Vec<(usize, usize)> {
    (0..reach.taps)
        .rev()
        .filter_map(|tap| {
            let ahead = (phase + reach.before + before(reach) * reach.stride)
                .checked_sub(tap * reach.dilation)?;
            (ahead % reach.stride == 0).then(|| (tap, ahead / reach.stride))
        })
        .collect()
}

/// Outputs before output `i` that may have read pixel `i * stride` or the ones after it.
fn before(reach: Reach) -> usize {
    ((reach.taps - 1) * reach.dilation)
        .saturating_sub(reach.before)
        .div_ceil(reach.stride)
}

/// Outputs from the first such to the last.
fn span(reach: Reach) -> usize {
    before(reach) + reach.before.div_ceil(reach.stride)
}

/// One of the interleaved images that the input's gradient consists of.
struct Phase {
    bin: usize,
    frame: usize,
    /// For every group.
    packed: Vec<Packed>,
}

fn phases(plan: &Plan<'_>) -> Vec<Phase> {
    let window = plan.filter.window;
    let mut all = Vec::new();
    for bin in 0..window.bins.stride {
        for frame in 0..window.frames.stride {
            let (rows, columns) = (back(window.bins, bin), back(window.frames, frame));
            let places = |taps: &[(usize, usize)]| taps.iter().map(|(_, at)| *at).collect();
            let packed = (0..plan.filter.groups)
                .map(|group| {
                    Packed::new(
                        plan.inputs,
                        plan.outputs,
                        places(&rows),
                        places(&columns),
                        |i, o, r, c| plan.weight(group, o, i, rows[r].0, columns[c].0),
                    )
                })
                .collect();
            all.push(Phase { bin, frame, packed });
        }
    }
    all
}

pub(super) fn gradients(
    x: &Image,
    filter: &Filter<'_>,
    g: &Image,
    wanted: Wanted,
) -> (Option<Image>, Vec<f32>) {
    let (input, out) = (x.dims, g.dims);
    let plan = Plan::new(filter, input, out);
    let stride = (filter.window.bins.stride, filter.window.frames.stride);
    let phases = if wanted.input {
        phases(&plan)
    } else {
        Vec::new()
    };
    let taps = plan.taps();
    let mut dx = Buffer::any(if wanted.input { input.numbers() } else { 0 });
    let tasks: Vec<Strip> = if wanted.input {
        strips(&mut dx.0, input, plan.strip * stride.0)
    } else {
        let tops = (0..input.bins).step_by(plan.strip * stride.0);
        (0..input.samples)
            .flat_map(|sample| tops.clone().map(move |top| (sample, top)))
            .map(|(sample, top)| Strip {
                sample,
                bins: top..(top + plan.strip * stride.0).min(input.bins),
                channels: Vec::new(),
            })
            .collect()
    };
    let contributions: Vec<Vec<f32>> = tasks
        .into_par_iter()
        .map_init(Scratch::default, |scratch, mut to| {
            let count = if wanted.weights {
                filter.weights.len()
            } else {
                0
            };
            let mut dw = vec![0.0; count];
            let rows = to.bins.start / stride.0..to.bins.end.div_ceil(stride.0);
            let a_group = count / filter.groups;
            for group in 0..filter.groups {
                let dw = &mut dw[group * a_group..(group + 1) * a_group];
                let size = plan.outputs * out.pixels();
                let (bins, frames) = (filter.window.bins, filter.window.frames);
                let first = rows.start as isize - before(bins) as isize;
                let end = rows.start + rows.len() + span(bins) - before(bins);
                scratch.gradient.copy(
                    &g.sample(to.sample)[group * size..(group + 1) * size],
                    (plan.outputs, out.bins, out.frames),
                    first..end as isize,
                    Layout::new(before(frames), 1, out.frames, span(frames)),
                );
                let own = before(bins)..before(bins) + rows.len();
                if wanted.weights {
                    plan.copy_input(x.sample(to.sample), group, &rows, &mut scratch.input);
                }
                if !wanted.weights {
                    // Nothing to sum.
                } else if plan.outputs <= FEW {
                    let of = (own, before(frames), out.frames);
                    weight_gradient_of_few(&scratch.input, &scratch.gradient, of, &taps, dw);
                } else {
                    let transposed = &mut scratch.transposed;
                    transposed.copy(&scratch.gradient, own, before(frames), out.frames);
                    weight_gradient(&scratch.input, transposed, &taps, dw);
                }
                for phase in &phases {
                    let count = (input.frames - phase.frame.min(input.frames)).div_ceil(stride.1);
                    let (packed, row) = (&phase.packed[group], &mut scratch.row);
                    for (top, y) in (phase.bin..to.bins.len()).step_by(stride.0).enumerate() {
                        convolve_row(&scratch.gradient, packed, top, count, row);
                        for c in 0..plan.inputs {
                            let to = &mut to.channels[group * plan.inputs + c][y * input.frames..]
                                [..input.frames];
                            if stride.1 == 1 {
                                to.copy_from_slice(row.channel(c));
                                continue;
                            }
                            let to = to[phase.frame.min(input.frames)..].iter_mut();
                            for (to, x) in to.step_by(stride.1).zip(row.channel(c)) {
                                *to = *x;
                            }
                        }
                    }
                }
            }
            dw
        })
        .collect();
    let count = if wanted.weights {
        filter.weights.len()
    } else {
        0
    };
    let mut dw = vec![0.0; count];
    for sum in &contributions {
        dw.iter_mut().zip(sum).for_each(|(dw, x)| *dw += x);
    }
    (wanted.input.then(|| Image::new(dx, input)), dw)
}
