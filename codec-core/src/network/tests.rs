//! Random networks against the definition of every operation, in pieces against the whole, and what they hold.

#[path = "../../../codec-format/tests/common/graphs.rs"]
mod graphs;

use super::stream::Stream;
use super::{Analyser, Analysis, Completion, Network};
use crate::planes::Planes;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{Stft, WindowKind};
use codec_format::model::graph::{Extent, Graph, Grid, Node, Operand, Plane, Shape};
use codec_format::model::op::*;
use codec_format::model::{Model, Normalisation, Parts};
use graphs::graph;
use ndarray::{concatenate, s, Array2, Axis};
use proptest::prelude::*;

const SCALE: f32 = 20.0;
const OFFSET: f32 = 10.0;

/// A generator that needs no state but a number.
fn draws(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

fn model(completion: Graph, analysis: Option<Graph>) -> Model {
    Model::new(Parts {
        rate: 16_000,
        stft: Stft {
            n_fft: 64,
            window_length: 64,
            window: WindowKind::Hann,
            hop: 32,
        },
        normalisation: Normalisation {
            offset: OFFSET,
            scale: SCALE,
        },
        residual: false,
        completion,
        analysis,
        metadata: Vec::new(),
    })
    .expect("a lawful model")
}

fn random_planes(draw: &mut impl FnMut(u64) -> u64, frames: usize, bins: usize) -> Planes {
    let mut planes = Planes::zeros(frames, bins);
    for at in planes.mask.clone().indexed_iter().map(|(at, _)| at) {
        planes.background[at] = draw(600) as f32 / 16.0;
        planes.image[at] = planes.background[at];
        if draw(4) == 0 {
            planes.mask[at] = 1.0;
            planes.values[at] = draw(1000) as f32 / 16.0;
            planes.image[at] = planes.values[at];
        }
    }
    planes
}

/// Pixels of channels, and whether each is observed.
#[derive(Clone)]
struct Image {
    frames: usize,
    bins: usize,
    pixels: Vec<(Vec<f32>, bool)>,
}

impl Image {
    fn new(shape: Shape, frames: usize, bins: usize) -> Self {
        let (frames, bins) = (
            Grid::points(shape.grid.frames, frames),
            Grid::points(shape.grid.bins, bins),
        );
        let pixel = (vec![0.0; usize::from(shape.channels)], true);
        Image {
            frames,
            bins,
            pixels: vec![pixel; frames * bins],
        }
    }

    fn at(&self, frame: i64, bin: i64) -> Option<&(Vec<f32>, bool)> {
        let inside = |x: i64, all: usize| (0..all as i64).contains(&x);
        (inside(frame, self.frames) && inside(bin, self.bins))
            .then(|| &self.pixels[frame as usize * self.bins + bin as usize])
    }
}

/// The image of an operation, pixel by pixel as the specification says it.
fn define(op: &Op, inputs: &[&Image], shape: Shape, size: (usize, usize)) -> Image {
    let mut out = Image::new(shape, size.0, size.1);
    let bins = out.bins;
    let steps = |factor: Extent| (i64::from(factor.frames), i64::from(factor.bins));
    let first = inputs[0];
    for (at, pixel) in out.pixels.iter_mut().enumerate() {
        let (t, k) = ((at / bins) as i64, (at % bins) as i64);
        let here = || inputs.iter().map(|input| input.at(t, k).unwrap());
        *pixel = match op {
            Op::Convolution(op) => convolution(op, first, t, k),
            Op::Activation(op) => {
                let (mut x, observed) = first.at(t, k).unwrap().clone();
                for (c, x) in x.iter_mut().enumerate() {
                    if *x <= 0.0 {
                        *x = op.slopes().get(c).map_or(0.0, |slope| *x * slope);
                    }
                }
                (x, observed)
            }
            Op::Combine(Combine::Add) => {
                let mut sum = first.at(t, k).unwrap().0.clone();
                for (x, _) in here().skip(1) {
                    sum.iter_mut().zip(x).for_each(|(s, x)| *s += x);
                }
                (sum, here().any(|p| p.1))
            }
            Op::Combine(Combine::Concatenate) => (
                here().flat_map(|p| p.0.clone()).collect(),
                here().any(|p| p.1),
            ),
            Op::Pool(op) => {
                let (ff, fb) = steps(op.factor);
                let window = (t * ff..(t + 1) * ff)
                    .flat_map(|f| (k * fb..(k + 1) * fb).map(move |b| (f, b)));
                let seen: Vec<&Vec<f32>> = window
                    .filter_map(|(f, b)| first.at(f, b))
                    .filter(|p| p.1)
                    .map(|p| &p.0)
                    .collect();
                let pool = |c: usize| match op.kind {
                    _ if seen.is_empty() => 0.0,
                    PoolKind::Mean => {
                        seen.iter().map(|x| x[c]).reduce(|a, x| a + x).unwrap() / seen.len() as f32
                    }
                    PoolKind::Max => seen.iter().map(|x| x[c]).reduce(f32::max).unwrap(),
                };
                ((0..pixel.0.len()).map(pool).collect(), !seen.is_empty())
            }
            Op::Upsample(op) => {
                let (ff, fb) = steps(op.factor);
                first.at(t / ff, k / fb).unwrap().clone()
            }
            Op::Shuffle(op) => {
                let (ff, fb) = steps(op.factor);
                let (x, observed) = first.at(t / ff, k / fb).unwrap();
                let channel = |c: i64| x[((c * fb + k % fb) * ff + t % ff) as usize];
                let channels = 0..pixel.0.len() as i64;
                (channels.map(channel).collect(), *observed)
            }
        };
    }
    out
}

fn convolution(op: &Convolution, input: &Image, t: i64, k: i64) -> (Vec<f32>, bool) {
    let side = |size: u8, stride: u8, dilation: u8, at: i64, tap: u8| {
        at * i64::from(stride) + (i64::from(tap) - i64::from(size / 2)) * i64::from(dilation)
    };
    let sparse = op.kind == ConvolutionKind::Sparse;
    let mut window = Vec::new();
    for f in 0..op.kernel.frames {
        for b in 0..op.kernel.bins {
            let frame = side(op.kernel.frames, op.stride.frames, op.dilation.frames, t, f);
            let bin = side(op.kernel.bins, op.stride.bins, op.dilation.bins, k, b);
            window.push((f, b, input.at(frame, bin)));
        }
    }
    let count = window.iter().filter(|w| w.2.is_some_and(|p| p.1)).count();
    let factor = match (sparse, count) {
        (false, _) => 1.0,
        (true, 0) => 0.0,
        (true, count) => op.kernel.area() as f32 / count as f32,
    };
    let output = |o: usize| {
        let mut sum = 0.0;
        for &(f, b, pixel) in &window {
            for i in 0..op.group_inputs() {
                let channel = o / op.group_outputs() * op.group_inputs() + i;
                let x = match pixel {
                    Some((x, observed)) if *observed || !sparse => x[channel],
                    _ => 0.0,
                };
                let (b, f) = (usize::from(b), usize::from(f));
                let at = (o * op.group_inputs() + i) * usize::from(op.kernel.bins) + b;
                sum += x * op.weights[at * usize::from(op.kernel.frames) + f];
            }
        }
        sum * factor + op.bias[o]
    };
    (
        (0..usize::from(op.outputs)).map(output).collect(),
        !sparse || count > 0,
    )
}

/// The output of a graph by definition.
fn definition(graph: &Graph, planes: &dyn Fn(Plane) -> Array2<f32>, mask: &Array2<f32>) -> Image {
    let size = mask.dim();
    let plane = |plane: Plane| {
        let mut image = Image::new(plane.shape(), size.0, size.1);
        let values = planes(plane);
        for ((pixel, x), m) in image.pixels.iter_mut().zip(&values).zip(mask) {
            let observed = plane != Plane::Values || *m != 0.0;
            let x = match plane {
                _ if !observed => 0.0,
                Plane::Mask => *x,
                _ => (x - OFFSET) / SCALE,
            };
            *pixel = (vec![x], observed);
        }
        image
    };
    let shapes = graph.shapes().unwrap();
    let mut done: Vec<Image> = Vec::new();
    for (Node { op, inputs }, shape) in graph.nodes.iter().zip(&shapes) {
        let made: Vec<Image> = inputs
            .iter()
            .map(|input| match *input {
                Operand::Plane(p) => plane(p),
                Operand::Node(at) => done[usize::from(at)].clone(),
            })
            .collect();
        let views: Vec<&Image> = made.iter().collect();
        let image = define(op, &views, *shape, size);
        done.push(image);
    }
    done.pop().unwrap()
}

fn part(planes: &Planes, from: usize, to: usize) -> Planes {
    let cut = |plane: &Array2<f32>| plane.slice(s![from..to, ..]).to_owned();
    Planes {
        values: cut(&planes.values),
        image: cut(&planes.image),
        background: cut(&planes.background),
        mask: cut(&planes.mask),
    }
}

/// Lengths of random pieces of `frames`.
fn pieces(draw: &mut impl FnMut(u64) -> u64, mut frames: usize) -> Vec<usize> {
    let mut pieces = Vec::new();
    while frames > 0 {
        let piece = (1 + draw(7) as usize).min(frames);
        pieces.push(piece);
        frames -= piece;
    }
    pieces
}

const DECODER: [Plane; 4] = [Plane::Values, Plane::Image, Plane::Background, Plane::Mask];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn completion_is_what_the_definition_says_and_pieces_do_not_show(seed: u64, frames in 1usize..40, bins in 1usize..20) {
        let mut draw = draws(seed);
        let used = 1 + draw(4) as usize;
        let graph = graph(&mut draw, &DECODER[..used]);
        let network = Arc::new(Network::of(&model(graph.clone(), None)));
        let planes = random_planes(&mut draw, frames, bins);
        let whole = network.run(&planes);
        let expected = definition(&graph, &|p| planes.get(p).unwrap().clone(), &planes.mask);
        prop_assert_eq!(whole.dim(), (expected.frames, expected.bins));
        for (y, (x, _)) in whole.iter().zip(&expected.pixels) {
            let x = OFFSET + x[0] * SCALE;
            prop_assert!(y.to_bits() == x.to_bits() || *y == 0.0 && x == 0.0, "{y} is not {x} in {graph:?}");
        }
        let mut completion = Completion::new(network);
        let mut out = Array2::zeros((0, bins));
        let mut at = 0;
        for piece in pieces(&mut draw, frames) {
            out.append(Axis(0), completion.push(&part(&planes, at, at + piece)).view()).unwrap();
            at += piece;
        }
        out.append(Axis(0), completion.finish().view()).unwrap();
        prop_assert_eq!(out, whole);
    }

    #[test]
    fn analysis_is_what_the_definition_says_and_pieces_do_not_show(seed: u64, frames in 1usize..40, bins in 1usize..20) {
        let mut draw = draws(seed);
        let mut analysis = graph(&mut draw, &[Plane::Levels]);
        // Without its last nodes it ends on any grid with any number of channels.
        let read = |graph: &Graph, at: usize| graph.nodes.iter().any(|n| n.inputs.contains(&Operand::Node(at as u8)));
        while analysis.nodes.len() > 1 && (draw(3) > 0 || (0..analysis.nodes.len() - 1).any(|at| !read(&analysis, at))) {
            analysis.nodes.pop();
        }
        let completion = graph(&mut draw, &DECODER);
        let network = Arc::new(Analysis::of(&model(completion, Some(analysis.clone()))).unwrap());
        let levels = random_planes(&mut draw, frames, bins).image;
        let whole = network.run(levels.view());
        let expected = definition(&analysis, &|_| levels.clone(), &Array2::ones(levels.dim()));
        prop_assert_eq!(whole.dim(), (expected.frames, expected.bins, network.channels()));
        let pixels = expected.pixels.iter().flat_map(|p| &p.0);
        prop_assert!(whole.iter().zip(pixels).all(|(y, x)| y == x));
        let mut analyser = Analyser::new(network);
        let mut at = 0;
        let mut parts = Vec::new();
        for piece in pieces(&mut draw, frames) {
            parts.push(analyser.push(levels.slice(s![at..at + piece, ..])));
            at += piece;
        }
        parts.push(analyser.finish());
        let parts: Vec<_> = parts.iter().map(|part| part.view()).collect();
        prop_assert_eq!(concatenate(Axis(0), &parts).unwrap(), whole);
    }

    #[test]
    fn no_graph_holds_more_than_it_says_or_reaches_further(seed: u64) {
        let mut draw = draws(seed);
        let completion = graph(&mut draw, &DECODER);
        let model = model(completion, None);
        let reach = model.completion.reach(model.completion_shapes());
        let network = Network::of(&model);
        let prepared = network.graph.unwrap();
        let mut stream = Stream::new(&prepared);
        // Enough bins for every grid to have its share of them, and frames for every phase.
        let (frames, bins) = (3 * reach.ahead + 200, 8);
        for end in 1..=frames {
            stream.push(&prepared, 1, bins, |_, _, _| {});
            let ready = stream.ready(&prepared);
            prop_assert!(ready.end >= 2 * end.saturating_sub(reach.ahead), "{} frames of {end} wait", ready.end);
            stream.take(&prepared, ready.end, |_| {});
        }
        prop_assert!(stream.most > 0);
        let most = reach.held * bins as u64;
        prop_assert!(stream.most as u64 <= most, "{} numbers, not {most}, in {:?}", stream.most, model.completion);
        stream.finish(&prepared);
        prop_assert!(stream.most as u64 <= most, "{} numbers in the end, not {most}", stream.most);
    }
}

/// A change of one frame shows no further than the network says, and so does a beginning further on, where the grids lie
/// alike.
#[test]
fn nothing_reaches_further_than_the_context() {
    let mut seen = 0;
    for seed in 0..40 {
        let mut draw = draws(seed);
        let graph = graph(&mut draw, &DECODER);
        let network = Arc::new(Network::of(&model(graph, None)));
        let context = network.context();
        let (frames, middle) = (2 * context + 40, context + 20);
        let mut planes = random_planes(&mut draw, frames, 9);
        let before = network.run(&planes);
        let start = 2 * network.stride();
        let later = network.run(&part(&planes, start, frames));
        let same = 2 * (start + context);
        assert_eq!(
            later.slice(s![2 * context.., ..]),
            before.slice(s![same.., ..])
        );
        planes.background.row_mut(middle).fill(70.0);
        planes.image.row_mut(middle).fill(70.0);
        let after = network.run(&planes);
        for (fine, (a, b)) in before.outer_iter().zip(after.outer_iter()).enumerate() {
            if a != b {
                seen += 1;
                assert!(
                    (fine / 2).abs_diff(middle) <= context,
                    "{fine}, {middle}, {context}"
                );
            }
        }
    }
    assert!(seen > 0);
}
