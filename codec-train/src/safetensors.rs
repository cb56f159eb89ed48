//! Weights as safetensors, the way PyTorch users have them.
//!
//! The tensors of layer `i` are `layers.i.weight` (outputs x inputs x bins x frames), `layers.i.bias` and, with a
//! PReLU, `layers.i.slope` (outputs each). What tensors cannot say (grid, normalisation, sources, convolution
//! kinds) is in the metadata entry `sparc`: TOML with the tables `[model]` and `[[layer]]` of a training
//! configuration, and the model file's own metadata as pairs.

use crate::config::{Config, LayerConfig, ModelConfig};
use crate::error::{Error, Result};
use codec_format::header::WindowKind;
use codec_format::limits::Limits;
use codec_format::model::{Activation, Convolution, Layer, Model, Plane, Source};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::Write as _;

/// The metadata entry that holds what the tensors do not.
const ENTRY: &str = "sparc";
/// What a header may add to the bytes of the tensors.
const HEADER: usize = 1 << 20;

/// The `sparc` entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Carried {
    #[serde(default)]
    metadata: Vec<(String, String)>,
    model: ModelConfig,
    layer: Vec<LayerConfig>,
}

/// Most bytes a safetensors file may have that becomes a model: weights of eight bytes at the format's limit.
#[must_use]
pub fn most_bytes() -> usize {
    2 * Limits::default().model_bytes + HEADER
}

/// The safetensors file of a model, in single precision.
///
/// # Errors
/// [`Error::Weights`] if it cannot be written.
pub fn write(model: &Model) -> Result<Vec<u8>> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (at, layer) in model.layers.iter().enumerate() {
        for (name, shape, numbers) in tensors_of(at, layer) {
            let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            tensors.push((name, shape, bytes));
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata = carried(model).map(|text| HashMap::from([(ENTRY.to_owned(), text)]));
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
    let mut model = match skeleton {
        Some(skeleton) => skeleton.clone(),
        None => described(bytes)?,
    };
    let mut expected = 0;
    for (at, layer) in model.layers.iter_mut().enumerate() {
        let outputs = usize::from(layer.outputs);
        let shape = [
            outputs,
            usize::from(layer.inputs),
            usize::from(layer.kernel_bins),
            usize::from(layer.kernel_frames),
        ];
        layer.weights = numbers(&file, &format!("layers.{at}.weight"), &shape)?;
        layer.bias = numbers(&file, &format!("layers.{at}.bias"), &[outputs])?;
        expected += 2;
        if let Activation::Prelu(slopes) = &mut layer.activation {
            *slopes = numbers(&file, &format!("layers.{at}.slope"), &[outputs])?;
            expected += 1;
        }
    }
    if file.len() != expected {
        let mut names = file.names();
        names.sort_unstable();
        let known: Vec<String> = model
            .layers
            .iter()
            .enumerate()
            .flat_map(|(at, layer)| tensors_of(at, layer))
            .map(|(name, ..)| name)
            .collect();
        if let Some(name) = names.iter().find(|n| !known.iter().any(|k| k == *n)) {
            return fail(format!(
                "{}: the network has no such tensor",
                printable(name)
            ));
        }
    }
    Ok(model)
}

/// Whether a file may be safetensors: a header of JSON follows its length.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{') && !bytes.starts_with(&codec_format::MODEL_SIGNATURE)
}

/// Name, shape and numbers of a layer's tensors.
fn tensors_of(at: usize, layer: &Layer) -> Vec<(String, Vec<usize>, &[f32])> {
    let outputs = usize::from(layer.outputs);
    let shape = vec![
        outputs,
        usize::from(layer.inputs),
        usize::from(layer.kernel_bins),
        usize::from(layer.kernel_frames),
    ];
    let mut all = vec![
        (format!("layers.{at}.weight"), shape, &layer.weights[..]),
        (format!("layers.{at}.bias"), vec![outputs], &layer.bias[..]),
    ];
    if let Activation::Prelu(slopes) = &layer.activation {
        all.push((format!("layers.{at}.slope"), vec![outputs], slopes));
    }
    all
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
        Dtype::F16 => each::<2>(data, |b| from_half(u16::from_le_bytes(b))),
        Dtype::BF16 => each::<2>(data, |b| {
            f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)
        }),
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

/// IEEE binary16 to single precision, exactly.
fn from_half(half: u16) -> f32 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(half >> 10 & 31), f32::from(half & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
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
        layer: carried.layer,
        training: Default::default(),
        examples: Default::default(),
        loss: Default::default(),
    };
    let mut model = config
        .checked()
        .and_then(|config| config.model())
        .map_err(|e| wrong(e.to_string()))?;
    model.metadata = carried.metadata;
    Ok(model)
}

/// The `sparc` entry of a model; `None` for a window that configurations cannot describe.
fn carried(model: &Model) -> Option<String> {
    let stft = model.stft;
    if stft.window != WindowKind::Hann || stft.window_length != stft.n_fft {
        return None;
    }
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut out = String::from("metadata = [");
    for (key, value) in &model.metadata {
        // Writing to a string cannot fail, here and below.
        let _ = write!(out, "[{}, {}], ", quoted(key), quoted(value));
    }
    let _ = writeln!(
        out,
        "]\n\n[model]\nrate = {}\nn_fft = {}\nhop = {}\nupsampling = {}\noffset = {:?}\nscale = {:?}\nresidual = {}",
        model.rate,
        stft.n_fft,
        stft.hop,
        model.upsampling,
        model.normalisation.offset,
        model.normalisation.scale,
        model.residual,
    );
    for layer in &model.layers {
        let sources: Vec<String> = layer.sources.iter().map(source).collect();
        let convolution = match layer.convolution {
            Convolution::Plain => "plain",
            Convolution::Sparse => "sparse",
        };
        let activation = match layer.activation {
            Activation::Prelu(_) => "prelu",
            Activation::Relu => "relu",
            Activation::Linear => "linear",
        };
        let _ = writeln!(
            out,
            "\n[[layer]]\nconvolution = \"{convolution}\"\nsources = [{}]\nkernel = [{}, {}]\nchannels = {}\nactivation = \"{activation}\"",
            sources.join(", "),
            layer.kernel_bins,
            layer.kernel_frames,
            layer.outputs,
        );
        if let Some(skip) = layer.skip {
            let _ = writeln!(out, "skip = {skip}");
        }
    }
    Some(out)
}

fn source(source: &Source) -> String {
    match source {
        Source::Layer(i) => i.to_string(),
        Source::Plane(Plane::Values) => "\"values\"".into(),
        Source::Plane(Plane::Image) => "\"image\"".into(),
        Source::Plane(Plane::Background) => "\"background\"".into(),
        Source::Plane(Plane::Mask) => "\"mask\"".into(),
    }
}

/// A name from a file as far as a message can show it.
fn printable(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

fn failed(error: impl std::fmt::Display) -> Error {
    let text = error.to_string();
    Error::Weights(printable(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_what_the_standard_says() {
        for (half, value) in [
            (0x0000, 0.0),
            (0x0001, 1.0 / 16_777_216.0),
            (0x03ff, 1023.0 / 16_777_216.0),
            (0x0400, 1.0 / 16384.0),
            (0x3c00, 1.0),
            (0x3555, 1365.0 / 4096.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
        ] {
            assert_eq!(from_half(half), value);
        }
        assert!(from_half(0x7c00).is_infinite() && from_half(0x7e00).is_nan());
    }
}
