//! The same kernels, compiled for AVX2: the one place of the crate with unsafe code.
//!
//! Nothing is written twice: [`super::run`] is inlined into a function that may use 256-bit registers, so that 24 outputs
//! of three pixels are summed in nine of them and the rest hold weights and products. FMA stays disabled: the bits are
//! those of the portable kernels, which a test holds. Its first form was measured at 22 against 10
//! thousand million multiply-adds a second.
#![allow(unsafe_code)]

use super::{run, Job};

cpufeatures::new!(avx2, "avx2");

/// Runs the job if the processor has AVX2; says whether it did.
pub(super) fn run_if_available(job: &Job<'_>, out: &mut [f32]) -> bool {
    if !avx2::get() {
        return false;
    }
    // SAFETY: the processor was just found to support AVX2, the only condition of the function.
    unsafe { with_avx2(job, out) };
    true
}

/// # Safety
/// The processor must support AVX2.
#[target_feature(enable = "avx2")]
unsafe fn with_avx2(job: &Job<'_>, out: &mut [f32]) {
    run::<3>(job, out);
}
