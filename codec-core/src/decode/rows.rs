//! Frames that come at one end and are forgotten at the other.

use alloc::vec::Vec;
use core::ops::Range;
use ndarray::ArrayView2;

/// A run of the frames of an image, counted from the start of the stream, all of the same width.
#[derive(Debug, Clone)]
pub(super) struct Rows<T> {
    range: Range<usize>,
    width: usize,
    data: Vec<T>,
}

impl<T: Copy> Rows<T> {
    /// None yet; frame `start` comes first.
    pub fn new(start: usize, width: usize) -> Self {
        Rows {
            range: start..start,
            width,
            data: Vec::new(),
        }
    }

    /// The frame after the last.
    pub fn end(&self) -> usize {
        self.range.end
    }

    /// Values of a frame.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Adds the frames that follow, as wide as the others.
    pub fn extend(&mut self, frames: ArrayView2<'_, T>) {
        debug_assert!(frames.is_empty() || frames.ncols() == self.width);
        self.range.end += frames.nrows();
        match frames.to_slice() {
            Some(frames) => self.data.extend_from_slice(frames),
            None => self.data.extend(frames),
        }
    }

    /// The frames `range`, which must be held, one after the other.
    pub fn get(&self, range: Range<usize>) -> &[T] {
        let at = |frame: usize| (frame - self.range.start) * self.width;
        &self.data[at(range.start)..at(range.end)]
    }

    /// Forgets the frames before `frame`.
    pub fn drop_before(&mut self, frame: usize) {
        let frame = frame.clamp(self.range.start, self.range.end);
        self.data.drain(..(frame - self.range.start) * self.width);
        self.range.start = frame;
    }
}
