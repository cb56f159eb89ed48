//! Sums of products by WebAssembly's registers of 128 bits, where a build has them.

use super::{Pairs, LANES};
use bytemuck::cast;
use core::arch::wasm32::{
    i16x8_narrow_i32x4, i16x8_shuffle, i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_shr, i32x4_splat,
    v128,
};

/// Sums in two registers.
#[derive(Clone, Copy)]
pub(super) struct Dots([v128; 2]);

impl Dots {
    /// `(sum + add) >> shift` of each, as near as 16 bits come.
    #[inline(always)]
    fn narrowed(self, add: i32, shift: u8) -> v128 {
        let add = i32x4_splat(add);
        let [low, high] = self
            .0
            .map(|half| i32x4_shr(i32x4_add(half, add), shift.into()));
        i16x8_narrow_i32x4(low, high)
    }
}

impl Pairs for Dots {
    // Engines have 16 registers of this width on most processors, two of which are a sum's.
    const REGISTERS: usize = 8;
    const ZERO: Self = Dots([i32x4(0, 0, 0, 0); 2]);

    #[inline(always)]
    fn plus(self, x: &[[i16; 2]; LANES], w: [i16; 2]) -> Self {
        let [low, high]: [v128; 2] = cast(*x);
        let w = i32x4_splat(cast(w));
        Dots([
            i32x4_add(self.0[0], i32x4_dot_i16x8(low, w)),
            i32x4_add(self.0[1], i32x4_dot_i16x8(high, w)),
        ])
    }

    #[inline(always)]
    fn numbers(self) -> [i32; LANES] {
        cast(self.0)
    }

    #[inline(always)]
    fn scaled(self, add: i32, shift: u8) -> [i16; LANES] {
        cast(self.narrowed(add, shift))
    }

    #[inline(always)]
    fn interleaved(self, odd: Self, add: i32, shift: u8) -> [i16; 2 * LANES] {
        let (even, odd) = (self.narrowed(add, shift), odd.narrowed(add, shift));
        cast([
            i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(even, odd),
            i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(even, odd),
        ])
    }
}
