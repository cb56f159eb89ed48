//! From levels to magnitudes, by table (Spec §9.2).

use crate::error::Result;
use crate::quantise::levels::{self, short};
use codec_format::memory::Memory;

/// Levels of a factor of ten in magnitude, 1/16 dB each.
const DECADE: i32 = 320;
/// The quietest and the loudest level that sounds, in factors of ten: a full-scale sine reaches 66 dB with the longest
/// transform, and what a forged stream or model puts beyond must not become an infinite sample.
const QUIETEST: i32 = -8;
const LOUDEST: i32 = 8;
/// 10 to each of these factors.
const POWERS: [f32; 17] = [
    1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8,
];

/// The magnitudes of dense levels.
#[derive(Debug)]
pub(super) struct Magnitudes<M: Memory> {
    /// `10^(r / 320)`.
    within: M::Of<f32>,
    /// The origin, 1/16 dB.
    origin: i32,
}

impl<M: Memory> Magnitudes<M> {
    /// For levels above `origin`, in 1/16 dB.
    pub fn new(origin: i32, memory: &mut M) -> Result<Self> {
        Ok(Magnitudes {
            within: memory.take(DECADE as usize)?,
            origin,
        })
    }

    pub fn reset(&mut self) {
        for (level, x) in (0..).zip(self.within.iter_mut()) {
            *x = levels::magnitude(level);
        }
    }

    /// That of a level above the origin, 1/16 dB: a number whose lower 16 bits are zero.
    #[inline(always)]
    pub fn of(&self, level: i16) -> f32 {
        let level = i32::from(level) + self.origin;
        let level = level.clamp(QUIETEST * DECADE, LOUDEST * DECADE) - QUIETEST * DECADE;
        short(self.within[(level % DECADE) as usize] * POWERS[(level / DECADE) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec_format::memory::Heap;

    #[test]
    fn the_tables_say_what_is_worked_out() {
        let mut magnitudes = Magnitudes::new(-400, &mut Heap::new(1 << 20)).unwrap();
        magnitudes.reset();
        for level in levels::LOWEST..=levels::HIGHEST {
            let wanted = levels::magnitude(i32::from(level) - 400);
            assert_eq!(magnitudes.of(level), short(wanted));
            assert!(short(wanted) > 0.992 * wanted);
        }
    }

    /// The table holds the numbers nearest to the true ones whatever the last bits of `pow` are.
    #[test]
    fn no_power_lies_near_the_middle_between_two_numbers() {
        for r in 0..DECADE {
            let exact = libm::pow(10.0, f64::from(r) / f64::from(DECADE));
            for nudge in [1.0 - 1e-14, 1.0 + 1e-14] {
                assert_eq!((exact * nudge) as f32, exact as f32);
            }
        }
    }
}
