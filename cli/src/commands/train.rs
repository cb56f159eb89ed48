//! `sparc train`.

use crate::fault::{Failure, Fault, OfFile};
use crate::models;
use crate::output;
use clap::{Args, ValueEnum};
use codec_audio::file::reason;
use codec_format::model::{Model, WeightCoding};
use codec_lab::figure::curve;
use codec_train::config::Config;
use codec_train::export::{Bits, Coding};
use codec_train::train::{self, Device, Report, TrainOptions};
use codec_train::{safetensors, Error};
use sparc::Network;
use std::path::{Path, PathBuf};

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
    /// The model file to write, from the first validation on; its checkpoint and its losses (CSV and PNG)
    /// go beside it
    #[arg(long, value_name = "MODEL")]
    pub out: PathBuf,
    /// Resume from the checkpoint beside the model, if there is one
    #[arg(long)]
    pub resume: bool,
    /// Steps to take instead of the configuration's
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Seed instead of the configuration's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Start from the weights of a model or safetensors file instead of random ones
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// How the model file stores weights
    #[arg(long, value_enum, default_value_t = Weights::F32)]
    pub weights: Weights,
    /// Where to compute gradients
    #[arg(long, value_enum, default_value_t = On::Cpu)]
    pub device: On,
}

/// Codings of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Weights {
    /// Single precision
    F32,
    /// Half precision
    F16,
    /// A byte each, with a scale for every output channel
    I8,
    /// A network of whole numbers, 16 bits a weight
    Whole16,
    /// A network of whole numbers, 8 bits a weight
    Whole8,
}

impl From<Weights> for Coding {
    fn from(weights: Weights) -> Self {
        match weights {
            Weights::F32 => Coding::Real(WeightCoding::F32),
            Weights::F16 => Coding::Real(WeightCoding::F16),
            Weights::I8 => Coding::Real(WeightCoding::I8),
            Weights::Whole16 => Coding::Whole(Bits::Sixteen),
            Weights::Whole8 => Coding::Whole(Bits::Eight),
        }
    }
}

/// Devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum On {
    /// The processor, all cores
    Cpu,
    /// The first CUDA device; needs a build with the feature `cuda`
    Cuda,
}

fn device(on: On) -> Result<Device, Failure> {
    match on {
        On::Cpu => Ok(Device::Cpu),
        #[cfg(feature = "cuda")]
        On::Cuda => Ok(Device::Cuda),
        #[cfg(not(feature = "cuda"))]
        On::Cuda => {
            let what = "this build has no CUDA; build with `--features cuda`";
            Err(Fault::Arguments(what.into()).of("--device"))
        }
    }
}

/// Trains a network.
pub fn run(args: &Train, quiet: bool) -> Vec<Failure> {
    train(args, quiet).err().into_iter().collect()
}

fn train(args: &Train, quiet: bool) -> Result<(), Failure> {
    let config = std::fs::read_to_string(&args.config)
        .map_err(|e| Fault::Input(reason(&e)).of(args.config.display()))?;
    let init = args
        .init
        .as_deref()
        .map(|path| start(path, &config, args))
        .transpose()?;
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
        init,
        weights: args.weights.into(),
        device: device(args.device)?,
    };
    let report = train::run(&options).map_err(|error| failure(error, args))?;
    for (path, why) in report.skipped.iter().filter(|_| !quiet) {
        eprintln!("skipped {}: {why}", path.display());
    }
    draw(&args.out)?;
    output::print(&told(&report, args)).of("standard output")
}

/// The weights to start from, in the network of the configuration.
fn start(path: &Path, config: &str, args: &Train) -> Result<Model, Failure> {
    let bytes = models::weights(path)?;
    let model = if safetensors::looks_like(&bytes) {
        let skeleton = Config::parse(config).and_then(|config| config.model());
        let skeleton = skeleton.map_err(|error| failure(error, args))?;
        safetensors::read(&bytes, Some(&skeleton)).map_err(|e| Fault::Model(e.to_string()))
    } else {
        Network::read(&bytes)
            .map(|network| network.model)
            .map_err(Fault::from)
    };
    model.of(path.display())
}

/// Draws the losses beside the model.
fn draw(out: &Path) -> Result<(), Failure> {
    let beside = |extension: &str| {
        let mut name = out.as_os_str().to_owned();
        name.push(extension);
        PathBuf::from(name)
    };
    let (log, picture) = (beside(".csv"), beside(".png"));
    let text =
        std::fs::read_to_string(&log).map_err(|e| Fault::Output(reason(&e)).of(log.display()))?;
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    curve::draw(&name, &text)
        .map_err(Fault::from)
        .and_then(|png| output::write(&picture, &png))
        .of(picture.display())
}

/// The schedule that was run, and what came of it.
fn told(report: &Report, args: &Train) -> String {
    let mut text = format!(
        "{}: {} weights, {} steps ({:.1} epochs of {} clips, {:.0} s) in {:.0} s, best loss {:.4} at step {}\n",
        args.out.display(),
        report.weights,
        report.steps,
        report.epochs,
        report.clips,
        report.seconds,
        report.elapsed,
        report.best,
        report.best_step,
    );
    text.push_str("weights      bytes  validation loss\n");
    for coding in &report.codings {
        let loss = coding.loss.map_or("none".into(), |x| format!("{x:.6}"));
        let written = if coding.coding == args.weights.into() {
            "  written"
        } else {
            ""
        };
        text.push_str(&format!(
            "{:7} {:>10}  {loss:>15}{written}\n",
            coding.name, coding.bytes
        ));
    }
    text
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
        Error::Weights(what) => Fault::Model(what).of(args.out.display()),
        Error::Device(what) => Fault::Other(what).of("--device"),
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
