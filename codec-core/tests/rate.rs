//! Encoding to a rate: how near to it whole files come, and that none exceeds it.

use codec_core::rate::{encode_to_bitrate, file_bytes, speech_settings, Fitted};
use codec_format::header::Signal;

const RATE: usize = 16_000;

fn noise(seed: &mut u32) -> f32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*seed >> 8) as f32 / 8_388_608.0 - 1.0
}

/// Harmonics of a gliding pitch in syllables, over a little noise; from integer arithmetic and libm alone.
fn voice(len: usize) -> Vec<f32> {
    let (mut phase, mut seed) = (0.0f64, 7);
    (0..len)
        .map(|i| {
            let t = i as f64 / RATE as f64;
            phase += 120.0 * (1.0 + 0.3 * libm::sin(3.0 * t)) / RATE as f64;
            let envelope = libm::sin(5.0 * t).max(0.02);
            let tone: f64 = (1..30)
                .map(|h| libm::sin(core::f64::consts::TAU * phase * f64::from(h)) / f64::from(h))
                .sum();
            (0.2 * envelope * tone) as f32 + 0.002 * noise(&mut seed)
        })
        .collect()
}

/// A tone that sweeps from 100 Hz to 7 kHz and back, over a little noise.
fn sweep(len: usize) -> Vec<f32> {
    let (mut phase, mut seed) = (0.0f64, 3);
    (0..len)
        .map(|i| {
            let t = i as f64 / RATE as f64;
            phase += (3_550.0 - 3_450.0 * libm::cos(2.0 * t)) / RATE as f64;
            let tone = libm::sin(core::f64::consts::TAU * phase) as f32;
            0.3 * tone + 0.01 * noise(&mut seed)
        })
        .collect()
}

fn white(len: usize) -> Vec<f32> {
    let mut seed = 1;
    (0..len).map(|_| 0.1 * noise(&mut seed)).collect()
}

fn encoded(channels: &[Vec<f32>], bits_per_second: u32) -> Fitted {
    let source = Signal {
        rate: RATE as u32,
        channels: channels.len() as u8,
    };
    let total = channels[0].len() as u64;
    let settings = speech_settings(bits_per_second / channels.len() as u32);
    encode_to_bitrate(channels, source, total, bits_per_second, &settings, None).unwrap()
}

/// The file's rate as a share of the target.
fn share(fitted: &Fitted, samples: usize, bits_per_second: u32) -> f64 {
    let seconds = samples as f64 / RATE as f64;
    fitted.bytes as f64 * 8.0 / seconds / f64::from(bits_per_second)
}

#[test]
fn files_of_three_seconds_come_within_three_percent_and_never_exceed_the_rate() {
    let len = 3 * RATE + 77;
    // In noise every frame's threshold takes its step at nearly the same margin: only a splice comes near.
    for (name, pcm) in [
        ("voice", voice(len)),
        ("sweep", sweep(len)),
        ("white noise", white(len)),
    ] {
        for rate in [3_000, 4_500, 6_000, 9_000, 12_000, 16_000] {
            let fitted = encoded(std::slice::from_ref(&pcm), rate);
            assert!(fitted.fits, "{name} at {rate}");
            assert_eq!(fitted.bytes, file_bytes(&fitted.encoded).unwrap());
            let share = share(&fitted, len, rate);
            assert!((0.97..=1.0).contains(&share), "{name} at {rate}: {share}");
        }
    }
}

#[test]
fn two_channels_share_a_rate() {
    let len = 4 * RATE;
    let fitted = encoded(&[voice(len), sweep(len)], 12_000);
    let share = share(&fitted, len, 12_000);
    assert!(fitted.fits && (0.97..=1.0).contains(&share), "{share}");
}

#[test]
fn what_has_nothing_more_to_say_stays_below_the_rate() {
    for (name, pcm) in [
        ("silence", vec![0.0; 3 * RATE]),
        ("a constant", vec![0.25; 3 * RATE]),
    ] {
        for rate in [1_500, 6_000, 60_000] {
            let fitted = encoded(std::slice::from_ref(&pcm), rate);
            assert!(fitted.fits, "{name} at {rate}: {} bytes", fitted.bytes);
            assert!(share(&fitted, 3 * RATE, rate) <= 1.0);
        }
    }
}

#[test]
fn a_clip_that_cannot_fit_says_so_with_the_least_it_takes() {
    let fitted = encoded(&[voice(400)], 3_000);
    assert!(!fitted.fits);
    assert_eq!(fitted.bytes, file_bytes(&fitted.encoded).unwrap());
    // Empty masks over the thinnest lattice.
    assert!(fitted.encoded.segments[0].channels[0].mask.not_any());
    assert_eq!(fitted.encoded.header.lattice.unwrap().bands, 8);
}
