//! PCM in pieces in, segments out.

use super::analysis::{check_channels, check_finite, origin_below, Analyser};
use super::profile::STREAM_PEAK;
use super::rate::SegmentRate;
use super::segment::{segment, Coded};
use super::settings::Settings;
use crate::error::{Error, Result};
use alloc::vec::Vec;
use codec_format::header::{Header, ModelId, Signal};
use codec_format::limits::Limits;
use codec_format::segment::SegmentCoder;

/// A streaming encoder: PCM in pieces of any size in, segments with their bytes out as they fill up.
///
/// The same PCM gives the same segments however it is cut. Memory holds one segment of samples.
#[derive(Debug)]
pub struct Encoder {
    settings: Settings,
    coder: SegmentCoder,
    analyser: Analyser,
    /// Samples from position `start` on, per channel.
    pending: Vec<Vec<f32>>,
    start: u64,
    taken: u64,
    next: u32,
    /// The control of a constant rate, if there is one.
    rate: Option<SegmentRate>,
}

impl Encoder {
    /// An encoder for PCM at `settings.rate` with the channels of `source`.
    ///
    /// Without an origin in the settings the loudest pixel is taken to reach [`STREAM_PEAK`] dB, since the
    /// signal is not known yet; louder ones code just as well, the image only reaches less far down.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings out of range or a source without channels.
    pub fn new(source: Signal, settings: Settings, model: Option<ModelId>) -> Result<Self> {
        settings.validate()?;
        check_channels(source.channels.into(), source)?;
        let origin = settings.origin.unwrap_or_else(|| origin_below(STREAM_PEAK));
        let header = settings.header(source, None, origin, model);
        Ok(Encoder {
            coder: SegmentCoder::new(&header, &Limits::default())?,
            analyser: Analyser::new(source, &settings)?,
            settings,
            pending: (0..source.channels).map(|_| Vec::new()).collect(),
            start: 0,
            taken: 0,
            next: 0,
            rate: None,
        })
    }

    /// An encoder at a constant rate over all channels: the ridge margin of each segment is the finest with which its
    /// whole chunk stays within the segment's share of `bits_per_second`, as with
    /// [`Target::Constant`](super::Target::Constant).
    ///
    /// # Errors
    /// As [`Encoder::new`]; [`Error::Settings`] without the ridge policy, with every phase stored, or for a rate that is
    /// too low for a segment of silence.
    pub fn with_rate(
        source: Signal,
        settings: Settings,
        model: Option<ModelId>,
        bits_per_second: u32,
    ) -> Result<Self> {
        let encoder = Encoder::new(source, settings, model)?;
        let policy = &encoder.settings.policy;
        let rate = Some(SegmentRate::new(&encoder.coder, policy, bits_per_second)?);
        Ok(Encoder { rate, ..encoder })
    }

    /// Segments so far whose background had to be held or silenced to keep to the constant rate.
    #[must_use]
    pub fn starved(&self) -> u32 {
        self.rate.as_ref().map_or(0, |rate| rate.starved)
    }

    /// The header to write before the first segment; it leaves the sample count to the trailer.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.coder.header()
    }

    /// Takes PCM, one slice per channel, all equally long, and returns the segments it completes.
    ///
    /// # Errors
    /// [`Error::Settings`] if the slices differ in number or length, [`Error::NotFinite`] if a sample is
    /// not a number; nothing is taken then.
    pub fn push(&mut self, channels: &[&[f32]]) -> Result<Vec<Coded>> {
        let len = channels.first().map_or(0, |c| c.len());
        if channels.len() != self.pending.len() || channels.iter().any(|c| c.len() != len) {
            return Err(Error::Settings {
                what: "pieces need one equally long slice per channel",
            });
        }
        for (channel, pcm) in channels.iter().enumerate() {
            check_finite(pcm, channel, self.taken)?;
        }
        for (pending, pcm) in self.pending.iter_mut().zip(channels) {
            pending.extend_from_slice(pcm);
        }
        self.taken += len as u64;
        let mut out = Vec::new();
        let step = u64::from(self.settings.segment_frames);
        let (hop, half) = (u64::from(self.settings.stft.hop), self.half_window());
        // The segment's last frame must be wholly known, and there must be a frame after it: so that the
        // last segment is never mistaken for a full one that is followed by an empty one.
        while (u64::from(self.next) * step + step) * hop <= self.taken
            && (u64::from(self.next) * step + step - 1) * hop + half <= self.taken
        {
            out.push(self.segment(step as usize)?);
        }
        Ok(out)
    }

    /// Ends the stream: the remaining segments. The trailer wants the number of *source* samples, which
    /// only the caller knows.
    ///
    /// # Errors
    /// [`Error::Format`] for symbols beyond a limit of the format.
    pub fn finish(mut self) -> Result<Vec<Coded>> {
        let total = self.settings.stft.frames_for(self.taken);
        let step = u64::from(self.settings.segment_frames);
        let mut out = Vec::new();
        while u64::from(self.next) * step < total {
            let frames = (total - u64::from(self.next) * step).min(step);
            out.push(self.segment(frames as usize)?);
        }
        Ok(out)
    }

    /// Samples that a frame reaches to either side of its centre.
    fn half_window(&self) -> u64 {
        u64::from(self.settings.stft.n_fft) / 2
    }

    fn segment(&mut self, frames: usize) -> Result<Coded> {
        let index = self.next;
        let first = index as usize * usize::from(self.settings.segment_frames);
        let start = self.start as i64;
        let analysis = self.analyser.run(&self.pending, start, first, frames);
        let (coder, policy) = (&self.coder, &self.settings.policy);
        let make = |policy: &_| segment(&analysis, index, coder.header(), policy);
        let coded = match &mut self.rate {
            None => Coded::new(coder, make(policy))?,
            Some(rate) => rate.fit(coder, index, self.taken, |margin| {
                make(&policy.with_margin(margin))
            })?,
        };
        self.next += 1;
        let needed = ((first + frames) as u64 * u64::from(self.settings.stft.hop))
            .saturating_sub(self.half_window());
        let drop = needed
            .saturating_sub(self.start)
            .min(self.pending.first().map_or(0, Vec::len) as u64);
        for pending in &mut self.pending {
            pending.drain(..drop as usize);
        }
        self.start += drop;
        Ok(coded)
    }
}
