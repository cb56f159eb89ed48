//! Analysis networks: what the encoder learns of the levels of the signal itself (Spec §8.11).

use super::graph::{Graph, Run};
use super::number::Number;
use super::{level, Kind, PER_DB};
use alloc::sync::Arc;
use alloc::vec::Vec;
use codec_format::memory::Heap;
use codec_format::model::graph::{Grid, Shape};
use codec_format::model::{Model, Normalisation};
use ndarray::{Array3, ArrayView2};

/// An analysis network ready to run.
#[derive(Debug, Clone)]
pub struct Analysis {
    normalisation: Normalisation,
    graph: Kind,
}

/// An analysis network at work on a stream.
#[derive(Debug)]
pub struct Analyser {
    network: Arc<Analysis>,
    /// Nothing before the first frame.
    run: Option<Running>,
    bins: usize,
    given: u64,
}

#[derive(Debug)]
enum Running {
    Real(Run<f32, Heap>),
    Whole(Run<i16, Heap>),
}

impl Analysis {
    /// Prepares a model's analysis network, if it has one.
    #[must_use]
    pub fn of(model: &Model) -> Option<Self> {
        let graph = model.analysis.as_ref()?;
        Some(Analysis {
            normalisation: model.normalisation,
            graph: Kind::of(model.arithmetic, graph, model.analysis_shapes(), 0),
        })
    }

    fn shape(&self) -> Shape {
        match &self.graph {
            Kind::Real(graph) => graph.plan.shape,
            Kind::Whole(graph) => graph.plan.shape,
        }
    }

    /// Where the pixels of the output lie.
    #[must_use]
    pub fn grid(&self) -> Grid {
        self.shape().grid
    }

    /// Channels of the output.
    #[must_use]
    pub fn channels(&self) -> usize {
        usize::from(self.shape().channels)
    }

    /// The output for a whole image: levels of coded frames x bins in dB above the origin in, frames x bins x channels on
    /// [`Analysis::grid`] out, as the network's numbers.
    #[must_use]
    pub fn run(self: &Arc<Self>, levels: ArrayView2<'_, f32>) -> Array3<f32> {
        let mut analyser = Analyser::new(self.clone());
        let mut numbers = Vec::new();
        analyser.take(levels, &mut numbers);
        analyser.end(&mut numbers);
        analyser.collected(numbers)
    }
}

impl Analyser {
    /// Starts on an empty image.
    #[must_use]
    pub fn new(network: Arc<Analysis>) -> Self {
        Analyser {
            network,
            run: None,
            bins: 0,
            given: 0,
        }
    }

    /// Takes the next levels, coded frames x bins in dB above the origin, and returns the output's frames that became
    /// final. All levels have as many bins as the first; they are rounded to 1/16 dB.
    pub fn push(&mut self, levels: ArrayView2<'_, f32>) -> Array3<f32> {
        let mut numbers = Vec::new();
        self.take(levels, &mut numbers);
        self.collected(numbers)
    }

    /// Ends the image: the rest of the output.
    pub fn finish(&mut self) -> Array3<f32> {
        let mut numbers = Vec::new();
        self.end(&mut numbers);
        self.collected(numbers)
    }

    fn take(&mut self, levels: ArrayView2<'_, f32>, out: &mut Vec<f32>) {
        let Analysis {
            normalisation,
            graph,
        } = &*self.network;
        if self.run.is_none() {
            self.bins = levels.ncols();
            self.run = begin(graph, self.bins);
        }
        let Normalisation { offset, scale } = *normalisation;
        for row in levels.rows() {
            match (&mut self.run, graph) {
                (Some(Running::Real(run)), Kind::Real(graph)) => {
                    run.push(graph, |_, out, _| {
                        for (y, &x) in out.iter_mut().zip(row) {
                            *y = (f32::from(level(x)) / PER_DB - offset) / scale;
                        }
                    });
                    collect(run, graph, &mut self.given, out, |x| x);
                }
                (Some(Running::Whole(run)), Kind::Whole(graph)) => {
                    let (offset, _) = normalisation.whole().unwrap_or((0, 0));
                    run.push(graph, |_, out, _| {
                        for (y, &x) in out.iter_mut().zip(row) {
                            *y = level(x).saturating_sub(offset);
                        }
                    });
                    collect(run, graph, &mut self.given, out, f32::from);
                }
                _ => {}
            }
        }
    }

    fn end(&mut self, out: &mut Vec<f32>) {
        match (&mut self.run, &self.network.graph) {
            (Some(Running::Real(run)), Kind::Real(graph)) => {
                rest(run, graph, &mut self.given, out, |x| x);
            }
            (Some(Running::Whole(run)), Kind::Whole(graph)) => {
                rest(run, graph, &mut self.given, out, f32::from);
            }
            _ => {}
        }
    }

    /// Numbers of frames x bins x channels as such.
    fn collected(&self, numbers: Vec<f32>) -> Array3<f32> {
        let bins = Grid::points(self.network.grid().bins, self.bins);
        let channels = self.network.channels();
        let frames = numbers.len() / (bins * channels).max(1);
        Array3::from_shape_vec((frames, bins, channels), numbers).unwrap_or_default()
    }
}

fn begin(graph: &Kind, bins: usize) -> Option<Running> {
    // The heap without a limit has enough.
    let mut heap = Heap::new(u64::MAX);
    Some(match graph {
        Kind::Real(graph) => {
            let mut run = Run::new(graph, bins, &mut heap).ok()?;
            run.begin(graph);
            Running::Real(run)
        }
        Kind::Whole(graph) => {
            let mut run = Run::new(graph, bins, &mut heap).ok()?;
            run.begin(graph);
            Running::Whole(run)
        }
    })
}

/// Appends the frames that are ready.
fn collect<N: Number>(
    run: &Run<N, Heap>,
    graph: &Graph<N>,
    given: &mut u64,
    out: &mut Vec<f32>,
    number: impl Fn(N) -> f32,
) {
    let channels = graph.plan.output.channels.len();
    while *given < run.ready(graph) {
        let first = out.len();
        for channel in 0..channels {
            let row = run.output(graph, channel, *given);
            out.resize(first + row.len() * channels, 0.0);
            let pixels = out[first + channel..].iter_mut().step_by(channels);
            pixels.zip(row).for_each(|(y, &x)| *y = number(x));
        }
        *given += 1;
    }
}

/// Appends what is left at the end of the image.
fn rest<N: Number>(
    run: &mut Run<N, Heap>,
    graph: &Graph<N>,
    given: &mut u64,
    out: &mut Vec<f32>,
    number: impl Fn(N) -> f32 + Copy,
) {
    let all = super::plan::points(graph.plan.shape.grid, run.pushed());
    run.end();
    while *given < all {
        run.go_on(graph);
        collect(run, graph, given, out, number);
    }
}
