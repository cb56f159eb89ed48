//! From PCM to the images an encoder chooses from.

use crate::error::{Error, Result};
pub use crate::quantise::angles::{phase_bits, phase_index};
use crate::settings::{origin_below, Settings};
use crate::stft::{level, Complex32, Transform};
use crate::waveform::Lapped;
use alloc::vec::Vec;
use ndarray::{Array2, ArrayView2};

/// Spectra of a clip, or of a run of its frames, on the coded grid: one frames x bins array per channel.
#[derive(Debug, Clone)]
pub struct Analysis {
    spectra: Vec<Array2<Complex32>>,
    levels: Vec<Array2<f32>>,
    coefficients: Vec<Array2<f32>>,
}

impl Analysis {
    /// Analyses a whole clip: planar PCM at the coded rate, one vector per channel, all equally long.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings out of range or channels of different lengths, [`Error::NotFinite`]
    /// naming the first sample that is not a number.
    pub fn of(channels: &[Vec<f32>], settings: &Settings) -> Result<Self> {
        settings.validate()?;
        let len = channels.first().map_or(0, Vec::len);
        if channels.iter().any(|c| c.len() != len) {
            return Err(Error::Settings {
                what: "channels must be equally long",
            });
        }
        let transform = Transform::new(&settings.stft, usize::from(settings.stft.hop))?;
        let frames = frames_of(len as u64, settings) as usize;
        let mut spectra = Vec::new();
        for (channel, pcm) in channels.iter().enumerate() {
            check_finite(pcm, channel, 0)?;
            spectra.push(transform.spectra(pcm, 0, 0, frames));
        }
        let mut analysis = Analysis::from_spectra(spectra);
        if let Some(shape) = &settings.waveform {
            let lapped = Lapped::new(&settings.stft, shape.coefficients);
            analysis.coefficients = channels
                .iter()
                .map(|pcm| lapped.analyse(pcm, 0, 0, frames))
                .collect();
        }
        Ok(analysis)
    }

    /// From spectra computed elsewhere, frames x bins per channel.
    #[must_use]
    pub fn from_spectra(spectra: Vec<Array2<Complex32>>) -> Self {
        let levels = spectra.iter().map(|s| s.mapv(level)).collect();
        Analysis {
            spectra,
            levels,
            coefficients: Vec::new(),
        }
    }

    /// The same with coefficients of the waveform layer, frames x coefficients per channel.
    #[must_use]
    pub fn with_coefficients(self, coefficients: Vec<Array2<f32>>) -> Self {
        Analysis {
            coefficients,
            ..self
        }
    }

    /// Channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.levels.len()
    }

    /// Frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.levels.first().map_or(0, Array2::nrows)
    }

    /// The log-power image of a channel in dB, frames x bins.
    #[must_use]
    pub fn levels(&self, channel: usize) -> ArrayView2<'_, f32> {
        self.levels[channel].view()
    }

    /// The spectra of a channel, frames x bins.
    #[must_use]
    pub fn spectra(&self, channel: usize) -> ArrayView2<'_, Complex32> {
        self.spectra[channel].view()
    }

    /// The coefficients of the waveform layer of a channel, frames x coefficients, if the settings of the analysis
    /// asked for any. Settings tried on it may use fewer of them.
    #[must_use]
    pub fn coefficients(&self, channel: usize) -> Option<ArrayView2<'_, f32>> {
        self.coefficients.get(channel).map(Array2::view)
    }

    /// The origin for this clip in 1/8 dB: [`crate::settings::IMAGE_RANGE`] below its loudest pixel.
    #[must_use]
    pub fn origin(&self) -> i16 {
        let peak = self
            .levels
            .iter()
            .flatten()
            .fold(f32::MIN, |a, &b| if b > a { b } else { a });
        origin_below(peak)
    }
}

/// Frames that cover `samples` coded samples: `1 + ceil(samples / hop)`, none for none (Spec §4.3).
#[must_use]
pub fn frames_of(samples: u64, settings: &Settings) -> u64 {
    if samples == 0 {
        return 0;
    }
    let hop = u64::from(settings.stft.hop.max(1));
    1 + (samples + hop - 1) / hop
}

pub(crate) fn check_finite(pcm: &[f32], channel: usize, first: u64) -> Result<()> {
    match pcm.iter().position(|x| !x.is_finite()) {
        Some(i) => Err(Error::NotFinite {
            channel,
            sample: first + i as u64,
        }),
        None => Ok(()),
    }
}
