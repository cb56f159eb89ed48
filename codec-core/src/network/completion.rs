//! Completion of an image that arrives frame by frame: planes go in, dense levels come out (Spec §8.3, §8.10).

use super::graph::{Graph, Run};
use super::{level, looks_ahead, Kind, Network, HIGHEST, LOWEST, PER_DB};
use crate::error::Result;
use crate::planes::{PlaneRow, Planes};
use alloc::sync::Arc;
use alloc::vec::Vec;
use codec_format::memory::Memory;
use codec_format::model::graph::Plane;
use codec_format::model::Normalisation;
use ndarray::Array2;

/// A network at work on one channel. All its memory is taken when it is built, but for the network's own.
#[derive(Debug)]
pub struct Completion<M: Memory> {
    network: Arc<Network>,
    bins: usize,
    /// Coded frames from the one whose dense frames come next to the latest, both included, at most.
    waiting: usize,
    /// Of the plane *image* the coded frames that interpolation still needs.
    image: M::Of<i16>,
    /// The frame that was made last.
    dense: M::Of<i16>,
    run: Option<Running<M>>,
    /// Coded frames pushed, and fine frames given out.
    pushed: u64,
    given: u64,
    ended: bool,
}

/// A graph of either kind at work.
#[derive(Debug)]
enum Running<M: Memory> {
    Real(Run<f32, M>),
    Whole(Run<i16, M>),
}

impl<M: Memory> Completion<M> {
    /// Takes the memory for one channel of `bins`; [`Completion::reset`] comes before anything else.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) if there is not enough memory.
    pub fn new(network: &Arc<Network>, bins: usize, memory: &mut M) -> Result<Self> {
        let (run, waiting) = match &network.graph {
            // Interpolation has the frame before and the frame after.
            None => (None, 2),
            Some(Kind::Real(graph)) => {
                let run = Run::new(graph, bins, memory)?;
                (Some(Running::Real(run)), graph.plan.waiting)
            }
            Some(Kind::Whole(graph)) => {
                let run = Run::new(graph, bins, memory)?;
                (Some(Running::Whole(run)), graph.plan.waiting)
            }
        };
        let rows = if network.residual { waiting } else { 0 };
        Ok(Completion {
            network: Arc::clone(network),
            bins,
            waiting,
            image: memory.take(rows * bins)?,
            dense: memory.take(bins)?,
            run,
            pushed: 0,
            given: 0,
            ended: false,
        })
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Coded frames that are pushed after one before all its dense frames are ready, at most.
    #[must_use]
    pub fn delay(&self) -> usize {
        self.waiting.saturating_sub(1)
    }

    /// Begins an empty image.
    pub fn reset(&mut self) {
        (self.pushed, self.given, self.ended) = (0, 0, false);
        match (&mut self.run, &self.network.graph) {
            (Some(Running::Real(run)), Some(Kind::Real(graph))) => run.begin(graph),
            (Some(Running::Whole(run)), Some(Kind::Whole(graph))) => run.begin(graph),
            _ => {}
        }
    }

    /// Takes the next coded frame, of the bins it was built for. Before the next one all dense frames that are ready must
    /// be taken: [`Completion::pop`] until it gives none.
    pub fn push(&mut self, row: &PlaneRow<'_>) {
        let rows = (self.image.len() / self.bins.max(1)) as u64;
        if let Some(at) = self.pushed.checked_rem(rows) {
            self.image[at as usize * self.bins..][..self.bins].copy_from_slice(row.image);
        }
        self.pushed += 1;
        let normalisation = &self.network.normalisation;
        match (&mut self.run, &self.network.graph) {
            (Some(Running::Real(run)), Some(Kind::Real(graph))) => {
                run.push(graph, |at, out, marks| {
                    enter_real(normalisation, row, graph.plan.planes[at], out);
                    mark(row, marks);
                })
            }
            (Some(Running::Whole(run)), Some(Kind::Whole(graph))) => {
                run.push(graph, |at, out, marks| {
                    enter_whole(normalisation, row, graph.plan.planes[at], out);
                    mark(row, marks);
                });
            }
            _ => {}
        }
    }

    /// Ends the image: [`Completion::pop`] now gives the rest of it.
    pub fn finish(&mut self) {
        self.ended = true;
        match &mut self.run {
            Some(Running::Real(run)) => run.end(),
            Some(Running::Whole(run)) => run.end(),
            None => {}
        }
    }

    /// The next dense frame, if it is ready: levels of all bins in 1/16 dB above the origin. Dense frames lag
    /// [`Network::context`] coded frames behind.
    pub fn pop(&mut self) -> Option<&[i16]> {
        if !self.make() {
            return None;
        }
        Some(&self.dense)
    }

    /// Takes all frames of some planes, dB above the origin, and appends the dense levels that became ready, dB.
    pub fn push_planes(&mut self, planes: &Planes, out: &mut Vec<f32>) {
        for frame in 0..planes.frames() {
            let levels = |plane: &Array2<f32>| plane.row(frame).iter().map(|&x| level(x)).collect();
            let rows = [&planes.values, &planes.image, &planes.background];
            let [values, image, background]: [Vec<i16>; 3] = rows.map(levels);
            let mask = planes.mask.row(frame);
            let kept: Vec<u8> = mask.iter().map(|&m| u8::from(m != 0.0)).collect();
            self.push(&PlaneRow {
                values: &values,
                image: &image,
                background: &background,
                kept: &kept,
            });
            self.take(out);
        }
    }

    /// Appends all dense levels that are ready, dB.
    pub fn take(&mut self, out: &mut Vec<f32>) {
        while let Some(levels) = self.pop() {
            out.extend(levels.iter().map(|&x| f32::from(x) / PER_DB));
        }
    }

    /// Makes the next dense frame, if it is ready.
    fn make(&mut self) -> bool {
        let network = &*self.network;
        let up = network.upsampling as u64;
        let after = match self.ended {
            true => 0,
            false => looks_ahead(network.residual, network.upsampling),
        };
        let all = self.pushed.saturating_sub(after) * up;
        if self.given >= all {
            return false;
        }
        match (&mut self.run, &network.graph) {
            (Some(Running::Real(run)), Some(Kind::Real(graph))) => {
                if !wait(run, graph, self.given, self.ended) {
                    return false;
                }
                let Normalisation { offset, scale } = network.normalisation;
                let offset = if network.residual { 0.0 } else { offset };
                let corrections = run.output(graph, 0, self.given).iter();
                self.dense.iter_mut().zip(corrections).for_each(|(y, x)| {
                    *y = libm::floorf((offset + x * scale) * PER_DB + 0.5) as i16;
                });
            }
            (Some(Running::Whole(run)), Some(Kind::Whole(graph))) => {
                if !wait(run, graph, self.given, self.ended) {
                    return false;
                }
                let (offset, _) = network.normalisation.whole().unwrap_or((0, 0));
                let offset = if network.residual { 0 } else { offset };
                let corrections = run.output(graph, 0, self.given).iter();
                self.dense.iter_mut().zip(corrections).for_each(|(y, x)| {
                    *y = x.saturating_add(offset);
                });
            }
            _ => self.dense.fill(0),
        }
        if network.residual {
            self.add_base(up);
        }
        for y in self.dense.iter_mut() {
            *y = (*y).clamp(LOWEST, HIGHEST);
        }
        self.given += 1;
        true
    }

    /// Adds the image, interpolated in time.
    fn add_base(&mut self, up: u64) {
        let rows = (self.image.len() / self.bins.max(1)) as u64;
        let coded = self.given / up;
        let next = (coded + 1).min(self.pushed - 1);
        let [here, next] = [coded, next].map(|frame| {
            let at = frame.checked_rem(rows).unwrap_or(0) as usize;
            &self.image[at * self.bins..][..self.bins]
        });
        let (part, up) = ((self.given % up) as i32, up as i32);
        let shift = up.trailing_zeros();
        for ((y, &here), &next) in self.dense.iter_mut().zip(here).zip(next) {
            let sum = i32::from(here) * (up - part) + i32::from(next) * part + up / 2;
            *y = y.saturating_add((sum >> shift) as i16);
        }
    }
}

/// Computes until a frame of the output is ready; says whether it is.
fn wait<N: super::number::Number, M: Memory>(
    run: &mut Run<N, M>,
    graph: &Graph<N>,
    frame: u64,
    ended: bool,
) -> bool {
    while run.ready(graph) <= frame {
        if !ended {
            return false;
        }
        run.go_on(graph);
    }
    true
}

/// The levels of a plane; none of the mask.
fn levels<'a>(row: &PlaneRow<'a>, plane: Plane) -> &'a [i16] {
    match plane {
        Plane::Values => row.values,
        Plane::Image => row.image,
        Plane::Background => row.background,
        Plane::Mask | Plane::Levels => &[],
    }
}

/// Writes which pixels are observed, where that is asked for.
fn mark(row: &PlaneRow<'_>, marks: &mut [u8]) {
    let all = marks.iter_mut().zip(row.kept);
    all.for_each(|(mark, &kept)| *mark = u8::from(kept != 0));
}

fn enter_real(normalisation: &Normalisation, row: &PlaneRow<'_>, plane: Plane, out: &mut [f32]) {
    let Normalisation { offset, scale } = *normalisation;
    for (y, &x) in out.iter_mut().zip(levels(row, plane)) {
        *y = (f32::from(x) / PER_DB - offset) / scale;
    }
    observe(row, plane, 1.0, out);
}

fn enter_whole(normalisation: &Normalisation, row: &PlaneRow<'_>, plane: Plane, out: &mut [i16]) {
    let (offset, one) = normalisation.whole().unwrap_or((0, 0));
    for (y, &x) in out.iter_mut().zip(levels(row, plane)) {
        *y = x.saturating_sub(offset);
    }
    observe(row, plane, one, out);
}

/// The mask itself, and zeros for unobserved pixels.
fn observe<N: super::number::Number>(row: &PlaneRow<'_>, plane: Plane, one: N, out: &mut [N]) {
    for (y, &kept) in out.iter_mut().zip(row.kept) {
        match (plane, kept) {
            (Plane::Mask, 1..) => *y = one,
            (Plane::Mask | Plane::Values, 0) => *y = N::zeroed(),
            _ => {}
        }
    }
}
