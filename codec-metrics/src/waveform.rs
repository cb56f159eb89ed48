//! Measures on the waveform. A codec that rebuilds phases scores low here however well it sounds.

use crate::error::{check, check_sound, Result, Which};

/// Signal-to-noise ratio in dB: energy of the reference over that of the difference.
/// Infinite if the signals are equal.
///
/// # Errors
/// [`crate::Error`] for unequal lengths, samples that are not numbers, or a silent reference.
pub fn snr(reference: &[f32], degraded: &[f32]) -> Result<f64> {
    check(reference, degraded, "SNR")?;
    check_sound(reference, Which::Reference, "SNR")?;
    let signal: f64 = reference.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let noise: f64 = reference
        .iter()
        .zip(degraded)
        .map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2))
        .sum();
    Ok(decibels(signal, noise))
}

/// Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, eq. 4): means are removed, the
/// reference is scaled to fit the degraded signal best. Infinite if nothing but a gain differs.
///
/// # Errors
/// [`crate::Error`] for unequal lengths, samples that are not numbers, or a silent signal.
pub fn si_sdr(reference: &[f32], degraded: &[f32]) -> Result<f64> {
    check(reference, degraded, "SI-SDR")?;
    let (x, y) = (centred(reference), centred(degraded));
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let energy = dot(&x, &x);
    for (signal, which) in [(&x, Which::Reference), (&y, Which::Degraded)] {
        if dot(signal, signal) == 0.0 {
            return Err(crate::Error::Silent {
                which,
                measure: "SI-SDR",
            });
        }
    }
    let gain = dot(&x, &y) / energy;
    let distortion: f64 = x.iter().zip(&y).map(|(x, y)| (gain * x - y).powi(2)).sum();
    Ok(decibels(gain * gain * energy, distortion))
}

fn centred(signal: &[f32]) -> Vec<f64> {
    let mean = signal.iter().map(|&x| f64::from(x)).sum::<f64>() / signal.len() as f64;
    signal.iter().map(|&x| f64::from(x) - mean).collect()
}

fn decibels(signal: f64, noise: f64) -> f64 {
    if noise == 0.0 {
        f64::INFINITY
    } else {
        10.0 * (signal / noise).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn tone(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.37).sin()).collect()
    }

    #[test]
    fn a_tenth_of_the_amplitude_is_twenty_decibels() {
        let x = tone(1000);
        let y: Vec<f32> = x.iter().map(|x| x * 1.1).collect();
        assert!((snr(&x, &y).expect("defined") - 20.0).abs() < 1e-4);
    }

    #[test]
    fn si_sdr_sees_no_gain_and_no_offset() {
        // Orthogonal noise of a tenth of the amplitude: 20 dB whatever the gain.
        let x: Vec<f32> = (0..1000).map(|i| [1.0, 0.0, -1.0, 0.0][i % 4]).collect();
        let y: Vec<f32> = (0..1000)
            .map(|i| 0.3 * (x[i] + 0.1 * [0.0, 1.0, 0.0, -1.0][i % 4]) + 0.05)
            .collect();
        assert!((si_sdr(&x, &y).expect("defined") - 20.0).abs() < 1e-4);
    }

    #[test]
    fn equal_signals_are_infinitely_close() {
        let x = tone(100);
        assert_eq!(snr(&x, &x).expect("defined"), f64::INFINITY);
    }

    #[test]
    fn faulty_signals_are_named() {
        let x = tone(100);
        assert_eq!(
            snr(&x, &x[1..]),
            Err(Error::Lengths {
                reference: 100,
                degraded: 99
            })
        );
        let mut nan = x.clone();
        nan[17] = f32::NAN;
        assert_eq!(
            si_sdr(&x, &nan),
            Err(Error::NotFinite {
                which: Which::Degraded,
                at: 17
            })
        );
        let zeros = vec![0.0; 100];
        assert_eq!(
            snr(&zeros, &x),
            Err(Error::Silent {
                which: Which::Reference,
                measure: "SNR"
            })
        );
        assert_eq!(
            si_sdr(&x, &zeros),
            Err(Error::Silent {
                which: Which::Degraded,
                measure: "SI-SDR"
            })
        );
        assert!(snr(&[], &[]).is_err());
    }
}
