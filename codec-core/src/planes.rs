//! The input planes of the network, from decoded symbols (Spec §8.1).

use crate::image::drop_front;
use crate::lattice::Lattice;
use crate::levels;
use crate::policy::threshold_step;
use codec_format::header::{Header, MaskKind};
use codec_format::model::Plane;
use codec_format::symbols::SparseImage;
use ndarray::{Array2, Axis};

/// Input planes, each frames x bins in dB above the origin ([`Planes::mask`] is 0 or 1).
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    /// Kept values; zero elsewhere.
    pub values: Array2<f32>,
    /// Kept values where there are some, the background elsewhere.
    pub image: Array2<f32>,
    /// The interpolated lattice; zero without one. Below a ridge threshold everywhere.
    pub background: Array2<f32>,
    /// One where a pixel is kept.
    pub mask: Array2<f32>,
}

impl Planes {
    /// Empty planes of `frames` x `bins`.
    #[must_use]
    pub fn zeros(frames: usize, bins: usize) -> Self {
        let zero = Array2::zeros((frames, bins));
        Planes {
            values: zero.clone(),
            image: zero.clone(),
            background: zero.clone(),
            mask: zero,
        }
    }

    /// Frames held.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.mask.nrows()
    }

    /// Bins of a frame.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.mask.ncols()
    }

    /// One plane by its name in the model file.
    #[must_use]
    pub fn get(&self, plane: Plane) -> &Array2<f32> {
        match plane {
            Plane::Values => &self.values,
            Plane::Image => &self.image,
            Plane::Background => &self.background,
            Plane::Mask => &self.mask,
        }
    }

    fn each(&mut self) -> [&mut Array2<f32>; 4] {
        [
            &mut self.values,
            &mut self.image,
            &mut self.background,
            &mut self.mask,
        ]
    }

    /// Appends the frames of `other`, which has as many bins.
    pub fn append(&mut self, other: &Planes) {
        let parts = [&other.values, &other.image, &other.background, &other.mask];
        for (plane, part) in self.each().into_iter().zip(parts) {
            // Equal bin counts are the caller's promise; unequal ones add nothing.
            let _ = plane.append(Axis(0), part.view());
        }
    }

    /// Drops the first `frames` frames.
    pub fn drop_front(&mut self, frames: usize) {
        for plane in self.each() {
            *plane = drop_front(plane, frames);
        }
    }
}

/// The planes of one segment of one channel. The neighbouring segments give the lattice something to
/// interpolate towards; at the ends of a stream they are `None`.
#[must_use]
pub fn planes(
    header: &Header,
    lattice: Option<&Lattice>,
    before: Option<&SparseImage>,
    current: &SparseImage,
    after: Option<&SparseImage>,
) -> Planes {
    let (frames, bins) = (current.frames, current.bins);
    let mut out = Planes::zeros(frames, bins);
    let ridge = matches!(header.mask, MaskKind::Ridge { .. });
    let step = threshold_step(header);
    for frame in 0..frames {
        let mut row = out.background.row_mut(frame);
        if let (Some(lattice), Some(row)) = (lattice, row.as_slice_mut()) {
            lattice.fill(before, current, after, frame, row);
        }
        if ridge {
            // A pixel that is not kept lies below its frame's threshold.
            let base = levels::threshold(
                step,
                current.thresholds().get(frame).copied().unwrap_or(u8::MAX),
            );
            row.iter_mut()
                .for_each(|x| *x = if *x < base { *x } else { base });
        }
    }
    out.image.assign(&out.background);
    for (pixel, &index) in current.mask().iter_ones().zip(current.values()) {
        let at = (pixel / bins, pixel % bins);
        let base = match current.thresholds().get(at.0) {
            Some(&index) if ridge => levels::threshold(step, index),
            _ => 0.0,
        };
        let value = levels::ridge_value(&header.quantiser, base, index);
        out.values[at] = value;
        out.image[at] = value;
        out.mask[at] = 1.0;
    }
    out
}
