//! The training loss, in the network's units: L1, perhaps weighted by level or by critical bands, or the mean square.

use serde::Deserialize;

/// What is summed over the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Absolute errors, weighted by [`LossConfig::weight`].
    #[default]
    WeightedL1,
    /// Absolute errors, all alike.
    L1,
    /// Squared errors, all alike.
    Mse,
}

/// What is summed over the pixels, and how much each counts: for a weighted measure a sigmoid of its level relative to the
/// loudest pixel of its (fine) frame.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// `weighted-l1`, or `l1` or `mse`, whose pixels count alike whatever their level.
    pub kind: Measure,
    /// dB below the frame's loudest pixel at which the sigmoid is one half.
    pub middle: f32,
    /// dB over which the sigmoid changes.
    pub width: f32,
    /// Added to the sigmoid: what inaudible pixels still count.
    pub floor: f32,
    /// Whether a bin counts by its share of a critical band besides.
    pub critical_bands: bool,
    /// How much errors of the power of half a critical band count beside those of pixels.
    pub band_power: f32,
}

impl Default for LossConfig {
    fn default() -> Self {
        LossConfig {
            kind: Measure::WeightedL1,
            middle: 40.0,
            width: 10.0,
            floor: 0.15,
            critical_bands: false,
            band_power: 0.0,
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
            Measure::L1 | Measure::Mse => 1.0,
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

/// The first bin of every half a critical band of a transform's `bins` at a sample rate of `rate` Hz, and their number.
#[must_use]
pub fn half_bands(bins: usize, rate: u32) -> Vec<usize> {
    let width = f64::from(rate) / 2.0 / (bins.max(2) - 1) as f64;
    let band = |bin: usize| (2.0 * bark(bin as f64 * width)).floor() as i64;
    let mut edges: Vec<usize> = (0..bins)
        .filter(|&bin| bin == 0 || band(bin) != band(bin - 1))
        .collect();
    edges.push(bins);
    edges
}

/// What critical bands are made of, each with its height and the reciprocal of its frequency, Hz: `13 atan(0.00076 f) +
/// 3.5 atan((f / 7500)^2)` (Zwicker and Terhardt 1980, eq. 1).
const BARK: [(f64, f64); 2] = [(13.0, 0.000_76), (3.5, 1.0 / 7500.0)];

/// The critical band about `frequency` Hz.
fn bark(frequency: f64) -> f64 {
    let [low, high] = BARK;
    low.0 * (low.1 * frequency).atan() + high.0 * (high.1 * frequency).powi(2).atan()
}

/// Errors of the power of bands, in the units of the network, whose frames are side by side.
#[derive(Debug)]
pub struct BandPower<'a> {
    /// First bins of bands, and the number of bins.
    pub edges: &'a [usize],
    /// Numbers of a bin.
    pub frames: usize,
    /// Natural logarithm of the power ratio that a difference of one is.
    pub unit: f32,
}

impl BandPower<'_> {
    /// Bands of a sample.
    fn bands(&self) -> usize {
        self.edges.len() - 1
    }

    /// The mean error, and its derivative by each number of the output. `share` is what each number's power is of its
    /// band's, where that is compared at all.
    #[must_use]
    pub fn error(&self, output: &[f32], target: &[f32], share: &[f32]) -> (f32, Vec<f32>) {
        /// Differences beyond these many units count as these.
        const FAR: f32 = 3.0;
        let sample = self
            .edges
            .last()
            .map_or(0, |bins| bins * self.frames)
            .max(1);
        let count = (output.len() / sample * self.bands() * self.frames).max(1) as f32;
        let mut sum = 0f64;
        let mut slopes = vec![0.0; output.len()];
        for start in (0..output.len()).step_by(sample) {
            for band in self.edges.windows(2) {
                for frame in 0..self.frames {
                    let at = |bin: usize| start + bin * self.frames + frame;
                    let power = |at: usize| {
                        let difference = (output[at] - target[at]).clamp(-FAR, FAR);
                        share[at] * (self.unit * difference).exp()
                    };
                    let ratio: f32 = (band[0]..band[1]).map(|bin| power(at(bin))).sum();
                    if ratio <= 0.0 {
                        continue;
                    }
                    let error = ratio.ln() / self.unit;
                    sum += f64::from(error.abs());
                    for bin in band[0]..band[1] {
                        slopes[at(bin)] = error.signum() * power(at(bin)) / ratio / count;
                    }
                }
            }
        }
        ((sum / f64::from(count)) as f32, slopes)
    }
}

/// Critical bands to a hertz at `frequency` Hz: the slope of [`bark`].
fn bark_slope(frequency: f64) -> f64 {
    let [low, high] = BARK;
    let of_low = low.1 / (1.0 + (low.1 * frequency).powi(2));
    let square = (high.1 * frequency).powi(2);
    low.0 * of_low + high.0 * 2.0 * high.1.powi(2) * frequency / (1.0 + square * square)
}

impl Measure {
    /// The error of one number and its derivative.
    fn of(self, error: f32) -> (f32, f32) {
        match self {
            Measure::WeightedL1 | Measure::L1 if error == 0.0 => (0.0, 0.0),
            Measure::WeightedL1 | Measure::L1 => (error.abs(), error.signum()),
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
    fn the_slope_of_critical_bands_is_their_difference() {
        for frequency in [50.0, 300.0, 1_000.0, 3_500.0, 7_900.0] {
            let difference =
                (bark(frequency + 0.5) - bark(frequency - 0.5)) / bark_slope(frequency);
            assert!(
                (difference - 1.0).abs() < 1e-4,
                "{frequency} Hz: {difference}"
            );
        }
        assert!((bark(1_000.0) - 8.5).abs() < 0.1);
    }

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
        for kind in [Measure::L1, Measure::Mse] {
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

    #[test]
    fn half_bands_widen_with_frequency_and_hold_every_bin() {
        let edges = half_bands(257, 16_000);
        assert_eq!((edges[0], *edges.last().unwrap()), (0, 257));
        assert!((40..46).contains(&(edges.len() - 1)), "{edges:?}");
        let widths: Vec<usize> = edges.windows(2).map(|e| e[1] - e[0]).collect();
        assert!(widths.iter().all(|&w| w > 0));
        assert!(widths[2] <= 2 && *widths.iter().max().unwrap() > 12);
    }

    #[test]
    fn the_power_of_a_band_is_compared_whatever_lies_where_in_it() {
        let bands = BandPower {
            edges: &[0, 2, 3],
            frames: 1,
            unit: 4.6,
        };
        // Two samples of three bins: all a unit too loud; then the power of two bins exchanged, and one not compared.
        let target = [0.0, 0.1, 0.2, 0.0, 0.5, 0.0];
        let share = [
            0.3,
            0.7,
            1.0,
            1.0 / (1.0 + (2.3f32).exp()),
            1.0 / (1.0 + (-2.3f32).exp()),
            0.0,
        ];
        let output = [1.0, 1.1, 1.2, 0.5, 0.0, 9.0];
        let (value, slopes) = bands.error(&output, &target, &share);
        assert!((value - 0.5).abs() < 1e-5, "{value}");
        assert_eq!(slopes[5], 0.0);
        // The gradient is that of the value.
        let x = [0.4, -0.3, 0.1, 0.2, -0.1, 0.0];
        let (_, slopes) = bands.error(&x, &target, &share);
        for i in 0..6 {
            let (mut up, mut down) = (x, x);
            up[i] += 0.01;
            down[i] -= 0.01;
            let at = |x: &[f32; 6]| bands.error(x, &target, &share).0;
            let slope = (at(&up) - at(&down)) / 0.02;
            assert!(
                (slope - slopes[i]).abs() < 1e-3,
                "number {i}: {slope}, {}",
                slopes[i]
            );
        }
    }
}
