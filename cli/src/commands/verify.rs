//! `sparc verify` and `sparc vectors`.

use crate::fault::{Failure, Fault, OfFile};
use crate::output;
use clap::Args;
use codec_audio::file::reason;
use codec_lab::vectors;
use sparc::Networks;
use std::path::PathBuf;

/// `sparc verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Folder of the streams and their MANIFEST.tsv
    #[arg(value_name = "DIR", default_value = "spec/vectors")]
    pub folder: PathBuf,
}

/// `sparc vectors`.
#[derive(Debug, Args)]
pub struct Vectors {
    /// Folder for the streams and their MANIFEST.tsv
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Decodes the streams of a folder and holds the outcomes against its manifest.
pub fn run(args: &Verify) -> Vec<Failure> {
    let name = args.folder.display();
    let (count, wrong) = match replay::verify(&args.folder, &Networks::default()) {
        Ok(found) => found,
        Err(error) => return vec![Fault::Input(reason(&error)).of(name)],
    };
    let text = format!(
        "{name}: {} of {count} streams as they should be\n",
        count - wrong.len()
    );
    let printed = output::print(&text).of("standard output");
    let wrong = wrong
        .into_iter()
        .map(|(file, what)| Fault::Stream(what.into()).of(args.folder.join(file).display()));
    wrong.chain(printed.err()).collect()
}

/// Writes the streams and their manifest.
pub fn write(args: &Vectors) -> Vec<Failure> {
    vectors::write(&args.folder, &Networks::default())
        .map_err(|error| Fault::Output(reason(&error)))
        .of(args.folder.display())
        .err()
        .into_iter()
        .collect()
}
