//! Bytes in, PCM out: a stream that arrives in pieces, a whole file, or a part of one.

#[cfg(feature = "std")]
mod range;

use crate::decoding::{Damage, Decoding};
use crate::error::{Error, Result};
use crate::intake::Intake;
use crate::pcm::Pcm;
use crate::running::{required, Running};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
#[cfg(feature = "std")]
pub use range::decode_range;

/// A decoder of a stream that arrives in pieces of any size.
///
/// [`push`](Self::push) what arrives, then [`pull`](Self::pull) PCM until there is no more; after the last byte
/// [`finish`](Self::finish), and pull the rest. The same stream gives the same PCM however it is cut.
///
/// ```
/// # fn main() -> sparc::Result<()> {
/// # let pcm = sparc::Pcm::from_mono(16_000, (0..32_000).map(|i| 0.3 * (i as f32 * 0.05).sin()).collect());
/// # let options = sparc::Options { effort: sparc::Effort::Fast, ..sparc::Options::default() };
/// # let stream = sparc::encode(&pcm, &options)?;
/// # let mut played = 0;
/// let mut decoder = sparc::Decoder::default();
/// for bytes in stream.chunks(100) {
///     decoder.push(bytes);
///     while let Some(pcm) = decoder.pull()? {
///         played += pcm.len();
///     }
/// }
/// decoder.finish();
/// while let Some(pcm) = decoder.pull()? {
///     played += pcm.len();
/// }
/// assert_eq!(played, 32_000);
/// # Ok(())
/// # }
/// ```
///
/// # Memory and delay
///
/// Held are the bytes that were pushed and not yet decoded, one segment's symbols, what [`memory_required`] says, checked
/// against [`Decoding::memory`] before anything is taken, and the PCM of one pull: a quarter of a second or so at 16 kHz. A
/// segment's sound is given out once its last byte is there, but for its end, which waits for the following one
/// ([`codec_core::decode::Decoder::delay`]), and for two of the resampler's blocks, where the rate changes.
#[derive(Debug)]
pub struct Decoder {
    intake: Intake,
    running: Option<Running>,
    /// Sample of the whole output that is decoded first, and how many from there on are not given out.
    first: u64,
    dropped: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new(&Decoding::default())
    }
}

impl Decoder {
    /// A decoder at the start of a stream of any length.
    #[must_use]
    pub fn new(decoding: &Decoding) -> Self {
        Decoder::of(Intake::new(decoding, u64::MAX))
    }

    pub(crate) fn of(intake: Intake) -> Self {
        Decoder {
            intake,
            running: None,
            first: 0,
            dropped: 0,
        }
    }

    /// The header, once it has been read: with the first [`pull`](Self::pull) that finds it whole.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.intake.header()
    }

    /// The rate of the PCM given out, Hz; 0 before the header is known.
    #[must_use]
    pub fn rate(&self) -> u32 {
        let resample = self.intake.decoding().resample;
        self.header().map_or(0, |header| {
            if resample {
                header.source.rate
            } else {
                header.coded.rate
            }
        })
    }

    /// What was damaged or lost so far.
    #[must_use]
    pub fn damage(&self) -> &Damage {
        self.intake.damage()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.intake.push(bytes);
    }

    /// Says that the stream has no more bytes.
    pub fn finish(&mut self) {
        self.intake.finish();
    }

    /// The next PCM; none while more bytes are needed, and after the end.
    ///
    /// # Errors
    /// [`Error::Stream`], [`Error::Limit`] or [`Error::Model`] where reading on is pointless; [`Error::Stream`] also for a
    /// stream that is cut short. Damage is no error: lost segments are concealed, and [`Decoder::damage`] counts them.
    pub fn pull(&mut self) -> Result<Option<Pcm>> {
        loop {
            match &mut self.running {
                Some(running) if !running.is_idle() => {
                    let mut channels = running.sound(self.first)?;
                    let len = channels.first().map_or(0, Vec::len);
                    let dropped = self.dropped.min(len as u64);
                    if dropped > 0 {
                        self.dropped -= dropped;
                        for channel in &mut channels {
                            channel.drain(..dropped as usize);
                        }
                    }
                    if channels.first().is_some_and(|channel| !channel.is_empty()) {
                        let rate = self.rate();
                        return Ok(Some(Pcm { rate, channels }));
                    }
                }
                _ => {
                    let Some(step) = self.intake.step()? else {
                        return Ok(None);
                    };
                    let mut running = match self.running.take() {
                        Some(running) => running,
                        None => self.start()?,
                    };
                    let (received, decoding) = (self.intake.received(), self.intake.decoding());
                    running.take(step, received, decoding)?;
                    self.running = Some(running);
                }
            }
        }
    }

    /// The decoder of a stream whose header, and model if it brings one along, have been read.
    fn start(&self) -> Result<Running> {
        let header = self.header().ok_or_else(no_header)?;
        let network = self.intake.network()?;
        Running::new(header, network.as_ref(), self.intake.decoding())
    }
}

fn no_header() -> Error {
    Error::Stream("has no header".into())
}

/// Bytes that a decoder takes for a stream that begins with these, before any are taken: what it needs of the stream are the
/// header and, if it brings one along, the network. The network itself is not among them.
///
/// # Errors
/// [`Error::Stream`] if the header is not there, [`Error::Model`] if the network is not at hand, [`Error::Limit`] for
/// one that asks for more than the other limits allow.
pub fn memory_required(beginning: &[u8], decoding: &Decoding) -> Result<u64> {
    let mut intake = Intake::new(decoding, u64::MAX);
    intake.skip_to(u32::MAX);
    intake.push(beginning);
    intake.step()?;
    let header = intake.header().ok_or_else(no_header)?;
    Ok(required(header, intake.network()?.as_ref(), decoding)?.0)
}

/// A whole stream as PCM, and what of it was damaged.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The sound: at the source's rate, unless told otherwise, and exactly as long.
    pub pcm: Pcm,
    /// What was damaged or lost.
    pub damage: Damage,
}

/// Decodes a whole stream held in memory.
///
/// # Errors
/// [`Error::Stream`] for bytes that are no stream, or are cut short; [`Error::Limit`] for one that asks for too much;
/// [`Error::Model`] if it needs a network that is not at hand.
pub fn decode_with(stream: &[u8], decoding: &Decoding) -> Result<Decoded> {
    let mut decoder = Decoder::of(Intake::new(decoding, decoding.samples));
    decoder.push(stream);
    decoder.finish();
    let mut channels = Vec::new();
    while let Some(pcm) = decoder.pull()? {
        append(&mut channels, pcm);
    }
    if let (true, Some(header)) = (channels.is_empty(), decoder.header()) {
        channels = vec![Vec::new(); usize::from(header.source.channels)];
    }
    Ok(Decoded {
        pcm: Pcm {
            rate: decoder.rate(),
            channels,
        },
        damage: decoder.damage().clone(),
    })
}

/// Adds a piece to what came before.
fn append(all: &mut Vec<Vec<f32>>, piece: Pcm) {
    if all.is_empty() {
        *all = piece.channels;
        return;
    }
    for (all, piece) in all.iter_mut().zip(piece.channels) {
        all.extend(piece);
    }
}

/// Decodes a whole `.sparc` stream to PCM at the source's rate, with its channels and its exact length. Damage is concealed;
/// [`decode_with`] tells of it.
///
/// # Errors
/// As [`decode_with`].
pub fn decode(stream: &[u8]) -> Result<Pcm> {
    Ok(decode_with(stream, &Decoding::default())?.pcm)
}
