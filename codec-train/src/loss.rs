//! The training loss, in the network's units: L1 weighted towards what is heard, or the plain mean square.

use serde::Deserialize;

/// What is summed over the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Absolute errors, weighted by [`LossConfig::weight`].
    #[default]
    WeightedL1,
    /// Squared errors, all alike.
    Mse,
}

/// What is summed over the pixels, and how much each counts: a sigmoid of its level relative to the loudest
/// pixel of its (fine) frame.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// `weighted-l1` or `mse`, which takes no weights.
    pub kind: Measure,
    /// dB below the frame's loudest pixel at which the sigmoid is one half.
    pub middle: f32,
    /// dB over which the sigmoid changes.
    pub width: f32,
    /// Added to the sigmoid: what inaudible pixels still count.
    pub floor: f32,
    /// Whether a bin counts by its share of a critical band besides.
    pub critical_bands: bool,
}

impl Default for LossConfig {
    fn default() -> Self {
        LossConfig {
            kind: Measure::WeightedL1,
            middle: 40.0,
            width: 10.0,
            floor: 0.15,
            critical_bands: false,
        }
    }
}

impl LossConfig {
    /// The weight of a pixel `below` dB below its frame's loudest.
    #[must_use]
    pub fn weight(&self, below: f32) -> f32 {
        match self.kind {
            Measure::WeightedL1 => {
                1.0 / (1.0 + ((below - self.middle) / self.width).exp()) + self.floor
            }
            Measure::Mse => 1.0,
        }
    }

    /// What the bins of a transform count at a sample rate of `rate` Hz, 1 on average: all the same, or each the share of
    /// a critical band that it is wide.
    #[must_use]
    pub fn bins(&self, bins: usize, rate: u32) -> Vec<f32> {
        if !self.critical_bands {
            return vec![1.0; bins];
        }
        let width = f64::from(rate) / 2.0 / (bins.max(2) - 1) as f64;
        let shares: Vec<f64> = (0..bins).map(|k| bark_slope(k as f64 * width)).collect();
        let mean = shares.iter().sum::<f64>() / bins as f64;
        shares.iter().map(|share| (share / mean) as f32).collect()
    }
}

/// Critical bands to a hertz at `frequency` Hz: the slope of `13 atan(0.00076 f) + 3.5 atan((f / 7500)^2)` (Zwicker and
/// Terhardt 1980, eq. 1).
fn bark_slope(frequency: f64) -> f64 {
    let low = 0.000_76 * frequency;
    let high = (frequency / 7500.0).powi(2);
    let slope_of_high = 2.0 * frequency / 7500.0_f64.powi(2);
    13.0 * 0.000_76 / (1.0 + low * low) + 3.5 * slope_of_high / (1.0 + high * high)
}

impl Measure {
    /// The error of one number and its derivative.
    fn of(self, error: f32) -> (f32, f32) {
        match self {
            Measure::WeightedL1 if error == 0.0 => (0.0, 0.0),
            Measure::WeightedL1 => (error.abs(), error.signum()),
            Measure::Mse => (error * error, 2.0 * error),
        }
    }
}

/// The loss of a network's output: the weighted mean of the errors.
#[must_use]
pub fn value(output: &[f32], target: &[f32], weight: &[f32], kind: Measure) -> f32 {
    let errors = output.iter().zip(target).zip(weight);
    let sum: f64 = errors
        .map(|((o, t), w)| f64::from(w * kind.of(o - t).0))
        .sum();
    (sum / output.len() as f64) as f32
}

/// The derivative of [`value`] by each number of the output.
#[must_use]
pub fn gradient(output: &[f32], target: &[f32], weight: &[f32], kind: Measure) -> Vec<f32> {
    let share = 1.0 / output.len() as f32;
    let errors = output.iter().zip(target).zip(weight);
    errors
        .map(|((o, t), w)| w * share * kind.of(o - t).1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_at_the_middle_counts_half_and_the_floor() {
        let w = LossConfig::default();
        assert!((w.weight(40.0) - 0.65).abs() < 1e-6);
        assert!(w.weight(0.0) > 1.1 && w.weight(80.0) < 0.2);
    }

    #[test]
    fn low_bins_count_as_much_more_as_critical_bands_are_narrower() {
        let flat = LossConfig::default().bins(257, 16_000);
        assert!(flat.iter().all(|&w| w == 1.0));
        let heard = LossConfig {
            critical_bands: true,
            ..LossConfig::default()
        };
        let weights = heard.bins(257, 16_000);
        assert!((weights.iter().sum::<f32>() / 257.0 - 1.0).abs() < 1e-5);
        // A critical band is 100 Hz wide at the bottom and some 700 Hz about 4 kHz.
        let ratio = weights[2] / weights[128];
        assert!((6.0..8.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let (target, weight) = ([0.5, -1.0, 2.0], [1.0, 0.5, 0.25]);
        let x = [1.0, -2.0, 0.0];
        for kind in [Measure::WeightedL1, Measure::Mse] {
            let at = |x: &[f32; 3]| value(x, &target, &weight, kind);
            let gradient = gradient(&x, &target, &weight, kind);
            for i in 0..3 {
                let (mut up, mut down) = (x, x);
                up[i] += 0.1;
                down[i] -= 0.1;
                assert!(
                    ((at(&up) - at(&down)) / 0.2 - gradient[i]).abs() < 1e-5,
                    "{kind:?}, number {i}"
                );
            }
        }
    }
}
