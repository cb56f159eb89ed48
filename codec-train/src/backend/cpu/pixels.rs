//! Everything but convolutions, an image of one channel a task.

use super::super::{Dims, Mean, Reach, Window};
use super::{Buffer, Image};
use codec_format::model::graph::Extent;
use rayon::prelude::*;
use std::ops::Range;

/// Makes an image channel by channel: `fill` is given the image's number among samples x channels and its pixels.
fn each(mut to: Buffer, dims: Dims, fill: impl Fn(usize, &mut [f32]) + Sync) -> Image {
    to.0.par_chunks_mut(dims.pixels().max(1))
        .enumerate()
        .for_each(|(at, pixels)| fill(at, pixels));
    Image::new(to, dims)
}

fn channel(x: &Image, at: usize) -> &[f32] {
    let pixels = x.dims.pixels();
    &x.numbers()[at * pixels..(at + 1) * pixels]
}

fn total(x: impl Iterator<Item = f32>) -> f32 {
    // Eight sums, so that they can be made side by side.
    let mut sums = [0f32; 8];
    for (at, x) in x.enumerate() {
        sums[at % 8] += x;
    }
    sums.iter().sum()
}

/// Sums over the samples of one number a channel.
fn over_samples(numbers: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0; channels];
    for sample in numbers.chunks_exact(channels.max(1)) {
        sums.iter_mut().zip(sample).for_each(|(sum, x)| *sum += x);
    }
    sums
}

pub(super) fn totals(g: &Image) -> Vec<f32> {
    let images: Vec<f32> = g
        .numbers()
        .par_chunks(g.dims.pixels().max(1))
        .map(|g| total(g.iter().copied()))
        .collect();
    over_samples(&images, g.dims.channels)
}

pub(super) fn activate(x: &Image, slopes: &[f32]) -> Image {
    each(Buffer::any(x.dims.numbers()), x.dims, |at, to| {
        let slope = slopes[at % x.dims.channels];
        for (to, &x) in to.iter_mut().zip(channel(x, at)) {
            *to = if x > 0.0 { x } else { slope * x };
        }
    })
}

pub(super) fn activate_gradients(x: &Image, slopes: &[f32], g: Image) -> (Image, Vec<f32>) {
    let dims = x.dims;
    let mut g = g.into_buffer();
    let found: Vec<f32> =
        g.0.par_chunks_mut(dims.pixels().max(1))
            .enumerate()
            .map(|(at, g)| {
                let slope = slopes[at % dims.channels];
                let mut sums = [0f32; 8];
                for (g, x) in g.chunks_mut(8).zip(channel(x, at).chunks(8)) {
                    for ((g, &x), sum) in g.iter_mut().zip(x).zip(&mut sums) {
                        let negative = x <= 0.0;
                        *sum += if negative { *g * x } else { 0.0 };
                        *g *= if negative { slope } else { 1.0 };
                    }
                }
                sums.iter().sum()
            })
            .collect();
    (Image::new(g, dims), over_samples(&found, dims.channels))
}

pub(super) fn add(a: Image, b: &Image) -> Image {
    let dims = a.dims;
    each(a.into_buffer(), dims, |at, to| {
        for (to, x) in to.iter_mut().zip(channel(b, at)) {
            *to += x;
        }
    })
}

pub(super) fn concatenate(parts: &[&Image]) -> Image {
    let channels = parts.iter().map(|part| part.dims.channels).sum();
    let dims = parts[0].dims.with_channels(channels);
    each(Buffer::any(dims.numbers()), dims, |at, to| {
        let (sample, mut c) = (at / channels, at % channels);
        for part in parts {
            if c < part.dims.channels {
                to.copy_from_slice(channel(part, sample * part.dims.channels + c));
                break;
            }
            c -= part.dims.channels;
        }
    })
}

pub(super) fn channels(x: &Image, range: Range<usize>) -> Image {
    let dims = x.dims.with_channels(range.len());
    each(Buffer::any(dims.numbers()), dims, |at, to| {
        let (sample, c) = (at / range.len(), at % range.len());
        to.copy_from_slice(channel(x, sample * x.dims.channels + range.start + c));
    })
}

pub(super) fn gate(x: &Image, mask: &Image) -> Image {
    each(Buffer::any(x.dims.numbers()), x.dims, |at, to| {
        let mask = channel(mask, at / x.dims.channels);
        for ((to, x), m) in to.iter_mut().zip(channel(x, at)).zip(mask) {
            *to = x * m;
        }
    })
}

pub(super) fn gate_gradient(x: &Image, g: &Image) -> Image {
    let dims = x.dims.with_channels(1);
    each(Buffer::zeros(dims.numbers()), dims, |sample, to| {
        for c in 0..x.dims.channels {
            let at = sample * x.dims.channels + c;
            for ((to, x), g) in to.iter_mut().zip(channel(x, at)).zip(channel(g, at)) {
                *to += x * g;
            }
        }
    })
}

pub(super) fn mean(sums: &Image, counts: &Image, bias: &[f32], mean: Mean) -> Image {
    let channels = sums.dims.channels;
    each(Buffer::any(sums.dims.numbers()), sums.dims, |at, to| {
        let (counts, bias) = (channel(counts, at / channels), bias[at % channels]);
        for ((to, x), &n) in to.iter_mut().zip(channel(sums, at)).zip(counts) {
            *to = x * mean.factor(n).0 + bias;
        }
    })
}

pub(super) fn mean_gradients(
    sums: &Image,
    counts: &Image,
    g: &Image,
    mean: Mean,
    wanted: bool,
) -> (Image, Option<Image>) {
    let channels = sums.dims.channels;
    let in_sums = each(Buffer::any(g.dims.numbers()), g.dims, |at, to| {
        let counts = channel(counts, at / channels);
        for ((to, g), &n) in to.iter_mut().zip(channel(g, at)).zip(counts) {
            *to = g * mean.factor(n).0;
        }
    });
    let in_counts = wanted.then(|| {
        let mut through = gate_gradient(sums, g).into_buffer();
        for (to, &n) in through.0.iter_mut().zip(counts.numbers()) {
            *to *= mean.factor(n).1;
        }
        Image::new(through, counts.dims)
    });
    (in_sums, in_counts)
}

/// Adds `line`, the numbers of one row, along the reach of every output; or, `back`, the row of outputs `line` to all that
/// they reach.
fn along(to: &mut [f32], line: &[f32], reach: Reach, back: bool) {
    let (outs, len) = if back {
        (line.len(), to.len())
    } else {
        (to.len(), line.len())
    };
    for tap in 0..reach.taps {
        let shift = tap * reach.dilation;
        let first = reach.before.saturating_sub(shift).div_ceil(reach.stride);
        let end = (len + reach.before)
            .saturating_sub(shift)
            .div_ceil(reach.stride)
            .min(outs);
        for out in first..end {
            let at = out * reach.stride + shift - reach.before;
            if back {
                to[at] += line[out];
            } else {
                to[out] += line[at];
            }
        }
    }
}

fn add_rows(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, x)| *to += x);
}

pub(super) fn sums(x: &Image, window: &Window, out: Dims) -> Image {
    let frames = x.dims.frames;
    each(Buffer::zeros(out.numbers()), out, |at, to| {
        let mut rows = vec![0.0; x.dims.bins * out.frames];
        for (to, row) in rows
            .chunks_exact_mut(out.frames)
            .zip(channel(x, at).chunks_exact(frames))
        {
            along(to, row, window.frames, false);
        }
        for (bin, to) in to.chunks_exact_mut(out.frames).enumerate() {
            for tap in 0..window.bins.taps {
                if let Some(from) = window.bins.pixel(bin, tap, x.dims.bins) {
                    add_rows(to, &rows[from * out.frames..][..out.frames]);
                }
            }
        }
    })
}

pub(super) fn spread(x: &Image, window: &Window, out: Dims) -> Image {
    let frames = x.dims.frames;
    each(Buffer::zeros(out.numbers()), out, |at, to| {
        let mut rows = vec![0.0; out.bins * frames];
        for (bin, from) in channel(x, at).chunks_exact(frames).enumerate() {
            for tap in 0..window.bins.taps {
                if let Some(to) = window.bins.pixel(bin, tap, out.bins) {
                    add_rows(&mut rows[to * frames..][..frames], from);
                }
            }
        }
        for (to, row) in to
            .chunks_exact_mut(out.frames)
            .zip(rows.chunks_exact(frames))
        {
            along(to, row, window.frames, true);
        }
    })
}

/// The channel of the coarse image, of channel `c` of the fine one at a pixel.
fn coarse(c: usize, bin: usize, frame: usize, factor: (usize, usize)) -> usize {
    (c * factor.0 + bin % factor.0) * factor.1 + frame % factor.1
}

fn sides(factor: Extent) -> (usize, usize) {
    (usize::from(factor.bins), usize::from(factor.frames))
}

pub(super) fn shuffle(x: &Image, factor: Extent, out: Dims) -> Image {
    let factor = sides(factor);
    each(Buffer::any(out.numbers()), out, |at, to| {
        let x_sample = x.sample(at / out.channels);
        for (bin, to) in to.chunks_exact_mut(out.frames).enumerate() {
            for (frame, to) in to.iter_mut().enumerate() {
                let c = coarse(at % out.channels, bin, frame, factor);
                let row = c * x.dims.bins + bin / factor.0;
                *to = x_sample[row * x.dims.frames + frame / factor.1];
            }
        }
    })
}

pub(super) fn unshuffle(x: &Image, factor: Extent, out: Dims) -> Image {
    let factor = sides(factor);
    each(Buffer::zeros(out.numbers()), out, |at, to| {
        let (sample, from) = (at / out.channels, at % out.channels);
        let (c, b, f) = (
            from / factor.1 / factor.0,
            from / factor.1 % factor.0,
            from % factor.1,
        );
        let fine = channel(x, sample * x.dims.channels + c);
        for (bin, to) in to.chunks_exact_mut(out.frames).enumerate() {
            let bin = bin * factor.0 + b;
            if bin >= x.dims.bins {
                continue;
            }
            let row = fine[bin * x.dims.frames..][..x.dims.frames].iter();
            for (to, x) in to.iter_mut().zip(row.skip(f).step_by(factor.1)) {
                *to = *x;
            }
        }
    })
}
