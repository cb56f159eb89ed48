//! The symbols of a segment a frame at a time, as decoders take them.

use super::{Kept, Mask, Phases, Segment, SparseImage};
use crate::error::Result;
use crate::header::{Header, MaskKind, PhaseKind};
use crate::memory::Memory;
use alloc::vec::Vec;

/// The symbols of one frame of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Of every bin: value + 1 where the pixel is kept, else 0.
    pub kept: &'a [u16],
    /// Threshold index of the ridge mask, in threshold steps above the origin.
    pub threshold: Option<u8>,
    /// Indices of the waveform layer, lowest first; empty without the layer.
    pub waveform: &'a [i16],
    /// Level indices of the lattice column that begins at this frame, lowest band first.
    pub column: Option<&'a [u8]>,
    /// Of every bin: index + 1 where a phase is stored, else 0; empty without stored phases.
    pub angles: &'a [u16],
}

/// What a header says about the sizes of its segments' symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) bins: usize,
    pub(crate) channels: usize,
    pub(crate) coefficients: usize,
    /// Bands of the lattice and frames of its step; no bands without a lattice.
    pub(crate) bands: usize,
    pub(crate) every: usize,
    pub(crate) ridge: bool,
    pub(crate) phases: bool,
}

impl Shape {
    pub(crate) fn of(header: &Header) -> Self {
        Shape {
            bins: header.stft.bins(),
            channels: usize::from(header.coded.channels),
            coefficients: header.coefficients(),
            bands: header.lattice.map_or(0, |shape| usize::from(shape.bands)),
            every: header
                .lattice
                .map_or(1, |shape| usize::from(shape.every.max(1))),
            ridge: matches!(header.mask, MaskKind::Ridge { .. }),
            phases: header.phase != PhaseKind::None,
        }
    }

    /// Level indices of `frames` frames.
    pub(crate) fn cells(&self, frames: usize) -> usize {
        self.bands * frames.div_ceil(self.every)
    }

    /// Bins that have a phase or none.
    pub(crate) fn angles(&self) -> usize {
        if self.phases {
            self.bins
        } else {
            0
        }
    }
}

/// A decoded segment, lent by what decoded it.
#[derive(Debug, Clone, Copy)]
pub struct SegmentView<'a> {
    pub(crate) shape: Shape,
    pub(crate) index: u32,
    pub(crate) frames: usize,
    // Channel by channel, within a channel frame by frame.
    pub(crate) kept: &'a [u16],
    pub(crate) thresholds: &'a [u8],
    pub(crate) waveform: &'a [i16],
    pub(crate) lattice: &'a [u8],
    pub(crate) angles: &'a [u16],
}

impl<'a> SegmentView<'a> {
    /// Position in the stream, from 0.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Frames of every channel.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Coded channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.shape.channels
    }

    /// The symbols of a frame of a channel.
    ///
    /// # Panics
    /// If there is no such channel or frame.
    #[must_use]
    pub fn row(&self, channel: usize, frame: usize) -> Row<'a> {
        assert!(
            channel < self.shape.channels && frame < self.frames,
            "no such row"
        );
        let Shape {
            bins,
            coefficients,
            bands,
            every,
            ridge,
            ..
        } = self.shape;
        let row = channel * self.frames + frame;
        Row {
            kept: &self.kept[row * bins..][..bins],
            threshold: ridge.then(|| self.thresholds[row]),
            waveform: &self.waveform[row * coefficients..][..coefficients],
            column: (bands > 0 && frame % every == 0).then(|| {
                let column = channel * self.frames.div_ceil(every) + frame / every;
                &self.lattice[column * bands..][..bands]
            }),
            angles: &self.angles[row * self.shape.angles()..][..self.shape.angles()],
        }
    }

    /// The same symbols, owned.
    #[must_use]
    pub fn to_segment(&self) -> Segment {
        let channels = (0..self.shape.channels).map(|channel| self.image(channel));
        Segment {
            index: self.index,
            channels: channels.collect(),
        }
    }

    fn image(&self, channel: usize) -> SparseImage {
        let (shape, frames) = (self.shape, self.frames);
        let there = |symbols: &[u16]| symbols.iter().map(|&q| q != 0).collect::<Mask>();
        let symbols = of_channel(self.kept, channel, shape.bins * frames);
        let values = symbols.iter().filter(|&&q| q != 0).map(|&q| (q - 1) as u8);
        let (mask, values) = (there(symbols), values.collect());
        let angles = of_channel(self.angles, channel, shape.angles() * frames);
        SparseImage {
            bins: shape.bins,
            frames,
            kept: if shape.ridge {
                let waveform = of_channel(self.waveform, channel, shape.coefficients * frames);
                Kept::Ridge {
                    mask,
                    values,
                    thresholds: of_channel(self.thresholds, channel, frames).to_vec(),
                    waveform: waveform.to_vec(),
                }
            } else {
                Kept::Scattered { mask, values }
            },
            lattice: of_channel(self.lattice, channel, shape.cells(frames)).to_vec(),
            phases: Phases {
                mask: there(angles),
                angles: angles
                    .iter()
                    .filter(|&&q| q != 0)
                    .map(|&q| q - 1)
                    .collect::<Vec<_>>(),
            },
        }
    }
}

fn of_channel<T>(all: &[T], channel: usize, each: usize) -> &[T] {
    &all[channel * each..][..each]
}

/// Room for a row, in which the frames of images that are held otherwise are laid out.
#[derive(Debug)]
pub struct RowBuffer<M: Memory> {
    shape: Shape,
    kept: M::Of<u16>,
    waveform: M::Of<i16>,
    column: M::Of<u8>,
    angles: M::Of<u16>,
}

impl<M: Memory> RowBuffer<M> {
    /// Takes the memory for rows of streams with this header.
    ///
    /// # Errors
    /// Those of [`Memory::take`].
    pub fn new(header: &Header, memory: &mut M) -> Result<Self> {
        let shape = Shape::of(header);
        Ok(RowBuffer {
            shape,
            kept: memory.take(shape.bins)?,
            waveform: memory.take(shape.coefficients)?,
            column: memory.take(shape.bands)?,
            angles: memory.take(shape.angles())?,
        })
    }

    /// The symbols of a frame of an image that fits the header ([`SparseImage::check`]).
    ///
    /// # Panics
    /// If it does not, or there is no such frame.
    pub fn row(&mut self, image: &SparseImage, frame: usize) -> Row<'_> {
        let Shape {
            bins,
            coefficients,
            bands,
            every,
            ..
        } = self.shape;
        let lay = |row: &mut [u16], mask: &Mask, symbol: &dyn Fn(usize) -> u16| {
            let first = mask[..frame * bins].count_ones();
            row.fill(0);
            for (n, bin) in mask[frame * bins..][..bins].iter_ones().enumerate() {
                row[bin] = symbol(first + n) + 1;
            }
        };
        let values = image.values();
        lay(&mut self.kept, image.mask(), &|n| u16::from(values[n]));
        if self.shape.phases {
            let Phases { mask, angles } = &image.phases;
            lay(&mut self.angles, mask, &|n| angles[n]);
        }
        let waveform = image.waveform();
        self.waveform
            .copy_from_slice(&waveform[frame * coefficients..][..coefficients]);
        let begins = bands > 0 && frame % every == 0;
        if begins {
            self.column
                .copy_from_slice(&image.lattice[frame / every * bands..][..bands]);
        }
        let threshold = image.thresholds().get(frame).copied();
        self.lend(threshold, begins)
    }

    /// Frame `frame` of a segment that is lost: nothing is kept, no phase is stored, threshold and background lie at the
    /// origin.
    pub fn silent(&mut self, frame: usize) -> Row<'_> {
        self.kept.fill(0);
        self.waveform.fill(0);
        self.column.fill(0);
        self.angles.fill(0);
        let begins = self.shape.bands > 0 && frame % self.shape.every == 0;
        self.lend(self.shape.ridge.then_some(0), begins)
    }

    fn lend(&self, threshold: Option<u8>, begins: bool) -> Row<'_> {
        Row {
            kept: &self.kept,
            threshold,
            waveform: &self.waveform,
            column: begins.then_some(&*self.column),
            angles: &self.angles,
        }
    }
}
