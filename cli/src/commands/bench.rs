//! `sparc bench`: rate against quality over a folder, beside Opus.

use crate::args::parse_bitrate;
use crate::batch;
use crate::fault::{Failure, Fault, OfFile};
use crate::models;
use crate::output;
use crate::progress::Progress;
use clap::Args;
use codec_audio::{file, Pcm};
use codec_core::encode::Settings;
use codec_lab::bench::{self, opus, Codec};
use rayon::prelude::*;
use sparc::Completion;
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

/// Takes every clip of a folder through the codec at every rate and prints the means.
pub fn run(args: &Bench, quiet: bool) -> Vec<Failure> {
    bench(args, quiet).unwrap_or_else(|failure| vec![failure])
}

fn bench(args: &Bench, quiet: bool) -> Result<Vec<Failure>, Failure> {
    if let Some(folder) = &args.out_dir {
        output::make_folder(folder).of(folder.display())?;
    }
    if args.opus {
        opus::check().of("--opus")?;
    }
    let (paths, sounds, mut failures) = sounds(&args.dir)?;
    let network = models::for_encoding(args.model.as_deref(), &Settings::speech())?;
    let completion = network.map_or(Completion::Interpolation, Completion::Network);
    let of = |codec: Codec, rates: &[u32]| -> Vec<(Codec, u32)> {
        rates.iter().map(|&rate| (codec, rate)).collect()
    };
    let mut plan = of(Codec::Sparc, &args.rates);
    if args.opus {
        plan.extend(of(Codec::Opus, &args.opus_rates));
    }
    let progress = Progress::bar(quiet, sounds.len() * plan.len());
    let mut points = Vec::new();
    let mut text = bench::heading().to_owned();
    for (codec, target) in plan {
        progress.say(format!("{} at {target} bit/s", codec.name()));
        let step = || progress.step();
        let (point, failed) = bench::point(&sounds, codec, target, &completion, &step);
        let named =
            |(at, error): (usize, bench::Error)| Fault::from(error).of(batch::name(&paths[at]));
        failures.extend(failed.into_iter().map(named));
        text.extend(point.as_ref().map(bench::line));
        points.extend(point);
    }
    drop(progress);
    output::print(&text).of(batch::name_of_output(Path::new("-")))?;
    if let Some(folder) = &args.out_dir {
        let picture = bench::picture(&points).of(folder.display())?;
        let table = bench::csv(&points)
            .map_err(|e| Fault::Other(e.to_string()))
            .of("bench.csv")?;
        for (name, bytes) in [("bench.csv", table), ("bench.png", picture)] {
            let path = folder.join(name);
            output::write(&path, &bytes).of(path.display())?;
        }
    }
    Ok(failures)
}

/// Sounds, where they are from, and what was no audio.
type Sounds = (Vec<PathBuf>, Vec<Pcm>, Vec<Failure>);

/// The sounds of a folder, in the order of the names.
fn sounds(folder: &Path) -> Result<Sounds, Failure> {
    let unreadable = |e: std::io::Error| Fault::Input(file::reason(&e)).of(folder.display());
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
    let read: Vec<_> = paths
        .into_par_iter()
        .map(|path| (codec_audio::read(&path), path))
        .collect();
    let (mut found, mut sounds, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (sound, path) in read {
        match sound.of(batch::name(&path)) {
            Ok(sound) => {
                found.push(path);
                sounds.push(sound);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if sounds.is_empty() {
        return Err(Fault::Input("holds no clip that can be read".into()).of(folder.display()));
    }
    Ok((found, sounds, failures))
}
