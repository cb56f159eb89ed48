//! Activations: functions of every number alone (Spec §8.5).

use super::{floats, put_floats, put_shorts, rule, shorts, single, unsupported, Budget, Operation};
use crate::bytes::{put_varint, Cursor};
use crate::error::Result;
use crate::model::shape::Shape;
use crate::model::{Arithmetic, WeightCoding};
use alloc::vec::Vec;

/// A function of every number alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// `x` if positive, else 0.
    Relu,
    /// `x` if positive, else `slope * x`; one slope per channel.
    Prelu(Vec<f32>),
    /// The same in whole-number networks: `floor((x * slope + 2^14) / 2^15)` if not positive.
    WholePrelu(Vec<i16>),
}

impl Activation {
    /// The slopes, if it has any of binary32.
    #[must_use]
    pub fn slopes(&self) -> &[f32] {
        match self {
            Activation::Prelu(slopes) => slopes,
            Activation::Relu | Activation::WholePrelu(_) => &[],
        }
    }

    /// The slopes of either kind.
    fn count(&self) -> Option<usize> {
        match self {
            Activation::Relu => None,
            Activation::Prelu(slopes) => Some(slopes.len()),
            Activation::WholePrelu(slopes) => Some(slopes.len()),
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, budget: &mut Budget<'_>) -> Result<Self> {
        let at = cursor.at();
        match cursor.byte("activation kind")? {
            1 => Ok(Activation::Relu),
            kind @ (2 | 3) => {
                let channels = cursor.varint("channels of slopes")?;
                let channels = usize::from(budget.channels(channels)?);
                Ok(match kind {
                    2 => Activation::Prelu(floats(cursor, channels, "slopes")?),
                    _ => Activation::WholePrelu(shorts(cursor, channels, "slopes")?),
                })
            }
            kind => Err(unsupported("activation kind", kind, at)),
        }
    }
}

impl Operation for Activation {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        rule(
            self.count()
                .is_none_or(|count| count == usize::from(input.channels)),
            "slopes that do not fit the channels",
        )?;
        Ok(input)
    }

    fn arithmetic(&self) -> Option<Arithmetic> {
        match self {
            Activation::Relu => None,
            Activation::Prelu(_) => Some(Arithmetic::Real),
            Activation::WholePrelu(_) => Some(Arithmetic::Whole),
        }
    }

    fn parameters(&self) -> usize {
        self.count().unwrap_or(0)
    }

    fn learned(&self) -> [&[f32]; 2] {
        [self.slopes(), &[]]
    }

    fn learned_mut(&mut self) -> [&mut [f32]; 2] {
        match self {
            Activation::Prelu(slopes) => [slopes, &mut []],
            Activation::Relu | Activation::WholePrelu(_) => [&mut [], &mut []],
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
            Activation::WholePrelu(slopes) => {
                body.push(3);
                put_varint(body, slopes.len() as u64);
                put_shorts(body, slopes);
            }
        }
        Ok(())
    }
}
