//! Repetition: every pixel made a rectangle.

use super::{coarser_mask, finer_mask, Back, Forward, Slope, Step, Value};
use crate::backend::{Backend, Window};
use crate::error::Result;
use codec_format::model::op::Upsample;

pub(super) fn forward<B: Backend>(
    op: Upsample,
    step: &Step<'_, B>,
    input: &Value<B>,
) -> Result<Forward<B>> {
    let value = Value {
        data: step
            .backend
            .spread(&input.data, &Window::blocks(op.factor), step.out)?,
        mask: finer_mask(&Window::blocks(op.factor), step, input)?,
    };
    Ok((value, Vec::new()))
}

pub(super) fn backward<B: Backend>(
    op: Upsample,
    step: &Step<'_, B>,
    input: &Value<B>,
    g: Slope<B>,
) -> Result<Back<B>> {
    let window = Window::blocks(op.factor);
    let g_data = step.gradient(g.data)?;
    let dims = step.backend.dims(&input.data);
    Ok(Back::of_inputs(vec![Slope {
        data: Some(step.backend.sums(&g_data, &window, dims)?),
        mask: coarser_mask(&window, step, input, g.mask)?,
    }]))
}
