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

/// A computation of sums of products, two at a time.
pub trait PairKernel {
    /// Runs it with these sums. The method, and what it calls in its loops, must be `#[inline(always)]`.
    fn run<P: Pairs>(self);
}

/// [`LANES`] sums of products of whole numbers, each of which has 32 bits and wraps around.
pub trait Pairs: Copy {
    /// Whether twelve of them fit in registers; otherwise four do.
    const WIDE: bool;
    /// All sums zero.
    const ZERO: Self;

    /// Adds `x[l][0] * w[0] + x[l][1] * w[1]` to each.
    #[must_use]
    fn plus(self, x: &[[i16; 2]; LANES], w: [i16; 2]) -> Self;

    /// The sums.
    fn numbers(self) -> [i32; LANES];
}

impl Pairs for [i32; LANES] {
    const WIDE: bool = false;
    const ZERO: Self = [0; LANES];

    #[inline(always)]
    fn plus(mut self, x: &[[i16; 2]; LANES], w: [i16; 2]) -> Self {
        let [a, b] = w.map(i32::from);
        for l in 0..LANES {
            let pair = i32::from(x[l][0])
                .wrapping_mul(a)
                .wrapping_add(i32::from(x[l][1]).wrapping_mul(b));
            self[l] = self[l].wrapping_add(pair);
        }
        self
    }

    #[inline(always)]
    fn numbers(self) -> [i32; LANES] {
        self
    }
}

/// Runs such a kernel with the widest sums there are.
pub fn run_pairs<K: PairKernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    avx2::run_pairs(kernel);
    #[cfg(not(target_arch = "x86_64"))]
    kernel.run::<[i32; LANES]>();
}

/// Whether [`run`] has wider registers than the target's own: where it has not, there is nothing to compare.
#[cfg(test)]
#[allow(dead_code)]
pub(crate) fn is_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx2::available();
    #[cfg(not(target_arch = "x86_64"))]
    false
}
