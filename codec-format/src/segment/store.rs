//! The symbols of one segment while they are coded, in either direction.

use crate::error::Result;
use crate::memory::Memory;
use crate::symbols::{Segment, SegmentView, Shape};

/// Symbols channel by channel, within a channel frame by frame. Zero means "not there" in `kept` and `angles`, so that
/// the same code reads the symbols when it encodes and fills them when it decodes.
#[derive(Debug)]
pub(super) struct Store<M: Memory> {
    pub(super) shape: Shape,
    pub(super) frames: usize,
    /// Value + 1 of kept pixels.
    kept: M::Of<u16>,
    thresholds: M::Of<u8>,
    waveform: M::Of<i16>,
    lattice: M::Of<u8>,
    /// Angle + 1 of stored phases.
    angles: M::Of<u16>,
}

/// The symbols of a frame of a channel, to be read or to be filled in.
#[derive(Debug)]
pub(super) struct RowMut<'a> {
    pub(super) kept: &'a mut [u16],
    /// One index, or none.
    pub(super) threshold: &'a mut [u8],
    pub(super) waveform: &'a mut [i16],
    /// Of the lattice column that begins here, or empty.
    pub(super) column: &'a mut [u8],
    pub(super) angles: &'a mut [u16],
}

impl<M: Memory> Store<M> {
    /// Takes the memory for segments of up to `frames` frames.
    pub(super) fn new(shape: Shape, frames: usize, memory: &mut M) -> Result<Self> {
        let rows = shape.channels * frames;
        Ok(Store {
            shape,
            frames,
            kept: memory.take(rows * shape.bins)?,
            thresholds: memory.take(if shape.ridge { rows } else { 0 })?,
            waveform: memory.take(rows * shape.coefficients)?,
            lattice: memory.take(shape.channels * shape.cells(frames))?,
            angles: memory.take(rows * shape.angles())?,
        })
    }

    /// Begins a segment of so many frames, of which nothing is known.
    pub(super) fn begin(&mut self, frames: usize) {
        self.frames = frames;
        let rows = self.shape.channels * frames;
        self.kept[..rows * self.shape.bins].fill(0);
        self.angles[..rows * self.shape.angles()].fill(0);
    }

    /// Fills in the symbols of a segment that fits the header. With values that are not `coded` only their places count:
    /// the decoder has no use for them in contexts.
    pub(super) fn fill(&mut self, segment: &Segment, coded: bool) {
        self.begin(segment.frames());
        for (channel, image) in segment.channels.iter().enumerate() {
            let kept = self.kept_mut(channel);
            for (pixel, &value) in image.mask().iter_ones().zip(image.values()) {
                kept[pixel] = if coded { u16::from(value) + 1 } else { 1 };
            }
            put(&mut self.thresholds, channel, image.thresholds());
            put(&mut self.waveform, channel, image.waveform());
            put(&mut self.lattice, channel, &image.lattice);
            let each = self.frames * self.shape.angles();
            let angles = &mut self.angles[channel * each..][..each];
            for (pixel, &angle) in image.phases.mask.iter_ones().zip(&image.phases.angles) {
                angles[pixel] = angle + 1;
            }
        }
    }

    /// All pixels of a channel: value + 1 of those kept.
    pub(super) fn kept_mut(&mut self, channel: usize) -> &mut [u16] {
        let each = self.frames * self.shape.bins;
        &mut self.kept[channel * each..][..each]
    }

    /// A frame of a channel.
    pub(super) fn row(&mut self, channel: usize, frame: usize) -> RowMut<'_> {
        let Shape {
            bins,
            coefficients,
            bands,
            every,
            ridge,
            ..
        } = self.shape;
        let row = channel * self.frames + frame;
        let column = channel * self.frames.div_ceil(every) + frame / every;
        let bands = if frame % every == 0 { bands } else { 0 };
        let angles = self.shape.angles();
        RowMut {
            kept: &mut self.kept[row * bins..][..bins],
            threshold: if ridge {
                &mut self.thresholds[row..=row]
            } else {
                &mut []
            },
            waveform: &mut self.waveform[row * coefficients..][..coefficients],
            column: &mut self.lattice[column * bands..][..bands],
            angles: &mut self.angles[row * angles..][..angles],
        }
    }

    /// The segment as it stands.
    pub(super) fn view(&self, index: u32) -> SegmentView<'_> {
        SegmentView {
            shape: self.shape,
            index,
            frames: self.frames,
            kept: &self.kept,
            thresholds: &self.thresholds,
            waveform: &self.waveform,
            lattice: &self.lattice,
            angles: &self.angles,
        }
    }
}

fn put<T: Copy>(all: &mut [T], channel: usize, symbols: &[T]) {
    all[channel * symbols.len()..][..symbols.len()].copy_from_slice(symbols);
}
