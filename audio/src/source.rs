//! Any input to samples, block by block: what is read is never held as a whole.

use crate::error::{Error, Result};
use crate::file::{self, is_pipe, reason};
use crate::{check_size, packed, wav, Pcm};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use symphonia::core::io::{MediaSource, ReadOnlySource};

/// Samples per channel of a block, at most: 64 ms at 16 kHz, so that what is piped in goes on its way soon.
pub(crate) const BLOCK: usize = 1024;
/// Bytes by which the format is found.
const BEGINNING: usize = 12;

/// Bytes that are read from front to back.
pub(crate) type Bytes = Box<dyn Read + Send + Sync>;

/// Sound on its way in.
pub struct Source {
    kind: Kind,
    rate: u32,
    channels: usize,
    /// Samples per channel so far.
    taken: u64,
}

enum Kind {
    Wav(wav::Reader),
    Packed(Box<packed::Reader>),
}

impl Source {
    /// The sound in a file, or on the standard input where `path` is `-`. The format is found from the content, never from
    /// the name. A WAV file written to a pipe, whose header does not know its length, ends where the bytes do.
    ///
    /// # Errors
    /// [`Error::Input`] if it cannot be read or is not sound.
    pub fn open(path: &Path) -> Result<Self> {
        if is_pipe(path) {
            return Source::new(Box::new(std::io::stdin()), None);
        }
        let file = file::opened(path)?;
        let whole = file.metadata().is_ok_and(|found| found.is_file());
        let again = if whole { File::open(path).ok() } else { None };
        let again = again.map(|file| Box::new(file) as Box<dyn MediaSource>);
        Source::new(Box::new(std::io::BufReader::new(file)), again)
    }

    /// The sound in a file's bytes.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn of(bytes: Vec<u8>) -> Result<Self> {
        if wav::is_wav(&bytes) {
            Source::new(Box::new(Cursor::new(bytes)), None)
        } else {
            let beginning = bytes.get(..BEGINNING).unwrap_or(&bytes).to_vec();
            Source::new(
                Box::new(Cursor::new(beginning)),
                Some(Box::new(Cursor::new(bytes))),
            )
        }
    }

    /// The sound in `bytes`, which `whole` has again, where one may seek.
    fn new(mut bytes: Bytes, whole: Option<Box<dyn MediaSource>>) -> Result<Self> {
        let failed = |e: std::io::Error| Error::Input(reason(&e));
        let mut beginning = Vec::new();
        let first = bytes.by_ref().take(BEGINNING as u64);
        { first }.read_to_end(&mut beginning).map_err(failed)?;
        if beginning.is_empty() {
            return Err(Error::Input("is empty".into()));
        }
        if file::is_sparc(&beginning) {
            return Err(Error::Input("is a .sparc file, not audio to encode".into()));
        }
        let is_wav = wav::is_wav(&beginning);
        // Parts of an MP4 file are found by seeking.
        let seeks = beginning.get(4..8) == Some(b"ftyp");
        let bytes: Bytes = Box::new(Cursor::new(beginning).chain(bytes));
        let kind = if is_wav {
            Kind::Wav(wav::Reader::new(bytes)?)
        } else {
            let media = match whole {
                Some(whole) => whole,
                None if seeks => Box::new(Cursor::new(file::all(bytes)?)),
                None => Box::new(ReadOnlySource::new(bytes)),
            };
            Kind::Packed(Box::new(packed::Reader::new(media)?))
        };
        let (rate, channels) = match &kind {
            Kind::Wav(wav) => wav.shape(),
            Kind::Packed(packed) => packed.shape(),
        };
        sparc::pcm::check_rate(rate)?;
        Ok(Source {
            kind,
            rate,
            channels,
            taken: 0,
        })
    }

    /// Samples a second, Hz.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Seconds of sound so far.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.taken as f64 / f64::from(self.rate)
    }

    /// Puts the next block into `block`, planar, full scale 1; false at the end.
    ///
    /// # Errors
    /// [`Error::Input`] where it is damaged or cut short.
    pub fn next(&mut self, block: &mut Vec<Vec<f32>>) -> Result<bool> {
        block.resize(self.channels, Vec::new());
        block.iter_mut().for_each(Vec::clear);
        match &mut self.kind {
            Kind::Wav(wav) => wav.next(block)?,
            Kind::Packed(packed) => packed.next(block)?,
        }
        let len = block.first().map_or(0, Vec::len);
        self.taken += len as u64;
        Ok(len > 0)
    }

    /// All of it, checked ([`Pcm::check`]).
    ///
    /// # Errors
    /// As [`Source::next`]; [`Error::Limit`] if it is larger than [`MAX_SAMPLES`](crate::MAX_SAMPLES).
    pub fn collect(mut self) -> Result<Pcm> {
        let mut pcm = Pcm {
            rate: self.rate,
            channels: vec![Vec::new(); self.channels],
        };
        let mut block = Vec::new();
        while self.next(&mut block)? {
            check_size(self.taken, self.channels)?;
            for (channel, block) in pcm.channels.iter_mut().zip(&block) {
                channel.extend_from_slice(block);
            }
        }
        pcm.check()?;
        Ok(pcm)
    }
}
