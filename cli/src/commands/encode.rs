//! `sparc encode`.

use crate::args::Coding;
use crate::batch::{self, Job};
use crate::coding;
use crate::fault::{Failure, OfFile};
use crate::models;
use crate::output::Sink;
use clap::Args;
use codec_audio::Source;
use sparc::Encoder;

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
        let (from, to) = (batch::name(input), batch::name_of_output(output));
        progress.say("encoding");
        let mut source = Source::open(input).of(&from)?;
        let (rate, channels) = (source.rate(), source.channels());
        let plan = coding::plan(&args.coding, model.clone(), channels)?;
        let mut encoder = Encoder::of(rate, channels, plan).of(&from)?;
        // Nothing is begun before there is something to write.
        let (mut sink, mut size) = (None, 0);
        let mut write = |bytes: &[u8]| -> Result<(), Failure> {
            size += bytes.len();
            match &mut sink {
                _ if bytes.is_empty() => Ok(()),
                Some(sink) => Sink::write(sink, bytes).of(&to),
                None => {
                    let opened = sink.insert(Sink::open(output).of(&to)?);
                    opened.write(bytes).of(&to)
                }
            }
        };
        let mut block = Vec::new();
        while source.next(&mut block).of(&from)? {
            let channels: Vec<&[f32]> = block.iter().map(Vec::as_slice).collect();
            write(&encoder.push(&channels).of(&from)?)?;
        }
        write(&encoder.finish().of(&from)?)?;
        if let Some(sink) = sink {
            sink.finish().of(&to)?;
        }
        coding::warn_of(encoder.starved(), (&from, quiet, progress));
        let seconds = source.seconds();
        let rate = codec_lab::kilobits(size, seconds);
        Ok(format!(
            "{to}: {seconds:.2} s in {size} bytes, {rate:.2} kbit/s"
        ))
    })
}
