//! What the profiles choose: transforms, masks, layers and rates that serve speech, and those of the thesis. Everything
//! else takes [`Settings`] as they come. `docs/rate-distortion.md` has what was measured.

use super::policy::{Policy, Rise};
use super::settings::Settings;
use alloc::vec::Vec;
use codec_format::header::{LatticeShape, PhaseKind, Stft, ValueCoding, WaveformShape, WindowKind};

/// Level of the loudest pixel assumed where a signal is encoded before it is all there, in dB: close to
/// what speech at -26 dB re full scale reaches with the speech profile's transform.
pub const STREAM_PEAK: f32 = 30.0;

/// Level of the waveform layer's step less the frame's threshold in the speech profile, 1/8 dB.
pub const WAVEFORM_STEP: i8 = -40;

/// High up, where many bins share a critical band, a pixel tells the ear less than the bits it takes: a decibel for every
/// kilohertz above 2.
pub const RISE: Rise = Rise {
    from: 2_000.0,
    per_kilohertz: 1.0,
};

/// The ridge margin that speech takes about `bits_per_second` a channel with, dB: where searches start.
#[must_use]
pub fn usual_margin(bits_per_second: u32) -> f32 {
    22.0 - 20.0 * libm::logf(bits_per_second.max(1) as f32 / 6_000.0)
}

/// The speech profile's ridges at a margin in dB.
#[must_use]
pub fn ridge(margin: f32) -> Policy {
    Policy::Ridge {
        margin,
        threshold_step: 16,
        rise: RISE,
    }
}

/// The speech profile's waveform layer with so many coefficients; none without any.
#[must_use]
pub fn waveform(coefficients: u8) -> Option<WaveformShape> {
    let shape = WaveformShape {
        coefficients,
        step: WAVEFORM_STEP,
    };
    Some(shape).filter(|shape| shape.coefficients > 0)
}

/// The speech profile's lattice: `bands` bands every other frame, in steps of `step` / 8 dB.
fn lattice(bands: u8, step: u8) -> Option<LatticeShape> {
    Some(LatticeShape {
        bands,
        every: 2,
        step,
    })
}

/// How much time an encoder takes to find its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// [`Settings::speech_at`] as they are.
    Fast,
    /// A few settings compared by their sound ([`super::choose`]): still faster than real time.
    Default,
    /// All that ever won.
    Best,
}

impl Settings {
    /// The speech profile: 16 kHz, 512-sample Hann windows every 256 samples, the ridge policy over a
    /// 14-band lattice, no phases. About 6 kbit/s on speech.
    #[must_use]
    pub fn speech() -> Self {
        Settings {
            rate: 16_000,
            stft: Stft {
                n_fft: 512,
                window_length: 512,
                window: WindowKind::Hann,
                hop: 256,
            },
            segment_frames: 64,
            step: 48,
            policy: ridge(usual_margin(6_000)),
            lattice: lattice(14, 32),
            phase: PhaseKind::None,
            waveform: None,
            values: ValueCoding::Context,
            origin: None,
        }
    }

    /// The speech profile for a rate in bits a second and channel: a lattice of 26 bands in steps of 8 dB, of 6 dB above
    /// 5500; above that also the lowest 12 coefficients as a waveform, 16 above 7000, 20 above 10500. The margin is the
    /// usual one at that rate.
    #[must_use]
    pub fn speech_at(bits_per_second: u32) -> Self {
        let (lattice_step, coefficients) = match bits_per_second {
            0..=5_500 => (64, 0),
            5_501..=7_000 => (48, 12),
            7_001..=10_500 => (48, 16),
            _ => (48, 20),
        };
        Settings {
            policy: ridge(usual_margin(bits_per_second)),
            lattice: lattice(26, lattice_step),
            waveform: waveform(coefficients),
            ..Settings::speech()
        }
    }

    /// The speech profile at a constant quality of 0..=10: on speech 2 to 12 kbit/s or so.
    #[must_use]
    pub fn speech_of_quality(quality: f32) -> Self {
        Settings {
            policy: ridge(34.0 - 3.0 * quality),
            ..Settings::speech_at(2_000 + (1_000.0 * quality) as u32)
        }
    }

    /// Settings worth trying on speech for a rate in bits a second and channel; [`Settings::speech_at`] are the first.
    #[must_use]
    pub fn speech_candidates(bits_per_second: u32, effort: Effort) -> Vec<Self> {
        let first = Settings::speech_at(bits_per_second);
        let usual = first.waveform.map_or(0, |shape| shape.coefficients);
        // One waveform layer larger, one smaller; where there is none, a small one.
        let (more, less) = match usual {
            0 => (10, 0),
            _ => (usual + 4, if usual > 12 { usual - 4 } else { 0 }),
        };
        // Bands, steps of the lattice and of the values in 1/8 dB, coefficients: the first few are the default effort's.
        let others = [
            (20, 48, 48, usual),
            (26, 48, 48, more),
            (26, 48, 48, less),
            (26, 48, 64, usual),
            (32, 64, 48, usual),
            (26, 64, 48, usual),
            (20, 64, 48, usual),
            (14, 48, 48, usual),
            (26, 48, 40, usual),
            (26, 48, 64, more),
            (20, 48, 48, more),
            (20, 32, 48, usual),
        ];
        let tried = match effort {
            Effort::Fast => 0,
            Effort::Default => 4,
            Effort::Best => others.len(),
        };
        let mut all = Vec::from([first.clone()]);
        for &(bands, lattice_step, step, coefficients) in &others[..tried] {
            let settings = Settings {
                lattice: lattice(bands, lattice_step),
                waveform: waveform(coefficients),
                step,
                ..first.clone()
            };
            if !all.contains(&settings) {
                all.push(settings);
            }
        }
        all
    }

    /// The thesis' profile (Scodeller 2022, chapter 3): 16 kHz, 2048-sample windows every 256 samples, a
    /// uniform random mask, every phase stored (here with 6 bits).
    ///
    /// `sparsity` is the share of pixels dropped; the thesis uses 0.80 to 0.95.
    #[must_use]
    pub fn thesis(sparsity: f32) -> Self {
        Settings {
            rate: 16_000,
            stft: Stft {
                n_fft: 2048,
                window_length: 2048,
                window: WindowKind::Hann,
                hop: 256,
            },
            segment_frames: 64,
            step: 8,
            policy: Policy::Uniform { sparsity, seed: 1 },
            lattice: None,
            phase: PhaseKind::All { bits: 6 },
            waveform: None,
            values: ValueCoding::Context,
            origin: None,
        }
    }

    /// What takes fewer bits where a rate cannot be met otherwise: no waveform layer, then fewer bands, then fewer steps
    /// in time. `None` where nothing is left to thin.
    pub(crate) fn thinner(&self) -> Option<Self> {
        let mut thin = self.clone();
        if thin.waveform.take().is_none() {
            match &mut thin.lattice {
                Some(lattice) if lattice.bands > 8 => lattice.bands = 8.max(lattice.bands * 2 / 3),
                Some(lattice) if lattice.every < 8 => lattice.every *= 2,
                _ => return None,
            }
        }
        Some(thin)
    }
}

/// Value steps in 1/8 dB tried, from the coarsest on, where the finest margin leaves bytes over.
pub(crate) const FINER_STEPS: [u8; 4] = [40, 32, 24, 16];
