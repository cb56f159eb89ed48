//! A decoder for a stream that arrives segment by segment.

use super::channel::Channel;
use super::completion;
use super::synthesis::STEPS;
use crate::error::{Error, Result};
use crate::network::Network;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::limits::MAX_CHANNELS;
use codec_format::memory::{Count, Heap, Memory};
use codec_format::model::Model;
use codec_format::symbols::{Row, RowBuffer, Segment, SegmentView};
use codec_format::Limits;
use core::ops::Range;

/// A streaming decoder: segments in, PCM out, a frame at a time.
///
/// Everything it holds is taken when it is made ([`memory_required`]), nothing after.
///
/// # Beginning in the midst
///
/// [`Decoder::seek`] moves to any sample. What a straight decode knows of the earlier stream and this decoder does not
/// is bounded everywhere but in the phases, each of which follows from those before it. So:
///
/// - the samples lie where they do in a straight decode, and the image they are made of is the same to the bit;
/// - so is the PCM near the beginning of a stream, where the decoder begins with segment 0, and where every phase is
///   stored and no finer frames are made, so that nothing is rebuilt;
/// - with a waveform layer, from whose band the other phases are rebuilt, it is all but the same: 40 dB and more above
///   the difference for a voice-like tone;
/// - otherwise phases that are rebuilt are others: as consistent with one another, but not those of a straight decode.
///   The sound is as good (magnitudes of its spectrum within some 35 dB for the same tone), but waveforms must not be
///   compared, nor two decodings joined without a crossfade.
///
/// `CHANNELS` is the most that it has room for. A decoder of fewer than any stream may have is a smaller struct, with less
/// stack needed to make it.
#[derive(Debug)]
pub struct Decoder<M: Memory = Heap, const CHANNELS: usize = { MAX_CHANNELS as usize }> {
    header: Header,
    network: Arc<Network>,
    channels: [Option<Channel<M>>; CHANNELS],
    /// Where rows are laid out.
    rows: RowBuffer<M>,
    /// The samples given out last: channels x hop.
    pcm: M::Of<f32>,
    /// The segment that comes next.
    next: u32,
    /// Whether a segment was shorter than the others, which only the last may be.
    ended: bool,
    wanted: Wanted,
}

/// Bytes that a decoder of a stream with this header and this network takes when it is made. The network itself is not
/// among them.
///
/// # Errors
/// As [`Decoder::new`].
pub fn memory_required(header: &Header, network: &Arc<Network>) -> Result<u64> {
    let mut count = Count::default();
    let hop = checked_hop(header, network)?;
    for _ in 0..header.coded.channels {
        Channel::new(header, network, hop, &mut count)?;
    }
    shared(header, &mut count)?;
    Ok(count.bytes())
}

/// Samples from one fine frame to the next in a stream that can be decoded.
fn checked_hop(header: &Header, network: &Arc<Network>) -> Result<usize> {
    header.validate(&Limits::default())?;
    completion::synthesis_hop(header, network)
}

/// What all channels share: where rows are laid out, and the samples given out last.
fn shared<M: Memory>(header: &Header, memory: &mut M) -> Result<(RowBuffer<M>, M::Of<f32>)> {
    let rows = RowBuffer::new(header, memory)?;
    let samples = usize::from(header.coded.channels) * usize::from(header.stft.hop);
    Ok((rows, memory.take(samples)?))
}

impl Decoder {
    /// A decoder on the heap, of at most `limit` bytes, for a stream with this header.
    ///
    /// `model` must be the one the header names; `None` fills the image by interpolation, which is what
    /// streams that name none ask for.
    ///
    /// # Errors
    /// As [`Decoder::new`]; [`Error::Model`] also if the model does not fit the header.
    pub fn with_limit(header: &Header, model: Option<&Model>, limit: u64) -> Result<Self> {
        let network = completion::network(header, model)?;
        let requested = memory_required(header, &network)?;
        if requested > limit {
            return Err(Error::Format(codec_format::Error::LimitExceeded {
                what: "bytes of memory of a decoder",
                requested,
                max: limit,
                at: None,
            }));
        }
        Decoder::new(header, &network, &mut Heap::new(limit))
    }
}

impl<M: Memory, const CHANNELS: usize> Decoder<M, CHANNELS> {
    /// A decoder for a stream with this header, completed by this [`network`](completion::network).
    ///
    /// # Errors
    /// [`Error::Model`] if the network does not fit the header, [`Error::Settings`] if the header's transform is not
    /// supported, its frames too dense (Spec §9) or its channels more than `CHANNELS`, [`Error::Format`] if there is not
    /// memory enough.
    pub fn new(header: &Header, network: &Arc<Network>, memory: &mut M) -> Result<Self> {
        let hop = checked_hop(header, network)?;
        let mut channels = [const { None }; CHANNELS];
        let count = usize::from(header.coded.channels);
        let room = channels.get_mut(..count).ok_or(Error::Settings {
            what: "a stream has more channels than the decoder has room for",
        })?;
        for channel in room {
            *channel = Some(Channel::new(header, network, hop, memory)?);
        }
        let (rows, pcm) = shared(header, memory)?;
        let mut decoder = Decoder {
            header: header.clone(),
            network: Arc::clone(network),
            channels,
            rows,
            pcm,
            next: 0,
            ended: false,
            wanted: Wanted {
                from: u64::from(header.pre_skip),
                end: header.total_samples.map(|n| header.coded_samples(n)),
            },
        };
        decoder.begin(0);
        Ok(decoder)
    }

    /// Begins with coded frame `start`.
    fn begin(&mut self, start: usize) {
        for channel in self.channels.iter_mut().flatten() {
            channel.reset(&self.header, start);
        }
        self.ended = false;
    }

    /// Takes the next segment. Its sound is in what is returned.
    ///
    /// # Errors
    /// [`Error::Settings`] if the segment is out of order or its channels or frames are not as many as the header says,
    /// [`Error::Format`] if its symbols are not what the header says.
    pub fn push<'a>(&'a mut self, segment: &'a Segment) -> Result<Sound<'a, M, CHANNELS>> {
        let frames = segment.frames();
        let alike = segment.channels.iter().all(|image| image.frames == frames);
        let channels = if alike { segment.channels.len() } else { 0 };
        self.check_place(segment.index, channels, frames)?;
        for image in &segment.channels {
            image.check(&self.header)?;
        }
        Ok(self.sound(frames, Source::Images(segment)))
    }

    /// Takes the next segment as it was decoded, of a stream with this decoder's header. Its sound is in what is
    /// returned.
    ///
    /// # Errors
    /// [`Error::Settings`] if the segment is out of order or its channels or frames are not as many as the header says.
    pub fn push_view<'a>(&'a mut self, segment: SegmentView<'a>) -> Result<Sound<'a, M, CHANNELS>> {
        self.check_place(segment.index(), segment.channels(), segment.frames())?;
        Ok(self.sound(segment.frames(), Source::Rows(segment)))
    }

    /// Stands in for a lost segment of `frames` frames: nothing is kept, no phase is stored, the background falls
    /// silent.
    ///
    /// # Errors
    /// [`Error::Settings`] for no frames or more than the header says, or where the last segment has been.
    pub fn conceal(&mut self, frames: usize) -> Result<Sound<'_, M, CHANNELS>> {
        let channels = usize::from(self.header.coded.channels);
        self.check_place(self.next, channels, frames)?;
        Ok(self.sound(frames, Source::Nothing))
    }

    /// Ends the stream. The rest of the sound is in what is returned; only [`seek`](Self::seek) leads further.
    pub fn finish(&mut self) -> Sound<'_, M, CHANNELS> {
        self.ended = true;
        self.channels.iter_mut().flatten().for_each(Channel::end);
        Sound {
            decoder: self,
            source: Source::Nothing,
            frames: 0..0,
        }
    }

    /// The sound of the segment that was pushed last, from where it was [paused](Sound::pause): the segment itself again, or
    /// nothing for one that is lost, and at the end.
    pub fn resume<'a>(
        &'a mut self,
        segment: Option<&'a Segment>,
        frames: Range<usize>,
    ) -> Sound<'a, M, CHANNELS> {
        let source = segment.map_or(Source::Nothing, Source::Images);
        Sound {
            decoder: self,
            source,
            frames,
        }
    }

    fn check_place(&self, index: u32, channels: usize, frames: usize) -> Result<()> {
        let what = if index != self.next {
            "segments must come in order, lost ones concealed"
        } else if channels != usize::from(self.header.coded.channels) {
            "segment and header differ in channels, or channels in frames"
        } else if self.ended {
            "nothing comes after a segment that is shorter than the header says"
        } else if frames == 0 || frames > usize::from(self.header.segment_frames) {
            "a segment has from one frame to as many as the header says"
        } else {
            return Ok(());
        };
        Err(Error::Settings { what })
    }

    /// The sound of a segment whose place has been checked.
    fn sound<'a>(&'a mut self, frames: usize, source: Source<'a>) -> Sound<'a, M, CHANNELS> {
        self.next = self.next.saturating_add(1);
        self.ended = frames < usize::from(self.header.segment_frames);
        Sound {
            decoder: self,
            source,
            frames: 0..frames,
        }
    }

    /// Sets the number of source samples, once a stream's trailer has told it.
    pub fn set_total(&mut self, total_samples: u64) {
        let end = self.header.coded_samples(total_samples);
        self.wanted.end.get_or_insert(end);
    }

    /// Samples (per channel, at the coded rate) that the sound lags behind the symbols: of `t` frames whose rows have
    /// gone in, counted from the beginning of the stream, the sound before sample `t * hop - delay` is there.
    #[must_use]
    pub fn delay(&self) -> usize {
        let channel = self.channels.iter().flatten().next();
        channel.map_or(0, |channel| channel.delay(&self.header))
    }

    /// Moves to sample `sample` of the output: the PCM given from now on begins with the one that is the `sample`th, from
    /// 0, of a straight decode (per channel, at the coded rate, the pre-skip left out). Returns the segment to push
    /// next, which lies as far before that sample as its image reaches back; the segments before it need not be
    /// read. A decoder may move back or forth as often as wanted, at any time.
    pub fn seek(&mut self, sample: u64) -> u32 {
        let position = sample.saturating_add(u64::from(self.header.pre_skip));
        // No stream is longer: what lies beyond must not overflow.
        let position = position.min(Limits::default().total_samples * 2);
        let length = usize::from(self.header.segment_frames);
        let hop = u64::from(self.header.stft.hop);
        // The first frame that reaches the sample, and as many before it as it depends on.
        let reached = position.saturating_sub(u64::from(self.header.stft.n_fft) / 2) / hop;
        let frame = reached.saturating_sub(self.depth() as u64);
        self.next = u32::try_from(frame / length as u64).unwrap_or(u32::MAX);
        // The network's coarser grids must lie as in a straight decode.
        let apart = |segment: u32| segment as usize % self.network.stride() * length;
        while apart(self.next) % self.network.stride() != 0 {
            self.next -= 1;
        }
        self.wanted.from = position;
        self.begin((self.next as usize).saturating_mul(length));
        self.next
    }

    /// Coded frames after which nothing but phases depends on where a decoder began.
    fn depth(&self) -> usize {
        let overlap = usize::from(self.header.stft.n_fft.div_ceil(self.header.stft.hop));
        let lattice = self.header.lattice.map_or(0, |l| usize::from(l.every));
        // The lattice is interpolated from the segment before, and the waveform layer lacks a block; then what the
        // network makes of these; then the frames that phases are refined with, step by step.
        lattice.max(overlap + 1) + self.network.context() + (1 + STEPS) * overlap
    }
}

/// Where the symbols come from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Images(&'a Segment),
    Rows(SegmentView<'a>),
    Nothing,
}

/// The sound that a segment, or the end of the stream, brings forth. What is not asked for is decoded all the same, and
/// lost.
#[derive(Debug)]
pub struct Sound<'a, M: Memory, const CHANNELS: usize = { MAX_CHANNELS as usize }> {
    decoder: &'a mut Decoder<M, CHANNELS>,
    source: Source<'a>,
    /// The frames of the segment that have not gone in.
    frames: Range<usize>,
}

impl<M: Memory, const CHANNELS: usize> Sound<'_, M, CHANNELS> {
    /// The next samples, at most one coded hop a channel and never none; nothing once more symbols are needed.
    pub fn advance(&mut self) -> Option<Pcm<'_>> {
        loop {
            let decoder = &mut *self.decoder;
            let hop = usize::from(decoder.header.stft.hop);
            let mut part = None;
            let outs = decoder.pcm.chunks_exact_mut(hop);
            for (channel, out) in decoder.channels.iter_mut().flatten().zip(outs) {
                part = channel.next(out);
            }
            if let Some((position, len)) = part {
                let range = self.decoder.wanted.of(position, len);
                if !range.is_empty() {
                    return Some(Pcm {
                        samples: &self.decoder.pcm,
                        hop,
                        range,
                    });
                }
            } else {
                let frame = self.frames.next()?;
                self.feed(frame);
            }
        }
    }

    /// Leaves off here; [`Decoder::resume`] goes on with what this returns. Nothing else may come between.
    #[must_use]
    pub fn pause(mut self) -> Range<usize> {
        let frames = core::mem::take(&mut self.frames);
        core::mem::forget(self);
        frames
    }

    /// The rest, joined to vectors by channel.
    #[must_use]
    pub fn collect(mut self) -> Vec<Vec<f32>> {
        let channels = self.decoder.channels.iter().flatten().count();
        let mut all = vec![Vec::new(); channels];
        while let Some(pcm) = self.advance() {
            for (all, pcm) in all.iter_mut().zip(pcm.channels()) {
                all.extend_from_slice(pcm);
            }
        }
        all
    }

    /// Gives a frame of the segment to every channel.
    fn feed(&mut self, frame: usize) {
        let Decoder { channels, rows, .. } = &mut *self.decoder;
        for (at, channel) in channels.iter_mut().flatten().enumerate() {
            let row: Row<'_> = match self.source {
                Source::Images(segment) => rows.row(&segment.channels[at], frame),
                Source::Rows(view) => view.row(at, frame),
                Source::Nothing => rows.silent(frame),
            };
            channel.push(&row);
        }
    }
}

impl<M: Memory, const CHANNELS: usize> Drop for Sound<'_, M, CHANNELS> {
    fn drop(&mut self) {
        while self.advance().is_some() {}
    }
}

/// A run of samples of all channels.
#[derive(Debug, Clone)]
pub struct Pcm<'a> {
    samples: &'a [f32],
    hop: usize,
    range: Range<usize>,
}

impl<'a> Pcm<'a> {
    /// Samples of each channel.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// The samples of every channel, at the coded rate, nominally in -1..=1.
    pub fn channels(&self) -> impl Iterator<Item = &'a [f32]> + '_ {
        let all = self.samples.chunks_exact(self.hop);
        all.map(|samples| &samples[self.range.clone()])
    }
}

/// Which samples the caller gets, counted from position 0 of the coded signal.
#[derive(Debug)]
struct Wanted {
    from: u64,
    end: Option<u64>,
}

impl Wanted {
    /// Those of the `len` samples from `position` on that are wanted.
    fn of(&self, position: i64, len: usize) -> Range<usize> {
        let at = |wanted: u64| {
            let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
            wanted.saturating_sub(position).clamp(0, len as i64) as usize
        };
        let to = self.end.map_or(len, at);
        at(self.from).min(to)..to
    }
}
