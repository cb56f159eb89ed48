//! Sums and concatenations: a pixel is observed where it is in any input.

use super::{Back, Forward, Slope, Step, Value};
use crate::backend::Backend;
use crate::error::Result;
use codec_format::model::op::Combine;

/// The masks, if every input has one.
fn masks<B: Backend>(inputs: &[Value<B>]) -> Option<Vec<&B::Tensor>> {
    inputs.iter().map(|input| input.mask.as_ref()).collect()
}

pub(super) fn forward<B: Backend>(
    op: Combine,
    step: &Step<'_, B>,
    inputs: &[Value<B>],
) -> Result<Forward<B>> {
    let backend = step.backend;
    let data = match op {
        Combine::Add => {
            let mut sum = inputs[0].data.clone();
            for input in &inputs[1..] {
                sum = backend.add(sum, &input.data)?;
            }
            sum
        }
        Combine::Concatenate => {
            let parts: Vec<&B::Tensor> = inputs.iter().map(|input| &input.data).collect();
            backend.concatenate(&parts)?
        }
    };
    let mask = match masks(inputs).as_deref() {
        None => None,
        Some([only]) => Some((*only).clone()),
        Some(several) => step.simplified(backend.union(several)?)?,
    };
    Ok((Value { data, mask }, Vec::new()))
}

pub(super) fn backward<B: Backend>(
    op: Combine,
    step: &Step<'_, B>,
    inputs: &[Value<B>],
    g: Slope<B>,
) -> Result<Back<B>> {
    let backend = step.backend;
    let mut slopes: Vec<Slope<B>> = Vec::new();
    let mut first = 0;
    for input in inputs {
        let data = match (&g.data, op) {
            (None, _) => None,
            (Some(g), Combine::Add) => Some(g.clone()),
            (Some(g), Combine::Concatenate) => {
                let channels = backend.dims(&input.data).channels;
                first += channels;
                Some(backend.channels(g, first - channels..first)?)
            }
        };
        slopes.push(Slope { data, mask: None });
    }
    if let (Some(g), Some(masks)) = (&g.mask, masks(inputs)) {
        let found = backend.union_gradients(&masks, g)?;
        for (slope, found) in slopes.iter_mut().zip(found) {
            slope.mask = Some(found);
        }
    }
    Ok(Back::of_inputs(slopes))
}
