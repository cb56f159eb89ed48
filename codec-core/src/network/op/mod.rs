//! The operations at work, one module each: they write a run of frames of their output (Spec §8.4 to §8.9).

mod activation;
mod combine;
pub(super) mod convolution;
mod pool;
mod shuffle;
mod upsample;

use super::tensor::{Tensor, View};
use alloc::vec::Vec;
use codec_format::model::graph::Extent;
use codec_format::model::op::{Combine, Op};
use convolution::Kernel;
use core::ops::Range;

/// An operation ready to run: the weights of a convolution in the order its kernel reads them.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    /// The operation; of a convolution all but the weights.
    op: Op,
    kernel: Option<Kernel>,
}

impl Prepared {
    pub fn new(op: &Op) -> Self {
        let Op::Convolution(convolution) = op else {
            return Prepared {
                op: op.clone(),
                kernel: None,
            };
        };
        let (shape, kernel) = Kernel::new(convolution);
        Prepared {
            op: Op::Convolution(shape),
            kernel: Some(kernel),
        }
    }

    /// The last frame of the inputs that frame `frame` of the output depends on.
    pub fn last_read(&self, frame: usize) -> i64 {
        *self.op.window(frame as i64).end()
    }

    /// The first frame of the inputs that frame `frame` of the output depends on.
    pub fn first_read(&self, frame: usize) -> usize {
        (*self.op.window(frame as i64).start()).max(0) as usize
    }

    /// Which input the output may take the place of, if nothing else reads that.
    pub fn replaces(&self) -> Range<usize> {
        match self.op {
            Op::Activation(_) => 0..1,
            // The first two terms of a sum may change places.
            Op::Combine(Combine::Add) => 0..2,
            _ => 0..0,
        }
    }

    /// Writes `frames` of the output, which are all zero or, where the output takes the place of an input, that input's;
    /// `inputs` are the others then.
    pub fn run(
        &self,
        inputs: &[View<'_>],
        in_place: bool,
        frames: Range<usize>,
        out: &mut Tensor,
        scratch: &mut Vec<f32>,
    ) {
        let Some(first) = inputs.first() else {
            if let Op::Activation(op) = &self.op {
                activation::run(op, frames, out);
            }
            return;
        };
        match &self.op {
            Op::Convolution(op) => {
                if let Some(kernel) = &self.kernel {
                    convolution::run(op, kernel, first, frames, out, scratch);
                }
            }
            Op::Activation(op) => {
                upsample::run(Extent::ONE, first, frames.clone(), out);
                activation::run(op, frames, out);
            }
            Op::Combine(_) => {
                let mut terms = inputs;
                if !in_place {
                    upsample::run(Extent::ONE, first, frames.clone(), out);
                    terms = &inputs[1..];
                }
                combine::add(terms, frames.clone(), out);
                unite(terms, frames, out);
            }
            Op::Pool(op) => pool::run(op, first, frames, out),
            Op::Upsample(op) => upsample::run(op.factor, first, frames, out),
            Op::Shuffle(op) => shuffle::run(op.factor, first, frames, out),
        }
    }
}

/// Which pixels of a frame on a grid finer by `factor` are observed: those whose pixel of the input is.
fn spread(factor: Extent, input: &View<'_>, frame: usize, out: &mut Tensor) {
    if let Some(observed) = out.observed_mut(frame) {
        let mut coarse = alloc::vec![0; input.bins()];
        input.observed(frame / usize::from(factor.frames), &mut coarse);
        for (bin, o) in observed.iter_mut().enumerate() {
            *o = coarse[bin / usize::from(factor.bins)];
        }
    }
}

/// Marks what any input observes.
fn unite(inputs: &[View<'_>], frames: Range<usize>, out: &mut Tensor) {
    let mut row = alloc::vec![0; out.bins];
    for frame in frames {
        let Some(observed) = out.observed_mut(frame) else {
            return;
        };
        for input in inputs {
            input.observed(frame, &mut row);
            observed.iter_mut().zip(&row).for_each(|(o, r)| *o |= r);
        }
    }
}
