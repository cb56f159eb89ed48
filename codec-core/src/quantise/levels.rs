//! From indices to levels. A *level* here is a whole number of 1/16 dB above the origin; encoders, which choose
//! indices, count in dB.

use codec_format::header::{Header, LatticeShape, MaskKind, Quantiser};

/// Levels to a decibel.
pub const PER_DB: i32 = 16;
/// Highest level of an image.
pub const HIGHEST: i16 = 8191;
/// Lowest level of an image.
pub const LOWEST: i16 = -8192;

/// One unit of the quantisers in dB.
pub const UNIT: f32 = 0.125;
/// Levels to a unit of the quantisers.
const PER_UNIT: i32 = 2;

/// The nearest level that an image can have.
#[must_use]
pub fn clamp(level: i32) -> i16 {
    level.clamp(i32::from(LOWEST), i32::from(HIGHEST)) as i16
}

/// A level in dB.
#[must_use]
pub fn decibels(level: i32) -> f32 {
    level as f32 / PER_DB as f32
}

/// Kept value `index`, at the middle of its step: above its frame's threshold or, with a mask without thresholds, above
/// the origin (Spec §8.1).
#[must_use]
pub fn value(quantiser: &Quantiser, index: u8) -> i32 {
    (PER_UNIT * i32::from(index) + 1) * i32::from(quantiser.step)
}

/// Ridge threshold `index` (Spec §8.1).
#[must_use]
pub fn threshold(threshold_step: u8, index: u8) -> i32 {
    PER_UNIT * i32::from(threshold_step) * i32::from(index)
}

/// Step of a header's ridge thresholds, 1/8 dB; 1 for other masks, which have none.
#[must_use]
pub fn threshold_step(header: &Header) -> u8 {
    match header.mask {
        MaskKind::Ridge { threshold_step } => threshold_step,
        _ => 1,
    }
}

/// Lattice index `index` (Spec §8.1).
#[must_use]
pub fn lattice(shape: &LatticeShape, index: u8) -> i16 {
    clamp(PER_UNIT * i32::from(shape.step) * i32::from(index))
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

/// The origin in 1/16 dB.
#[must_use]
pub fn origin_level(quantiser: &Quantiser) -> i32 {
    PER_UNIT * i32::from(quantiser.origin)
}

/// Floor of a power before its logarithm: about 100 dB below the quietest 16-bit noise.
const POWER_FLOOR: f32 = 1e-16;

/// The level of a power, 1/16 dB, counted from a power of one (Spec §8.1).
#[must_use]
pub fn of_power(power: f32) -> i32 {
    let power = if power > POWER_FLOOR {
        power
    } else {
        POWER_FLOOR
    };
    libm::floorf(160.0 * libm::log10f(power) + 0.5) as i32
}

/// Highest level a pixel sounds with, dB: a full-scale sine reaches 66 with the longest transform. What a
/// forged stream or model puts beyond must not become an infinite sample.
pub const LOUDEST: f32 = 160.0;

/// Levels of a factor of ten in magnitude.
const PER_DECADE: i32 = 20 * PER_DB;

/// The magnitude of a level counted from a power of one, brought to -160..=160 dB (Spec §9.2): the product of two
/// binary32 numbers, each the nearest to its power of ten.
#[must_use]
pub fn magnitude(level: i32) -> f32 {
    let loudest = LOUDEST as i32 * PER_DB;
    let level = level.clamp(-loudest, loudest);
    let power = |exponent: f64| libm::pow(10.0, exponent) as f32;
    let part = f64::from(level.rem_euclid(PER_DECADE)) / f64::from(PER_DECADE);
    power(part) * power(f64::from(level.div_euclid(PER_DECADE)))
}

/// The upper 16 bits of a number: sign, exponent and seven bits behind the point.
#[inline(always)]
pub(crate) fn upper(x: f32) -> u16 {
    (x.to_bits() >> 16) as u16
}

/// The number with these upper bits and no others.
#[inline(always)]
pub(crate) fn of_upper(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// A number without its lower 16 bits, as magnitudes enter synthesis (Spec §9.2).
#[inline(always)]
#[must_use]
pub fn short(x: f32) -> f32 {
    of_upper(upper(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_sixteen_to_the_decibel() {
        assert_eq!(magnitude(0), 1.0);
        assert_eq!(magnitude(320), 10.0);
        assert_eq!(magnitude(-320), 0.1);
        assert_eq!(magnitude(i32::MAX), 1e8);
        assert_eq!(magnitude(i32::MIN), 1e-8);
        for level in (-2560..=2560).step_by(7) {
            let size = magnitude(level);
            assert!((of_power(size * size) - level).abs() <= 1, "{level}");
        }
        assert_eq!(of_power(0.0), -2560);
        assert_eq!(of_power(f32::NAN), -2560);
    }
}
