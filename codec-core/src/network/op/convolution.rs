//! Convolutions (Spec §8.4): what the outputs of a tile read is laid side by side with zeros where there is no image,
//! then a kernel sums it up.

use super::Writing;
use crate::network::kernel::{Filter, Job, MOST_ROWS};
use crate::network::number::Number;
use crate::network::tensors::{Kept, Reader, View};
use crate::simd::{self, Kernel};
use codec_format::memory::Memory;
use codec_format::model::op::{Convolution, ConvolutionKind};

/// The numbers of a line, which of them count, and where the first is read.
type Line<'a, N> = (&'a [N], Option<&'a [u8]>, isize);

/// What convolutions write and read again.
#[derive(Debug)]
pub(in crate::network) struct Scratch<N: Number, M: Memory> {
    /// The lines of a tile.
    pub tile: M::Of<N::Cell>,
    /// Which pixels the frames of a kernel observe, how many of a bin, and how many of an output's window.
    pub marks: M::Of<u8>,
    pub columns: M::Of<u16>,
    pub counts: M::Of<u16>,
}

/// Where the lines of a convolution come from.
struct Lines<'a, N> {
    op: &'a Convolution,
    filter: &'a Filter,
    kept: &'a Kept<'a, N>,
    reader: Reader<'a, N>,
    input: &'a View,
    /// Frame of the output.
    frame: u64,
    /// First channel of the group.
    first: usize,
    /// Which pixels the frames of the kernel observe, where unobserved ones do not count.
    marks: Option<&'a [u8]>,
    /// Bins and frames of the input.
    width: usize,
    frames: u64,
}

impl<N: Number, M: Memory> Scratch<N, M> {
    /// Writes a frame.
    #[allow(clippy::too_many_arguments)]
    pub fn convolve(
        &mut self,
        op: &Convolution,
        filter: &Filter,
        weights: &N::Weights,
        kept: &Kept<'_, N>,
        input: &View,
        frame: u64,
        out: &mut Writing<'_, N>,
    ) {
        let Some(&slot) = input.slots.first() else {
            return;
        };
        let mut lines = Lines {
            op,
            filter,
            kept,
            reader: Reader::default(),
            input,
            frame,
            first: 0,
            marks: None,
            width: kept.width(slot),
            frames: kept.points(slot),
        };
        let sparse = op.kind == ConvolutionKind::Sparse;
        if sparse {
            lines.mark(&mut self.marks);
            lines.count(
                &self.marks,
                &mut self.columns,
                &mut self.counts[..out.width],
            );
            for (mark, &count) in out.marks.iter_mut().zip(self.counts.iter()) {
                *mark = u8::from(count > 0);
            }
            lines.marks = input.sparse.then_some(&self.marks);
        }
        if filter.rows {
            convolve_rows(filter, weights, &mut self.tile, &lines, out);
            return;
        }
        let pitch = filter.pitch(out.width);
        let cells = filter.lines.div_ceil(N::LINES) * pitch;
        for group in 0..usize::from(op.groups) {
            lines.first = group * filter.inputs;
            let mut bin = 0;
            while bin < out.width {
                let count = filter.tile(out.width - bin);
                let tile = &mut self.tile[..cells];
                for (pair, cells) in tile.chunks_exact_mut(pitch).enumerate() {
                    lines.lay(pair * N::LINES, bin, cells);
                }
                N::convolve(
                    weights,
                    Job {
                        filter,
                        group,
                        tile,
                        pitch,
                        rows: &[],
                        bin,
                        count,
                        seen: sparse.then(|| (&self.counts[bin..], op.kernel.area() as u16)),
                        out: &mut out.numbers[out.margin..],
                        apart: out.pitch,
                    },
                );
                bin += count;
            }
        }
    }
}

/// A frame of a convolution that reads its lines where they lie. There may be zeros in `tile`.
fn convolve_rows<N: Number>(
    filter: &Filter,
    weights: &N::Weights,
    tile: &mut [N::Cell],
    lines: &Lines<'_, N>,
    out: &mut Writing<'_, N>,
) {
    let zeros: &mut [N] = bytemuck::cast_slice_mut(tile);
    if (0..filter.lines).any(|tap| lines.frame_of(tap).is_none()) {
        zeros.fill(N::zeroed());
    }
    let zeros = &*zeros;
    let before = lines.first_bin().unsigned_abs();
    let mut readers = [Reader::default(); MOST_ROWS];
    for group in 0..usize::from(lines.op.groups) {
        let channel = lines.input.channels[group];
        let mut rows: [&[N]; MOST_ROWS] = [zeros; MOST_ROWS];
        let all = rows.iter_mut().zip(&mut readers);
        for (line, (row, reader)) in all.enumerate().take(filter.lines) {
            if let Some(frame) = lines.frame_of(line) {
                *row = reader.row_from(lines.kept, channel, frame, before);
            }
        }
        N::convolve(
            weights,
            Job {
                filter,
                group,
                tile: &[],
                pitch: 0,
                rows: &rows[..filter.lines],
                bin: 0,
                count: out.width,
                seen: None,
                out: &mut out.numbers[out.margin..],
                apart: out.pitch,
            },
        );
    }
}

/// Cells of two lines, or of one beside zeros.
struct Pair<'a, N: Number> {
    lines: [&'a [N]; 2],
    /// Which numbers count, if not all do.
    marks: Option<[&'a [u8]; 2]>,
    cells: &'a mut [N::Cell],
}

impl<N: Number> Kernel for Pair<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [a, b] = self.lines;
        let marked = |x: N, mark: u8| if mark != 0 { x } else { N::zeroed() };
        match (self.marks, b.is_empty()) {
            (None, true) => {
                let cells = self.cells.iter_mut().zip(a);
                cells.for_each(|(out, &a)| *out = N::cell([a, N::zeroed()]));
            }
            (None, false) => {
                let cells = self.cells.iter_mut().zip(a.iter().zip(b));
                cells.for_each(|(out, (&a, &b))| *out = N::cell([a, b]));
            }
            (Some([marks, _]), true) => {
                let cells = self.cells.iter_mut().zip(a.iter().zip(marks));
                cells.for_each(|(out, (&a, &mark))| *out = N::cell([marked(a, mark), N::zeroed()]));
            }
            (Some(marks), false) => {
                let cells = self.cells.iter_mut().zip(a.iter().zip(b));
                let marks = marks[0].iter().zip(marks[1]);
                cells.zip(marks).for_each(|((out, (&a, &b)), (&m, &n))| {
                    *out = N::cell([marked(a, m), marked(b, n)]);
                });
            }
        }
    }
}

impl<'a, N: Number> Lines<'a, N> {
    /// The input's frame that is this one of the kernel, if the image has it.
    fn frame_of(&self, tap: usize) -> Option<u64> {
        let (stride, step) = (self.op.stride.frames, self.op.dilation.frames);
        let from = tap as i64 - i64::from(self.op.kernel.frames / 2);
        let frame = self.frame as i64 * i64::from(stride) + from * i64::from(step);
        let frame = u64::try_from(frame).ok()?;
        (frame < self.frames).then_some(frame)
    }

    /// The bin that the first of a kernel's bins is for output bin 0.
    fn first_bin(&self) -> isize {
        -(isize::from(self.op.kernel.bins / 2) * isize::from(self.op.dilation.bins))
    }

    /// Notes which pixels of the kernel's frames are observed.
    fn mark(&self, marks: &mut [u8]) {
        let rows = marks.chunks_exact_mut(self.width.max(1));
        for (tap, row) in rows.enumerate().take(usize::from(self.op.kernel.frames)) {
            row.fill(0);
            if let Some(frame) = self.frame_of(tap) {
                self.kept.unite(self.input, frame, row);
            }
        }
    }

    /// Counts what each output's window observes.
    fn count(&self, marks: &[u8], columns: &mut [u16], counts: &mut [u16]) {
        let columns = &mut columns[..self.width];
        columns.fill(0);
        let rows = marks.chunks_exact(self.width.max(1));
        for row in rows.take(usize::from(self.op.kernel.frames)) {
            let all = columns.iter_mut().zip(row);
            all.for_each(|(column, &mark)| *column += u16::from(mark));
        }
        let (stride, step) = (
            isize::from(self.op.stride.bins),
            usize::from(self.op.dilation.bins),
        );
        for (bin, count) in counts.iter_mut().enumerate() {
            let first = self.first_bin() + bin as isize * stride;
            let taps =
                (0..usize::from(self.op.kernel.bins)).map(|tap| first + (tap * step) as isize);
            let inside = taps.filter_map(|at| columns.get(usize::try_from(at).ok()?));
            *count = inside.sum();
        }
    }

    /// Lays the lines of a cell, from this one on, side by side for the outputs from `bin` on.
    fn lay(&mut self, line: usize, bin: usize, cells: &mut [N::Cell]) {
        let empty: (&[N], Option<&[u8]>, isize) = (&[], None, 0);
        let mut sources = [empty; 2];
        for (half, source) in sources.iter_mut().enumerate().take(N::LINES) {
            if line + half < self.filter.lines {
                *source = self.source(line + half).unwrap_or(empty);
            }
        }
        let stride = usize::from(self.op.stride.bins);
        let [a, b] = sources;
        // Where both lines lie alike, what is inside the image is copied at once.
        let start = a.2 + (bin * stride) as isize;
        let alike = a.2 == b.2 && a.1.is_some() == b.1.is_some() || b.0.is_empty();
        if stride == 1 && alike && !a.0.is_empty() {
            let left = start.min(0).unsigned_abs().min(cells.len());
            let from = start.max(0) as usize;
            let inside = (self.width.saturating_sub(from)).min(cells.len() - left);
            let (before, rest) = cells.split_at_mut(left);
            let (middle, after) = rest.split_at_mut(inside);
            before.fill(N::cell([N::zeroed(); 2]));
            after.fill(N::cell([N::zeroed(); 2]));
            let marks = a.1.map(|marks| [marks, b.1.unwrap_or(&[])]);
            simd::run(Pair {
                lines: [a.0, b.0].map(|numbers| numbers.get(from..).unwrap_or(&[])),
                marks: marks.map(|both| both.map(|marks| marks.get(from..).unwrap_or(&[]))),
                cells: middle,
            });
            return;
        }
        let number = |(numbers, marks, from): (&[N], Option<&[u8]>, isize), at: usize| {
            let place = usize::try_from(from + ((bin + at) * stride) as isize);
            let Ok(place) = place else {
                return N::zeroed();
            };
            match (numbers.get(place), marks) {
                (Some(&x), None) => x,
                (Some(&x), Some(marks)) if marks[place] != 0 => x,
                _ => N::zeroed(),
            }
        };
        for (at, out) in cells.iter_mut().enumerate() {
            *out = N::cell([number(a, at), number(b, at)]);
        }
    }

    /// The numbers of a line, which of them count, and where the first is read; `None` outside the image.
    fn source(&mut self, line: usize) -> Option<Line<'a, N>> {
        let (rest, input) = (line / self.filter.inputs, line % self.filter.inputs);
        let bins = usize::from(self.op.kernel.bins);
        let (tap, bin) = match self.filter.taps == bins {
            true => (rest, 0),
            false => (rest / bins, rest % bins),
        };
        let frame = self.frame_of(tap)?;
        let channel = self.input.channels[self.first + input];
        let row = self.reader.row(self.kept, channel, frame);
        let marks = self
            .marks
            .map(|marks| &marks[tap * self.width..][..self.width]);
        let from = self.first_bin() + (bin * usize::from(self.op.dilation.bins)) as isize;
        Some((row, marks, from))
    }
}
