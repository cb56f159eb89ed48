//! Symbols held against the header, before anything is written.

use super::SegmentCoder;
use crate::error::{Error, Result};
use crate::header::{MaskKind, PhaseKind};
use crate::limits::check;
use crate::seeded::seeded_mask;
use crate::symbols::{Segment, MAX_INDEX};

impl SegmentCoder {
    /// Holds the segment against the header; returns its frames.
    pub(super) fn check_segment(&self, segment: &Segment) -> Result<usize> {
        let usage = |what| Err(Error::Usage { what });
        let header = &self.header;
        if segment.channels.len() != usize::from(header.coded.channels) {
            return usage("segment with another channel count than the header");
        }
        let frames = segment.channels[0].frames;
        if frames == 0 || frames > usize::from(header.segment_frames) {
            return usage("segment without frames or with more than the header allows");
        }
        check(
            "segment pixels",
            (frames * self.bins * segment.channels.len()) as u64,
            self.limits.segment_pixels as u64,
        )?;
        for (channel, image) in segment.channels.iter().enumerate() {
            if image.bins != self.bins || image.frames != frames {
                return usage("image with another size than the header or its neighbour");
            }
            let pixels = frames * self.bins;
            if image.mask.len() != pixels {
                return usage("mask of another size than the image");
            }
            let kept = image.mask.count_ones();
            if image.values.len() != kept {
                return usage("values do not match the mask");
            }
            let ridge = matches!(header.mask, MaskKind::Ridge { .. });
            if image.thresholds.len() != if ridge { frames } else { 0 } {
                return usage("thresholds: one a frame with the ridge mask, none otherwise");
            }
            if let MaskKind::Seeded { seed } = header.mask {
                if image.mask != seeded_mask(seed, segment.index, channel, pixels, kept) {
                    return usage("mask is not the seeded one");
                }
            }
            let cells = header.lattice.map_or(0, |shape| shape.cells(frames));
            if image.lattice.len() != cells {
                return usage("lattice of another size than the header says");
            }
            let covered = header.covered_bins();
            if covered > 0
                && image
                    .mask
                    .chunks(self.bins)
                    .any(|frame| frame[..covered].any())
            {
                return usage("kept pixels where the waveform layer has them");
            }
            let coefficients = header.coefficients();
            if image.waveform.len() != coefficients * frames {
                return usage("waveform layer of another size than the header says");
            }
            if image
                .waveform
                .iter()
                .any(|q| q.unsigned_abs() > MAX_INDEX as u16)
            {
                return usage("waveform index out of range");
            }
            let phases = &image.phases;
            let (wanted, bits) = match header.phase {
                PhaseKind::None => (0, 0),
                PhaseKind::Thresholded { bits, .. } | PhaseKind::All { bits } => (pixels, bits),
            };
            if phases.mask.len() != wanted || phases.angles.len() != phases.mask.count_ones() {
                return usage("phases do not match their mask or the header");
            }
            if matches!(header.phase, PhaseKind::All { .. }) && phases.angles.len() != pixels {
                return usage("phase kind all without every phase");
            }
            if phases.angles.iter().any(|&angle| angle >> bits != 0) {
                return usage("phase index of more bits than the header says");
            }
        }
        Ok(frames)
    }
}
