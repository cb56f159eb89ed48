//! Symbols held against the header, before anything is written.

use super::{seeded_mask, SegmentCoder};
use crate::error::{rule, Result};
use crate::header::MaskKind;
use crate::limits::check;
use crate::symbols::Segment;

impl SegmentCoder {
    /// Holds the segment against the header.
    pub(super) fn check_segment(&self, segment: &Segment) -> Result<()> {
        let header = &self.header;
        rule(
            segment.channels.len() == usize::from(header.coded.channels),
            "segment with another channel count than the header",
        )?;
        let frames = segment.frames();
        rule(
            frames > 0 && frames <= usize::from(header.segment_frames),
            "segment without frames or with more than the header allows",
        )?;
        let pixels = frames * self.bins;
        check(
            "segment pixels",
            (pixels * segment.channels.len()) as u64,
            self.limits.segment_pixels as u64,
        )?;
        for (channel, image) in segment.channels.iter().enumerate() {
            rule(image.frames == frames, "channels of different lengths")?;
            image.check(header)?;
            if let MaskKind::Seeded { seed } = header.mask {
                let count = image.values().len();
                rule(
                    *image.mask() == seeded_mask(seed, segment.index, channel, pixels, count),
                    "mask is not the seeded one",
                )?;
            }
        }
        Ok(())
    }
}
