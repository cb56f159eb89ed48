//! The arithmetic of the 2-D convolution: direct, register-blocked, no im2col.
//!
//! A strip of bins at a time, small enough for the caches, in a layout of its own: [`Padded`] keeps row after
//! row, in each row channel after channel, so that all a row of the output needs lies close together. Stride and
//! dilation are in the places of the taps ([`Packed`], [`Taps`], [`Layout`]) alone. The inner loops keep eight or
//! twelve 8-lane accumulators in registers: four output channels by 24 pixels, six by 16 or one by 64 for a
//! convolution, six taps by 16 channels (or four by 24) for the gradient of weights, eight taps by one channel where
//! there are few (depthwise convolutions).
//!
//! The sum over taps is always made in the same order, so results do not depend on threads. On x86-64 with
//! AVX2 and FMA the multiplications and additions are fused; elsewhere they may not be, so two machines may
//! differ in the last bits. (The decoder's own arithmetic is in `codec-core` and does not.)

mod strip;
mod vector;

use strip::whole_vectors;
pub use strip::{Layout, Padded, Transposed};

#[cfg(target_arch = "x86_64")]
use vector::avx2::Avx2;
use vector::{Portable, Vector, LANES};

/// Rows whose gradients of weights are summed in one pass: they and their inputs fit the first cache.
const PASS: usize = 4;

/// Weights in the order the inner loop reads them, and where their taps lie: blocks of output channels, then rows,
/// inputs, columns.
#[derive(Debug, Clone)]
pub struct Packed {
    data: Vec<f32>,
    outputs: usize,
    inputs: usize,
    /// Rows of the strip, from the first that an output reads.
    rows: Vec<usize>,
    /// Places in a row, for output 0.
    columns: Vec<usize>,
    /// Output channels computed together: one, four or six, whichever wastes least.
    block: usize,
}

impl Packed {
    /// Packs the weights `at(output, input, row, column)`, rows and columns counted as in the two lists.
    #[must_use]
    pub fn new(
        outputs: usize,
        inputs: usize,
        rows: Vec<usize>,
        columns: Vec<usize>,
        at: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let padded = |block| outputs.div_ceil(block) * block;
        let block = match outputs {
            1 => 1,
            _ if padded(4) < padded(6) => 4,
            _ => 6,
        };
        let mut data = Vec::with_capacity(padded(block) * inputs * rows.len() * columns.len());
        for first in (0..outputs).step_by(block) {
            for r in 0..rows.len() {
                for i in 0..inputs {
                    for c in 0..columns.len() {
                        data.extend((first..first + block).map(|o| match o < outputs {
                            true => at(o, i, r, c),
                            false => 0.0,
                        }));
                    }
                }
            }
        }
        Packed {
            data,
            outputs,
            inputs,
            rows,
            columns,
            block,
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

/// `OUT` output channels by `VECTORS` vectors of pixels from `start`, written to `out` rows of `width`. Where the columns are
/// `NEXT` to each other nothing is looked up in the inner loop.
#[inline(always)]
fn block_body<V: Vector, const OUT: usize, const VECTORS: usize, const NEXT: bool>(
    x: &Padded,
    w: &Packed,
    weights: &[f32],
    (top, start): (usize, usize),
    out: &mut [f32],
    width: usize,
) {
    let mut sums = [[V::zero(); VECTORS]; OUT];
    let mut at = 0;
    // Plain indices: iterators would have to be inlined across units to be compiled for the same processor.
    for r in 0..w.rows.len() {
        let first = (top + w.rows[r]) * x.channels * x.width;
        for i in 0..w.inputs {
            let row = &x.data[first + i * x.width + start..first + (i + 1) * x.width];
            let row = match NEXT {
                true => &row[..w.columns.len() + VECTORS * LANES - 1],
                false => row,
            };
            for c in 0..w.columns.len() {
                let column = if NEXT { c } else { w.columns[c] };
                let pixels = &row[column..column + VECTORS * LANES];
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
    }
    for o in 0..OUT {
        let to = &mut out[o * width + start..o * width + start + VECTORS * LANES];
        for v in 0..VECTORS {
            to[v * LANES..(v + 1) * LANES].copy_from_slice(&sums[o][v].store());
        }
    }
}

/// `OUT` channels a block and up to `VECTORS` vectors of pixels.
#[inline(always)]
fn row_body<V: Vector, const OUT: usize, const VECTORS: usize, const NEXT: bool>(
    x: &Padded,
    w: &Packed,
    top: usize,
    out: &mut Row,
) {
    let size = OUT * w.inputs * w.rows.len() * w.columns.len();
    let width = out.width;
    for block in 0..w.outputs.div_ceil(OUT) {
        let weights = &w.data[block * size..(block + 1) * size];
        let out = &mut out.data[block * OUT * width..(block + 1) * OUT * width];
        let mut start = 0;
        while start < width {
            let at = (top, start);
            match (width - start) / LANES {
                n if n >= VECTORS => {
                    block_body::<V, OUT, VECTORS, NEXT>(x, w, weights, at, out, width);
                    start += VECTORS * LANES;
                }
                2.. => {
                    block_body::<V, OUT, 2, NEXT>(x, w, weights, at, out, width);
                    start += 2 * LANES;
                }
                _ => {
                    block_body::<V, OUT, 1, NEXT>(x, w, weights, at, out, width);
                    start += LANES;
                }
            }
        }
    }
}

#[inline(always)]
fn any_row_body<V: Vector>(x: &Padded, w: &Packed, top: usize, out: &mut Row) {
    let next = w.columns.iter().enumerate().all(|(at, c)| at == *c);
    match (w.block, next) {
        (1, true) => row_body::<V, 1, 8, true>(x, w, top, out),
        (1, false) => row_body::<V, 1, 8, false>(x, w, top, out),
        (4, true) => row_body::<V, 4, 3, true>(x, w, top, out),
        (4, false) => row_body::<V, 4, 3, false>(x, w, top, out),
        (_, true) => row_body::<V, 6, 2, true>(x, w, top, out),
        (_, false) => row_body::<V, 6, 2, false>(x, w, top, out),
    }
}

/// Where the inputs lie whose products with a gradient make that of weights.
#[derive(Debug, Clone)]
pub struct Taps {
    /// Rows of the inputs from one row of gradients to the next.
    pub stride: usize,
    /// Rows of the inputs, from those of the first gradient.
    pub rows: Vec<usize>,
    /// Places in a row, for gradient 0.
    pub columns: Vec<usize>,
}

/// The gradients of `TAPS` taps (at `offsets` in a row of inputs) for `VECTORS * LANES` outputs from `first`, summed
/// over the rows `rows` of gradients.
#[inline(always)]
fn taps_body<V: Vector, const TAPS: usize, const VECTORS: usize>(
    x: &Padded,
    g: &Transposed,
    rows: core::ops::Range<usize>,
    (stride, dy): (usize, usize),
    offsets: [usize; TAPS],
    first: usize,
) -> [[[f32; LANES]; VECTORS]; TAPS] {
    let mut sums = [[V::zero(); VECTORS]; TAPS];
    for y in rows {
        let inputs = &x.data[(y * stride + dy) * x.channels * x.width..][..x.channels * x.width];
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

/// The place of tap `at`, counted over channels and columns, in a row of inputs.
#[inline(always)]
fn offset(x: &Padded, taps: &Taps, at: usize) -> usize {
    at / taps.columns.len() * x.width + taps.columns[at % taps.columns.len()]
}

#[inline(always)]
fn pass_body<V: Vector, const TAPS: usize, const VECTORS: usize>(
    x: &Padded,
    g: &Transposed,
    taps: &Taps,
    rows: core::ops::Range<usize>,
    first: usize,
    sums: &mut [f32],
) {
    let count = x.channels * taps.columns.len();
    for r in 0..taps.rows.len() {
        for tap in (0..count).step_by(TAPS) {
            // A last block that is not full computes its last tap several times and keeps one.
            let mut offsets = [0; TAPS];
            for t in 0..TAPS {
                offsets[t] = offset(x, taps, (tap + t).min(count - 1));
            }
            let down = (taps.stride, taps.rows[r]);
            let block = taps_body::<V, TAPS, VECTORS>(x, g, rows.clone(), down, offsets, first);
            for t in 0..TAPS.min(count - tap) {
                let to = &mut sums[(r * count + tap + t) * g.stride + first..][..VECTORS * LANES];
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
fn weights_body<V: Vector>(x: &Padded, g: &Transposed, taps: &Taps, sums: &mut [f32]) {
    for top in (0..g.bins).step_by(PASS) {
        let rows = top..(top + PASS).min(g.bins);
        let mut first = 0;
        while first < g.stride {
            match (g.stride - first) / LANES {
                // Four vectors are twice two.
                3 | 5.. => {
                    pass_body::<V, 4, 3>(x, g, taps, rows.clone(), first, sums);
                    first += 3 * LANES;
                }
                2 | 4 => {
                    pass_body::<V, 6, 2>(x, g, taps, rows.clone(), first, sums);
                    first += 2 * LANES;
                }
                _ => {
                    pass_body::<V, 8, 1>(x, g, taps, rows.clone(), first, sums);
                    first += LANES;
                }
            }
        }
    }
}

/// Adds to `sums` (rows x columns of the taps) the gradient of one output's weights for one input: both are read
/// along their rows, eight pixels at a time. `before` is where the gradients begin in theirs.
#[inline(always)]
fn dots_body<V: Vector, const TAPS: usize>(
    x: &Padded,
    input: usize,
    g: &Padded,
    (output, rows, before, width): (usize, core::ops::Range<usize>, usize, usize),
    taps: &Taps,
    sums: &mut [f32],
) {
    let columns = taps.columns.len();
    for r in 0..taps.rows.len() {
        for tap in (0..columns).step_by(TAPS) {
            let mut offsets = [0; TAPS];
            for t in 0..TAPS {
                offsets[t] = taps.columns[(tap + t).min(columns - 1)];
            }
            let mut found = [V::zero(); TAPS];
            for y in 0..rows.end - rows.start {
                let line = (y * taps.stride + taps.rows[r]) * x.channels + input;
                let inputs = &x.data[line * x.width..(line + 1) * x.width];
                let line = ((rows.start + y) * g.channels + output) * g.width + before;
                let gradients = &g.data[line..line + width];
                for p in 0..width / LANES {
                    let gradient = V::load(lanes(gradients, p * LANES));
                    for t in 0..TAPS {
                        let x = V::load(lanes(inputs, offsets[t] + p * LANES));
                        found[t] = found[t].add_product(gradient, x);
                    }
                }
            }
            for t in 0..TAPS.min(columns - tap) {
                let lanes = found[t].store();
                let mut sum = 0.0;
                for l in 0..LANES {
                    sum += lanes[l];
                }
                sums[r * columns + tap + t] += sum;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn row_avx2(x: &Padded, w: &Packed, top: usize, out: &mut Row) {
    any_row_body::<Avx2>(x, w, top, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn weights_avx2(x: &Padded, g: &Transposed, taps: &Taps, sums: &mut [f32]) {
    weights_body::<Avx2>(x, g, taps, sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn dots_avx2(
    x: &Padded,
    input: usize,
    g: &Padded,
    of: (usize, core::ops::Range<usize>, usize, usize),
    taps: &Taps,
    sums: &mut [f32],
) {
    dots_body::<Avx2, 8>(x, input, g, of, taps, sums);
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// The outputs whose taps begin at row `top` of `x`, without bias, `frames` of them. `out` takes the size it needs.
///
/// # Panics
/// If `w` takes other channels than `x` has, or reaches beyond it.
pub fn convolve_row(x: &Padded, w: &Packed, top: usize, frames: usize, out: &mut Row) {
    assert!(
        x.channels == w.inputs && w.rows.iter().all(|r| top + r < x.rows),
        "convolution sizes differ"
    );
    out.frames = frames;
    out.width = whole_vectors(frames);
    out.data
        .resize(w.outputs.div_ceil(w.block) * w.block * out.width, 0.0);
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has just been found to have both features.
        return unsafe { row_avx2(x, w, top, out) };
    }
    any_row_body::<Portable>(x, w, top, out);
}

/// Adds to `dw` (`outputs x inputs x rows x columns`) the gradient of the weights that took `x` to an output whose
/// gradient is `g`.
///
/// # Panics
/// If the sizes of `x`, `g` and `dw` do not match.
pub fn weight_gradient(x: &Padded, g: &Transposed, taps: &Taps, dw: &mut [f32]) {
    let (rows, columns) = (taps.rows.len(), taps.columns.len());
    let count = x.channels * columns;
    assert_eq!(
        dw.len(),
        count * rows * g.channels,
        "gradient of another size"
    );
    let mut sums = vec![0.0; count * rows * g.stride];
    weight_sums(x, g, taps, &mut sums);
    for o in 0..g.channels {
        for i in 0..x.channels {
            for r in 0..rows {
                for c in 0..columns {
                    dw[((o * x.channels + i) * rows + r) * columns + c] +=
                        sums[(r * count + i * columns + c) * g.stride + o];
                }
            }
        }
    }
}

/// The sums of [`weight_gradient`], outputs fastest.
fn weight_sums(x: &Padded, g: &Transposed, taps: &Taps, sums: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has just been found to have both features.
        return unsafe { weights_avx2(x, g, taps, sums) };
    }
    weights_body::<Portable>(x, g, taps, sums);
}

/// As [`weight_gradient`], for few outputs: of `g`, the rows `rows`, which begin `before` numbers into theirs and
/// whose `frames` pixels are followed by zeros up to whole vectors.
///
/// # Panics
/// As [`weight_gradient`].
pub fn weight_gradient_of_few(
    x: &Padded,
    g: &Padded,
    (rows, before, frames): (core::ops::Range<usize>, usize, usize),
    taps: &Taps,
    dw: &mut [f32],
) {
    let area = taps.rows.len() * taps.columns.len();
    assert_eq!(
        dw.len(),
        g.channels * x.channels * area,
        "gradient of another size"
    );
    for o in 0..g.channels {
        for i in 0..x.channels {
            let sums = &mut dw[(o * x.channels + i) * area..][..area];
            let of = (o, rows.clone(), before, whole_vectors(frames));
            #[cfg(target_arch = "x86_64")]
            if has_avx2() {
                // SAFETY: the processor has just been found to have both features.
                unsafe { dots_avx2(x, i, g, of, taps, sums) };
                continue;
            }
            dots_body::<Portable, 8>(x, i, g, of, taps, sums);
        }
    }
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

    /// The arithmetic without AVX2 is that with it, where there is one to compare with.
    #[test]
    fn portable_arithmetic_agrees_with_the_fastest() {
        for (inputs, outputs, frames, stride) in [(3, 24, 16, 1), (24, 7, 37, 2), (1, 1, 70, 1)] {
            let (bins, rows, reach) = (9, vec![0, 2, 4], 4);
            let layout = Layout::new(2, stride, frames, reach);
            let columns: Vec<usize> = (0..=reach).map(|at| layout.offset(at)).collect();
            let x = numbers(inputs * bins * frames * stride, 4);
            let weights = numbers(outputs * inputs * rows.len() * columns.len(), 5);
            let mut padded = Padded::default();
            padded.copy(
                &x,
                (inputs, bins, frames * stride),
                0..bins as isize,
                layout,
            );
            let packed = Packed::new(
                outputs,
                inputs,
                rows.clone(),
                columns.clone(),
                |o, i, r, c| weights[((o * inputs + i) * 3 + r) * 5 + c],
            );
            let (mut fast, mut portable) = (Row::default(), Row::default());
            convolve_row(&padded, &packed, 1, frames, &mut fast);
            convolve_row(&padded, &packed, 1, frames, &mut portable);
            portable.data.fill(f32::NAN);
            any_row_body::<Portable>(&padded, &packed, 1, &mut portable);
            let close = |a: &[f32], b: &[f32]| {
                assert!(!a.is_empty() && a.len() == b.len());
                for (a, b) in a.iter().zip(b) {
                    assert!((a - b).abs() < 1e-4, "{a} for {b}");
                }
            };
            close(&fast.data, &portable.data);

            let taps = Taps {
                stride: 1,
                rows,
                columns,
            };
            let (mut g, mut transposed) = (Padded::default(), Transposed::default());
            let upstream = numbers(outputs * 5 * frames, 6);
            g.copy(
                &upstream,
                (outputs, 5, frames),
                0..5,
                Layout::new(0, 1, frames, 0),
            );
            transposed.copy(&g, 0..5, 0, frames);
            let mut sums = [(); 2].map(|()| vec![0.0; inputs * 15 * transposed.stride]);
            weight_sums(&padded, &transposed, &taps, &mut sums[0]);
            weights_body::<Portable>(&padded, &transposed, &taps, &mut sums[1]);
            close(&sums[0], &sums[1]);
            let mut dw = [(); 2].map(|()| vec![0.0; outputs * inputs * 15]);
            weight_gradient(&padded, &transposed, &taps, &mut dw[0]);
            weight_gradient_of_few(&padded, &g, (0..5, 0, frames), &taps, &mut dw[1]);
            close(&dw[0], &dw[1]);
        }
    }
}
