//! Two encodings of the same frames in one: the finer one first, the coarser one for the rest.

use super::super::segment::Coded;
use crate::error::Result;
use alloc::vec::Vec;
use codec_format::segment::SegmentCoder;
use codec_format::symbols::{Kept, Mask, Segment, SparseImage};

/// The segment that follows `fine` for as many frames as `budget` bytes for its chunk allow, then `coarse`, which alone
/// must fit. `None` where that is all that fits.
///
/// # Errors
/// As [`SegmentCoder::encode`].
pub(super) fn splice(
    coder: &SegmentCoder,
    fine: &Segment,
    coarse: &Segment,
    budget: u64,
) -> Result<Option<Coded>> {
    let every = coder
        .header()
        .lattice
        .map_or(1, |shape| usize::from(shape.every));
    let frames = fine.channels.first().map_or(0, |image| image.frames);
    // The change comes where a lattice step begins.
    let (mut low, mut high) = (0, frames / every + 1);
    let mut best = None;
    while high - low > 1 {
        let middle = (low + high) / 2;
        let coded = Coded::new(coder, spliced(fine, coarse, middle, every))?;
        if coded.bytes() <= budget {
            low = middle;
            best = Some(coded);
        } else {
            high = middle;
        }
    }
    Ok(best)
}

/// The first `steps` times `every` frames from `fine`, the rest from `coarse`, which has the same shape.
fn spliced(fine: &Segment, coarse: &Segment, steps: usize, every: usize) -> Segment {
    let channels = fine.channels.iter().zip(&coarse.channels);
    Segment {
        index: coarse.index,
        channels: channels
            .map(|(f, c)| spliced_image(f, c, steps, every))
            .collect(),
    }
}

fn spliced_image(
    fine: &SparseImage,
    coarse: &SparseImage,
    steps: usize,
    every: usize,
) -> SparseImage {
    let (bins, frames) = (coarse.bins, coarse.frames);
    let frame = (steps * every).min(frames);
    let pixel = frame * bins;
    let mut mask: Mask = fine.mask()[..pixel].to_bitvec();
    mask.extend_from_bitslice(&coarse.mask()[pixel..]);
    let kept = |image: &SparseImage| image.mask()[..pixel].count_ones();
    let mut values = fine.values()[..kept(fine)].to_vec();
    values.extend_from_slice(&coarse.values()[kept(coarse)..]);
    let coefficients = coarse.waveform().len() / frames.max(1);
    let bands = coarse.lattice.len() / frames.div_ceil(every).max(1);
    SparseImage {
        bins,
        frames,
        kept: Kept::Ridge {
            mask,
            values,
            thresholds: joined(fine.thresholds(), coarse.thresholds(), frame),
            waveform: joined(fine.waveform(), coarse.waveform(), frame * coefficients),
        },
        lattice: joined(&fine.lattice, &coarse.lattice, steps * bands),
        // Which phases are stored does not depend on the margin.
        phases: coarse.phases.clone(),
    }
}

/// The first `length` entries of `first`, then those of `then` after as many.
fn joined<T: Clone>(first: &[T], then: &[T], length: usize) -> Vec<T> {
    let mut out = first[..length].to_vec();
    out.extend_from_slice(&then[length..]);
    out
}
