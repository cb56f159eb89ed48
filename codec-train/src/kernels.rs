//! The arithmetic of the 2-D convolution: direct, register-blocked, no im2col.
//!
//! One sample at a time, in a layout of its own: [`Padded`] keeps row after row, in each row channel after
//! channel, so that all a row of the output needs lies close together. The inner loop multiplies
//! [`OUT_BLOCK`] output channels by [`PIXEL_BLOCK`] pixels, twelve 8-lane accumulators that stay in registers.
//!
//! The sum over taps is always made in the same order, so results do not depend on threads. On x86-64 with
//! AVX2 and FMA the multiplications and additions are fused; elsewhere they may not be, so two machines may
//! differ in the last bits. (The decoder's own arithmetic is in `codec-core` and does not.)

/// Output channels computed together.
pub const OUT_BLOCK: usize = 6;
/// Pixels of a row computed together.
pub const PIXEL_BLOCK: usize = 16;
const LANES: usize = 8;
/// Rows of a strip when gradients of weights are summed: the strip's gradients fit the first cache.
const STRIP: usize = 4;
/// Taps whose gradients are summed together.
const TAP_BLOCK: usize = 3;

/// Kernel size: bins (height) and frames (width), both odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// One sample's channels with a border of zeros, `rows x channels x width`.
#[derive(Debug, Clone)]
pub struct Padded {
    data: Vec<f32>,
    channels: usize,
    bins: usize,
    frames: usize,
    kernel: Kernel,
    width: usize,
}

/// Frames rounded up to whole blocks of pixels.
fn whole_blocks(frames: usize) -> usize {
    frames.div_ceil(PIXEL_BLOCK) * PIXEL_BLOCK
}

impl Padded {
    /// All zeros.
    #[must_use]
    pub fn zeros(channels: usize, bins: usize, frames: usize, kernel: Kernel) -> Self {
        let width = whole_blocks(frames) + kernel.frames - 1;
        let data = vec![0.0; (bins + kernel.bins - 1) * channels * width];
        Padded {
            data,
            channels,
            bins,
            frames,
            kernel,
            width,
        }
    }

    /// A padded copy of `x`, `channels x bins x frames`.
    #[must_use]
    pub fn from_image(
        x: &[f32],
        channels: usize,
        bins: usize,
        frames: usize,
        kernel: Kernel,
    ) -> Self {
        let mut p = Self::zeros(channels, bins, frames, kernel);
        for c in 0..channels {
            for y in 0..bins {
                p.row_mut(c, y)
                    .copy_from_slice(&x[(c * bins + y) * frames..][..frames]);
            }
        }
        p
    }

    /// The pixels of channel `c` in bin `y`, without the border.
    pub fn row_mut(&mut self, c: usize, y: usize) -> &mut [f32] {
        let start = self.start(c, y) + self.kernel.frames / 2;
        &mut self.data[start..start + self.frames]
    }

    /// The pixels of channel `c` in bin `y`, without the border.
    #[must_use]
    pub fn row(&self, c: usize, y: usize) -> &[f32] {
        let start = self.start(c, y) + self.kernel.frames / 2;
        &self.data[start..start + self.frames]
    }

    /// Where the row starts that holds bin `y` of channel `c`, border included.
    fn start(&self, c: usize, y: usize) -> usize {
        ((y + self.kernel.bins / 2) * self.channels + c) * self.width
    }
}

/// One sample's gradients, `bins x frames x channels`, the channels padded to whole vectors.
#[derive(Debug, Clone)]
pub struct Transposed {
    data: Vec<f32>,
    channels: usize,
    bins: usize,
    frames: usize,
    stride: usize,
}

impl Transposed {
    /// A copy of `g`, `channels x bins x frames`.
    #[must_use]
    pub fn from_image(g: &[f32], channels: usize, bins: usize, frames: usize) -> Self {
        let stride = channels.div_ceil(LANES) * LANES;
        let mut data = vec![0.0; bins * frames * stride];
        for y in 0..bins {
            let row = &mut data[y * frames * stride..(y + 1) * frames * stride];
            for c in 0..channels {
                let from = &g[(c * bins + y) * frames..][..frames];
                for (to, from) in row[c..].iter_mut().step_by(stride).zip(from) {
                    *to = *from;
                }
            }
        }
        Transposed {
            data,
            channels,
            bins,
            frames,
            stride,
        }
    }
}

/// Weights in the order the inner loop reads them: blocks of output channels, then bins, inputs, frames.
#[derive(Debug, Clone)]
pub struct Packed {
    data: Vec<f32>,
    outputs: usize,
    inputs: usize,
    kernel: Kernel,
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
        let mut data =
            Vec::with_capacity(outputs.div_ceil(OUT_BLOCK) * OUT_BLOCK * inputs * kernel.area());
        for block in (0..outputs).step_by(OUT_BLOCK) {
            for y in 0..kernel.bins {
                for i in 0..inputs {
                    for x in 0..kernel.frames {
                        data.extend((block..block + OUT_BLOCK).map(|o| {
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
        }
    }

    fn block(&self, block: usize) -> &[f32] {
        let size = OUT_BLOCK * self.inputs * self.kernel.area();
        &self.data[block * size..(block + 1) * size]
    }
}

/// One row of outputs, `channels x width`, the width a whole number of pixel blocks.
#[derive(Debug)]
pub struct Row {
    data: Vec<f32>,
    width: usize,
    frames: usize,
}

impl Row {
    /// A row for `outputs` channels of `frames` pixels.
    #[must_use]
    pub fn new(outputs: usize, frames: usize) -> Self {
        let width = whole_blocks(frames);
        Row {
            data: vec![0.0; outputs.div_ceil(OUT_BLOCK) * OUT_BLOCK * width],
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

/// Eight lanes that the loops below compute with; one implementation for each instruction set.
trait Vector: Copy {
    fn zero() -> Self;
    fn splat(x: f32) -> Self;
    fn load(x: &[f32; LANES]) -> Self;
    fn store(self) -> [f32; LANES];
    /// `self + a * b`.
    fn add_product(self, a: Self, b: Self) -> Self;
}

/// Eight lanes in plain Rust; fused where the target always has the instruction.
#[derive(Clone, Copy)]
struct Portable([f32; LANES]);

impl Vector for Portable {
    #[inline(always)]
    fn zero() -> Self {
        Portable([0.0; LANES])
    }
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Portable([x; LANES])
    }
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        Portable(*x)
    }
    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        self.0
    }
    #[inline(always)]
    fn add_product(mut self, a: Self, b: Self) -> Self {
        for l in 0..LANES {
            self.0[l] = if cfg!(target_arch = "aarch64") {
                a.0[l].mul_add(b.0[l], self.0[l])
            } else {
                a.0[l] * b.0[l] + self.0[l]
            };
        }
        self
    }
}

/// Eight lanes of an AVX register. Used only below [`row_avx2`] and [`weights_avx2`], which are entered only
/// where the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Vector, LANES};
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(super) struct Avx2(__m256);

    impl Vector for Avx2 {
        #[inline(always)]
        fn zero() -> Self {
            // SAFETY: the module's callers have checked for the features.
            Avx2(unsafe { _mm256_setzero_ps() })
        }
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: the module's callers have checked for the features.
            Avx2(unsafe { _mm256_set1_ps(x) })
        }
        #[inline(always)]
        fn load(x: &[f32; LANES]) -> Self {
            // SAFETY: eight floats are behind the pointer, unaligned loads are allowed; features as above.
            Avx2(unsafe { _mm256_loadu_ps(x.as_ptr()) })
        }
        #[inline(always)]
        fn store(self) -> [f32; LANES] {
            let mut x = [0.0; LANES];
            // SAFETY: eight floats are behind the pointer, unaligned stores are allowed; features as above.
            unsafe { _mm256_storeu_ps(x.as_mut_ptr(), self.0) };
            x
        }
        #[inline(always)]
        fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: the module's callers have checked for the features.
            Avx2(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
        }
    }
}

/// The eight values at `at`.
#[inline(always)]
fn lanes(x: &[f32], at: usize) -> &[f32; LANES] {
    x[at..at + LANES].first_chunk().expect("a slice of eight")
}

#[inline(always)]
fn row_body<V: Vector>(x: &Padded, w: &Packed, y: usize, out: &mut Row) {
    let taps = w.kernel.frames;
    for start in (0..out.width).step_by(PIXEL_BLOCK) {
        for block in 0..w.outputs.div_ceil(OUT_BLOCK) {
            let mut sums = [[V::zero(); 2]; OUT_BLOCK];
            let mut weights = w.block(block).chunks_exact(OUT_BLOCK);
            for dy in 0..w.kernel.bins {
                let rows = &x.data[(y + dy) * x.channels * x.width..][..x.channels * x.width];
                for row in rows.chunks_exact(x.width) {
                    let row = &row[start..start + taps + PIXEL_BLOCK - 1];
                    for (pixels, weights) in row.windows(PIXEL_BLOCK).zip(&mut weights) {
                        let pixels = [V::load(lanes(pixels, 0)), V::load(lanes(pixels, LANES))];
                        for o in 0..OUT_BLOCK {
                            let weight = V::splat(weights[o]);
                            sums[o][0] = sums[o][0].add_product(weight, pixels[0]);
                            sums[o][1] = sums[o][1].add_product(weight, pixels[1]);
                        }
                    }
                }
            }
            for (o, sum) in sums.iter().enumerate() {
                let to =
                    &mut out.data[(block * OUT_BLOCK + o) * out.width + start..][..PIXEL_BLOCK];
                to[..LANES].copy_from_slice(&sum[0].store());
                to[LANES..].copy_from_slice(&sum[1].store());
            }
        }
    }
}

/// Adds the gradients of three taps (at `offsets` in a row of inputs) for `VECTORS * LANES` outputs from `first`.
#[inline(always)]
fn taps_body<V: Vector, const VECTORS: usize>(
    x: &Padded,
    g: &Transposed,
    rows: core::ops::Range<usize>,
    dy: usize,
    offsets: [usize; TAP_BLOCK],
    first: usize,
) -> [[[f32; LANES]; VECTORS]; TAP_BLOCK] {
    let mut sums = [[V::zero(); VECTORS]; TAP_BLOCK];
    for y in rows {
        let inputs = &x.data[(y + dy) * x.channels * x.width..][..x.channels * x.width];
        let gradients = &g.data[y * g.frames * g.stride..][..g.frames * g.stride];
        // Plain indices: iterators would have to be inlined across units to be compiled for the same processor.
        let mut taps = [&inputs[..0]; TAP_BLOCK];
        for t in 0..TAP_BLOCK {
            taps[t] = &inputs[offsets[t]..offsets[t] + g.frames];
        }
        for p in 0..g.frames {
            let g = &gradients[p * g.stride + first..p * g.stride + first + VECTORS * LANES];
            let mut gradient = [V::zero(); VECTORS];
            for v in 0..VECTORS {
                gradient[v] = V::load(lanes(g, v * LANES));
            }
            for t in 0..TAP_BLOCK {
                let x = V::splat(taps[t][p]);
                for v in 0..VECTORS {
                    sums[t][v] = sums[t][v].add_product(x, gradient[v]);
                }
            }
        }
    }
    let mut out = [[[0.0; LANES]; VECTORS]; TAP_BLOCK];
    for t in 0..TAP_BLOCK {
        for v in 0..VECTORS {
            out[t][v] = sums[t][v].store();
        }
    }
    out
}

#[inline(always)]
fn strip_body<V: Vector, const VECTORS: usize>(
    x: &Padded,
    g: &Transposed,
    rows: core::ops::Range<usize>,
    first: usize,
    sums: &mut [f32],
) {
    let k = x.kernel;
    let taps = x.channels * k.frames;
    for dy in 0..k.bins {
        for tap in (0..taps).step_by(TAP_BLOCK) {
            // A last block that is not full computes its last tap several times and keeps one.
            let at = |t: usize| (tap + t).min(taps - 1);
            let offsets = [at(0), at(1), at(2)].map(|t| t / k.frames * x.width + t % k.frames);
            let block = taps_body::<V, VECTORS>(x, g, rows.clone(), dy, offsets, first);
            for (t, vectors) in block.iter().enumerate().take(taps - tap) {
                let to = &mut sums[(dy * taps + tap + t) * g.stride + first..][..VECTORS * LANES];
                for (to, s) in to.iter_mut().zip(vectors.iter().flatten()) {
                    *to += s;
                }
            }
        }
    }
}

#[inline(always)]
fn weights_body<V: Vector>(x: &Padded, g: &Transposed, sums: &mut [f32]) {
    for top in (0..x.bins).step_by(STRIP) {
        let rows = top..(top + STRIP).min(x.bins);
        let mut first = 0;
        while first < g.stride {
            match (g.stride - first) / LANES {
                3.. => {
                    strip_body::<V, 3>(x, g, rows.clone(), first, sums);
                    first += 3 * LANES;
                }
                2 => {
                    strip_body::<V, 2>(x, g, rows.clone(), first, sums);
                    first += 2 * LANES;
                }
                _ => {
                    strip_body::<V, 1>(x, g, rows.clone(), first, sums);
                    first += LANES;
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn row_avx2(x: &Padded, w: &Packed, y: usize, out: &mut Row) {
    row_body::<avx2::Avx2>(x, w, y, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn weights_avx2(x: &Padded, g: &Transposed, sums: &mut [f32]) {
    weights_body::<avx2::Avx2>(x, g, sums);
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Bin `y` of the convolution of `x` with `w`, zero-padded to the same size, without bias.
///
/// # Panics
/// If the sizes of `x`, `w` and `out` do not match.
pub fn convolve_row(x: &Padded, w: &Packed, y: usize, out: &mut Row) {
    assert!(
        x.channels == w.inputs && x.kernel == w.kernel && y < x.bins,
        "convolution sizes differ"
    );
    assert!(
        out.frames == x.frames && out.data.len() >= w.outputs * out.width,
        "row of another size"
    );
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the processor has just been found to have both features.
        return unsafe { row_avx2(x, w, y, out) };
    }
    row_body::<Portable>(x, w, y, out);
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
        let mut row = Row::new(outputs, c.frames);
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
            let mut found = vec![0f32; w.len()];
            let padded = Padded::from_image(&x, c.inputs, c.bins, c.frames, c.kernel);
            weight_gradient(
                &padded,
                &Transposed::from_image(&g, c.outputs, c.bins, c.frames),
                &mut found,
            );
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
            let (mut fast, mut portable) =
                (Row::new(c.outputs, c.frames), Row::new(c.outputs, c.frames));
            convolve_row(&padded, &packed, c.bins / 2, &mut fast);
            row_body::<Portable>(&padded, &packed, c.bins / 2, &mut portable);
            for (a, b) in fast.data.iter().zip(&portable.data) {
                assert!((a - b).abs() < 1e-4, "{a} for {b}");
            }
        }
    }
}
