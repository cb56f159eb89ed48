//! Repetition (Spec §8.8) and copying, which is repetition by one.

use crate::network::tensor::{Tensor, View};
use codec_format::model::graph::Extent;
use core::ops::Range;

/// Writes these frames.
pub(super) fn run(factor: Extent, input: &View<'_>, frames: Range<usize>, out: &mut Tensor) {
    let (fb, ff) = (usize::from(factor.bins), usize::from(factor.frames));
    let channels = out.channels;
    for frame in frames {
        let pixels = out.at_mut(frame..frame + 1).chunks_exact_mut(channels);
        for (bin, pixel) in pixels.enumerate() {
            input.copy(frame / ff, bin / fb, pixel);
        }
        super::spread(factor, input, frame, out);
    }
}
