//! The strongest pixels of each frame.

use super::{kept_of, Choice};
use alloc::vec::Vec;
use codec_format::symbols::Mask;
use ndarray::ArrayView2;

/// [`kept_of`] every frame's pixels, by their level; of equal ones the lower bin.
pub(super) fn choose(image: ArrayView2<'_, f32>, sparsity: f32) -> Choice {
    let (frames, bins) = image.dim();
    let count = kept_of(bins, sparsity);
    let mut mask = Mask::repeat(false, frames * bins);
    let mut order: Vec<usize> = Vec::with_capacity(bins);
    for (frame, row) in image.outer_iter().enumerate() {
        order.clear();
        order.extend(0..bins);
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
        for &bin in &order[..count] {
            mask.set(frame * bins + bin, true);
        }
    }
    mask.into()
}
