//! `sparc compare`.

use crate::batch;
use crate::codec;
use crate::fault::{Failure, Fault, OfFile};
use crate::models::{self, Given};
use crate::output;
use clap::Args;
use codec_audio::{file as read, Pcm};
use codec_metrics::Measure;
use serde_json::{json, Map};
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
    let model = models::given(args.model.as_deref())?;
    let (reference, _) = load(&args.reference, &model)?;
    let (decoded, concealed) = load(&args.decoded, &model)?;
    let name = batch::name(&args.decoded);
    let found = codec_metrics::compare(&reference, &decoded, &Measure::ALL).of(&name)?;
    let text = if args.json {
        let mut object: Map<_, _> = found
            .values
            .iter()
            .map(|(measure, value)| (measure.name().to_string(), json!(value.as_ref().ok())))
            .collect();
        object.insert("samples".into(), json!(found.samples));
        object.insert("difference_in_samples".into(), json!(found.difference));
        format!("{:#}\n", json!(object))
    } else {
        let mut text = String::new();
        for (measure, value) in &found.values {
            let name = measure.name();
            let _ = match value {
                Ok(value) => writeln!(text, "{name:<22} {value:.4}"),
                Err(reason) => writeln!(text, "{name:<22} - ({reason})"),
            };
        }
        if found.difference != 0 {
            let _ = writeln!(text, "length differs by      {} samples", found.difference);
        }
        text
    };
    output::print(&text).map_err(|fault| fault.of(batch::name_of_output(Path::new("-"))))?;
    Ok(concealed
        .map(|message| Fault::Concealed(message).of(name))
        .into_iter()
        .collect())
}

/// A clip from audio, or from a `.sparc` file by decoding it.
fn load(path: &Path, model: &Given) -> Result<(Pcm, Option<String>), Failure> {
    let load = || {
        let bytes = read::bytes(path)?;
        if read::is_sparc(&bytes) {
            let stream = codec::read(&bytes)?;
            Ok((codec::decode(&stream, model)?, stream.concealed()))
        } else {
            Ok((read::clip(bytes)?, None))
        }
    };
    load().map_err(|fault: Fault| fault.of(batch::name(path)))
}
