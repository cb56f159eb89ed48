//! From quantised levels in 1/8 dB to dB above the origin, the unit of every image in this crate.

use codec_format::header::{Header, LatticeShape, MaskKind, Quantiser};

/// One unit of the quantisers in dB.
pub const UNIT: f32 = 0.125;

/// Kept value `index` of a mask without thresholds: dB above the origin, at the middle of the step.
#[must_use]
pub fn value(quantiser: &Quantiser, index: u8) -> f32 {
    (f32::from(index) + 0.5) * f32::from(quantiser.step) * UNIT
}

/// Kept value `index` above a ridge threshold `base` (dB above the origin).
#[must_use]
pub fn ridge_value(quantiser: &Quantiser, base: f32, index: u8) -> f32 {
    base + value(quantiser, index)
}

/// Ridge threshold `index`: dB above the origin.
#[must_use]
pub fn threshold(threshold_step: u8, index: u8) -> f32 {
    f32::from(index) * f32::from(threshold_step) * UNIT
}

/// Step of a header's ridge thresholds, 1/8 dB; 1 for other masks, which have none.
#[must_use]
pub fn threshold_step(header: &Header) -> u8 {
    match header.mask {
        MaskKind::Ridge { threshold_step } => threshold_step,
        _ => 1,
    }
}

/// Lattice level `index`: dB above the origin.
#[must_use]
pub fn lattice(shape: &LatticeShape, index: u8) -> f32 {
    f32::from(index) * f32::from(shape.step) * UNIT
}

/// The index whose step holds `level` dB (above the base the steps count from), clamped to a byte.
#[must_use]
pub fn floor_index(level: f32, step: u8) -> u8 {
    libm::floorf(level / (f32::from(step) * UNIT)).clamp(0.0, 255.0) as u8
}

/// The index nearest to `level` dB, clamped to a byte.
#[must_use]
pub fn round_index(level: f32, step: u8) -> u8 {
    libm::floorf(level / (f32::from(step) * UNIT) + 0.5).clamp(0.0, 255.0) as u8
}

/// The origin in dB.
#[must_use]
pub fn origin(quantiser: &Quantiser) -> f32 {
    f32::from(quantiser.origin) * UNIT
}

/// Highest level a pixel sounds with, dB: a full-scale sine reaches 66 with the longest transform. What a
/// forged stream or model puts beyond must not become an infinite sample.
pub const LOUDEST: f32 = 160.0;

/// Magnitude of a pixel of `level` dB: at most that of [`LOUDEST`]; what is no number is silent.
pub(crate) fn magnitude(level: f32) -> f32 {
    // 10^(x / 20) = e^(x ln 10 / 20)
    let magnitude_of = |x: f32| libm::expf(x * 0.115_129_255);
    if level > LOUDEST {
        magnitude_of(LOUDEST)
    } else if level <= LOUDEST {
        magnitude_of(level)
    } else {
        0.0
    }
}
