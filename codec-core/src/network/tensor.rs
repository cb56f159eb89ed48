//! What flows between operations: numbers, and which pixels were observed. Frames are counted from the start of the
//! stream, on the tensor's own grid; a tensor holds a run of them.

use alloc::vec::Vec;
use core::ops::Range;

/// Numbers of frames x bins x channels, the channel fastest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    /// First frame held.
    start: usize,
    pub bins: usize,
    pub channels: usize,
    pub data: Vec<f32>,
    /// One a pixel, one if it carries information; `None` if every pixel does.
    pub observed: Option<Vec<u8>>,
}

impl Tensor {
    /// A tensor without frames; one that may have unobserved pixels if `sparse`.
    pub fn new(bins: usize, channels: usize, sparse: bool) -> Self {
        Tensor {
            start: 0,
            bins,
            channels,
            data: Vec::new(),
            observed: sparse.then(Vec::new),
        }
    }

    /// Numbers of a frame.
    pub fn row(&self) -> usize {
        self.bins * self.channels
    }

    /// Frames held.
    pub fn frames(&self) -> Range<usize> {
        self.start..self.start + self.data.len() / self.row().max(1)
    }

    /// Appends `frames` frames of zeros, all observed.
    pub fn grow(&mut self, frames: usize) {
        self.data.resize(self.data.len() + frames * self.row(), 0.0);
        if let Some(observed) = &mut self.observed {
            observed.resize(observed.len() + frames * self.bins, 1);
        }
    }

    /// Forgets the frames before `frame`.
    pub fn drop_before(&mut self, frame: usize) {
        let drop = frame.saturating_sub(self.start).min(self.frames().len());
        self.data.drain(..drop * self.row());
        if let Some(observed) = &mut self.observed {
            observed.drain(..drop * self.bins);
        }
        self.start += drop;
    }

    /// The numbers of some frames.
    pub fn at(&self, frames: Range<usize>) -> &[f32] {
        let row = self.row();
        &self.data[(frames.start - self.start) * row..(frames.end - self.start) * row]
    }

    /// The same, to be written.
    pub fn at_mut(&mut self, frames: Range<usize>) -> &mut [f32] {
        let row = self.row();
        &mut self.data[(frames.start - self.start) * row..(frames.end - self.start) * row]
    }

    /// The channels of one pixel.
    pub fn pixel(&self, frame: usize, bin: usize) -> &[f32] {
        &self.data[((frame - self.start) * self.bins + bin) * self.channels..][..self.channels]
    }

    /// Which pixels of a frame are observed; `None` if all are.
    pub fn observed(&self, frame: usize) -> Option<&[u8]> {
        let all = self.observed.as_ref()?;
        Some(&all[(frame - self.start) * self.bins..][..self.bins])
    }

    /// The same, to be written.
    pub fn observed_mut(&mut self, frame: usize) -> Option<&mut [u8]> {
        let all = self.observed.as_mut()?;
        Some(&mut all[(frame - self.start) * self.bins..][..self.bins])
    }
}

/// What an operation reads: tensors of one grid, their channels one after the other. This is all there is to a
/// concatenation.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    parts: &'a [&'a Tensor],
}

impl<'a> View<'a> {
    /// There is at least one part.
    pub fn new(parts: &'a [&'a Tensor]) -> Self {
        View { parts }
    }

    pub fn parts(&self) -> &'a [&'a Tensor] {
        self.parts
    }

    pub fn bins(&self) -> usize {
        self.parts[0].bins
    }

    /// Frames that all parts hold.
    pub fn frames(&self) -> Range<usize> {
        self.parts
            .iter()
            .map(|part| part.frames())
            .fold(0..usize::MAX, |all, part| {
                all.start.max(part.start)..all.end.min(part.end)
            })
    }

    /// Writes the channels of a pixel.
    pub fn copy(&self, frame: usize, bin: usize, out: &mut [f32]) {
        let mut rest = out;
        for part in self.parts {
            let (here, after) = rest.split_at_mut(part.channels);
            here.copy_from_slice(part.pixel(frame, bin));
            rest = after;
        }
    }

    /// Writes which pixels of a frame are observed: those that are in any part.
    pub fn observed(&self, frame: usize, out: &mut [u8]) {
        out.fill(0);
        for part in self.parts {
            match part.observed(frame) {
                Some(observed) => out.iter_mut().zip(observed).for_each(|(o, p)| *o |= p),
                None => out.fill(1),
            }
        }
    }

    /// Whether some pixels may be unobserved.
    pub fn is_sparse(&self) -> bool {
        self.parts.iter().all(|part| part.observed.is_some())
    }
}
