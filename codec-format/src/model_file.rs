//! Model files: a completion network as bytes (Spec §7).

use crate::bytes::{put_varint, Cursor};
use crate::chunk::{
    describe, put_chunk, span_at, ANCILLARY, LAYR, MEND, MHDR, MMET, MODEL_SIGNATURE,
};
use crate::error::{Error, Result};
use crate::header::{ModelId, Stft};
use crate::limits::{check, Limits};
use crate::metadata::{read_pairs, write_pairs};
use crate::model::{
    Activation, Convolution, Layer, Model, Normalisation, Plane, Source, WeightCoding,
};
pub use crate::model_check::validate;
use alloc::vec::Vec;
use half::f16;

/// Version byte of model files: major and minor nibble (Spec §7.3).
const VERSION: u8 = 0x10;

/// The name of a model file: the first 8 bytes of the SHA-256 of all its bytes (Spec §7.1).
#[must_use]
pub fn model_id(file: &[u8]) -> ModelId {
    ModelId::of(file)
}

/// The bytes of a model file, within the default limits so that every reader takes it.
///
/// # Errors
/// Those of [`validate`]; [`Error::Usage`] also where a weight overflows the coding asked for.
pub fn write(model: &Model, coding: WeightCoding) -> Result<Vec<u8>> {
    let limits = &Limits::default();
    validate(model, limits)?;
    let mut file = MODEL_SIGNATURE.to_vec();
    let mut body = Vec::new();
    body.push(VERSION);
    put_varint(&mut body, u64::from(model.rate));
    model.stft.write(&mut body);
    body.push(model.upsampling);
    body.extend_from_slice(&model.normalisation.offset.to_le_bytes());
    body.extend_from_slice(&model.normalisation.scale.to_le_bytes());
    body.push(u8::from(model.residual));
    body.push(model.layers.len() as u8);
    put_chunk(&mut file, MHDR, &body);
    if !model.metadata.is_empty() {
        body.clear();
        write_pairs(&mut body, &model.metadata, limits)?;
        check(
            "metadata bytes",
            body.len() as u64,
            limits.metadata_bytes as u64,
        )?;
        put_chunk(&mut file, MMET, &body);
    }
    for layer in &model.layers {
        put_chunk(&mut file, LAYR, &layer_body(layer, coding)?);
    }
    put_chunk(&mut file, MEND, &[]);
    check("model bytes", file.len() as u64, limits.model_bytes as u64)?;
    Ok(file)
}

/// Reads and validates a model file.
///
/// # Errors
/// Any of [`Error`]'s but [`Error::Usage`]; offsets count from the file's start.
pub fn read(file: &[u8], limits: &Limits) -> Result<Model> {
    check("model bytes", file.len() as u64, limits.model_bytes as u64)?;
    let there = file.len().min(MODEL_SIGNATURE.len());
    if file[..there] != MODEL_SIGNATURE[..there] {
        return Err(Error::Malformed {
            what: "model signature",
            at: 0,
        });
    }
    if there < MODEL_SIGNATURE.len() {
        return Err(Error::Truncated {
            what: "model signature",
            at: there as u64,
        });
    }
    let mut at = there;
    let mut model: Option<(Model, usize)> = None;
    let mut weights = 0usize;
    loop {
        let rest = &file[at..];
        let span = span_at(rest, |_| limits.model_bytes).map_err(|e| e.offset_by(at as u64))?;
        let span = match span {
            Some(span) if span.size() <= rest.len() => span,
            _ => {
                let what = span.map_or("model chunk", |span| describe(span.kind).0);
                return Err(Error::Truncated {
                    what,
                    at: file.len() as u64,
                });
            }
        };
        if !span.is_sound(rest) {
            return Err(Error::Corrupt {
                what: describe(span.kind).0,
                at: at as u64,
            });
        }
        let body_at = (at + span.body) as u64;
        let place = |error: Error| error.offset_by(body_at);
        let misplaced = Error::Malformed {
            what: "order of model chunks",
            at: at as u64,
        };
        let body = span.body_in(rest);
        match (span.kind, &mut model) {
            (MHDR, None) => model = Some(read_header(body, limits).map_err(place)?),
            (LAYR, Some((model, count))) if model.layers.len() < *count => {
                let layer = read_layer(body, limits, &mut weights).map_err(place)?;
                model.layers.push(layer);
            }
            (MMET, Some((model, _))) => {
                check(
                    "metadata bytes",
                    body.len() as u64,
                    limits.metadata_bytes as u64,
                )?;
                let mut cursor = Cursor::new(body);
                let pairs = read_pairs(&mut cursor, limits).map_err(place)?;
                cursor.end("end of model metadata").map_err(place)?;
                check(
                    "metadata entries",
                    (model.metadata.len() + pairs.len()) as u64,
                    limits.metadata_entries as u64,
                )?;
                model.metadata.extend(pairs);
            }
            (MEND, Some((_, count))) => {
                at += span.size();
                let count = *count;
                let model = model.map(|(model, _)| model).ok_or(misplaced)?;
                if model.layers.len() != count {
                    return Err(Error::Malformed {
                        what: "count of layers",
                        at: body_at,
                    });
                }
                if at != file.len() {
                    return Err(Error::Malformed {
                        what: "bytes after the model",
                        at: at as u64,
                    });
                }
                validate(&model, limits).map_err(|error| match error {
                    Error::Usage { what } => Error::Malformed {
                        what,
                        at: there as u64,
                    },
                    other => other,
                })?;
                return Ok(model);
            }
            (MHDR, _) | (LAYR, _) | (MMET, _) | (MEND, _) => return Err(misplaced),
            (kind, _) if kind & ANCILLARY != 0 => {}
            (kind, _) => {
                let value = u64::from(kind);
                return Err(Error::Unsupported {
                    what: "critical model chunk",
                    value,
                    at: at as u64,
                });
            }
        }
        at += span.size();
    }
}

/// Spec §7.3
fn read_header(body: &[u8], limits: &Limits) -> Result<(Model, usize)> {
    let mut cursor = Cursor::new(body);
    let version = cursor.byte("model version")?;
    if version >> 4 != VERSION >> 4 {
        let value = u64::from(version >> 4);
        return Err(Error::Unsupported {
            what: "major model version",
            value,
            at: 0,
        });
    }
    let rate = cursor.varint_up_to(u64::from(u32::MAX), "model sample rate")? as u32;
    let stft = Stft::read(&mut cursor)?;
    let upsampling = cursor.byte("upsampling")?;
    let normalisation = Normalisation {
        offset: float(&mut cursor, "offset")?,
        scale: float(&mut cursor, "scale")?,
    };
    let residual = flag(&mut cursor, "residual flag")?;
    let count = usize::from(cursor.byte("count of layers")?);
    check("model layers", count as u64, limits.model_layers as u64)?;
    if version & 15 == VERSION & 15 {
        cursor.end("end of model header")?;
    }
    let model = Model {
        rate,
        stft,
        upsampling,
        normalisation,
        residual,
        layers: Vec::new(),
        metadata: Vec::new(),
    };
    Ok((model, count))
}

const NO_SKIP: u8 = 255;

/// Spec §7.4
fn layer_body(layer: &Layer, coding: WeightCoding) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    body.push(match layer.convolution {
        Convolution::Plain => 0,
        Convolution::Sparse => 1,
    });
    put_varint(&mut body, layer.sources.len() as u64);
    for source in &layer.sources {
        body.push(match *source {
            Source::Layer(at) => at,
            Source::Plane(Plane::Values) => 0x80,
            Source::Plane(Plane::Image) => 0x81,
            Source::Plane(Plane::Background) => 0x82,
            Source::Plane(Plane::Mask) => 0x83,
        });
    }
    body.push(layer.skip.unwrap_or(NO_SKIP));
    body.extend_from_slice(&[layer.kernel_bins, layer.kernel_frames]);
    put_varint(&mut body, u64::from(layer.inputs));
    put_varint(&mut body, u64::from(layer.outputs));
    body.push(match layer.activation {
        Activation::Linear => 0,
        Activation::Relu => 1,
        Activation::Prelu(_) => 2,
    });
    body.push(match coding {
        WeightCoding::F32 => 0,
        WeightCoding::F16 => 1,
        WeightCoding::I8 => 2,
    });
    let per_channel = layer.weights.len() / usize::from(layer.outputs);
    match coding {
        WeightCoding::F32 => put_floats(&mut body, &layer.weights),
        WeightCoding::F16 => {
            for &weight in &layer.weights {
                let half = f16::from_f32(weight);
                if !half.is_finite() {
                    return Err(Error::Usage {
                        what: "weight beyond binary16",
                    });
                }
                body.extend_from_slice(&half.to_le_bytes());
            }
        }
        WeightCoding::I8 => {
            for channel in layer.weights.chunks(per_channel) {
                let peak = channel.iter().fold(0f32, |peak, &w| {
                    if w > peak {
                        w
                    } else if -w > peak {
                        -w
                    } else {
                        peak
                    }
                });
                let scale = if peak / 127.0 > 0.0 {
                    peak / 127.0
                } else {
                    1.0
                };
                // The largest weight may round to infinity on its way back.
                if !(scale * 127.0).is_finite() {
                    return Err(Error::Usage {
                        what: "weight beyond scaled bytes",
                    });
                }
                put_floats(&mut body, &[scale]);
                for &weight in channel {
                    // Halves move away from zero; `as` cuts towards it and saturates.
                    let steps = weight / scale;
                    let rounded = (if steps < 0.0 {
                        steps - 0.5
                    } else {
                        steps + 0.5
                    }) as i8;
                    body.push(rounded.max(-127) as u8);
                }
            }
        }
    }
    put_floats(&mut body, &layer.bias);
    if let Activation::Prelu(slopes) = &layer.activation {
        put_floats(&mut body, slopes);
    }
    Ok(body)
}

/// Spec §7.4. `weights` counts those of all layers so far.
fn read_layer(body: &[u8], limits: &Limits, weights: &mut usize) -> Result<Layer> {
    let mut cursor = Cursor::new(body);
    let unsupported = |what, value: u8, at| Error::Unsupported {
        what,
        value: u64::from(value),
        at,
    };
    let convolution = match cursor.byte("convolution kind")? {
        0 => Convolution::Plain,
        1 => Convolution::Sparse,
        kind => return Err(unsupported("convolution kind", kind, 0)),
    };
    let count = cursor.varint("count of sources")?;
    check("layer sources", count, u64::from(limits.model_channels))?;
    let mut sources = Vec::new();
    for _ in 0..count {
        let at = cursor.at();
        sources.push(match cursor.byte("layer source")? {
            layer if layer < 0x80 => Source::Layer(layer),
            0x80 => Source::Plane(Plane::Values),
            0x81 => Source::Plane(Plane::Image),
            0x82 => Source::Plane(Plane::Background),
            0x83 => Source::Plane(Plane::Mask),
            kind => return Err(unsupported("input plane", kind, at)),
        });
    }
    let skip = Some(cursor.byte("skip")?).filter(|&at| at != NO_SKIP);
    let kernel_bins = cursor.byte("kernel bins")?;
    let kernel_frames = cursor.byte("kernel frames")?;
    check(
        "kernel size",
        u64::from(kernel_bins.max(kernel_frames)),
        u64::from(limits.model_kernel),
    )?;
    let inputs = cursor.varint("input channels")?;
    let outputs = cursor.varint("output channels")?;
    check(
        "layer channels",
        inputs.max(outputs),
        u64::from(limits.model_channels),
    )?;
    let (inputs, outputs) = (inputs as u16, outputs as u16);
    let at = cursor.at();
    let activation = cursor.byte("activation kind")?;
    if activation > 2 {
        return Err(unsupported("activation kind", activation, at));
    }
    let at = cursor.at();
    let coding = cursor.byte("weight coding")?;
    let per_channel = usize::from(inputs) * usize::from(kernel_bins) * usize::from(kernel_frames);
    let total = per_channel * usize::from(outputs);
    *weights = weights.saturating_add(total);
    check(
        "model weights",
        *weights as u64,
        limits.model_weights as u64,
    )?;
    let values = match coding {
        0 => floats(&mut cursor, total, "weights")?,
        1 => {
            let raw = cursor.take(2 * total, "weights")?;
            raw.chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect()
        }
        2 => {
            // Each channel: its scale, then its bytes. Checked as a whole before anything is reserved.
            let raw = cursor.take(total + 4 * usize::from(outputs), "weights")?;
            let mut values = Vec::with_capacity(total);
            for channel in raw.chunks_exact(per_channel + 4) {
                let scale = f32::from_le_bytes([channel[0], channel[1], channel[2], channel[3]]);
                values.extend(channel[4..].iter().map(|&b| f32::from(b as i8) * scale));
            }
            values
        }
        coding => return Err(unsupported("weight coding", coding, at)),
    };
    let bias = floats(&mut cursor, usize::from(outputs), "biases")?;
    let activation = match activation {
        0 => Activation::Linear,
        1 => Activation::Relu,
        _ => Activation::Prelu(floats(&mut cursor, usize::from(outputs), "slopes")?),
    };
    cursor.end("end of layer")?;
    Ok(Layer {
        convolution,
        sources,
        skip,
        kernel_bins,
        kernel_frames,
        inputs,
        outputs,
        weights: values,
        bias,
        activation,
    })
}

fn put_floats(body: &mut Vec<u8>, values: &[f32]) {
    for value in values {
        body.extend_from_slice(&value.to_le_bytes());
    }
}

fn floats(cursor: &mut Cursor<'_>, count: usize, what: &'static str) -> Result<Vec<f32>> {
    let raw = cursor.take(4 * count, what)?;
    Ok(raw
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect())
}

fn float(cursor: &mut Cursor<'_>, what: &'static str) -> Result<f32> {
    let raw = cursor.take(4, what)?;
    Ok(f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))
}

fn flag(cursor: &mut Cursor<'_>, what: &'static str) -> Result<bool> {
    let at = cursor.at();
    match cursor.byte(what)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::Malformed { what, at }),
    }
}
