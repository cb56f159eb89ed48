//! The pipeline against the specification's mathematics, worked out frame by frame and step by step over a whole clip.

use super::*;
use crate::transform::stft::{fill_window, level, Complex32, Transform};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{
    MaskKind, PhaseKind, Quantiser, Signal, ValueCoding, WaveformShape, WindowKind,
};
use codec_format::memory::{Block, Count, Heap};
use core::f64::consts::TAU;
use proptest::prelude::*;

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

    fn sound(&self, clip: &Clip, first: u64) -> Vec<f32> {
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
        let mut before = spectra.clone();
        for _ in 0..STEPS {
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
        let wanted = Reference::new(&clip).sound(&clip, first);
        assert_eq!(
            pcm.len(),
            (frames - 1) * hop + usize::from(clip.header.stft.n_fft)
        );
        assert!(pcm.iter().all(|x| x.is_finite()) && pcm.iter().any(|&x| x != 0.0));
        assert!(pcm == wanted, "{:?}", clip.header);
    }
}
