//! Activations: functions of every number alone (Spec §8.5).

use super::{floats, put_floats, rule, single, unsupported, Budget, Operation};
use crate::bytes::{put_varint, Cursor};
use crate::error::Result;
use crate::model::shape::Shape;
use crate::model::WeightCoding;
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

    pub(super) fn read(cursor: &mut Cursor<'_>, budget: &mut Budget<'_>) -> Result<Self> {
        let at = cursor.at();
        match cursor.byte("activation kind")? {
            1 => Ok(Activation::Relu),
            2 => {
                let channels = cursor.varint("channels of slopes")?;
                let channels = budget.channels(channels)?;
                let slopes = floats(cursor, usize::from(channels), "slopes")?;
                Ok(Activation::Prelu(slopes))
            }
            kind => Err(unsupported("activation kind", kind, at)),
        }
    }
}

impl Operation for Activation {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        if let Activation::Prelu(slopes) = self {
            rule(
                slopes.len() == usize::from(input.channels),
                "slopes that do not fit the channels",
            )?;
        }
        Ok(input)
    }

    fn learned(&self) -> [&[f32]; 2] {
        [self.slopes(), &[]]
    }

    fn learned_mut(&mut self) -> [&mut [f32]; 2] {
        match self {
            Activation::Relu => [&mut [], &mut []],
            Activation::Prelu(slopes) => [slopes, &mut []],
        }
    }

    fn write(&self, body: &mut Vec<u8>, _: WeightCoding) -> Result<()> {
        match self {
            Activation::Relu => body.push(1),
            Activation::Prelu(slopes) => {
                body.push(2);
                put_varint(body, slopes.len() as u64);
                put_floats(body, slopes);
            }
        }
        Ok(())
    }
}
