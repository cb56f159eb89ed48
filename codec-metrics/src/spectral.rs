//! The error of the log-power spectrogram: what the completion network is trained on, in other words.

use crate::error::{check, check_sound, Result, Which};
use rustfft::{num_complex::Complex, FftPlanner};

/// Transform and Hann window length in samples, whatever the sample rate.
pub const N_FFT: usize = 512;
/// Samples from one frame to the next.
pub const HOP: usize = 256;
/// Levels further than this below the reference's loudest pixel count as this far below, dB.
pub const FLOOR: f64 = 80.0;

/// Mean squared difference of the log-power spectrograms in dB^2.
///
/// Levels are `10 log10 |X|^2` on centred frames of [`N_FFT`] samples every [`HOP`], samples outside the
/// signal being zero; levels of both signals are raised to at least [`FLOOR`] dB below the loudest of the
/// reference. The mean is over all bins of all frames.
///
/// # Errors
/// [`crate::Error`] for unequal lengths, samples that are not numbers, or a silent reference.
pub fn log_spectral_error(reference: &[f32], degraded: &[f32]) -> Result<f64> {
    check(reference, degraded, "log-spectral error")?;
    check_sound(reference, Which::Reference, "log-spectral error")?;
    let (x, y) = (powers(reference), powers(degraded));
    let floor = x.iter().fold(0.0f64, |a, &b| a.max(b)) * 10f64.powf(-FLOOR / 10.0);
    let level = |power: f64| 10.0 * power.max(floor).log10();
    let sum: f64 = x
        .iter()
        .zip(&y)
        .map(|(&x, &y)| (level(x) - level(y)).powi(2))
        .sum();
    Ok(sum / x.len() as f64)
}

/// `|X|^2`, frame by frame.
fn powers(signal: &[f32]) -> Vec<f64> {
    let fft = FftPlanner::new().plan_fft_forward(N_FFT);
    let window: Vec<f64> = (0..N_FFT)
        .map(|i| 0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / N_FFT as f64).cos())
        .collect();
    let mut out = Vec::new();
    for frame in 0..=signal.len().div_ceil(HOP) {
        let sample = |i: usize| {
            (frame * HOP + i)
                .checked_sub(N_FFT / 2)
                .and_then(|at| signal.get(at))
        };
        let mut buffer: Vec<Complex<f64>> = (0..N_FFT)
            .map(|i| Complex::new(sample(i).map_or(0.0, |&x| f64::from(x)) * window[i], 0.0))
            .collect();
        fft.process(&mut buffer);
        out.extend(buffer[..=N_FFT / 2].iter().map(|z| z.norm_sqr()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<f32> {
        let mut state = 1u32;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn a_gain_of_six_decibels_is_thirty_six() {
        let x = noise(5000);
        let y: Vec<f32> = x.iter().map(|x| x * 10f32.powf(6.0 / 20.0)).collect();
        let error = log_spectral_error(&x, &y).expect("defined");
        assert!((error - 36.0).abs() < 0.5, "{error}");
        assert_eq!(log_spectral_error(&x, &x).expect("defined"), 0.0);
    }

    #[test]
    fn a_silent_decoder_is_as_wrong_as_the_floor_allows() {
        let x = noise(5000);
        let error = log_spectral_error(&x, &vec![0.0; 5000]).expect("defined");
        assert!((3000.0..6400.0).contains(&error), "{error}");
        assert!(log_spectral_error(&vec![0.0; 5000], &x).is_err());
    }
}
