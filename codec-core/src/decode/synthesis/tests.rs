//! The pipeline against the specification's mathematics, worked out frame by frame and step by step over a whole clip.

use super::*;
use crate::quantise::levels::short;
use crate::transform::stft::{fill_window, level, Transform};
use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{
    MaskKind, PhaseKind, Quantiser, Signal, ValueCoding, WaveformShape, WindowKind,
};
use codec_format::memory::{Block, Count, Heap};

const ORIGIN: i16 = -320;

fn header(
    n_fft: u16,
    window_length: u16,
    window: WindowKind,
    phase: PhaseKind,
    coefficients: u8,
) -> Header {
    let mono = Signal {
        rate: 16_000,
        channels: 1,
    };
    Header {
        source: mono,
        coded: mono,
        total_samples: None,
        pre_skip: 0,
        stft: Stft {
            n_fft,
            window_length,
            window,
            hop: window_length / 2,
        },
        segment_frames: 64,
        model: None,
        quantiser: Quantiser {
            origin: ORIGIN,
            step: 8,
        },
        mask: MaskKind::Ridge { threshold_step: 8 },
        values: ValueCoding::Context,
        lattice: None,
        phase,
        waveform: (coefficients > 0).then_some(WaveformShape {
            coefficients,
            step: 0,
        }),
    }
}

fn plain(n_fft: u16) -> Header {
    header(n_fft, n_fft, WindowKind::Hann, PhaseKind::None, 0)
}

fn noise(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
}

/// A clip's frames: levels, covered spectra, stored phases.
struct Clip {
    header: Header,
    hop: usize,
    levels: Vec<Vec<i16>>,
    low: Vec<Vec<[f32; 2]>>,
    stored: Option<Vec<Vec<u16>>>,
}

impl Clip {
    /// Any levels: peaks and holes, frames of silence, some loud beyond measure.
    fn random(header: Header, hop: usize, frames: usize, seed: u32) -> Self {
        let mut next = noise(seed);
        let (bins, covered) = (header.stft.bins(), header.covered_bins());
        let levels = (0..frames)
            .map(|_| {
                let kind = next() % 8;
                (0..bins)
                    .map(|_| match kind {
                        0 => 0,
                        1 => (next() % 16_384) as i16 - 8192,
                        _ => (next() % 2600) as i16,
                    })
                    .collect()
            })
            .collect();
        let value = |next: &mut dyn FnMut() -> u32| next() as f32 / 8_388_608.0 - 1.0;
        let low = (0..frames)
            .map(|_| {
                (0..covered)
                    .map(|_| [value(&mut next), value(&mut next)])
                    .collect()
            })
            .collect();
        let bits = phase_bits(header.phase);
        let stored = (bits > 0).then(|| {
            let index = |next: &mut dyn FnMut() -> u32| match next() % 3 {
                0 => 1 + (next() % (1 << bits)) as u16,
                _ => 0,
            };
            (0..frames)
                .map(|_| (0..bins).map(|_| index(&mut next)).collect())
                .collect()
        });
        Clip {
            header,
            hop,
            levels,
            low,
            stored,
        }
    }

    fn known(&self, t: usize) -> Known<'_> {
        Known {
            low: &self.low[t],
            stored: self.stored.as_ref().map(|stored| &stored[t][..]),
        }
    }

    fn synthesis(&self) -> Synthesis<Heap> {
        Synthesis::new(&self.header, self.hop, &mut Heap::new(1 << 30)).unwrap()
    }

    fn sound_by<M: Memory>(&self, synthesis: &mut Synthesis<M>, first: u64) -> Vec<f32> {
        synthesis.reset(first);
        let start = synthesis.position();
        let mut pcm = Vec::new();
        for (t, levels) in self.levels.iter().enumerate() {
            let delay = synthesis.delay();
            let piece = synthesis.push(levels, self.known(t));
            assert_eq!(piece.len(), if t < delay { 0 } else { self.hop });
            pcm.extend_from_slice(piece);
            assert_eq!(synthesis.position(), start + pcm.len() as i64);
        }
        while let Some(piece) = synthesis.drain() {
            assert!(!piece.is_empty() && piece.len() <= self.hop);
            pcm.extend_from_slice(piece);
        }
        assert!(synthesis.drain().is_none());
        pcm
    }
}

/// Everything again, a frame at a time, a step at a time, a number at a time.
struct Reference {
    n: usize,
    hop: usize,
    window: Vec<f32>,
    circle: Circle<Heap>,
}

type Spectra = Vec<Vec<[f32; 2]>>;

impl Reference {
    fn new(clip: &Clip) -> Self {
        let n = usize::from(clip.header.stft.n_fft);
        let mut window = vec![0.0; n];
        fill_window(&clip.header.stft, &mut window);
        let mut circle = Circle::new(&mut Heap::new(1 << 20)).unwrap();
        circle.reset();
        Reference {
            n,
            hop: clip.hop,
            window,
            circle,
        }
    }

    /// `exp(-2 pi i k / n)`, as numbers.
    fn turn(&self, k: usize, n: usize) -> [f32; 2] {
        let [c, s] = self.circle.unit(((k << 32) / n) as u32);
        [c, -s]
    }

    fn times([a, b]: [f32; 2], [c, s]: [f32; 2]) -> [f32; 2] {
        [c * a - s * b, c * b + s * a]
    }

    fn transform(&self, x: &mut Vec<[f32; 2]>) {
        let len = x.len();
        let bits = len.trailing_zeros();
        *x = (0..len)
            .map(|i| x[i.reverse_bits() >> (usize::BITS - bits)])
            .collect();
        let mut size = 2;
        while size <= len {
            for o in (0..len).step_by(size) {
                for k in 0..size / 2 {
                    let (a, b) = (x[o + k], x[o + k + size / 2]);
                    let y = match (size, k) {
                        (2, _) | (4, 0) => b,
                        (4, _) => [b[1], -b[0]],
                        _ => Self::times(b, self.turn(k, size)),
                    };
                    x[o + k] = [a[0] + y[0], a[1] + y[1]];
                    x[o + k + size / 2] = [a[0] - y[0], a[1] - y[1]];
                }
            }
            size *= 2;
        }
    }

    /// The spectrum of `n` samples.
    fn analyse(&self, samples: &[f32]) -> Vec<[f32; 2]> {
        let half = self.n / 2;
        let w = |i: usize| samples[i] * (0.5 * self.window[i]);
        let mut z: Vec<_> = (0..half).map(|m| [w(2 * m), w(2 * m + 1)]).collect();
        self.transform(&mut z);
        (0..=half)
            .map(|k| {
                let (a, b) = (z[k % half], z[(half - k) % half]);
                let (even, odd) = ([a[0] + b[0], a[1] - b[1]], [a[1] + b[1], b[0] - a[0]]);
                if k == 0 || k == half {
                    let sign = if k == 0 { 1.0 } else { -1.0 };
                    let x = a[0] + sign * a[1];
                    return [x + x, 0.0];
                }
                if k > half / 2 {
                    let (even, odd) = ([even[0], -even[1]], [odd[0], -odd[1]]);
                    let p = Self::times(odd, self.turn(half - k, self.n));
                    return [even[0] - p[0], p[1] - even[1]];
                }
                let p = Self::times(odd, self.turn(k, self.n));
                [even[0] + p[0], even[1] + p[1]]
            })
            .collect()
    }

    /// `n` times the samples of a spectrum.
    fn synthesise(&self, x: &[[f32; 2]]) -> Vec<f32> {
        let half = self.n / 2;
        let mut z: Vec<_> = (0..half)
            .map(|k| {
                let other = half - k;
                if k == 0 {
                    let (a, b) = (x[0][0], x[half][0]);
                    return [a - b, a + b];
                }
                let (lower, upper) = (x[k.min(other)], x[k.max(other)]);
                let even = [lower[0] + upper[0], lower[1] - upper[1]];
                let odd = [lower[0] - upper[0], lower[1] + upper[1]];
                let [c, s] = self.turn(k.min(other), self.n);
                let odd = Self::times(odd, [c, -s]);
                if k <= other {
                    [even[1] + odd[0], even[0] - odd[1]]
                } else {
                    [odd[0] - even[1], even[0] + odd[1]]
                }
            })
            .collect();
        self.transform(&mut z);
        z.iter().flat_map(|z| [z[1], z[0]]).collect()
    }

    /// The signal of frames, from the first sample of the first to the last of the last.
    fn signal(&self, spectra: &Spectra) -> Vec<f32> {
        let len = (spectra.len() - 1) * self.hop + self.n;
        let (mut sum, mut weight) = (vec![0.0f32; len], vec![0.0f32; len]);
        for (t, spectrum) in spectra.iter().enumerate() {
            let frame = self.synthesise(spectrum);
            for i in 0..self.n {
                let w = self.window[i];
                sum[t * self.hop + i] += frame[i] * (w * (1.0 / self.n as f32));
                weight[t * self.hop + i] += w * w;
            }
        }
        let gain = |w: f32| if w > 1e-8 { 1.0 / w } else { 0.0 };
        sum.iter().zip(weight).map(|(x, w)| x * gain(w)).collect()
    }

    fn sound(&self, clip: &Clip, first: u64, steps: usize) -> Vec<f32> {
        let (bins, covered) = (clip.header.stft.bins(), clip.header.covered_bins());
        let bits = phase_bits(clip.header.phase);
        let frames = clip.levels.len();
        let memory = &mut Heap::new(1 << 30);
        let stft = with_hop(&clip.header.stft, self.hop).unwrap();
        let mut integration = Integration::new(&stft, covered, bits, memory).unwrap();
        let mut magnitudes = Magnitudes::new(2 * i32::from(ORIGIN), memory).unwrap();
        magnitudes.reset();
        integration.reset(first);
        let magnitude = |t: usize, k: usize| magnitudes.of(clip.levels[t][k]);
        let held = |t: usize, k: usize| {
            let stored = clip.stored.as_ref().map_or(0, |stored| stored[t][k]);
            if k < covered {
                Some(clip.low[t][k])
            } else if stored > 0 {
                let turn = u32::from(stored - 1) << (32 - u32::from(bits));
                Some(self.circle.unit(turn).map(|x| magnitude(t, k) * x))
            } else {
                None
            }
        };
        let mut spectra: Spectra = Vec::new();
        for t in 0..frames {
            let known = clip.known(t);
            integration.enter(&clip.levels[t], known.low, known.stored, &self.circle);
            integration.integrate(clip.levels.get(t + 1).map(|levels| &levels[..]));
            let from = |k: usize| {
                let unit = self.circle.unit(integration.turns()[k]);
                unit.map(|x| magnitude(t, k) * x)
            };
            spectra.push(
                (0..bins)
                    .map(|k| held(t, k).unwrap_or_else(|| from(k)))
                    .collect(),
            );
            integration.finish();
        }
        let shortened = |spectra: &mut Vec<[f32; 2]>| {
            for z in spectra.iter_mut() {
                *z = z.map(short);
            }
        };
        let mut before = spectra.clone();
        before.iter_mut().for_each(shortened);
        for _ in 0..steps {
            let signal = self.signal(&spectra);
            for t in 0..frames {
                let y = self.analyse(&signal[t * self.hop..][..self.n]);
                for k in 0..bins {
                    let z: [f32; 2] =
                        core::array::from_fn(|c| y[k][c] + 0.7 * (y[k][c] - before[t][k][c]));
                    let power = z[0] * z[0] + z[1] * z[1];
                    let power = if power < 3e38 { power } else { 3e38 };
                    let mut root = f32::from_bits(0x5F37_59DF - (power.to_bits() >> 1));
                    for _ in 0..2 {
                        root *= 1.5 - (0.5 * power) * root * root;
                    }
                    let scale = magnitude(t, k) * root;
                    spectra[t][k] = held(t, k).unwrap_or(z.map(|x| x * scale));
                }
                before[t] = y;
                shortened(&mut before[t]);
            }
        }
        self.signal(&spectra)
    }
}

#[test]
fn the_pipeline_gives_what_the_steps_give_one_after_the_other() {
    let all = PhaseKind::All { bits: 7 };
    let some = PhaseKind::Thresholded {
        bits: 12,
        threshold: 0,
    };
    for (header, hop, frames, first) in [
        (plain(64), 16, 80, 0),
        (plain(64), 32, 40, 1_000_000),
        (plain(64), 16, 1, 3),
        (plain(64), 16, 2, 0),
        (plain(128), 16, 100, 7),
        (header(64, 64, WindowKind::Sine, all, 0), 8, 90, 0),
        (
            header(64, 50, WindowKind::Sine, PhaseKind::None, 7),
            23,
            50,
            0,
        ),
        (header(128, 128, WindowKind::Hann, some, 5), 21, 70, 5),
        (
            header(256, 2, WindowKind::Sine, PhaseKind::None, 0),
            1,
            0,
            0,
        ),
    ] {
        if hop * 64 < usize::from(header.stft.n_fft) {
            assert!(Synthesis::new(&header, hop, &mut Heap::new(1 << 30)).is_err());
            continue;
        }
        let clip = Clip::random(header, hop, frames, frames as u32);
        let pcm = clip.sound_by(&mut clip.synthesis(), first);
        let wanted = Reference::new(&clip).sound(&clip, first, STEPS);
        assert_eq!(
            pcm.len(),
            (frames - 1) * hop + usize::from(clip.header.stft.n_fft)
        );
        assert!(pcm.iter().all(|x| x.is_finite()) && pcm.iter().any(|&x| x != 0.0));
        assert!(pcm == wanted, "{:?}", clip.header);
    }
}

/// A voice: harmonics of a gliding tone.
fn voice(len: usize) -> Vec<f32> {
    let mut phase = 0.0f32;
    (0..len)
        .map(|i| {
            phase += 0.1 + 0.05 * libm::sinf(i as f32 * 0.001);
            (1..6)
                .map(|h| 0.1 * libm::sinf(phase * h as f32) / h as f32)
                .sum()
        })
        .collect()
}

/// The clip of a signal's own levels.
fn clip_of(signal: &[f32], header: Header, hop: usize) -> Clip {
    let transform = Transform::new(&header.stft, hop).unwrap();
    let spectra = transform.spectra(signal, 0, 0, signal.len() / hop + 1);
    let sixteenths = |db: f32| libm::floorf(16.0 * db + 0.5) as i16 - 2 * ORIGIN;
    let bits = phase_bits(header.phase);
    let index = |z: &_| 1 + crate::quantise::angles::phase_index(*z, bits);
    Clip {
        hop,
        levels: (spectra.outer_iter())
            .map(|row| row.iter().map(|&z| sixteenths(level(z))).collect())
            .collect(),
        low: vec![Vec::new(); spectra.nrows()],
        stored: (bits > 0).then(|| {
            let rows = spectra.outer_iter();
            rows.map(|row| row.iter().map(index).collect()).collect()
        }),
        header,
    }
}

/// How far the magnitudes of a sound are from those wanted, relative. The sound begins half a transform early.
fn inconsistency(clip: &Clip, sound: &[f32]) -> f32 {
    let transform = Transform::new(&clip.header.stft, clip.hop).unwrap();
    let start = -i64::from(clip.header.stft.n_fft / 2);
    let spectra = transform.spectra(sound, start, 0, clip.levels.len());
    let mut magnitudes = Magnitudes::new(2 * i32::from(ORIGIN), &mut Heap::new(1 << 20)).unwrap();
    magnitudes.reset();
    let (mut error, mut power) = (0.0, 0.0);
    for ((t, k), z) in spectra.indexed_iter() {
        let wanted = magnitudes.of(clip.levels[t][k]);
        let apart = wanted - libm::sqrtf(z.re * z.re + z.im * z.im);
        (error, power) = (error + apart * apart, power + wanted * wanted);
    }
    libm::sqrtf(error / power)
}

#[test]
fn every_step_makes_the_sound_more_consistent() {
    let clip = clip_of(&voice(4_800), plain(256), 64);
    let reference = Reference::new(&clip);
    let mut last = f32::MAX;
    for steps in 0..=STEPS {
        let now = inconsistency(&clip, &reference.sound(&clip, 0, steps));
        assert!(now < last, "step {steps}: {now}, before it {last}");
        last = now;
    }
    assert!(last < 0.1, "{last}");
}

#[test]
fn stored_phases_give_the_signal_back() {
    let signal = voice(4_800);
    let header = header(256, 256, WindowKind::Sine, PhaseKind::All { bits: 12 }, 0);
    let clip = clip_of(&signal, header, 128);
    let sound = clip.sound_by(&mut clip.synthesis(), 0);
    let (mut error, mut power) = (0.0, 0.0);
    for (x, y) in signal.iter().zip(&sound[128..]) {
        (error, power) = (error + (x - y) * (x - y), power + x * x);
    }
    // 1/16 dB and 1/4096 turn are errors some 50 dB down.
    assert!(error < 2e-5 * power, "{}", error / power);
}

#[test]
fn nothing_is_left_of_what_came_before_a_reset() {
    let header = header(64, 64, WindowKind::Hann, PhaseKind::All { bits: 3 }, 7);
    let clip = Clip::random(header, 16, 100, 1);
    let mut synthesis = clip.synthesis();
    let once = clip.sound_by(&mut synthesis, 1000);
    for t in 0..77 {
        synthesis.push(&clip.levels[t], clip.known(t));
    }
    assert!(clip.sound_by(&mut synthesis, 1000) == once);
}

#[test]
fn what_is_counted_is_taken_and_a_block_does_as_well_as_the_heap() {
    let some = PhaseKind::Thresholded {
        bits: 5,
        threshold: 0,
    };
    for (header, hop) in [
        (plain(64), 16),
        (header(128, 100, WindowKind::Sine, some, 9), 21),
    ] {
        let clip = Clip::random(header, hop, 60, 5);
        let mut count = Count::default();
        Synthesis::new(&clip.header, clip.hop, &mut count).unwrap();
        let bytes = count.bytes();
        assert!(Synthesis::new(&clip.header, clip.hop, &mut Heap::new(bytes - 1)).is_err());
        let mut words = vec![u64::MAX; bytes as usize / 8];
        let mut block =
            Synthesis::new(&clip.header, clip.hop, &mut Block::new(&mut words)).unwrap();
        assert!(clip.sound_by(&mut block, 0) == clip.sound_by(&mut clip.synthesis(), 0));
    }
}

#[test]
fn forged_numbers_make_finite_samples() {
    let mut header = header(64, 64, WindowKind::Sine, PhaseKind::None, 9);
    header.quantiser.origin = i16::MAX;
    let mut clip = Clip::random(header, 8, 90, 3);
    let mut next = noise(9);
    for t in 0..90 {
        clip.levels[t].fill(if t % 2 == 0 { i16::MAX } else { i16::MIN });
        for z in clip.low[t].iter_mut().flatten() {
            *z = if next() % 2 == 0 { 1e17 } else { -1e17 };
        }
    }
    let sound = clip.sound_by(&mut clip.synthesis(), u64::from(u32::MAX));
    assert!(sound.iter().all(|x| x.is_finite()));
}

/// The integration as the paper has it: a heap of pixels, the loudest first.
#[test]
fn two_sweeps_find_what_a_heap_finds() {
    let stft = plain(64).stft;
    let (bins, covered) = (stft.bins(), 3);
    let memory = &mut Heap::new(1 << 20);
    let mut circle = Circle::new(memory).unwrap();
    circle.reset();
    let mut integration = Integration::new(&stft, covered, 4, memory).unwrap();
    let [along_time, along_bins] = integration.steps();
    integration.reset(0);
    let mut next = noise(2);
    let mut before: Option<(Vec<i16>, Vec<u32>)> = None;
    for _ in 0..300 {
        // No two alike in this frame or the one before, so that the order is total.
        let odd = before
            .as_ref()
            .map_or(0, |(levels, _)| 1 - levels[0].rem_euclid(2));
        let mut levels: Vec<i16> = (0..bins as i16).map(|k| 2 * k).collect();
        for k in (1..bins).rev() {
            levels.swap(k, next() as usize % (k + 1));
        }
        let (spread, quiet) = (1 + (next() % 70) as i16, next() % 3);
        for level in &mut levels {
            *level = *level * spread + odd - if quiet == 0 { 800 } else { 0 };
        }
        let stored: Vec<u16> = (0..bins)
            .map(|_| {
                if next() % 9 == 0 {
                    1 + next() as u16 % 16
                } else {
                    0
                }
            })
            .collect();
        let low = vec![[0.3, -0.5]; covered];
        integration.enter(&levels, &low, Some(&stored), &circle);
        integration.integrate(None);
        let got = integration.turns().to_vec();

        let loudest = |row: &[i16]| i32::from(*row.iter().max().unwrap());
        let floor = before
            .as_ref()
            .map_or(i32::MIN, |(row, _)| loudest(row))
            .max(loudest(&levels))
            - 1920;
        let audible = |level: i16| i32::from(level) > floor;
        let held = |k: usize| k < covered || stored[k] > 0;
        let mut waiting: Vec<bool> = (0..bins).map(|k| audible(levels[k]) && !held(k)).collect();
        let mut heap = BinaryHeap::new();
        for k in 0..bins {
            if held(k) && audible(levels[k]) {
                heap.push((levels[k], 1, k));
            }
            if let Some((row, _)) = &before {
                if audible(row[k]) {
                    heap.push((row[k], 0, k));
                }
            }
        }
        loop {
            let Some((_, row, k)) = heap.pop() else {
                let Some(k) = (0..bins).filter(|&k| waiting[k]).max_by_key(|&k| levels[k]) else {
                    break;
                };
                waiting[k] = false;
                assert_eq!(got[k], 0);
                heap.push((levels[k], 1, k));
                continue;
            };
            let reached = if row == 0 {
                vec![k]
            } else {
                vec![k + 1, k.wrapping_sub(1)]
            };
            for to in reached.into_iter().filter(|&to| to < bins) {
                if !core::mem::take(&mut waiting[to]) {
                    continue;
                }
                heap.push((levels[to], 1, to));
                let at = |row: &[i16], k: usize| i64::from(row[k.min(bins - 1)]);
                let step = if row == 0 {
                    let (row, turns) = before.as_ref().unwrap();
                    let slope = |row: &[i16]| at(row, k + 1) - at(row, k.saturating_sub(1));
                    let advance = (k as i64) << (32 - 1);
                    let step = along_time * (slope(row) + slope(&levels)) + advance;
                    i64::from(turns[k]) + step
                } else {
                    let row = before.as_ref().map_or(&levels, |(row, _)| row);
                    let slope = |k: usize| at(&levels, k) - at(row, k);
                    let rise = (1 << 31) - along_bins * (slope(k) + slope(to));
                    i64::from(got[k]) + if to > k { rise } else { -rise }
                };
                assert_eq!(got[to], step as u32, "bin {to} from {k} of row {row}");
            }
        }
        before = Some((levels, got));
        integration.finish();
    }
}

#[test]
fn eight_frames_side_by_side_have_the_spectra_of_each() {
    let signal = voice(2_000);
    for (n, hop, frames) in [(64, 16, 8), (512, 64, 3), (4096, 100, 5)] {
        let stft = plain(n).stft;
        let memory = &mut Heap::new(1 << 20);
        let mut circle = Circle::new(memory).unwrap();
        circle.reset();
        let mut lanes = LaneTransform::new(&stft, memory).unwrap();
        lanes.reset(&circle);
        let mut out = vec![[0.0; 2]; frames * stft.bins()];
        lanes.analyse(&signal, -40, hop, stft.bins(), &mut out);
        let transform = Transform::new(&stft, hop).unwrap();
        let wanted = transform.spectra(&signal, 40 - i64::from(n) / 2, 0, frames);
        for (z, w) in out.iter().zip(&wanted) {
            assert!(
                (z[0] - w.re).abs() < 1e-3 && (z[1] - w.im).abs() < 1e-3,
                "{n}"
            );
        }
    }
}
