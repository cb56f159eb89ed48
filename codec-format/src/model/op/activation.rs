//! Activations: functions of every number alone (Spec §8.4).

use super::{rule, single};
use crate::error::Result;
use crate::model::graph::Shape;
use alloc::vec::Vec;

/// A function of every number alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// `x` if positive, else 0.
    Relu,
    /// `x` if positive, else `slope * x`; one slope per channel.
    Prelu(Vec<f32>),
}

impl Activation {
    /// The slopes, if it has any.
    #[must_use]
    pub fn slopes(&self) -> &[f32] {
        match self {
            Activation::Relu => &[],
            Activation::Prelu(slopes) => slopes,
        }
    }

    pub(super) fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        if let Activation::Prelu(slopes) = self {
            rule(
                slopes.len() == usize::from(input.channels),
                "slopes that do not fit the channels",
            )?;
        }
        Ok(input)
    }
}
