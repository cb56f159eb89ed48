//! A graph ready to run, and one at work on an image that arrives coded frame by coded frame: everything keeps the few
//! frames that its readers still need, so no frame is computed twice and the result is that of the whole image at once.

use super::kernel::Filter;
use super::number::Number;
use super::op::convolution::Scratch;
use super::op::{self, Writing};
use super::plan::{points, Plan, Step};
use super::tensors::{Kept, Slot, Split};
use crate::error::Result;
use alloc::vec::Vec;
use codec_format::memory::Memory;
use codec_format::model::graph::{self, Shape};
use codec_format::model::op::{ConvolutionKind, Op};
use core::ops::Range;

/// A graph ready to run.
#[derive(Debug, Clone)]
pub(super) struct Graph<N: Number> {
    pub plan: Plan,
    /// What the convolutions among the steps compute with.
    filters: Vec<Option<(Filter, N::Weights)>>,
}

impl<N: Number> Graph<N> {
    /// Prepares a graph of a checked model, whose nodes have these shapes, as [`Plan::new`] says.
    pub fn new(graph: &graph::Graph, shapes: &[Shape], after: u64) -> Self {
        let numbers = graph.nodes.iter().filter_map(|node| match &node.op {
            Op::Combine(codec_format::model::op::Combine::Concatenate) => None,
            Op::Convolution(op) => {
                let filter = Filter::of(op);
                Some(Some((filter, N::weights(op, &filter))))
            }
            _ => Some(None),
        });
        let filters: Vec<Option<(Filter, N::Weights)>> = numbers.collect();
        let mut plan = Plan::new(graph, shapes, after);
        for (step, filter) in plan.steps.iter().zip(&filters) {
            let filter = filter.as_ref().map(|(filter, _)| filter);
            let Some(filter) = filter.filter(|filter| filter.rows) else {
                continue;
            };
            for &slot in step.inputs.iter().flat_map(|input| &input.slots) {
                let margins = &mut plan.slots[slot].margins;
                for (margin, needed) in margins.iter_mut().zip(filter.margins()) {
                    *margin = needed.max(*margin);
                }
            }
        }
        Graph { plan, filters }
    }
}

/// All that a graph keeps.
#[derive(Debug)]
struct Store<N: Number, M: Memory> {
    bins: usize,
    /// Coded frames of the image so far.
    frames: u64,
    /// Where each slot's numbers and marks begin.
    places: M::Of<[u64; 2]>,
    numbers: M::Of<N>,
    marks: M::Of<u8>,
}

impl<N: Number, M: Memory> Store<N, M> {
    /// Takes a frame of a slot out of all that is kept, to write it.
    fn writing<'a>(
        &'a mut self,
        slots: &'a [Slot],
        at: usize,
        frame: u64,
    ) -> (Kept<'a, N>, Writing<'a, N>) {
        let slot = &slots[at];
        let (width, pitch) = (slot.bins(self.bins), slot.pitch(self.bins));
        let row = (frame % slot.rows as u64) as usize;
        let [numbers, marks] = self.places[at].map(|place| place as usize);
        let len = slot.channels * pitch;
        let (others, numbers) = Split::new(&mut self.numbers, numbers + row * len, len);
        let len = if slot.sparse { width } else { 0 };
        let (other_marks, marks) = Split::new(&mut self.marks, marks + row * len, len);
        let kept = Kept {
            slots,
            places: &self.places,
            bins: self.bins,
            frames: self.frames,
            numbers: others,
            marks: other_marks,
        };
        let mut out = Writing {
            numbers,
            marks,
            width,
            margin: slot.margins[0],
            pitch,
        };
        // Others may have written where this slot is.
        out.clear_margins();
        (kept, out)
    }
}

/// What a graph has computed so far.
#[derive(Debug)]
pub(super) struct Run<N: Number, M: Memory> {
    /// Coded frames that the steps may know of: those of the image, and at its end more outside it.
    arrived: u64,
    ended: bool,
    /// Frames of every source that its readers may know of, those outside the image included.
    ends: M::Of<u64>,
    store: Store<N, M>,
    scratch: Scratch<N, M>,
}

impl<N: Number, M: Memory> Run<N, M> {
    /// Takes the memory for images of `bins`; [`Run::begin`] comes before anything else.
    pub fn new(graph: &Graph<N>, bins: usize, memory: &mut M) -> Result<Self> {
        let plan = &graph.plan;
        let mut sizes = [0, 0];
        for home in 0..plan.homes {
            let slots = plan.slots.iter().filter(|slot| slot.home == home);
            let most = slots.map(|slot| [slot.numbers(bins), slot.marks(bins)]);
            let most = most.fold([0, 0], |a, b| [a[0].max(b[0]), a[1].max(b[1])]);
            sizes = [sizes[0] + most[0], sizes[1] + most[1]];
        }
        let mut cells = 0;
        let mut sparse = [0, 0];
        for (step, filter) in plan.steps.iter().zip(&graph.filters) {
            if let (Op::Convolution(op), Some((filter, _))) = (&step.op, filter) {
                let slot = &plan.slots[step.slot];
                let input = step.inputs[0].slots.first().map(|&slot| &plan.slots[slot]);
                let lines = filter.lines.div_ceil(N::LINES);
                cells = cells.max(match (filter.rows, input) {
                    // A row of zeros.
                    (true, Some(input)) => input.pitch(bins),
                    _ => lines * filter.pitch(slot.bins(bins)),
                });
                if op.kind == ConvolutionKind::Sparse {
                    let width = step.inputs[0]
                        .slots
                        .first()
                        .map_or(0, |&slot| plan.slots[slot].bins(bins));
                    sparse = [
                        sparse[0].max(usize::from(op.kernel.frames) * width),
                        sparse[1].max(width),
                    ];
                }
            }
        }
        Ok(Run {
            arrived: 0,
            ended: false,
            ends: memory.take(plan.planes.len() + plan.steps.len())?,
            store: Store {
                bins,
                frames: 0,
                places: memory.take(plan.slots.len())?,
                numbers: memory.take(sizes[0])?,
                marks: memory.take(sizes[1])?,
            },
            scratch: Scratch {
                tile: memory.take(cells)?,
                marks: memory.take(sparse[0])?,
                columns: memory.take(sparse[1])?,
                counts: memory.take(sparse[1])?,
            },
        })
    }

    /// Begins an image.
    pub fn begin(&mut self, graph: &Graph<N>) {
        let plan = &graph.plan;
        (self.arrived, self.ended) = (0, false);
        self.ends.fill(0);
        self.store.frames = 0;
        let bins = self.store.bins;
        let mut next = [0, 0];
        for home in 0..plan.homes {
            let mut sizes = [0, 0];
            for (slot, place) in plan.slots.iter().zip(self.store.places.iter_mut()) {
                if slot.home == home {
                    *place = next;
                    let most = [slot.numbers(bins) as u64, slot.marks(bins) as u64];
                    sizes = [sizes[0].max(most[0]), sizes[1].max(most[1])];
                }
            }
            next = [next[0] + sizes[0], next[1] + sizes[1]];
        }
    }

    /// Takes the next coded frame: `fill` writes that of each plane in the plan's order: its number, where to, and (if it
    /// is sparse) which pixels are observed.
    pub fn push(&mut self, graph: &Graph<N>, mut fill: impl FnMut(usize, &mut [N], &mut [u8])) {
        for plane in 0..graph.plan.planes.len() {
            let frame = self.store.frames;
            let (_, mut out) = self.store.writing(&graph.plan.slots, plane, frame);
            let marks = core::mem::take(&mut out.marks);
            if let Some((_, row)) = out.rows().next() {
                fill(plane, row, marks);
            };
        }
        self.store.frames += 1;
        self.arrived = self.store.frames;
        self.advance(graph);
    }

    /// Takes the end of the image.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Computes more of what lies at the end of the image.
    pub fn go_on(&mut self, graph: &Graph<N>) {
        self.arrived += 1;
        self.advance(graph);
    }

    /// Coded frames pushed.
    pub fn pushed(&self) -> u64 {
        self.store.frames
    }

    /// Frames of the output that are there, of all that have been pushed.
    pub fn ready(&self, graph: &Graph<N>) -> u64 {
        let all = points(graph.plan.shape.grid, self.store.frames);
        let sources = graph.plan.output.sources.iter();
        sources.fold(all, |end, &source| end.min(self.ends[source]))
    }

    /// One frame of one channel of the output, which is ready and not older than what is to be taken next.
    pub fn output(&self, graph: &Graph<N>, channel: usize, frame: u64) -> &[N] {
        let plan = &graph.plan;
        let (at, channel) = plan.output.channels[channel];
        let slot = &plan.slots[at];
        let (width, pitch) = (slot.bins(self.store.bins), slot.pitch(self.store.bins));
        let row = (frame % slot.rows as u64) as usize * slot.channels + channel;
        let start = self.store.places[at][0] as usize + row * pitch + slot.margins[0];
        &self.store.numbers[start..][..width]
    }

    /// Computes what can be computed of the frames that have arrived.
    fn advance(&mut self, graph: &Graph<N>) {
        let planes = graph.plan.planes.len();
        self.ends[..planes].fill(self.arrived);
        for (at, step) in graph.plan.steps.iter().enumerate() {
            let start = self.ends[planes + at];
            let inside = points(step.grid, self.store.frames);
            let mut end = step.frames(|source| self.ends[source], start);
            if !self.ended {
                end = end.min(inside.max(start));
            }
            self.ends[planes + at] = end;
            self.compute(graph, step, at, start..end.min(inside));
        }
    }

    fn compute(&mut self, graph: &Graph<N>, step: &Step, at: usize, frames: Range<u64>) {
        for frame in frames {
            let slots = &graph.plan.slots;
            let (kept, mut out) = self.store.writing(slots, step.slot, frame);
            match (&step.op, &graph.filters[at]) {
                (Op::Convolution(op), Some((filter, weights))) => {
                    let input = &step.inputs[0];
                    self.scratch
                        .convolve(op, filter, weights, &kept, input, frame, &mut out);
                }
                _ => op::run(step, &kept, frame, &mut out),
            }
        }
    }
}
