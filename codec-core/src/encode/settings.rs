//! What an encoder is told: transform, mask policy, quantisers, layers, phases.

use super::policy::Policy;
use crate::error::{Error, Result};
use codec_format::header::{
    Header, LatticeShape, MaskKind, ModelId, PhaseKind, Quantiser, Signal, Stft, ValueCoding,
    WaveformShape,
};
use codec_format::limits::{Limits, MAX_COEFFICIENTS};

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
    /// Level of the image's floor in 1/8 dB; `None` puts it
    /// [`IMAGE_RANGE`](super::analysis::IMAGE_RANGE) below the loudest pixel.
    pub origin: Option<i16>,
}

impl Settings {
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
        if self.step == 0 {
            return fail("value step must be at least 1/8 dB");
        }
        self.policy.validate()?;
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

    /// The same with segments of `seconds`, as nearly as whole frames allow, and no shorter than the format does (Spec §4.3).
    #[must_use]
    pub fn with_segments_of(self, seconds: f32) -> Self {
        let hop = self.stft.hop.max(1);
        let frames = libm::roundf(seconds * self.rate as f32 / f32::from(hop)) as u16;
        Settings {
            segment_frames: frames.max(self.stft.n_fft.div_ceil(hop)).max(1),
            ..self
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
