//! Weights as safetensors, the way PyTorch users have them.
//!
//! Convolutions are counted in the order of the graph: the tensors of the `i`-th are `layers.i.weight` (outputs x inputs
//! of a group x bins x frames) and `layers.i.bias` (outputs); slopes of a PReLU have the number of the last convolution
//! before them, `layers.i.slope` (channels), `layers.i.slope2` where there is a second, and so on. What tensors cannot say
//! (grid, normalisation, operations) is in the metadata entry `sparc`: TOML with the tables `[model]` and `[[node]]` of a
//! training configuration, and the model file's own metadata as pairs.

use crate::config::{describe, Config, ModelConfig, NodeConfig};
use crate::error::{Error, Result};
use crate::graph::{learned, parameters};
use codec_format::header::WindowKind;
use codec_format::limits::Limits;
use codec_format::model::graph::Graph;
use codec_format::model::op::Op;
use codec_format::model::{Arithmetic, Model};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The metadata entry that holds what the tensors do not.
const ENTRY: &str = "sparc";
/// What a header may add to the bytes of the tensors.
const HEADER: usize = 1 << 20;

/// The `sparc` entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Carried {
    #[serde(default)]
    metadata: Vec<(String, String)>,
    model: ModelConfig,
    #[serde(alias = "layer")]
    node: Vec<NodeConfig>,
}

/// Most bytes a safetensors file may have that becomes a model: weights of eight bytes at the format's limit.
#[must_use]
pub fn most_bytes() -> usize {
    2 * Limits::default().model_bytes + HEADER
}

/// Names and shapes of a graph's tensors, in the order of [`parameters`].
fn tensors(graph: &Graph) -> Vec<(String, Vec<usize>)> {
    let mut all = Vec::new();
    let (mut convolutions, mut slopes) = (0usize, 0usize);
    for node in &graph.nodes {
        match &node.op {
            Op::Convolution(op) => {
                let (outputs, kernel) = (usize::from(op.outputs), op.kernel);
                let sides = [kernel.bins, kernel.frames].map(usize::from);
                let shape = vec![outputs, op.group_inputs(), sides[0], sides[1]];
                all.push((format!("layers.{convolutions}.weight"), shape));
                all.push((format!("layers.{convolutions}.bias"), vec![outputs]));
                (convolutions, slopes) = (convolutions + 1, 0);
            }
            Op::Activation(op) if !op.slopes().is_empty() => {
                slopes += 1;
                let which = if slopes > 1 {
                    slopes.to_string()
                } else {
                    String::new()
                };
                let last = convolutions.saturating_sub(1);
                all.push((
                    format!("layers.{last}.slope{which}"),
                    vec![op.slopes().len()],
                ));
            }
            _ => {}
        }
    }
    all
}

/// The safetensors file of a model, in single precision.
///
/// # Errors
/// [`Error::Weights`] if it cannot be written: a whole-number model has no weights of single precision.
pub fn write(model: &Model) -> Result<Vec<u8>> {
    if model.arithmetic == Arithmetic::Whole {
        return Err(Error::Weights(
            "a whole-number model has none to write".into(),
        ));
    }
    let bytes: Vec<Vec<u8>> = learned(&model.completion)
        .map(|numbers| numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
        .collect();
    let views = tensors(&model.completion)
        .into_iter()
        .zip(&bytes)
        .map(|((name, shape), bytes)| {
            let view = TensorView::new(Dtype::F32, shape, bytes).map_err(failed)?;
            Ok((name, view))
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata = carried(model)?.map(|text| HashMap::from([(ENTRY.to_owned(), text)]));
    safetensors::serialize(views, metadata).map_err(failed)
}

/// Reads weights into a model like `skeleton`; without one, like the file's own `sparc` entry describes.
///
/// Numbers may have 64, 32 or 16 bits (both kinds); they are rounded to single precision.
///
/// # Errors
/// [`Error::Weights`] naming the first tensor that is missing, unknown, of another shape or type, or not finite;
/// also if the file is too large, damaged, or does not describe the network and no skeleton does.
pub fn read(bytes: &[u8], skeleton: Option<&Model>) -> Result<Model> {
    let fail = |what: String| Err(Error::Weights(what));
    if bytes.len() > most_bytes() {
        return fail(format!(
            "{} bytes are more than the {} a model may have",
            bytes.len(),
            most_bytes()
        ));
    }
    let file = SafeTensors::deserialize(bytes).map_err(failed)?;
    let model = match skeleton {
        Some(skeleton) => skeleton.clone(),
        None => described(bytes)?,
    };
    let mut parts = model.into_parts();
    let expected = tensors(&parts.completion);
    let parameters = parameters(&mut parts.completion);
    for ((name, shape), (to, _)) in expected.iter().zip(parameters) {
        to.copy_from_slice(&numbers(&file, name, shape)?);
    }
    if file.len() != expected.len() {
        let mut names = file.names();
        names.sort_unstable();
        let unknown = |name: &&&str| !expected.iter().any(|(known, _)| known == **name);
        if let Some(name) = names.iter().find(unknown) {
            return fail(format!(
                "{}: the network has no such tensor",
                printable(name)
            ));
        }
    }
    Ok(Model::new(parts)?)
}

/// Whether a file may be safetensors: a header of JSON follows its length.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{') && !bytes.starts_with(&codec_format::MODEL_SIGNATURE)
}

/// A tensor's numbers in single precision.
fn numbers(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let fail = |what: String| Err(Error::Weights(format!("{name}: {what}")));
    let Ok(tensor) = file.tensor(name) else {
        return fail("the tensor is missing".into());
    };
    if tensor.shape() != shape {
        return fail(format!(
            "the shape is {:?} where the network has {shape:?}",
            tensor.shape()
        ));
    }
    let data = tensor.data();
    let numbers: Vec<f32> = match tensor.dtype() {
        Dtype::F64 => each::<8>(data, |b| f64::from_le_bytes(b) as f32),
        Dtype::F32 => each::<4>(data, f32::from_le_bytes),
        Dtype::F16 => each::<2>(data, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each::<2>(data, |b| bf16::from_le_bytes(b).to_f32()),
        other => return fail(format!("numbers of type {other:?} are no weights")),
    };
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(at) => fail(format!("number {at} is {}", numbers[at])),
        None => Ok(numbers),
    }
}

fn each<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.chunks_exact(N)
        .map(|bytes| {
            let mut copy = [0; N];
            copy.copy_from_slice(bytes);
            number(copy)
        })
        .collect()
}

/// The network that the file's own entry describes, without weights.
fn described(bytes: &[u8]) -> Result<Model> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(failed)?;
    let entry = header.metadata().as_ref().and_then(|all| all.get(ENTRY));
    let Some(text) = entry else {
        let what =
            "the file does not say which network its tensors are; a configuration or a model must";
        return Err(Error::Weights(what.into()));
    };
    let wrong = |what: String| Error::Weights(format!("metadata entry {ENTRY}: {what}"));
    let carried: Carried = toml::from_str(text).map_err(|e| wrong(e.message().into()))?;
    let config = Config {
        model: carried.model,
        node: carried.node,
        training: Default::default(),
        examples: Default::default(),
        loss: Default::default(),
    };
    let model = config.checked().and_then(|config| config.model());
    let mut parts = model.map_err(|e| wrong(e.to_string()))?.into_parts();
    parts.metadata = carried.metadata;
    Ok(Model::new(parts)?)
}

/// The `sparc` entry of a model; `None` for a window that configurations cannot describe.
fn carried(model: &Model) -> Result<Option<String>> {
    let stft = model.stft;
    if stft.window != WindowKind::Hann || stft.window_length != stft.n_fft {
        return Ok(None);
    }
    let carried = Carried {
        metadata: model.metadata.clone(),
        model: ModelConfig {
            rate: model.rate,
            n_fft: stft.n_fft,
            hop: stft.hop,
            upsampling: model.upsampling(),
            offset: model.normalisation.offset,
            scale: model.normalisation.scale,
            residual: model.residual,
        },
        node: describe(&model.completion),
    };
    toml::to_string(&carried).map(Some).map_err(failed)
}

/// A name from a file as far as a message can show it.
fn printable(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

fn failed(error: impl std::fmt::Display) -> Error {
    let text = error.to_string();
    Error::Weights(printable(&text))
}
