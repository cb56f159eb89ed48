//! The rules a model must keep before anyone runs it (Spec §7.8).

use super::graph::{Graph, Grid, Operand, Plane, Shape};
use super::op::{rule, Op};
use super::{Arithmetic, Model, Normalisation, Parts};
use crate::error::Result;
use crate::limits::{check, Limits};
use alloc::vec::Vec;

impl Model {
    /// Makes a model of its parts, within the default limits so that every reader takes it.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) names the rule of Spec §7.8 that is broken,
    /// [`Error::LimitExceeded`](crate::Error::LimitExceeded) what is too large.
    pub fn new(parts: Parts) -> Result<Self> {
        Model::within(parts, &Limits::default())
    }

    /// Makes a model of its parts, within these limits.
    ///
    /// # Errors
    /// As [`Model::new`].
    pub fn within(parts: Parts, limits: &Limits) -> Result<Self> {
        limits.check_rate(parts.rate)?;
        parts.stft.validate(limits)?;
        let Normalisation { offset, scale } = parts.normalisation;
        rule(
            offset.is_finite() && scale.is_finite() && scale > 0.0,
            "normalisation",
        )?;
        let whole = parts.arithmetic == Arithmetic::Whole;
        rule(
            !whole || parts.normalisation.whole().is_some(),
            "normalisation that is no whole number of 1/16 dB",
        )?;
        let mut nodes =
            (parts.completion.nodes.iter()).chain(parts.analysis.iter().flat_map(|g| &g.nodes));
        rule(
            nodes.all(|node| {
                node.op
                    .arithmetic()
                    .is_none_or(|kind| kind == parts.arithmetic)
            }),
            "numbers of another kind than the model's",
        )?;
        let completion = graph(&parts.completion, limits, |plane| plane != Plane::Levels)?;
        let analysis = match &parts.analysis {
            Some(analysis) => graph(analysis, limits, |plane| plane == Plane::Levels)?,
            None => Vec::new(),
        };
        let numbers = |graph: &Graph| graph.nodes.iter().map(|n| n.op.parameters()).sum::<usize>();
        let all = numbers(&parts.completion) + parts.analysis.as_ref().map_or(0, numbers);
        check("model weights", all as u64, limits.model_weights as u64)?;
        let fits = completion.last().is_some_and(|output| {
            let Grid { bins, frames } = output.grid;
            output.channels == 1 && bins == 0 && (-3..=0).contains(&frames)
        });
        rule(fits, "completion that does not end in one level a pixel")?;
        let hop = parts.stft.hop;
        let model = Model {
            parts,
            shapes: [completion, analysis],
        };
        rule(
            hop % u16::from(model.upsampling()) == 0,
            "upsampling that does not divide the hop",
        )?;
        Ok(model)
    }
}

/// Checks a graph that may read the planes that `allowed` says; returns its shapes.
fn graph(graph: &Graph, limits: &Limits, allowed: impl Fn(Plane) -> bool) -> Result<Vec<Shape>> {
    let nodes = &graph.nodes;
    rule(!nodes.is_empty(), "network without nodes")?;
    // Beyond 128 a node's number would be that of a plane (Spec §7.4).
    let most = limits.model_nodes.min(128) as u64;
    check("network nodes", nodes.len() as u64, most)?;
    for node in nodes {
        check("inputs of a node", node.inputs.len() as u64, most)?;
        let planes = node.inputs.iter().all(|operand| match *operand {
            Operand::Plane(plane) => allowed(plane),
            Operand::Node(_) => true,
        });
        rule(planes, "plane that this network does not have")?;
        if let Op::Convolution(op) = &node.op {
            let size = u64::from(op.kernel.bins.max(op.kernel.frames));
            check("kernel size", size, u64::from(limits.model_kernel))?;
            let channels = u64::from(op.inputs.max(op.outputs));
            check("channels", channels, u64::from(limits.model_channels))?;
        }
    }
    let last = nodes.len() - 1;
    let read = |at: usize| {
        nodes
            .iter()
            .any(|n| n.inputs.contains(&Operand::Node(at as u8)))
    };
    rule((0..last).all(read), "node that nothing reads")?;
    let shapes = graph.shapes()?;
    for (node, shape) in nodes.iter().zip(&shapes) {
        let channels = u64::from(shape.channels);
        check("channels", channels, u64::from(limits.model_channels))?;
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        rule(
            node.op.learned().into_iter().all(finite),
            "weight that is not finite",
        )?;
    }
    check(
        "multiply-adds a pixel",
        graph.macs_per_pixel()?,
        limits.model_macs_per_pixel,
    )?;
    let held = graph.reach(&shapes).held;
    check("numbers held a bin", held, limits.model_held)?;
    Ok(shapes)
}
