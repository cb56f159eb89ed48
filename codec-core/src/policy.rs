//! Mask policies: from a log-power image to the sparse image that is coded.

use crate::lattice::Lattice;
use crate::levels;
use crate::settings::Policy;
use alloc::vec::Vec;
use codec_format::header::{Header, MaskKind};
use codec_format::seeded_mask;
use codec_format::symbols::{Mask, SparseImage};
use ndarray::ArrayView2;

/// Chooses the kept pixels of one segment of one channel and quantises them and the background.
///
/// `image` is frames x bins in dB above the origin; `segment` and `channel` seed the random mask, and
/// `first_frame` is the segment's place in the clip, for explicit masks. Phases are left empty.
#[must_use]
pub fn sparsify(
    image: ArrayView2<'_, f32>,
    header: &Header,
    policy: &Policy,
    segment: u32,
    channel: u8,
    first_frame: usize,
) -> SparseImage {
    let (frames, bins) = image.dim();
    let pixels = frames * bins;
    let mut thresholds = Vec::new();
    let mask = match policy {
        Policy::Ridge { margin, .. } => {
            let mut mask = Mask::repeat(false, pixels);
            for (frame, row) in image.outer_iter().enumerate() {
                let peak = row.iter().fold(0.0f32, |a, &b| if b > a { b } else { a });
                let step = threshold_step(header);
                let index = levels::round_index(0.5 * peak + margin, step);
                let base = levels::threshold(step, index);
                thresholds.push(index);
                for (bin, &x) in row.iter().enumerate() {
                    if x >= base {
                        mask.set(frame * bins + bin, true);
                    }
                }
            }
            mask
        }
        Policy::Uniform { sparsity, seed } => {
            let count = kept_of(pixels, *sparsity);
            seeded_mask(*seed, segment, usize::from(channel), pixels, count)
        }
        Policy::Energy { sparsity } => {
            let mut mask = Mask::repeat(false, pixels);
            let mut order: Vec<usize> = Vec::with_capacity(bins);
            for (frame, row) in image.outer_iter().enumerate() {
                order.clear();
                order.extend(0..bins);
                order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
                for &bin in &order[..kept_of(bins, *sparsity)] {
                    mask.set(frame * bins + bin, true);
                }
            }
            mask
        }
        Policy::Explicit(whole) => {
            let start = (first_frame * bins).min(whole.len());
            let mut mask: Mask = whole[start..(start + pixels).min(whole.len())].to_bitvec();
            mask.resize(pixels, false);
            mask
        }
    };
    let values = mask
        .iter_ones()
        .map(|pixel| {
            let (frame, bin) = (pixel / bins, pixel % bins);
            let base = thresholds
                .get(frame)
                .map_or(0.0, |&i| levels::threshold(threshold_step(header), i));
            levels::floor_index(image[(frame, bin)] - base, header.quantiser.step)
        })
        .collect();
    let lattice = Lattice::of(header).map_or_else(Vec::new, |lattice| lattice.sample(image, &mask));
    SparseImage {
        bins,
        frames,
        mask,
        values,
        thresholds,
        lattice,
        phases: Default::default(),
    }
}

/// Pixels kept of `pixels` at a sparsity.
fn kept_of(pixels: usize, sparsity: f32) -> usize {
    let kept = libm::round((1.0 - f64::from(sparsity)) * pixels as f64);
    (kept as usize).min(pixels)
}

pub(crate) fn threshold_step(header: &Header) -> u8 {
    match header.mask {
        MaskKind::Ridge { threshold_step } => threshold_step,
        _ => 1,
    }
}
