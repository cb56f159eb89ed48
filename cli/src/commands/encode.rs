//! `sparc encode`.

use crate::args::Coding;
use crate::batch::{self, Job};
use crate::codec;
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
        let of_input = |fault: crate::fault::Fault| fault.of(batch::name(input));
        progress.say("reading");
        let clip = codec_audio::read(input).of(batch::name(input))?;
        progress.say("encoding");
        let (settings, target) = coding::settings(&args.coding, clip.channels.len())?;
        let candidates = coding::candidates(&args.coding, &settings, target, clip.channels.len());
        let embed = args.coding.embed_model;
        let strict = args.coding.bitrate.is_some();
        let model = model.as_deref();
        let coded =
            codec::encode(&clip, &candidates, target, strict, model, embed).map_err(of_input)?;
        if !quiet {
            coded.warn(&batch::name(input), progress);
        }
        let bytes = coded.bytes;
        output::write(output, &bytes).map_err(|fault| fault.of(batch::name_of_output(output)))?;
        Ok(format!(
            "{}: {:.2} s in {} bytes, {:.2} kbit/s",
            batch::name_of_output(output),
            clip.seconds(),
            bytes.len(),
            codec::kilobits(bytes.len(), clip.seconds()),
        ))
    })
}
