//! One clip through a real file and back, and what is left of it.

use super::clips::Excerpt;
use super::error::Result;
use super::RATE;
use codec_core::decode::dense_images;
use codec_core::encode::{Analysis, Clip, Settings, Target};
use codec_format::header::Signal;
use codec_format::symbols::Segment;
use codec_metrics::Measure;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use sparc::{Decoding, Network, Networks, Pcm, Plan, Stream};
use std::sync::Arc;

/// What was measured of one clip, or the means over several. `None` where a measure has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Bytes of the whole `.sparc` file, without a model.
    pub bytes: Option<f64>,
    /// Seconds of sound.
    pub seconds: f64,
    /// Mean squared error of the completed log-power image, dB^2, levels below the image's floor counted as the
    /// floor.
    pub mse: Option<f64>,
    /// Wide-band PESQ (P.862.2).
    pub pesq_wb: Option<f64>,
    /// Narrow-band PESQ (P.862.1) at 8 kHz.
    pub pesq_nb: Option<f64>,
    /// Intelligibility.
    pub stoi: Option<f64>,
    /// Share of the phases that are stored, 0..=1.
    pub phases: Option<f64>,
}

impl Measured {
    /// Thousand bits a second of the file.
    #[must_use]
    pub fn kilobits(&self) -> Option<f64> {
        self.bytes
            .map(|bytes| bytes * 8.0 / self.seconds.max(1e-9) / 1000.0)
    }

    /// Means over clips; a measure is the mean over those clips that have it.
    #[must_use]
    pub fn mean(all: &[Measured]) -> Measured {
        let mean = |get: &dyn Fn(&Measured) -> Option<f64>| {
            let known: Vec<f64> = all.iter().filter_map(get).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        Measured {
            bytes: mean(&|m| m.bytes),
            seconds: mean(&|m| Some(m.seconds)).unwrap_or_default(),
            mse: mean(&|m| m.mse),
            pesq_wb: mean(&|m| m.pesq_wb),
            pesq_nb: mean(&|m| m.pesq_nb),
            stoi: mean(&|m| m.stoi),
            phases: mean(&|m| m.phases),
        }
    }

    /// The sound measures of `decoded` against `clip`.
    #[must_use]
    pub fn of_sound(clip: &[f32], decoded: &[f32], rate: u32) -> Measured {
        let len = clip.len().min(decoded.len());
        let (x, y) = (&clip[..len], &decoded[..len]);
        let of = |measure: Measure| measure.between(x, y, rate).ok();
        Measured {
            seconds: clip.len() as f64 / f64::from(rate),
            pesq_wb: of(Measure::PesqWb),
            pesq_nb: of(Measure::PesqNb),
            stoi: of(Measure::Stoi),
            ..Measured::default()
        }
    }
}

/// A `.sparc` file as any decoder plays it.
#[derive(Debug, Clone)]
pub struct Coded {
    /// Bytes of the file.
    pub bytes: usize,
    /// What it holds.
    pub stream: Stream,
    /// What comes out.
    pub pcm: Vec<f32>,
}

/// How every file is encoded but for its settings and its target.
#[must_use]
pub fn plan(network: &Arc<Network>) -> Plan {
    Plan {
        candidates: Vec::new(),
        target: Target::Settings,
        strict: true,
        network: Some(network.clone()),
        embed: false,
        metadata: None,
        seek_index: false,
        delay: f32::INFINITY,
    }
}

impl Coded {
    /// Writes a clip of [`RATE`] to a file and reads that back.
    ///
    /// # Errors
    /// [`crate::reproduce::Error::Codec`] if encoding or decoding fails.
    pub fn new(plan: &Plan, clip: &Excerpt) -> Result<Self> {
        let file = plan.encode(&Pcm::from_mono(RATE, clip.pcm.clone()))?.bytes;
        let networks = plan.network.iter().cloned();
        let decoding = Decoding {
            networks: networks.fold(Networks::default(), Networks::with),
            ..Decoding::default()
        };
        let mut pcm = sparc::decode_with(&file, &decoding)?.pcm.channels;
        Ok(Coded {
            bytes: file.len(),
            stream: Stream::read(&file, &decoding)?,
            pcm: pcm.swap_remove(0),
        })
    }

    /// The completed image in dB, fine frames x bins.
    ///
    /// # Errors
    /// [`crate::reproduce::Error::Codec`] if the network does not fit.
    pub fn image(&self) -> Result<Array2<f32>> {
        let segments: Vec<Segment> = self.stream.segments.iter().flatten().cloned().collect();
        let network = self.stream.network.as_ref();
        let model = network.map(|network| &network.model);
        let (mut images, _) = dense_images(&self.stream.header, model, &segments)?;
        Ok(images.swap_remove(0))
    }

    /// The mask, frames x bins, 1 where a pixel is kept.
    #[must_use]
    pub fn mask(&self) -> Array2<f32> {
        let segments = self.stream.segments.iter().flatten();
        let images = segments.filter_map(|s| s.channels.first());
        let bits: Vec<f32> = images
            .flat_map(|image| image.mask().iter().by_vals().map(f32::from))
            .collect();
        let bins = self.stream.header.stft.bins();
        Array2::from_shape_vec((bits.len() / bins, bins), bits).unwrap_or_default()
    }

    /// Share of pixels whose phase is stored.
    #[must_use]
    pub fn stored_phases(&self) -> f64 {
        let images = || {
            self.stream
                .segments
                .iter()
                .flatten()
                .flat_map(|s| &s.channels)
        };
        let pixels: usize = images().map(|i| i.mask().len()).sum();
        let stored: usize = images().map(|i| i.phases.angles.len()).sum();
        stored as f64 / pixels.max(1) as f64
    }

    /// The level of the image's floor, dB.
    #[must_use]
    pub fn origin(&self) -> f32 {
        codec_core::quantise::levels::origin(&self.stream.header.quantiser)
    }
}

/// Mean squared difference of two images in dB, whatever lies below `floor` raised to it: dB^2.
#[must_use]
pub fn image_error(wanted: &Array2<f32>, found: &Array2<f32>, floor: f32) -> Option<f64> {
    if wanted.dim() != found.dim() || wanted.is_empty() {
        return None;
    }
    let sum: f64 = wanted
        .iter()
        .zip(found)
        .map(|(a, b)| f64::from(a.max(floor) - b.max(floor)).powi(2))
        .sum();
    Some(sum / wanted.len() as f64)
}

/// A clip with its analysis on the grid that most experiments share.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The clip.
    pub clip: &'a Excerpt,
    /// Its spectra.
    pub analysis: Analysis,
    /// Its levels in dB, frames x bins.
    pub levels: Array2<f32>,
}

impl<'a> Subject<'a> {
    /// Analyses a clip on the grid of `settings`.
    ///
    /// # Errors
    /// [`crate::reproduce::Error::Codec`] for settings out of range.
    pub fn new(clip: &'a Excerpt, settings: &Settings) -> Result<Self> {
        let sound = Clip {
            channels: std::slice::from_ref(&clip.pcm),
            source: Signal {
                rate: RATE,
                channels: 1,
            },
            total_samples: clip.pcm.len() as u64,
        };
        let analysis = Analysis::of(&sound, settings)?;
        let levels = analysis.levels(0).to_owned();
        Ok(Subject {
            clip,
            analysis,
            levels,
        })
    }

    /// The clip through a file with these settings.
    ///
    /// # Errors
    /// As [`Coded::new`].
    pub fn code(&self, settings: &Settings, network: &Arc<Network>) -> Result<Coded> {
        let plan = Plan {
            candidates: vec![settings.clone()],
            ..plan(network)
        };
        Coded::new(&plan, self.clip)
    }

    /// Everything measured of a file as any decoder plays it.
    ///
    /// # Errors
    /// As [`Coded::image`].
    pub fn measure(&self, coded: &Coded) -> Result<Measured> {
        let image = coded.image()?;
        Ok(Measured {
            bytes: Some(coded.bytes as f64),
            mse: image_error(&self.levels, &image, coded.origin()),
            phases: Some(coded.stored_phases()),
            ..Measured::of_sound(&self.clip.pcm, &coded.pcm, RATE)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_below_the_floor_do_not_count() {
        let a = Array2::from_elem((2, 2), -100.0);
        let mut b = Array2::from_elem((2, 2), -90.0);
        assert_eq!(image_error(&a, &b, -80.0), Some(0.0));
        b[(0, 0)] = -76.0;
        assert_eq!(image_error(&a, &b, -80.0), Some(4.0));
        assert_eq!(image_error(&a, &Array2::zeros((1, 2)), -80.0), None);
    }

    #[test]
    fn means_skip_what_is_not_defined() {
        let one = Measured {
            bytes: Some(100.0),
            seconds: 1.0,
            ..Measured::default()
        };
        let two = Measured {
            bytes: None,
            seconds: 3.0,
            mse: Some(4.0),
            ..Measured::default()
        };
        let mean = Measured::mean(&[one, two]);
        assert_eq!((mean.bytes, mean.mse), (Some(100.0), Some(4.0)));
        assert_eq!(mean.seconds, 2.0);
        assert_eq!(one.kilobits(), Some(0.8));
    }
}
