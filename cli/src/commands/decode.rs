//! `sparc decode`.

use crate::batch::{self, Job};
use crate::fault::{Failure, Fault, OfFile};
use crate::models;
use crate::output;
use clap::Args;
use codec_audio::{file, wav};
use sparc::Decoded;
use std::path::PathBuf;

/// `sparc decode`.
#[derive(Debug, Args)]
pub struct Decode {
    #[command(flatten)]
    pub files: batch::Files,
    /// Model file, for streams that name one that is neither built in nor embedded
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Write 32-bit floats instead of 16-bit integers
    #[arg(long)]
    pub float: bool,
}

/// Decodes every input.
pub fn run(args: &Decode, quiet: bool) -> Vec<Failure> {
    let prepared = models::given(args.model.as_deref())
        .and_then(|model| Ok((model, batch::jobs(&args.files, "wav")?)));
    let (model, jobs) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return vec![failure],
    };
    let depth = if args.float {
        wav::Depth::Float
    } else {
        wav::Depth::Pcm16
    };
    let decoding = model.decoding();
    batch::run(&jobs, quiet, |Job { input, output }, progress| {
        let (from, to) = (batch::name(input), batch::name_of_output(output));
        progress.say("decoding");
        let bytes = file::bytes(input).of(&from)?;
        let Decoded { pcm, damage } = sparc::decode_with(&bytes, &decoding).of(&from)?;
        output::write(output, &wav::write(&pcm, depth).of(&to)?).of(&to)?;
        Fault::concealed(&damage).of(from)?;
        Ok(format!("{to}: {:.2} s", pcm.seconds()))
    })
}
