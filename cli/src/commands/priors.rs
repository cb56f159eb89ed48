//! `sparc priors`.

use crate::fault::{Failure, Fault, OfFile};
use crate::output;
use clap::Args;
use codec_audio::file::reason;
use codec_lab::priors;
use codec_train::Error;
use std::path::PathBuf;

/// `sparc priors`.
#[derive(Debug, Args)]
pub struct PriorsArgs {
    /// Folder of WAV or FLAC clips to count; may be given several times
    #[arg(long, required = true, value_name = "DIR")]
    pub data: Vec<PathBuf>,
    /// The table to write: codec-format/src/entropy/priors.bin, to build it in
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Settings each clip is coded with, of eight that take turns
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub per_clip: u8,
}

/// Trains the entropy coder's priors.
pub fn run(args: &PriorsArgs) -> Vec<Failure> {
    train(args).err().into_iter().collect()
}

fn train(args: &PriorsArgs) -> Result<(), Failure> {
    let made =
        priors::train(&args.data, usize::from(args.per_clip)).map_err(|error| match error {
            Error::Io { path, source } => Fault::Input(reason(&source)).of(path.display()),
            Error::NoClips { .. } => Fault::Input(error.to_string()).of("--data"),
            other => Fault::Other(other.to_string()).of(args.out.display()),
        })?;
    output::write(&args.out, &made.table).of(args.out.display())?;
    let text = format!(
        "{}: {} bytes from {} segments of {} clips (SHA-256 {})\n",
        args.out.display(),
        made.table.len(),
        made.segments,
        made.clips,
        made.hash,
    );
    output::print(&text).of("standard output")
}
