//! One clip made ready for optimising its mask.

use super::completion::Observed;
use crate::error::{Error, Result};
use codec_core::decode::{clip, dense_images};
use codec_core::encode::{Analysis, Clip, Encoding, Policy, Settings, Target};
use codec_core::network::Network;
use codec_core::quantise::angles::{phase_bits, phase_index, phase_unit};
use codec_core::quantise::levels::{self, short, LOUDEST};
use codec_core::transform::stft::{Complex32, Transform};
use codec_format::header::{ModelId, PhaseKind, Quantiser, Signal};
use codec_format::model::{Arithmetic, Model};
use codec_format::symbols::Mask;
use codec_metrics as metrics;
use ndarray::{Array2, ArrayView2};

/// Rate of PESQ's wide-band mode, Hz.
const WIDE_BAND: u32 = 16_000;

/// A clip, its images, and the network that completes them.
#[derive(Debug, Clone)]
pub struct Problem {
    pcm: Vec<f32>,
    settings: Settings,
    model: Model,
    analysis: Analysis,
    quantiser: Quantiser,
    /// dB above the origin, at least zero, frames x bins.
    levels: Array2<f32>,
    /// The same as a file gives them back.
    stored: Array2<f32>,
    /// Phases as unit vectors, frames x bins.
    units: Array2<Complex32>,
    transform: Transform,
}

/// What a search makes large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fitness {
    /// The mean squared error of the completed image, negated.
    Mse,
    /// Wide-band PESQ of the sound with the true phases.
    Pesq,
}

/// How a file's sound compares with the clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Mean squared error of the completed image, dB^2 ([`Problem::mse`]).
    pub mse: f64,
    /// PESQ, wide band (P.862.2).
    pub pesq_wb: f64,
    /// PESQ, narrow band (P.862.1), of the sound decimated to 8 kHz.
    pub pesq_nb: f64,
    /// Short-time objective intelligibility.
    pub stoi: f64,
}

impl Problem {
    /// Analyses `pcm` (mono, full scale 1, at `settings.rate`) for a network.
    ///
    /// The policy of `settings` does not matter, its transform, step, segments, phases and origin do. The
    /// origin, where none is set, is found from the clip and kept.
    ///
    /// # Errors
    /// [`Error::Core`] for settings out of range, samples that are not numbers or a model made for another
    /// grid; [`Error::Network`] for a model that refines the image in time, whose frames have no true phases;
    /// [`Error::Config`] for a lattice, or a clip without samples.
    pub fn new(pcm: &[f32], settings: &Settings, model: &Model) -> Result<Self> {
        if settings.lattice.is_some() {
            return Err(Error::Config(
                "masks are optimised for images without a background lattice".into(),
            ));
        }
        if pcm.is_empty() {
            return Err(Error::Config("the clip holds no samples".into()));
        }
        if model.arithmetic != Arithmetic::Real {
            let what = "the model is one of whole numbers, which have no gradients";
            return Err(Error::Network(what.into()));
        }
        if model.upsampling() != 1 {
            return Err(Error::Network(format!(
                "the model makes {} frames of one; masks are optimised for models that make one",
                model.upsampling()
            )));
        }
        let source = Signal {
            rate: settings.rate,
            channels: 1,
        };
        let pcm = pcm.to_vec();
        let clip = Clip {
            channels: std::slice::from_ref(&pcm),
            source,
            total_samples: pcm.len() as u64,
        };
        let analysis = Analysis::of(&clip, settings)?;
        let origin = settings.origin.unwrap_or_else(|| analysis.origin());
        let settings = Settings {
            origin: Some(origin),
            policy: Policy::Uniform {
                sparsity: 0.95,
                seed: 1,
            },
            ..settings.clone()
        };
        let header = settings.header(source, Some(pcm.len() as u64), origin, None);
        Network::new(model, &header)?;
        let quantiser = header.quantiser;
        let floor = levels::origin(&quantiser);
        let image = analysis.levels(0).mapv(|x| (x - floor).max(0.0));
        let bits = phase_bits(settings.phase);
        let units = analysis.spectra(0).mapv(|z| unit(z, bits));
        let transform = Transform::new(&settings.stft, usize::from(settings.stft.hop))?;
        Ok(Problem {
            pcm,
            stored: image.mapv(|x| stored_level(&quantiser, x)),
            model: model.clone(),
            settings,
            analysis,
            quantiser,
            levels: image,
            units,
            transform,
        })
    }

    /// The same clip, its files telling that it was `total` samples at `rate` Hz before it was resampled.
    #[must_use]
    pub fn with_source(mut self, rate: u32, total: u64) -> Self {
        self.analysis = self.analysis.from_source(rate, total);
        self
    }

    /// Frames of the image.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.levels.nrows()
    }

    /// Bins of a frame.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.levels.ncols()
    }

    /// Pixels of the image.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.levels.len()
    }

    /// The samples, at the coded rate.
    #[must_use]
    pub fn pcm(&self) -> &[f32] {
        &self.pcm
    }

    /// The network's model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The settings, their origin filled in.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The image: dB above the origin, at least zero, frames x bins.
    #[must_use]
    pub fn levels(&self) -> ArrayView2<'_, f32> {
        self.levels.view()
    }

    /// The image as its kept pixels are read back from a file: quantised.
    #[must_use]
    pub fn stored(&self) -> ArrayView2<'_, f32> {
        self.stored.view()
    }

    /// What a file gives back of a level, both in dB above the origin.
    #[must_use]
    pub fn stored_level(&self, level: f32) -> f32 {
        stored_level(&self.quantiser, level)
    }

    /// The mask that a policy chooses for this clip.
    ///
    /// # Errors
    /// [`Error::Core`] for a policy out of range.
    pub fn mask_of(&self, policy: Policy) -> Result<Mask> {
        let encoded = self.encode(policy, PhaseKind::None, None)?;
        Ok(encoded
            .segments
            .iter()
            .flat_map(|s| &s.channels)
            .flat_map(|image| image.mask().iter().by_vals())
            .collect())
    }

    /// The thesis' baseline: a uniform random mask, as the encoder draws it for this sparsity and seed.
    ///
    /// # Errors
    /// [`Error::Core`] for a sparsity outside 0..=1.
    pub fn random_mask(&self, sparsity: f32, seed: u64) -> Result<Mask> {
        self.mask_of(Policy::Uniform { sparsity, seed })
    }

    /// Completes the image from the pixels of `mask`, with the levels `kept` (dB above the origin, frames x
    /// bins; [`Problem::stored`] for the signal's own). Returns dB above the origin, frames x bins.
    ///
    /// # Errors
    /// [`Error::Network`] if the network reads a plane that there is not.
    pub fn complete(&self, mask: &Mask, kept: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let (frames, bins) = self.levels.dim();
        let mut ones = vec![0.0; bins * frames];
        for pixel in mask.iter_ones() {
            ones[pixel % bins * frames + pixel / bins] = 1.0;
        }
        let values = self.normalised(kept);
        let levels = self.observed(&values, &ones).completed(None)?;
        Ok(self.turned_back(&levels))
    }

    /// What is known of the image with these values (network's units) and this mask, both bins x frames.
    pub(super) fn observed<'a>(&'a self, values: &'a [f32], mask: &'a [f32]) -> Observed<'a> {
        Observed {
            model: &self.model,
            bins: self.bins(),
            frames: self.frames(),
            values,
            mask,
        }
    }

    /// An image of bins x frames as one of frames x bins.
    pub(super) fn turned_back(&self, image: &[f32]) -> Array2<f32> {
        let frames = self.frames();
        Array2::from_shape_fn(self.levels.dim(), |(frame, bin)| {
            image[bin * frames + frame]
        })
    }

    /// Levels in the network's units, bins x frames.
    pub(super) fn normalised(&self, levels: ArrayView2<'_, f32>) -> Vec<f32> {
        let n = self.model.normalisation;
        let turned = levels.reversed_axes();
        turned.iter().map(|x| (x - n.offset) / n.scale).collect()
    }

    /// Mean squared error of a completed image, dB^2: over all pixels, both images raised to the origin where
    /// they lie below it.
    #[must_use]
    pub fn mse(&self, dense: &Array2<f32>) -> f64 {
        let sum: f64 = dense
            .iter()
            .zip(&self.levels)
            .map(|(d, x)| f64::from((d.max(0.0) - x).powi(2)))
            .sum();
        sum / self.levels.len().max(1) as f64
    }

    /// The sound of a completed image with the clip's true phases (as many bits as the settings store of
    /// them), as many samples as the clip.
    #[must_use]
    pub fn sound(&self, dense: &Array2<f32>) -> Vec<f32> {
        let origin = levels::origin(&self.quantiser);
        let mut spectra = self.units.clone();
        for (z, level) in spectra.iter_mut().zip(dense) {
            let magnitude = 10f32.powf((level + origin).min(LOUDEST) / 20.0);
            let magnitude = if magnitude.is_nan() {
                0.0
            } else {
                short(magnitude)
            };
            *z = Complex32::new(z.re * magnitude, z.im * magnitude);
        }
        self.transform.synthesise(spectra.view(), self.pcm.len())
    }

    /// Wide-band PESQ of a completed image's sound with the true phases.
    ///
    /// # Errors
    /// [`Error::Measure`] where PESQ is not defined: at other rates than 16 kHz, for silence, or for less than
    /// a quarter of a second.
    pub fn pesq(&self, dense: &Array2<f32>) -> Result<f64> {
        self.pesq_of(&self.sound(dense))
    }

    /// Wide-band PESQ of a sound as long as the clip, cut off at full scale as a WAV file of integers does.
    ///
    /// # Errors
    /// As [`Problem::pesq`].
    pub fn pesq_of(&self, pcm: &[f32]) -> Result<f64> {
        if self.settings.rate != WIDE_BAND {
            return Err(Error::Measure(format!(
                "PESQ-WB is defined at {WIDE_BAND} Hz; the clip is coded at {} Hz",
                self.settings.rate
            )));
        }
        metrics::pesq_wb(&self.pcm, &within_full_scale(pcm))
            .map_err(|e| Error::Measure(e.to_string()))
    }

    /// How good a mask with the signal's own levels is; larger is better.
    ///
    /// # Errors
    /// As [`Problem::pesq`].
    pub fn fitness(&self, mask: &Mask, fitness: Fitness) -> Result<f64> {
        let dense = self.complete(mask, self.stored())?;
        match fitness {
            Fitness::Mse => Ok(-self.mse(&dense)),
            Fitness::Pesq => self.pesq(&dense),
        }
    }

    /// The clip as symbols, the pixels chosen by `policy` and phases stored as `phase` says.
    ///
    /// # Errors
    /// [`Error::Core`] for a policy or phases out of range.
    pub fn encode(
        &self,
        policy: Policy,
        phase: PhaseKind,
        model: Option<ModelId>,
    ) -> Result<Encoding> {
        let settings = Settings {
            policy,
            phase,
            ..self.settings.clone()
        };
        Ok(self.analysis.encode(Target::Settings, &settings, model)?)
    }

    /// The bytes of a file, with the model file `embedded` in it if one is given.
    ///
    /// # Errors
    /// [`Error::Format`] if a limit of the format is exceeded.
    pub fn file(&self, encoded: &Encoding, embedded: Option<&[u8]>) -> Result<Vec<u8>> {
        Ok(encoded.file(embedded)?)
    }

    /// What the decoder makes of the symbols: samples at the coded rate, as many as the clip.
    ///
    /// # Errors
    /// [`Error::Core`] if the symbols are not those of this clip.
    pub fn decode(&self, encoded: &Encoding) -> Result<Vec<f32>> {
        let mut pcm = clip(&encoded.header, Some(&self.model), &encoded.segments)?.remove(0);
        pcm.resize(self.pcm.len(), 0.0);
        Ok(pcm)
    }

    /// Decodes the symbols, as any decoder would, and measures what comes out.
    ///
    /// # Errors
    /// As [`Problem::decode`] and [`Problem::pesq`].
    pub fn measure(&self, encoded: &Encoding) -> Result<Measures> {
        let (mut dense, _) = dense_images(&encoded.header, Some(&self.model), &encoded.segments)?;
        let origin = levels::origin(&encoded.header.quantiser);
        let dense = dense.remove(0).mapv(|x| x - origin);
        let pcm = self.decode(encoded)?;
        self.measure_sound(self.mse(&dense), &pcm)
    }

    /// The measures of a sound as long as the clip, whose image has the error `mse` dB^2.
    ///
    /// # Errors
    /// As [`Problem::pesq`].
    pub fn measure_sound(&self, mse: f64, pcm: &[f32]) -> Result<Measures> {
        let fail = |e: metrics::Error| Error::Measure(e.to_string());
        let pcm = &within_full_scale(pcm)[..];
        Ok(Measures {
            mse,
            pesq_wb: self.pesq_of(pcm)?,
            pesq_nb: metrics::pesq_nb(&halved(&self.pcm), &halved(pcm), WIDE_BAND / 2)
                .map_err(fail)?,
            stoi: metrics::stoi(&self.pcm, pcm, self.settings.rate).map_err(fail)?,
        })
    }
}

fn within_full_scale(pcm: &[f32]) -> Vec<f32> {
    pcm.iter().map(|x| x.clamp(-1.0, 1.0)).collect()
}

/// The direction of a spectral value, rounded to `bits` bits of angle if that is not zero.
fn unit(z: Complex32, bits: u8) -> Complex32 {
    if bits > 0 {
        return phase_unit(phase_index(z, bits), bits);
    }
    let angle = z.im.atan2(z.re);
    Complex32::new(angle.cos(), angle.sin())
}

fn stored_level(quantiser: &Quantiser, level: f32) -> f32 {
    levels::decibels(levels::value(
        quantiser,
        levels::floor_index(level, quantiser.step),
    ))
}

/// A signal at half its rate: a windowed-sinc low-pass of 95 taps at a quarter of the rate, then every other
/// sample.
fn halved(x: &[f32]) -> Vec<f32> {
    const HALF: i64 = 47;
    let taps: Vec<f64> = (-HALF..=HALF)
        .map(|i| {
            let t = i as f64 * std::f64::consts::PI;
            // The cut-off a little below the new Nyquist frequency, so that the transition ends there.
            let cut = 0.47;
            let sinc = if i == 0 { cut } else { (t * cut).sin() / t };
            let hann = 0.5 + 0.5 * (t / (HALF + 1) as f64).cos();
            sinc * hann
        })
        .collect();
    (0..x.len().div_ceil(2))
        .map(|m| {
            let sum: f64 = taps
                .iter()
                .enumerate()
                .filter_map(|(i, w)| {
                    let at = 2 * m as i64 + i as i64 - HALF;
                    let x = usize::try_from(at).ok().and_then(|at| x.get(at))?;
                    Some(w * f64::from(*x))
                })
                .sum();
            sum as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    #[test]
    fn halving_keeps_a_tone_in_the_band_and_drops_one_beyond() {
        let tone = |hz: f32| -> Vec<f32> {
            (0..4000)
                .map(|i| (TAU * hz * i as f32 / 16_000.0).sin())
                .collect()
        };
        let power = |x: &[f32]| x[200..1800].iter().map(|x| x * x).sum::<f32>() / 1600.0;
        assert!((power(&halved(&tone(1000.0))) - 0.5).abs() < 1e-2);
        assert!(power(&halved(&tone(5000.0))) < 1e-5);
        assert_eq!(halved(&[0.0; 5]).len(), 3);
    }
}
