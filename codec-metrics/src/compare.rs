//! A clip against its decoding: which samples every measure compares, and at which rate.

use crate::{log_spectral_error, pesq_nb, pesq_wb, si_sdr, snr, stoi, Error, Result};
use sparc::{resample, Pcm};

/// Rate at which wide-band PESQ hears, Hz.
const PESQ_RATE: u32 = 16_000;
/// The rate of narrow-band PESQ, Hz, at which it agrees with the reference program.
const NARROW_RATE: u32 = 8_000;
/// Longest delay that [`aligned`] takes back, samples.
const LONGEST_DELAY: isize = 400;

/// A measure of how near one signal comes to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Wide-band PESQ, P.862.2, at 16 kHz.
    PesqWb,
    /// Narrow-band PESQ, P.862.1, at 8 kHz.
    PesqNb,
    /// Intelligibility, at the reference's rate.
    Stoi,
    /// Signal to noise in dB, at the reference's rate.
    Snr,
    /// The same but for a gain.
    SiSdr,
    /// Mean squared error of the log-power spectrogram in dB^2, at no more than 16 kHz.
    LogSpectral,
}

impl Measure {
    /// Every measure, in the order of printing.
    pub const ALL: [Measure; 6] = [
        Measure::PesqWb,
        Measure::PesqNb,
        Measure::Stoi,
        Measure::Snr,
        Measure::SiSdr,
        Measure::LogSpectral,
    ];

    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Measure::PesqWb => "pesq_wb",
            Measure::PesqNb => "pesq_nb",
            Measure::Stoi => "stoi",
            Measure::Snr => "snr_db",
            Measure::SiSdr => "si_sdr_db",
            Measure::LogSpectral => "log_spectral_mse_db2",
        }
    }

    /// The measure of equally long signals at `rate` Hz, resampled to where it is defined.
    ///
    /// # Errors
    /// [`Error`] where it is not defined for these signals.
    pub fn between(self, reference: &[f32], degraded: &[f32], rate: u32) -> Result<f64> {
        let at = |to: u32, measure: fn(&[f32], &[f32]) -> Result<f64>| {
            measure(&at(reference, rate, to)?, &at(degraded, rate, to)?)
        };
        match self {
            Measure::PesqWb => at(PESQ_RATE, pesq_wb),
            Measure::PesqNb => at(NARROW_RATE, |x, y| pesq_nb(x, y, NARROW_RATE)),
            Measure::Stoi => stoi(reference, degraded, rate),
            Measure::Snr => snr(reference, degraded),
            Measure::SiSdr => si_sdr(reference, degraded),
            Measure::LogSpectral => at(rate.min(PESQ_RATE), log_spectral_error),
        }
    }
}

/// Measures of a clip against its decoding: the mean over the channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Samples per channel compared, at the reference's rate.
    pub samples: usize,
    /// Samples per channel of the decoded clip, at the reference's rate, less those of the reference.
    pub difference: i64,
    /// The measures asked for, in that order; an error where one is not defined for these clips.
    pub values: Vec<(Measure, Result<f64>)>,
}

impl Comparison {
    /// The value of a measure, if it was asked for and is defined.
    #[must_use]
    pub fn get(&self, measure: Measure) -> Option<f64> {
        let (_, value) = self.values.iter().find(|(m, _)| *m == measure)?;
        value.as_ref().ok().copied()
    }
}

/// Compares clips that begin together; the one that goes on longer is cut. A decoded clip of another rate is resampled
/// to the reference's.
///
/// # Errors
/// [`Error::Channels`] for different channel counts, [`Error::Resample`] if a change of rate fails.
pub fn compare(reference: &Pcm, decoded: &Pcm, measures: &[Measure]) -> Result<Comparison> {
    if reference.channels.len() != decoded.channels.len() {
        return Err(Error::Channels {
            reference: reference.channels.len(),
            degraded: decoded.channels.len(),
        });
    }
    let decoded = decoded.resampled(reference.rate)?;
    let samples = reference.len().min(decoded.len());
    let share = 1.0 / reference.channels.len() as f64;
    let mean = |measure: Measure| {
        let channels = reference.channels.iter().zip(&decoded.channels);
        channels
            .map(|(x, y)| measure.between(&x[..samples], &y[..samples], reference.rate))
            .try_fold(0.0, |sum, value| Ok(sum + value? * share))
    };
    Ok(Comparison {
        samples,
        difference: decoded.len() as i64 - reference.len() as i64,
        values: measures.iter().map(|&m| (m, mean(m))).collect(),
    })
}

/// `degraded` shifted by up to 400 samples to where it agrees best with `reference`, and as long: what another codec
/// delays must not be judged as damage.
#[must_use]
pub fn aligned(reference: &[f32], degraded: &[f32]) -> Vec<f32> {
    let at = |i: isize| {
        let sample = usize::try_from(i).ok().and_then(|i| degraded.get(i));
        sample.copied().unwrap_or(0.0)
    };
    let likeness = |delay: isize| -> f64 {
        let pairs = reference.iter().zip(delay..);
        pairs.map(|(&x, i)| f64::from(x) * f64::from(at(i))).sum()
    };
    let best = (-LONGEST_DELAY..=LONGEST_DELAY)
        .map(|delay| (likeness(delay), delay))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0, |(_, delay)| delay);
    (best..best + reference.len() as isize).map(at).collect()
}

fn at(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>> {
    let wanted = resample::length(samples.len() as u64, from, to) as usize;
    Ok(resample::channel(samples, from, to, wanted)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u32, count: usize) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        // Bursts, so that there are utterances and pauses.
        (0..count)
            .map(|i| next() * if i / 4000 % 2 == 0 { 0.5 } else { 0.001 })
            .collect()
    }

    fn clip(channels: &[&[f32]]) -> Pcm {
        Pcm {
            rate: 16_000,
            channels: channels.iter().map(|c| c.to_vec()).collect(),
        }
    }

    #[test]
    fn a_clip_equals_itself() {
        let clip = clip(&[&noise(1, 32_000)]);
        let found = compare(&clip, &clip, &Measure::ALL).unwrap();
        assert!(found.get(Measure::PesqWb).unwrap() > 4.5);
        assert!(found.get(Measure::PesqNb).unwrap() > 4.5);
        assert!(found.get(Measure::Stoi).unwrap() > 0.999);
        assert_eq!(found.get(Measure::LogSpectral), Some(0.0));
        assert_eq!((found.samples, found.difference), (32_000, 0));
    }

    #[test]
    fn channels_are_averaged_and_the_longer_clip_is_cut() {
        let (x, other) = (noise(1, 32_000), noise(2, 32_000));
        let worse: Vec<f32> = x.iter().zip(&other).map(|(x, n)| x + 0.1 * n).collect();
        let bad: Vec<f32> = x.iter().zip(&other).map(|(x, n)| x + 0.3 * n).collect();
        let of = |x: &Pcm, y: &Pcm| {
            let found = compare(x, y, &[Measure::Snr]).unwrap();
            found.get(Measure::Snr).unwrap()
        };
        let alone = |y: &[f32]| of(&clip(&[&x]), &clip(&[y]));
        let both = of(&clip(&[&x, &x]), &clip(&[&worse, &bad]));
        assert!((both - (alone(&worse) + alone(&bad)) / 2.0).abs() < 1e-9);
        let found = compare(&clip(&[&x[..30_000]]), &clip(&[&x]), &[Measure::Snr]).unwrap();
        assert_eq!((found.samples, found.difference), (30_000, 2_000));
        assert_eq!(found.get(Measure::Snr), Some(f64::INFINITY));
        assert_eq!(found.get(Measure::Stoi), None);
    }

    #[test]
    fn a_clip_at_another_rate_is_the_same_clip() {
        // Below 3 kHz, which both rates hold.
        let tone: Vec<f32> = (0..48_000)
            .map(|i| (i as f32 * 0.3).sin() * (i as f32 * 7e-4).sin())
            .collect();
        let reference = clip(&[&tone]);
        let narrow = reference.resampled(NARROW_RATE).unwrap();
        let found = compare(&reference, &narrow, &[Measure::Snr]).unwrap();
        assert!(found.get(Measure::Snr).unwrap() > 40.0, "{found:?}");
        assert_eq!(found.difference, 0);
    }

    #[test]
    fn what_is_not_defined_says_why() {
        let silent = clip(&[&[0.0; 16_000]]);
        let found = compare(&silent, &silent, &[Measure::Stoi]).unwrap();
        assert!(matches!(found.values[0].1, Err(Error::Silent { .. })));
        let x = noise(1, 100);
        assert_eq!(
            compare(&clip(&[&x]), &clip(&[&x, &x]), &[]),
            Err(Error::Channels {
                reference: 1,
                degraded: 2
            })
        );
    }

    #[test]
    fn a_delay_is_taken_back() {
        let x: Vec<f32> = (0..2000).map(|i| ((i * i) as f32 * 1e-3).sin()).collect();
        let delayed = [&[0.0; 37][..], &x].concat();
        assert_eq!(aligned(&x, &delayed), x);
        assert_eq!(aligned(&x, &x[12..])[12..], x[12..]);
    }
}
