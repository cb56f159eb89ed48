//! A constant rate: every segment within its own share of the bits, whatever came before.

use super::super::encoding::head_bytes;
use super::super::policy::Policy;
use super::super::segment::Coded;
use super::search::{search, Found};
use super::splice::splice;
use crate::error::{Error, Result};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{Header, PhaseKind};
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
pub(crate) struct SegmentRate {
    bits_per_second: u32,
    /// Bytes sent before the first segment.
    head: u64,
    /// The margin the segment before took, dB; at first that of the policy.
    margin: f32,
    /// Segments so far whose background had to be held or silenced.
    pub(crate) starved: u32,
}

impl SegmentRate {
    /// Rate control of the stream of this coder, at `bits_per_second` over all channels.
    ///
    /// # Errors
    /// [`Error::Settings`] where the mask is not the ridge one, every phase is stored, or the rate is too low
    /// for a segment of silence; [`Error::Format`] for a header out of range.
    pub(crate) fn new(coder: &SegmentCoder, policy: &Policy, bits_per_second: u32) -> Result<Self> {
        let header = coder.header();
        let fail = |what| Err(Error::Settings { what });
        let Policy::Ridge { margin, .. } = *policy else {
            return fail("a constant rate needs the ridge policy");
        };
        if matches!(header.phase, PhaseKind::All { .. }) {
            return fail("a constant rate cannot hold every phase");
        }
        let rate = SegmentRate {
            bits_per_second,
            head: head_bytes(header)?,
            margin,
            starved: 0,
        };
        // The longest index there is stands for the lengths that a place may take.
        let silence = vec![
            SparseImage::silent(header, usize::from(header.segment_frames));
            usize::from(header.coded.channels)
        ];
        let least = |index| -> Result<u64> {
            let channels = silence.clone();
            Ok(Coded::new(coder, Segment { index, channels })?.bytes())
        };
        let all = rate.budget(header, 1, whole(header));
        if least(u32::MAX)? > all || least(0)? + rate.head > all {
            return fail("the constant rate is too low even for a segment of silence");
        }
        Ok(rate)
    }

    /// Bytes that the chunk of segment `index`, which stands for `samples` coded samples, may take.
    fn budget(&self, header: &Header, index: u32, samples: u64) -> u64 {
        let rate = u128::from(header.coded.rate.max(1));
        let bytes = u128::from(self.bits_per_second) * u128::from(samples) / (8 * rate);
        let head = if index == 0 { self.head } else { 0 };
        u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .saturating_sub(head)
    }

    /// Segment `index` as it fits, of those that `make` makes with a ridge margin in dB. The signal is known up to coded
    /// sample `end`; segments are to come in the order of the stream.
    pub(crate) fn fit(
        &mut self,
        coder: &SegmentCoder,
        index: u32,
        end: u64,
        make: impl Fn(f32) -> Segment,
    ) -> Result<Coded> {
        let header = coder.header();
        let samples = end.saturating_sub(u64::from(index) * whole(header));
        let samples = samples.min(whole(header));
        let budget = self.budget(header, index, samples);
        let found = search(self.margin, budget, |margin| {
            let coded = Coded::new(coder, make(margin))?;
            let bytes = coded.bytes();
            Ok((coded, bytes))
        })?;
        let over = match found {
            Found::Fits(probe) => {
                self.margin = probe.margin;
                return Ok(probe.what);
            }
            Found::Between { fine, coarse } => {
                self.margin = coarse.margin;
                let (fine, coarse) = (fine.what, coarse.what);
                let spliced = splice(coder, &fine.segment, &coarse.segment, budget)?;
                return Ok(spliced.unwrap_or(coarse));
            }
            Found::Over(probe) => probe,
        };
        self.margin = over.margin;
        if samples < whole(header) && over.bytes <= self.budget(header, index, whole(header)) {
            return Ok(over.what);
        }
        self.starved += 1;
        starve(coder, &over.what.segment, budget)
    }
}

/// A segment whose empty mask is still too much for `budget` bytes: its background held as shortly as that allows, or
/// silent, which alone may be over the budget.
pub(super) fn starve(coder: &SegmentCoder, segment: &Segment, budget: u64) -> Result<Coded> {
    let header = coder.header();
    let with = |image: &dyn Fn(&SparseImage) -> SparseImage| {
        let channels = segment.channels.iter().map(image).collect();
        let index = segment.index;
        Coded::new(coder, Segment { index, channels })
    };
    let steps = usize::from(header.segment_frames);
    let mut hold = 2;
    while hold < 2 * steps {
        let held = with(&|image| held_image(header, image, hold))?;
        if held.bytes() <= budget {
            return Ok(held);
        }
        hold *= 2;
    }
    with(&|image| SparseImage::silent(header, image.frames))
}

/// Coded samples of a whole segment.
fn whole(header: &Header) -> u64 {
    u64::from(header.segment_frames) * u64::from(header.stft.hop)
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
