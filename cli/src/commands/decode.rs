//! `sparc decode`.

use crate::batch::{self, Job};
use crate::codec;
use crate::fault::{Failure, Fault, OfFile};
use crate::models;
use crate::output;
use clap::Args;
use codec_audio::{file as read, wav};
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
    batch::run(&jobs, quiet, |Job { input, output }, progress| {
        let of_input = |fault: Fault| fault.of(batch::name(input));
        progress.say("decoding");
        let bytes = read::bytes(input).of(batch::name(input))?;
        let stream = codec::read(&bytes).map_err(of_input)?;
        let clip = codec::decode(&stream, &model).map_err(of_input)?;
        wav::write(&clip, depth)
            .map_err(Fault::from)
            .and_then(|bytes| output::write(output, &bytes))
            .of(batch::name_of_output(output))?;
        match stream.concealed() {
            None => Ok(format!(
                "{}: {:.2} s",
                batch::name_of_output(output),
                clip.seconds()
            )),
            Some(message) => Err(of_input(Fault::Concealed(message))),
        }
    })
}
