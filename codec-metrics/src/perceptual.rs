//! PESQ: opinions as ITU-T P.862 predicts them.

use crate::error::{check, check_sound, Error, Result, Which};

/// Wide-band PESQ (P.862.2) at 16 kHz: the predicted mean opinion, 1.04 to 4.64.
///
/// # Errors
/// [`Error`] for unequal lengths, samples that are not numbers, a silent signal, less than a quarter of a
/// second of sound, or none that counts as speech.
pub fn pesq_wb(reference: &[f32], degraded: &[f32]) -> Result<f64> {
    const MEASURE: &str = "PESQ-WB";
    let (x, y) = prepare(reference, degraded, MEASURE)?;
    pesq::pesq_wb(&x, &y)
        .map(f64::from)
        .map_err(|e| translate(e, MEASURE, reference.len(), 4000))
}

/// Narrow-band PESQ (P.862, mapped to opinions by P.862.1) at 8 or 16 kHz: 1.02 to 4.55.
///
/// At 16 kHz the signals are decimated by a short filter first, which scores up to 0.3 above the reference
/// program; prefer 8 kHz (see the crate's documentation).
///
/// # Errors
/// As [`pesq_wb`], and [`Error::Rate`] for other rates.
pub fn pesq_nb(reference: &[f32], degraded: &[f32], rate: u32) -> Result<f64> {
    const MEASURE: &str = "PESQ-NB";
    let (x, y) = prepare(reference, degraded, MEASURE)?;
    let (raw, needed) = match rate {
        8_000 => (pesq::pesq_8k(&x, &y), 2000),
        16_000 => (pesq::pesq(&x, &y), 4000),
        _ => {
            return Err(Error::Rate {
                measure: MEASURE,
                rate,
                allowed: "8000 or 16000 Hz",
            })
        }
    };
    let raw = raw.map_err(|e| translate(e, MEASURE, reference.len(), needed))?;
    Ok(f64::from(pesq::score::mos_lqo(f64::from(raw))))
}

/// Checks the signals and makes 16-bit samples of them, each scaled so that it just does not clip: PESQ levels each
/// signal itself, so that gains change nothing but the rounding, and a signal much louder than the other must not
/// round that one to silence.
fn prepare(
    reference: &[f32],
    degraded: &[f32],
    measure: &'static str,
) -> Result<(Vec<i16>, Vec<i16>)> {
    check(reference, degraded, measure)?;
    check_sound(reference, Which::Reference, measure)?;
    check_sound(degraded, Which::Degraded, measure)?;
    let integers = |signal: &[f32]| {
        let peak = signal.iter().fold(0f32, |a, x| a.max(x.abs()));
        signal
            .iter()
            .map(|x| (x / peak * 32_000.0).round() as i16)
            .collect()
    };
    Ok((integers(reference), integers(degraded)))
}

fn translate(error: pesq::PesqError, measure: &'static str, found: usize, needed: usize) -> Error {
    match error {
        pesq::PesqError::NoUtterancesFound => Error::NoSpeech { measure },
        _ => Error::TooShort {
            measure,
            found,
            needed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_change_next_to_nothing_however_large() {
        // Bursts of a tone with noise, against the same with more noise.
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let x: Vec<f32> = (0..32_000)
            .map(|i| match i / 4_000 % 2 {
                0 => 0.3 * (i as f32 * 0.2).sin() + 0.01 * noise(),
                _ => 0.001 * noise(),
            })
            .collect();
        let y: Vec<f32> = x.iter().map(|x| x + 0.05 * noise()).collect();
        let score = |gain: f32| {
            let y: Vec<f32> = y.iter().map(|y| y * gain).collect();
            pesq_wb(&x, &y).expect("defined")
        };
        assert!(score(1.0) < 4.0);
        for gain in [0.01, 10.0, 1e6] {
            assert!((score(gain) - score(1.0)).abs() < 0.02, "{gain}");
        }
    }

    #[test]
    fn faulty_signals_are_named() {
        let x: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.1).sin()).collect();
        let zeros = vec![0.0; 16_000];
        assert_eq!(
            pesq_wb(&x, &zeros),
            Err(Error::Silent {
                which: Which::Degraded,
                measure: "PESQ-WB"
            })
        );
        assert!(matches!(pesq_wb(&x, &x[1..]), Err(Error::Lengths { .. })));
        assert!(matches!(
            pesq_nb(&x, &x, 44_100),
            Err(Error::Rate { rate: 44_100, .. })
        ));
        assert!(matches!(
            pesq_wb(&x[..1000], &x[..1000]),
            Err(Error::TooShort { found: 1000, .. })
        ));
        let mut infinite = x.clone();
        infinite[3] = f32::INFINITY;
        assert!(matches!(
            pesq_nb(&infinite, &x, 16_000),
            Err(Error::NotFinite { at: 3, .. })
        ));
    }
}
