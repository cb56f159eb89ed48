//! Networks as data: what a model file holds (Spec §7).
//!
//! [`graph`] and [`op`] name the parts of a network, `check` its rules, `file` its bytes, `reach` what it takes to run
//! one on a stream.

mod check;
mod file;
pub mod graph;
pub mod op;
mod reach;
pub mod shape;

use crate::header::Stft;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;
use graph::{Graph, Shape};
pub use reach::Reach;

/// A completion network, all it takes to use it, and perhaps an analysis network for the encoder.
///
/// Every `Model` keeps the rules of Spec §7.8: it is checked when it is built or read, and never again. Its parts are
/// there to look at; to change them, take them out and build another.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    parts: Parts,
    /// Of the nodes of completion and analysis.
    shapes: [Vec<Shape>; 2],
}

/// The parts of a [`Model`], not checked yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Sample rate the network was trained for, Hz.
    pub rate: u32,
    /// The coded grid the network expects.
    pub stft: Stft,
    /// What the numbers of the networks are.
    pub arithmetic: Arithmetic,
    /// How levels enter the networks.
    pub normalisation: Normalisation,
    /// Whether the output is a correction to the layered image, interpolated linearly in time, rather
    /// than the image itself.
    pub residual: bool,
    /// From the planes of kept values to the dense image: one channel, on every bin, one or more fine frames to a coded
    /// one.
    pub completion: Graph,
    /// From [`Levels`](graph::Plane::Levels) to whatever the encoder makes use of.
    pub analysis: Option<Graph>,
    /// How the network came about, as `KEY=value` pairs: training data hash, seed, date, command.
    pub metadata: Vec<(String, String)>,
}

/// What the numbers of a network are: all of one kind in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// IEEE binary32.
    Real,
    /// Whole numbers of 16 bits, in units of 1/16 dB; sums of 32 bits that cannot overflow.
    Whole,
}

/// Units of whole-number networks in a dB.
pub const PER_DB: f32 = 16.0;

/// A level of `x` dB above the origin enters as `(x - offset) / scale`; outputs leave the other way. In whole-number
/// networks it enters as `16 (x - offset)`, and the mask's one as `16 scale`: there everything is in 1/16 dB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// dB above the origin that map to zero.
    pub offset: f32,
    /// dB that map to one; positive.
    pub scale: f32,
}

impl Normalisation {
    /// Offset and scale as whole-number networks have them, in 1/16 dB: what maps to zero, and what a kept pixel of the
    /// mask is. `None` if they are no whole numbers of 16 bits.
    #[must_use]
    pub fn whole(&self) -> Option<(i16, i16)> {
        let whole = |x: f32| {
            let units = x * PER_DB;
            (f32::from(units as i16) == units).then_some(units as i16)
        };
        Some((whole(self.offset)?, whole(self.scale)?))
    }

    /// Offset and scale of these numbers of 1/16 dB.
    #[must_use]
    pub fn of_whole(offset: i16, one: i16) -> Self {
        Normalisation {
            offset: f32::from(offset) / PER_DB,
            scale: f32::from(one) / PER_DB,
        }
    }
}

/// How binary32 weights are stored in a model file. Whole ones are stored as they are, in as few bytes as hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightCoding {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// Signed bytes with one f32 scale per output channel; biases and slopes stay binary32.
    I8,
}

impl Deref for Model {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Model {
    /// The parts, to be changed and checked anew.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        self.parts
    }

    /// The shapes of the completion graph's outputs, node by node.
    #[must_use]
    pub fn completion_shapes(&self) -> &[Shape] {
        &self.shapes[0]
    }

    /// The shapes of the analysis graph's outputs, node by node; none without such a graph.
    #[must_use]
    pub fn analysis_shapes(&self) -> &[Shape] {
        &self.shapes[1]
    }

    /// Fine frames made from each coded one: 1, 2, 4 or 8. The synthesis hop is the coded hop divided by it.
    #[must_use]
    pub fn upsampling(&self) -> u8 {
        let finer = self.shapes[0].last().map_or(0, |shape| -shape.grid.frames);
        1 << finer.clamp(0, 3)
    }
}
