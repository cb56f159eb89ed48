//! PCM in pieces in, segments out.

use super::analysis::{check_channels, check_finite, origin_below, Analyser};
use super::clip::{check_sparsity, Target};
use super::encoding::ClipCoder;
use super::profile::STREAM_PEAK;
use super::rate::{margin_for, PieceRate, SegmentRate};
use super::segment::{indices, segment, Coded};
use super::settings::Settings;
use crate::error::{Error, Result};
use alloc::vec::Vec;
use codec_format::header::{Header, ModelId, Signal};
use codec_format::limits::Limits;
use codec_format::segment::SegmentCoder;

/// A streaming encoder: PCM in pieces of any size in, segments with their bytes out as they fill up.
///
/// The same PCM gives the same segments however it is cut. Memory holds one segment of samples, or one piece
/// ([`Encoder::in_pieces`]).
///
/// # Delay
/// A segment comes out with the push that brings the last sample its last frame sees: with frames `hop` apart and windows
/// of `n_fft`, `segment_frames * hop + max(0, n_fft / 2 - hop)` samples after its first one. In pieces, that is true of
/// the last segment of a piece, with which all of the others come out.
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
    control: Control,
    /// Segments made at once.
    piece: u32,
}

/// What decides how much is kept.
#[derive(Debug)]
enum Control {
    /// The policy as it is set.
    Settings,
    /// A share of the pixels dropped, in every piece.
    Sparsity(f32),
    /// A rate that every segment keeps to.
    Segments(SegmentRate),
    /// A rate of all pieces so far.
    Pieces(PieceRate),
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
            control: Control::Settings,
            piece: 1,
        })
    }

    /// An encoder at a constant rate over all channels: the ridge margin of each segment is the finest with which its
    /// whole chunk stays within the segment's share of `bits_per_second`, as with
    /// [`Target::Constant`].
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
        let rate = SegmentRate::new(&encoder.coder, policy, bits_per_second)?;
        Ok(Encoder {
            control: Control::Segments(rate),
            ..encoder
        })
    }

    /// An encoder that brings pieces of so many segments to a target, one after the other, each as a clip is brought to
    /// it but for the settings, which stay. All pieces so far keep to a [`Target::Bitrate`] together, trailer included; what one leaves
    /// over is for those that follow.
    ///
    /// # Errors
    /// As [`Encoder::with_rate`]; [`Error::Settings`] for a sparsity, too, without the ridge policy.
    pub fn in_pieces(
        source: Signal,
        settings: Settings,
        model: Option<ModelId>,
        target: Target,
        segments: u32,
    ) -> Result<Self> {
        let encoder = match target {
            Target::Constant(bits) => return Encoder::with_rate(source, settings, model, bits),
            _ => Encoder::new(source, settings, model)?,
        };
        let policy = &encoder.settings.policy;
        let control = match target {
            Target::Settings | Target::Constant(_) => return Ok(encoder),
            Target::Bitrate(bits) => {
                Control::Pieces(PieceRate::new(encoder.header(), policy, bits)?)
            }
            Target::Sparsity(sparsity) => {
                check_sparsity(policy, sparsity)?;
                Control::Sparsity(sparsity)
            }
        };
        Ok(Encoder {
            control,
            piece: segments.max(1),
            ..encoder
        })
    }

    /// Segments so far whose background had to be held or silenced to keep to the rate.
    #[must_use]
    pub fn starved(&self) -> u32 {
        match &self.control {
            Control::Segments(rate) => rate.starved,
            Control::Pieces(rate) => rate.starved,
            Control::Settings | Control::Sparsity(_) => 0,
        }
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
        loop {
            // The last frame must be wholly known, and there must be a frame after it: so that the last segment is never
            // mistaken for a full one that is followed by an empty one.
            let end = u64::from(self.next.saturating_add(self.piece)) * step;
            if end * hop > self.taken || (end - 1) * hop + half > self.taken {
                return Ok(out);
            }
            out.extend(self.run(end, false)?);
        }
    }

    /// Ends the stream: the remaining segments, after which nothing is taken any more. The trailer wants the number of
    /// *source* samples, which only the caller knows.
    ///
    /// # Errors
    /// [`Error::Format`] for symbols beyond a limit of the format.
    pub fn finish(&mut self) -> Result<Vec<Coded>> {
        let total = self.settings.stft.frames_for(self.taken);
        let first = u64::from(self.next) * u64::from(self.settings.segment_frames);
        if first < total {
            self.run(total, true)
        } else {
            Ok(Vec::new())
        }
    }

    /// Samples that a frame reaches to either side of its centre.
    fn half_window(&self) -> u64 {
        u64::from(self.settings.stft.n_fft) / 2
    }

    /// The segments from the next one on whose frames end before `end`.
    fn run(&mut self, end: u64, last: bool) -> Result<Vec<Coded>> {
        let first = u64::from(self.next) * u64::from(self.settings.segment_frames);
        let frames = (end - first) as usize;
        let analysis = self
            .analyser
            .run(&self.pending, self.start as i64, first as usize, frames);
        let (coder, policy) = (&self.coder, &self.settings.policy);
        let hop = u64::from(self.settings.stft.hop);
        let each = |policy: &_| -> Result<Vec<Coded>> {
            let make = |index| Coded::new(coder, segment(&analysis, index, coder.header(), policy));
            indices(&analysis, coder.header()).map(make).collect()
        };
        let coded = match &mut self.control {
            Control::Settings => each(policy)?,
            Control::Sparsity(sparsity) => {
                let clip = ClipCoder::piece(&analysis, coder.header())?;
                each(&margin_for(&clip, policy, *sparsity))?
            }
            Control::Segments(rate) => {
                let fit = |index| {
                    rate.fit(coder, index, self.taken, |margin| {
                        segment(
                            &analysis,
                            index,
                            coder.header(),
                            &policy.with_margin(margin),
                        )
                    })
                };
                indices(&analysis, coder.header())
                    .map(fit)
                    .collect::<Result<_>>()?
            }
            Control::Pieces(rate) => {
                let clip = ClipCoder::piece(&analysis, coder.header())?;
                rate.fit(&clip, (end * hop).min(self.taken), last)?
            }
        };
        self.next += coded.len() as u32;
        let needed = (end * hop).saturating_sub(self.half_window());
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
