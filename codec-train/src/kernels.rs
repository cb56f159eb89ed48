//! The arithmetic of the 2-D convolution: direct, register-blocked, no im2col.
//!
//! A strip of bins at a time, small enough for the caches, in a layout of its own: [`Padded`] keeps row after
//! row, in each row channel after channel, so that all a row of the output needs lies close together. The inner
//! loops keep twelve 8-lane accumulators in registers: four output channels by 24 pixels or six by 16 for a
//! convolution, six taps by 16 channels (or four by 24) for the gradient of weights.
//!
//! The sum over taps is always made in the same order, so results do not depend on threads. On x86-64 with
//! AVX2 and FMA the multiplications and additions are fused; elsewhere they may not be, so two machines may
//! differ in the last bits. (The decoder's own arithmetic is in `codec-core` and does not.)

mod strip;
mod vector;

use strip::whole_vectors;
pub use strip::{Padded, Transposed};

#[cfg(target_arch = "x86_64")]
use vector::avx2::Avx2;
use vector::{Portable, Vector, LANES};

/// Rows whose gradients of weights are summed in one pass: they and their inputs fit the first cache.
const PASS: usize = 4;

/// Kernel size: bins (height) and frames (width), both odd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kernel {
    /// Height in bins.
    pub bins: usize,
    /// Width in frames.
    pub frames: usize,
}

impl Kernel {
    /// Taps: the kernel's area.
    #[must_use]
    pub fn area(self) -> usize {
        self.bins * self.frames
    }
}

/// Weights in the order the inner loop reads them: blocks of output channels, then bins, inputs, frames.
#[derive(Debug, Clone)]
pub struct Packed {
    data: Vec<f32>,
    outputs: usize,
    inputs: usize,
    kernel: Kernel,
    /// Output channels computed together: four or six, whichever wastes less.
    block: usize,
}

impl Packed {
    /// Packs `weights`, `outputs x inputs x bins x frames`.
    #[must_use]
    pub fn forward(weights: &[f32], outputs: usize, inputs: usize, kernel: Kernel) -> Self {
        Self::pack(outputs, inputs, kernel, |o, i, y, x| {
            weights[((o * inputs + i) * kernel.bins + y) * kernel.frames + x]
        })
    }

    /// Packs the transposed convolution of `weights` (`outputs x inputs x bins x frames`), which takes the
    /// gradient of the outputs to that of the inputs: channels exchanged, taps turned round.
    #[must_use]
    pub fn backward(weights: &[f32], outputs: usize, inputs: usize, kernel: Kernel) -> Self {
        Self::pack(inputs, outputs, kernel, |i, o, y, x| {
            let (y, x) = (kernel.bins - 1 - y, kernel.frames - 1 - x);
            weights[((o * inputs + i) * kernel.bins + y) * kernel.frames + x]
        })
    }

    fn pack(
        outputs: usize,
        inputs: usize,
        kernel: Kernel,
        at: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let padded = |block| outputs.div_ceil(block) * block;
        let size = if padded(4) < padded(6) { 4 } else { 6 };
        let mut data = Vec::with_capacity(padded(size) * inputs * kernel.area());
        for block in (0..outputs).step_by(size) {
            for y in 0..kernel.bins {
                for i in 0..inputs {
                    for x in 0..kernel.frames {
                        data.extend((block..block + size).map(|o| {
                            if o < outputs {
                                at(o, i, y, x)
                            } else {
                                0.0
                            }
                        }));
                    }
                }
            }
        }
        Packed {
            data,
            outputs,
            inputs,
            kernel,
            block: size,
        }
    }
}

/// One row of outputs, `channels x width`, the width a whole number of vectors.
#[derive(Debug, Default)]
pub struct Row {
    data: Vec<f32>,
    width: usize,
    frames: usize,
}

impl Row {
    /// A row for `outputs` channels of `frames` pixels.
    #[must_use]
    pub fn new(outputs: usize, frames: usize) -> Self {
        let width = whole_vectors(frames);
        Row {
            data: vec![0.0; outputs * width],
            width,
            frames,
        }
    }

    /// The pixels of channel `c`.
    #[must_use]
    pub fn channel(&self, c: usize) -> &[f32] {
        &self.data[c * self.width..][..self.frames]
    }
}

/// The eight values at `at`.
#[inline(always)]
fn lanes(x: &[f32], at: usize) -> &[f32; LANES] {
    x[at..at + LANES].first_chunk().expect("a slice of eight")
}

/// `OUT` output channels by `VECTORS` vectors of pixels from `start`, written to `out` rows of `width`.
#[inline(always)]
fn block_body<V: Vector, const OUT: usize, const VECTORS: usize>(
    rows: &[f32],
    row_width: usize,
    taps: usize,
    weights: &[f32],
    start: usize,
    out: &mut [f32],
    width: usize,
) {
    let mut sums = [[V::zero(); VECTORS]; OUT];
    let mut at = 0;
    for row in rows.chunks_exact(row_width) {
        let row = &row[start..start + taps + VECTORS * LANES - 1];
        // Plain indices: iterators would have to be inlined across units to be compiled for the same processor.
        for tap in 0..taps {
            let pixels = &row[tap..tap + VECTORS * LANES];
            let weight = &weights[at..at + OUT];
            at += OUT;
            let mut x = [V::zero(); VECTORS];
            for v in 0..VECTORS {
                x[v] = V::load(lanes(pixels, v * LANES));
            }
            for o in 0..OUT {
                let weight = V::splat(weight[o]);
                for v in 0..VECTORS {
                    sums[o][v] = sums[o][v].add_product(weight, x[v]);
                }
            }
        }
    }
    for o in 0..OUT {
        let to = &mut out[o * width + start..o * width + start + VECTORS * LANES];
        for v in 0..VECTORS {
            to[v * LANES..(v + 1) * LANES].copy_from_slice(&sums[o][v].store());
        }
    }
}

/// Bin `y`, `OUT` channels a block and up to `12 / OUT` vectors of pixels.
#[inline(always)]
fn row_body<V: Vector, const OUT: usize, const VECTORS: usize>(
    x: &Padded,
    w: &Packed,
    y: usize,
    out: &mut Row,
) {
    let taps = w.kernel.frames;
    let rows = &x.data[y * x.channels * x.width..(y + w.kernel.bins) * x.channels * x.width];
    let size = OUT * w.inputs * w.kernel.area();
    let width = out.width;
    for block in 0..w.outputs.div_ceil(OUT) {
        let weights = &w.data[block * size..(block + 1) * size];
        let out = &mut out.data[block * OUT * width..(block + 1) * OUT * width];
        let mut start = 0;
        while start < width {
            match (width - start) / LANES {
                n if n >= VECTORS => {
                    block_body::<V, OUT, VECTORS>(rows, x.width, taps, weights, start, out, width);
                    start += VECTORS * LANES;
                }
                2 => {
                    block_body::<V, OUT, 2>(rows, x.width, taps, weights, start, out, width);
                    start += 2 * LANES;
                }
                _ => {
                    block_body::<V, OUT, 1>(rows, x.width, taps, weights, start, out, width);
                    start += LANES;
                }
            }
        }
    }
}

#[inline(always)]
fn any_row_body<V: Vector>(x: &Padded, w: &Packed, y: usize, out: &mut Row) {
    if w.block == 4 {
        row_body::<V, 4, 3>(x, w, y, out);
    } else {
        row_body::<V, 6, 2>(x, w, y, out);
    }
}

/// Adds to `sums` the gradients of `TAPS` taps (at `offsets` in a row of inputs) for `VECTORS * LANES` outputs
/// from `first`, over the bins `rows`.
#[inline(always)]
fn taps_body<V: Vector, const TAPS: usize, const VECTORS: usize>(
    x: &Padded,
    g: &Transposed,
    rows: core::ops::Range<usize>,
    dy: usize,
    offsets: [usize; TAPS],
    first: usize,
) -> [[[f32; LANES]; VECTORS]; TAPS] {
    let mut sums = [[V::zero(); VECTORS]; TAPS];
    for y in rows {
        let inputs = &x.data[(y + dy) * x.channels * x.width..][..x.channels * x.width];
        let gradients = &g.data[y * g.frames * g.stride..][..g.frames * g.stride];
        for t in 0..TAPS {
            assert!(
                offsets[t] + g.frames <= inputs.len(),
                "a tap outside its row"
            );
        }
        for p in 0..g.frames {
            let g = &gradients[p * g.stride + first..p * g.stride + first + VECTORS * LANES];
            let mut gradient = [V::zero(); VECTORS];
            for v in 0..VECTORS {
                gradient[v] = V::load(lanes(g, v * LANES));
            }
            for t in 0..TAPS {
                // SAFETY: `p` is less than `g.frames`, and that many inputs follow the offset, as just asserted.
                let x = V::splat(unsafe { *inputs.get_unchecked(offsets[t] + p) });
                for v in 0..VECTORS {
                    sums[t][v] = sums[t][v].add_product(x, gradient[v]);
                }
            }
        }
    }
    let mut out = [[[0.0; LANES]; VECTORS]; TAPS];
    for t in 0..TAPS {
        for v in 0..VECTORS {
            out[t][v] = sums[t][v].store();
        }
    }
    out
}

#[inline(always)]
fn pass_body<V: Vector, const TAPS: usize, const VECTORS: usize>(
    x: &Padded,
    g: &Transposed,
    rows: core::ops::Range<usize>,
    first: usize,
    sums: &mut [f32],
) {
    let k = x.kernel;
    let taps = x.channels * k.frames;
    for dy in 0..k.bins {
        for tap in (0..taps).step_by(TAPS) {
            // A last block that is not full computes its last tap several times and keeps one.
            let mut offsets = [0; TAPS];
            for t in 0..TAPS {
                let at = (tap + t).min(taps - 1);
                offsets[t] = at / k.frames * x.width + at % k.frames;
            }
            let block = taps_body::<V, TAPS, VECTORS>(x, g, rows.clone(), dy, offsets, first);
            for t in 0..TAPS.min(taps - tap) {
                let to = &mut sums[(dy * taps + tap + t) * g.stride + first..][..VECTORS * LANES];
                for v in 0..VECTORS {
                    for l in 0..LANES {
                        to[v * LANES + l] += block[t][v][l];
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn weights_body<V: Vector>(x: &Padded, g: &Transposed, sums: &mut [f32]) {
    for top in (0..x.bins).step_by(PASS) {
        let rows = top..(top + PASS).min(x.bins);
        let mut first = 0;
        while first < g.stride {
            match (g.stride - first) / LANES {
                // Four vectors are twice two.
                3 | 5.. => {
                    pass_body::<V, 4, 3>(x, g, rows.clone(), first, sums);
                    first += 3 * LANES;
                }
                2 | 4 => {
                    pass_body::<V, 6, 2>(x, g, rows.clone(), first, sums);
                    first += 2 * LANES;
                }
                _ => {
                    pass_body::<V, 8, 1>(x, g, rows.clone(), first, sums);
                    first += LANES;
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn row_avx2(x: &Padded, w: &Packed, y: usize, out: &mut Row) {
    any_row_body::<Avx2>(x, w, y, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn weights_avx2(x: &Padded, g: &Transposed, sums: &mut [f32]) {
    weights_body::<Avx2>(x, g, sums);
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Bin `y` of the strip `x` convolved with `w`, zero-padded to the same size, without bias. `out` takes the
/// size it needs.
///
/// # Panics
/// If the sizes of `x` and `w` do not match.
pub fn convolve_row(x: &Padded, w: &Packed, y: usize, out: &mut Row) {
    assert!(
        x.channels == w.inputs && x.kernel == w.kernel && y < x.bins,
        "convolution sizes differ"
    );
    out.frames = x.frames;
    out.width = whole_vectors(x.frames);
    out.data
        .resize(w.outputs.div_ceil(w.block) * w.block * out.width, 0.0);
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has just been found to have both features.
        return unsafe { row_avx2(x, w, y, out) };
    }
    any_row_body::<Portable>(x, w, y, out);
}

/// Adds to `dw` (`outputs x inputs x bins x frames`) the gradient of the weights that took `x` to an output
/// whose gradient is `g`.
///
/// # Panics
/// If the sizes of `x`, `g` and `dw` do not match.
pub fn weight_gradient(x: &Padded, g: &Transposed, dw: &mut [f32]) {
    assert!(
        x.bins == g.bins && x.frames == g.frames,
        "images of different sizes"
    );
    let k = x.kernel;
    assert_eq!(
        dw.len(),
        x.channels * g.channels * k.area(),
        "gradient of another size"
    );
    let mut sums = vec![0.0; x.channels * k.area() * g.stride];
    weight_sums(x, g, &mut sums);
    let taps = x.channels * k.frames;
    for o in 0..g.channels {
        for i in 0..x.channels {
            for dy in 0..k.bins {
                for dx in 0..k.frames {
                    dw[((o * x.channels + i) * k.bins + dy) * k.frames + dx] +=
                        sums[(dy * taps + i * k.frames + dx) * g.stride + o];
                }
            }
        }
    }
}

/// The sums of [`weight_gradient`], outputs fastest.
fn weight_sums(x: &Padded, g: &Transposed, sums: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has just been found to have both features.
        return unsafe { weights_avx2(x, g, sums) };
    }
    weights_body::<Portable>(x, g, sums);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern in -1..1.
    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(1);
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    struct Case {
        inputs: usize,
        outputs: usize,
        bins: usize,
        frames: usize,
        kernel: Kernel,
    }

    fn cases() -> Vec<Case> {
        let case = |inputs, outputs, bins, frames, kb, kf| Case {
            inputs,
            outputs,
            bins,
            frames,
            kernel: Kernel {
                bins: kb,
                frames: kf,
            },
        };
        vec![
            case(1, 1, 1, 1, 1, 1),
            case(3, 24, 9, 16, 5, 5),
            case(24, 4, 7, 37, 3, 3),
            case(5, 17, 6, 20, 7, 3),
            case(2, 7, 3, 5, 9, 11),
            case(16, 16, 5, 33, 1, 5),
            case(40, 33, 5, 24, 3, 3),
            case(16, 16, 9, 64, 5, 5),
        ]
    }

    /// By definition: `out[o][y][x] = sum w[o][i][dy][dx] x[i][y + dy - h/2][x + dx - w/2]`.
    fn each_tap(c: &Case, mut visit: impl FnMut(usize, usize, usize)) {
        for o in 0..c.outputs {
            for i in 0..c.inputs {
                for y in 0..c.bins {
                    for x in 0..c.frames {
                        for dy in 0..c.kernel.bins {
                            for dx in 0..c.kernel.frames {
                                let (v, u) = (y + dy, x + dx);
                                let (hb, hf) = (c.kernel.bins / 2, c.kernel.frames / 2);
                                if v < hb || v - hb >= c.bins || u < hf || u - hf >= c.frames {
                                    continue;
                                }
                                visit(
                                    (o * c.bins + y) * c.frames + x,
                                    ((o * c.inputs + i) * c.kernel.bins + dy) * c.kernel.frames
                                        + dx,
                                    (i * c.bins + v - hb) * c.frames + u - hf,
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    fn convolved(x: &[f32], inputs: usize, packed: &Packed, outputs: usize, c: &Case) -> Vec<f32> {
        let padded = Padded::from_image(x, inputs, c.bins, c.frames, c.kernel);
        let mut row = Row::default();
        let mut out = vec![0.0; outputs * c.bins * c.frames];
        for y in 0..c.bins {
            convolve_row(&padded, packed, y, &mut row);
            for o in 0..outputs {
                out[(o * c.bins + y) * c.frames..][..c.frames].copy_from_slice(row.channel(o));
            }
        }
        out
    }

    fn assert_close(found: &[f32], expected: &[f64], what: &str) {
        let size = expected.iter().fold(1.0f64, |a, b| a.max(b.abs()));
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!(
                (f64::from(*f) - e).abs() < 2e-5 * size,
                "{what} {i}: {f} for {e}"
            );
        }
        assert_eq!(found.len(), expected.len());
    }

    #[test]
    fn convolution_and_both_gradients_are_those_of_the_definition() {
        for c in cases() {
            let x = numbers(c.inputs * c.bins * c.frames, 1);
            let w = numbers(c.outputs * c.inputs * c.kernel.area(), 2);
            let g = numbers(c.outputs * c.bins * c.frames, 3);
            let mut out = vec![0f64; g.len()];
            let mut dw = vec![0f64; w.len()];
            let mut dx = vec![0f64; x.len()];
            each_tap(&c, |at, tap, from| {
                out[at] += f64::from(w[tap]) * f64::from(x[from]);
                dw[tap] += f64::from(g[at]) * f64::from(x[from]);
                dx[from] += f64::from(g[at]) * f64::from(w[tap]);
            });
            let forward = Packed::forward(&w, c.outputs, c.inputs, c.kernel);
            assert_close(
                &convolved(&x, c.inputs, &forward, c.outputs, &c),
                &out,
                "output",
            );
            let backward = Packed::backward(&w, c.outputs, c.inputs, c.kernel);
            assert_close(
                &convolved(&g, c.outputs, &backward, c.inputs, &c),
                &dx,
                "input gradient",
            );
            // In strips of two bins, as the layers do it.
            let mut found = vec![0f32; w.len()];
            let (mut inputs, mut gradients) = (Padded::default(), Padded::default());
            let mut transposed = Transposed::default();
            for top in (0..c.bins).step_by(2) {
                let strip = top..(top + 2).min(c.bins);
                let (x_shape, g_shape) =
                    ((c.inputs, c.bins, c.frames), (c.outputs, c.bins, c.frames));
                inputs.copy_strip(&x, x_shape, c.kernel, strip.clone());
                gradients.copy_strip(&g, g_shape, c.kernel, strip);
                transposed.copy(&gradients);
                weight_gradient(&inputs, &transposed, &mut found);
            }
            assert_close(&found, &dw, "weight gradient");
        }
    }

    #[test]
    fn portable_arithmetic_agrees_with_the_fastest() {
        for c in cases() {
            let x = numbers(c.inputs * c.bins * c.frames, 4);
            let w = numbers(c.outputs * c.inputs * c.kernel.area(), 5);
            let padded = Padded::from_image(&x, c.inputs, c.bins, c.frames, c.kernel);
            let packed = Packed::forward(&w, c.outputs, c.inputs, c.kernel);
            let (mut fast, mut portable) = (Row::default(), Row::default());
            convolve_row(&padded, &packed, c.bins / 2, &mut fast);
            convolve_row(&padded, &packed, c.bins / 2, &mut portable);
            portable.data.fill(f32::NAN);
            any_row_body::<Portable>(&padded, &packed, c.bins / 2, &mut portable);
            for (a, b) in fast.data.iter().zip(&portable.data) {
                assert!((a - b).abs() < 1e-4, "{a} for {b}");
            }
        }
    }
}
