//! Eight lanes that the loops of [`super`] compute with; one implementation for each instruction set.

/// Lanes of a vector.
pub(super) const LANES: usize = 8;

/// Eight lanes that the loops below compute with; one implementation for each instruction set.
pub(super) trait Vector: Copy {
    fn zero() -> Self;
    fn splat(x: f32) -> Self;
    fn load(x: &[f32; LANES]) -> Self;
    fn store(self) -> [f32; LANES];
    /// `self + a * b`.
    fn add_product(self, a: Self, b: Self) -> Self;
}

/// Eight lanes in plain Rust; fused where the target always has the instruction.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

impl Vector for Portable {
    #[inline(always)]
    fn zero() -> Self {
        Portable([0.0; LANES])
    }
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Portable([x; LANES])
    }
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        Portable(*x)
    }
    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        self.0
    }
    #[inline(always)]
    fn add_product(mut self, a: Self, b: Self) -> Self {
        for l in 0..LANES {
            self.0[l] = if cfg!(target_arch = "aarch64") {
                a.0[l].mul_add(b.0[l], self.0[l])
            } else {
                a.0[l] * b.0[l] + self.0[l]
            };
        }
        self
    }
}

/// Eight lanes of an AVX register. Used only below `row_avx2` and `weights_avx2`, which are entered only
/// where the processor has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use super::{Vector, LANES};
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256);

    impl Vector for Avx2 {
        #[inline(always)]
        fn zero() -> Self {
            // SAFETY: the module's callers have checked for the features.
            Avx2(unsafe { _mm256_setzero_ps() })
        }
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: the module's callers have checked for the features.
            Avx2(unsafe { _mm256_set1_ps(x) })
        }
        #[inline(always)]
        fn load(x: &[f32; LANES]) -> Self {
            // SAFETY: eight floats are behind the pointer, unaligned loads are allowed; features as above.
            Avx2(unsafe { _mm256_loadu_ps(x.as_ptr()) })
        }
        #[inline(always)]
        fn store(self) -> [f32; LANES] {
            let mut x = [0.0; LANES];
            // SAFETY: eight floats are behind the pointer, unaligned stores are allowed; features as above.
            unsafe { _mm256_storeu_ps(x.as_mut_ptr(), self.0) };
            x
        }
        #[inline(always)]
        fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: the module's callers have checked for the features.
            Avx2(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
        }
    }
}
