//! A graph made ready to run: its weights in the order they are read, and who keeps which tensor.

use super::op::Prepared;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::graph::{self, Grid, Operand, Plane, Shape};
use codec_format::model::op::{Combine, Op};

/// A graph ready to run. What its steps read they name by number: first the planes, then the steps.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    pub planes: Vec<Plane>,
    pub steps: Vec<Step>,
    /// What every tensor holds; planes have the first ones.
    pub tensors: Vec<Shape>,
    /// Which tensor holds each plane's and step's output.
    pub slots: Vec<usize>,
    /// What the graph gives out, one behind the other along the channels.
    pub output: Vec<usize>,
    pub shape: Shape,
}

/// One operation.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub op: Prepared,
    pub grid: Grid,
    /// What each input is made of; several where it is a concatenation.
    pub inputs: Vec<Vec<usize>>,
    /// What the output takes the place of, in the same tensor; it is not among the inputs then.
    pub replaced: Option<usize>,
}

impl Step {
    /// Everything the step reads.
    pub fn sources(&self) -> impl Iterator<Item = usize> + '_ {
        self.inputs.iter().flatten().copied().chain(self.replaced)
    }
}

impl Graph {
    /// Prepares a graph of a checked model, whose nodes have these shapes.
    pub fn new(graph: &graph::Graph, shapes: &[Shape]) -> Self {
        let read = |operand| {
            graph
                .nodes
                .iter()
                .any(|node| node.inputs.contains(&operand))
        };
        let planes: Vec<Plane> = Plane::ALL
            .into_iter()
            .filter(|&plane| read(Operand::Plane(plane)))
            .collect();
        let mut made = Graph {
            tensors: planes.iter().map(|plane| plane.shape()).collect(),
            slots: (0..planes.len()).collect(),
            planes,
            steps: Vec::new(),
            output: Vec::new(),
            shape: shapes.last().copied().unwrap_or(Plane::Values.shape()),
        };
        // What each node is made of: its own step or, where it concatenates, those of its inputs.
        let mut views: Vec<Vec<usize>> = Vec::new();
        for (node, shape) in graph.nodes.iter().zip(shapes) {
            let view = |operand: &Operand| match *operand {
                Operand::Node(at) => views[usize::from(at)].clone(),
                Operand::Plane(plane) => {
                    vec![made.planes.iter().take_while(|&&p| p != plane).count()]
                }
            };
            let inputs: Vec<Vec<usize>> = node.inputs.iter().map(view).collect();
            if node.op == Op::Combine(Combine::Concatenate) {
                views.push(inputs.concat());
                continue;
            }
            views.push(vec![made.planes.len() + made.steps.len()]);
            made.steps.push(Step {
                op: Prepared::new(&node.op),
                grid: shape.grid,
                inputs,
                replaced: None,
            });
            made.slots.push(made.tensors.len());
            made.tensors.push(*shape);
        }
        made.output = views.pop().unwrap_or_default();
        made.share();
        made
    }

    /// Lets outputs take the place of inputs that nothing else reads.
    fn share(&mut self) {
        let planes = self.planes.len();
        let mut readers = vec![0; self.slots.len()];
        let steps = self.steps.iter().flat_map(Step::sources);
        for source in steps.chain(self.output.iter().copied()) {
            readers[source] += 1;
        }
        for (at, step) in self.steps.iter_mut().enumerate() {
            let replaceable = |&input: &usize| match step.inputs.get(input).map(Vec::as_slice) {
                Some(&[source]) => source >= planes && readers[source] == 1,
                _ => false,
            };
            if let Some(input) = step.op.replaces().find(replaceable) {
                let source = step.inputs.remove(input)[0];
                step.replaced = Some(source);
                self.slots[planes + at] = self.slots[source];
            }
        }
    }
}
