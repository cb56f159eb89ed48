//! Pooling (Spec §8.7).

use crate::network::tensor::{Tensor, View};
use codec_format::model::op::{Pool, PoolKind};
use core::ops::Range;

/// Writes these frames.
pub(super) fn run(op: &Pool, input: &View<'_>, frames: Range<usize>, out: &mut Tensor) {
    let (fb, ff) = (usize::from(op.factor.bins), usize::from(op.factor.frames));
    let (held, all) = (input.frames(), input.bins());
    let (bins, channels) = (out.bins, out.channels);
    let mut seen = alloc::vec![1; ff * all];
    for frame in frames {
        let window = frame * ff..((frame + 1) * ff).min(held.end);
        for (f, row) in window.clone().zip(seen.chunks_exact_mut(all)) {
            input.observed(f, row);
        }
        let pixels = out.at_mut(frame..frame + 1).chunks_exact_mut(channels);
        for (bin, pixel) in pixels.enumerate() {
            let mut count = 0u8;
            for f in window.clone() {
                for b in bin * fb..((bin + 1) * fb).min(all) {
                    if seen[(f - window.start) * all + b] == 0 {
                        continue;
                    }
                    let mut rest = &mut *pixel;
                    for part in input.parts() {
                        let (here, after) = rest.split_at_mut(part.channels);
                        for (y, &x) in here.iter_mut().zip(part.pixel(f, b)) {
                            *y = match op.kind {
                                _ if count == 0 => x,
                                PoolKind::Mean => *y + x,
                                PoolKind::Max if x > *y => x,
                                PoolKind::Max => *y,
                            };
                        }
                        rest = after;
                    }
                    count += 1;
                }
            }
            if op.kind == PoolKind::Mean && count > 0 {
                pixel.iter_mut().for_each(|y| *y /= f32::from(count));
            }
        }
        if let Some(observed) = out.observed_mut(frame) {
            for bin in 0..bins {
                let columns = bin * fb..((bin + 1) * fb).min(all);
                let any = (0..window.len()).any(|f| seen[f * all..][columns.clone()].contains(&1));
                observed[bin] = u8::from(any);
            }
        }
    }
}
