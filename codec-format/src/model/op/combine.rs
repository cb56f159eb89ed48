//! Several tensors made one: sums and concatenations (Spec §8.6).

use super::{rule, unsupported, Operation};
use crate::bytes::Cursor;
use crate::error::Result;
use crate::model::shape::Shape;
use crate::model::WeightCoding;
use alloc::vec::Vec;

/// How several inputs become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// Their sum, in their order; all have as many channels.
    Add,
    /// Their channels one after the other, in their order.
    Concatenate,
}

impl Combine {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let at = cursor.at();
        match cursor.byte("combination kind")? {
            0 => Ok(Combine::Add),
            1 => Ok(Combine::Concatenate),
            kind => Err(unsupported("combination kind", kind, at)),
        }
    }
}

impl Operation for Combine {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        rule(!inputs.is_empty(), "operation without inputs")?;
        let first = inputs[0];
        rule(
            inputs.iter().all(|input| input.grid == first.grid),
            "inputs on different grids",
        )?;
        // A pixel is observed where any input is, so that one input that is everywhere makes all of it so.
        let sparse = inputs.iter().all(|input| input.sparse);
        let channels = match self {
            Combine::Add => {
                let alike = inputs.iter().all(|input| input.channels == first.channels);
                rule(alike, "sum of inputs with different channels")?;
                first.channels
            }
            Combine::Concatenate => {
                let sum: u32 = inputs.iter().map(|input| u32::from(input.channels)).sum();
                rule(
                    sum <= u32::from(u16::MAX),
                    "concatenation of too many channels",
                )?;
                sum as u16
            }
        };
        Ok(Shape {
            channels,
            grid: first.grid,
            sparse,
        })
    }

    fn write(&self, body: &mut Vec<u8>, _: WeightCoding) -> Result<()> {
        body.push(match self {
            Combine::Add => 0,
            Combine::Concatenate => 1,
        });
        Ok(())
    }
}
