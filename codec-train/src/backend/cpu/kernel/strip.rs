//! Strips of images as the inner loops read them.

use super::vector::LANES;
use std::ops::Range;

/// How the frames of a row lie in memory: those a stride apart side by side, so that every tap of a strided
/// convolution reads neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Frames before the first of the image.
    pub before: usize,
    /// Frames from one output to the next.
    pub stride: usize,
    /// Numbers kept of each of the `stride` phases.
    pub segment: usize,
}

impl Layout {
    /// For outputs of `frames` frames whose taps lie up to `reach` frames behind the first.
    #[must_use]
    pub fn new(before: usize, stride: usize, frames: usize, reach: usize) -> Self {
        Layout {
            before,
            stride,
            segment: whole_vectors(frames) + reach / stride,
        }
    }

    /// Where in a row the tap `at` frames behind the first reads for output 0.
    #[must_use]
    pub fn offset(self, at: usize) -> usize {
        at % self.stride * self.segment + at / self.stride
    }

    fn width(self) -> usize {
        self.stride * self.segment
    }
}

/// Some rows of one sample's channels, `rows x channels x width`, zeros where the image ends.
#[derive(Debug, Clone, Default)]
pub struct Padded {
    pub(super) data: Vec<f32>,
    pub(super) channels: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
}

/// Frames rounded up to whole vectors.
pub(super) fn whole_vectors(frames: usize) -> usize {
    frames.div_ceil(LANES) * LANES
}

impl Padded {
    /// Takes the bins `rows` of `x` (`shape`: channels, bins, frames); some may lie outside.
    ///
    /// # Panics
    /// If `x` is not of that shape.
    pub fn copy(
        &mut self,
        x: &[f32],
        shape: (usize, usize, usize),
        rows: Range<isize>,
        layout: Layout,
    ) {
        let (channels, bins, frames) = shape;
        assert_eq!(x.len(), channels * bins * frames, "image of another size");
        self.channels = channels;
        self.rows = rows.len();
        self.width = layout.width();
        self.data.clear();
        self.data.resize(rows.len() * channels * self.width, 0.0);
        for (row, bin) in rows.enumerate() {
            let Some(bin) = usize::try_from(bin).ok().filter(|&bin| bin < bins) else {
                continue;
            };
            for c in 0..channels {
                let from = &x[(c * bins + bin) * frames..][..frames];
                let to = &mut self.data[(row * channels + c) * self.width..][..self.width];
                if layout.stride == 1 {
                    to[layout.before..layout.before + frames].copy_from_slice(from);
                } else {
                    for (at, x) in from.iter().enumerate() {
                        let at = layout.before + at;
                        // What no output reads may lie beyond the segment.
                        if at / layout.stride < layout.segment {
                            to[layout.offset(at)] = *x;
                        }
                    }
                }
            }
        }
    }
}

/// A strip of one sample's gradients, `bins x frames x channels`, the channels padded to whole vectors.
#[derive(Debug, Clone, Default)]
pub struct Transposed {
    pub(super) data: Vec<f32>,
    pub(super) channels: usize,
    pub(super) bins: usize,
    pub(super) frames: usize,
    pub(super) stride: usize,
}

impl Transposed {
    /// Takes the rows `rows` of `g`, and of each the `frames` numbers from `before` on.
    pub fn copy(&mut self, g: &Padded, rows: Range<usize>, before: usize, frames: usize) {
        let (channels, stride) = (g.channels, whole_vectors(g.channels));
        (self.channels, self.bins, self.frames, self.stride) =
            (channels, rows.len(), frames, stride);
        self.data.clear();
        self.data.resize(rows.len() * frames * stride, 0.0);
        for (row, to) in rows.zip(self.data.chunks_exact_mut(frames * stride)) {
            for c in 0..channels {
                let from = &g.data[(row * channels + c) * g.width + before..][..frames];
                for (to, from) in to[c..].iter_mut().step_by(stride).zip(from) {
                    *to = *from;
                }
            }
        }
    }
}
