//! `sparc decode`.

use crate::args::parse_bytes;
use crate::batch::{self, Job};
use crate::fault::{Failure, Fault, OfFile};
use crate::models;
use crate::output::Sink;
use clap::Args;
use codec_audio::{file, wav, Pcm};
use codec_format::header::Header;
use sparc::{Decoder, Decoding};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Bytes read at once: some seconds of a stream.
const BLOCK: usize = 4096;

/// `sparc decode`.
#[derive(Debug, Args)]
pub struct Decode {
    #[command(flatten)]
    pub files: batch::Files,
    /// Model file, for streams that name one that is neither built in nor embedded
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Most memory that a decoder may take, in bytes, or with a k, M or G; a stream that needs more is refused
    #[arg(long, value_name = "BYTES", default_value = "64M", value_parser = parse_bytes)]
    pub max_memory: u64,
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
    let decoding = Decoding {
        memory: args.max_memory,
        ..model.decoding()
    };
    batch::run(&jobs, quiet, |Job { input, output }, progress| {
        let (from, to) = (batch::name(input), batch::name_of_output(output));
        progress.say("decoding");
        let mut bytes = file::open(input).of(&from)?;
        let mut decoder = Decoder::new(&decoding);
        let mut sound = Sound::new(output, depth);
        let mut block = [0; BLOCK];
        let mut received = 0;
        loop {
            let count = match bytes.read(&mut block) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read
                    .map_err(|error| Fault::Input(file::reason(&error)))
                    .of(&from)?,
            };
            received += count;
            match count {
                0 if received == 0 => return Err(Fault::Input("is empty".into()).of(&from)),
                0 => decoder.finish(),
                _ => decoder.push(&block[..count]),
            }
            while let Some(pcm) = decoder.pull().of(&from)? {
                let header = decoder.header();
                sound.write(&pcm, header).of(&to)?;
            }
            if count == 0 {
                break;
            }
        }
        let seconds = sound.finish(decoder.rate(), decoder.header()).of(&to)?;
        Fault::concealed(decoder.damage()).of(from)?;
        Ok(format!("{to}: {seconds:.2} s"))
    })
}

/// A WAV file, or stream, that is written as its samples come.
struct Sound<'a> {
    path: &'a Path,
    depth: wav::Depth,
    sink: Option<Sink>,
    /// Samples per channel so far.
    taken: u64,
    channels: usize,
}

impl<'a> Sound<'a> {
    fn new(path: &'a Path, depth: wav::Depth) -> Self {
        Sound {
            path,
            depth,
            sink: None,
            taken: 0,
            channels: 0,
        }
    }

    /// Begins a stream of a header that may know its length.
    fn begin(&mut self, rate: u32, channels: usize, header: Option<&Header>) -> Result<(), Fault> {
        let mut sink = Sink::open(self.path)?;
        let total = header.and_then(|header| header.total_samples);
        let head = wav::header(rate, channels, self.depth, total, !sink.is_file())?;
        sink.write(&head)?;
        (self.sink, self.channels) = (Some(sink), channels);
        Ok(())
    }

    fn write(&mut self, pcm: &Pcm, header: Option<&Header>) -> Result<(), Fault> {
        if self.sink.is_none() {
            self.begin(pcm.rate, pcm.channels.len(), header)?;
        }
        self.taken += pcm.len() as u64;
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        if sink.is_file() {
            // No more than a file can hold.
            wav::header(pcm.rate, self.channels, self.depth, Some(self.taken), false)?;
        }
        sink.write(&wav::samples(&pcm.channels, self.depth))
    }

    /// Ends it, of a stream with this header; gives its seconds.
    fn finish(mut self, rate: u32, header: Option<&Header>) -> Result<f64, Fault> {
        if self.sink.is_none() {
            let channels = header.map_or(1, |header| header.source.channels);
            self.begin(rate, channels.into(), header)?;
        }
        let seconds = self.taken as f64 / f64::from(rate.max(1));
        if let Some(mut sink) = self.sink {
            if sink.is_file() {
                let total = Some(self.taken);
                sink.write_over(&wav::header(rate, self.channels, self.depth, total, false)?)?;
            }
            sink.finish()?;
        }
        Ok(seconds)
    }
}
