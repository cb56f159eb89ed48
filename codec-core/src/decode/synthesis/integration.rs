//! Real-time phase gradient heap integration (Prusa and Sondergaard 2016), in whole numbers and without the heap
//! (Spec §9.3).
//!
//! The phase's gradient nearly follows from that of the log-magnitude. It is integrated from the frame before, loudest
//! pixels first: a pixel takes its phase from whichever neighbour the loudest path reaches it by, and the loudness of
//! a path is that of its quietest pixel. Within a frame paths run only up and down, so that two sweeps find them all.

use crate::error::Result;
use crate::simd::{self, Kernel};
use crate::transform::circle::Circle;
use codec_format::header::{Stft, WindowKind};
use codec_format::memory::Memory;
use core::f64::consts::{LN_10, TAU};

/// Pixels this far below the loudest of two frames get a random phase: 120 dB, as the paper's relative tolerance of
/// 1e-6 in magnitude.
const REACH: i32 = 120 * 16;

/// How loud a path is where there is none, and where the phase is known.
const NONE: i16 = i16::MIN;
const KNOWN: i16 = i16::MAX;

/// Time-frequency ratio of a window, in samples squared: that of the Gaussian it is taken for.
/// Hann: Prusa 2017, table I; sine: between the ratios of the Gaussians nearest to it in least squares, 0.451 over the
/// window alone and 0.415 over all time.
fn gamma(stft: &Stft) -> f64 {
    let factor = match stft.window {
        WindowKind::Hann => 0.256_45,
        WindowKind::Sine => 0.424_65,
    };
    factor * f64::from(u32::from(stft.window_length) * u32::from(stft.window_length))
}

/// The phases of one channel, frame by frame.
#[derive(Debug)]
pub struct Integration<M: Memory> {
    /// Bins whose spectra the waveform layer says.
    covered: usize,
    /// Bits of a stored phase.
    bits: u8,
    /// Phase steps in turns: of a frame for each of four differences of levels (1/16 dB), of a bin likewise, and of a
    /// frame for each bin.
    along_time: u32,
    along_bins: u32,
    advance: u32,
    /// Levels of the frame before and of the one whose phases are next.
    before: M::Of<i16>,
    here: M::Of<i16>,
    /// Stored phases of that frame: index + 1, or 0; empty where none are ever stored.
    stored: M::Of<u16>,
    /// The phase of its highest covered pixel.
    top: u32,
    /// Phases of the frame before, then of this one.
    turns: M::Of<u32>,
    /// Scratch: see [`Sweep`].
    own: M::Of<i16>,
    reach: M::Of<i16>,
    above: M::Of<i16>,
    rise: M::Of<u32>,
    /// Number of the frame `here`, and whether there is one before.
    frame: u64,
    has_before: bool,
}

impl<M: Memory> Integration<M> {
    /// On the grid of `stft`, whose hop is that of fine frames; the lowest `covered` bins are the waveform layer's, and
    /// phases are stored with so many bits, or 0. [`Integration::reset`] comes before anything else.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if there is no more memory.
    pub fn new(stft: &Stft, covered: usize, bits: u8, memory: &mut M) -> Result<Self> {
        let (n, hop) = (f64::from(stft.n_fft), f64::from(stft.hop));
        // Radians a frame and nepers a bin, to turns and sixteenths of a decibel, a quarter of it for each of four.
        let unit = LN_10 / 320.0 / TAU * f64::from(1u32 << 30);
        let whole = |x: f64| libm::floor(x * unit + 0.5) as u32;
        let bins = stft.bins();
        Ok(Integration {
            covered,
            bits,
            along_time: whole(hop * n / gamma(stft)),
            along_bins: whole(gamma(stft) / (hop * n)),
            advance: u32::from(stft.hop) << (u32::BITS - stft.n_fft.trailing_zeros()),
            before: memory.take(bins)?,
            here: memory.take(bins)?,
            stored: memory.take(if bits > 0 { bins } else { 0 })?,
            top: 0,
            turns: memory.take(bins)?,
            own: memory.take(bins)?,
            reach: memory.take(bins)?,
            above: memory.take(bins)?,
            rise: memory.take(bins)?,
            frame: 0,
            has_before: false,
        })
    }

    /// Begins with a frame, which nothing comes before.
    pub fn reset(&mut self, frame: u64) {
        self.frame = frame;
        self.has_before = false;
    }

    /// Takes the levels of the next frame and what is known of it. [`Integration::finish`] must have finished the one
    /// before.
    ///
    /// # Panics
    /// If there is not one level for each bin, or not one number for each where phases are stored.
    pub fn enter(
        &mut self,
        levels: &[i16],
        low: &[[f32; 2]],
        stored: Option<&[u16]>,
        circle: &Circle<M>,
    ) {
        self.here.copy_from_slice(levels);
        match stored {
            Some(stored) if self.bits > 0 => self.stored.copy_from_slice(stored),
            _ => self.stored.fill(0),
        }
        if let Some(&z) = low.last() {
            self.top = circle.turn(z);
        }
    }

    /// Levels of the frame that was entered.
    pub fn levels(&self) -> &[i16] {
        &self.here
    }

    /// Stored phases of the frame that was entered; empty where none are ever stored.
    pub fn stored(&self) -> &[u16] {
        &self.stored
    }

    /// Finds the phases of the frame that was entered, in turns; `after` are the levels of the one that follows, if
    /// one does. Those of the covered pixels but the highest are meaningless.
    pub fn integrate(&mut self, after: Option<&[i16]>) {
        simd::run(Integrate {
            integration: self,
            after,
        });
    }

    /// The phases of the frame that was entered, once they were integrated.
    pub fn turns(&self) -> &[u32] {
        &self.turns
    }

    /// The phase steps of a difference of levels: a frame's, a bin's.
    #[cfg(test)]
    pub(super) fn steps(&self) -> [i64; 2] {
        [self.along_time, self.along_bins].map(i64::from)
    }

    /// Makes way for the next frame.
    pub fn finish(&mut self) {
        core::mem::swap(&mut self.before, &mut self.here);
        self.frame = self.frame.wrapping_add(1);
        self.has_before = true;
    }
}

struct Integrate<'a, M: Memory> {
    integration: &'a mut Integration<M>,
    after: Option<&'a [i16]>,
}

impl<M: Memory> Kernel for Integrate<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let this = self.integration;
        let mut sweep = Sweep {
            own: &mut this.own,
            reach: &mut this.reach,
            rise: &mut this.rise,
            turns: &mut this.turns,
        };
        let here: &[i16] = &this.here;
        let after = self.after.unwrap_or(here);
        let before = if this.has_before { &this.before } else { here };
        // Pixels of this level or below are inaudible.
        let floor =
            (i32::from(loudest(here).max(loudest(before))) - REACH).max(i32::from(NONE)) as i16;
        sweep.rise_by(before, after, this.along_bins);
        if this.has_before {
            sweep.reach_from(before, here, floor, this.along_time, this.advance);
        } else {
            sweep.reach.fill(NONE);
        }
        for (own, &level) in sweep.own.iter_mut().zip(here) {
            *own = if level > floor { level } else { NONE };
        }
        // What has a phase already is reached before all else, and hands its own level on if it is audible.
        for k in 0..here.len() {
            let held = match this.stored.get(k) {
                _ if k < this.covered => Some(this.top),
                Some(&index) if index > 0 => Some(stored_turn(index, this.bits)),
                _ => None,
            };
            let turn = match held {
                Some(turn) => turn,
                None if sweep.own[k] == NONE => {
                    let place = this.frame.wrapping_mul(here.len() as u64);
                    (draw(place.wrapping_add(k as u64)) >> 32) as u32
                }
                None => continue,
            };
            sweep.reach[k] = KNOWN;
            sweep.turns[k] = turn;
        }
        sweep.spread(&mut this.above);
    }
}

#[inline(always)]
fn loudest(row: &[i16]) -> i16 {
    row.iter().fold(NONE, |a, &b| a.max(b))
}

/// One frame on its way to phases.
struct Sweep<'a> {
    /// Levels of audible pixels, [`NONE`] for others.
    own: &'a mut [i16],
    /// How loud the path from the frame before reaches each pixel.
    reach: &'a mut [i16],
    /// The phase step from the bin below.
    rise: &'a mut [u32],
    /// Phases of the frame before, then as they are on the path from it, then as they are.
    turns: &'a mut [u32],
}

impl Sweep<'_> {
    /// Phase steps between bins, from the levels before and after.
    #[inline(always)]
    fn rise_by(&mut self, before: &[i16], after: &[i16], unit: u32) {
        let slope = |a: &[i16], b: &[i16], i: usize| i32::from(a[i]) - i32::from(b[i]);
        for ((rise, a), b) in self.rise[1..]
            .iter_mut()
            .zip(after.windows(2))
            .zip(before.windows(2))
        {
            let slopes = slope(a, b, 0) + slope(a, b, 1);
            *rise = (1u32 << 31).wrapping_sub(unit.wrapping_mul(slopes as u32));
        }
    }

    /// Phases and loudness of the paths from the frame before.
    #[inline(always)]
    fn reach_from(&mut self, before: &[i16], here: &[i16], floor: i16, unit: u32, advance: u32) {
        for (reach, &level) in self.reach.iter_mut().zip(before) {
            *reach = if level > floor { level } else { NONE };
        }
        let last = here.len() - 1;
        let step = |k: usize, slopes: i32| {
            unit.wrapping_mul(slopes as u32)
                .wrapping_add(advance.wrapping_mul(k as u32))
        };
        let slope = |a: &[i16], from: usize, to: usize| i32::from(a[to]) - i32::from(a[from]);
        for (k, ((turn, a), b)) in (1..).zip(
            self.turns[1..last]
                .iter_mut()
                .zip(before.windows(3))
                .zip(here.windows(3)),
        ) {
            *turn = turn.wrapping_add(step(k, slope(a, 0, 2) + slope(b, 0, 2)));
        }
        for (k, from, to) in [(0, 0, 1), (last, last - 1, last)] {
            let slopes = slope(before, from, to) + slope(here, from, to);
            self.turns[k] = self.turns[k].wrapping_add(step(k, slopes));
        }
    }

    /// Phases of all pixels. `above` is scratch.
    #[inline(always)]
    fn spread(&mut self, above: &mut [i16]) {
        let bins = self.own.len();
        let mut carry = i32::from(NONE);
        let pixels = self
            .own
            .iter()
            .zip(&*self.reach)
            .map(|(&own, &reach)| (i32::from(own), i32::from(reach)));
        for (above, (own, reach)) in above.iter_mut().zip(pixels).rev() {
            *above = carry as i16;
            carry = own.min(carry.max(reach));
        }
        let (mut below, mut turn) = (i32::from(NONE), 0u32);
        let mut k = 0;
        while k < bins {
            let (reach, from_above) = (i32::from(self.reach[k]), i32::from(above[k]));
            let sides = below.max(from_above);
            if reach.max(sides) == i32::from(NONE) {
                k = self.seed(k);
                (below, turn) = (i32::from(NONE), 0);
                continue;
            }
            let upwards = turn.wrapping_add(self.rise[k]);
            turn = if reach >= sides {
                self.turns[k]
            } else {
                upwards
            };
            self.turns[k] = turn;
            // What is reached from above is put right by the sweep downwards.
            let later = reach < sides && below < from_above;
            above[k] = if later { from_above as i16 } else { NONE };
            below = i32::from(self.own[k]).min(below.max(reach));
            k += 1;
        }
        let mut turn = self.turns[bins - 1];
        for k in (0..bins - 1).rev() {
            let downwards = turn.wrapping_sub(self.rise[k + 1]);
            turn = if above[k] == NONE {
                self.turns[k]
            } else {
                downwards
            };
            self.turns[k] = turn;
        }
    }

    /// Phases for a run of audible pixels from `first` on that no path reaches: from its loudest up and down. Returns
    /// where it ends.
    fn seed(&mut self, first: usize) -> usize {
        let open = |k: &usize| self.own[*k] != NONE && self.reach[*k] == NONE;
        let end = (first..self.own.len())
            .take_while(open)
            .last()
            .unwrap_or(first)
            + 1;
        let louder = |a: usize, b: usize| if self.own[b] > self.own[a] { b } else { a };
        let seed = (first..end).fold(first, louder);
        self.turns[seed] = 0;
        for k in seed + 1..end {
            self.turns[k] = self.turns[k - 1].wrapping_add(self.rise[k]);
        }
        for k in (first..seed).rev() {
            self.turns[k] = self.turns[k + 1].wrapping_sub(self.rise[k + 1]);
        }
        end
    }
}

/// The phase that is stored as `index + 1`.
#[inline(always)]
pub(super) fn stored_turn(index_and_one: u16, bits: u8) -> u32 {
    (u32::from(index_and_one) - 1) << (u32::BITS - u32::from(bits))
}

/// Random bits for a pixel nobody hears, from its place in the stream (SplitMix64's finaliser).
fn draw(place: u64) -> u64 {
    let mut z = place.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
