//! A part of a stream, without decoding what comes before.

use super::{append, no_header, Decoded, Decoder};
use crate::decoding::Decoding;
use crate::error::{Error, Result};
use crate::intake::{Intake, Step};
use crate::pcm::Pcm;
use crate::resample;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

impl Decoder {
    /// A decoder of a stream held in memory, all of which it has, that begins with sample `sample` (per channel, of the output,
    /// from 0): [`pull`](Decoder::pull) gives that one first, and what comes before is not decoded. What the stream says of the
    /// sound is exact from there on; phases that it leaves to the decoder are others than those of a
    /// [straight decode](crate::decode), and as good (see [`codec_core::decode::Decoder`]). There is no PCM from the stream's
    /// end on.
    ///
    /// # Errors
    /// As [`decode_with`](crate::decode_with), but that any length is taken.
    pub fn starting_at(stream: &[u8], sample: u64, decoding: &Decoding) -> Result<Self> {
        Ok(Decoder::sought(stream, sample, decoding)?.0)
    }

    /// The same, silence of its rate and channels, and the samples per channel that the whole stream gives.
    fn sought(stream: &[u8], sample: u64, decoding: &Decoding) -> Result<(Self, Pcm, u64)> {
        // First all but the segments: the header, its network, the length.
        let mut intake = Intake::new(decoding, u64::MAX);
        intake.skip_to(u32::MAX);
        intake.push(stream);
        intake.finish();
        let total = match intake.step()? {
            Some(Step::End { total }) => total,
            _ => return Err(Error::Stream("ends before it tells its length".into())),
        };
        let mut decoder = Decoder::of(intake);
        let mut running = decoder.start()?;
        let header = decoder.header().ok_or_else(no_header)?;
        let coded = u64::from(header.coded.rate);
        let (source, length) = if decoding.resample {
            (u64::from(header.source.rate), total)
        } else {
            let length = header.coded_samples(total) - u64::from(header.pre_skip);
            (coded, length)
        };
        let silence = Pcm {
            rate: decoder.rate(),
            channels: vec![Vec::new(); usize::from(header.source.channels)],
        };
        let from = sample.min(length);
        // Rates meet every `coded / both` samples; the resampler wants some before those that are given out.
        let both = resample::common(coded, source);
        let (coded_step, step) = (coded / both, source / both);
        let margin = if coded == source {
            0
        } else {
            resample::reach(coded as u32, source as u32)
        };
        let start = (from / step * coded_step).saturating_sub(margin) / coded_step;
        decoder.first = start * step;
        decoder.dropped = from - decoder.first;
        let first = running.seek(start * coded_step);
        let mut intake = Intake::new(decoding, u64::MAX);
        intake.skip_to(first);
        intake.push(stream);
        intake.finish();
        decoder.intake = intake;
        decoder.running = Some(running);
        Ok((decoder, silence, length))
    }
}

/// Decodes samples `range` (per channel, at the output's rate, from 0) of a stream held in memory, without decoding what
/// comes before: as far as the stream has them. They are those of [`Decoder::starting_at`].
///
/// # Errors
/// As [`decode_with`](crate::decode_with); the limit on samples holds for `range`.
pub fn decode_range(stream: &[u8], range: Range<u64>, decoding: &Decoding) -> Result<Decoded> {
    let (mut decoder, mut pcm, length) = Decoder::sought(stream, range.start, decoding)?;
    let wanted = range.end.min(length).saturating_sub(range.start);
    if wanted.saturating_mul(pcm.channels.len() as u64) > decoding.samples {
        let limit = decoding.samples;
        return Err(Error::Limit(format!(
            "{wanted} samples exceed the limit of {limit}"
        )));
    }
    while (pcm.len() as u64) < wanted {
        match decoder.pull()? {
            Some(piece) => append(&mut pcm.channels, piece),
            None => break,
        }
    }
    for channel in &mut pcm.channels {
        channel.truncate(wanted as usize);
    }
    Ok(Decoded {
        pcm,
        damage: decoder.damage().clone(),
    })
}
