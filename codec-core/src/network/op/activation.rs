//! Activations (Spec §8.5).

use crate::network::tensor::Tensor;
use codec_format::model::op::Activation;
use core::ops::Range;

/// Replaces every number of these frames by its function.
pub(super) fn run(op: &Activation, frames: Range<usize>, out: &mut Tensor) {
    let channels = out.channels;
    let data = out.at_mut(frames);
    match op {
        Activation::Relu => data
            .iter_mut()
            .for_each(|x| *x = if *x > 0.0 { *x } else { 0.0 }),
        Activation::Prelu(slopes) => {
            for pixel in data.chunks_exact_mut(channels) {
                for (x, slope) in pixel.iter_mut().zip(slopes) {
                    *x = if *x > 0.0 { *x } else { *x * slope };
                }
            }
        }
    }
}
