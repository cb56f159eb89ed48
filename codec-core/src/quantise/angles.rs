//! Stored phases: between an angle and its index (Spec §6.6, §9.2).

use crate::transform::stft::Complex32;
use codec_format::header::PhaseKind;
use core::f32::consts::PI;

/// Bits of a stored phase; 0 where none is stored.
#[must_use]
pub fn phase_bits(kind: PhaseKind) -> u8 {
    match kind {
        PhaseKind::None => 0,
        PhaseKind::Thresholded { bits, .. } | PhaseKind::All { bits } => bits,
    }
}

/// The index of a phase of `bits` bits, for the angle of `z`.
#[must_use]
pub fn phase_index(z: Complex32, bits: u8) -> u16 {
    let turns = libm::atan2f(z.im, z.re) / (2.0 * PI);
    let steps = 1i32 << bits;
    (libm::floorf(turns * steps as f32 + 0.5) as i32).rem_euclid(steps) as u16
}

/// The direction of phase `index` of `bits` bits: its cosine and sine.
#[must_use]
pub fn phase_unit(index: u16, bits: u8) -> Complex32 {
    let angle = f32::from(index) / (1u32 << bits) as f32 * 2.0 * PI;
    let (sin, cos) = libm::sincosf(angle);
    Complex32::new(cos, sin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_its_index_times_a_turn_over_the_steps() {
        for bits in 1..=12u8 {
            for index in 0..1u16 << bits {
                let unit = phase_unit(index, bits);
                let angle = core::f64::consts::TAU * f64::from(index) / f64::from(1u32 << bits);
                assert!((f64::from(unit.re) - libm::cos(angle)).abs() < 1e-6);
                assert!((f64::from(unit.im) - libm::sin(angle)).abs() < 1e-6);
                assert_eq!(phase_index(unit, bits), index);
            }
        }
    }
}
