//! What a run is asked for, where it starts, and what it reports.

use crate::error::{Error, Result};
use crate::export::Coding;
use codec_format::model::graph::{Graph, Node};
use codec_format::model::op::{Activation, Op};
use codec_format::model::Model;
use std::path::PathBuf;

/// Where gradients are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// On the processor, by [`crate::backend::cpu`].
    #[default]
    Cpu,
    /// On the first CUDA device, by [`crate::backend::dfdx`].
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
    /// Weights to start from instead of random ones; the nodes must be those of the configuration.
    pub init: Option<Model>,
    /// How the model file stores weights.
    pub weights: Coding,
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
    /// As in [`CODINGS`](crate::export::CODINGS).
    pub name: &'static str,
    /// The coding of that name.
    pub coding: Coding,
    /// Size of the model file.
    pub bytes: usize,
    /// Validation loss of the weights as they come back from the file; `None` without validation clips.
    pub loss: Option<f32>,
}

/// Copies the weights of `init` into the nodes of `graph`.
///
/// # Errors
/// [`Error::Network`] naming the first node that is another.
pub fn take_weights(graph: &mut Graph, init: &Graph) -> Result<()> {
    let fail = |what: String| Err(Error::Network(format!("weights to start from: {what}")));
    if graph.nodes.len() != init.nodes.len() {
        return fail(format!(
            "{} nodes where the configuration has {}",
            init.nodes.len(),
            graph.nodes.len()
        ));
    }
    for (at, (to, from)) in graph.nodes.iter_mut().zip(&init.nodes).enumerate() {
        if !alike(to, from) {
            return fail(format!(
                "node {at} is {} where the configuration has {}",
                told(from),
                told(to)
            ));
        }
        for (to, from) in to.op.learned_mut().into_iter().zip(from.op.learned()) {
            to.copy_from_slice(from);
        }
    }
    Ok(())
}

/// Whether two nodes differ in their weights alone.
fn alike(a: &Node, b: &Node) -> bool {
    let [mut a, mut b] = [a.clone(), b.clone()];
    let lengths = |node: &Node| node.op.learned().map(<[f32]>::len);
    if lengths(&a) != lengths(&b) {
        return false;
    }
    for node in [&mut a, &mut b] {
        for numbers in node.op.learned_mut() {
            numbers.fill(0.0);
        }
    }
    a == b
}

/// A node in a few words.
fn told(node: &Node) -> String {
    match &node.op {
        Op::Convolution(op) => {
            let (kernel, inputs) = (op.kernel, op.group_inputs());
            format!(
                "{} x {inputs} x {} x {}",
                op.outputs, kernel.bins, kernel.frames
            )
        }
        Op::Activation(Activation::Relu) => "a ReLU".into(),
        Op::Activation(Activation::Prelu(slopes)) => format!("a PReLU of {}", slopes.len()),
        other => format!("{other:?} of {:?}", node.inputs),
    }
}
