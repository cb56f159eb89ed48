//! PCM in, segments out.

use crate::analysis::{check_finite, frames_of, phase_bits, phase_index, Analysis};
use crate::error::{Error, Result};
use crate::image;
use crate::levels;
use crate::policy::sparsify;
use crate::rate::SegmentRate;
use crate::settings::{origin_below, Policy, Settings, STREAM_PEAK};
use crate::stft::Transform;
use crate::waveform::{self, Lapped};
use alloc::vec::Vec;
use codec_format::header::{Header, ModelId, PhaseKind, Signal};
use codec_format::symbols::{Kept, Mask, Phases, Segment};

/// A clip as symbols.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The header, sample count included.
    pub header: Header,
    /// Every segment.
    pub segments: Vec<Segment>,
}

/// Encodes a whole clip: planar PCM at `settings.rate`, one vector per channel.
///
/// `source` and `total_samples` say what the PCM was before any resampling; both go to the header.
///
/// # Errors
/// As [`Analysis::of`]; [`Error::Settings`] if the channel count is not that of `source`.
pub fn encode(
    channels: &[Vec<f32>],
    source: Signal,
    total_samples: u64,
    settings: &Settings,
    model: Option<ModelId>,
) -> Result<Encoded> {
    let analysis = Analysis::of(channels, settings)?;
    encode_analysis(&analysis, source, total_samples, settings, model)
}

/// Encodes a clip that was analysed before: for trying several settings that share a transform.
///
/// # Errors
/// [`Error::Settings`] for settings out of range or a channel count that is not that of `source`.
pub fn encode_analysis(
    analysis: &Analysis,
    source: Signal,
    total_samples: u64,
    settings: &Settings,
    model: Option<ModelId>,
) -> Result<Encoded> {
    encode_paced(analysis, source, total_samples, settings, model, None).map(|(encoded, _)| encoded)
}

/// The same, at a constant rate where one is given: with the number of segments that starved at it.
pub(crate) fn encode_paced(
    analysis: &Analysis,
    source: Signal,
    total_samples: u64,
    settings: &Settings,
    model: Option<ModelId>,
    bits_per_second: Option<u32>,
) -> Result<(Encoded, u32)> {
    settings.validate()?;
    if analysis.channels() != usize::from(source.channels) || analysis.channels() == 0 {
        return Err(Error::Settings {
            what: "channel count differs from the source's",
        });
    }
    if let Some(shape) = settings.waveform {
        let wanted = usize::from(shape.coefficients);
        let there = analysis.coefficients(0).map_or(0, |c| c.ncols());
        if there < wanted {
            return Err(Error::Settings {
                what: "analysed without the waveform layer's coefficients",
            });
        }
    }
    let origin = settings.origin.unwrap_or_else(|| analysis.origin());
    let header = settings.header(source, Some(total_samples), origin, model);
    let step = usize::from(settings.segment_frames);
    let coded = header.coded_samples(total_samples);
    let mut rate = bits_per_second
        .map(|bits| SegmentRate::new(&header, bits))
        .transpose()?;
    let segments = (0..analysis.frames())
        .step_by(step)
        .enumerate()
        .map(|(index, first)| {
            let frames = first..(first + step).min(analysis.frames());
            encode_segment(
                analysis,
                frames,
                &header,
                &settings.policy,
                Place {
                    index: index as u32,
                    first_frame: first,
                    coded,
                },
                rate.as_mut(),
            )
        })
        .collect();
    let starved = rate.map_or(0, |rate| rate.starved());
    Ok((Encoded { header, segments }, starved))
}

/// Where a segment lies.
#[derive(Clone, Copy)]
struct Place {
    index: u32,
    /// Its first frame in the clip.
    first_frame: usize,
    /// Coded samples of the clip known so far: at least all that belong to the segment.
    coded: u64,
}

/// One segment from the frames `range` of `analysis`, by the policy or, at a constant rate, by the margin that fits.
fn encode_segment(
    analysis: &Analysis,
    range: core::ops::Range<usize>,
    header: &Header,
    policy: &Policy,
    place: Place,
    rate: Option<&mut SegmentRate>,
) -> Segment {
    let make = |policy: &Policy| {
        let Place {
            index, first_frame, ..
        } = place;
        segment_of(analysis, range.clone(), header, policy, index, first_frame)
    };
    match rate {
        None => make(policy),
        Some(rate) => {
            let hop = u64::from(header.stft.hop);
            let samples = place.coded.saturating_sub(place.first_frame as u64 * hop);
            let samples = samples.min(range.len() as u64 * hop);
            rate.fit(place.index, samples, |margin| {
                make(&policy.with_margin(margin))
            })
        }
    }
}

/// One segment from the frames `range` of `analysis`; `first_frame` is its place in the clip.
fn segment_of(
    analysis: &Analysis,
    range: core::ops::Range<usize>,
    header: &Header,
    policy: &Policy,
    index: u32,
    first_frame: usize,
) -> Segment {
    let origin = levels::origin(&header.quantiser);
    let channels = (0..analysis.channels())
        .map(|channel| {
            let levels = analysis.levels(channel);
            let image = image::frames_of(levels, range.clone()).mapv(|x| {
                if x > origin {
                    x - origin
                } else {
                    0.0
                }
            });
            let mut sparse = sparsify(
                image.view(),
                header,
                policy,
                index,
                channel as u8,
                first_frame,
            );
            sparse.phases = phases(analysis, channel, range.clone(), header.phase);
            if let Some(coefficients) = analysis.coefficients(channel) {
                let coefficients = image::frames_of(coefficients, range.clone());
                if let Kept::Ridge {
                    thresholds,
                    waveform,
                    ..
                } = &mut sparse.kept
                {
                    *waveform = waveform::quantise(header, coefficients, thresholds);
                }
            }
            sparse
        })
        .collect();
    Segment { index, channels }
}

fn phases(
    analysis: &Analysis,
    channel: usize,
    range: core::ops::Range<usize>,
    kind: PhaseKind,
) -> Phases {
    let bits = phase_bits(kind);
    let levels = image::frames_of(analysis.levels(channel), range.clone());
    let mask: Mask = match kind {
        PhaseKind::None => return Phases::default(),
        PhaseKind::All { .. } => Mask::repeat(true, levels.len()),
        PhaseKind::Thresholded { threshold, .. } => levels
            .iter()
            .map(|&x| x >= f32::from(threshold) * levels::UNIT)
            .collect(),
    };
    let spectra = image::frames_of(analysis.spectra(channel), range);
    let angles = spectra
        .iter()
        .zip(mask.iter().by_vals())
        .filter(|&(_, kept)| kept)
        .map(|(&z, _)| phase_index(z, bits))
        .collect();
    Phases { mask, angles }
}

/// A streaming encoder: PCM in pieces of any size in, segments out as they fill up.
///
/// The same PCM gives the same segments however it is cut. Memory holds one segment of samples.
#[derive(Debug)]
pub struct Encoder {
    settings: Settings,
    header: Header,
    transform: Transform,
    lapped: Option<Lapped>,
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
        if source.channels == 0 {
            return Err(Error::Settings {
                what: "a source needs at least one channel",
            });
        }
        let transform = Transform::new(&settings.stft, usize::from(settings.stft.hop))?;
        let origin = settings.origin.unwrap_or_else(|| origin_below(STREAM_PEAK));
        let header = settings.header(source, None, origin, model);
        let pending = (0..source.channels).map(|_| Vec::new()).collect();
        Ok(Encoder {
            lapped: Lapped::of(&header),
            settings,
            header,
            transform,
            pending,
            start: 0,
            taken: 0,
            next: 0,
            rate: None,
        })
    }

    /// An encoder at a constant rate over all channels: the ridge margin of each segment is the finest with which its
    /// whole chunk stays within the segment's share of `bits_per_second` (see [`SegmentRate`]).
    ///
    /// # Errors
    /// As [`Encoder::new`] and [`SegmentRate::new`].
    pub fn with_rate(
        source: Signal,
        settings: Settings,
        model: Option<ModelId>,
        bits_per_second: u32,
    ) -> Result<Self> {
        let encoder = Encoder::new(source, settings, model)?;
        let rate = Some(SegmentRate::new(&encoder.header, bits_per_second)?);
        Ok(Encoder { rate, ..encoder })
    }

    /// Segments so far whose background had to be held or silenced to keep to the constant rate.
    #[must_use]
    pub fn starved(&self) -> u32 {
        self.rate.as_ref().map_or(0, SegmentRate::starved)
    }

    /// The header to write before the first segment; it leaves the sample count to the trailer.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Takes PCM, one slice per channel, all equally long, and returns the segments it completes.
    ///
    /// # Errors
    /// [`Error::Settings`] if the slices differ in number or length, [`Error::NotFinite`] if a sample is
    /// not a number; nothing is taken then.
    pub fn push(&mut self, channels: &[&[f32]]) -> Result<Vec<Segment>> {
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
        let (hop, half) = (
            u64::from(self.settings.stft.hop),
            self.transform.n_fft() as u64 / 2,
        );
        // The segment's last frame must be wholly known, and there must be a frame after it: so that the
        // last segment is never mistaken for a full one that is followed by an empty one.
        while (u64::from(self.next) * step + step) * hop <= self.taken
            && (u64::from(self.next) * step + step - 1) * hop + half <= self.taken
        {
            out.push(self.segment(step as usize));
        }
        Ok(out)
    }

    /// Ends the stream: the remaining segments. The trailer wants the number of *source* samples, which
    /// only the caller knows.
    #[must_use]
    pub fn finish(mut self) -> Vec<Segment> {
        let total = frames_of(self.taken, &self.settings);
        let step = u64::from(self.settings.segment_frames);
        let mut out = Vec::new();
        while u64::from(self.next) * step < total {
            let frames = (total - u64::from(self.next) * step).min(step);
            out.push(self.segment(frames as usize));
        }
        out
    }

    fn segment(&mut self, frames: usize) -> Segment {
        let first = u64::from(self.next) * u64::from(self.settings.segment_frames);
        let spectra = self
            .pending
            .iter()
            .map(|pcm| {
                self.transform
                    .spectra(pcm, self.start as i64, first as i64, frames)
            })
            .collect();
        let mut analysis = Analysis::from_spectra(spectra);
        if let Some(lapped) = &self.lapped {
            let coefficients = self
                .pending
                .iter()
                .map(|pcm| lapped.analyse(pcm, self.start as i64, first as i64, frames));
            analysis = analysis.with_coefficients(coefficients.collect());
        }
        let segment = encode_segment(
            &analysis,
            0..frames,
            &self.header,
            &self.settings.policy,
            Place {
                index: self.next,
                first_frame: first as usize,
                coded: self.taken,
            },
            self.rate.as_mut(),
        );
        self.next += 1;
        let half = self.transform.n_fft() as u64 / 2;
        let needed =
            ((first + frames as u64) * u64::from(self.settings.stft.hop)).saturating_sub(half);
        let drop = needed
            .saturating_sub(self.start)
            .min(self.pending.first().map_or(0, Vec::len) as u64);
        for pending in &mut self.pending {
            pending.drain(..drop as usize);
        }
        self.start += drop;
        segment
    }
}
