//! Pooling: rectangles of pixels made one; unobserved pixels do not count.

use super::super::accumulate;
use super::{Back, Forward, Slope, Step, Value};
use crate::backend::{Backend, Mean, Window};
use crate::error::Result;
use codec_format::model::op::{Pool, PoolKind};

fn mean<B: Backend>(step: &Step<'_, B>) -> Mean {
    Mean {
        area: 1.0,
        floor: step.floor,
    }
}

pub(super) fn forward<B: Backend>(
    op: Pool,
    step: &Step<'_, B>,
    input: &Value<B>,
) -> Result<Forward<B>> {
    let (backend, window) = (step.backend, Window::blocks(op.factor));
    let one = step.out.with_channels(1);
    let mask = match &input.mask {
        Some(mask) => step.simplified(backend.maxima(mask, None, &window, one)?)?,
        None => None,
    };
    if op.kind == PoolKind::Max {
        let data = backend.maxima(&input.data, input.mask.as_ref(), &window, step.out)?;
        return Ok((Value { data, mask }, Vec::new()));
    }
    let (seen, observed) = match &input.mask {
        Some(mask) => (backend.gate(&input.data, mask)?, mask.clone()),
        None => (input.data.clone(), step.ones(&input.data)?),
    };
    let sums = backend.sums(&seen, &window, step.out)?;
    let counts = backend.sums(&observed, &window, one)?;
    let bias = vec![0.0; step.out.channels];
    let data = backend.mean(&sums, &counts, &bias, mean(step))?;
    Ok((Value { data, mask }, vec![sums, counts]))
}

pub(super) fn backward<B: Backend>(
    op: Pool,
    step: &Step<'_, B>,
    input: &Value<B>,
    saved: &[B::Tensor],
    g: Slope<B>,
) -> Result<Back<B>> {
    let (backend, window) = (step.backend, Window::blocks(op.factor));
    let dims = backend.dims(&input.data);
    let in_data = step.gradient(g.data)?;
    let mut slope = Slope::default();
    if let (Some(mask), Some(g)) = (&input.mask, &g.mask) {
        slope.mask = Some(backend.maxima_gradient(mask, None, &window, g)?);
    }
    if op.kind == PoolKind::Max {
        let mask = input.mask.as_ref();
        slope.data = Some(backend.maxima_gradient(&input.data, mask, &window, &in_data)?);
        return Ok(Back::of_inputs(vec![slope]));
    }
    let wanted = step.relaxed && input.mask.is_some();
    let (in_sums, in_counts) =
        backend.mean_gradients(&saved[0], &saved[1], &in_data, mean(step), wanted)?;
    if let Some(g) = in_counts {
        let through = backend.spread(&g, &window, dims.with_channels(1))?;
        accumulate(backend, &mut slope.mask, Some(through))?;
    }
    let in_seen = backend.spread(&in_sums, &window, dims)?;
    if wanted {
        let through = backend.gate_gradient(&input.data, &in_seen)?;
        accumulate(backend, &mut slope.mask, Some(through))?;
    }
    slope.data = Some(match &input.mask {
        Some(mask) => backend.gate(&in_seen, mask)?,
        None => in_seen,
    });
    Ok(Back::of_inputs(vec![slope]))
}
