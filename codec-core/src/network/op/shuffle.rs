//! Sub-pixel output (Spec §8.9).

use crate::network::tensor::{Tensor, View};
use codec_format::model::graph::Extent;
use core::ops::Range;

/// Writes these frames.
pub(super) fn run(factor: Extent, input: &View<'_>, frames: Range<usize>, out: &mut Tensor) {
    let (fb, ff) = (usize::from(factor.bins), usize::from(factor.frames));
    let channels = out.channels;
    let mut all = alloc::vec![0.0; channels * factor.area()];
    for frame in frames {
        let pixels = out.at_mut(frame..frame + 1).chunks_exact_mut(channels);
        for (bin, pixel) in pixels.enumerate() {
            input.copy(frame / ff, bin / fb, &mut all);
            let first = bin % fb * ff + frame % ff;
            let picked = all.iter().skip(first).step_by(factor.area());
            pixel.iter_mut().zip(picked).for_each(|(y, x)| *y = *x);
        }
        super::spread(factor, input, frame, out);
    }
}
