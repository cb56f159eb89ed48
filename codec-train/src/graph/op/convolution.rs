//! Convolutions, plain and sparse.

use super::super::accumulate;
use super::{Back, Forward, Slope, Step, Value};
use crate::backend::{Backend, Filter, Mean, Wanted};
use crate::error::Result;
use codec_format::model::op::{Convolution, ConvolutionKind};

/// A sparse convolution's normalisation: the kernel's area over the sum of the mask.
fn mean<B: Backend>(op: &Convolution, step: &Step<'_, B>) -> Mean {
    Mean {
        area: op.kernel.area() as f32,
        floor: step.floor,
    }
}

pub(super) fn forward<B: Backend>(
    op: &Convolution,
    step: &Step<'_, B>,
    input: &Value<B>,
) -> Result<Forward<B>> {
    let (backend, filter) = (step.backend, Filter::of(op));
    if op.kind == ConvolutionKind::Plain {
        let value = Value {
            data: backend.convolve(&input.data, &filter, Some(op.bias()), step.out)?,
            mask: None,
        };
        return Ok((value, Vec::new()));
    }
    let seen = match &input.mask {
        Some(mask) => backend.gate(&input.data, mask)?,
        None => input.data.clone(),
    };
    let sums = backend.convolve(&seen, &filter, None, step.out)?;
    let (window, one) = (&filter.window, step.out.with_channels(1));
    let (counts, mask) = match &input.mask {
        Some(mask) => (
            backend.sums(mask, window, one)?,
            step.simplified(backend.maxima(mask, None, window, one)?)?,
        ),
        None => (backend.sums(&step.ones(&input.data)?, window, one)?, None),
    };
    let data = backend.mean(&sums, &counts, op.bias(), mean(op, step))?;
    Ok((Value { data, mask }, vec![sums, counts]))
}

pub(super) fn backward<B: Backend>(
    op: &Convolution,
    step: &Step<'_, B>,
    input: &Value<B>,
    saved: &[B::Tensor],
    g: Slope<B>,
    wanted: bool,
) -> Result<Back<B>> {
    let (backend, filter) = (step.backend, Filter::of(op));
    let mut in_sums = step.gradient(g.data)?;
    let bias = backend.totals(&in_sums)?;
    let mut slope = Slope::default();
    let hidden = input
        .mask
        .as_ref()
        .filter(|_| op.kind == ConvolutionKind::Sparse);
    // The mask is reached through the sums it divides, the values it hides, and its own maxima.
    let through_mask = hidden.filter(|_| step.relaxed && wanted);
    if let [sums, counts] = saved {
        let wanted = through_mask.is_some();
        let (found, in_counts) =
            backend.mean_gradients(sums, counts, &in_sums, mean(op, step), wanted)?;
        in_sums = found;
        if let Some(g) = in_counts {
            let mask = backend.dims(&input.data).with_channels(1);
            slope.mask = Some(backend.spread(&g, &filter.window, mask)?);
        }
    }
    let seen = match hidden {
        Some(mask) => backend.gate(&input.data, mask)?,
        None => input.data.clone(),
    };
    let wanted = Wanted {
        input: wanted,
        weights: step.learns,
    };
    let (in_seen, weights) = backend.convolve_gradients(&seen, &filter, &in_sums, wanted)?;
    if let (Some(mask), Some(in_seen)) = (through_mask, &in_seen) {
        let values = backend.gate_gradient(&input.data, in_seen)?;
        accumulate(backend, &mut slope.mask, Some(values))?;
        if let Some(g) = &g.mask {
            let maxima = backend.maxima_gradient(mask, None, &filter.window, g)?;
            accumulate(backend, &mut slope.mask, Some(maxima))?;
        }
    }
    slope.data = match (in_seen, hidden) {
        (Some(g), Some(mask)) => Some(backend.gate(&g, mask)?),
        (g, _) => g,
    };
    Ok(Back {
        inputs: vec![slope],
        parameters: vec![weights, bias],
    })
}
