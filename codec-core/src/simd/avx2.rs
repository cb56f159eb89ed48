//! Kernels compiled for AVX2: the one place of the crate with unsafe code.
#![allow(unsafe_code)]

use super::{Kernel, PairKernel, Pairs, LANES};
use core::arch::x86_64::{
    __m128i, __m256i, _mm256_add_epi32, _mm256_madd_epi16, _mm256_set1_epi32, _mm_add_epi32,
    _mm_madd_epi16, _mm_set1_epi32,
};
use core::mem::transmute;

cpufeatures::new!(avx2, "avx2");

/// Whether the processor has AVX2.
pub(super) fn available() -> bool {
    avx2::get()
}

/// Runs the kernel if the processor has AVX2; gives it back otherwise.
#[inline]
pub(super) fn run_if_available<K: Kernel>(kernel: K) -> Result<K::Output, K> {
    if !available() {
        return Err(kernel);
    }
    // SAFETY: the processor was just found to support AVX2, the only condition of the function.
    Ok(unsafe { with_avx2(kernel) })
}

/// # Safety
/// The processor must support AVX2.
#[target_feature(enable = "avx2")]
unsafe fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Runs the kernel with as wide sums as the processor has; SSE2 is part of every x86-64.
pub(super) fn run_pairs<K: PairKernel>(kernel: K) {
    if available() {
        // SAFETY: the processor was just found to support AVX2, the only condition of the function.
        unsafe { pairs_with_avx2(kernel) };
    } else {
        kernel.run::<Narrow>();
    }
}

/// # Safety
/// The processor must support AVX2.
#[target_feature(enable = "avx2")]
unsafe fn pairs_with_avx2<K: PairKernel>(kernel: K) {
    kernel.run::<Wide>();
}

/// Both numbers of a pair as one.
#[inline(always)]
fn both(w: [i16; 2]) -> i32 {
    // SAFETY: both are four bytes, and all of them are numbers.
    unsafe { transmute(w) }
}

/// Sums in one register of AVX2. Only what [`pairs_with_avx2`] runs has any.
#[derive(Clone, Copy)]
struct Wide(__m256i);

impl Pairs for Wide {
    const WIDE: bool = true;
    // SAFETY: both are 32 bytes, and all of them are numbers.
    const ZERO: Self = Wide(unsafe { transmute::<[i32; LANES], __m256i>([0; LANES]) });

    #[inline(always)]
    fn plus(self, x: &[[i16; 2]; LANES], w: [i16; 2]) -> Self {
        // SAFETY: whoever has such sums runs where AVX2 is; `x` is 32 bytes that are all numbers.
        unsafe {
            let x: __m256i = transmute(*x);
            let products = _mm256_madd_epi16(x, _mm256_set1_epi32(both(w)));
            Wide(_mm256_add_epi32(self.0, products))
        }
    }

    #[inline(always)]
    fn numbers(self) -> [i32; LANES] {
        // SAFETY: both are 32 bytes, and all of them are numbers.
        unsafe { transmute(self.0) }
    }
}

/// Sums in two registers of SSE2.
#[derive(Clone, Copy)]
struct Narrow([__m128i; 2]);

impl Pairs for Narrow {
    const WIDE: bool = false;
    // SAFETY: both are 32 bytes, and all of them are numbers.
    const ZERO: Self = Narrow(unsafe { transmute::<[i32; LANES], [__m128i; 2]>([0; LANES]) });

    #[inline(always)]
    fn plus(self, x: &[[i16; 2]; LANES], w: [i16; 2]) -> Self {
        // SAFETY: every x86-64 has SSE2; `x` is 32 bytes that are all numbers.
        unsafe {
            let [low, high]: [__m128i; 2] = transmute(*x);
            let w = _mm_set1_epi32(both(w));
            Narrow([
                _mm_add_epi32(self.0[0], _mm_madd_epi16(low, w)),
                _mm_add_epi32(self.0[1], _mm_madd_epi16(high, w)),
            ])
        }
    }

    #[inline(always)]
    fn numbers(self) -> [i32; LANES] {
        // SAFETY: both are 32 bytes, and all of them are numbers.
        unsafe { transmute(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All sums, of random pairs and of those that are largest.
    struct Compare {
        x: [[i16; 2]; LANES],
        w: [i16; 2],
    }

    impl PairKernel for &Compare {
        fn run<P: Pairs>(self) {
            let most = [i16::MIN; 2];
            let sums = |zero: P| zero.plus(&self.x, self.w).plus(&[most; LANES], most);
            let expected = <[i32; LANES]>::ZERO;
            let expected = expected.plus(&self.x, self.w).plus(&[most; LANES], most);
            assert_eq!(sums(P::ZERO).numbers(), expected);
        }
    }

    #[test]
    fn all_sums_are_those_of_the_portable_code() {
        assert!(available(), "this processor has no AVX2");
        let mut state = 5u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16
        };
        for _ in 0..1000 {
            let x = core::array::from_fn(|_| [next(), next()]);
            let compare = Compare {
                x,
                w: [next(), next()],
            };
            run_pairs(&compare);
            (&compare).run::<Narrow>();
        }
    }
}
