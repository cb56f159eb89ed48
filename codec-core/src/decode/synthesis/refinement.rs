//! Fast Griffin-Lim (Perraudin, Balazs, Sondergaard 2013) as a pipeline of frames (Spec §9.4).
//!
//! A step alternates projections onto the given magnitudes and onto the spectra of real signals, with momentum. Frame
//! by frame, step `i` works `lag` frames behind step `i - 1`, where the signal that step makes is complete; all steps
//! go on at the same time, each in a lane of its own.

use super::integration::stored_turn;
use super::overlap::{Place, Signals};
use crate::error::Result;
use crate::quantise::levels::{of_upper, upper};
use crate::simd::{Kernel, LANES};
use crate::transform::circle::Circle;
use crate::transform::lanes::{
    ends, pack, pack_ends, transform, unpack, LaneTransform, Lanes, Pair,
};
use codec_format::header::Stft;
use codec_format::memory::Memory;

/// Steps after the integration, whose frames take the first lane.
pub const STEPS: usize = LANES - 1;

/// Momentum of those steps. Close to one helps when many steps follow; with the few taken here a smaller one ends a
/// little better.
const MOMENTUM: f32 = 0.7;

/// What lies in the delay lines of the last lane is not needed any more: new frames enter there, and all lanes move on
/// by one when a row is read.
const ENTRY: usize = LANES - 1;

/// Refines the spectra of one channel.
#[derive(Debug)]
pub(super) struct Refinement<M: Memory> {
    stft: Stft,
    bins: usize,
    covered: usize,
    bits: u8,
    pub transform: LaneTransform<M>,
    /// Numbers on their way back to samples.
    packed: M::Of<Pair>,
    signals: Signals<M>,
    /// Delay lines, a row for each frame of the lag: what the steps projected last and magnitudes, half of whose bits are
    /// enough (Spec §9.4), covered bins, stored phases (index + 1, or 0; empty where none are ever stored).
    before: M::Of<[Upper; 2]>,
    magnitudes: M::Of<Upper>,
    low: M::Of<Pair>,
    stored: M::Of<[u16; LANES]>,
    /// The row that is next.
    row: usize,
    /// Samples of the last hop that are final.
    pcm: M::Of<f32>,
}

/// A frame that enters the pipeline.
pub(super) struct Entry<'a> {
    /// Its integrated spectrum.
    pub spectrum: &'a [[f32; 2]],
    pub magnitudes: &'a [f32],
    /// Stored phases, index + 1 or 0; empty where there are none.
    pub stored: &'a [u16],
}

impl<M: Memory> Refinement<M> {
    pub fn new(stft: &Stft, covered: usize, bits: u8, memory: &mut M) -> Result<Self> {
        let bins = stft.bins();
        let signals = Signals::new(stft, memory)?;
        let lag = signals.lag();
        Ok(Refinement {
            stft: *stft,
            bins,
            covered,
            bits,
            transform: LaneTransform::new(stft, memory)?,
            packed: memory.take(bins - 1)?,
            signals,
            before: memory.take(lag * bins)?,
            magnitudes: memory.take(lag * bins)?,
            low: memory.take(lag * covered)?,
            stored: memory.take(if bits > 0 { lag * bins } else { 0 })?,
            row: 0,
            pcm: memory.take(usize::from(stft.hop))?,
        })
    }

    pub fn reset(&mut self, circle: &Circle<M>) {
        self.transform.reset(circle);
        self.signals.reset(&self.stft);
        let silent = [0.0; LANES];
        self.before.fill([[0; LANES]; 2]);
        self.magnitudes.fill([0; LANES]);
        self.low.fill([silent; 2]);
        self.stored.fill([0; LANES]);
        self.row = 0;
    }

    /// Frames from one step to the next.
    pub fn lag(&self) -> usize {
        self.signals.lag()
    }

    /// The final samples of the last tick.
    pub fn pcm(&self) -> &[f32] {
        &self.pcm
    }
}

/// All lanes go on by one frame; a new one enters, or none.
pub(super) struct Tick<'a, M: Memory> {
    pub refinement: &'a mut Refinement<M>,
    pub circle: &'a Circle<M>,
    pub entry: Option<Entry<'a>>,
    pub place: Place,
}

impl<M: Memory> Kernel for Tick<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let this = self.refinement;
        let (bins, half) = (this.bins, this.bins - 1);
        let from = this.row * bins;
        let before = &mut this.before[from..from + bins];
        let magnitudes = &mut this.magnitudes[from..from + bins];
        let low = &mut this.low[this.row * this.covered..][..this.covered];
        let stored = match this.bits {
            0 => &mut [],
            _ => &mut this.stored[from..from + bins],
        };
        this.row = (this.row + 1) % this.signals.lag();
        enter(self.entry.as_ref(), magnitudes, low, stored);

        let (tables, window, spectra) = this.transform.parts();
        this.signals.frames(window, &tables.order, spectra);
        transform(&mut spectra[..half], &tables.turns);
        // Spectra of the signals, moved on by the momentum, at the magnitudes wanted.
        let [y, top] = ends(&spectra[0]);
        spectra[0] = project(y, &mut before[0], &mut magnitudes[0]);
        spectra[half] = project(top, &mut before[half], &mut magnitudes[half]);
        for k in 1..half / 2 {
            let [a, b] = unpack(&spectra[k], &spectra[half - k], tables.turns[k]);
            spectra[k] = project(a, &mut before[k], &mut magnitudes[k]);
            let k = half - k;
            spectra[k] = project(b, &mut before[k], &mut magnitudes[k]);
        }
        let middle = half / 2;
        let [y, _] = unpack(&spectra[middle], &spectra[middle], tables.turns[middle]);
        spectra[middle] = project(y, &mut before[middle], &mut magnitudes[middle]);

        hold(spectra, low, stored, magnitudes, self.circle, this.bits);
        begin(self.entry.as_ref(), spectra, before);

        let packed = &mut this.packed;
        packed[0] = pack_ends(&spectra[0], &spectra[half]);
        for k in 1..=half / 2 {
            let [a, b] = pack(&spectra[k], &spectra[half - k], tables.turns[k]);
            packed[usize::from(tables.order[half - k])] = b;
            packed[usize::from(tables.order[k])] = a;
        }
        transform(packed, &tables.turns);
        this.signals.add(packed, &self.place, &mut this.pcm);
    }
}

/// Writes a frame to the entry of the delay lines.
#[inline(always)]
fn enter(
    entry: Option<&Entry<'_>>,
    magnitudes: &mut [Upper],
    low: &mut [Pair],
    stored: &mut [[u16; LANES]],
) {
    let Some(entry) = entry else {
        magnitudes.iter_mut().for_each(|m| m[ENTRY] = 0);
        low.iter_mut()
            .for_each(|z| (z[0][ENTRY], z[1][ENTRY]) = (0.0, 0.0));
        return;
    };
    for (m, &value) in magnitudes.iter_mut().zip(entry.magnitudes) {
        m[ENTRY] = upper(value);
    }
    for (z, value) in low.iter_mut().zip(entry.spectrum) {
        (z[0][ENTRY], z[1][ENTRY]) = (value[0], value[1]);
    }
    for (index, &value) in stored.iter_mut().zip(entry.stored) {
        index[ENTRY] = value;
    }
}

/// One bin of all steps: what the signal's spectrum becomes.
#[inline(always)]
fn project(y: Pair, before: &mut [Upper; 2], magnitudes: &mut Upper) -> Pair {
    let last = [
        numbers(&moved_on(&before[0])),
        numbers(&moved_on(&before[1])),
    ];
    *magnitudes = moved_on(magnitudes);
    let magnitude = numbers(magnitudes);
    let mut out = [[0.0; LANES]; 2];
    for l in 0..LANES {
        let re = y[0][l] + MOMENTUM * (y[0][l] - last[0][l]);
        let im = y[1][l] + MOMENTUM * (y[1][l] - last[1][l]);
        let scale = magnitude[l] * reciprocal_root(re * re + im * im);
        out[0][l] = re * scale;
        out[1][l] = im * scale;
    }
    for (before, y) in before.iter_mut().zip(&y) {
        for l in 0..LANES {
            before[l] = upper(y[l]);
        }
    }
    out
}

/// The upper bits of one number of each lane.
type Upper = [u16; LANES];

#[inline(always)]
fn numbers(upper: &Upper) -> Lanes {
    let mut all = [0.0; LANES];
    for l in 0..LANES {
        all[l] = of_upper(upper[l]);
    }
    all
}

/// `1 / sqrt(x)` to 5e-6 of it, at most some 1e19 (Spec §9.4).
#[inline(always)]
fn reciprocal_root(x: f32) -> f32 {
    let x = if x < MOST { x } else { MOST };
    let half = 0.5 * x;
    let y = f32::from_bits(0x5F37_59DF - (x.to_bits() >> 1));
    let y = y * (1.5 - half * y * y);
    y * (1.5 - half * y * y)
}

/// Squares beyond this, which only forged streams have, count as this.
const MOST: f32 = 3e38;

/// Every lane's number handed to the next lane, the last one's to the first.
#[inline(always)]
fn moved_on<T: Copy>(x: &[T; LANES]) -> [T; LANES] {
    let mut y = *x;
    for l in 0..LANES {
        y[l] = x[(l + LANES - 1) % LANES];
    }
    y
}

/// Known pixels keep their values.
#[inline(always)]
fn hold<M: Memory>(
    spectra: &mut [Pair],
    low: &mut [Pair],
    stored: &mut [[u16; LANES]],
    magnitudes: &[Upper],
    circle: &Circle<M>,
    bits: u8,
) {
    for (k, indices) in stored.iter_mut().enumerate() {
        indices.rotate_right(1);
        for l in (0..LANES).filter(|&l| indices[l] > 0) {
            let [re, im] = circle.unit(stored_turn(indices[l], bits));
            let magnitude = of_upper(magnitudes[k][l]);
            (spectra[k][0][l], spectra[k][1][l]) = (magnitude * re, magnitude * im);
        }
    }
    for (z, low) in spectra.iter_mut().zip(low) {
        *low = [moved_on(&low[0]), moved_on(&low[1])];
        *z = *low;
    }
}

/// The first lane has no step behind it, but the integrated spectrum.
#[inline(always)]
fn begin(entry: Option<&Entry<'_>>, spectra: &mut [Pair], before: &mut [[Upper; 2]]) {
    let Some(entry) = entry else {
        spectra
            .iter_mut()
            .for_each(|z| (z[0][0], z[1][0]) = (0.0, 0.0));
        return;
    };
    for ((z, before), value) in spectra.iter_mut().zip(before).zip(entry.spectrum) {
        (z[0][0], z[1][0]) = (value[0], value[1]);
        (before[0][0], before[1][0]) = (upper(value[0]), upper(value[1]));
    }
}
