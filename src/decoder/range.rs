//! A part of a stream, without decoding what comes before.

use super::{append, Decoded, Decoder};
use crate::decoding::Decoding;
use crate::error::{Error, Result};
use crate::intake::{Intake, Step};
use crate::pcm::Pcm;
use crate::resample;
use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

/// Decodes samples `range` (per channel, at the source's rate, from 0) of a stream held in memory, without decoding what
/// comes before: as far as the stream has them. What the stream says of the sound is exact from the first sample on; phases
/// that it leaves to the decoder are others than those of a [straight decode](crate::decode), and as good (see
/// [`codec_core::decode::Decoder`]).
///
/// # Errors
/// As [`decode_with`](crate::decode_with); the limit on samples holds for `range`.
pub fn decode_range(stream: &[u8], range: Range<u64>, decoding: &Decoding) -> Result<Decoded> {
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
    let rate = decoder.rate();
    let (coded, source) = decoder.header().map_or((1, 1), |header| {
        let to = if decoding.resample {
            header.source.rate
        } else {
            header.coded.rate
        };
        (u64::from(header.coded.rate), u64::from(to))
    });
    // The length at the output's rate.
    let length = match decoder.header() {
        Some(header) if !decoding.resample => {
            header.coded_samples(total) - u64::from(header.pre_skip)
        }
        _ => total,
    };
    let (from, to) = (range.start.min(length), range.end.min(length));
    let channels = decoder
        .header()
        .map_or(0, |header| usize::from(header.source.channels));
    let wanted = to.saturating_sub(from);
    if wanted.saturating_mul(channels as u64) > decoding.samples {
        let limit = decoding.samples;
        return Err(Error::Limit(format!(
            "{wanted} samples exceed the limit of {limit}"
        )));
    }
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
    let first = running.seek(start * coded_step);
    let mut intake = Intake::new(decoding, u64::MAX);
    intake.skip_to(first);
    intake.push(stream);
    intake.finish();
    decoder.intake = intake;
    decoder.running = Some(running);
    let enough = to.saturating_sub(decoder.first);
    let mut all = Vec::new();
    while wanted > 0 && (all.first().map_or(0, Vec::len) as u64) < enough {
        match decoder.pull()? {
            Some(pcm) => append(&mut all, pcm),
            None => break,
        }
    }
    let mut pcm = Pcm {
        rate,
        channels: all,
    };
    pcm.channels.resize(channels, Vec::new());
    for channel in &mut pcm.channels {
        channel.truncate(enough as usize);
        channel.drain(..(from.saturating_sub(decoder.first) as usize).min(channel.len()));
    }
    Ok(Decoded {
        pcm,
        damage: decoder.damage().clone(),
    })
}
