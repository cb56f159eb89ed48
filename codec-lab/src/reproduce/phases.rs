//! Ways from a whole image to sound, to compare with the decoder's.

use super::error::Result;
use codec_core::decode::synthesis::{Integration, Known, Synthesis};
use codec_core::quantise::levels;
use codec_core::transform::circle::Circle;
use codec_core::transform::stft::{Complex32, Transform};
use codec_format::header::{Header, PhaseKind};
use codec_format::memory::Heap;
use ndarray::{Array2, Zip};

/// A way to phases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// What the decoder does (Spec §9): integration of the phase gradient, then a few fast Griffin-Lim steps.
    Decoder,
    /// That integration alone (RTPGHI).
    Gradient,
    /// So many plain Griffin-Lim steps.
    GriffinLim {
        /// Steps.
        steps: usize,
        /// From random phases; otherwise from zero ones.
        random: bool,
    },
}

impl Method {
    /// Griffin-Lim steps.
    #[must_use]
    pub fn steps(self) -> usize {
        match self {
            Method::Decoder => codec_core::decode::synthesis::STEPS,
            Method::Gradient => 0,
            Method::GriffinLim { steps, .. } => steps,
        }
    }

    /// The first `samples` samples of an image in dB, frames x bins, on the coded grid of `header`.
    ///
    /// # Errors
    /// [`Error::Codec`](super::Error::Codec) for a transform that is not supported.
    pub fn sound(self, image: &Array2<f32>, header: &Header, samples: usize) -> Result<Vec<f32>> {
        let hop = usize::from(header.stft.hop);
        let transform = Transform::new(&header.stft, hop)?;
        let spectra = match self {
            Method::Decoder => return decoded(image, header, samples),
            Method::Gradient => integrated(image, header)?,
            Method::GriffinLim { steps, random } => {
                let mut state = 1u64;
                let mut spectra = image.mapv(|level| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let turn = (state >> 40) as f32 / 16_777_216.0;
                    let angle = if random {
                        std::f32::consts::TAU * turn
                    } else {
                        0.0
                    };
                    Complex32::from_polar(magnitude(level), angle)
                });
                let len = image.nrows() * hop + usize::from(header.stft.n_fft);
                for _ in 0..steps {
                    let signal = transform.synthesise(spectra.view(), len);
                    spectra = transform.spectra(&signal, 0, 0, image.nrows());
                    Zip::from(&mut spectra).and(image).for_each(|z, &level| {
                        *z *= magnitude(level) / z.norm().max(1e-20);
                    });
                }
                spectra
            }
        };
        Ok(transform.synthesise(spectra.view(), samples))
    }
}

fn magnitude(level: f32) -> f32 {
    10f32.powf(level / 20.0)
}

/// The image's rows as the decoder has them.
fn rows<'a>(image: &'a Array2<f32>, header: &Header) -> impl Iterator<Item = Vec<i16>> + 'a {
    let origin = levels::origin_level(&header.quantiser);
    let level = move |&db: &f32| levels::clamp((16.0 * db).round() as i32 - origin);
    image
        .outer_iter()
        .map(move |row| row.iter().map(level).collect())
}

fn decoded(image: &Array2<f32>, header: &Header, samples: usize) -> Result<Vec<f32>> {
    let header = Header {
        phase: PhaseKind::None,
        waveform: None,
        ..header.clone()
    };
    let hop = usize::from(header.stft.hop);
    let mut synthesis = Synthesis::new(&header, hop, &mut Heap::new(u64::MAX))?;
    synthesis.reset(0);
    let mut pcm = Vec::new();
    for row in rows(image, &header) {
        pcm.extend_from_slice(synthesis.push(&row, Known::default()));
    }
    while let Some(piece) = synthesis.drain() {
        pcm.extend_from_slice(piece);
    }
    // What comes out begins half a transform before the first sample.
    pcm.drain(..(usize::from(header.stft.n_fft) / 2).min(pcm.len()));
    pcm.resize(samples, 0.0);
    Ok(pcm)
}

fn integrated(image: &Array2<f32>, header: &Header) -> Result<Array2<Complex32>> {
    let memory = &mut Heap::new(u64::MAX);
    let mut circle = Circle::new(memory)?;
    circle.reset();
    let mut integration = Integration::new(&header.stft, 0, 0, memory)?;
    integration.reset(0);
    let mut spectra = Array2::default(image.dim());
    let mut rows = rows(image, header).peekable();
    for (mut spectrum, levels) in spectra.outer_iter_mut().zip(image.outer_iter()) {
        let Some(row) = rows.next() else { break };
        integration.enter(&row, &[], None, &circle);
        integration.integrate(rows.peek().map(|row| &row[..]));
        let turns = integration.turns().iter();
        for ((z, &turn), &level) in spectrum.iter_mut().zip(turns).zip(&levels) {
            let [re, im] = circle.unit(turn);
            *z = Complex32::new(re, im) * magnitude(level);
        }
        integration.finish();
    }
    Ok(spectra)
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec_core::encode::Settings;
    use codec_core::transform::stft::log_power;
    use codec_format::header::Signal;

    /// How far the magnitudes of a sound are from those wanted, relative.
    fn inconsistency(method: Method) -> f32 {
        let mono = Signal {
            rate: 16_000,
            channels: 1,
        };
        let mut header = Settings::speech().header(mono, None, -300, None);
        header.stft.hop = 64;
        let mut phase = 0.0f32;
        let signal: Vec<f32> = (0..9_600)
            .map(|i| {
                phase += 0.1 + 0.05 * (i as f32 * 0.001).sin();
                (1..6).map(|h| (phase * h as f32).sin() / h as f32).sum()
            })
            .collect();
        let transform = Transform::new(&header.stft, 64).unwrap();
        let wanted = log_power(&transform.spectra(&signal, 0, 0, 151));
        let sound = method.sound(&wanted, &header, 9_600).unwrap();
        let spectra = transform.spectra(&sound, 0, 0, 151);
        let (mut error, mut power) = (0.0, 0.0);
        for (z, &level) in spectra.iter().zip(&wanted) {
            let apart = magnitude(level) - z.norm();
            (error, power) = (error + apart * apart, power + magnitude(level).powi(2));
        }
        (error / power).sqrt()
    }

    #[test]
    fn griffin_lim_helps_the_gradient_is_a_better_start_and_the_decoder_has_both() {
        let plain = |steps, random| inconsistency(Method::GriffinLim { steps, random });
        let (zero, random) = (plain(0, false), plain(0, true));
        assert!(plain(16, false) < 0.8 * zero && plain(16, true) < 0.8 * random);
        let gradient = inconsistency(Method::Gradient);
        assert!(
            gradient < 0.5 * zero.min(random),
            "{gradient} {zero} {random}"
        );
        assert!(inconsistency(Method::Decoder) < gradient);
    }
}
