//! The operations as they train, a module each: forward, and the gradients back.

mod activation;
mod combine;
mod convolution;
mod pool;
mod shuffle;
mod upsample;

use super::{Slope, Value};
use crate::backend::{Backend, Dims, Window};
use crate::error::Result;
use codec_format::model::op::Op;

/// What an operation is told besides its inputs.
pub(super) struct Step<'a, B: Backend> {
    pub(super) backend: &'a B,
    /// Sums of a mask count as this much at least.
    pub(super) floor: f32,
    /// Whether masks take values between 0 and 1 and have gradients.
    pub(super) relaxed: bool,
    /// Whether gradients in the parameters are wanted.
    pub(super) learns: bool,
    /// The size of the output.
    pub(super) out: Dims,
}

impl<B: Backend> Step<'_, B> {
    /// A mask that is 1 everywhere, over images as `x`.
    fn ones(&self, x: &B::Tensor) -> Result<B::Tensor> {
        let dims = self.backend.dims(x).with_channels(1);
        self.backend.upload(vec![1.0; dims.numbers()], dims)
    }

    /// `mask`, unless it is 1 everywhere: then there is nothing to hide any more.
    fn simplified(&self, mask: B::Tensor) -> Result<Option<B::Tensor>> {
        let hides = self.relaxed || self.backend.numbers(&mask)?.iter().any(|&m| m != 1.0);
        Ok(hides.then_some(mask))
    }

    /// The gradient in an output, zeros if nothing read it.
    fn gradient(&self, data: Option<B::Tensor>) -> Result<B::Tensor> {
        match data {
            Some(g) => Ok(g),
            None => self.backend.upload(vec![0.0; self.out.numbers()], self.out),
        }
    }
}

/// The gradients of an operation.
pub(super) struct Back<B: Backend> {
    /// In every input.
    pub(super) inputs: Vec<Slope<B>>,
    /// In the parameters, in the order of [`super::parameters`].
    pub(super) parameters: Vec<Vec<f32>>,
}

impl<B: Backend> Back<B> {
    fn of_inputs(inputs: Vec<Slope<B>>) -> Self {
        Back {
            inputs,
            parameters: Vec::new(),
        }
    }
}

/// A result, and what its gradients will need besides the inputs.
type Forward<B> = (Value<B>, Vec<<B as Backend>::Tensor>);

/// Computes an operation.
pub(super) fn forward<B: Backend>(
    op: &Op,
    step: &Step<'_, B>,
    inputs: &[Value<B>],
) -> Result<Forward<B>> {
    match op {
        Op::Convolution(op) => convolution::forward(op, step, &inputs[0]),
        Op::Activation(op) => activation::forward(op, step, &inputs[0]),
        Op::Combine(op) => combine::forward(*op, step, inputs),
        Op::Pool(op) => pool::forward(*op, step, &inputs[0]),
        Op::Upsample(op) => upsample::forward(*op, step, &inputs[0]),
        Op::Shuffle(op) => shuffle::forward(*op, step, &inputs[0]),
    }
}

/// Takes the gradient in an operation's output to those in its parameters and, where `wanted`, in its inputs.
pub(super) fn backward<B: Backend>(
    op: &Op,
    step: &Step<'_, B>,
    inputs: &[Value<B>],
    saved: Vec<B::Tensor>,
    g: Slope<B>,
    wanted: &[bool],
) -> Result<Back<B>> {
    match op {
        Op::Convolution(op) => convolution::backward(op, step, &inputs[0], &saved, g, wanted[0]),
        Op::Activation(op) => activation::backward(op, step, &inputs[0], g),
        Op::Combine(op) => combine::backward(*op, step, inputs, g),
        Op::Pool(op) => pool::backward(*op, step, &inputs[0], &saved, g),
        Op::Upsample(op) => upsample::backward(*op, step, &inputs[0], g),
        Op::Shuffle(op) => shuffle::backward(*op, step, &inputs[0], g),
    }
}

/// The mask of the pixels made of each.
fn finer_mask<B: Backend>(
    window: &Window,
    step: &Step<'_, B>,
    input: &Value<B>,
) -> Result<Option<B::Tensor>> {
    let out = step.out.with_channels(1);
    let mask = input.mask.as_ref();
    mask.map(|mask| step.backend.spread(mask, window, out))
        .transpose()
}

/// The gradient of [`finer_mask`].
fn coarser_mask<B: Backend>(
    window: &Window,
    step: &Step<'_, B>,
    input: &Value<B>,
    g: Option<B::Tensor>,
) -> Result<Option<B::Tensor>> {
    let dims = step.backend.dims(&input.data).with_channels(1);
    g.map(|g| step.backend.sums(&g, window, dims)).transpose()
}
