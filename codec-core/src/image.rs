//! Images are `Array2`, frames x bins, frame by frame: what they need beside what ndarray offers.

use core::ops::Range;
use ndarray::{ArrayView2, Axis};

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
