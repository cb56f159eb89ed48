//! The training loss: L1 in the network's units, weighted towards what is heard.

use crate::error::Result;
use crate::layer::Batch;
use dfdx::shapes::Rank0;
use dfdx::tensor::{Cpu, OwnedTape, PutTape, Tape, Tensor, TensorFromVec};
use serde::Deserialize;
use std::sync::Arc;

/// How much a pixel counts: a sigmoid of its level relative to the loudest pixel of its (fine) frame.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weighting {
    /// dB below the frame's loudest pixel at which the sigmoid is one half.
    pub middle: f32,
    /// dB over which the sigmoid changes.
    pub width: f32,
    /// Added to the sigmoid: what inaudible pixels still count.
    pub floor: f32,
}

impl Default for Weighting {
    fn default() -> Self {
        Weighting {
            middle: 40.0,
            width: 10.0,
            floor: 0.15,
        }
    }
}

impl Weighting {
    /// The weight of a pixel `below` dB below its frame's loudest.
    #[must_use]
    pub fn of(&self, below: f32) -> f32 {
        1.0 / (1.0 + ((below - self.middle) / self.width).exp()) + self.floor
    }
}

/// The mean of `weight * |output - target|`, and for each number `weight * sign(output - target) / count`.
fn weighted_l1(output: &[f32], target: &[f32], weight: &[f32]) -> (f32, Vec<f32>) {
    let share = 1.0 / output.len() as f32;
    let mut sum = 0f64;
    let mut gradient = Vec::with_capacity(output.len());
    for ((o, t), w) in output.iter().zip(target).zip(weight) {
        let error = o - t;
        sum += f64::from(w * error.abs());
        gradient.push(if error == 0.0 {
            0.0
        } else {
            w * share * error.signum()
        });
    }
    ((sum / output.len() as f64) as f32, gradient)
}

/// The loss of a network's output on the tape, ready for `backward`.
///
/// # Errors
/// [`crate::Error::Tensor`] if memory runs out.
pub fn loss(
    device: &Cpu,
    mut tape: OwnedTape<f32, Cpu>,
    output: &Batch,
    target: &[f32],
    weight: &[f32],
) -> Result<Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>> {
    let (value, gradient) = weighted_l1(&output.data, target, weight);
    let result: Tensor<Rank0, f32, Cpu> = device.try_tensor_from_vec(vec![value], ())?;
    let (of, node) = (result.clone(), output.node.clone());
    tape.add_backward_op(move |gradients| {
        let upstream = gradients.get_or_alloc_mut(&of)?[0];
        let to = gradients.get_or_alloc_mut(&node)?;
        for (to, g) in to.iter_mut().zip(&gradient) {
            *to += upstream * g;
        }
        Ok(())
    });
    Ok(result.put_tape(tape))
}

/// The loss alone, without gradients.
#[must_use]
pub fn value(output: &Arc<Vec<f32>>, target: &[f32], weight: &[f32]) -> f32 {
    let sum: f64 = output
        .iter()
        .zip(target)
        .zip(weight)
        .map(|((o, t), w)| f64::from(w * (o - t).abs()))
        .sum();
    (sum / output.len() as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_at_the_middle_counts_half_and_the_floor() {
        let w = Weighting::default();
        assert!((w.of(40.0) - 0.65).abs() < 1e-6);
        assert!(w.of(0.0) > 1.1 && w.of(80.0) < 0.2);
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let (target, weight) = ([0.5, -1.0, 2.0], [1.0, 0.5, 0.25]);
        let at = |x: &[f32; 3]| weighted_l1(x, &target, &weight).0;
        let x = [1.0, -2.0, 0.0];
        let gradient = weighted_l1(&x, &target, &weight).1;
        for i in 0..3 {
            let (mut up, mut down) = (x, x);
            up[i] += 0.1;
            down[i] -= 0.1;
            assert!(
                ((at(&up) - at(&down)) / 0.2 - gradient[i]).abs() < 1e-5,
                "number {i}"
            );
        }
    }
}
