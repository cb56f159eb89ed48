//! What both benchmarks share: a signal like speech, the default network, and speed as a multiple of real time.

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use std::f64::consts::TAU;
use std::time::{Duration, Instant};

/// Rate of the signal, Hz.
pub const RATE: u32 = 16_000;
/// Seconds of the signal.
pub const SECONDS: usize = 10;
/// Ten seconds like speech: syllables of a gliding pitch whose overtones follow two moving formants, hissing
/// consonants between them, pauses.
pub fn voice() -> Vec<f32> {
    let (mut phase, mut noise, mut hiss) = (0.0f64, 1u32, 0.0f64);
    let formant = |f: f64, centre: f64, width: f64| 1.0 / (1.0 + ((f - centre) / width).powi(2));
    (0..SECONDS * RATE as usize)
        .map(|i| {
            let t = i as f64 / f64::from(RATE);
            let pitch = 120.0 + 25.0 * (1.7 * t).sin() + 10.0 * (5.3 * t).sin();
            phase += pitch / f64::from(RATE);
            // Four syllables a second, every seventh missing.
            let syllable = (4.0 * t).fract();
            let spoken = if (4.0 * t) as u32 % 7 == 6 { 0.0 } else { 1.0 };
            let voiced = spoken * (std::f64::consts::PI * (syllable * 1.4).min(1.0)).sin();
            let first = 500.0 + 200.0 * (3.1 * t).sin();
            let second = 1_600.0 + 600.0 * (2.3 * t).cos();
            let tone: f64 = (1..=40)
                .map(|h| {
                    let f = f64::from(h) * pitch;
                    let gain = formant(f, first, 120.0) + 0.5 * formant(f, second, 200.0) + 0.02;
                    gain * (TAU * phase * f64::from(h)).sin()
                })
                .sum();
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = f64::from(noise >> 8) / 8_388_608.0 - 1.0;
            let consonant = if syllable > 0.75 {
                spoken * 0.05
            } else {
                0.001
            };
            let high = white - hiss;
            hiss = white;
            (0.15 * voiced * tone + consonant * high) as f32
        })
        .collect()
}

/// Wall time, with throughput shown as a multiple of real time.
pub struct RealTime;

impl Measurement for RealTime {
    type Intermediate = Instant;
    type Value = Duration;

    fn start(&self) -> Instant {
        WallTime.start()
    }

    fn end(&self, start: Instant) -> Duration {
        WallTime.end(start)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        WallTime.add(a, b)
    }

    fn zero(&self) -> Duration {
        WallTime.zero()
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for RealTime {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    /// `Throughput::Elements` counts samples at [`RATE`]; values are nanoseconds.
    fn scale_throughputs(
        &self,
        typical: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        let Throughput::Elements(samples) = *throughput else {
            return WallTime
                .formatter()
                .scale_throughputs(typical, throughput, values);
        };
        let seconds = samples as f64 / f64::from(RATE);
        values
            .iter_mut()
            .for_each(|ns| *ns = seconds / (*ns * 1e-9));
        "x real time"
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}

/// Few samples: one run of a whole clip is long.
pub fn criterion() -> Criterion<RealTime> {
    Criterion::default()
        .with_measurement(RealTime)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4))
}

/// Throughput of the whole signal.
pub fn whole() -> Throughput {
    Throughput::Elements((SECONDS * RATE as usize) as u64)
}
