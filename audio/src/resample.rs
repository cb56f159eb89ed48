//! Change of sample rate, by rubato, without delay and to an exact length.

use crate::error::{Error, Result};
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

/// Samples per channel that `samples` at rate `from` become at rate `to`, rounded up (Spec §4.3).
pub fn length(samples: u64, from: u32, to: u32) -> u64 {
    let scaled = (u128::from(samples) * u128::from(to)).div_ceil(u128::from(from));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Resamples one channel from rate `from` to rate `to` (Hz) into exactly `wanted` samples.
///
/// The filter's delay is removed; past the end the signal is silence. Equal rates change nothing.
pub fn channel(samples: &[f32], from: u32, to: u32, wanted: usize) -> Result<Vec<f32>> {
    let mut out = if from == to || samples.is_empty() {
        samples.to_vec()
    } else {
        let failed = |e: &dyn std::fmt::Display| {
            Error::Resample(format!("resampling {from} to {to} Hz: {e}"))
        };
        let mut resampler = Fft::<f32>::new_custom(
            from as usize,
            to as usize,
            block(from, to),
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|e| failed(&e))?;
        let planes = [samples.to_vec()];
        let input =
            SequentialSliceOfVecs::new(&planes, 1, samples.len()).map_err(|e| failed(&e))?;
        resampler
            .process_all(&input, samples.len(), None)
            .map_err(|e| failed(&e))?
            .take_data()
    };
    out.resize(wanted, 0.0);
    Ok(out)
}

/// Input samples in a block of the resampler, whose filter is as long: at least 1024, for a steep one.
///
/// Blocks must be whole on both sides; an even number of the smallest such blocks makes the filter's
/// length even on both sides too, and its delay a whole number of samples.
fn block(from: u32, to: u32) -> usize {
    let (mut a, mut b) = (from as usize, to as usize);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let least = from as usize / a;
    least * 1024usize.div_ceil(least).next_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 7] = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000];

    fn tone(rate: u32, hz: f64, count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| (2.0 * std::f64::consts::PI * hz * i as f64 / f64::from(rate)).sin() as f32)
            .collect()
    }

    #[test]
    fn a_tone_stays_where_it_was() {
        for from in RATES {
            for to in RATES {
                let count = from as usize / 2 + 13;
                let wanted = length(count as u64, from, to) as usize;
                let out = channel(&tone(from, 997.0, count), from, to, wanted).unwrap();
                let ideal = tone(to, 997.0, wanted);
                assert_eq!(out.len(), wanted);
                // Away from the ends, where the filter sees silence.
                let edge = wanted / 8;
                let worst = (edge..wanted - edge)
                    .map(|i| (out[i] - ideal[i]).abs())
                    .fold(0.0, f32::max);
                assert!(worst < 2e-3, "{from} -> {to}: off by {worst}");
            }
        }
    }

    #[test]
    fn there_and_back_is_the_same_length_and_the_same_sound() {
        for rate in RATES {
            for count in [1usize, 2, 3, 100, 1023, 4410, 22_051] {
                let coded = length(count as u64, rate, 16_000) as usize;
                let there = channel(&tone(rate, 440.0, count), rate, 16_000, coded).unwrap();
                let back = channel(&there, 16_000, rate, count).unwrap();
                assert_eq!(back.len(), count);
            }
        }
    }

    #[test]
    fn equal_rates_change_nothing() {
        let x = tone(16_000, 440.0, 777);
        assert_eq!(channel(&x, 16_000, 16_000, 777).unwrap(), x);
    }

    #[test]
    fn lengths_do_not_overflow() {
        assert_eq!(length(u64::MAX / 1000, 1_000, 1_000), u64::MAX / 1000);
        assert_eq!(length(1, 384_000, 1_000), 1);
        assert_eq!(length(0, 384_000, 1_000), 0);
    }
}
