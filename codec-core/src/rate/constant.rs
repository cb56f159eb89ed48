//! A constant rate: every segment within its own share of the bits, whatever came before.

use super::head_bytes;
use super::search::{search, Found};
use super::splice::spliced_segment;
use crate::error::{Error, Result};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{Header, MaskKind, PhaseKind};
use codec_format::limits::Limits;
use codec_format::segment::SegmentCoder;
use codec_format::symbols::{Kept, Segment, SparseImage};

/// Rate control of one stream.
///
/// The whole chunk of a segment (type, length, body, CRC) takes at most `floor(bits_per_second * duration / 8)`
/// bytes; the first one shares them with the stream's signature and header. What a segment leaves over is not spent
/// later, so that a channel of that rate carries the stream a segment behind its sound.
///
/// A segment gets the finest ridge margin that fits. Where an empty mask is still too much, the background is held
/// over several of its steps, and at last silent; such segments are counted. Only the last segment of a stream, if
/// shorter than the others, may take more than its share, up to that of a whole one, rather than lose its background.
#[derive(Debug)]
pub struct SegmentRate {
    coder: SegmentCoder,
    bits_per_second: u32,
    /// Bytes sent before the first segment.
    head: u64,
    /// The margin the segment before took, dB.
    margin: f32,
    starved: u32,
}

impl SegmentRate {
    /// Rate control of streams with this header, at `bits_per_second` over all channels.
    ///
    /// # Errors
    /// [`Error::Settings`] where the mask is not the ridge one, every phase is stored, or the rate is too low
    /// for a segment of silence; [`Error::Format`] for a header out of range.
    pub fn new(header: &Header, bits_per_second: u32) -> Result<Self> {
        let fail = |what| Err(Error::Settings { what });
        if !matches!(header.mask, MaskKind::Ridge { .. }) {
            return fail("a constant rate needs the ridge policy");
        }
        if matches!(header.phase, PhaseKind::All { .. }) {
            return fail("a constant rate cannot hold every phase");
        }
        let rate = SegmentRate {
            coder: SegmentCoder::new(header, &Limits::default())?,
            bits_per_second,
            head: head_bytes(header)?,
            margin: super::usual_margin(bits_per_second / u32::from(header.coded.channels.max(1))),
            starved: 0,
        };
        // The longest index there is stands for the lengths that a place may take.
        let silence = vec![
            SparseImage::silent(header, usize::from(header.segment_frames));
            usize::from(header.coded.channels)
        ];
        let least = |index| {
            let channels = silence.clone();
            rate.coder.chunk_bytes(&Segment { index, channels })
        };
        let whole = rate.budget(1, rate.whole());
        if least(u32::MAX)? > whole || least(0)? + rate.head > whole {
            return fail("the constant rate is too low even for a segment of silence");
        }
        Ok(rate)
    }

    /// Coded samples of a whole segment.
    fn whole(&self) -> u64 {
        let header = self.coder.header();
        u64::from(header.segment_frames) * u64::from(header.stft.hop)
    }

    /// Bytes that the chunk of segment `index`, which stands for `samples` coded samples, may take.
    #[must_use]
    pub fn budget(&self, index: u32, samples: u64) -> u64 {
        let rate = u128::from(self.coder.header().coded.rate.max(1));
        let bytes = u128::from(self.bits_per_second) * u128::from(samples) / (8 * rate);
        let head = if index == 0 { self.head } else { 0 };
        u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .saturating_sub(head)
    }

    /// Segments so far whose background had to be held or silenced.
    #[must_use]
    pub fn starved(&self) -> u32 {
        self.starved
    }

    /// The segment that fits, of those that `make` makes with a ridge margin in dB; it is segment `index` and stands
    /// for `samples` coded samples. Segments are to come in the order of the stream.
    pub fn fit(
        &mut self,
        index: u32,
        samples: u64,
        mut make: impl FnMut(f32) -> Segment,
    ) -> Segment {
        let coder = &self.coder;
        let budget = self.budget(index, samples);
        // What cannot be written at all fits nowhere.
        let size = |segment: &Segment| coder.chunk_bytes(segment).unwrap_or(u64::MAX);
        let found = search(self.margin, budget, |margin| {
            let segment = make(margin);
            let bytes = size(&segment);
            Ok((segment, bytes))
        });
        let over = match found {
            Ok(Found::Fits(probe)) => {
                self.margin = probe.margin;
                return probe.what;
            }
            Ok(Found::Between { fine, coarse }) => {
                self.margin = coarse.margin;
                let kept = coarse.what.clone();
                return spliced_segment(coder, &fine.what, (coarse.what, coarse.bytes), budget)
                    .map_or(kept, |(segment, _)| segment);
            }
            Ok(Found::Over(probe)) => probe,
            Err(_) => return make(super::search::MARGINS.1),
        };
        self.margin = over.margin;
        if samples < self.whole() && over.bytes <= self.budget(index, self.whole()) {
            return over.what;
        }
        self.starved += 1;
        let steps = usize::from(self.coder.header().segment_frames);
        let held = |hold| Segment {
            index,
            channels: over
                .what
                .channels
                .iter()
                .map(|image| held_image(coder.header(), image, hold))
                .collect(),
        };
        core::iter::successors(Some(2), |hold| Some(hold * 2))
            .take_while(|&hold| hold < 2 * steps)
            .map(held)
            .find(|segment| size(segment) <= budget)
            .unwrap_or_else(|| {
                let silent =
                    |image: &SparseImage| SparseImage::silent(coder.header(), image.frames);
                let channels = over.what.channels.iter().map(silent).collect();
                Segment { index, channels }
            })
    }
}

/// An image without kept pixels whose background is the mean over every `hold` of its steps.
fn held_image(header: &Header, image: &SparseImage, hold: usize) -> SparseImage {
    let bands = header.lattice.map_or(1, |shape| usize::from(shape.bands));
    let mut lattice: Vec<u8> = Vec::with_capacity(image.lattice.len());
    for group in image.lattice.chunks(bands * hold) {
        let steps = group.len() / bands;
        let mean = |band: usize| {
            let sum: usize = (0..steps)
                .map(|step| usize::from(group[step * bands + band]))
                .sum();
            ((sum + steps / 2) / steps.max(1)) as u8
        };
        let row: Vec<u8> = (0..bands).map(mean).collect();
        (0..steps).for_each(|_| lattice.extend_from_slice(&row));
    }
    let mut held = SparseImage {
        lattice,
        ..SparseImage::silent(header, image.frames)
    };
    if let Kept::Ridge { thresholds, .. } = &mut held.kept {
        // No background reaches above its frame's threshold: the highest leaves it as it is.
        thresholds.fill(image.thresholds().iter().copied().max().unwrap_or(0));
    }
    held
}
