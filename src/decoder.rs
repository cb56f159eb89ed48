//! Bytes in, PCM out: a stream that arrives in pieces, a whole file, or a part of one.

#[cfg(feature = "std")]
mod range;

use crate::decoding::{Damage, Decoding};
use crate::error::{Error, Result};
use crate::intake::{Intake, Step};
use crate::pcm::Pcm;
#[cfg(feature = "std")]
use crate::resample::Resampler;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
#[cfg(feature = "std")]
pub use range::decode_range;

/// A decoder of a stream that arrives in pieces of any size.
///
/// [`push`](Self::push) what arrives, [`take`](Self::take) what is ready, [`finish`](Self::finish) and take the rest. The
/// same stream gives the same PCM however it is cut. Memory is bounded by what is pushed at once and a few segments.
#[derive(Debug)]
pub struct Decoder {
    intake: Intake,
    resample: bool,
    running: Option<Running>,
    /// Sample of the whole output that is given out first.
    #[cfg(feature = "std")]
    first: u64,
    ready: Vec<Vec<f32>>,
}

/// What there is from the first segment on.
#[derive(Debug)]
struct Running {
    decoder: codec_core::decode::Decoder,
    #[cfg(feature = "std")]
    resampler: Option<Resampler>,
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
        Decoder::of(Intake::new(decoding, u64::MAX), decoding)
    }

    pub(crate) fn of(intake: Intake, decoding: &Decoding) -> Self {
        Decoder {
            intake,
            resample: decoding.resample && cfg!(feature = "std"),
            running: None,
            #[cfg(feature = "std")]
            first: 0,
            ready: Vec::new(),
        }
    }

    /// The header, once it has been read.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.intake.header()
    }

    /// The rate of the PCM given out, Hz; 0 before the header is known.
    #[must_use]
    pub fn rate(&self) -> u32 {
        let resample = self.resample;
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

    /// Takes the next bytes and decodes what they complete.
    ///
    /// # Errors
    /// [`Error::Stream`], [`Error::Limit`] or [`Error::Model`] where reading on is pointless. What was decoded before can
    /// still be [taken](Self::take). Damage is no error: lost segments are concealed, and [`Decoder::damage`] counts them.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.intake.push(bytes);
        self.advance()
    }

    /// Ends the stream: decodes the rest.
    ///
    /// # Errors
    /// As [`Decoder::push`]; [`Error::Stream`] also for a stream that is cut short.
    pub fn finish(&mut self) -> Result<()> {
        self.intake.finish();
        self.advance()
    }

    /// The PCM that became ready since the last call: perhaps none, as decoding runs about two segments behind.
    #[must_use]
    pub fn take(&mut self) -> Pcm {
        Pcm {
            rate: self.rate(),
            channels: core::mem::take(&mut self.ready),
        }
    }

    fn advance(&mut self) -> Result<()> {
        while let Some(step) = self.intake.step()? {
            let running = match self.running.take() {
                Some(running) => running,
                None => self.start()?,
            };
            self.run(running, step)?;
        }
        Ok(())
    }

    /// The decoder of a stream whose header, and model if it brings one along, have been read.
    fn start(&self) -> Result<Running> {
        let Some(header) = self.header() else {
            return Err(Error::Stream("has no header".into()));
        };
        // What is given out as it is coded has the coded channels.
        if self.resample && header.source.channels != header.coded.channels {
            return Err(Error::Stream(format!(
                "codes {} channels for a source of {}, which this version cannot turn back",
                header.coded.channels, header.source.channels
            )));
        }
        let network = self.intake.network()?;
        let model = network.as_ref().map(|network| &network.model);
        Ok(Running {
            decoder: codec_core::decode::Decoder::with_limit(header, model, u64::MAX)?,
            #[cfg(feature = "std")]
            resampler: if self.resample {
                let channels = usize::from(header.source.channels);
                Some(Resampler::new(
                    header.coded.rate,
                    header.source.rate,
                    channels,
                )?)
            } else {
                None
            },
        })
    }

    fn run(&mut self, mut running: Running, step: Step) -> Result<()> {
        let end = match step {
            Step::Segment(segment) => {
                let made = running.decoder.push(&segment)?.collect();
                self.give(&mut running, made)?;
                None
            }
            Step::Lost { frames } => {
                let made = running.decoder.conceal(frames)?.collect();
                self.give(&mut running, made)?;
                None
            }
            Step::End { total } => Some(total),
        };
        let Some(total) = end else {
            self.running = Some(running);
            return Ok(());
        };
        running.decoder.set_total(total);
        #[cfg(feature = "std")]
        let Running {
            mut decoder,
            resampler,
        } = running;
        #[cfg(not(feature = "std"))]
        let Running { mut decoder } = running;
        let rest = decoder.finish().collect();
        #[cfg(feature = "std")]
        if let Some(mut resampler) = resampler {
            self.append(resampler.push(&slices(&rest))?);
            self.append(resampler.finish(total.saturating_sub(self.first))?);
            return Ok(());
        }
        self.append(rest);
        Ok(())
    }

    /// Makes decoded PCM ready, resampled if it is to be.
    fn give(&mut self, running: &mut Running, made: Vec<Vec<f32>>) -> Result<()> {
        #[cfg(feature = "std")]
        if let Some(resampler) = &mut running.resampler {
            self.append(resampler.push(&slices(&made))?);
            return Ok(());
        }
        let _ = running;
        self.append(made);
        Ok(())
    }

    fn append(&mut self, made: Vec<Vec<f32>>) {
        if self.ready.is_empty() {
            self.ready = made;
            return;
        }
        for (ready, made) in self.ready.iter_mut().zip(made) {
            ready.extend(made);
        }
    }
}

#[cfg(feature = "std")]
fn slices(channels: &[Vec<f32>]) -> Vec<&[f32]> {
    channels.iter().map(Vec::as_slice).collect()
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
    let mut decoder = Decoder::of(Intake::new(decoding, decoding.samples), decoding);
    decoder.push(stream)?;
    decoder.finish()?;
    let mut pcm = decoder.take();
    if let (true, Some(header)) = (pcm.channels.is_empty(), decoder.header()) {
        pcm.channels = vec![Vec::new(); usize::from(header.source.channels)];
    }
    Ok(Decoded {
        pcm,
        damage: decoder.damage().clone(),
    })
}

/// Decodes a whole `.sparc` stream to PCM at the source's rate, with its channels and its exact length. Damage is concealed;
/// [`decode_with`] tells of it.
///
/// # Errors
/// As [`decode_with`].
pub fn decode(stream: &[u8]) -> Result<Pcm> {
    Ok(decode_with(stream, &Decoding::default())?.pcm)
}
