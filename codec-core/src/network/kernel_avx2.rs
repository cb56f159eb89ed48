//! The same kernel, compiled for AVX2: the one place of the crate with unsafe code.
//!
//! Nothing is written twice: [`super::run`] is inlined into a function that may use 256-bit registers, so
//! that 24 outputs of three pixels are summed in nine of them and the rest hold weights and products. FMA stays disabled: the bits are those of
//! the portable kernel, which a test holds. It was measured at 22 against 10 thousand million
//! multiply-adds a second.
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

#[cfg(test)]
mod tests {
    use super::super::{portable, tests::random_job};

    #[test]
    fn avx2_and_portable_kernels_agree_to_the_last_bit() {
        for (outputs, channels, kernel_bins, kernel_frames) in
            [(24, 24, 5, 5), (4, 24, 3, 3), (17, 3, 7, 3), (9, 1, 1, 1)]
        {
            random_job(outputs, channels, kernel_bins, kernel_frames, |job, len| {
                let (mut a, mut b) = (alloc::vec![0.0; len], alloc::vec![0.0; len]);
                portable(job, &mut a);
                if super::run_if_available(job, &mut b) {
                    assert_eq!(a, b);
                }
            });
        }
    }
}
