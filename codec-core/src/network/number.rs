//! The two kinds of numbers that networks are made of: binary32, and whole numbers of 16 bits (Spec §8.3).

use super::kernel::{real, whole, Filter, Job};
use bytemuck::Pod;
use codec_format::model::op::{Activation, Convolution};
use core::fmt::Debug;

/// A number of a network, and what is done with it.
pub(super) trait Number: Pod + Debug + PartialOrd {
    /// What sums are built in.
    type Wide: Copy + core::ops::AddAssign;
    /// What the kernels of convolutions read, of as many inputs as [`Number::LINES`].
    type Cell: Pod + Debug;
    /// The numbers of a convolution in the order they are read.
    type Weights: Debug + Clone;

    /// Inputs that lie together in a cell.
    const LINES: usize;

    fn widen(self) -> Self::Wide;

    fn narrow(sum: Self::Wide) -> Self;

    /// The mean of `count` numbers with this sum.
    fn mean(sum: Self::Wide, count: u16) -> Self;

    /// The sum of two.
    fn plus(self, other: Self) -> Self;

    /// The slopes of an activation, if they are of this kind.
    fn slopes(op: &Activation) -> &[Self];

    /// What a negative number becomes.
    fn sloped(self, slope: Self) -> Self;

    fn weights(op: &Convolution, filter: &Filter) -> Self::Weights;

    /// A cell of these inputs.
    fn cell(lines: [Self; 2]) -> Self::Cell;

    /// Sums up one group of a convolution.
    fn convolve(weights: &Self::Weights, job: Job<'_, Self>);
}

impl Number for f32 {
    type Wide = f32;
    type Cell = f32;
    type Weights = real::Weights;

    const LINES: usize = 1;

    fn widen(self) -> f32 {
        self
    }

    fn narrow(sum: f32) -> f32 {
        sum
    }

    fn mean(sum: f32, count: u16) -> f32 {
        sum / f32::from(count)
    }

    #[inline(always)]
    fn plus(self, other: f32) -> f32 {
        self + other
    }

    fn slopes(op: &Activation) -> &[f32] {
        op.slopes()
    }

    #[inline(always)]
    fn sloped(self, slope: f32) -> f32 {
        self * slope
    }

    fn weights(op: &Convolution, filter: &Filter) -> real::Weights {
        real::Weights::new(op, filter)
    }

    #[inline(always)]
    fn cell([x, _]: [f32; 2]) -> f32 {
        x
    }

    fn convolve(weights: &real::Weights, job: Job<'_, f32>) {
        real::convolve(weights, job);
    }
}

impl Number for i16 {
    type Wide = i32;
    type Cell = [i16; 2];
    type Weights = whole::Weights;

    const LINES: usize = 2;

    fn widen(self) -> i32 {
        i32::from(self)
    }

    #[inline(always)]
    fn narrow(sum: i32) -> i16 {
        sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    }

    fn mean(sum: i32, count: u16) -> i16 {
        let count = i32::from(count);
        ((2 * sum + count).div_euclid(2 * count)) as i16
    }

    #[inline(always)]
    fn plus(self, other: i16) -> i16 {
        self.saturating_add(other)
    }

    fn slopes(op: &Activation) -> &[i16] {
        match op {
            Activation::WholePrelu(slopes) => slopes,
            Activation::Relu | Activation::Prelu(_) => &[],
        }
    }

    #[inline(always)]
    fn sloped(self, slope: i16) -> i16 {
        // Only the least number by the least slope is beyond 16 bits, and by one; the two shifts are one instruction of
        // many processors.
        let y = (((i32::from(self) * i32::from(slope)) >> 14) + 1) >> 1;
        y.min(i32::from(i16::MAX)) as i16
    }

    fn weights(op: &Convolution, filter: &Filter) -> whole::Weights {
        whole::Weights::new(op, filter)
    }

    #[inline(always)]
    fn cell(lines: [i16; 2]) -> [i16; 2] {
        lines
    }

    fn convolve(weights: &whole::Weights, job: Job<'_, i16>) {
        whole::convolve(weights, job);
    }
}
