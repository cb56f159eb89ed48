//! Short-time objective intelligibility (Taal, Hendriks, Heusdens, Jensen: An algorithm for intelligibility
//! prediction of time-frequency weighted noisy speech, IEEE TASLP 19(7), 2011), cited below as T.
//!
//! The published program resamples to 10 kHz first; the filter here is the same design, so that scores agree
//! with that program's port to Python (`pystoi` 0.4), to 1e-3 and nearly always to 1e-6.

use crate::error::{check, check_sound, Error, Result, Which};
use rustfft::{num_complex::Complex, Fft, FftPlanner};
use std::f64::consts::{PI, TAU};
use std::sync::Arc;

/// Sample rate at which the measure is defined, Hz (T, section II).
pub const RATE: u32 = 10_000;
/// Samples of a frame; frames overlap by half.
const FRAME: usize = 256;
const N_FFT: usize = 512;
/// One-third octave bands, the lowest centred on [`LOWEST`] Hz.
const BANDS: usize = 15;
const LOWEST: f64 = 150.0;
/// Frames of a segment over which envelopes are correlated: 384 ms.
const SEGMENT: usize = 30;
/// Lower bound of the signal-to-distortion ratio, dB (T, eq. 4).
const BETA: f64 = -15.0;
/// Frames this far below the loudest one count as silence, dB.
const RANGE: f64 = 40.0;
/// Keeps divisions and logarithms defined.
const TINY: f64 = f64::EPSILON;

/// Intelligibility of `degraded`, about 0 (none) to 1 (as the reference), at any sample rate (Hz).
///
/// # Errors
/// [`Error`] for unequal lengths, samples that are not numbers, a silent reference, a rate of zero or beyond
/// 768 kHz, or fewer than 30 frames (0.4 s) of sound.
pub fn stoi(reference: &[f32], degraded: &[f32], rate: u32) -> Result<f64> {
    const MEASURE: &str = "STOI";
    check(reference, degraded, MEASURE)?;
    check_sound(reference, Which::Reference, MEASURE)?;
    if !(1..=768_000).contains(&rate) {
        return Err(Error::Rate {
            measure: MEASURE,
            rate,
            allowed: "1 to 768000 Hz",
        });
    }
    let (x, y) = (resample(reference, rate), resample(degraded, rate));
    let (x, y) = without_silence(&x, &y);
    let needed = FRAME / 2 * (SEGMENT - 1) + FRAME + 1;
    if x.len() < needed {
        // Back to samples at the caller's rate, so that the message can be acted on.
        let own =
            |samples: usize| (samples as f64 * f64::from(rate) / f64::from(RATE)).ceil() as usize;
        return Err(Error::TooShort {
            measure: MEASURE,
            found: own(x.len()),
            needed: own(needed),
        });
    }
    let (x, y) = (envelopes(&x), envelopes(&y));
    let (mut sum, mut count) = (0.0, 0usize);
    for start in 0..=x.len() - SEGMENT {
        for band in 0..BANDS {
            let a: [f64; SEGMENT] = std::array::from_fn(|t| x[start + t][band]);
            let b: [f64; SEGMENT] = std::array::from_fn(|t| y[start + t][band]);
            sum += correlation(a, b);
            count += 1;
        }
    }
    Ok(sum / count as f64)
}

/// The intermediate measure of one segment of one band (T, eq. 3 to 5).
fn correlation(x: [f64; SEGMENT], y: [f64; SEGMENT]) -> f64 {
    let norm = |a: &[f64; SEGMENT]| a.iter().map(|v| v * v).sum::<f64>().sqrt();
    let gain = norm(&x) / (norm(&y) + TINY);
    let bound = 1.0 + 10f64.powf(-BETA / 20.0);
    let clipped: [f64; SEGMENT] = std::array::from_fn(|t| (y[t] * gain).min(x[t] * bound));
    let unit = |a: [f64; SEGMENT]| {
        let mean = a.iter().sum::<f64>() / SEGMENT as f64;
        let centred = a.map(|v| v - mean);
        let length = norm(&centred) + TINY;
        centred.map(|v| v / length)
    };
    unit(x).iter().zip(&unit(clipped)).map(|(a, b)| a * b).sum()
}

/// Hann without its zeros: `FRAME` samples of a window of `FRAME + 2`.
fn window() -> Vec<f64> {
    (1..=FRAME)
        .map(|i| 0.5 - 0.5 * (TAU * i as f64 / (FRAME + 1) as f64).cos())
        .collect()
}

/// Both signals with the frames dropped in which the reference is more than [`RANGE`] dB below its loudest.
fn without_silence(x: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let window = window();
    let starts: Vec<usize> = (0..x.len().saturating_sub(FRAME))
        .step_by(FRAME / 2)
        .collect();
    let level = |start: usize| {
        let energy: f64 = x[start..start + FRAME]
            .iter()
            .zip(&window)
            .map(|(x, w)| (x * w).powi(2))
            .sum();
        20.0 * (energy.sqrt() + TINY).log10()
    };
    let levels: Vec<f64> = starts.iter().map(|&s| level(s)).collect();
    let loudest = levels.iter().fold(f64::MIN, |a, &b| a.max(b));
    let kept: Vec<usize> = starts
        .iter()
        .zip(&levels)
        .filter(|(_, &level)| loudest - RANGE - level < 0.0)
        .map(|(&s, _)| s)
        .collect();
    let gather = |signal: &[f64]| {
        let length = if kept.is_empty() {
            0
        } else {
            (kept.len() - 1) * FRAME / 2 + FRAME
        };
        let mut out = vec![0.0; length];
        for (i, &start) in kept.iter().enumerate() {
            for (n, w) in window.iter().enumerate() {
                out[i * FRAME / 2 + n] += signal[start + n] * w;
            }
        }
        out
    };
    (gather(x), gather(y))
}

/// One-third octave band envelopes, frame by frame (T, eq. 1).
fn envelopes(signal: &[f64]) -> Vec<[f64; BANDS]> {
    let fft: Arc<dyn Fft<f64>> = FftPlanner::new().plan_fft_forward(N_FFT);
    let (window, edges) = (window(), band_edges());
    (0..signal.len() - FRAME)
        .step_by(FRAME / 2)
        .map(|start| {
            let mut buffer = vec![Complex::new(0.0, 0.0); N_FFT];
            for (z, (x, w)) in buffer.iter_mut().zip(signal[start..].iter().zip(&window)) {
                z.re = x * w;
            }
            fft.process(&mut buffer);
            let band = |b: usize| {
                buffer[edges[b].0..edges[b].1]
                    .iter()
                    .map(Complex::norm_sqr)
                    .sum::<f64>()
            };
            std::array::from_fn(|b| band(b).sqrt())
        })
        .collect()
}

/// First bin and bin after the last of every band: the bins nearest to the band's edges.
fn band_edges() -> [(usize, usize); BANDS] {
    let nearest = |f: f64| (f * N_FFT as f64 / f64::from(RATE)).round() as usize;
    std::array::from_fn(|b| {
        let edge = |shift: f64| nearest(LOWEST * 2f64.powf((2.0 * b as f64 + shift) / 6.0));
        (edge(-1.0), edge(1.0))
    })
}

/// `signal` at [`RATE`]: a windowed-sinc filter for 60 dB of rejection with a transition of a tenth of the
/// cut-off, the design of Matlab's and Octave's `resample`.
fn resample(signal: &[f32], rate: u32) -> Vec<f64> {
    if rate == RATE {
        return signal.iter().map(|&x| f64::from(x)).collect();
    }
    let common = gcd(rate, RATE);
    let (up, down) = ((RATE / common) as usize, (rate / common) as usize);
    let filter = filter(up, down);
    let half = filter.len() / 2;
    let count = (signal.len() * up).div_ceil(down);
    (0..count)
        .map(|m| {
            // On the grid of the common multiple of both rates sample n stands at n * up, output m at m * down.
            let centre = m * down;
            let first = (centre.saturating_sub(half)).div_ceil(up);
            let last = ((centre + half) / up).min(signal.len().saturating_sub(1));
            (first..=last)
                .map(|n| f64::from(signal[n]) * filter[half + centre - n * up])
                .sum()
        })
        .collect()
}

/// The interpolation filter, of odd length, its sum `up`.
fn filter(up: usize, down: usize) -> Vec<f64> {
    let rejection = 60.0;
    let cut_off = 1.0 / (2.0 * up.max(down) as f64);
    let transition = cut_off / 10.0;
    let half = ((rejection - 8.0) / (28.714 * transition)).ceil() as usize;
    let beta = 0.1102 * (rejection - 8.7);
    let sinc = |x: f64| {
        if x == 0.0 {
            1.0
        } else {
            (PI * x).sin() / (PI * x)
        }
    };
    let taps: Vec<f64> = (0..=2 * half)
        .map(|i| {
            let t = i as f64 - half as f64;
            let r = t / half as f64;
            bessel(beta * (1.0 - r * r).max(0.0).sqrt()) / bessel(beta) * sinc(2.0 * cut_off * t)
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|h| h * up as f64 / sum).collect()
}

/// The modified Bessel function of the first kind and order zero, by its power series.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn bands_do_not_overlap_and_end_below_half_the_rate() {
        let edges = band_edges();
        assert!(edges.windows(2).all(|e| e[0].1 == e[1].0));
        assert_eq!(edges[0].0, 7);
        assert!(edges[BANDS - 1].1 <= N_FFT / 2);
    }

    #[test]
    fn the_resampler_keeps_what_lies_in_the_band() {
        let tone = |rate: f64, n: usize| -> Vec<f32> {
            (0..n)
                .map(|i| (TAU * 1000.0 * i as f64 / rate).sin() as f32)
                .collect()
        };
        for rate in [8_000, 16_000, 22_050, 44_100, 48_000] {
            let out = resample(&tone(f64::from(rate), rate as usize / 4), rate);
            assert_eq!(out.len(), 2500);
            let expected = tone(f64::from(RATE), 2500);
            let error = out[500..2000]
                .iter()
                .zip(&expected[500..2000])
                .map(|(a, b)| (a - f64::from(*b)).abs());
            assert!(error.fold(0.0, f64::max) < 2e-3, "{rate}");
        }
    }

    #[test]
    fn equal_signals_score_one_and_unrelated_ones_little() {
        let x: Vec<f32> = noise(20_000, 1)
            .iter()
            .enumerate()
            .map(|(i, x)| x * (1.0 + (i as f32 * 2e-3).sin()))
            .collect();
        assert!((stoi(&x, &x, 16_000).expect("defined") - 1.0).abs() < 1e-9);
        assert!(stoi(&x, &noise(20_000, 2), 16_000).expect("defined") < 0.5);
        assert!(stoi(&x, &vec![0.0; 20_000], 16_000).expect("defined").abs() < 1e-6);
    }

    #[test]
    fn faulty_signals_are_named() {
        let x = noise(20_000, 1);
        assert_eq!(
            stoi(&vec![0.0; 20_000], &x, 16_000),
            Err(Error::Silent {
                which: Which::Reference,
                measure: "STOI"
            })
        );
        assert!(matches!(
            stoi(&x[..3000], &x[..3000], 16_000),
            Err(Error::TooShort { needed: 6351, .. })
        ));
        assert!(matches!(
            stoi(&x[..10], &x[..10], 16_000),
            Err(Error::TooShort { found: 0, .. })
        ));
        assert!(matches!(stoi(&x, &x, 0), Err(Error::Rate { .. })));
        assert!(matches!(
            stoi(&x, &x[1..], 16_000),
            Err(Error::Lengths { .. })
        ));
    }
}
