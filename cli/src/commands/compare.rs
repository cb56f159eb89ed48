//! `sparc compare`.

use crate::batch;
use crate::fault::{Failure, Fault, OfFile};
use crate::models;
use crate::output;
use clap::Args;
use codec_audio::{file, Pcm};
use codec_metrics::{Comparison, Measure};
use serde_json::{json, Map, Value};
use sparc::{Damage, Decoded, Decoding};
use std::fmt::Write;
use std::path::Path;
use std::path::PathBuf;

/// `sparc compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The original
    #[arg(value_name = "REF")]
    pub reference: PathBuf,
    /// What became of it: audio or .sparc
    #[arg(value_name = "DEC")]
    pub decoded: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Model file, where DEC is a .sparc file that needs one
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
}

/// Prints how far one file is from another.
pub fn run(args: &Compare) -> Vec<Failure> {
    measure(args).unwrap_or_else(|failure| vec![failure])
}

fn measure(args: &Compare) -> Result<Vec<Failure>, Failure> {
    let decoding = models::given(args.model.as_deref())?.decoding();
    let (reference, _) = load(&args.reference, &decoding)?;
    let (decoded, damage) = load(&args.decoded, &decoding)?;
    let name = batch::name(&args.decoded);
    let found = codec_metrics::compare(&reference, &decoded, &Measure::ALL).of(&name)?;
    let text = if args.json {
        format!("{:#}\n", as_json(&found))
    } else {
        as_lines(&found)
    };
    output::print(&text).of(batch::name_of_output(Path::new("-")))?;
    Ok(Fault::concealed(&damage)
        .of(name)
        .err()
        .into_iter()
        .collect())
}

fn as_json(found: &Comparison) -> Value {
    let measures = found.values.iter();
    let mut object: Map<_, _> = measures
        .map(|(measure, value)| (measure.name().to_string(), json!(value.as_ref().ok())))
        .collect();
    object.insert("samples".into(), json!(found.samples));
    object.insert("difference_in_samples".into(), json!(found.difference));
    Value::Object(object)
}

fn as_lines(found: &Comparison) -> String {
    let mut text = String::new();
    for (measure, value) in &found.values {
        let name = measure.name();
        // Writing to a string cannot fail.
        let _ = match value {
            Ok(value) => writeln!(text, "{name:<22} {value:.4}"),
            Err(reason) => writeln!(text, "{name:<22} - ({reason})"),
        };
    }
    if found.difference != 0 {
        let _ = writeln!(text, "length differs by      {} samples", found.difference);
    }
    text
}

/// A clip from audio, or from a `.sparc` file by decoding it, and what of that was damaged.
fn load(path: &Path, decoding: &Decoding) -> Result<(Pcm, Damage), Failure> {
    let load = || -> Result<_, Fault> {
        let bytes = file::bytes(path)?;
        if file::is_sparc(&bytes) {
            let Decoded { pcm, damage } = sparc::decode_with(&bytes, decoding)?;
            Ok((pcm, damage))
        } else {
            Ok((file::clip(bytes)?, Damage::default()))
        }
    };
    load().of(batch::name(path))
}
