//! Real transforms of eight frames side by side (Spec §9.1).

use super::circle::Circle;
use super::stft::fill_window;
use crate::error::Result;
use crate::simd::{self, Kernel, LANES};
use codec_format::header::Stft;
use codec_format::memory::Memory;

/// One number of each frame.
pub type Lanes = [f32; LANES];
/// One complex number of each frame: real parts, imaginary parts.
pub type Pair = [Lanes; 2];

/// Analysis of eight frames at a time, and what synthesis shares with it.
///
/// A real frame of `n` samples is taken for a complex one of `n / 2`: even samples real, odd ones imaginary.
#[derive(Debug)]
pub struct LaneTransform<M: Memory> {
    stft: Stft,
    tables: Tables<M>,
    /// Half the window: the other half of the scale is that of [`unpack`].
    window: M::Of<f32>,
    /// Bins of a spectrum, or the complex numbers it is made of.
    pub(crate) values: M::Of<Pair>,
}

/// What a transform looks up.
#[derive(Debug)]
pub(crate) struct Tables<M: Memory> {
    /// `exp(-2 pi i k / n)`, k below `n / 2`.
    pub turns: M::Of<[f32; 2]>,
    /// Numbers below `n / 2` with their bits in reverse.
    pub order: M::Of<u16>,
}

impl<M: Memory> LaneTransform<M> {
    /// Takes the buffers of a transform whose length and window `stft` says.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if there is no more memory.
    pub fn new(stft: &Stft, memory: &mut M) -> Result<Self> {
        let n = usize::from(stft.n_fft);
        Ok(LaneTransform {
            stft: *stft,
            tables: Tables {
                turns: memory.take(n / 2)?,
                order: memory.take(n / 2)?,
            },
            window: memory.take(n)?,
            values: memory.take(stft.bins())?,
        })
    }

    /// Fills the tables.
    pub fn reset(&mut self, circle: &Circle<M>) {
        let bits = self.stft.n_fft.trailing_zeros();
        let Tables { turns, order } = &mut self.tables;
        for (k, turn) in (0u32..).zip(turns.iter_mut()) {
            let [re, im] = circle.unit(k << (u32::BITS - bits));
            *turn = [re, -im];
        }
        for (k, order) in (0u16..).zip(order.iter_mut()) {
            *order = k.reverse_bits() >> (u16::BITS + 1 - bits);
        }
        fill_window(&self.stft, &mut self.window);
        for w in self.window.iter_mut() {
            *w *= 0.5;
        }
    }

    /// What the transform looks up, half its window, and room for one spectrum.
    #[inline(always)]
    pub(crate) fn parts(&mut self) -> (&Tables<M>, &[f32], &mut [Pair]) {
        (&self.tables, &self.window, &mut self.values)
    }

    /// The lowest bins of up to eight frames of `signal`, which is silent outside: the first frame begins at sample
    /// `at`, the others each `hop` later. Writes frames x bins, flat, `bins` of each: all of `out`.
    pub fn analyse(
        &mut self,
        signal: &[f32],
        at: i64,
        hop: usize,
        bins: usize,
        out: &mut [[f32; 2]],
    ) {
        simd::run(Analyse {
            transform: self,
            signal,
            at,
            hop,
            bins,
            out,
        });
    }
}

struct Analyse<'a, M: Memory> {
    transform: &'a mut LaneTransform<M>,
    signal: &'a [f32],
    at: i64,
    hop: usize,
    bins: usize,
    out: &'a mut [[f32; 2]],
}

impl<M: Memory> Kernel for Analyse<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (tables, window, values) = self.transform.parts();
        let half = window.len() / 2;
        values.fill([[0.0; LANES]; 2]);
        let frames = self.out.len() / self.bins.max(1);
        for lane in 0..frames.min(LANES) {
            let start = self.at + (lane * self.hop) as i64;
            for (i, w) in window.iter().enumerate() {
                let sample = usize::try_from(start + i as i64).ok();
                let x = sample.and_then(|at| self.signal.get(at));
                values[usize::from(tables.order[i / 2])][i % 2][lane] = x.map_or(0.0, |x| x * w);
            }
        }
        transform(&mut values[..half], &tables.turns);
        for k in 0..self.bins {
            let z = match k {
                0 => ends(&values[0])[0],
                _ if k == half => ends(&values[0])[1],
                _ => unpack(&values[k], &values[half - k], tables.turns[k])[0],
            };
            for (lane, row) in self.out.chunks_exact_mut(self.bins).enumerate() {
                row[k] = [z[0][lane], z[1][lane]];
            }
        }
    }
}

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> Lanes {
    let mut out = [0.0; LANES];
    for l in 0..LANES {
        out[l] = f(l);
    }
    out
}

#[inline(always)]
fn add(a: &Lanes, b: &Lanes) -> Lanes {
    each(|l| a[l] + b[l])
}

#[inline(always)]
fn sub(a: &Lanes, b: &Lanes) -> Lanes {
    each(|l| a[l] - b[l])
}

#[inline(always)]
fn turned(z: &Pair, [c, s]: [f32; 2]) -> Pair {
    [
        each(|l| c * z[0][l] - s * z[1][l]),
        each(|l| c * z[1][l] + s * z[0][l]),
    ]
}

#[inline(always)]
fn sum(a: &Pair, b: &Pair) -> Pair {
    [add(&a[0], &b[0]), add(&a[1], &b[1])]
}

#[inline(always)]
fn difference(a: &Pair, b: &Pair) -> Pair {
    [sub(&a[0], &b[0]), sub(&a[1], &b[1])]
}

/// The forward transform in place, of numbers in bit-reversed order: radix 2, two stages at a time.
///
/// For the inverse, exchange real and imaginary parts before and after.
#[inline(always)]
pub(crate) fn transform(x: &mut [Pair], turns: &[[f32; 2]]) {
    let half = x.len();
    for four in x.chunks_exact_mut(4) {
        let (a, b) = (sum(&four[0], &four[1]), difference(&four[0], &four[1]));
        let (c, d) = (sum(&four[2], &four[3]), difference(&four[2], &four[3]));
        four[0] = sum(&a, &c);
        four[2] = difference(&a, &c);
        four[1] = [add(&b[0], &d[1]), sub(&b[1], &d[0])];
        four[3] = [sub(&b[0], &d[1]), add(&b[1], &d[0])];
    }
    // Done: stages of up to `size` numbers.
    let mut size = 4;
    while 4 * size <= half {
        let step = half / (2 * size);
        for block in x.chunks_exact_mut(4 * size) {
            let (low, high) = block.split_at_mut(2 * size);
            let (p, q) = low.split_at_mut(size);
            let (r, s) = high.split_at_mut(size);
            let first = turns.iter().step_by(2 * step);
            let even = turns.iter().step_by(step);
            let odd = turns[size * step..].iter().step_by(step);
            let four = p.iter_mut().zip(q).zip(r.iter_mut().zip(s));
            for (((p, q), (r, s)), ((&first, &even), &odd)) in four.zip(first.zip(even).zip(odd)) {
                let (a, b) = (*p, turned(q, first));
                let (c, d) = (*r, turned(s, first));
                let even = turned(&sum(&c, &d), even);
                let odd = turned(&difference(&c, &d), odd);
                let (a, b) = (sum(&a, &b), difference(&a, &b));
                *p = sum(&a, &even);
                *r = difference(&a, &even);
                *q = sum(&b, &odd);
                *s = difference(&b, &odd);
            }
        }
        size *= 4;
    }
    if size < half {
        let (low, high) = x.split_at_mut(size);
        for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
            let y = turned(b, turns[2 * k]);
            (*a, *b) = (sum(a, &y), difference(a, &y));
        }
    }
}

/// The lowest and the highest bin of a real frame from the first complex number of its transform, at the scale of
/// [`unpack`].
#[inline(always)]
pub(crate) fn ends(z: &Pair) -> [Pair; 2] {
    let silent = [0.0; LANES];
    let both = [add(&z[0], &z[1]), sub(&z[0], &z[1])];
    both.map(|x| [add(&x, &x), silent])
}

/// Twice the bins `k` and `n / 2 - k` of a real frame, from the numbers `k` and `n / 2 - k` of its complex transform.
#[inline(always)]
pub(crate) fn unpack(a: &Pair, b: &Pair, turn: [f32; 2]) -> [Pair; 2] {
    let even = [add(&a[0], &b[0]), sub(&a[1], &b[1])];
    let odd = turned(&[add(&a[1], &b[1]), sub(&b[0], &a[0])], turn);
    [
        sum(&even, &odd),
        [sub(&even[0], &odd[0]), sub(&odd[1], &even[1])],
    ]
}

/// The inverse of [`unpack`], real and imaginary parts exchanged for an inverse transform; all in all the samples are
/// scaled by `n`.
#[inline(always)]
pub(crate) fn pack(a: &Pair, b: &Pair, [c, s]: [f32; 2]) -> [Pair; 2] {
    let even = [add(&a[0], &b[0]), sub(&a[1], &b[1])];
    let odd = turned(&[sub(&a[0], &b[0]), add(&a[1], &b[1])], [c, -s]);
    [
        [add(&even[1], &odd[0]), sub(&even[0], &odd[1])],
        [sub(&odd[0], &even[1]), add(&even[0], &odd[1])],
    ]
}

/// The first complex number of [`pack`], from the lowest and the highest bin: their imaginary parts do not count.
#[inline(always)]
pub(crate) fn pack_ends(low: &Pair, high: &Pair) -> Pair {
    [sub(&low[0], &high[0]), add(&low[0], &high[0])]
}
