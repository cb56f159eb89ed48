//! The symbols a segment carries: everything the entropy coder turns into bytes and back.
//!
//! A *pixel* is one bin of one frame. All images here are bins x frames and are stored frame by
//! frame, lowest bin first: pixel index = `frame * bins + bin`.

use alloc::vec::Vec;
use bitvec::vec::BitVec;

/// Which pixels are kept: one bit a pixel, in pixel order.
pub type Mask = BitVec<u8, bitvec::order::Lsb0>;

/// The sparse image of one channel of one segment (Spec §5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparseImage {
    /// Bins in a frame: `n_fft / 2 + 1`.
    pub bins: usize,
    /// Frames in this segment.
    pub frames: usize,
    /// The mask: `bins * frames` bits, set where the pixel is kept.
    pub mask: Mask,
    /// One level index per kept pixel, in pixel order. For the ridge mask an index counts steps above
    /// the frame's threshold; for every other mask it counts steps above the origin.
    pub values: Vec<u8>,
    /// Ridge mask only: one threshold index per frame, in threshold steps above the origin. Empty for
    /// every other mask kind.
    pub thresholds: Vec<u8>,
    /// Background lattice: `bands * steps` level indices in lattice steps above the origin, step by
    /// step, lowest band first; `steps = ceil(frames / every)`. Empty without a lattice.
    pub lattice: Vec<u8>,
    /// Stored phases. For [`PhaseKind::All`](crate::header::PhaseKind::All) the mask is full, for
    /// `Thresholded` it marks the pixels whose phase is stored, for `None` both fields are empty.
    pub phases: Phases,
    /// Waveform layer: `coefficients * frames` indices in steps, frame by frame, lowest first, from
    /// -[`MAX_INDEX`] to as much. Empty without the layer.
    pub waveform: Vec<i16>,
}

/// Largest magnitude of an index of the waveform layer (Spec §5.7).
pub const MAX_INDEX: i16 = 4095;

/// Stored phases of one channel of one segment (Spec §5.6).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phases {
    /// The pixels whose phase is stored; empty for phase kind *none*.
    pub mask: Mask,
    /// One index per stored phase in pixel order: the phase is `2 pi index / 2^bits`.
    pub angles: Vec<u16>,
}

/// One segment: an index and one sparse image per coded channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Position in the stream, from 0.
    pub index: u32,
    /// One image per coded channel, all with the same frame count.
    pub channels: Vec<SparseImage>,
}
