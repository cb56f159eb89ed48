//! Kernels compiled for AVX2 and AVX-512: the one place of the crate with unsafe code.
//!
//! It stands because it was measured: to decode 60 s of speech at 6 kbit/s with the speech network the library takes 1.33 s of a
//! Sapphire Rapids core, and 3.1 s with the registers that every x86-64 has.
#![allow(unsafe_code)]

use super::{Kernel, PairKernel, Pairs, LANES};
use core::arch::x86_64::{
    __m128i, __m256i, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256,
    _mm256_madd_epi16, _mm256_packs_epi32, _mm256_set1_epi32, _mm256_shuffle_epi32,
    _mm256_sra_epi32, _mm256_unpacklo_epi16, _mm_add_epi32, _mm_cvtsi32_si128, _mm_madd_epi16,
    _mm_packs_epi32, _mm_set1_epi32, _mm_sra_epi32,
};
use core::mem::transmute;

cpufeatures::new!(avx2, "avx2");
#[cfg(avx512)]
cpufeatures::new!(avx512, "avx512f", "avx512bw", "avx512vl");

/// Whether the processor has the sums of products of AVX-512.
#[cfg(avx512)]
#[inline]
fn sums_products() -> bool {
    use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
    static FOUND: AtomicU8 = AtomicU8::new(0);
    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    if FOUND.load(Relaxed) == UNKNOWN {
        // What cpufeatures does not know: bit 11 of ECX of leaf 7, which processors with AVX-512 have.
        let found = avx2::get() && avx512::get() && cpuid(7).ecx & (1 << 11) != 0;
        FOUND.store(if found { YES } else { NO }, Relaxed);
    }
    FOUND.load(Relaxed) == YES
}

/// What the processor says of itself.
#[cfg(avx512)]
#[allow(unused_unsafe)]
fn cpuid(leaf: u32) -> core::arch::x86_64::CpuidResult {
    // SAFETY: every x86-64 has the instruction; later compilers know that.
    unsafe { core::arch::x86_64::__cpuid_count(leaf, 0) }
}

/// What a processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Level {
    /// What every x86-64 has.
    Sse2,
    Avx2,
    /// With twice as many registers as AVX2 and sums of products in one instruction.
    #[cfg(avx512)]
    Avx512,
}

impl Level {
    /// That of this processor.
    #[inline]
    pub(super) fn found() -> Self {
        #[cfg(avx512)]
        if sums_products() {
            return Level::Avx512;
        }
        if avx2::get() {
            Level::Avx2
        } else {
            Level::Sse2
        }
    }
}

/// Runs the kernel compiled for AVX2 if the processor has that. (Of AVX-512 compilers make slower code: they join what
/// belongs to two registers.)
#[inline]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    if !avx2::get() {
        return kernel.run();
    }
    // SAFETY: the processor was just found to support AVX2, the only condition of the function.
    unsafe { with_avx2(kernel) }
}

/// # Safety
/// The processor must support AVX2.
#[target_feature(enable = "avx2")]
unsafe fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// Runs the kernel with the best sums that the processor has.
pub(super) fn run_pairs<K: PairKernel>(kernel: K) {
    match Level::found() {
        // SAFETY: the processor was just found to support what the function is compiled for, its only condition.
        #[cfg(avx512)]
        Level::Avx512 => unsafe { pairs_with_avx512(kernel) },
        // SAFETY: likewise.
        Level::Avx2 => unsafe { pairs_with_avx2(kernel) },
        Level::Sse2 => kernel.run::<Narrow>(),
    }
}

/// # Safety
/// The processor must support AVX2.
#[target_feature(enable = "avx2")]
unsafe fn pairs_with_avx2<K: PairKernel>(kernel: K) {
    kernel.run::<Wide>();
}

/// # Safety
/// The processor must support AVX2 and these parts of AVX-512.
#[cfg(avx512)]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn pairs_with_avx512<K: PairKernel>(kernel: K) {
    kernel.run::<Fused>();
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
    const REGISTERS: usize = 16;
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

    #[inline(always)]
    fn scaled(self, add: i32, shift: u8) -> [i16; LANES] {
        // SAFETY: whoever has such sums runs where AVX2 is; what comes out is 16 bytes that are all numbers.
        unsafe {
            let y = self.shifted(add, shift);
            let halves = (_mm256_castsi256_si128(y), _mm256_extracti128_si256::<1>(y));
            transmute(_mm_packs_epi32(halves.0, halves.1))
        }
    }

    #[inline(always)]
    fn interleaved(self, odd: Self, add: i32, shift: u8) -> [i16; 2 * LANES] {
        // SAFETY: whoever has such sums runs where AVX2 is; what comes out is 32 bytes that are all numbers.
        unsafe {
            let (even, odd) = (self.shifted(add, shift), odd.shifted(add, shift));
            // Four even ones, then four odd ones in each half.
            let both = _mm256_packs_epi32(even, odd);
            let apart = _mm256_shuffle_epi32::<0b11_10_11_10>(both);
            transmute(_mm256_unpacklo_epi16(both, apart))
        }
    }
}

impl Wide {
    #[inline(always)]
    fn shifted(self, add: i32, shift: u8) -> __m256i {
        // SAFETY: whoever has such sums runs where AVX2 is.
        unsafe {
            let sums = _mm256_add_epi32(self.0, _mm256_set1_epi32(add));
            _mm256_sra_epi32(sums, _mm_cvtsi32_si128(i32::from(shift)))
        }
    }
}

/// The same with products and sums in one instruction of AVX-512. Only what [`pairs_with_avx512`] runs has any.
#[cfg(avx512)]
#[derive(Clone, Copy)]
struct Fused(Wide);

// Compilers too old for it do not see it.
#[cfg(avx512)]
#[allow(clippy::incompatible_msrv)]
impl Pairs for Fused {
    const REGISTERS: usize = 32;
    const ZERO: Self = Fused(Wide::ZERO);

    #[inline(always)]
    fn plus(self, x: &[[i16; 2]; LANES], w: [i16; 2]) -> Self {
        // SAFETY: whoever has such sums runs where AVX-512 is; `x` is 32 bytes that are all numbers.
        unsafe {
            let x: __m256i = transmute(*x);
            Fused(Wide(core::arch::x86_64::_mm256_dpwssd_epi32(
                self.0 .0,
                x,
                _mm256_set1_epi32(both(w)),
            )))
        }
    }

    #[inline(always)]
    fn numbers(self) -> [i32; LANES] {
        self.0.numbers()
    }

    #[inline(always)]
    fn scaled(self, add: i32, shift: u8) -> [i16; LANES] {
        self.0.scaled(add, shift)
    }

    #[inline(always)]
    fn interleaved(self, odd: Self, add: i32, shift: u8) -> [i16; 2 * LANES] {
        self.0.interleaved(odd.0, add, shift)
    }
}

/// Sums in two registers of SSE2.
#[derive(Clone, Copy)]
struct Narrow([__m128i; 2]);

impl Pairs for Narrow {
    const REGISTERS: usize = 8;
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

    #[inline(always)]
    fn scaled(self, add: i32, shift: u8) -> [i16; LANES] {
        // SAFETY: every x86-64 has SSE2; what comes out is 16 bytes that are all numbers.
        unsafe {
            let (add, shift) = (_mm_set1_epi32(add), _mm_cvtsi32_si128(i32::from(shift)));
            let [low, high] = self
                .0
                .map(|half| _mm_sra_epi32(_mm_add_epi32(half, add), shift));
            transmute(_mm_packs_epi32(low, high))
        }
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
            let found = sums(P::ZERO);
            assert_eq!(found.numbers(), expected);
            let odd = P::ZERO.plus(&self.x, [1, -1]);
            for (add, shift) in [(0, 0), (self.w[0].into(), 7), (1 << 30, 24), (-5, 31)] {
                assert_eq!(found.scaled(add, shift), expected.scaled(add, shift));
                assert_eq!(
                    found.interleaved(odd, add, shift),
                    expected.interleaved(odd.numbers(), add, shift)
                );
            }
        }
    }

    #[test]
    fn all_sums_are_those_of_the_portable_code() {
        assert!(Level::found() > Level::Sse2, "this processor has no AVX2");
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
            // SAFETY: whoever has AVX-512 has AVX2, and one of them was found.
            unsafe { pairs_with_avx2(&compare) };
        }
    }
}
