//! The kernels of convolutions.
//!
//! Each output is `((0 + x0 w0) + x1 w1) + ...`, over frames of the kernel, then its bins, then input channels, every
//! product and sum rounded to f32. Wide registers hold *different outputs* side by side, never parts of one sum, and
//! products are never fused with sums: so any vector width, and none at all, gives the same bits (Spec §8.4).

mod dense;
mod lanes;

use crate::simd::{self, Kernel};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::op::Convolution;

pub(super) use crate::simd::LANES;

/// Weights of one convolution, or of one of its groups, in the order they are read: blocks of outputs; within a block
/// kernel frame, kernel bin, input channel, output. Missing outputs of the last block are zero.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    outputs: usize,
    frames: usize,
    bins: usize,
    inputs: usize,
    data: Vec<f32>,
    lanes: bool,
}

impl Weights {
    /// Collects `weight(output, input, kernel bin, kernel frame)` where all outputs read the same inputs.
    pub fn new(
        outputs: usize,
        inputs: usize,
        bins: usize,
        frames: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let mut weights = Weights {
            outputs,
            frames,
            bins,
            inputs,
            data: Vec::new(),
            lanes: false,
        };
        weights.collect(dense::block_width, weight);
        weights
    }

    /// The same where every output has inputs of its own.
    pub fn lanes(
        outputs: usize,
        inputs: usize,
        bins: usize,
        frames: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let mut weights = Weights {
            outputs,
            frames,
            bins,
            inputs,
            data: Vec::new(),
            lanes: true,
        };
        weights.collect(|_| LANES, weight);
        weights
    }

    fn collect(
        &mut self,
        width: impl Fn(usize) -> usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) {
        self.data = vec![0.0; self.width() * self.inputs * self.bins * self.frames];
        let mut at = 0;
        let mut first = 0;
        while first < self.outputs {
            let width = width(self.outputs - first);
            for f in 0..self.frames {
                for b in 0..self.bins {
                    for i in 0..self.inputs {
                        for o in first..(first + width).min(self.outputs) {
                            self.data[at + o - first] = weight(o, i, b, f);
                        }
                        at += width;
                    }
                }
            }
            first += width;
        }
    }

    /// Outputs with those that are missing in the last block.
    pub fn width(&self) -> usize {
        self.outputs.div_ceil(LANES) * LANES
    }
}

/// Where a convolution's inputs lie, in numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// From an input pixel to the next.
    width: usize,
    /// From one output's window to that of the next bin and frame.
    bin: usize,
    frame: usize,
    /// From one pixel of a window to that of the next kernel bin and frame.
    tap_bin: usize,
    tap_frame: usize,
}

impl Geometry {
    /// For input rows of `bins` pixels of `width` numbers.
    pub fn new(op: &Convolution, bins: usize, width: usize) -> Self {
        let row = bins * width;
        Geometry {
            width,
            bin: usize::from(op.stride.bins) * width,
            frame: usize::from(op.stride.frames) * row,
            tap_bin: usize::from(op.dilation.bins) * width,
            tap_frame: usize::from(op.dilation.frames) * row,
        }
    }
}

/// One convolution of what was gathered: each output is `sum * scale + bias`, the scale one factor a pixel, or absent.
pub(super) struct Job<'a> {
    pub input: &'a [f32],
    pub geometry: Geometry,
    pub frames: usize,
    pub bins: usize,
    pub weights: &'a Weights,
    pub scale: Option<&'a [f32]>,
    pub bias: &'a [f32],
    /// Numbers from one pixel of the output to the next.
    pub outputs: usize,
}

/// Writes the outputs, frames x bins x channels.
pub(super) fn convolve(job: &Job<'_>, out: &mut [f32]) {
    simd::run(Convolve { job, out });
}

struct Convolve<'a> {
    job: &'a Job<'a>,
    out: &'a mut [f32],
}

impl Kernel for Convolve<'_> {
    type Output = ();

    /// In 256-bit registers 24 outputs of three pixels are summed in nine of them, and the rest hold weights and
    /// products.
    #[inline(always)]
    fn run(self) {
        run::<3>(self.job, self.out);
    }
}

/// `P` pixels at a time where outputs share their inputs.
#[inline(always)]
fn run<const P: usize>(job: &Job<'_>, out: &mut [f32]) {
    if job.weights.lanes {
        lanes::run(job, out);
    } else {
        dense::run::<P>(job, out);
    }
}

/// Writes one block of sums of a pixel.
#[inline(always)]
fn store<const O: usize>(
    job: &Job<'_>,
    sums: &[f32; O],
    pixel: usize,
    first: usize,
    out: &mut [f32],
) {
    let factor = job.scale.map_or(1.0, |scale| scale[pixel]);
    let used = O.min(job.weights.outputs - first);
    let bias = &job.bias[first..][..used];
    let out = &mut out[pixel * job.outputs + first..][..used];
    for ((y, sum), bias) in out.iter_mut().zip(sums).zip(bias) {
        *y = sum * factor + bias;
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use codec_format::model::graph::Extent;
    use codec_format::model::op::ConvolutionKind;

    /// Runs both kernels on random convolutions over 5 frames x 23 bins with stride 1 or 2 and dilation 1 or 3.
    #[test]
    fn avx2_and_portable_kernels_agree_to_the_last_bit() {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let kernels = [
            (24, 24, 5, 5),
            (4, 24, 3, 3),
            (17, 3, 7, 3),
            (9, 1, 1, 1),
            (41, 2, 3, 5),
        ];
        for (outputs, inputs, bins, frames) in kernels {
            for (stride, dilation, lanes) in [
                (1, 1, false),
                (2, 1, false),
                (1, 3, false),
                (1, 1, true),
                (2, 3, true),
            ] {
                let size = Extent { bins, frames };
                let (broad, high) = (usize::from(bins), usize::from(frames));
                let mut op = Convolution::zeros(ConvolutionKind::Plain, 1, 1, size);
                op.stride = Extent {
                    bins: stride,
                    frames: stride,
                };
                op.dilation = Extent {
                    bins: dilation,
                    frames: dilation,
                };
                let table: Vec<f32> = (0..outputs * inputs * broad * high)
                    .map(|_| next())
                    .collect();
                let weight = |o: usize, i: usize, b: usize, f: usize| {
                    table[((o * inputs + i) * broad + b) * high + f]
                };
                let weights = if lanes {
                    Weights::lanes(outputs, inputs, broad, high, weight)
                } else {
                    Weights::new(outputs, inputs, broad, high, weight)
                };
                let width = if lanes {
                    weights.width() * inputs
                } else {
                    inputs
                };
                let reach = |size: usize, count: usize| {
                    (count - 1) * usize::from(stride) + (size - 1) * usize::from(dilation) + 1
                };
                let (columns, rows) = (reach(broad, 23), reach(high, 5));
                let input: Vec<f32> = (0..columns * rows * width).map(|_| next()).collect();
                let bias: Vec<f32> = (0..outputs).map(|_| next()).collect();
                let scale: Vec<f32> = (0..5 * 23).map(|_| next()).collect();
                let job = Job {
                    input: &input,
                    geometry: Geometry::new(&op, columns, width),
                    frames: 5,
                    bins: 23,
                    weights: &weights,
                    scale: Some(&scale),
                    bias: &bias,
                    outputs,
                };
                let (mut a, mut b) = (vec![0.0; 5 * 23 * outputs], vec![0.0; 5 * 23 * outputs]);
                Convolve {
                    job: &job,
                    out: &mut a,
                }
                .run();
                assert!(a.iter().any(|&x| x != 0.0));
                convolve(&job, &mut b);
                assert!(
                    simd::is_wide(),
                    "this processor has no AVX2: nothing could be compared"
                );
                assert_eq!(a, b);
            }
        }
    }
}
