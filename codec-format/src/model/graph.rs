//! A network as a graph of operations (Spec §8.3): nodes in order, each reading planes or earlier nodes.

use super::op::{Activation, Combine, Convolution, Op};
pub use super::shape::{Extent, Grid, Shape};
use crate::error::{Error, Result};
use alloc::vec::Vec;

/// Operations in the order they are computed. The last one's output is the network's.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// The nodes; each reads planes and earlier nodes alone.
    pub nodes: Vec<Node>,
}

/// One operation and what it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// What it is computed of.
    pub inputs: Vec<Operand>,
}

/// What an operation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// An input plane: one channel on the coded grid.
    Plane(Plane),
    /// The output of an earlier node, counted from 0.
    Node(u8),
}

/// Input planes on the coded grid, one channel each. Only [`Plane::Values`] is sparse: it is observed where the mask
/// keeps a pixel; every other plane is observed everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plane {
    /// Kept values, normalised; zero elsewhere.
    Values,
    /// Kept values where there are some, the interpolated background elsewhere, normalised.
    Image,
    /// The background lattice, interpolated to every pixel, normalised (zero without a lattice).
    Background,
    /// The mask: one where the pixel is kept, zero elsewhere.
    Mask,
    /// The levels of the signal itself, normalised: for analysis graphs, which run in the encoder.
    Levels,
}

impl Plane {
    /// All planes.
    pub const ALL: [Plane; 5] = [
        Plane::Values,
        Plane::Image,
        Plane::Background,
        Plane::Mask,
        Plane::Levels,
    ];

    /// Shape of the plane.
    #[must_use]
    pub fn shape(self) -> Shape {
        Shape {
            channels: 1,
            grid: Grid::CODED,
            sparse: self == Plane::Values,
        }
    }
}

impl Graph {
    /// Appends a node; returns what later ones read it by.
    pub fn push(&mut self, op: impl Into<Op>, inputs: &[Operand]) -> Operand {
        self.nodes.push(Node {
            op: op.into(),
            inputs: inputs.to_vec(),
        });
        // A number that does not fit names an earlier node; no model may have as many.
        Operand::Node((self.nodes.len() - 1) as u8)
    }

    /// Appends the usual layer: a convolution over `inputs` (concatenated where there are several), then the sum with
    /// `skip`, then an activation, each of both if given.
    pub fn layer(
        &mut self,
        inputs: &[Operand],
        convolution: Convolution,
        skip: Option<Operand>,
        activation: Option<Activation>,
    ) -> Operand {
        let input = match inputs {
            [only] => *only,
            several => self.push(Combine::Concatenate, several),
        };
        let mut last = self.push(convolution, &[input]);
        if let Some(skip) = skip {
            last = self.push(Combine::Add, &[last, skip]);
        }
        match activation {
            Some(activation) => self.push(activation, &[last]),
            None => last,
        }
    }

    /// The shapes of all nodes' outputs, in order.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the first rule of Spec §7.8 that a node breaks.
    pub fn shapes(&self) -> Result<Vec<Shape>> {
        let mut shapes: Vec<Shape> = Vec::new();
        for node in &self.nodes {
            let inputs = self.input_shapes(node, &shapes)?;
            shapes.push(node.op.shape(&inputs)?);
        }
        Ok(shapes)
    }

    fn input_shapes(&self, node: &Node, done: &[Shape]) -> Result<Vec<Shape>> {
        node.inputs
            .iter()
            .map(|operand| match *operand {
                Operand::Plane(plane) => Ok(plane.shape()),
                Operand::Node(at) => done.get(usize::from(at)).copied().ok_or(Error::Usage {
                    what: "operand that does not lie before its node",
                }),
            })
            .collect()
    }

    /// Multiply-adds for each pixel of the coded grid, rounded up node by node.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn macs_per_pixel(&self) -> Result<u64> {
        let shapes = self.shapes()?;
        let macs = self.nodes.iter().zip(&shapes);
        Ok(macs
            .map(|(node, shape)| shape.grid.per_pixel(node.op.macs(shape)))
            .fold(0, u64::saturating_add))
    }

    /// Weights, biases and slopes of all nodes.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.nodes.iter().map(|node| node.op.parameters()).sum()
    }
}
