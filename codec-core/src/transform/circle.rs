//! Directions by table: the only sines and cosines of synthesis (Spec §9.1).

use crate::error::Result;
use codec_format::memory::Memory;
use core::f64::consts::TAU;

/// Steps of a turn.
const STEPS: usize = 4096;
const QUARTER: usize = STEPS / 4;
/// Turns are whole numbers, 2^32 to one turn; this many low bits lie within a step.
const WITHIN: u32 = u32::BITS - STEPS.trailing_zeros();

/// The unit circle in 4096 steps. Angles are in turns: 2^32 is a whole one, so that they wrap by themselves.
#[derive(Debug)]
pub struct Circle<M: Memory> {
    /// Sines of the first quarter, both ends included.
    sines: M::Of<f32>,
}

impl<M: Memory> Circle<M> {
    /// Takes the table.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if there is no more memory.
    pub fn new(memory: &mut M) -> Result<Self> {
        Ok(Circle {
            sines: memory.take(QUARTER + 1)?,
        })
    }

    /// Fills the table.
    pub fn reset(&mut self) {
        for (j, sine) in self.sines.iter_mut().enumerate() {
            *sine = libm::sin(TAU * j as f64 / STEPS as f64) as f32;
        }
    }

    /// Cosine and sine of the step nearest to an angle.
    #[inline(always)]
    pub fn unit(&self, turn: u32) -> [f32; 2] {
        let step = turn.wrapping_add(1 << (WITHIN - 1)) >> WITHIN;
        let (quarter, along) = (step / QUARTER as u32, step as usize % QUARTER);
        let sine = if quarter % 2 == 0 {
            along
        } else {
            QUARTER - along
        };
        let signed = |x: f32, quarter: u32| f32::from_bits(x.to_bits() ^ (quarter & 2) << 30);
        [
            signed(self.sines[QUARTER - sine], quarter + 1),
            signed(self.sines[sine], quarter),
        ]
    }

    /// The angle of a complex number: the middle of the step it lies in.
    pub fn turn(&self, [re, im]: [f32; 2]) -> u32 {
        let (x, y) = (re.abs(), im.abs());
        let mut step = 0;
        let mut half = QUARTER / 2;
        while half > 0 {
            let further = step + half;
            if self.sines[further] * x <= self.sines[QUARTER - further] * y {
                step = further;
            }
            half /= 2;
        }
        let first = (step as u32) << WITHIN | 1 << (WITHIN - 1);
        let upper = if re < 0.0 { (1 << 31) - first } else { first };
        if im < 0.0 {
            upper.wrapping_neg()
        } else {
            upper
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec_format::memory::Heap;

    #[test]
    fn angles_and_directions_are_each_others() {
        let mut circle = Circle::new(&mut Heap::new(1 << 20)).unwrap();
        circle.reset();
        for step in 0..STEPS as u32 {
            let [re, im] = circle.unit(step << WITHIN);
            let angle = TAU * f64::from(step) / STEPS as f64;
            assert!((f64::from(re) - libm::cos(angle)).abs() < 1e-7);
            assert!((f64::from(im) - libm::sin(angle)).abs() < 1e-7);
            // A little further lies within the step.
            let (sin, cos) = libm::sincos(angle + 1e-4);
            let turn = circle.turn([cos as f32 * 3.0, sin as f32 * 3.0]);
            assert_eq!(turn, step << WITHIN | 1 << (WITHIN - 1));
        }
        for z in [[0.0, 0.0], [f32::INFINITY, 1.0], [f32::NAN, f32::NAN]] {
            circle.turn(z);
        }
    }

    /// The table holds the numbers nearest to the true ones whatever the last bits of `sin` are.
    #[test]
    fn no_sine_lies_near_the_middle_between_two_numbers() {
        for j in 0..=QUARTER {
            let exact = libm::sin(TAU * j as f64 / STEPS as f64);
            for nudge in [1.0 - 1e-14, 1.0 + 1e-14] {
                assert_eq!((exact * nudge) as f32, exact as f32);
            }
        }
    }
}
