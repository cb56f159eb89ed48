//! A graph at work on an image that arrives in pieces: every tensor keeps the few frames its readers still need, so no
//! frame is computed twice and the result is that of the whole image at once.

use super::graph::{Graph, Step};
use super::tensor::{Tensor, View};
use alloc::vec::Vec;
use codec_format::model::graph::Grid;
use codec_format::model::BLOCK;
use core::ops::Range;

/// What a graph has computed so far.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    /// Coded frames pushed, and those that the steps may know of; at the end there are more of these, all of them
    /// outside the image.
    pushed: usize,
    arrived: usize,
    ended: bool,
    /// Frames of every plane and step that its readers may know of, those outside the image included.
    ends: Vec<usize>,
    tensors: Vec<Tensor>,
    /// First frame of the output that has not been taken.
    taken: usize,
    scratch: Vec<f32>,
    /// The most numbers that all steps together held at once.
    #[cfg(test)]
    pub most: usize,
}

impl Stream {
    /// An empty image.
    pub fn new(graph: &Graph) -> Self {
        let tensors = graph.tensors.iter();
        Stream {
            pushed: 0,
            arrived: 0,
            ended: false,
            ends: alloc::vec![0; graph.slots.len()],
            tensors: tensors
                .map(|shape| Tensor::new(0, usize::from(shape.channels), shape.sparse))
                .collect(),
            taken: 0,
            scratch: Vec::new(),
            #[cfg(test)]
            most: 0,
        }
    }

    /// Takes `frames` more coded frames of `bins` bins, the same number each time; `fill` writes those of each plane in
    /// the graph's order: its number, where to, and (if it is sparse) which pixels are observed.
    pub fn push(
        &mut self,
        graph: &Graph,
        frames: usize,
        bins: usize,
        mut fill: impl FnMut(usize, &mut [f32], Option<&mut [u8]>),
    ) {
        if self.pushed == 0 {
            for (tensor, shape) in self.tensors.iter_mut().zip(&graph.tensors) {
                tensor.bins = Grid::points(shape.grid.bins, bins);
            }
        }
        let fresh = self.pushed..self.pushed + frames;
        for (at, tensor) in self.tensors.iter_mut().enumerate().take(graph.planes.len()) {
            tensor.grow(frames);
            let observed = tensor.observed.as_mut().map(|o| {
                let held = o.len() - frames * bins;
                &mut o[held..]
            });
            let held = tensor.data.len() - frames * bins;
            fill(at, &mut tensor.data[held..], observed);
        }
        self.pushed = fresh.end;
        while self.arrived < self.pushed {
            self.arrived = (self.arrived + BLOCK).min(self.pushed);
            self.advance(graph);
        }
    }

    /// Ends the image: computes all the rest.
    pub fn finish(&mut self, graph: &Graph) {
        self.ended = true;
        let all = Grid::points(graph.shape.grid.frames, self.pushed);
        while self.output(graph).any(|end| end < all) {
            self.arrived += BLOCK;
            self.advance(graph);
        }
    }

    /// Frames of the output that are there and have not been taken.
    pub fn ready(&self, graph: &Graph) -> Range<usize> {
        let all = Grid::points(graph.shape.grid.frames, self.pushed);
        self.taken..self.output(graph).fold(all, usize::min).max(self.taken)
    }

    /// Calls `take` with the output, then forgets its frames before `frame`.
    pub fn take<T>(&mut self, graph: &Graph, frame: usize, take: impl FnOnce(View<'_>) -> T) -> T {
        let parts: Vec<&Tensor> = graph
            .output
            .iter()
            .map(|&source| &self.tensors[graph.slots[source]])
            .collect();
        let taken = take(View::new(&parts));
        self.taken = frame;
        self.forget(graph);
        taken
    }

    fn output<'a>(&'a self, graph: &'a Graph) -> impl Iterator<Item = usize> + 'a {
        graph.output.iter().map(|&source| self.ends[source])
    }

    /// Frames of the image on this grid, as far as it is known.
    fn points(&self, grid: Grid) -> usize {
        Grid::points(grid.frames, self.arrived.min(self.pushed))
    }

    /// Computes what can be computed of the frames that have arrived.
    fn advance(&mut self, graph: &Graph) {
        let planes = graph.planes.len();
        self.ends[..planes].fill(self.arrived);
        for (at, step) in graph.steps.iter().enumerate() {
            let start = self.ends[planes + at];
            let known = step.sources().map(|source| self.ends[source]);
            let known = known.min().unwrap_or(0) as i64;
            let points = self.points(step.grid);
            let mut end = start;
            while (self.ended || end < points) && step.op.last_read(end) < known {
                end += 1;
            }
            self.ends[planes + at] = end;
            self.run(
                graph,
                step,
                graph.slots[planes + at],
                start..end.min(points),
            );
        }
        #[cfg(test)]
        {
            let steps = self.tensors.iter().skip(planes);
            self.most = self.most.max(steps.map(|t| t.data.len()).sum());
        }
        self.forget(graph);
    }

    fn run(&mut self, graph: &Graph, step: &Step, slot: usize, frames: Range<usize>) {
        if frames.is_empty() {
            return;
        }
        let empty = Tensor::new(0, 0, false);
        let mut out = core::mem::replace(&mut self.tensors[slot], empty);
        if step.replaced.is_none() {
            out.grow(frames.len());
        }
        let tensors = &self.tensors;
        let parts: Vec<Vec<&Tensor>> = step
            .inputs
            .iter()
            .map(|view| view.iter().map(|&s| &tensors[graph.slots[s]]).collect())
            .collect();
        let views: Vec<View<'_>> = parts.iter().map(|parts| View::new(parts)).collect();
        let in_place = step.replaced.is_some();
        step.op
            .run(&views, in_place, frames, &mut out, &mut self.scratch);
        self.tensors[slot] = out;
    }

    /// Forgets what no step, and no output to come, will read.
    fn forget(&mut self, graph: &Graph) {
        let planes = graph.planes.len();
        let mut keep: Vec<usize> = self.tensors.iter().map(|t| t.frames().end).collect();
        for (at, step) in graph.steps.iter().enumerate() {
            let first = step.op.first_read(self.ends[planes + at]);
            for source in step.sources() {
                let slot = graph.slots[source];
                keep[slot] = keep[slot].min(first);
            }
        }
        for &source in &graph.output {
            let slot = graph.slots[source];
            keep[slot] = keep[slot].min(self.taken);
        }
        for (tensor, keep) in self.tensors.iter_mut().zip(keep) {
            tensor.drop_before(keep);
        }
    }
}
