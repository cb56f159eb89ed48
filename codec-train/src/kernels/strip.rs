//! Strips of images as the inner loops read them.

use super::vector::LANES;
use super::Kernel;

/// A strip of one sample's channels with its surroundings, `rows x channels x width`, zeros where the image ends.
#[derive(Debug, Clone, Default)]
pub struct Padded {
    pub(super) data: Vec<f32>,
    pub(super) channels: usize,
    pub(super) bins: usize,
    pub(super) frames: usize,
    pub(super) kernel: Kernel,
    pub(super) width: usize,
}

/// Frames rounded up to whole vectors.
pub(super) fn whole_vectors(frames: usize) -> usize {
    frames.div_ceil(LANES) * LANES
}

impl Padded {
    /// A padded copy of the whole of `x`, `channels x bins x frames`.
    #[must_use]
    pub fn from_image(
        x: &[f32],
        channels: usize,
        bins: usize,
        frames: usize,
        kernel: Kernel,
    ) -> Self {
        let mut p = Self::default();
        p.copy_strip(x, (channels, bins, frames), kernel, 0..bins);
        p
    }

    /// All zeros, for a whole image.
    #[must_use]
    pub fn zeros(channels: usize, bins: usize, frames: usize, kernel: Kernel) -> Self {
        let mut p = Self::default();
        p.clear(channels, bins, frames, kernel);
        p
    }

    fn clear(&mut self, channels: usize, bins: usize, frames: usize, kernel: Kernel) {
        self.channels = channels;
        self.bins = bins;
        self.frames = frames;
        self.kernel = kernel;
        self.width = whole_vectors(frames) + kernel.frames - 1;
        self.data.clear();
        let rows = bins + kernel.bins - 1;
        self.data.resize(rows * channels * self.width, 0.0);
    }

    /// Takes the bins `strip` of `x` (`shape`: channels, bins, frames), and around them as many as `kernel` reaches.
    ///
    /// # Panics
    /// If `x` is not of that shape or `strip` not in it.
    pub fn copy_strip(
        &mut self,
        x: &[f32],
        shape: (usize, usize, usize),
        kernel: Kernel,
        strip: core::ops::Range<usize>,
    ) {
        let (channels, bins, frames) = shape;
        assert!(
            x.len() == channels * bins * frames && strip.end <= bins,
            "image of another size"
        );
        self.clear(channels, strip.len(), frames, kernel);
        for row in 0..strip.len() + kernel.bins - 1 {
            let Some(y) = (strip.start + row).checked_sub(kernel.bins / 2) else {
                continue;
            };
            if y >= bins {
                break;
            }
            for c in 0..channels {
                let to = (row * channels + c) * self.width + kernel.frames / 2;
                self.data[to..to + frames].copy_from_slice(&x[(c * bins + y) * frames..][..frames]);
            }
        }
    }

    /// Multiplies every channel by `image`, `bins x frames`, of which the strip starts at bin `top`.
    pub fn multiply(&mut self, image: &[f32], top: usize) {
        for row in 0..self.bins + self.kernel.bins - 1 {
            let Some(y) = (top + row).checked_sub(self.kernel.bins / 2) else {
                continue;
            };
            let Some(factors) = image.get(y * self.frames..(y + 1) * self.frames) else {
                break;
            };
            for c in 0..self.channels {
                let at = (row * self.channels + c) * self.width + self.kernel.frames / 2;
                for (x, factor) in self.data[at..at + self.frames].iter_mut().zip(factors) {
                    *x *= factor;
                }
            }
        }
    }

    /// The pixels of channel `c` in bin `y` of the strip, without the border.
    #[must_use]
    pub fn row(&self, c: usize, y: usize) -> &[f32] {
        let start = self.start(c, y);
        &self.data[start..start + self.frames]
    }

    /// The pixels of channel `c` in bin `y` of the strip, without the border.
    pub fn row_mut(&mut self, c: usize, y: usize) -> &mut [f32] {
        let start = self.start(c, y);
        &mut self.data[start..start + self.frames]
    }

    fn start(&self, c: usize, y: usize) -> usize {
        let row = y + self.kernel.bins / 2;
        (row * self.channels + c) * self.width + self.kernel.frames / 2
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
    /// Takes the strip of `g`, without its surroundings.
    pub fn copy(&mut self, g: &Padded) {
        let stride = whole_vectors(g.channels);
        (self.channels, self.bins, self.frames, self.stride) =
            (g.channels, g.bins, g.frames, stride);
        self.data.clear();
        self.data.resize(g.bins * g.frames * stride, 0.0);
        let (frames, channels) = (g.frames, g.channels);
        for (y, to) in self.data.chunks_exact_mut(frames * stride).enumerate() {
            for c in 0..channels {
                for (to, from) in to[c..].iter_mut().step_by(stride).zip(g.row(c, y)) {
                    *to = *from;
                }
            }
        }
    }
}
