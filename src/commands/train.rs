//! `sparc train`.

use crate::audio::read::reason;
use crate::fault::{Failure, Fault};
use crate::output;
use clap::Args;
use codec_train::train::{self, TrainOptions};
use codec_train::Error;
use std::path::PathBuf;

/// `sparc train`.
#[derive(Debug, Args)]
pub struct Train {
    /// Folder of WAV or FLAC clips to train on; may be given several times
    #[arg(long, required = true, value_name = "DIR")]
    pub data: Vec<PathBuf>,
    /// Folder of clips to choose the best weights by; may be given several times
    #[arg(long, value_name = "DIR")]
    pub valid: Vec<PathBuf>,
    /// Folder of noise to mix in; may be given several times
    #[arg(long, value_name = "DIR")]
    pub noise: Vec<PathBuf>,
    /// What to train and how: TOML, as in codec-train/configs
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The model file to write; its checkpoint and its losses (CSV) go beside it
    #[arg(long, value_name = "MODEL")]
    pub out: PathBuf,
    /// Go on from the checkpoint beside the model, if there is one
    #[arg(long)]
    pub resume: bool,
    /// Steps to take instead of the configuration's
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Seed instead of the configuration's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Trains a network.
pub fn run(args: &Train, quiet: bool) -> Vec<Failure> {
    train(args, quiet).err().into_iter().collect()
}

fn train(args: &Train, quiet: bool) -> Result<(), Failure> {
    let config = std::fs::read_to_string(&args.config)
        .map_err(|e| Fault::Input(reason(&e)).of(args.config.display()))?;
    let options = TrainOptions {
        data: args.data.clone(),
        valid: args.valid.clone(),
        noise: args.noise.clone(),
        config,
        out: args.out.clone(),
        resume: args.resume,
        steps: args.steps,
        seed: args.seed,
        command: command_line(std::env::args_os()),
        progress: !quiet,
    };
    let report = train::run(&options).map_err(|error| failure(error, args))?;
    for (path, why) in report.skipped.iter().filter(|_| !quiet) {
        eprintln!("skipped {}: {why}", path.display());
    }
    let text = format!(
        "{}: {} weights, {} steps on {} clips ({:.0} s), best loss {:.4} at step {}\n",
        args.out.display(),
        report.weights,
        report.steps,
        report.clips,
        report.seconds,
        report.best,
        report.best_step,
    );
    output::print(&text).map_err(|fault| fault.of("standard output"))
}

/// The command as it was given, but for where the program lies.
pub fn command_line(arguments: impl Iterator<Item = std::ffi::OsString>) -> String {
    let words: Vec<String> = arguments
        .skip(1)
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    format!("sparc {}", words.join(" "))
}

fn failure(error: Error, args: &Train) -> Failure {
    match error {
        // What is written lies beside the model and begins with its name.
        Error::Io { path, source } => {
            let written = path
                .to_string_lossy()
                .starts_with(&*args.out.to_string_lossy());
            let fault = if written { Fault::Output } else { Fault::Input };
            fault(reason(&source)).of(path.display())
        }
        Error::File { path, what } => Fault::Input(what).of(path.display()),
        Error::NoClips { .. } => Fault::Input(error.to_string()).of("--data"),
        Error::Config(_) | Error::Network(_) => {
            Fault::Arguments(one_line(&error.to_string())).of(args.config.display())
        }
        Error::Core(error) => Fault::from(error).of(args.out.display()),
        Error::Format(error) => Fault::from(error).of(args.out.display()),
        other => Fault::Other(other.to_string()).of(args.out.display()),
    }
}

/// A message of several lines as one, without the picture of the source that TOML errors draw.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let told: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.contains('|'))
        .collect();
    told.join("; ")
}
