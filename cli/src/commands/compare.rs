//! `sparc compare`.

use crate::args::Compare;
use crate::batch;
use crate::codec;
use crate::fault::{Failure, Fault};
use crate::measures;
use crate::models::{self, Given};
use crate::output;
use codec_audio::{file as read, Clip};
use serde_json::{json, Map};
use std::fmt::Write;
use std::path::Path;

/// Prints how far one file is from another.
pub fn run(args: &Compare) -> Vec<Failure> {
    measure(args).unwrap_or_else(|failure| vec![failure])
}

fn measure(args: &Compare) -> Result<Vec<Failure>, Failure> {
    let model = models::given(args.model.as_deref())?;
    let (reference, _) = load(&args.reference, &model)?;
    let (decoded, concealed) = load(&args.decoded, &model)?;
    let name = batch::name(&args.decoded);
    let measures = measures::compare(&reference, &decoded).map_err(|fault| fault.of(&name))?;
    let text = if args.json {
        let value = |m: &measures::Measure| m.as_ref().map_or(json!(null), |v| json!(v));
        let mut object: Map<_, _> = measures
            .all
            .iter()
            .map(|(n, m)| (n.to_string(), value(m)))
            .collect();
        object.insert("samples".into(), json!(measures.samples));
        object.insert("difference_in_samples".into(), json!(measures.difference));
        format!("{:#}\n", json!(object))
    } else {
        let mut text = String::new();
        for (name, measure) in &measures.all {
            let _ = match measure {
                Ok(value) => writeln!(text, "{name:<22} {value:.4}"),
                Err(reason) => writeln!(text, "{name:<22} - ({reason})"),
            };
        }
        if measures.difference != 0 {
            let _ = writeln!(
                text,
                "length differs by      {} samples",
                measures.difference
            );
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
fn load(path: &Path, model: &Given) -> Result<(Clip, Option<String>), Failure> {
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
