//! `sparc bench`: rate against quality over a folder, beside Opus.

mod opus;

use crate::args::parse_bitrate;
use crate::batch;
use crate::coding;
use crate::fault::{Failure, Fault};
use crate::models::{self, Given};
use crate::output;
use crate::progress::Progress;
use clap::Args;
use codec_audio::{file as read, Pcm};
use codec_core::encode::Settings;
use codec_lab::figure::chart::{sheet, Line, Lines, Panel};
use codec_metrics::{Comparison, Measure};
use rayon::prelude::*;
use sparc::{Completion, Decoding, Options, Plan};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// `sparc bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Folder of audio files
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Targets in bits a second
    #[arg(long, value_name = "BPS,...", value_delimiter = ',', value_parser = parse_bitrate,
        default_value = "3000,4500,6000,7500,9000,12000")]
    pub rates: Vec<u32>,
    /// Measure Opus too, by ffmpeg with libopus (narrow band below about 9 kbit/s)
    #[arg(long)]
    pub opus: bool,
    /// Targets for Opus
    #[arg(long, value_name = "BPS,...", value_delimiter = ',', value_parser = parse_bitrate,
        default_value = "6000,8000,10000,12000,16000")]
    pub opus_rates: Vec<u32>,
    /// Folder for bench.csv and bench.png
    #[arg(short = 'd', long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Model file that completes the image, or `none` [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
}

/// A clip that was read, and where from.
struct Source {
    path: PathBuf,
    clip: Pcm,
}

/// What a clip became.
struct Coded {
    kilobits: f64,
    measures: Comparison,
}

/// One codec at one rate, over all clips: a line of the table.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    codec: &'static str,
    target: u32,
    kilobits: f64,
    means: [f64; 3],
    clips: usize,
}

/// The measures shown, their headings and digits.
const SHOWN: [(Measure, &str, usize); 3] = [
    (Measure::PesqWb, "PESQ-WB", 3),
    (Measure::PesqNb, "PESQ-NB", 3),
    (Measure::Stoi, "STOI", 4),
];

/// Takes every clip of a folder through the codec at every rate and prints the means.
pub fn run(args: &Bench, quiet: bool) -> Vec<Failure> {
    bench(args, quiet).unwrap_or_else(|failure| vec![failure])
}

fn bench(args: &Bench, quiet: bool) -> Result<Vec<Failure>, Failure> {
    if let Some(folder) = &args.out_dir {
        output::make_folder(folder).map_err(|fault| fault.of(folder.display()))?;
    }
    if args.opus {
        opus::check().map_err(|fault| fault.of("--opus"))?;
    }
    let (sources, mut failures) = sources(&args.dir)?;
    let model = models::for_encoding(args.model.as_deref(), &Settings::speech())?;
    let decoding = Given::from(model.clone()).decoding();
    let completion = model.map_or(Completion::Interpolation, Completion::Network);

    let opus_rates: &[u32] = if args.opus { &args.opus_rates } else { &[] };
    let plan = args
        .rates
        .iter()
        .map(|&rate| ("sparc", rate))
        .chain(opus_rates.iter().map(|&rate| ("opus", rate)));
    let progress = Progress::bar(quiet, sources.len() * (args.rates.len() + opus_rates.len()));
    let mut rows = Vec::new();
    let mut text = heading();
    for (codec, target) in plan {
        progress.say(format!("{codec} at {target} bit/s"));
        let results: Vec<Result<Coded, Failure>> = sources
            .par_iter()
            .map(|source| {
                let coded = if codec == "sparc" {
                    sparc(&source.clip, target, &completion, &decoding)
                } else {
                    opus::code(&source.clip, target)
                };
                progress.step();
                coded
                    .and_then(|(bytes, decoded)| {
                        Ok(Coded {
                            kilobits: coding::kilobits(bytes, source.clip.seconds()),
                            measures: codec_metrics::compare(
                                &source.clip,
                                &decoded,
                                &SHOWN.map(|s| s.0),
                            )?,
                        })
                    })
                    .map_err(|fault| fault.of(batch::name(&source.path)))
            })
            .collect();
        let (mut coded, mut failed) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(one) => coded.push(one),
                Err(failure) => failed.push(failure),
            }
        }
        failures.extend(failed);
        if let Some(row) = mean(codec, target, &coded) {
            text += &line(&row);
            rows.push(row);
        }
    }
    drop(progress);
    print(&text)?;
    if let Some(folder) = &args.out_dir {
        let picture = picture(&rows).map_err(|fault| fault.of(folder.display()))?;
        for (name, bytes) in [
            ("bench.csv", csv(&rows).as_bytes()),
            ("bench.png", &picture),
        ] {
            let path = folder.join(name);
            output::write(&path, bytes).map_err(|fault| fault.of(path.display()))?;
        }
    }
    Ok(failures)
}

/// Every file of a folder that is audio, in the order of the names; the others as failures.
fn sources(folder: &Path) -> Result<(Vec<Source>, Vec<Failure>), Failure> {
    let unreadable = |e: std::io::Error| Fault::Input(read::reason(&e)).of(folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    let (mut sources, mut failures) = (Vec::new(), Vec::new());
    let read: Vec<_> = paths
        .into_par_iter()
        .map(|path| {
            let clip = read::bytes(&path).and_then(read::clip);
            (path, clip)
        })
        .collect();
    for (path, clip) in read {
        match clip {
            Ok(clip) => sources.push(Source { path, clip }),
            Err(error) => failures.push(Fault::from(error).of(batch::name(&path))),
        }
    }
    if sources.is_empty() {
        return Err(Fault::Input("holds no clip that can be read".into()).of(folder.display()));
    }
    Ok((sources, failures))
}

/// A clip through the codec: the bytes of the whole file, and what comes out. A clip that takes more than the rate, being
/// very short, is taken all the same.
fn sparc(
    clip: &Pcm,
    bitrate: u32,
    completion: &Completion,
    decoding: &Decoding,
) -> Result<(usize, Pcm), Fault> {
    let options = Options {
        completion: completion.clone(),
        ..Options::bitrate(bitrate)
    };
    let plan = options.plan(clip.channels.len())?;
    let bytes = Plan {
        strict: false,
        ..plan
    }
    .encode(clip)?
    .bytes;
    let decoded = sparc::decode_with(&bytes, decoding)?.pcm;
    Ok((bytes.len(), decoded))
}

/// The means over the clips for which every measure is defined (PESQ and STOI are not for silence).
fn mean(codec: &'static str, target: u32, coded: &[Coded]) -> Option<Row> {
    let mut row = Row {
        codec,
        target,
        kilobits: 0.0,
        means: [0.0; SHOWN.len()],
        clips: 0,
    };
    for one in coded {
        let values: Option<Vec<f64>> = SHOWN
            .iter()
            .map(|(measure, _, _)| one.measures.get(*measure))
            .collect();
        let Some(values) = values else { continue };
        row.clips += 1;
        row.kilobits += one.kilobits;
        for (sum, value) in row.means.iter_mut().zip(values) {
            *sum += value;
        }
    }
    let share = 1.0 / row.clips as f64;
    row.kilobits *= share;
    row.means.iter_mut().for_each(|sum| *sum *= share);
    (row.clips > 0).then_some(row)
}

fn heading() -> String {
    let mut text = String::from("codec  target  kbit/s");
    for (_, name, _) in SHOWN {
        let _ = write!(text, "  {name:>7}");
    }
    text + "  clips\n"
}

fn line(row: &Row) -> String {
    let mut text = format!("{:<6} {:>6}  {:>6.2}", row.codec, row.target, row.kilobits);
    for (value, (_, _, digits)) in row.means.iter().zip(SHOWN) {
        let _ = write!(text, "  {value:>7.digits$}");
    }
    let _ = writeln!(text, "  {:>5}", row.clips);
    text
}

fn csv(rows: &[Row]) -> String {
    let mut text = String::from("codec,target_bps,kbps,pesq_wb,pesq_nb,stoi,clips\n");
    for row in rows {
        let [wide, narrow, stoi] = row.means;
        let _ = writeln!(
            text,
            "{},{},{:.4},{wide:.4},{narrow:.4},{stoi:.5},{}",
            row.codec, row.target, row.kilobits, row.clips
        );
    }
    text
}

/// Both wide-band PESQ and STOI against the rate.
fn picture(rows: &[Row]) -> Result<Vec<u8>, Fault> {
    let panel = |title: &str, y: &str, measure: usize| {
        let lines = ["sparc", "opus"]
            .into_iter()
            .map(|codec| {
                let mut points: Vec<(f64, f64)> = rows
                    .iter()
                    .filter(|row| row.codec == codec)
                    .map(|row| (row.kilobits, row.means[measure]))
                    .collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                Line {
                    label: codec.into(),
                    points,
                    dots: true,
                }
            })
            .filter(|line| !line.points.is_empty())
            .collect();
        Panel::Lines(Lines {
            title: title.into(),
            x: "kbit/s (whole files; of Opus the packets)".into(),
            y: y.into(),
            lines,
            log: false,
        })
    };
    let clips = rows.iter().map(|row| row.clips).max().unwrap_or(0);
    Ok(sheet(
        &format!("rate and quality, mean of {clips} clips"),
        &[
            panel("wide-band PESQ (P.862.2)", "MOS-LQO", 0),
            panel("STOI", "STOI", 2),
        ],
        2,
        (620, 460),
    )?)
}

fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(|fault| fault.of(batch::name_of_output(Path::new("-"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(kilobits: f64, pesq: Option<f64>) -> Coded {
        let undefined = codec_metrics::Error::NoSpeech { measure: "PESQ" };
        Coded {
            kilobits,
            measures: Comparison {
                samples: 1,
                difference: 0,
                values: vec![
                    (Measure::PesqWb, pesq.ok_or(undefined)),
                    (Measure::PesqNb, Ok(3.0)),
                    (Measure::Stoi, Ok(0.9)),
                ],
            },
        }
    }

    #[test]
    fn clips_without_a_measure_count_for_nothing() {
        let row = mean(
            "sparc",
            6000,
            &[
                coded(5.0, Some(2.0)),
                coded(100.0, None),
                coded(6.0, Some(3.0)),
            ],
        )
        .expect("two clips");
        assert_eq!((row.clips, row.kilobits), (2, 5.5));
        assert_eq!(row.means[0], 2.5);
        assert_eq!(mean("sparc", 6000, &[coded(1.0, None)]), None);
    }

    #[test]
    fn a_line_stands_under_its_heading() {
        let row = mean("opus", 12_000, &[coded(11.5, Some(3.76))]).expect("a clip");
        assert_eq!(heading().trim_end().len(), line(&row).trim_end().len());
        assert!(csv(&[row]).contains("opus,12000,11.5000,3.7600,3.0000,0.90000,1"));
    }
}
