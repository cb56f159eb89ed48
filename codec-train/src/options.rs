//! What a run is asked for, where it starts, and what it reports.

use crate::error::{Error, Result};
use codec_format::model::{Activation, Layer, Model, WeightCoding};
use std::path::PathBuf;

/// Where gradients are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// On the processor, by [`crate::kernels`].
    #[default]
    Cpu,
    /// On the first CUDA device, by [`crate::portable`].
    #[cfg(feature = "cuda")]
    Cuda,
}

/// What to train, on what, into what.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Folders of clips to train on.
    pub data: Vec<PathBuf>,
    /// Folders of clips to choose the best weights by; without any, the last weights are taken.
    pub valid: Vec<PathBuf>,
    /// Folders of noise to mix in.
    pub noise: Vec<PathBuf>,
    /// The configuration, TOML.
    pub config: String,
    /// The model file to write: from the first validation on the best so far, at the end with all that is known
    /// of the run. Beside it stand `.checkpoint` and, with the losses, `.csv`.
    pub out: PathBuf,
    /// Go on from the checkpoint beside `out`, if there is one.
    pub resume: bool,
    /// Steps to take instead of the configuration's.
    pub steps: Option<u64>,
    /// Seed instead of the configuration's.
    pub seed: Option<u64>,
    /// The command line, for the model's metadata; empty if there was none.
    pub command: String,
    /// Whether to draw a progress bar (on standard error, and only on a terminal).
    pub progress: bool,
    /// Weights to start from instead of random ones; the layers must be those of the configuration.
    pub init: Option<Model>,
    /// How the model file stores weights.
    pub weights: WeightCoding,
    /// Where gradients are computed.
    pub device: Device,
}

/// How training went.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Steps taken, those before a resume included.
    pub steps: u64,
    /// Smallest validation loss; that of training at the end without validation clips.
    pub best: f32,
    /// The step whose weights were exported.
    pub best_step: u64,
    /// How often the crops of the steps taken would have covered the clips.
    pub epochs: f64,
    /// Seconds that took, those before a resume included, without loading the clips.
    pub elapsed: f64,
    /// Each coding of weights: its name, bytes of the model file, and validation loss, where there is one.
    pub codings: Vec<CodingLoss>,
    /// Weights, biases and slopes.
    pub weights: usize,
    /// Clips trained on.
    pub clips: usize,
    /// Seconds of sound trained on.
    pub seconds: f64,
    /// Files left out, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

/// What storing weights in fewer bits costs.
#[derive(Debug, Clone, PartialEq)]
pub struct CodingLoss {
    /// `f32`, `f16` or `i8`.
    pub name: &'static str,
    /// The coding of that name.
    pub coding: WeightCoding,
    /// Size of the model file.
    pub bytes: usize,
    /// Validation loss of the weights as they come back from the file; `None` without validation clips.
    pub loss: Option<f32>,
}

/// Copies the weights of `init` into the layers of `model`, which has none yet.
///
/// # Errors
/// [`Error::Network`] naming the first layer that is another.
pub fn take_weights(model: &mut Model, init: &Model) -> Result<()> {
    let fail = |what: String| Err(Error::Network(format!("weights to start from: {what}")));
    if model.layers.len() != init.layers.len() {
        return fail(format!(
            "{} layers where the configuration has {}",
            init.layers.len(),
            model.layers.len()
        ));
    }
    for (at, (to, from)) in model.layers.iter_mut().zip(&init.layers).enumerate() {
        let shape = |l: &Layer| {
            let (o, i, h, w) = (l.outputs, l.inputs, l.kernel_bins, l.kernel_frames);
            format!("{o} x {i} x {h} x {w}")
        };
        if shape(to) != shape(from) {
            return fail(format!(
                "layer {at} is {} where the configuration has {}",
                shape(from),
                shape(to)
            ));
        }
        let activations = (&mut to.activation, &from.activation);
        match activations {
            (Activation::Prelu(to), Activation::Prelu(from)) => to.clone_from(from),
            (Activation::Relu, Activation::Relu) | (Activation::Linear, Activation::Linear) => {}
            _ => {
                return fail(format!(
                    "layer {at} has another activation than in the configuration"
                ))
            }
        }
        to.weights.clone_from(&from.weights);
        to.bias.clone_from(&from.bias);
    }
    Ok(())
}
