//! Symbols of a made-up sound: a gliding voice over noise. Whole numbers and sums alone, so that every machine makes the
//! same ones.

use codec_format::header::{Header, MaskKind, PhaseKind};
use codec_format::seeded_mask;
use codec_format::symbols::{Kept, Mask, Phases, Segment, SparseImage};

/// What the sound is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scene {
    /// A voice, all of it within the usual ranges.
    #[default]
    Voice,
    /// Every other frame as loud as indices go, the others silent: the longest walks and every escape.
    Jumps,
    /// Nothing is kept.
    Silence,
    /// Every pixel is kept.
    Full,
}

/// Pseudo-random numbers (Knuth's MMIX constants).
pub(super) struct Noise(pub u64);

impl Noise {
    pub fn below(&mut self, n: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 32) * u64::from(n)) >> 32) as u32
    }
}

/// The segment `index` of a stream with this header, of so many frames.
#[must_use]
pub fn segment(header: &Header, scene: Scene, index: u32, frames: usize) -> Segment {
    let channels = (0..usize::from(header.coded.channels))
        .map(|channel| image(header, scene, index, channel, frames))
        .collect();
    Segment { index, channels }
}

/// Level of a pixel in 1/8 dB above the origin.
fn level(header: &Header, scene: Scene, frame: usize, bin: usize, noise: &mut Noise) -> i32 {
    match scene {
        Scene::Jumps if frame % 2 == 0 => return 0,
        Scene::Jumps => return 12_000 + 32 * bin as i32,
        Scene::Silence => return -1,
        Scene::Voice | Scene::Full => {}
    }
    let rate = i64::from(header.coded.rate);
    let hz = bin as i64 * rate / i64::from(header.stft.n_fft);
    let ms = (frame * usize::from(header.stft.hop)) as i64 * 1000 / rate;
    // From 180 Hz up and down again, four times a second.
    let turn = ms % 250;
    let pitch = 180 + turn.min(250 - turn);
    let off = (hz + pitch / 2) % pitch - pitch / 2;
    let tilt = (hz / 32).min(300) as i32;
    let voice = 600 - tilt - (off.abs() * 900 / pitch) as i32 - noise.below(16) as i32;
    let ground = 200 - tilt / 2 + noise.below(48) as i32;
    voice.max(ground)
}

fn image(header: &Header, scene: Scene, index: u32, channel: usize, frames: usize) -> SparseImage {
    let bins = header.stft.bins();
    let first = index as usize * usize::from(header.segment_frames);
    let mut noise = Noise(u64::from(index) << 8 | channel as u64);
    let levels: Vec<i32> = (0..frames * bins)
        .map(|p| level(header, scene, first + p / bins, p % bins, &mut noise))
        .collect();
    let step = i32::from(header.quantiser.step);
    let byte = |x: i32| x.clamp(0, 255) as u8;
    let full = scene == Scene::Full;

    let mut mask = Mask::repeat(false, frames * bins);
    let mut values = Vec::new();
    let kept = match header.mask {
        MaskKind::Ridge { threshold_step } => {
            let covered = header.covered_bins();
            let mut thresholds = Vec::new();
            for (frame, row) in levels.chunks(bins).enumerate() {
                let loudest = row.iter().copied().max().unwrap_or(0);
                let threshold = if full {
                    0
                } else {
                    byte((loudest / 2 + 150) / i32::from(threshold_step))
                };
                let floor = i32::from(threshold) * i32::from(threshold_step);
                thresholds.push(threshold);
                for bin in covered..bins {
                    if full || row[bin] > floor {
                        mask.set(frame * bins + bin, true);
                        values.push(byte((row[bin] - floor) / step));
                    }
                }
            }
            let waveform = (0..frames * header.coefficients())
                .map(|at| coefficient(scene, at, header.coefficients(), &mut noise))
                .collect();
            Kept::Ridge {
                mask,
                values,
                thresholds,
                waveform,
            }
        }
        MaskKind::Seeded { seed } => {
            let pixels = frames * bins;
            let count = match scene {
                Scene::Full => pixels,
                Scene::Silence => 0,
                _ => pixels / 9,
            };
            mask = seeded_mask(seed, index, channel, pixels, count);
            values.extend(mask.iter_ones().map(|p| byte(levels[p] / step)));
            Kept::Scattered { mask, values }
        }
        MaskKind::Packed | MaskKind::RunLength => {
            for (pixel, &level) in levels.iter().enumerate() {
                if full || level > 330 {
                    mask.set(pixel, true);
                    values.push(byte(level / step));
                }
            }
            Kept::Scattered { mask, values }
        }
    };

    let mut lattice = Vec::new();
    if let Some(shape) = header.lattice {
        let edges = header.lattice_edges();
        for frame in (0..frames).step_by(usize::from(shape.every)) {
            for band in edges.windows(2) {
                let cell = &levels[frame * bins..][band[0]..band[1]];
                let lowest = cell.iter().copied().min().unwrap_or(0);
                lattice.push(byte(lowest / i32::from(shape.step)));
            }
        }
    }

    let mut phases = Phases::default();
    if let PhaseKind::Thresholded { bits, .. } | PhaseKind::All { bits } = header.phase {
        let all = matches!(header.phase, PhaseKind::All { .. });
        phases.mask = levels.iter().map(|&x| all || x > 420).collect();
        phases.angles = (0..phases.mask.count_ones())
            .map(|_| noise.below(1 << bits) as u16)
            .collect();
    }
    SparseImage {
        bins,
        frames,
        kept,
        lattice,
        phases,
    }
}

/// The index of a coefficient of the waveform layer, the `at`th of the segment.
fn coefficient(scene: Scene, at: usize, count: usize, noise: &mut Noise) -> i16 {
    let size = match (scene, at / count % 2) {
        (Scene::Silence, _) | (Scene::Jumps, 0) => 0,
        (Scene::Jumps, _) => [0, 1, 200, 254, 255, 256, 4095][noise.below(7) as usize],
        _ => (noise.below(12) / (1 + (at % count) as u32 / 2)) as i16,
    };
    if noise.below(2) == 0 {
        -size
    } else {
        size
    }
}
