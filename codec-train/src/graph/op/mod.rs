//! The operations as they train, a module each: forward, and the gradients back.

mod activation;
mod combine;
mod convolution;
mod resample;

use super::{Slope, Value};
use crate::backend::{Backend, Dims};
use crate::error::Result;
use codec_format::model::op::Op;

/// What an operation is told besides its inputs.
pub(super) struct Step<'a, B: Backend> {
    pub(super) backend: &'a B,
    /// Sums of a mask count as this much at least.
    pub(super) floor: f32,
    /// Whether masks take values between 0 and 1 and have gradients.
    pub(super) relaxed: bool,
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
        Op::Pool(op) => resample::pool(*op, step, &inputs[0]),
        Op::Upsample(op) => resample::upsample(*op, step, &inputs[0]),
        Op::Shuffle(op) => resample::shuffle(*op, step, &inputs[0]),
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
        Op::Pool(op) => resample::pool_backward(*op, step, &inputs[0], &saved, g),
        Op::Upsample(op) => resample::upsample_backward(*op, step, &inputs[0], g),
        Op::Shuffle(op) => resample::shuffle_backward(*op, step, &inputs[0], g),
    }
}
