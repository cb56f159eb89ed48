//! A network as it trains: the graph of its model ([`codec_format::model::graph::Graph`]) walked over a
//! [`Backend`], forward and back.
//!
//! The weights are those in the graph itself; [`parameters`] lends them to an optimiser. Every operation has a module in
//! `op` with its forward pass and its gradients. Gradients reach the input planes too, the mask among them: a mask may
//! take any value from 0 to 1, and a sparse convolution then is what its definition says with real numbers (Uhrig et al.
//! 2017, eq. 2 and 3): values are multiplied by the mask, sums divided by the sum of the mask, and the mask spreads by its
//! maximum. For a mask of zeros and ones that is what the decoder computes.

mod op;

use crate::backend::{Backend, Dims};
use crate::error::{Error, Result};
use codec_format::model::graph::{Graph, Grid, Operand, Plane, Shape};
use codec_format::model::op::{Activation, ConvolutionKind, Op};
use rand::Rng;
use rand_distr::StandardNormal;

/// The floor of masks' sums (`Planes::floor`) that leaves binary masks alone.
pub const BINARY_FLOOR: f32 = 1.0;

/// What a network reads: planes of one channel on the coded grid, samples x 1 x bins x frames, in the network's units (the
/// mask from 0 to 1).
#[derive(Debug, Clone)]
pub struct Planes<B: Backend> {
    dims: Dims,
    planes: [Option<B::Tensor>; Plane::ALL.len()],
    /// Whether the mask takes values between 0 and 1, the values are given where it is 0 too, and gradients in the planes
    /// are wanted.
    relaxed: bool,
    /// Sums of the mask over a window count as this much at least.
    floor: f32,
}

impl<B: Backend> Planes<B> {
    /// Without any plane yet, for images of `bins` x `frames` with masks of zeros and ones.
    #[must_use]
    pub fn new(samples: usize, bins: usize, frames: usize) -> Self {
        Planes {
            dims: Dims {
                samples,
                channels: 1,
                bins,
                frames,
            },
            planes: Default::default(),
            relaxed: false,
            floor: BINARY_FLOOR,
        }
    }

    /// The same for masks of real numbers, with gradients in all planes. Sums of the mask over a window count as `floor` at
    /// least.
    #[must_use]
    pub fn relaxed(mut self, floor: f32) -> Self {
        (self.relaxed, self.floor) = (true, floor);
        self
    }

    /// With `numbers`, samples x bins x frames, for a plane.
    ///
    /// # Errors
    /// [`Error::Network`] if they are not as many; [`Error::Device`].
    pub fn with(mut self, backend: &B, plane: Plane, numbers: Vec<f32>) -> Result<Self> {
        if numbers.len() != self.dims.numbers() {
            return Err(Error::Network(format!(
                "{} numbers for a plane of {}",
                numbers.len(),
                self.dims.numbers()
            )));
        }
        self.planes[place(plane)] = Some(backend.upload(numbers, self.dims)?);
        Ok(self)
    }

    fn get(&self, plane: Plane) -> Result<&B::Tensor> {
        self.planes[place(plane)]
            .as_ref()
            .ok_or_else(|| Error::Network(format!("it reads {plane:?}, which is not given")))
    }
}

fn place(plane: Plane) -> usize {
    Plane::ALL.iter().position(|p| *p == plane).unwrap_or(0)
}

/// What a node gives out.
#[derive(Debug)]
struct Value<B: Backend> {
    data: B::Tensor,
    /// How far its pixels are observed; `None` if they all are.
    mask: Option<B::Tensor>,
}

impl<B: Backend> Clone for Value<B> {
    fn clone(&self) -> Self {
        Value {
            data: self.data.clone(),
            mask: self.mask.clone(),
        }
    }
}

/// The gradient of a loss in a [`Value`]; nothing where nothing reads it.
#[derive(Debug)]
struct Slope<B: Backend> {
    data: Option<B::Tensor>,
    mask: Option<B::Tensor>,
}

impl<B: Backend> Default for Slope<B> {
    fn default() -> Self {
        Slope {
            data: None,
            mask: None,
        }
    }
}

impl<B: Backend> Slope<B> {
    fn add(&mut self, backend: &B, other: Slope<B>) -> Result<()> {
        accumulate(backend, &mut self.data, other.data)?;
        accumulate(backend, &mut self.mask, other.mask)
    }
}

fn accumulate<B: Backend>(
    backend: &B,
    to: &mut Option<B::Tensor>,
    x: Option<B::Tensor>,
) -> Result<()> {
    if let Some(x) = x {
        *to = Some(match to.take() {
            Some(sum) => backend.add(sum, &x)?,
            None => x,
        });
    }
    Ok(())
}

/// A forward pass that can be gone back.
#[derive(Debug)]
pub struct Trace<'a, B: Backend> {
    walk: Walk<'a, B>,
    done: Vec<Done<B>>,
}

/// A node's result, and what else its gradients need.
#[derive(Debug)]
struct Done<B: Backend> {
    value: Value<B>,
    saved: Vec<B::Tensor>,
}

/// Gradients of a loss.
#[derive(Debug)]
pub struct Gradients<B: Backend> {
    /// In the weights, biases and slopes, as [`parameters`] lends them.
    pub parameters: Vec<Vec<f32>>,
    planes: [Option<B::Tensor>; Plane::ALL.len()],
}

impl<B: Backend> Gradients<B> {
    /// In a plane, samples x bins x frames, if the planes were [`Planes::relaxed`] and the plane was read.
    #[must_use]
    pub fn plane(&self, plane: Plane) -> Option<&B::Tensor> {
        self.planes[place(plane)].as_ref()
    }
}

#[derive(Debug)]
struct Walk<'a, B: Backend> {
    backend: &'a B,
    graph: &'a Graph,
    planes: &'a Planes<B>,
    shapes: Vec<Shape>,
}

impl<'a, B: Backend> Walk<'a, B> {
    fn new(backend: &'a B, graph: &'a Graph, planes: &'a Planes<B>) -> Result<Self> {
        let shapes = graph.shapes()?;
        if shapes.is_empty() {
            return Err(Error::Network("it has no nodes".into()));
        }
        Ok(Walk {
            backend,
            graph,
            planes,
            shapes,
        })
    }

    fn step(&self, node: usize, learns: bool) -> op::Step<'_, B> {
        let (shape, coded) = (self.shapes[node], self.planes.dims);
        op::Step {
            backend: self.backend,
            floor: self.planes.floor,
            relaxed: self.planes.relaxed,
            learns,
            out: Dims {
                samples: coded.samples,
                channels: usize::from(shape.channels),
                bins: Grid::points(shape.grid.bins, coded.bins),
                frames: Grid::points(shape.grid.frames, coded.frames),
            },
        }
    }

    /// Whether `node` reads relaxed values through their mask: all but sparse convolutions, which apply it themselves.
    fn gates(&self, node: usize, operand: Operand) -> bool {
        let sparse = matches!(
            &self.graph.nodes[node].op,
            Op::Convolution(op) if op.kind == ConvolutionKind::Sparse
        );
        self.planes.relaxed && !sparse && operand == Operand::Plane(Plane::Values)
    }

    fn inputs<'b>(
        &self,
        node: usize,
        done: impl Fn(usize) -> Option<&'b Value<B>>,
    ) -> Result<Vec<Value<B>>>
    where
        B: 'b,
    {
        let operands = self.graph.nodes[node].inputs.iter();
        operands
            .map(|&operand| match operand {
                Operand::Plane(Plane::Values) => {
                    let mask = self.planes.get(Plane::Mask)?;
                    let mut data = self.planes.get(Plane::Values)?.clone();
                    if self.gates(node, operand) {
                        data = self.backend.gate(&data, mask)?;
                    }
                    Ok(Value {
                        data,
                        mask: Some(mask.clone()),
                    })
                }
                Operand::Plane(plane) => Ok(Value {
                    data: self.planes.get(plane)?.clone(),
                    mask: None,
                }),
                // That it was computed before is checked with the shapes.
                Operand::Node(at) => done(usize::from(at))
                    .cloned()
                    .ok_or_else(|| Error::Network("a node reads one behind it".into())),
            })
            .collect()
    }
}

/// The output of a network.
///
/// # Errors
/// [`Error::Format`] if the graph breaks a rule; [`Error::Network`] if a plane is missing; [`Error::Device`].
pub fn run<B: Backend>(backend: &B, graph: &Graph, planes: &Planes<B>) -> Result<B::Tensor> {
    let walk = Walk::new(backend, graph, planes)?;
    let last_read = |node: usize| {
        let reads = |n: &&(usize, &codec_format::model::graph::Node)| {
            n.1.inputs.contains(&Operand::Node(node as u8))
        };
        let nodes: Vec<_> = graph.nodes.iter().enumerate().collect();
        nodes.iter().rev().find(reads).map_or(node, |n| n.0)
    };
    let mut done: Vec<Option<Value<B>>> = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        let inputs = walk.inputs(at, |i| done[i].as_ref())?;
        let (value, _) = op::forward(&node.op, &walk.step(at, false), &inputs)?;
        done.push(Some(value));
        for operand in &node.inputs {
            if let Operand::Node(i) = *operand {
                if last_read(usize::from(i)) == at {
                    done[usize::from(i)] = None;
                }
            }
        }
    }
    match done.pop().flatten() {
        Some(value) => Ok(value.data),
        None => Err(Error::Network("it has no output".into())),
    }
}

/// As [`run`], with what gradients will need.
///
/// # Errors
/// As [`run`].
pub fn trace<'a, B: Backend>(
    backend: &'a B,
    graph: &'a Graph,
    planes: &'a Planes<B>,
) -> Result<Trace<'a, B>> {
    let walk = Walk::new(backend, graph, planes)?;
    let mut done: Vec<Done<B>> = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        let inputs = walk.inputs(at, |i| done.get(i).map(|d| &d.value))?;
        let (value, saved) = op::forward(&node.op, &walk.step(at, false), &inputs)?;
        done.push(Done { value, saved });
    }
    Ok(Trace { walk, done })
}

impl<B: Backend> Trace<'_, B> {
    /// The network's output.
    #[must_use]
    pub fn output(&self) -> &B::Tensor {
        // A walk has a node at least.
        &self.done[self.done.len() - 1].value.data
    }

    /// The gradients of a loss whose gradient in the output is `g`.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn backward(self, g: B::Tensor) -> Result<Gradients<B>> {
        self.back(g, true)
    }

    /// As [`Trace::backward`], in the planes alone: those in the weights are not computed, and empty or of no use.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn backward_to_planes(self, g: B::Tensor) -> Result<Gradients<B>> {
        self.back(g, false)
    }

    fn back(mut self, g: B::Tensor, learns: bool) -> Result<Gradients<B>> {
        let (walk, backend) = (&self.walk, self.walk.backend);
        let nodes = &walk.graph.nodes;
        let wanted = wanted(walk.graph, walk.planes.relaxed);
        let mut slopes: Vec<Slope<B>> = nodes.iter().map(|_| Slope::default()).collect();
        slopes[nodes.len() - 1].data = Some(g);
        let mut planes: [Option<B::Tensor>; Plane::ALL.len()] = Default::default();
        let mut parameters = Vec::new();
        for (at, node) in nodes.iter().enumerate().rev() {
            let slope = std::mem::take(&mut slopes[at]);
            let Some(done) = self.done.pop() else { break };
            drop(done.value);
            if !wanted[at] {
                continue;
            }
            let inputs = walk.inputs(at, |i| self.done.get(i).map(|d| &d.value))?;
            let reads: Vec<bool> = node
                .inputs
                .iter()
                .map(|operand| match *operand {
                    Operand::Plane(_) => walk.planes.relaxed,
                    Operand::Node(i) => wanted[usize::from(i)],
                })
                .collect();
            let back = op::backward(
                &node.op,
                &walk.step(at, learns),
                &inputs,
                done.saved,
                slope,
                &reads,
            )?;
            parameters.extend(back.parameters.into_iter().rev());
            for (operand, slope) in node.inputs.iter().zip(back.inputs) {
                match *operand {
                    Operand::Node(i) => slopes[usize::from(i)].add(backend, slope)?,
                    Operand::Plane(plane) => {
                        let mut slope = slope;
                        if let (true, Some(g)) = (walk.gates(at, *operand), &slope.data) {
                            let (x, mask) = (
                                walk.planes.get(Plane::Values)?,
                                walk.planes.get(Plane::Mask)?,
                            );
                            let through = backend.gate_gradient(x, g)?;
                            slope.data = Some(backend.gate(g, mask)?);
                            accumulate(backend, &mut slope.mask, Some(through))?;
                        }
                        accumulate(backend, &mut planes[place(plane)], slope.data)?;
                        accumulate(backend, &mut planes[place(Plane::Mask)], slope.mask)?;
                    }
                }
            }
        }
        parameters.reverse();
        Ok(Gradients { parameters, planes })
    }
}

/// Which nodes' gradients lead to parameters, or to planes if those are `relaxed`.
fn wanted(graph: &Graph, relaxed: bool) -> Vec<bool> {
    let mut wanted: Vec<bool> = Vec::new();
    for node in &graph.nodes {
        let reads = node.inputs.iter().any(|operand| match *operand {
            Operand::Plane(_) => relaxed,
            Operand::Node(i) => wanted[usize::from(i)],
        });
        wanted.push(reads || node.op.parameters() > 0);
    }
    wanted
}

/// Weights, biases and slopes of all nodes in their order, each with whether it is a convolution's weights (and so decays).
pub fn parameters(graph: &mut Graph) -> Vec<(&mut [f32], bool)> {
    let mut all = Vec::new();
    for node in &mut graph.nodes {
        let convolution = matches!(node.op, Op::Convolution(_));
        let [first, second] = node.op.learned_mut();
        all.push((first, convolution));
        all.push((second, false));
    }
    all.retain(|(numbers, _)| !numbers.is_empty());
    all
}

/// Brings slopes to -1 to 1, where those of whole numbers lie (Spec §8.5).
pub fn bound_slopes(graph: &mut Graph) {
    for node in &mut graph.nodes {
        if let Op::Activation(Activation::Prelu(slopes)) = &mut node.op {
            slopes.iter_mut().for_each(|s| *s = s.clamp(-1.0, 1.0));
        }
    }
}

/// The same, to be read.
pub fn learned(graph: &Graph) -> impl Iterator<Item = &[f32]> {
    let all = graph.nodes.iter().flat_map(|node| node.op.learned());
    all.filter(|numbers| !numbers.is_empty())
}

/// Fills a graph with numbers to start training from: Kaiming's normal distribution, and zeros in the last convolution if
/// `silent`, so that a network that corrects an image begins with no correction. PReLU slopes start at 1/4.
pub fn initialise(graph: &mut Graph, silent: bool, rng: &mut impl Rng) {
    let is_convolution = |op: &Op| matches!(op, Op::Convolution(_));
    let last = graph.nodes.iter().rposition(|n| is_convolution(&n.op));
    for (at, node) in graph.nodes.iter_mut().enumerate() {
        match &mut node.op {
            Op::Convolution(op) => {
                let fan = op.group_inputs() * op.kernel.area();
                let deviation = match silent && Some(at) == last {
                    true => 0.0,
                    false => (2.0 / fan.max(1) as f32).sqrt(),
                };
                op.fill(|| 0.0);
                op.weights_mut()
                    .iter_mut()
                    .for_each(|w| *w = deviation * rng.sample::<f32, _>(StandardNormal));
            }
            Op::Activation(Activation::Prelu(slopes)) => slopes.fill(0.25),
            _ => {}
        }
    }
}
