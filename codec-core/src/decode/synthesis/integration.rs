//! Real-time phase gradient heap integration (Prusa and Sondergaard 2016), in whole numbers and without the heap
//! (Spec §9.3).
//!
//! The phase's gradient nearly follows from that of the log-magnitude. It is integrated from the frame before, loudest
//! pixels first: a pixel takes its phase from whichever neighbour the loudest path reaches it by, and the loudness of
//! a path is that of its quietest pixel. Within a frame paths run only up and down, so that two sweeps find them all.

use crate::error::Result;
use crate::transform::circle::Circle;
use codec_format::header::{Stft, WindowKind};
use codec_format::memory::Memory;
use core::f64::consts::{LN_10, TAU};

/// Pixels this far below the loudest of two frames get a random phase: 120 dB, as the paper's relative tolerance of
/// 1e-6 in magnitude.
const REACH: i32 = 120 * 16;

/// What no path reaches.
const NONE: i16 = i16::MIN;

/// Time-frequency ratio of a window, in samples squared: that of the Gaussian it is taken for.
/// Hann: Prusa 2017, table I; sine: between the ratios of the Gaussians nearest to it in least squares, 0.451 over the
/// window alone and 0.415 over all time.
#[must_use]
pub fn gamma(stft: &Stft) -> f64 {
    let factor = match stft.window {
        WindowKind::Hann => 0.256_45,
        WindowKind::Sine => 0.424_65,
    };
    factor * f64::from(u32::from(stft.window_length) * u32::from(stft.window_length))
}

/// The phases of one channel, frame by frame.
#[derive(Debug)]
pub(super) struct Integration<M: Memory> {
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
    /// How loud a path from above reaches each pixel.
    above: M::Of<i16>,
    /// Number of the frame `here`, and whether there is one before.
    frame: u64,
    has_before: bool,
}

impl<M: Memory> Integration<M> {
    /// On the grid of `stft`, whose hop is that of fine frames; phases are stored with so many bits, or 0.
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
            above: memory.take(bins)?,
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
        let floor = self.floor();
        let bins = self.here.len();
        let mut above = NONE;
        for k in (0..bins).rev() {
            self.above[k] = above;
            above = self.handed(k, above, floor);
        }
        let mut below = NONE;
        let mut k = 0;
        while k < bins {
            let before = self.along(k, floor);
            let above = core::mem::replace(&mut self.above[k], NONE);
            let handed = self.handed(k, below, floor);
            if let Some(turn) = self.held(k) {
                self.turns[k] = turn;
            } else if i32::from(self.here[k]) <= floor {
                let place = self.frame.wrapping_mul(bins as u64).wrapping_add(k as u64);
                self.turns[k] = (draw(place) >> 32) as u32;
            } else if before.max(below).max(above) == NONE {
                k = self.seed(k, floor, after);
                below = NONE;
                continue;
            } else if before >= below.max(above) {
                self.turns[k] = self.turns[k].wrapping_add(self.from_before(k));
            } else if below >= above {
                self.turns[k] = self.turns[k - 1].wrapping_add(self.from_below(k, after));
            } else {
                // Its turn comes with the sweep downwards.
                self.above[k] = above;
            }
            below = handed;
            k += 1;
        }
        for k in (0..bins - 1).rev() {
            if self.above[k] != NONE {
                self.turns[k] = self.turns[k + 1].wrapping_sub(self.from_below(k + 1, after));
            }
        }
    }

    /// The phases of the frame that was entered, once they were integrated.
    pub fn turns(&self) -> &[u32] {
        &self.turns
    }

    /// Makes way for the next frame.
    pub fn finish(&mut self) {
        core::mem::swap(&mut self.before, &mut self.here);
        self.frame = self.frame.wrapping_add(1);
        self.has_before = true;
    }

    /// Pixels of this level or below are inaudible.
    fn floor(&self) -> i32 {
        let loudest = |row: &[i16]| row.iter().copied().max().unwrap_or(0);
        let here = loudest(&self.here);
        let loudest = if self.has_before {
            here.max(loudest(&self.before))
        } else {
            here
        };
        i32::from(loudest) - REACH
    }

    /// The phase that is known of a pixel.
    #[inline(always)]
    fn held(&self, k: usize) -> Option<u32> {
        if k < self.covered {
            return Some(self.top);
        }
        match self.stored.get(k) {
            Some(&index) if index > 0 => Some(stored_turn(index, self.bits)),
            _ => None,
        }
    }

    /// How loud the path from the frame before reaches a pixel.
    #[inline(always)]
    fn along(&self, k: usize, floor: i32) -> i16 {
        if self.has_before && i32::from(self.before[k]) > floor {
            self.before[k]
        } else {
            NONE
        }
    }

    /// How loud a path through a pixel reaches its neighbour, `reached` being how loud one reaches the pixel from the
    /// other side.
    #[inline(always)]
    fn handed(&self, k: usize, reached: i16, floor: i32) -> i16 {
        let level = self.here[k];
        if i32::from(level) <= floor {
            NONE
        } else if self.held(k).is_some() {
            level
        } else {
            level.min(reached.max(self.along(k, floor)))
        }
    }

    /// Phases for a run of audible pixels from `first` on that no path reaches: from its loudest up and down. Returns
    /// where it ends.
    fn seed(&mut self, first: usize, floor: i32, after: Option<&[i16]>) -> usize {
        let open = |k: &usize| i32::from(self.here[*k]) > floor && self.held(*k).is_none();
        let end = (first..self.here.len())
            .take_while(open)
            .last()
            .unwrap_or(first)
            + 1;
        let louder = |a: usize, b: usize| if self.here[b] > self.here[a] { b } else { a };
        let seed = (first..end).fold(first, louder);
        self.turns[seed] = 0;
        for k in seed + 1..end {
            self.turns[k] = self.turns[k - 1].wrapping_add(self.from_below(k, after));
        }
        for k in (first..seed).rev() {
            self.turns[k] = self.turns[k + 1].wrapping_sub(self.from_below(k + 1, after));
        }
        end
    }

    /// The phase step from the frame before.
    #[inline(always)]
    fn from_before(&self, k: usize) -> u32 {
        let last = self.here.len() - 1;
        let slope =
            |row: &[i16]| i32::from(row[(k + 1).min(last)]) - i32::from(row[k.saturating_sub(1)]);
        let slopes = slope(&self.before) + slope(&self.here);
        self.along_time
            .wrapping_mul(slopes as u32)
            .wrapping_add(self.advance.wrapping_mul(k as u32))
    }

    /// The phase step from the bin below.
    #[inline(always)]
    fn from_below(&self, k: usize, after: Option<&[i16]>) -> u32 {
        let after = after.unwrap_or(&self.here);
        let before = if self.has_before {
            &self.before
        } else {
            &self.here
        };
        let slope = |k: usize| i32::from(after[k]) - i32::from(before[k]);
        let slopes = slope(k - 1) + slope(k);
        (1u32 << 31).wrapping_sub(self.along_bins.wrapping_mul(slopes as u32))
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
