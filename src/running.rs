//! A decoder at work: from segments to PCM at the rate it is wanted at, a little at a time.

use crate::decoding::Decoding;
use crate::error::{Error, Result};
use crate::intake::Step;
use crate::models::Network;
#[cfg(feature = "std")]
use crate::resample::Resampler;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_core::decode::{self, completion};
use codec_format::header::Header;
use codec_format::memory::Heap;
use codec_format::symbols::Segment;
use core::ops::Range;

/// Samples per channel, at the coded rate, after which PCM is given out.
const PIECE: usize = 4096;

/// What there is from the first segment on.
#[derive(Debug)]
pub(crate) struct Running {
    decoder: decode::Decoder,
    channels: usize,
    #[cfg(feature = "std")]
    resampler: Option<Resampler>,
    now: Option<Now>,
    budget: Budget,
}

/// A segment, or the end, whose sound has not been given out in full.
#[derive(Debug)]
struct Now {
    segment: Option<Segment>,
    /// The frames that have not gone in.
    frames: Range<usize>,
    /// At the end, samples per channel of the source.
    total: Option<u64>,
}

/// What the bytes so far pay for (Spec §10).
#[derive(Debug)]
struct Budget {
    header: Header,
    /// Samples a second that are given out.
    rate: u32,
    work_per_frame: u64,
    frames: u64,
}

impl Budget {
    /// Pays for the next frames of a stream of which so many bytes have come.
    fn pay(&mut self, frames: usize, received: u64, decoding: &Decoding) -> Result<()> {
        self.frames = self.frames.saturating_add(frames as u64);
        let Header { coded, stft, .. } = &self.header;
        let samples = u128::from(self.frames) * u128::from(stft.hop) * u128::from(self.rate);
        let samples = samples / u128::from(coded.rate) * u128::from(coded.channels);
        let samples = u64::try_from(samples).unwrap_or(u64::MAX);
        let work = self.frames.saturating_mul(self.work_per_frame);
        let limits = &decoding.limits;
        limits
            .output
            .check("samples for so few bytes", samples, received)?;
        limits.work.check("work for so few bytes", work, received)?;
        Ok(())
    }
}

/// What a decoder of such a stream takes, in bytes; checks the work of a second of sound.
pub(crate) fn required(
    header: &Header,
    network: Option<&Arc<Network>>,
    decoding: &Decoding,
) -> Result<(u64, u64, Arc<codec_core::network::Network>)> {
    let model = network.map(|network| &network.model);
    let macs = model
        .and_then(|model| model.completion.macs_per_pixel().ok())
        .unwrap_or(0);
    let network = completion::network(header, model)?;
    let work_per_frame = header.work_per_frame(macs, network.upsampling());
    let per_second = u128::from(work_per_frame) * u128::from(header.coded.rate);
    let per_second = per_second / u128::from(header.stft.hop.max(1));
    let allowed = decoding.limits.work_per_second;
    if per_second > u128::from(allowed) {
        return Err(Error::Limit(format!(
            "takes {per_second} multiply-adds for a second of sound, where {allowed} are allowed"
        )));
    }
    let memory = decode::memory_required(header, &network)?;
    #[cfg(feature = "std")]
    let memory = if decoding.resample {
        let (from, to) = (header.coded.rate, header.source.rate);
        memory.saturating_add(Resampler::memory_required(
            from,
            to,
            header.coded.channels.into(),
        ))
    } else {
        memory
    };
    Ok((memory, work_per_frame, network))
}

impl Running {
    pub(crate) fn new(
        header: &Header,
        network: Option<&Arc<Network>>,
        decoding: &Decoding,
    ) -> Result<Self> {
        // What is given out as it is coded has the coded channels.
        if decoding.resample && header.source.channels != header.coded.channels {
            return Err(Error::Stream(format!(
                "codes {} channels for a source of {}, which this version cannot turn back",
                header.coded.channels, header.source.channels
            )));
        }
        let (needed, work_per_frame, network) = required(header, network, decoding)?;
        let allowed = decoding.memory;
        if needed > allowed {
            return Err(Error::Limit(format!(
                "takes {needed} bytes of memory to decode, where {allowed} are allowed"
            )));
        }
        let channels = usize::from(header.coded.channels);
        Ok(Running {
            decoder: decode::Decoder::new(header, &network, &mut Heap::new(allowed))?,
            channels,
            #[cfg(feature = "std")]
            resampler: if decoding.resample {
                let (from, to) = (header.coded.rate, header.source.rate);
                Some(Resampler::new(from, to, channels)?)
            } else {
                None
            },
            now: None,
            budget: Budget {
                rate: if decoding.resample {
                    header.source.rate
                } else {
                    header.coded.rate
                },
                header: header.clone(),
                work_per_frame,
                frames: 0,
            },
        })
    }

    /// Moves as [`decode::Decoder::seek`] does.
    #[cfg(feature = "std")]
    pub(crate) fn seek(&mut self, sample: u64) -> u32 {
        self.decoder.seek(sample)
    }

    /// Whether the last step has been turned into sound.
    pub(crate) fn is_idle(&self) -> bool {
        self.now.is_none()
    }

    /// Takes the next step, of a stream of which so many bytes have come.
    pub(crate) fn take(&mut self, step: Step, received: u64, decoding: &Decoding) -> Result<()> {
        let (segment, frames, total) = match step {
            Step::Segment(segment) => {
                self.budget.pay(segment.frames(), received, decoding)?;
                let frames = self.decoder.push(&segment)?.pause();
                (Some(segment), frames, None)
            }
            Step::Lost { frames } => {
                self.budget.pay(frames, received, decoding)?;
                (None, self.decoder.conceal(frames)?.pause(), None)
            }
            Step::End { total } => {
                self.decoder.set_total(total);
                (None, self.decoder.finish().pause(), Some(total))
            }
        };
        self.now = Some(Now {
            segment,
            frames,
            total,
        });
        Ok(())
    }

    /// Some more sound of the last step: perhaps none. Of a stream that is given out from sample `first` on.
    pub(crate) fn sound(&mut self, first: u64) -> Result<Vec<Vec<f32>>> {
        let Some(now) = &mut self.now else {
            return Ok(Vec::new());
        };
        let mut made = vec![Vec::new(); self.channels];
        let frames = core::mem::take(&mut now.frames);
        let mut sound = self.decoder.resume(now.segment.as_ref(), frames);
        let mut ended = false;
        while made.first().is_some_and(|channel| channel.len() < PIECE) {
            let Some(pcm) = sound.advance() else {
                ended = true;
                break;
            };
            for (made, pcm) in made.iter_mut().zip(pcm.channels()) {
                made.extend_from_slice(pcm);
            }
        }
        now.frames = sound.pause();
        let total = now.total.filter(|_| ended);
        if ended {
            self.now = None;
        }
        #[cfg(feature = "std")]
        if let Some(resampler) = &mut self.resampler {
            let slices: Vec<&[f32]> = made.iter().map(Vec::as_slice).collect();
            let mut out = resampler.push(&slices)?;
            if let (Some(total), Some(resampler)) =
                (total, self.resampler.take_if(|_| total.is_some()))
            {
                let rest = resampler.finish(total.saturating_sub(first))?;
                for (out, rest) in out.iter_mut().zip(rest) {
                    out.extend(rest);
                }
            }
            return Ok(out);
        }
        let _ = (total, first);
        Ok(made)
    }
}
