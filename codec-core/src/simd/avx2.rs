//! Kernels compiled for AVX2: the one place of the crate with unsafe code.
#![allow(unsafe_code)]

use super::Kernel;

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
