//! The network's input planes (Spec §8.1).

use crate::quantise::levels::decibels;
use codec_format::model::graph::Plane;
use core::ops::Range;
use ndarray::{s, Array2};

/// One frame of planes, levels in 1/16 dB above the origin; every slice has one number a bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaneRow<'a> {
    /// Kept values; zero elsewhere.
    pub values: &'a [i16],
    /// Kept values where there are some, the background elsewhere.
    pub image: &'a [i16],
    /// The interpolated lattice; zero without one. Below a ridge threshold everywhere.
    pub background: &'a [i16],
    /// One where a pixel is kept, else zero.
    pub kept: &'a [u8],
}

/// The planes of a whole image, each frames x bins in dB above the origin ([`Planes::mask`] is 0 or 1).
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

    /// One plane by its name in the model file; [`Plane::Levels`] is none of a decoder's.
    #[must_use]
    pub fn get(&self, plane: Plane) -> Option<&Array2<f32>> {
        match plane {
            Plane::Values => Some(&self.values),
            Plane::Image => Some(&self.image),
            Plane::Background => Some(&self.background),
            Plane::Mask => Some(&self.mask),
            Plane::Levels => None,
        }
    }

    /// Keeps the pixel at (frame, bin) with this value.
    pub fn keep(&mut self, at: (usize, usize), value: f32) {
        self.values[at] = value;
        self.image[at] = value;
        self.mask[at] = 1.0;
    }

    /// Writes a frame, of those held.
    pub fn set(&mut self, frame: usize, row: &PlaneRow<'_>) {
        let level = |&x: &i16| decibels(i32::from(x));
        let write = |plane: &mut Array2<f32>, levels: &[i16]| {
            for (y, x) in plane.row_mut(frame).iter_mut().zip(levels) {
                *y = level(x);
            }
        };
        write(&mut self.values, row.values);
        write(&mut self.image, row.image);
        write(&mut self.background, row.background);
        for (y, &kept) in self.mask.row_mut(frame).iter_mut().zip(row.kept) {
            *y = f32::from(kept);
        }
    }

    /// The frames `range`, of those held.
    #[must_use]
    pub fn frames_of(&self, range: Range<usize>) -> Planes {
        let cut = |plane: &Array2<f32>| {
            let part = plane.slice(s![range.clone(), ..]);
            // ndarray's debug assertions reject an owned copy of an empty view.
            Array2::from_shape_fn(part.dim(), |at| part[at])
        };
        Planes {
            values: cut(&self.values),
            image: cut(&self.image),
            background: cut(&self.background),
            mask: cut(&self.mask),
        }
    }
}
