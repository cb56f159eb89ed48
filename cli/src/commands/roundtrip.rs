//! `sparc roundtrip`.

use crate::args::Coding;
use crate::batch;
use crate::coding;
use crate::commands::plot;
use crate::fault::{Failure, OfFile};
use crate::models::{self, Given};
use crate::output::{self, in_folder};
use crate::progress::Progress;
use clap::Args;
use codec_audio::wav;
use codec_metrics::{Comparison, Measure};
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

/// `sparc roundtrip`.
#[derive(Debug, Args)]
pub struct Roundtrip {
    /// Audio files
    #[arg(required = true, value_name = "IN")]
    pub inputs: Vec<PathBuf>,
    /// Folder for the .sparc files, decoded WAVs and pictures
    #[arg(
        short = 'd',
        long,
        value_name = "DIR",
        default_value = "sparc-roundtrip"
    )]
    pub out_dir: PathBuf,
    #[command(flatten)]
    pub coding: Coding,
}

/// One line of the table.
struct Outcome {
    name: String,
    seconds: f64,
    bytes: usize,
    measures: Comparison,
    encoding: f64,
    decoding: f64,
}

/// Takes every input through the codec and prints a table. One at a time, so that the times are true.
pub fn run(args: &Roundtrip, quiet: bool) -> Vec<Failure> {
    if let Err(fault) = output::make_folder(&args.out_dir) {
        return vec![fault.of(args.out_dir.display())];
    }
    let mut failures = Vec::new();
    let mut rows = Vec::new();
    let progress = Progress::spinner(quiet, "");
    for input in &args.inputs {
        match one(args, input, quiet, &progress) {
            Ok(row) => rows.push(row),
            Err(failure) => failures.push(failure),
        }
    }
    drop(progress);
    if !rows.is_empty() {
        let text = format!(
            "{}\n.sparc, .wav and .png files are in {}\n",
            table(&rows),
            args.out_dir.display()
        );
        if let Err(fault) = output::print(&text) {
            failures.push(fault.of(batch::name_of_output(Path::new("-"))));
        }
    }
    failures
}

fn one(
    args: &Roundtrip,
    input: &Path,
    quiet: bool,
    progress: &Progress,
) -> Result<Outcome, Failure> {
    let name = batch::name(input);
    let clip = codec_audio::read(input).of(&name)?;
    let (settings, _) = coding::settings(&args.coding, clip.channels.len())?;
    let model = models::for_encoding(args.coding.model.as_deref(), &settings)?;

    progress.say(format!("{name}: encoding"));
    let start = Instant::now();
    let bytes = coding::encode(&clip, &args.coding, model.clone(), (&name, quiet, progress))?;
    let encoding = start.elapsed().as_secs_f64();

    progress.say(format!("{name}: decoding"));
    let decoding = Given::from(model).decoding();
    let start = Instant::now();
    let decoded = sparc::decode_with(&bytes, &decoding).of(&name)?.pcm;
    let decoded_in = start.elapsed().as_secs_f64();

    progress.say(format!("{name}: measuring and drawing"));
    let measures = codec_metrics::compare(&clip, &decoded, &MEASURES.map(|m| m.0)).of(&name)?;
    let picture = in_folder(&args.out_dir, input, "png");
    let (png, _) = plot::of_stream(&bytes, &decoding, 0, &name).of(&name)?;
    let wav = wav::write(&decoded, wav::Depth::Pcm16).of(&name)?;
    let named = |extension: &str| in_folder(&args.out_dir, input, extension);
    for (path, bytes) in [
        (named("sparc"), &bytes),
        (named("decoded.wav"), &wav),
        (picture, &png),
    ] {
        output::write(&path, bytes).of(path.display())?;
    }
    Ok(Outcome {
        name,
        seconds: clip.seconds(),
        bytes: bytes.len(),
        measures,
        encoding,
        decoding: decoded_in,
    })
}

/// Columns of the measures, with their headings.
const MEASURES: [(Measure, &str); 4] = [
    (Measure::PesqWb, "PESQ-WB"),
    (Measure::PesqNb, "PESQ-NB"),
    (Measure::Stoi, "STOI"),
    (Measure::LogSpectral, "LSE dB^2"),
];

fn table(rows: &[Outcome]) -> String {
    let width = rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(4);
    let mut text = format!(
        "{:<width$} {:>8} {:>8} {:>7}",
        "file", "seconds", "bytes", "kbit/s"
    );
    for (_, heading) in MEASURES {
        text += &format!(" {heading:>9}");
    }
    text += "    encode    decode\n";
    for row in rows {
        let rate = codec_lab::kilobits(row.bytes, row.seconds);
        text += &format!(
            "{:<width$} {:>8.2} {:>8} {rate:>7.2}",
            row.name, row.seconds, row.bytes
        );
        for (measure, _) in MEASURES {
            text += &match row.measures.get(measure) {
                Some(value) => format!(" {value:>9.3}"),
                None => format!(" {:>9}", "-"),
            };
        }
        // As multiples of real time: more is faster.
        let speed = |seconds: f64| format!(" {:>8.1}x", row.seconds / seconds.max(1e-9));
        text += &speed(row.encoding);
        text += &speed(row.decoding);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}
