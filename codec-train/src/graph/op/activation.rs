//! Activations: masks pass through.

use super::{Back, Forward, Slope, Step, Value};
use crate::backend::Backend;
use crate::error::Result;
use codec_format::model::op::Activation;
use std::borrow::Cow;

/// ReLU is a PReLU of slopes 0.
fn slopes(op: &Activation, channels: usize) -> Cow<'_, [f32]> {
    match op {
        Activation::Relu => Cow::Owned(vec![0.0; channels]),
        Activation::Prelu(slopes) => Cow::Borrowed(slopes),
        // Nothing trains in whole numbers.
        Activation::WholePrelu(_) => Cow::Owned(vec![0.0; channels]),
    }
}

pub(super) fn forward<B: Backend>(
    op: &Activation,
    step: &Step<'_, B>,
    input: &Value<B>,
) -> Result<Forward<B>> {
    let slopes = slopes(op, step.out.channels);
    let value = Value {
        data: step.backend.activate(&input.data, &slopes)?,
        mask: input.mask.clone(),
    };
    Ok((value, Vec::new()))
}

pub(super) fn backward<B: Backend>(
    op: &Activation,
    step: &Step<'_, B>,
    input: &Value<B>,
    g: Slope<B>,
) -> Result<Back<B>> {
    let (data, found) = step.backend.activate_gradients(
        &input.data,
        &slopes(op, step.out.channels),
        step.gradient(g.data)?,
    )?;
    Ok(Back {
        inputs: vec![Slope {
            data: Some(data),
            mask: g.mask,
        }],
        parameters: match op {
            Activation::Relu | Activation::WholePrelu(_) => Vec::new(),
            Activation::Prelu(_) => vec![found],
        },
    })
}
