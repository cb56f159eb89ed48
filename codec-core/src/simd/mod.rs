//! Kernels in wide registers, with the same bits as in narrow ones.
//!
//! A [`Kernel`] is safe code whose loops a compiler turns into vector instructions: eight numbers side by side, each of
//! which is computed as it would be alone. [`run`] runs it compiled for AVX2 where the processor has that, and for the
//! target's own registers elsewhere; [`run_pairs`] knows AVX-512 too. Nothing is written twice, and FMA stays disabled.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

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
    return x86::run(kernel);
    #[cfg(not(target_arch = "x86_64"))]
    kernel.run()
}

/// A computation of sums of products, two at a time.
pub trait PairKernel {
    /// Runs it with these sums. The method, and what it calls in its loops, must be `#[inline(always)]`.
    fn run<P: Pairs>(self);
}

/// [`LANES`] sums of products of whole numbers, each of which has 32 bits and wraps around.
pub trait Pairs: Copy {
    /// How many of them there are registers for.
    const REGISTERS: usize;
    /// All sums zero.
    const ZERO: Self;

    /// Adds `x[l][0] * w[0] + x[l][1] * w[1]` to each.
    #[must_use]
    fn plus(self, x: &[[i16; 2]; LANES], w: [i16; 2]) -> Self;

    /// The sums.
    fn numbers(self) -> [i32; LANES];

    /// `(sum + add) >> shift` of each, as near as 16 bits come.
    #[inline(always)]
    fn scaled(self, add: i32, shift: u8) -> [i16; LANES] {
        self.numbers().map(|sum| scaled(sum, add, shift))
    }

    /// The same of two, taken in turns.
    #[inline(always)]
    fn interleaved(self, odd: Self, add: i32, shift: u8) -> [i16; 2 * LANES] {
        let (even, odd) = (self.scaled(add, shift), odd.scaled(add, shift));
        core::array::from_fn(|i| if i % 2 == 0 { even[i / 2] } else { odd[i / 2] })
    }
}

/// `(sum + add) >> shift`, as near as 16 bits come.
#[inline(always)]
fn scaled(sum: i32, add: i32, shift: u8) -> i16 {
    let y = sum.wrapping_add(add) >> shift;
    y.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

impl Pairs for [i32; LANES] {
    const REGISTERS: usize = 8;
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
    x86::run_pairs(kernel);
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    kernel.run::<wasm::Dots>();
    #[cfg(not(any(
        target_arch = "x86_64",
        all(target_arch = "wasm32", target_feature = "simd128")
    )))]
    kernel.run::<[i32; LANES]>();
}

/// Whether [`run`] has wider registers than the target's own: where it has not, there is nothing to compare.
#[cfg(test)]
#[allow(dead_code)]
pub(crate) fn is_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::Level::found() > x86::Level::Sse2;
    #[cfg(not(target_arch = "x86_64"))]
    false
}
