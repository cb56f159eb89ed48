//! A decoder for a stream that arrives segment by segment.

use super::completion::{self, Imaged, Imaging};
use super::overlap::OverlapAdd;
use super::phases::{Blocks, TIED};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::quantise::levels;
use crate::transform::stft::Transform;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::model::Model;
use codec_format::symbols::{Phases, Segment, SparseImage};
use codec_format::Limits;

/// A streaming decoder.
///
/// Memory does not grow with the stream (see [the module](crate::decode)).
///
/// # Beginning in the midst
///
/// [`Decoder::seek`] moves to any sample. What a straight decode knows of the earlier stream and this decoder does not
/// is bounded everywhere but in the phases, each of which follows from those before it. So:
///
/// - the samples lie where they do in a straight decode, and the image they are made of is the same to the bit;
/// - so is the PCM near the beginning of a stream, where the decoder begins with segment 0, and where every phase is
///   stored and no finer frames are made, so that nothing is rebuilt;
/// - with a waveform layer, from whose band the other phases are rebuilt, it is all but the same: 80 dB and more above
///   the difference for a voice-like tone;
/// - otherwise phases that are rebuilt are others: as consistent with one another, but not those of a straight decode.
///   The sound is as good (magnitudes of its spectrum within some 35 dB for the same tone), but waveforms must not be
///   compared, nor two decodings joined without a crossfade.
#[derive(Debug)]
pub struct Decoder {
    header: Header,
    network: Arc<Network>,
    /// A channel at the start of the stream.
    fresh: Channel,
    channels: Vec<Channel>,
    /// The segment that comes next.
    next: u32,
    /// Whether a segment was shorter than the others, which only the last may be.
    ended: bool,
    wanted: Wanted,
}

impl Decoder {
    /// A decoder for a stream with this header.
    ///
    /// `model` must be the one the header names; `None` fills the image by interpolation, which is what
    /// streams that name none ask for.
    ///
    /// # Errors
    /// [`Error::Model`] if the model does not fit the header, [`Error::Settings`] if the header's
    /// transform is not supported, its frames too dense or its segments too short (Spec §9).
    pub fn new(header: &Header, model: Option<&Model>) -> Result<Self> {
        Decoder::with_network(header, &completion::network(header, model)?)
    }

    /// The same with a [`network`](completion::network) that was prepared before, for a header with the same transform
    /// and rate.
    ///
    /// # Errors
    /// As [`Decoder::new`].
    pub fn with_network(header: &Header, network: &Arc<Network>) -> Result<Self> {
        super::check_segments(&header.stft, header.segment_frames)?;
        let transform = completion::synthesis(header, network)?;
        let fresh = Channel::new(header, network, &transform);
        Ok(Decoder {
            header: header.clone(),
            network: Arc::clone(network),
            channels: vec![fresh.clone(); usize::from(header.coded.channels)],
            fresh,
            next: 0,
            ended: false,
            wanted: Wanted {
                from: u64::from(header.pre_skip),
                end: header.total_samples.map(|n| header.coded_samples(n)),
            },
        })
    }

    /// Takes the next segment and returns the PCM that became final: one vector per channel, all of the
    /// same length (empty at first: the decoder runs about two segments behind), at the coded rate,
    /// nominally in -1..=1.
    ///
    /// # Errors
    /// [`Error::Settings`] if the segment is out of order or its channels or frames are not as many as the header says,
    /// [`Error::Format`] if its symbols are not what the header says.
    pub fn push(&mut self, segment: &Segment) -> Result<Vec<Vec<f32>>> {
        if segment.index != self.next {
            return Err(Error::Settings {
                what: "segments must come in order, lost ones concealed",
            });
        }
        let frames = segment.channels.first().map_or(0, |image| image.frames);
        let alike = segment.channels.iter().all(|image| image.frames == frames);
        if segment.channels.len() != self.channels.len() || !alike {
            return Err(Error::Settings {
                what: "segment and header differ in channels, or channels in frames",
            });
        }
        self.check_place(frames)?;
        for image in &segment.channels {
            image.check(&self.header)?;
        }
        Ok(self.take(frames, |channel| segment.channels[channel].clone()))
    }

    /// Stands in for a lost segment of `frames` frames: nothing is kept, no phase is stored, the background falls
    /// silent.
    ///
    /// # Errors
    /// [`Error::Settings`] for no frames or more than the header says, or where the last segment has been.
    pub fn conceal(&mut self, frames: usize) -> Result<Vec<Vec<f32>>> {
        self.check_place(frames)?;
        let silent = SparseImage {
            phases: Phases::default(),
            ..SparseImage::silent(&self.header, frames)
        };
        Ok(self.take(frames, |_| silent.clone()))
    }

    fn check_place(&self, frames: usize) -> Result<()> {
        let what = if self.ended {
            "nothing comes after a segment that is shorter than the header says"
        } else if frames == 0 || frames > usize::from(self.header.segment_frames) {
            "a segment has from one frame to as many as the header says"
        } else {
            return Ok(());
        };
        Err(Error::Settings { what })
    }

    /// Takes a segment whose channels have been checked.
    fn take(&mut self, frames: usize, image: impl Fn(usize) -> SparseImage) -> Vec<Vec<f32>> {
        self.next = self.next.saturating_add(1);
        self.ended = frames < usize::from(self.header.segment_frames);
        for (at, channel) in self.channels.iter_mut().enumerate() {
            channel.push(image(at));
        }
        self.collect()
    }

    /// Sets the number of source samples, once a stream's trailer has told it.
    pub fn set_total(&mut self, total_samples: u64) {
        let end = self.header.coded_samples(total_samples);
        self.wanted.end.get_or_insert(end);
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
        self.ended = false;
        self.wanted.from = position;
        let frames = (self.next as usize).saturating_mul(length);
        let first = frames.saturating_mul(self.network.upsampling());
        for channel in &mut self.channels {
            *channel = self.fresh.starting_at(first);
        }
        self.next
    }

    /// Coded frames after which nothing but phases depends on where a decoder began.
    fn depth(&self) -> usize {
        let overlap = usize::from(self.header.stft.n_fft.div_ceil(self.header.stft.hop));
        let lattice = self.header.lattice.map_or(0, |l| usize::from(l.every));
        // The lattice is interpolated from the segment before, and the waveform layer lacks a block; then what the
        // network makes of these; then the frames that phases are tied to.
        lattice.max(overlap + 1) + self.network.context() + TIED * overlap
    }

    /// Ends the stream and returns the rest of the PCM.
    pub fn finish(mut self) -> Vec<Vec<f32>> {
        for channel in &mut self.channels {
            channel.finish();
        }
        self.collect()
    }

    fn collect(&mut self) -> Vec<Vec<f32>> {
        let wanted = &self.wanted;
        let give = |channel: &mut Channel| {
            let mut pcm = core::mem::take(&mut channel.pcm);
            wanted.cut(channel.overlap.position(), &mut pcm);
            pcm
        };
        self.channels.iter_mut().map(give).collect()
    }
}

/// Which samples the caller gets, counted from position 0 of the coded signal.
#[derive(Debug)]
struct Wanted {
    from: u64,
    end: Option<u64>,
}

impl Wanted {
    /// Leaves of the samples before position `end` those that are wanted.
    fn cut(&self, end: i64, pcm: &mut Vec<f32>) {
        let start = end - pcm.len() as i64;
        let at = |position: u64| {
            let position = i64::try_from(position).unwrap_or(i64::MAX);
            (position.saturating_sub(start)).clamp(0, pcm.len() as i64) as usize
        };
        let (from, to) = (at(self.from), self.end.map_or(pcm.len(), at));
        pcm.truncate(to);
        pcm.drain(..from.min(to));
    }
}

/// One channel on its way from symbols to sound.
#[derive(Debug, Clone)]
struct Channel {
    imaging: Imaging,
    phases: Blocks,
    overlap: OverlapAdd,
    pcm: Vec<f32>,
}

impl Channel {
    /// A channel at the start of a stream.
    fn new(header: &Header, network: &Arc<Network>, transform: &Transform) -> Self {
        let origin = levels::origin(&header.quantiser);
        Channel {
            imaging: Imaging::new(header, network, transform),
            phases: Blocks::new(transform, origin, header.covered_bins()),
            overlap: OverlapAdd::new(transform),
            pcm: Vec::new(),
        }
    }

    /// The same, of a stream that begins with fine frame `frame`; `self` is at the start.
    fn starting_at(&self, frame: usize) -> Self {
        Channel {
            phases: self.phases.starting_at(frame),
            overlap: self.overlap.starting_at(frame),
            ..self.clone()
        }
    }

    fn push(&mut self, image: SparseImage) {
        let imaged = self.imaging.push(image);
        self.take(imaged);
        self.sound(false);
    }

    fn finish(&mut self) {
        self.imaging
            .finish()
            .into_iter()
            .for_each(|imaged| self.take(imaged));
        self.sound(true);
        self.overlap.finish(&mut self.pcm);
    }

    fn take(&mut self, imaged: Imaged) {
        if let Some(known) = imaged.known {
            self.phases.announce(known);
        }
        self.phases.extend(imaged.dense.view());
    }

    fn sound(&mut self, last: bool) {
        while let Some(spectra) = self.phases.next(last) {
            self.overlap.push(&spectra, &mut self.pcm);
        }
    }
}
