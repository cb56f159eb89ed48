//! What an encoder is told: transform, mask policy, quantisers, layers, phases.

use crate::error::{Error, Result};
use codec_format::header::{
    Header, LatticeShape, MaskKind, ModelId, PhaseKind, Quantiser, Signal, Stft, ValueCoding,
    WaveformShape, WindowKind,
};
use codec_format::limits::{Limits, MAX_COEFFICIENTS};
use codec_format::symbols::Mask;
use ndarray::Array2;

/// Range of an image: the origin lies this many dB below the loudest pixel of a clip.
pub const IMAGE_RANGE: f32 = 80.0;

/// Level of the loudest pixel assumed where a signal is encoded before it is all there, in dB: close to
/// what speech at -26 dB re full scale reaches with the speech profile's transform.
pub const STREAM_PEAK: f32 = 30.0;

/// Level of the waveform layer's step less the frame's threshold in the speech profile, 1/8 dB.
pub const WAVEFORM_STEP: i8 = -40;

/// How the kept pixels are chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// Pixels above a threshold per frame: half the frame's peak (in dB above the origin) plus `margin`, and above 2 kHz
    /// another decibel for each kilohertz. A smaller margin keeps more.
    Ridge {
        /// dB added to half the peak.
        margin: f32,
        /// Step of the thresholds in 1/8 dB, at least 1.
        threshold_step: u8,
    },
    /// Uniform random, the thesis' baseline: exactly `round((1 - sparsity) * pixels)` of a segment.
    Uniform {
        /// Share of pixels dropped, 0..=1.
        sparsity: f32,
        /// Seed of the generator; it is written to the header.
        seed: u64,
    },
    /// The strongest pixels of each frame.
    Energy {
        /// Share of each frame's pixels dropped, 0..=1.
        sparsity: f32,
    },
    /// The caller's mask over the whole clip (first channel's frames; every channel uses it), and, where
    /// it was optimised, what to store at the kept pixels.
    Explicit {
        /// Bins x frames in pixel order; frames past its end keep nothing.
        mask: Mask,
        /// Levels in dB above the origin, frames x bins of the whole clip, stored at the kept pixels in
        /// place of the signal's own. Pixels past its end have the signal's.
        levels: Option<Array2<f32>>,
    },
}

impl Policy {
    /// The same with another ridge margin, dB; other policies as they are.
    #[must_use]
    pub fn with_margin(&self, margin: f32) -> Self {
        match *self {
            Policy::Ridge { threshold_step, .. } => Policy::Ridge {
                margin,
                threshold_step,
            },
            _ => self.clone(),
        }
    }
}

/// Everything about a stream that does not follow from the signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Sample rate to code at, Hz: the encoder takes PCM at this rate.
    pub rate: u32,
    /// Transform of the coded grid.
    pub stft: Stft,
    /// Frames in a segment.
    pub segment_frames: u16,
    /// Step of the values in 1/8 dB, at least 1.
    pub step: u8,
    /// Choice of the kept pixels.
    pub policy: Policy,
    /// Background lattice, if any.
    pub lattice: Option<LatticeShape>,
    /// Which phases to store.
    pub phase: PhaseKind,
    /// The waveform layer, if any; with the ridge policy alone.
    pub waveform: Option<WaveformShape>,
    /// How kept values are coded (the ridge policy codes its own way).
    pub values: ValueCoding,
    /// Level of the image's floor in 1/8 dB; `None` puts it [`IMAGE_RANGE`] below the loudest pixel.
    pub origin: Option<i16>,
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
            policy: Policy::Ridge {
                margin: 22.0,
                threshold_step: 16,
            },
            lattice: Some(LatticeShape {
                bands: 14,
                every: 2,
                step: 32,
            }),
            phase: PhaseKind::None,
            waveform: None,
            values: ValueCoding::Context,
            origin: None,
        }
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

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Settings`] naming the first rule broken.
    pub fn validate(&self) -> Result<()> {
        let fail = |what| Err(Error::Settings { what });
        let limits = Limits::default();
        limits.check_rate(self.rate).map_err(Error::setting)?;
        self.stft.validate(&limits).map_err(Error::setting)?;
        if self.segment_frames == 0 {
            return fail("a segment needs at least one frame");
        }
        if is_too_short(&self.stft, self.segment_frames) {
            return fail(SHORT_SEGMENTS);
        }
        if self.step == 0 {
            return fail("value step must be at least 1/8 dB");
        }
        match &self.policy {
            Policy::Ridge {
                margin,
                threshold_step,
            } => {
                if !margin.is_finite() {
                    return fail("ridge margin must be finite");
                }
                if *threshold_step == 0 {
                    return fail("threshold step must be at least 1/8 dB");
                }
            }
            Policy::Uniform { sparsity, .. } | Policy::Energy { sparsity } => {
                if !(0.0..=1.0).contains(sparsity) {
                    return fail("sparsity must be from 0 to 1");
                }
            }
            Policy::Explicit { levels, .. } => {
                if levels.iter().flatten().any(|x| !x.is_finite()) {
                    return fail("levels to store must be finite");
                }
            }
        }
        let covered = self.waveform.map_or(0, |w| w.covered_bins(&self.stft));
        if let Some(lattice) = self.lattice {
            if lattice.bands == 0 || usize::from(lattice.bands) > self.stft.bins() - covered {
                return fail(
                    "lattice bands must be from 1 to the number of bins above the waveform layer",
                );
            }
            if lattice.every == 0 || lattice.step == 0 {
                return fail("lattice spacing and step must be at least 1");
            }
        }
        if let Some(shape) = self.waveform {
            let ridge = matches!(self.policy, Policy::Ridge { .. });
            let count = u16::from(shape.coefficients);
            if !ridge || count == 0 || count > u16::from(MAX_COEFFICIENTS).min(self.stft.hop) {
                return fail(
                    "the waveform layer needs the ridge policy and from 1 to 128 coefficients, no more than \
                     the hop",
                );
            }
        }
        match self.phase {
            PhaseKind::Thresholded { bits, .. } | PhaseKind::All { bits }
                if !(1..=12).contains(&bits) =>
            {
                fail("phase bits must be from 1 to 12")
            }
            _ => Ok(()),
        }
    }

    /// The header of a stream with these settings.
    #[must_use]
    pub fn header(
        &self,
        source: Signal,
        total_samples: Option<u64>,
        origin: i16,
        model: Option<ModelId>,
    ) -> Header {
        Header {
            source,
            coded: Signal {
                rate: self.rate,
                channels: source.channels,
            },
            total_samples,
            pre_skip: 0,
            stft: self.stft,
            segment_frames: self.segment_frames,
            model,
            quantiser: Quantiser {
                origin,
                step: self.step,
            },
            mask: match self.policy {
                Policy::Ridge { threshold_step, .. } => MaskKind::Ridge { threshold_step },
                Policy::Uniform { seed, .. } => MaskKind::Seeded { seed },
                Policy::Energy { .. } | Policy::Explicit { .. } => MaskKind::RunLength,
            },
            values: self.values,
            lattice: self.lattice,
            phase: self.phase,
            waveform: self.waveform,
        }
    }
}

/// The rule on the length of segments, as errors tell it.
pub(crate) const SHORT_SEGMENTS: &str = "a segment must be at least as long as n_fft";

/// Whether segments are so short that a decoder, which works segment by segment and looks some transform
/// lengths around each, would mostly repeat itself.
pub(crate) fn is_too_short(stft: &Stft, segment_frames: u16) -> bool {
    u32::from(segment_frames) * u32::from(stft.hop) < u32::from(stft.n_fft)
}

/// The origin for a clip whose loudest pixel has level `peak` dB, in 1/8 dB.
#[must_use]
pub fn origin_below(peak: f32) -> i16 {
    libm::floorf((peak - IMAGE_RANGE).clamp(-240.0, 160.0) * 8.0) as i16
}
