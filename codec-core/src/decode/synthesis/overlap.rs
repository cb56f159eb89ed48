//! Signals of the steps side by side, each the overlap-added frames of one (Spec §9.5).

use crate::error::Result;
use crate::simd::LANES;
use crate::transform::lanes::{Lanes, Pair};
use crate::transform::stft::fill_window;
use codec_format::header::Stft;
use codec_format::memory::Memory;

/// Where the sum of squared windows is at most this, nothing but windows' tails cover a sample: it is silent.
const LEAST_WEIGHT: f32 = 1e-8;

/// A ring of samples of eight signals. Each lane is `lag` frames behind the one before it, so that what a frame of
/// one lane reads is just complete when the next lane needs it.
#[derive(Debug)]
pub(super) struct Signals<M: Memory> {
    hop: usize,
    lag: usize,
    /// Slots of a hop each; the analysed frames begin with slot `first`.
    ring: M::Of<Lanes>,
    first: usize,
    window: M::Of<f32>,
    /// The samples of a hop times these are final, in every lane.
    gains: M::Of<Lanes>,
    /// Which frames these gains are made of, counted back from the lane's own.
    covered: [(usize, usize); LANES],
}

/// The frames there are, and the one that the first lane is at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub first: u64,
    pub end: u64,
    pub frame: u64,
}

impl Place {
    /// The frames of another lane that cover its newest hop of samples, counted back from its own: from, to.
    fn covering(&self, lane: usize, lag: usize) -> (usize, usize) {
        let Some(frame) = self.of_lane(lane, lag) else {
            return (0, 0);
        };
        let to = (frame - self.first).saturating_add(1).min(lag as u64);
        let from = frame.saturating_add(1).saturating_sub(self.end).min(to);
        (from as usize, to as usize)
    }

    /// The frame that a lane is at, unless it lies before the first.
    pub fn of_lane(&self, lane: usize, lag: usize) -> Option<u64> {
        self.frame
            .checked_sub((lane * lag) as u64)
            .filter(|&frame| frame >= self.first)
    }
}

impl<M: Memory> Signals<M> {
    /// For frames of `stft`, with its hop.
    pub fn new(stft: &Stft, memory: &mut M) -> Result<Self> {
        let (n, hop) = (usize::from(stft.n_fft), usize::from(stft.hop));
        let lag = n.div_ceil(hop);
        Ok(Signals {
            hop,
            lag,
            ring: memory.take((2 * lag - 1) * hop)?,
            first: 0,
            window: memory.take(n)?,
            gains: memory.take(hop)?,
            covered: [(0, 0); LANES],
        })
    }

    /// Silence everywhere.
    pub fn reset(&mut self, stft: &Stft) {
        fill_window(stft, &mut self.window);
        self.ring.fill([0.0; LANES]);
        self.first = 0;
        self.gains.fill([0.0; LANES]);
        self.covered = [(0, 0); LANES];
    }

    /// Frames from one lane to the next.
    pub fn lag(&self) -> usize {
        self.lag
    }

    /// Windowed frames, those of a lane from the signal of the lane before it: `n / 2` complex numbers in the order a
    /// transform wants them. The ring moves on by a hop.
    #[inline(always)]
    pub fn frames(&mut self, half_window: &[f32], order: &[u16], out: &mut [Pair]) {
        let start = self.first * self.hop;
        let half = order.len();
        let (wrapped, straight) = self.ring.split_at(start);
        // Pairs of samples before the ring's end, perhaps one across it, and those after it.
        let before = (straight.len() / 2).min(half);
        let odd = before < half && straight.len() % 2 == 1;
        for (m, pair) in straight.chunks_exact(2).take(before).enumerate() {
            out[usize::from(order[m])] = windowed_pair(&pair[0], &pair[1], &half_window[2 * m..]);
        }
        if odd {
            let last = &straight[straight.len() - 1];
            out[usize::from(order[before])] =
                windowed_pair(last, &wrapped[0], &half_window[2 * before..]);
        }
        let done = before + usize::from(odd);
        let rest = wrapped.get(usize::from(odd)..).unwrap_or(&[]);
        for (m, pair) in (done..half).zip(rest.chunks_exact(2)) {
            out[usize::from(order[m])] = windowed_pair(&pair[0], &pair[1], &half_window[2 * m..]);
        }
        self.ring[start..start + self.hop].fill([0.0; LANES]);
        self.first = (self.first + 1) % (2 * self.lag - 1);
    }

    /// Adds the frames of all lanes, of samples times `n` with even and odd ones exchanged; makes their first hop of
    /// samples final and copies the last lane's to `out`.
    #[inline(always)]
    pub fn add(&mut self, frames: &[Pair], place: &Place, out: &mut [f32]) {
        self.weigh(place);
        let scale = 1.0 / self.window.len() as f32;
        let start = (self.first + self.lag - 1) % (2 * self.lag - 1) * self.hop;
        let (wrapped, straight) = self.ring.split_at_mut(start);
        let before = (straight.len() / 2).min(frames.len());
        let odd = before < frames.len() && straight.len() % 2 == 1;
        let pairs = frames.iter().zip(self.window.chunks_exact(2));
        for ((z, w), pair) in pairs.clone().zip(straight.chunks_exact_mut(2)) {
            add_windowed(&mut pair[0], &z[1], w[0] * scale);
            add_windowed(&mut pair[1], &z[0], w[1] * scale);
        }
        let mut pairs = pairs.skip(before);
        let mut rest = wrapped;
        if odd {
            let all = core::mem::take(&mut rest);
            if let (Some((z, w)), Some(last), Some((first, others))) =
                (pairs.next(), straight.last_mut(), all.split_first_mut())
            {
                add_windowed(last, &z[1], w[0] * scale);
                add_windowed(first, &z[0], w[1] * scale);
                rest = others;
            }
        }
        for ((z, w), pair) in pairs.zip(rest.chunks_exact_mut(2)) {
            add_windowed(&mut pair[0], &z[1], w[0] * scale);
            add_windowed(&mut pair[1], &z[0], w[1] * scale);
        }
        let done = &mut self.ring[start..start + self.hop];
        for ((x, gain), y) in done.iter_mut().zip(self.gains.iter()).zip(out) {
            let mut z = *x;
            for l in 0..LANES {
                z[l] *= gain[l];
            }
            *x = z;
            *y = z[LANES - 1];
        }
    }

    /// Brings the gains up to date.
    fn weigh(&mut self, place: &Place) {
        for lane in 0..LANES {
            let covering = place.covering(lane, self.lag);
            if covering == self.covered[lane] {
                continue;
            }
            self.covered[lane] = covering;
            for (i, gain) in self.gains.iter_mut().enumerate() {
                let mut weight = 0.0;
                for back in (covering.0..covering.1).rev() {
                    let w = self.window.get(i + back * self.hop).copied().unwrap_or(0.0);
                    weight += w * w;
                }
                gain[lane] = if weight > LEAST_WEIGHT {
                    1.0 / weight
                } else {
                    0.0
                };
            }
        }
    }
}

#[inline(always)]
fn windowed_pair(even: &Lanes, odd: &Lanes, w: &[f32]) -> Pair {
    [windowed(even, w[0]), windowed(odd, w[1])]
}

#[inline(always)]
fn windowed(x: &Lanes, w: f32) -> Lanes {
    let mut y = [0.0; LANES];
    for l in 0..LANES {
        y[l] = x[(l + LANES - 1) % LANES] * w;
    }
    y
}

#[inline(always)]
fn add_windowed(sum: &mut Lanes, x: &Lanes, w: f32) {
    // Worked out apart, so that nothing seems to depend on what is written.
    let mut y = *sum;
    for l in 0..LANES {
        y[l] += x[l] * w;
    }
    *sum = y;
}
