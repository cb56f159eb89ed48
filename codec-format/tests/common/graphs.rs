//! Random but lawful networks: every operation, on every grid, with branches that meet again.

extern crate alloc;
use alloc::vec::Vec;
use codec_format::model::graph::*;
use codec_format::model::op::*;

/// Draws numbers below the one given.
pub type Draw<'a> = &'a mut dyn FnMut(u64) -> u64;

/// A graph over some of these planes that ends in one channel on every bin, two fine frames to a coded one.
pub fn graph(draw: Draw<'_>, planes: &[Plane]) -> Graph {
    let mut graph = Graph::default();
    let mut open: Vec<Operand> = planes.iter().map(|&plane| Operand::Plane(plane)).collect();
    for _ in 0..2 + draw(7) {
        // The latest node now and then, so that chains grow.
        let latest = open.len() - 1;
        let input = open[if draw(2) == 0 {
            latest
        } else {
            draw(open.len() as u64) as usize
        }];
        let shape = shape_of(&graph, input);
        let mut inputs = Vec::from([input]);
        let op: Op = match draw(9) {
            0..=2 => convolution(draw, shape.channels).into(),
            3 => Activation::Prelu((0..shape.channels).map(|_| number(draw)).collect()).into(),
            4 => Activation::Relu.into(),
            5 => Pool {
                kind: [PoolKind::Mean, PoolKind::Max][draw(2) as usize],
                factor: extent(draw, &[1, 2]),
            }
            .into(),
            6 => Upsample {
                factor: extent(draw, &[1, 2]),
            }
            .into(),
            7 => Shuffle {
                factor: extent(draw, &[1, 2]),
            }
            .into(),
            _ => {
                let sum = draw(2) == 0;
                inputs.extend(open.iter().filter(|&&other| {
                    let Shape { channels, grid, .. } = shape_of(&graph, other);
                    grid == shape.grid && (!sum || channels == shape.channels)
                }));
                inputs.truncate(3);
                [Combine::Concatenate, Combine::Add][usize::from(sum)].into()
            }
        };
        let shapes: Vec<Shape> = inputs
            .iter()
            .map(|&input| shape_of(&graph, input))
            .collect();
        let lawful = op.shape(&shapes).is_ok_and(|shape| {
            shape.channels <= 12 && shape.grid.bins <= 3 && (-2..=3).contains(&shape.grid.frames)
        });
        if lawful {
            open.push(graph.push(op, &inputs));
        }
    }
    // What nothing reads yet is brought to the coded grid and summed up.
    let read = |operand| graph.nodes.iter().any(|n| n.inputs.contains(&operand));
    let ends: Vec<Operand> = open.into_iter().filter(|&operand| !read(operand)).collect();
    let mut terms = Vec::new();
    for mut end in ends {
        let Shape { channels, grid, .. } = shape_of(&graph, end);
        let up = Extent {
            bins: 1 << grid.bins,
            frames: 1 << grid.frames.max(0),
        };
        let down = Extent {
            bins: 1,
            frames: 1 << (-grid.frames).max(0),
        };
        if up != Extent::ONE {
            end = graph.push(Upsample { factor: up }, &[end]);
        }
        if down != Extent::ONE {
            let kind = PoolKind::Mean;
            end = graph.push(Pool { kind, factor: down }, &[end]);
        }
        let mut last = convolution(draw, channels);
        (last.stride, last.groups, last.outputs) = (Extent::ONE, 1, 2);
        last.fill(|| number(draw));
        terms.push(graph.push(last, &[end]));
    }
    let sum = graph.push(Combine::Add, &terms);
    let factor = Extent { bins: 1, frames: 2 };
    graph.push(Shuffle { factor }, &[sum]);
    graph
}

/// Makes all numbers of a graph whole ones: weights as large as sums allow, and some far smaller.
pub fn whole(draw: Draw<'_>, graph: &mut Graph) {
    for node in &mut graph.nodes {
        match &mut node.op {
            Op::Convolution(op) => {
                let count = op.weight_count();
                let each = (count / usize::from(op.outputs)) as u64;
                let most = (60_000 / each).min([2, 127, 32_767][draw(3) as usize]);
                let mut numbers = |most: u64| draw(2 * most + 1) as i64 - most as i64;
                op.numbers = Numbers::Whole {
                    weights: (0..count).map(|_| numbers(most) as i16).collect(),
                    bias: (0..op.outputs).map(|_| numbers(60_000) as i32).collect(),
                    shifts: (0..op.outputs)
                        .map(|_| [0, 1, 4, 7, 9, 12, 14, 20][draw(8) as usize])
                        .collect(),
                };
            }
            Op::Activation(Activation::Prelu(slopes)) => {
                let slopes = slopes.iter().map(|_| draw(1 << 16) as u16 as i16);
                node.op = Activation::WholePrelu(slopes.collect()).into();
            }
            _ => {}
        }
    }
}

fn convolution(draw: Draw<'_>, inputs: u16) -> Convolution {
    let groups = match draw(3) {
        0 => inputs,
        1 if inputs % 2 == 0 => 2,
        _ => 1,
    };
    let kind = [ConvolutionKind::Plain, ConvolutionKind::Sparse][draw(2) as usize];
    let outputs = groups * (1 + draw(u64::from(12 / groups)) as u16);
    let kernel = extent(draw, &[1, 3, 5]);
    let mut op = Convolution::zeros(kind, inputs, outputs, kernel);
    op.groups = groups;
    op.stride = extent(draw, &[1, 1, 2]);
    op.dilation = extent(draw, &[1, 1, 3]);
    op.fill(|| number(draw));
    op
}

fn shape_of(graph: &Graph, operand: Operand) -> Shape {
    match operand {
        Operand::Plane(plane) => plane.shape(),
        Operand::Node(at) => graph.shapes().expect("a lawful graph")[usize::from(at)],
    }
}

fn extent(draw: Draw<'_>, sizes: &[u8]) -> Extent {
    let mut one = || sizes[draw(sizes.len() as u64) as usize];
    Extent {
        bins: one(),
        frames: one(),
    }
}

/// A number in -2..2.
pub fn number(draw: Draw<'_>) -> f32 {
    (draw(2001) as f32 - 1000.0) / 512.0
}
