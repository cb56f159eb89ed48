//! From PCM to the images an encoder chooses from.

use super::settings::Settings;
use crate::error::{Error, Result};
use crate::transform::lapped::Lapped;
use crate::transform::stft::{level, Complex32, Transform};
use alloc::vec::Vec;
use codec_format::header::{Signal, Stft};
use ndarray::{Array2, ArrayView2};

/// Range of an image: the origin lies this many dB below the loudest pixel of a clip.
pub const IMAGE_RANGE: f32 = 80.0;

/// A whole sound to be encoded.
#[derive(Debug, Clone, Copy)]
pub struct Clip<'a> {
    /// Planar PCM at the coded rate, one vector per channel, all equally long.
    pub channels: &'a [Vec<f32>],
    /// The source's rate and channels: what the PCM was before any resampling.
    pub source: Signal,
    /// Samples per channel of the source.
    pub total_samples: u64,
}

/// Spectra of a clip, or of a run of its frames, on the coded grid: one frames x bins array per channel.
#[derive(Debug, Clone)]
pub struct Analysis {
    pub(super) source: Signal,
    /// Samples per channel of the source, where they are known.
    pub(super) total_samples: Option<u64>,
    pub(super) rate: u32,
    pub(super) stft: Stft,
    /// The clip's frame at which this begins.
    pub(super) first: usize,
    spectra: Vec<Array2<Complex32>>,
    levels: Vec<Array2<f32>>,
    coefficients: Vec<Array2<f32>>,
}

impl Analysis {
    /// Analyses a whole clip for `settings`, and for all others with their rate and transform that have no more
    /// coefficients in their waveform layer.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings out of range, channels of different lengths or as many as the source does not
    /// have, [`Error::NotFinite`] naming the first sample that is not a number.
    pub fn of(clip: &Clip<'_>, settings: &Settings) -> Result<Self> {
        settings.validate()?;
        let len = clip.channels.first().map_or(0, Vec::len);
        if clip.channels.iter().any(|c| c.len() != len) {
            return Err(Error::Settings {
                what: "channels must be equally long",
            });
        }
        check_channels(clip.channels.len(), clip.source)?;
        for (channel, pcm) in clip.channels.iter().enumerate() {
            check_finite(pcm, channel, 0)?;
        }
        let analyser = Analyser::new(clip.source, settings)?;
        let frames = settings.stft.frames_for(len as u64) as usize;
        Ok(Analysis {
            total_samples: Some(clip.total_samples),
            ..analyser.run(clip.channels, 0, 0, frames)
        })
    }

    /// The same sound, said to come from a source of `total_samples` samples at `rate` Hz.
    #[must_use]
    pub fn from_source(mut self, rate: u32, total_samples: u64) -> Self {
        self.source.rate = rate;
        self.total_samples = Some(total_samples);
        self
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
    /// asked for any.
    #[must_use]
    pub fn coefficients(&self, channel: usize) -> Option<ArrayView2<'_, f32>> {
        self.coefficients.get(channel).map(Array2::view)
    }

    /// The origin for this clip in 1/8 dB: [`IMAGE_RANGE`] below its loudest pixel.
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

/// What turns pieces of PCM into analyses.
#[derive(Debug)]
pub(super) struct Analyser {
    source: Signal,
    rate: u32,
    stft: Stft,
    transform: Transform,
    lapped: Option<Lapped>,
}

impl Analyser {
    /// For valid settings.
    pub(super) fn new(source: Signal, settings: &Settings) -> Result<Self> {
        let stft = settings.stft;
        let lapped = settings.waveform;
        Ok(Analyser {
            source,
            rate: settings.rate,
            stft,
            transform: Transform::new(&stft, usize::from(stft.hop))?,
            lapped: lapped.map(|shape| Lapped::new(&stft, shape.coefficients)),
        })
    }

    /// The frames from `first` on, `frames` of them, of PCM whose first sample lies at position `start`.
    pub(super) fn run(
        &self,
        channels: &[Vec<f32>],
        start: i64,
        first: usize,
        frames: usize,
    ) -> Analysis {
        let spectra = channels
            .iter()
            .map(|pcm| self.transform.spectra(pcm, start, first as i64, frames));
        let spectra: Vec<_> = spectra.collect();
        let lapped = self.lapped.iter();
        Analysis {
            source: self.source,
            total_samples: None,
            rate: self.rate,
            stft: self.stft,
            first,
            levels: spectra.iter().map(|s| s.mapv(level)).collect(),
            spectra,
            coefficients: lapped
                .flat_map(|lapped| channels.iter().map(move |pcm| (lapped, pcm)))
                .map(|(lapped, pcm)| lapped.analyse(pcm, start, first as i64, frames))
                .collect(),
        }
    }
}

/// The origin for a clip whose loudest pixel has level `peak` dB, in 1/8 dB.
#[must_use]
pub fn origin_below(peak: f32) -> i16 {
    libm::floorf((peak - IMAGE_RANGE).clamp(-240.0, 160.0) * 8.0) as i16
}

/// Whether a source may have these channels.
pub(super) fn check_channels(channels: usize, source: Signal) -> Result<()> {
    if channels == 0 || channels != usize::from(source.channels) {
        return Err(Error::Settings {
            what: "there must be as many channels as the source has, and at least one",
        });
    }
    Ok(())
}

pub(super) fn check_finite(pcm: &[f32], channel: usize, first: u64) -> Result<()> {
    match pcm.iter().position(|x| !x.is_finite()) {
        Some(i) => Err(Error::NotFinite {
            channel,
            sample: first + i as u64,
        }),
        None => Ok(()),
    }
}
