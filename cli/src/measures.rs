//! The measures of `compare` and `roundtrip`, over clips of any rate and channel count.

use crate::fault::Fault;
use codec_audio::{resample, Clip};
use codec_metrics as metrics;

/// Rate at which PESQ hears, Hz.
const PESQ_RATE: u32 = 16_000;
/// The rate of narrow-band PESQ, Hz.
const NARROW_RATE: u32 = 8_000;

/// A measure, or why it is not defined for these clips.
pub type Measure = Result<f64, String>;

/// All measures: the mean over the channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Samples per channel compared, at the reference's rate.
    pub samples: usize,
    /// Samples per channel of the decoded clip, at the reference's rate, less those of the reference.
    pub difference: i64,
    /// Name and value, in the order of printing.
    pub all: Vec<(&'static str, Measure)>,
}

impl Measures {
    /// The value of a measure by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.all
            .iter()
            .find(|(n, _)| *n == name)
            .and_then(|(_, measure)| measure.as_ref().ok().copied())
    }
}

/// Wide-band PESQ, P.862.2, at 16 kHz.
pub const PESQ_WB: &str = "pesq_wb";
/// Narrow-band PESQ, P.862.1, at 8 kHz, where it agrees with the reference program.
pub const PESQ_NB: &str = "pesq_nb";
/// Intelligibility, at the reference's rate.
pub const STOI: &str = "stoi";
/// Signal to noise in dB, at the reference's rate.
pub const SNR: &str = "snr_db";
/// The same but for a gain.
pub const SI_SDR: &str = "si_sdr_db";
/// Mean squared error of the log-power spectrogram in dB^2, at no more than 16 kHz.
pub const LOG_SPECTRAL: &str = "log_spectral_mse_db2";

/// Compares clips that begin together; the one that goes on longer is cut. A decoded clip of another rate
/// is resampled to the reference's.
///
/// # Errors
/// [`Fault::Arguments`] for different channel counts.
pub fn compare(reference: &Clip, decoded: &Clip) -> Result<Measures, Fault> {
    if reference.channels.len() != decoded.channels.len() {
        return Err(Fault::Arguments(format!(
            "has {} channels, the reference {}",
            decoded.channels.len(),
            reference.channels.len()
        )));
    }
    let rate = reference.rate;
    let at = |samples: &[f32], from: u32, to: u32| {
        resample::channel(
            samples,
            from,
            to,
            resample::length(samples.len() as u64, from, to) as usize,
        )
    };
    let mut sums: Vec<(&'static str, Measure)> = Vec::new();
    let (mut samples, mut difference) = (0, 0);
    for (x, y) in reference.channels.iter().zip(&decoded.channels) {
        let y = at(y, decoded.rate, rate)?;
        samples = x.len().min(y.len());
        difference = y.len() as i64 - x.len() as i64;
        let (x, y) = (&x[..samples], &y[..samples]);
        let (x16, y16) = (at(x, rate, PESQ_RATE)?, at(y, rate, PESQ_RATE)?);
        let (x8, y8) = (at(x, rate, NARROW_RATE)?, at(y, rate, NARROW_RATE)?);
        let (xs, ys) = if rate > PESQ_RATE {
            (&x16[..], &y16[..])
        } else {
            (x, y)
        };
        let channel = [
            (PESQ_WB, metrics::pesq_wb(&x16, &y16)),
            (PESQ_NB, metrics::pesq_nb(&x8, &y8, NARROW_RATE)),
            (STOI, metrics::stoi(x, y, rate)),
            (SNR, metrics::snr(x, y)),
            (SI_SDR, metrics::si_sdr(x, y)),
            (LOG_SPECTRAL, metrics::log_spectral_error(xs, ys)),
        ];
        let share = 1.0 / reference.channels.len() as f64;
        let channel = channel
            .map(|(name, value)| (name, value.map(|v| v * share).map_err(|e| e.to_string())));
        if sums.is_empty() {
            sums.extend(channel);
        } else {
            for (sum, (_, value)) in sums.iter_mut().zip(channel) {
                sum.1 = std::mem::replace(&mut sum.1, Ok(0.0)).and_then(|sum| Ok(sum + value?));
            }
        }
    }
    Ok(Measures {
        samples,
        difference,
        all: sums,
    })
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

    #[test]
    fn a_clip_equals_itself() {
        let clip = Clip {
            rate: 16_000,
            channels: vec![noise(1, 32_000)],
        };
        let measures = compare(&clip, &clip).unwrap();
        assert!(measures.get(PESQ_WB).unwrap() > 4.5);
        assert!(measures.get(STOI).unwrap() > 0.999);
        assert_eq!(measures.get(LOG_SPECTRAL), Some(0.0));
        assert_eq!(measures.difference, 0);
    }

    #[test]
    fn channels_are_averaged() {
        let (x, other) = (noise(1, 32_000), noise(2, 32_000));
        let worse: Vec<f32> = x.iter().zip(&other).map(|(x, n)| x + 0.1 * n).collect();
        let clip = |a: &Vec<f32>, b: &Vec<f32>| Clip {
            rate: 16_000,
            channels: vec![a.clone(), b.clone()],
        };
        let one = |y: &Vec<f32>| {
            let mono = |x: &Vec<f32>| Clip {
                rate: 16_000,
                channels: vec![x.clone()],
            };
            compare(&mono(&x), &mono(y)).unwrap().get(SNR).unwrap()
        };
        let both = compare(&clip(&x, &x), &clip(&worse, &worse))
            .unwrap()
            .get(SNR)
            .unwrap();
        assert!((both - one(&worse)).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_defined_says_why() {
        let silent = Clip {
            rate: 16_000,
            channels: vec![vec![0.0; 16_000]],
        };
        let measures = compare(&silent, &silent).unwrap();
        let stoi = measures.all.iter().find(|(name, _)| *name == STOI).unwrap();
        assert!(stoi.1.as_ref().unwrap_err().contains("silent"), "{stoi:?}");
    }

    #[test]
    fn channel_counts_must_agree() {
        let mono = Clip {
            rate: 16_000,
            channels: vec![noise(1, 100)],
        };
        let stereo = Clip {
            rate: 16_000,
            channels: vec![noise(1, 100), noise(2, 100)],
        };
        assert!(matches!(compare(&mono, &stereo), Err(Fault::Arguments(_))));
    }
}
