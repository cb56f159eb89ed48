//! `sparc inspect`.

use crate::batch;
use crate::fault::{Failure, Fault};
use crate::models::Given;
use crate::output;
use clap::Args;
use codec_audio::file;
use codec_format::header::{Header, MaskKind, ModelId, PhaseKind, ValueCoding, WindowKind};
use codec_format::inspect::{layout, ChunkInfo};
use codec_format::model::graph::{Extent, Graph, Node, Operand, Shape};
use codec_format::model::op::{Activation, Combine, ConvolutionKind, Op, PoolKind};
use codec_format::model::Arithmetic;
use codec_format::{Event, LayerBits, Limits, StreamReader, MODEL_SIGNATURE};
use serde_json::{json, Map, Value};
use sparc::{Network, Stream};
use std::fmt::Write;
use std::path::Path;
use std::path::PathBuf;

/// `sparc inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// A .sparc file or a model file, or `-`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints what a file is made of.
pub fn run(args: &Inspect) -> Vec<Failure> {
    let name = batch::name(&args.file);
    let describe = || {
        let bytes = file::bytes(&args.file)?;
        if bytes.starts_with(&MODEL_SIGNATURE) {
            return Ok((model_fields(&Network::read(&bytes)?), None));
        }
        if !file::is_sparc(&bytes) {
            return Err(Fault::Stream(
                "is neither a .sparc file nor a model file".into(),
            ));
        }
        let chunks = layout(&bytes, &Limits::default())?;
        // A cut file still shows the chunks that it has; the exit code tells.
        let (header, embedded) = head_of(&bytes);
        let read = Stream::survey(&bytes, &Given::None.decoding());
        let header = match (header, &read) {
            (Some(header), _) => header,
            (None, Ok((header, ..))) => header.clone(),
            (None, Err(error)) => return Err(error.clone().into()),
        };
        let (total, fault) = match read {
            Ok((_, total, damage)) => (Some(total), Fault::concealed(&damage).err()),
            Err(error) => (header.total_samples, Some(error.into())),
        };
        Ok((stream_fields(&header, total, embedded, &chunks), fault))
    };
    let (value, fault) = match describe() {
        Ok(described) => described,
        Err(fault) => return vec![fault.of(name)],
    };
    let text = if args.json {
        format!("{value:#}\n")
    } else {
        table(&value)
    };
    match output::print(&text) {
        Ok(()) => fault.map(|fault| fault.of(name)).into_iter().collect(),
        Err(fault) => vec![fault.of(batch::name_of_output(Path::new("-")))],
    }
}

/// The header, if it is sound, and the id of the network within the stream, if there is one.
fn head_of(bytes: &[u8]) -> (Option<Header>, Option<ModelId>) {
    let mut reader = StreamReader::new(&Limits::default());
    reader.push(bytes);
    let mut embedded = None;
    while let Ok(Some(event)) = reader.next_event() {
        match event {
            Event::Header(_) => {}
            Event::Model(file) => embedded = Some(ModelId::of(&file)),
            _ => break,
        }
    }
    (reader.header().cloned(), embedded)
}

/// Everything about a stream as JSON; the table is made from the same.
fn stream_fields(
    header: &Header,
    total: Option<u64>,
    embedded: Option<ModelId>,
    chunks: &[ChunkInfo],
) -> Value {
    let seconds = total.map(|total| total as f64 / f64::from(header.source.rate));
    let size: u64 = chunks.iter().map(|c| c.size).sum();
    let mut bits = LayerBits::default();
    let (mut kept, mut pixels) = (0u64, 0u64);
    for segment in chunks.iter().filter_map(|c| c.segment) {
        bits.add(&segment.bits);
        kept += segment.kept as u64;
        pixels += segment.pixels as u64;
    }
    let rate = |bits: f64| seconds.filter(|&s| s > 0.0).map(|s| round(bits / s, 1));
    let mut layers = Map::new();
    let named = [
        ("mask", bits.mask),
        ("values", bits.values),
        ("thresholds", bits.thresholds),
        ("lattice", bits.lattice),
        ("phases", bits.phases),
        ("waveform", bits.waveform),
    ];
    for (name, bits) in named {
        let bits = bits as f64 / 256.0;
        layers.insert(
            name.into(),
            json!({ "bits": round(bits, 1), "bits_per_second": rate(bits) }),
        );
    }
    let rest = size as f64 * 8.0 - bits.total() as f64 / 256.0;
    layers.insert(
        "container".into(),
        json!({ "bits": round(rest, 1), "bits_per_second": rate(rest) }),
    );
    let share =
        |kept: u64, pixels: u64| (pixels > 0).then(|| round(kept as f64 / pixels as f64, 4));
    let chunk = |c: &ChunkInfo| {
        let mut entry = json!({
            "name": c.name, "section": c.section, "type": c.kind, "critical": c.is_critical(),
            "offset": c.offset, "size": c.size, "sound": c.sound,
        });
        if let (Some(s), Some(object)) = (c.segment, entry.as_object_mut()) {
            object.insert("index".into(), json!(s.index));
            object.insert("frames".into(), json!(s.frames));
            object.insert("kept".into(), json!(share(s.kept as u64, s.pixels as u64)));
            object.insert(
                "bits".into(),
                json!(round(s.bits.total() as f64 / 256.0, 1)),
            );
        }
        entry
    };
    json!({
        "bytes": size,
        "seconds": seconds.map(|s| round(s, 4)),
        "bits_per_second": rate(size as f64 * 8.0),
        "header": header_fields(header, total),
        "model": model_of(header, embedded),
        "kept": share(kept, pixels),
        "layers": layers,
        "chunks": chunks.iter().map(chunk).collect::<Vec<_>>(),
    })
}

fn header_fields(header: &Header, total: Option<u64>) -> Value {
    let decibels = |eighths: f64| eighths / 8.0;
    json!({
        "source_rate": header.source.rate,
        "source_channels": header.source.channels,
        "coded_rate": header.coded.rate,
        "coded_channels": header.coded.channels,
        "total_samples": total,
        "pre_skip": header.pre_skip,
        "n_fft": header.stft.n_fft,
        "window": match header.stft.window { WindowKind::Hann => "hann", WindowKind::Sine => "sine" },
        "window_length": header.stft.window_length,
        "hop": header.stft.hop,
        "segment_frames": header.segment_frames,
        "origin_db": decibels(header.quantiser.origin.into()),
        "step_db": decibels(header.quantiser.step.into()),
        "mask": match header.mask {
            MaskKind::Seeded { seed } => format!("uniform, seed {seed}"),
            MaskKind::Packed => "one bit a pixel".into(),
            MaskKind::RunLength => "run lengths".into(),
            MaskKind::Ridge { threshold_step } => format!("ridge, threshold step {} dB", decibels(threshold_step.into())),
        },
        "values": match (header.mask, header.values) {
            (MaskKind::Ridge { .. }, _) | (_, ValueCoding::Context) => "by context",
            (_, ValueCoding::Packed) => "packed",
        },
        "lattice": header.lattice.map(|l| {
            format!("{} bands every {} frames, step {} dB", l.bands, l.every, decibels(l.step.into()))
        }),
        "waveform": header.waveform.map(|w| {
            format!("{} coefficients a frame, step {} dB above the threshold", w.coefficients, decibels(w.step.into()))
        }),
        "phases": match header.phase {
            PhaseKind::None => "none".into(),
            PhaseKind::All { bits } => format!("all, {bits} bits"),
            PhaseKind::Thresholded { bits, threshold } => {
                format!("{bits} bits from {} dB up", decibels(threshold.into()))
            }
        },
    })
}

/// The network a stream names, and where a decoder finds it.
fn model_of(header: &Header, embedded: Option<ModelId>) -> Value {
    let Some(id) = header.model else {
        return Value::Null;
    };
    let place = if embedded == Some(id) {
        "embedded".to_string()
    } else if let Some(name) = sparc::models::name_of(id) {
        format!("built in ({name})")
    } else {
        "to be given with --model".to_string()
    };
    json!({ "id": id.to_string(), "where": place })
}

/// Everything about a model file.
fn model_fields(network: &Network) -> Value {
    let model = &network.model;
    let macs = model.completion.macs_per_pixel().unwrap_or_default();
    let pixels = f64::from(model.rate) / f64::from(model.stft.hop) * model.stft.bins() as f64;
    let metadata: Map<String, Value> = model
        .metadata
        .iter()
        .map(|(k, v)| (k.clone(), json!(v)))
        .collect();
    let mut all = json!({
        "bytes": network.file.len(),
        "id": network.id.to_string(),
        "model_for": {
            "rate": model.rate,
            "n_fft": model.stft.n_fft,
            "window_length": model.stft.window_length,
            "hop": model.stft.hop,
            "upsampling": model.upsampling(),
            "residual": model.residual,
            "whole_numbers": model.arithmetic == Arithmetic::Whole,
            "offset_db": model.normalisation.offset,
            "scale_db": model.normalisation.scale,
        },
        "weights": model.completion.parameters() + model.analysis.as_ref().map_or(0, Graph::parameters),
        "multiply_adds_per_pixel": macs,
        "multiply_adds_per_second": round(macs as f64 * pixels, 0),
        "metadata": metadata,
        "completion": nodes(&model.completion, model.completion_shapes()),
    });
    if let Some(graph) = &model.analysis {
        all["analysis"] = nodes(graph, model.analysis_shapes());
    }
    all
}

/// The nodes of a network, a row each.
fn nodes(graph: &Graph, shapes: &[Shape]) -> Value {
    let size = |extent: Extent| format!("{}x{}", extent.bins, extent.frames);
    let row = |(node, shape): (&Node, &Shape)| {
        let inputs = node.inputs.iter().map(|operand| match *operand {
            Operand::Plane(plane) => format!("{plane:?}").to_lowercase(),
            Operand::Node(at) => at.to_string(),
        });
        let (name, factor) = match &node.op {
            Op::Convolution(op) if op.kind == ConvolutionKind::Plain => ("convolution", None),
            Op::Convolution(_) => ("sparse convolution", None),
            Op::Activation(Activation::Relu) => ("relu", None),
            Op::Activation(Activation::Prelu(_) | Activation::WholePrelu(_)) => ("prelu", None),
            Op::Combine(Combine::Add) => ("add", None),
            Op::Combine(Combine::Concatenate) => ("concatenate", None),
            Op::Pool(op) if op.kind == PoolKind::Mean => ("mean", Some(op.factor)),
            Op::Pool(op) => ("maximum", Some(op.factor)),
            Op::Upsample(op) => ("upsample", Some(op.factor)),
            Op::Shuffle(op) => ("shuffle", Some(op.factor)),
        };
        let mut row = json!({
            "operation": name,
            "inputs": inputs.collect::<Vec<_>>().join(", "),
            "channels": shape.channels,
            "grid": format!("{:+} {:+}", shape.grid.bins, shape.grid.frames),
            "weights": node.op.parameters(),
        });
        if let Some(factor) = factor {
            row["factor"] = size(factor).into();
        }
        if let Op::Convolution(op) = &node.op {
            row["kernel"] = size(op.kernel).into();
            for (name, extent) in [("stride", op.stride), ("dilation", op.dilation)] {
                if extent != Extent::ONE {
                    row[name] = size(extent).into();
                }
            }
            if op.groups > 1 {
                row["groups"] = op.groups.into();
            }
        }
        row
    };
    graph.nodes.iter().zip(shapes).map(row).collect()
}

fn round(x: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (x * scale).round() / scale
}

/// The same for people: fields a line each, lists of objects as tables.
fn table(value: &Value) -> String {
    let mut out = String::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) if fields.values().all(|v| !v.is_object()) => {
                let _ = writeln!(out, "{key}");
                for (key, value) in fields {
                    let _ = writeln!(out, "  {key:<24} {}", shown(value));
                }
            }
            Value::Object(rows) => {
                let rows: Vec<(String, &Value)> =
                    rows.iter().map(|(k, v)| (k.clone(), v)).collect();
                columns(&mut out, key, &rows);
            }
            Value::Array(rows) => {
                let rows: Vec<(String, &Value)> = rows
                    .iter()
                    .enumerate()
                    .map(|(i, v)| (i.to_string(), v))
                    .collect();
                columns(&mut out, key, &rows);
            }
            value => {
                let _ = writeln!(out, "{key:<26} {}", shown(value));
            }
        }
    }
    out
}

/// A table: a heading, then a line per row; its columns are the fields that any row has.
fn columns(out: &mut String, title: &str, rows: &[(String, &Value)]) {
    let mut fields: Vec<&String> = Vec::new();
    for key in rows
        .iter()
        .filter_map(|(_, row)| row.as_object())
        .flat_map(|row| row.keys())
    {
        if !fields.contains(&key) {
            fields.push(key);
        }
    }
    let mut lines = vec![[title.to_string()]
        .into_iter()
        .chain(fields.iter().map(|f| f.to_string()))
        .collect::<Vec<_>>()];
    for (name, row) in rows {
        let cell = |field: &&String| row.get(field.as_str()).map_or(String::new(), shown);
        lines.push(
            [format!("  {name}")]
                .into_iter()
                .chain(fields.iter().map(cell))
                .collect(),
        );
    }
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..=fields.len()).map(width).collect();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) if text.contains('\n') => {
            format!("({} lines, shown by --json)", text.lines().count())
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let value = json!({ "bytes": 7, "chunks": [{ "name": "HEAD", "sound": true }, { "name": "x", "index": 3 }] });
        let text = table(&value);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        let column = lines[1].find("sound").unwrap();
        assert_eq!(lines[2].find("yes"), Some(column));
        assert_eq!(lines[3].find('3'), lines[1].find("index"));
    }
}
