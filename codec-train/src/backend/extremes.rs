//! Where the maxima over windows lie.

use super::{Dims, Reach, Window};
use rayon::prelude::*;

/// For every output, channel by channel, the place of the largest number of its window among those whose mask (one for
/// each sample) is not 0. Of equal numbers the nearest to the output's own pixel, first along the frames, then along the
/// bins; of two as near, the first.
pub(super) fn places(
    x: &[f32],
    mask: Option<&[f32]>,
    dims: Dims,
    window: &Window,
    out: Dims,
) -> Vec<Option<usize>> {
    let mut all = vec![None; dims.samples * dims.channels * out.pixels()];
    all.par_chunks_mut(out.pixels().max(1))
        .enumerate()
        .for_each(|(image, places)| {
            let first = image * dims.pixels();
            let sample = image / dims.channels * dims.pixels();
            let value = |at: usize| {
                let seen = mask.is_none_or(|mask| mask[sample + at] > 0.0);
                seen.then(|| x[first + at])
            };
            let mut along = vec![None; dims.bins * out.frames];
            for (at, place) in along.iter_mut().enumerate() {
                let (bin, frame) = (at / out.frames, at % out.frames);
                let row = bin * dims.frames;
                *place = largest(window.frames, frame, dims.frames, |t| {
                    value(row + t).map(|v| (v, row + t))
                });
            }
            for (at, place) in places.iter_mut().enumerate() {
                let (bin, frame) = (at / out.frames, at % out.frames);
                let best = largest(window.bins, bin, dims.bins, |b| {
                    along[b * out.frames + frame]
                });
                *place = best.map(|(_, at)| first + at);
            }
        });
    all
}

/// The largest number in the reach of an output, and its place.
fn largest(
    reach: Reach,
    out: usize,
    len: usize,
    value: impl Fn(usize) -> Option<(f32, usize)>,
) -> Option<(f32, usize)> {
    let centre = out * reach.stride;
    let mut best: Option<((f32, usize), usize)> = None;
    for tap in 0..reach.taps {
        let Some(at) = reach.pixel(out, tap, len) else {
            continue;
        };
        let Some(found) = value(at) else { continue };
        let apart = at.abs_diff(centre);
        let better = best
            .is_none_or(|((most, _), least)| found.0 > most || (found.0 == most && apart < least));
        if better {
            best = Some((found, apart));
        }
    }
    best.map(|(found, _)| found)
}
