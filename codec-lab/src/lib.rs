//! Research on the sparc codec: rate against quality, the experiments of the thesis behind it, the priors of its entropy
//! coder, the streams that pin its format, and figures.
//! The codec itself needs none of it.

pub mod bench;
pub mod figure;
#[cfg(feature = "train")]
pub mod priors;
#[cfg(feature = "train")]
pub mod reproduce;
pub mod vectors;

/// Thousand bits a second of `bytes` bytes over `seconds` seconds.
#[must_use]
pub fn kilobits(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 * 8.0 / seconds.max(1e-9) / 1000.0
}
