//! Images are `Array2`, frames x bins, frame by frame: what they need beside what ndarray offers.

use core::ops::Range;
use ndarray::{Array2, ArrayView2, Axis};

/// The frames `range` of an image.
///
/// # Panics
/// If the range does not lie within the image.
pub(crate) fn frames_of<T>(image: ArrayView2<'_, T>, range: Range<usize>) -> ArrayView2<'_, T> {
    image
        .split_at(Axis(0), range.end)
        .0
        .split_at(Axis(0), range.start)
        .1
}

/// The image without its first `frames` frames; none are left if it has no more.
pub(crate) fn drop_front<T: Clone>(image: &Array2<T>, frames: usize) -> Array2<T> {
    let (all, bins) = image.dim();
    if frames >= all {
        // ndarray's debug assertions reject an owned copy of an empty view.
        return Array2::from_shape_fn((0, bins), |at| image[at].clone());
    }
    frames_of(image.view(), frames..all).to_owned()
}
