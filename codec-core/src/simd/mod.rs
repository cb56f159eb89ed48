//! Kernels in wide registers, with the same bits as in narrow ones.
//!
//! A [`Kernel`] is safe code whose loops a compiler turns into vector instructions: eight numbers side by side, each of
//! which is computed as it would be alone. [`run`] runs it compiled for AVX2 where the processor has that, and for the
//! target's own registers elsewhere. Nothing is written twice, and FMA stays disabled.

#[cfg(target_arch = "x86_64")]
mod avx2;

/// Numbers side by side.
pub const LANES: usize = 8;

/// A computation worth compiling for wider registers.
pub trait Kernel {
    /// What it returns.
    type Output;

    /// Runs it. The method, and what it calls in its loops, must be `#[inline(always)]`: only what is inlined is
    /// compiled for the wider registers.
    fn run(self) -> Self::Output;
}

/// Runs a kernel in the widest registers there are.
pub fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    let kernel = match avx2::run_if_available(kernel) {
        Ok(output) => return output,
        Err(kernel) => kernel,
    };
    kernel.run()
}

/// Whether [`run`] has wider registers than the target's own: where it has not, there is nothing to compare.
#[cfg(test)]
pub(crate) fn is_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx2::available();
    #[cfg(not(target_arch = "x86_64"))]
    false
}
