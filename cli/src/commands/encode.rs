//! `sparc encode`.

use crate::args::Coding;
use crate::batch::{self, Job};
use crate::coding;
use crate::fault::{Failure, OfFile};
use crate::models;
use crate::output;
use clap::Args;

/// `sparc encode`.
#[derive(Debug, Args)]
pub struct Encode {
    #[command(flatten)]
    pub files: batch::Files,
    #[command(flatten)]
    pub coding: Coding,
}

/// Encodes every input.
pub fn run(args: &Encode, quiet: bool) -> Vec<Failure> {
    // Arguments that go wrong with one channel go wrong with any number: once, before any file is read.
    let prepared = coding::settings(&args.coding, 1).and_then(|(settings, _)| {
        let model = models::for_encoding(args.coding.model.as_deref(), &settings)?;
        Ok((model, batch::jobs(&args.files, "sparc")?))
    });
    let (model, jobs) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return vec![failure],
    };
    batch::run(&jobs, quiet, |Job { input, output }, progress| {
        let name = batch::name(input);
        progress.say("reading");
        let clip = codec_audio::read(input).of(&name)?;
        progress.say("encoding");
        let bytes = coding::encode(&clip, &args.coding, model.clone(), (&name, quiet, progress))?;
        output::write(output, &bytes).of(batch::name_of_output(output))?;
        Ok(format!(
            "{}: {:.2} s in {} bytes, {:.2} kbit/s",
            batch::name_of_output(output),
            clip.seconds(),
            bytes.len(),
            codec_lab::kilobits(bytes.len(), clip.seconds()),
        ))
    })
}
