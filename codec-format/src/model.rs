//! A completion network as data: what a model file holds (Spec §7).
//!
//! This module names the parts; [`crate::model_file`] reads and writes their bytes.

pub mod graph;
pub mod op;

use crate::header::Stft;
use alloc::string::String;
use alloc::vec::Vec;

/// A network and all it takes to use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Sample rate the network was trained for, Hz.
    pub rate: u32,
    /// The coded grid the network expects.
    pub stft: Stft,
    /// Fine frames made from each coded one (sub-pixel output in time): 1, 2, 4 or 8. The synthesis hop
    /// is the coded hop divided by it.
    pub upsampling: u8,
    /// How levels enter the network.
    pub normalisation: Normalisation,
    /// Whether the output is a correction to the layered image, interpolated linearly in time, rather
    /// than the image itself.
    pub residual: bool,
    /// The layers in order; the last one has `upsampling` output channels.
    pub layers: Vec<Layer>,
    /// How the network came about, as `KEY=value` pairs: training data hash, seed, date, command.
    pub metadata: Vec<(String, String)>,
}

/// A level of `x` dB above the origin enters as `(x - offset) / scale`; outputs leave the other way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// dB above the origin that map to zero.
    pub offset: f32,
    /// dB that map to one; positive.
    pub scale: f32,
}

/// What a layer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An input plane.
    Plane(Plane),
    /// The output of an earlier layer, counted from 0.
    Layer(u8),
}

/// Input planes on the coded grid, one channel each. Only [`Plane::Values`] is sparse: its observation
/// mask is the mask; every other plane is observed everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Kept values, normalised; zero elsewhere.
    Values,
    /// Kept values where there are some, the interpolated background elsewhere, normalised.
    Image,
    /// The background lattice, interpolated to every pixel, normalised (zero without a lattice).
    Background,
    /// The mask: one where the pixel is kept, zero elsewhere.
    Mask,
}

/// Convolution kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convolution {
    /// Zero-padded to the same size.
    Plain,
    /// Sparsity-invariant (Uhrig et al. 2017, eq. 2 and 3): of each source, the sum over observed pixels
    /// divided by their number, times the kernel's area; then the bias. The mask spreads by max pooling.
    Sparse,
}

/// What follows the convolution.
#[derive(Debug, Clone, PartialEq)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `x` if positive, else `slope * x`; one slope per output channel.
    Prelu(Vec<f32>),
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Convolution kind.
    pub convolution: Convolution,
    /// What it reads, concatenated along the channels in this order.
    pub sources: Vec<Source>,
    /// An earlier layer whose output is added before the activation; it has the same channels.
    pub skip: Option<u8>,
    /// Kernel height in bins, odd.
    pub kernel_bins: u8,
    /// Kernel width in frames, odd.
    pub kernel_frames: u8,
    /// Input channels: the sum over the sources.
    pub inputs: u16,
    /// Output channels.
    pub outputs: u16,
    /// `outputs x inputs x kernel_bins x kernel_frames`, the last index fastest.
    pub weights: Vec<f32>,
    /// One per output channel.
    pub bias: Vec<f32>,
    /// What follows.
    pub activation: Activation,
}

/// How weights are stored in a model file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightCoding {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// Signed bytes with one f32 scale per output channel; biases and slopes stay binary32.
    I8,
}
