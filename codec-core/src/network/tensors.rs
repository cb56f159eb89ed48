//! What flows between operations, and where it is kept: rings of rows, one row a channel and frame.

use super::number::Number;
use super::plan::points;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::graph::{Grid, Shape};

/// What keeps the latest frames of some operation's output.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub channels: usize,
    pub grid: Grid,
    /// Whether some pixels may be unobserved.
    pub sparse: bool,
    /// Frames kept.
    pub rows: usize,
    /// Its place in memory, perhaps shared.
    pub home: usize,
    /// Zeros before and behind each row, where kernels read beyond it.
    pub margins: [usize; 2],
}

impl Slot {
    pub fn of(shape: Shape) -> Self {
        Slot {
            channels: usize::from(shape.channels),
            grid: shape.grid,
            sparse: shape.sparse,
            rows: 1,
            home: 0,
            margins: [0; 2],
        }
    }

    /// Pixels of a frame where the coded grid has `bins`.
    pub fn bins(&self, bins: usize) -> usize {
        Grid::points(self.grid.bins, bins)
    }

    /// Numbers from one row to the next.
    pub fn pitch(&self, bins: usize) -> usize {
        self.margins[0] + self.bins(bins) + self.margins[1]
    }

    /// Numbers kept.
    pub fn numbers(&self, bins: usize) -> usize {
        self.rows * self.channels * self.pitch(bins)
    }

    /// Marks of pixels kept.
    pub fn marks(&self, bins: usize) -> usize {
        if self.sparse && self.channels > 0 {
            self.rows * self.bins(bins)
        } else {
            0
        }
    }
}

/// What an operation reads: outputs on one grid, their channels one after the other. This is all there is to a
/// concatenation.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// What computes them.
    pub sources: Vec<usize>,
    /// The slots they are kept in.
    pub slots: Vec<usize>,
    /// The slot of every channel, and which of its channels it is.
    pub channels: Vec<(usize, usize)>,
    /// Whether some pixels may be unobserved.
    pub sparse: bool,
}

impl View {
    pub fn of(source: usize, slot: usize, shape: Shape) -> Self {
        View {
            sources: vec![source],
            slots: vec![slot],
            channels: (0..usize::from(shape.channels))
                .map(|channel| (slot, channel))
                .collect(),
            sparse: shape.sparse,
        }
    }

    pub fn concat(parts: Vec<View>) -> Self {
        let mut all = View {
            sparse: true,
            ..View::default()
        };
        for part in parts {
            all.sources.extend(part.sources);
            all.slots.extend(part.slots);
            all.channels.extend(part.channels);
            all.sparse &= part.sparse;
        }
        all
    }

    /// Reads from another slot what it read from this one.
    pub fn rename(&mut self, from: usize, to: usize) {
        let channels = self.channels.iter_mut().map(|(slot, _)| slot);
        for slot in self.slots.iter_mut().chain(channels) {
            if *slot == from {
                *slot = to;
            }
        }
    }
}

/// All that is kept, but for the frame that is being written.
pub(super) struct Kept<'a, N> {
    pub slots: &'a [Slot],
    /// Where each slot's numbers and marks begin.
    pub places: &'a [[u64; 2]],
    /// Bins of the coded grid.
    pub bins: usize,
    /// Coded frames of the image, as far as it is known.
    pub frames: u64,
    pub numbers: Split<'a, N>,
    pub marks: Split<'a, u8>,
}

/// A buffer without the part of it that is being written.
pub(super) struct Split<'a, T> {
    before: &'a [T],
    after: &'a [T],
    /// Where the latter begins.
    resumes: usize,
}

impl<'a, T> Split<'a, T> {
    /// Takes `len` numbers from `at` on out of a buffer.
    pub fn new(buffer: &'a mut [T], at: usize, len: usize) -> (Self, &'a mut [T]) {
        let (before, rest) = buffer.split_at_mut(at);
        let (out, after) = rest.split_at_mut(len);
        let resumes = at + len;
        let split = Split {
            before,
            after,
            resumes,
        };
        (split, out)
    }

    fn get(&self, at: usize, len: usize) -> &'a [T] {
        if at < self.before.len() {
            &self.before[at..at + len]
        } else {
            &self.after[at - self.resumes..][..len]
        }
    }
}

/// Reads rows one after the other, and need not look for those of the frame it read last.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a, N> {
    /// Slot and frame read last.
    last: Option<(usize, u64)>,
    /// All rows of it.
    rows: &'a [N],
    pitch: usize,
    margin: usize,
    width: usize,
}

impl<N> Default for Reader<'_, N> {
    fn default() -> Self {
        Reader {
            last: None,
            rows: &[],
            pitch: 0,
            margin: 0,
            width: 0,
        }
    }
}

impl<'a, N: Number> Reader<'a, N> {
    /// One frame of one channel.
    pub fn row(&mut self, kept: &Kept<'a, N>, from: (usize, usize), frame: u64) -> &'a [N] {
        &self.row_from(kept, from, frame, 0)[..self.width]
    }

    /// The same from `before` bins before its first on, and with the zeros behind it. The slot must have as many before.
    pub fn row_from(
        &mut self,
        kept: &Kept<'a, N>,
        (at, channel): (usize, usize),
        frame: u64,
        before: usize,
    ) -> &'a [N] {
        if self.last != Some((at, frame)) {
            let slot = &kept.slots[at];
            *self = Reader {
                last: Some((at, frame)),
                rows: kept.frame(at, frame),
                pitch: slot.pitch(kept.bins),
                margin: slot.margins[0],
                width: slot.bins(kept.bins),
            };
        }
        &self.rows[channel * self.pitch..][self.margin - before..self.pitch]
    }
}

impl<'a, N: Number> Kept<'a, N> {
    /// Frames that the image has on the grid of this slot, as far as it is known.
    pub fn points(&self, slot: usize) -> u64 {
        points(self.slots[slot].grid, self.frames)
    }

    /// Bins that a slot's frames have.
    pub fn width(&self, slot: usize) -> usize {
        self.slots[slot].bins(self.bins)
    }

    /// One frame of one channel.
    pub fn row(&self, from: (usize, usize), frame: u64) -> &'a [N] {
        Reader::default().row(self, from, frame)
    }

    /// One frame of all channels.
    fn frame(&self, at: usize, frame: u64) -> &'a [N] {
        let slot = &self.slots[at];
        let all = slot.channels * slot.pitch(self.bins);
        let row = (frame % slot.rows as u64) as usize;
        self.numbers
            .get(self.places[at][0] as usize + row * all, all)
    }

    /// Which pixels of a frame are observed in this slot; `None` if all are.
    pub fn marks(&self, at: usize, frame: u64) -> Option<&'a [u8]> {
        let slot = &self.slots[at];
        if !slot.sparse {
            return None;
        }
        let width = slot.bins(self.bins);
        let row = (frame % slot.rows as u64) as usize;
        let start = self.places[at][1] as usize + row * width;
        Some(self.marks.get(start, width))
    }

    /// Adds to `out` which pixels of a frame of a view are observed: those that are in any part.
    pub fn unite(&self, view: &View, frame: u64, out: &mut [u8]) {
        for &slot in &view.slots {
            match self.marks(slot, frame) {
                Some(marks) => out.iter_mut().zip(marks).for_each(|(o, m)| *o |= m),
                None => out.fill(1),
            }
        }
    }
}
