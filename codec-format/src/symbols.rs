//! The symbols a segment carries: everything the entropy coder turns into bytes and back.
//!
//! A *pixel* is one bin of one frame. All images here are bins x frames and are stored frame by
//! frame, lowest bin first: pixel index = `frame * bins + bin`.

mod rows;

pub(crate) use rows::Shape;
pub use rows::{Row, RowBuffer, SegmentView};

use crate::error::{rule, Result};
use crate::header::{Header, MaskKind, PhaseKind};
use alloc::vec;
use alloc::vec::Vec;
use bitvec::vec::BitVec;

/// Which pixels are kept: one bit a pixel, in pixel order.
pub type Mask = BitVec<u8, bitvec::order::Lsb0>;

/// The sparse image of one channel of one segment (Spec §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseImage {
    /// Bins in a frame: `n_fft / 2 + 1`.
    pub bins: usize,
    /// Frames in this segment.
    pub frames: usize,
    /// The kept pixels.
    pub kept: Kept,
    /// Background lattice: `bands * steps` level indices in lattice steps above the origin, step by
    /// step, lowest band first; `steps = ceil(frames / every)`. Empty without a lattice.
    pub lattice: Vec<u8>,
    /// Stored phases. For [`PhaseKind::All`] the mask is full, for
    /// `Thresholded` it marks the pixels whose phase is stored, for `None` both fields are empty.
    pub phases: Phases,
}

/// Which pixels are kept, and their values: one level index per kept pixel, in pixel order. A mask has
/// `bins * frames` bits, set where the pixel is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Of the ridge mask: pixels above a threshold per frame.
    Ridge {
        /// The mask.
        mask: Mask,
        /// Steps above the frame's threshold.
        values: Vec<u8>,
        /// One index per frame, in threshold steps above the origin.
        thresholds: Vec<u8>,
        /// The waveform layer: `coefficients * frames` indices in steps, frame by frame, lowest first, from
        /// -[`MAX_INDEX`] to as much. Empty without the layer.
        waveform: Vec<i16>,
    },
    /// Of every other mask: pixels anywhere.
    Scattered {
        /// The mask.
        mask: Mask,
        /// Steps above the origin.
        values: Vec<u8>,
    },
}

impl SparseImage {
    /// The image of silence in a stream with this header: nothing is kept, thresholds and background lie at the
    /// origin, stored phases are zero.
    #[must_use]
    pub fn silent(header: &Header, frames: usize) -> Self {
        let bins = header.stft.bins();
        let mask = Mask::repeat(false, bins * frames);
        let values = Vec::new();
        SparseImage {
            bins,
            frames,
            kept: match header.mask {
                MaskKind::Ridge { .. } => Kept::Ridge {
                    mask,
                    values,
                    thresholds: vec![0; frames],
                    waveform: vec![0; header.coefficients() * frames],
                },
                _ => Kept::Scattered { mask, values },
            },
            lattice: vec![0; header.lattice.map_or(0, |shape| shape.cells(frames))],
            phases: match header.phase {
                PhaseKind::None => Phases::default(),
                PhaseKind::Thresholded { .. } => Phases {
                    mask: Mask::repeat(false, bins * frames),
                    angles: Vec::new(),
                },
                PhaseKind::All { .. } => Phases {
                    mask: Mask::repeat(true, bins * frames),
                    angles: vec![0; bins * frames],
                },
            },
        }
    }

    /// The mask.
    #[must_use]
    pub fn mask(&self) -> &Mask {
        match &self.kept {
            Kept::Ridge { mask, .. } | Kept::Scattered { mask, .. } => mask,
        }
    }

    /// One level index per kept pixel, in pixel order.
    #[must_use]
    pub fn values(&self) -> &[u8] {
        match &self.kept {
            Kept::Ridge { values, .. } | Kept::Scattered { values, .. } => values,
        }
    }

    /// One threshold index per frame; empty but for the ridge mask.
    #[must_use]
    pub fn thresholds(&self) -> &[u8] {
        match &self.kept {
            Kept::Ridge { thresholds, .. } => thresholds,
            Kept::Scattered { .. } => &[],
        }
    }

    /// The indices of the waveform layer, frame by frame; empty without one.
    #[must_use]
    pub fn waveform(&self) -> &[i16] {
        match &self.kept {
            Kept::Ridge { waveform, .. } => waveform,
            Kept::Scattered { .. } => &[],
        }
    }

    /// Holds the image against the header of its stream: every size, the range of every index, and no kept pixel
    /// where the waveform layer has them.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) names what does not fit.
    pub fn check(&self, header: &Header) -> Result<()> {
        let (bins, frames) = (header.stft.bins(), self.frames);
        let pixels = frames * bins;
        rule(
            self.bins == bins && self.mask().len() == pixels,
            "image with other bins than the header's, or a mask of another size",
        )?;
        rule(
            self.values().len() == self.mask().count_ones(),
            "values do not match the mask",
        )?;
        let ridge = matches!(header.mask, MaskKind::Ridge { .. });
        rule(
            ridge == matches!(self.kept, Kept::Ridge { .. }),
            "kept pixels of another kind than the header's mask",
        )?;
        if let Kept::Ridge {
            mask,
            thresholds,
            waveform,
            ..
        } = &self.kept
        {
            rule(thresholds.len() == frames, "thresholds: not one a frame")?;
            let covered = header.covered_bins();
            let free = |frame: &bitvec::slice::BitSlice<u8>| frame[..covered].not_any();
            rule(
                mask.chunks(bins).all(free),
                "kept pixels where the waveform layer has them",
            )?;
            rule(
                waveform.len() == header.coefficients() * frames,
                "waveform layer of another size than the header says",
            )?;
            rule(
                waveform
                    .iter()
                    .all(|q| q.unsigned_abs() <= MAX_INDEX as u16),
                "waveform index out of range",
            )?;
        }
        rule(
            self.lattice.len() == header.lattice.map_or(0, |shape| shape.cells(frames)),
            "lattice of another size than the header says",
        )?;
        let Phases { mask, angles } = &self.phases;
        let (wanted, bits) = match header.phase {
            PhaseKind::None => (0, 0),
            PhaseKind::Thresholded { bits, .. } | PhaseKind::All { bits } => (pixels, bits),
        };
        let all = matches!(header.phase, PhaseKind::All { .. });
        rule(
            mask.len() == wanted && angles.len() == mask.count_ones() && (!all || mask.all()),
            "phases do not match their mask or the header",
        )?;
        rule(
            angles.iter().all(|&angle| angle >> bits == 0),
            "phase index of more bits than the header says",
        )
    }
}

/// Largest magnitude of an index of the waveform layer (Spec §6.7).
pub const MAX_INDEX: i16 = 4095;

/// Stored phases of one channel of one segment (Spec §6.6).
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

impl Segment {
    /// Frames of every channel.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.channels.first().map_or(0, |image| image.frames)
    }
}
