//! Networks against the definition of every operation, in both kinds of numbers, and what they hold.

#[path = "../../../codec-format/tests/common/graphs.rs"]
mod graphs;

use super::{Analyser, Analysis, Completion, Kind, Network};
use crate::planes::{PlaneRow, Planes};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{Stft, WindowKind};
use codec_format::memory::{Block, Count, Heap, Memory};
use codec_format::model::graph::{Extent, Graph, Grid, Node, Operand, Plane, Shape};
use codec_format::model::op::*;
use codec_format::model::{Arithmetic, Model, Normalisation, Parts};
use graphs::{graph, whole};
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

fn model(
    completion: Graph,
    analysis: Option<Graph>,
    arithmetic: Arithmetic,
    residual: bool,
) -> Model {
    Model::new(Parts {
        rate: 16_000,
        stft: Stft {
            n_fft: 64,
            window_length: 64,
            window: WindowKind::Hann,
            hop: 32,
        },
        arithmetic,
        normalisation: Normalisation {
            offset: OFFSET,
            scale: SCALE,
        },
        residual,
        completion,
        analysis,
        metadata: Vec::new(),
    })
    .expect("a lawful model")
}

/// Either kind of numbers, half of the time.
fn kind(draw: &mut impl FnMut(u64) -> u64, graph: &mut Graph) -> Arithmetic {
    if draw(2) == 0 {
        return Arithmetic::Real;
    }
    whole(draw, graph);
    Arithmetic::Whole
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

/// What the definition needs to know of a kind of numbers.
trait Defined: Copy + PartialOrd {
    const ZERO: Self;
    fn level(x: f32) -> Self;
    fn one() -> Self;
    fn sloped(op: &Activation, channel: usize, x: Self) -> Self;
    fn sum(terms: &[Self]) -> Self;
    fn mean(terms: &[Self]) -> Self;
    /// Output `o` of a convolution: of products with weights of these numbers, and of the window's observed pixels.
    fn output(op: &Convolution, o: usize, products: &[(Self, usize)], count: usize) -> Self;
}

impl Defined for f32 {
    const ZERO: f32 = 0.0;

    fn level(x: f32) -> f32 {
        (x - OFFSET) / SCALE
    }

    fn one() -> f32 {
        1.0
    }

    fn sloped(op: &Activation, channel: usize, x: f32) -> f32 {
        op.slopes().get(channel).map_or(0.0, |slope| x * slope)
    }

    fn sum(terms: &[f32]) -> f32 {
        terms.iter().copied().reduce(|a, x| a + x).unwrap()
    }

    fn mean(terms: &[f32]) -> f32 {
        f32::sum(terms) / terms.len() as f32
    }

    fn output(op: &Convolution, o: usize, products: &[(f32, usize)], count: usize) -> f32 {
        let factor = match (op.kind, count) {
            (ConvolutionKind::Plain, _) => 1.0,
            (ConvolutionKind::Sparse, 0) => 0.0,
            (ConvolutionKind::Sparse, count) => op.kernel.area() as f32 / count as f32,
        };
        let mut sum = 0.0;
        for &(x, weight) in products {
            sum += x * op.weights()[weight];
        }
        sum * factor + op.bias()[o]
    }
}

fn clamped(x: i64) -> i16 {
    x.clamp(-32_768, 32_767) as i16
}

impl Defined for i16 {
    const ZERO: i16 = 0;

    fn level(x: f32) -> i16 {
        ((x - OFFSET) * 16.0) as i16
    }

    fn one() -> i16 {
        (SCALE * 16.0) as i16
    }

    fn sloped(op: &Activation, channel: usize, x: i16) -> i16 {
        match op {
            Activation::WholePrelu(slopes) => {
                clamped((i64::from(x) * i64::from(slopes[channel]) + 16_384).div_euclid(32_768))
            }
            _ => 0,
        }
    }

    fn sum(terms: &[i16]) -> i16 {
        clamped(terms.iter().map(|&x| i64::from(x)).sum())
    }

    fn mean(terms: &[i16]) -> i16 {
        let (sum, n) = (
            terms.iter().map(|&x| i64::from(x)).sum::<i64>(),
            terms.len() as i64,
        );
        clamped((2 * sum + n).div_euclid(2 * n))
    }

    fn output(op: &Convolution, o: usize, products: &[(i16, usize)], count: usize) -> i16 {
        let Numbers::Whole {
            weights,
            shifts,
            bias,
        } = &op.numbers
        else {
            panic!("a whole model");
        };
        let sum: i64 = products
            .iter()
            .map(|&(x, weight)| i64::from(x) * i64::from(weights[weight]))
            .sum();
        let (bias, shift) = (i64::from(bias[o]), u32::from(shifts[o]));
        let (area, count) = (op.kernel.area() as i64, count as i64);
        clamped(match (op.kind, count) {
            (ConvolutionKind::Plain, _) => (sum + bias + ((1 << shift) >> 1)) >> shift,
            (ConvolutionKind::Sparse, 0) => ((bias << 16) + (1 << (shift + 15))) >> (shift + 16),
            (ConvolutionKind::Sparse, _) => {
                let factor = (65_536 * area + count / 2) / count;
                (sum * factor + (bias << 16) + (1 << (shift + 15))) >> (shift + 16)
            }
        })
    }
}

/// Pixels of channels, and whether each is observed.
#[derive(Clone)]
struct Image<T> {
    frames: usize,
    bins: usize,
    pixels: Vec<(Vec<T>, bool)>,
}

impl<T: Defined> Image<T> {
    fn new(shape: Shape, frames: usize, bins: usize) -> Self {
        let (frames, bins) = (
            Grid::points(shape.grid.frames, frames),
            Grid::points(shape.grid.bins, bins),
        );
        let pixel = (vec![T::ZERO; usize::from(shape.channels)], true);
        Image {
            frames,
            bins,
            pixels: vec![pixel; frames * bins],
        }
    }

    fn at(&self, frame: i64, bin: i64) -> Option<&(Vec<T>, bool)> {
        let inside = |x: i64, all: usize| (0..all as i64).contains(&x);
        (inside(frame, self.frames) && inside(bin, self.bins))
            .then(|| &self.pixels[frame as usize * self.bins + bin as usize])
    }
}

/// The image of an operation, pixel by pixel as the specification says it.
fn define<T: Defined>(
    op: &Op,
    inputs: &[&Image<T>],
    shape: Shape,
    size: (usize, usize),
) -> Image<T> {
    let mut out = Image::new(shape, size.0, size.1);
    let bins = out.bins;
    let steps = |factor: Extent| (i64::from(factor.frames), i64::from(factor.bins));
    let first = inputs[0];
    for (at, pixel) in out.pixels.iter_mut().enumerate() {
        let (t, k) = ((at / bins) as i64, (at % bins) as i64);
        let here = || inputs.iter().map(|input| input.at(t, k).unwrap());
        let channels = 0..pixel.0.len();
        *pixel = match op {
            Op::Convolution(op) => convolution(op, first, t, k),
            Op::Activation(op) => {
                let (mut x, observed) = first.at(t, k).unwrap().clone();
                for (c, x) in x.iter_mut().enumerate() {
                    if *x <= T::ZERO {
                        *x = T::sloped(op, c, *x);
                    }
                }
                (x, observed)
            }
            Op::Combine(Combine::Add) => {
                let sum = |c: usize| T::sum(&here().map(|p| p.0[c]).collect::<Vec<T>>());
                (channels.map(sum).collect(), here().any(|p| p.1))
            }
            Op::Combine(Combine::Concatenate) => (
                here().flat_map(|p| p.0.clone()).collect(),
                here().any(|p| p.1),
            ),
            Op::Pool(op) => {
                let (ff, fb) = steps(op.factor);
                let window = (t * ff..(t + 1) * ff)
                    .flat_map(|f| (k * fb..(k + 1) * fb).map(move |b| (f, b)));
                let seen: Vec<&Vec<T>> = window
                    .filter_map(|(f, b)| first.at(f, b))
                    .filter(|p| p.1)
                    .map(|p| &p.0)
                    .collect();
                let pool = |c: usize| {
                    let terms: Vec<T> = seen.iter().map(|x| x[c]).collect();
                    match op.kind {
                        _ if terms.is_empty() => T::ZERO,
                        PoolKind::Mean => T::mean(&terms),
                        PoolKind::Max => {
                            let larger = |a, x| if x > a { x } else { a };
                            terms.into_iter().reduce(larger).unwrap()
                        }
                    }
                };
                (channels.map(pool).collect(), !seen.is_empty())
            }
            Op::Upsample(op) => {
                let (ff, fb) = steps(op.factor);
                first.at(t / ff, k / fb).unwrap().clone()
            }
            Op::Shuffle(op) => {
                let (ff, fb) = steps(op.factor);
                let (x, observed) = first.at(t / ff, k / fb).unwrap();
                let channel = |c: usize| x[((c as i64 * fb + k % fb) * ff + t % ff) as usize];
                (channels.map(channel).collect(), *observed)
            }
        };
    }
    out
}

fn convolution<T: Defined>(op: &Convolution, input: &Image<T>, t: i64, k: i64) -> (Vec<T>, bool) {
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
    let output = |o: usize| {
        let mut products = Vec::new();
        for &(f, b, pixel) in &window {
            for i in 0..op.group_inputs() {
                let channel = o / op.group_outputs() * op.group_inputs() + i;
                let x = match pixel {
                    Some((x, observed)) if *observed || !sparse => x[channel],
                    _ => T::ZERO,
                };
                let (b, f) = (usize::from(b), usize::from(f));
                let at = (o * op.group_inputs() + i) * usize::from(op.kernel.bins) + b;
                products.push((x, at * usize::from(op.kernel.frames) + f));
            }
        }
        T::output(op, o, &products, count)
    };
    (
        (0..usize::from(op.outputs)).map(output).collect(),
        !sparse || count > 0,
    )
}

/// The output of a graph by definition.
fn definition<T: Defined>(
    graph: &Graph,
    planes: &dyn Fn(Plane) -> Array2<f32>,
    mask: &Array2<f32>,
) -> Image<T> {
    let size = mask.dim();
    let plane = |plane: Plane| {
        let mut image = Image::new(plane.shape(), size.0, size.1);
        let values = planes(plane);
        for ((pixel, x), m) in image.pixels.iter_mut().zip(&values).zip(mask) {
            let observed = plane != Plane::Values || *m != 0.0;
            let x = match plane {
                _ if !observed => T::ZERO,
                Plane::Mask if *x != 0.0 => T::one(),
                Plane::Mask => T::ZERO,
                _ => T::level(*x),
            };
            *pixel = (vec![x], observed);
        }
        image
    };
    let shapes = graph.shapes().unwrap();
    let mut done: Vec<Image<T>> = Vec::new();
    for (Node { op, inputs }, shape) in graph.nodes.iter().zip(&shapes) {
        let made: Vec<Image<T>> = inputs
            .iter()
            .map(|input| match *input {
                Operand::Plane(p) => plane(p),
                Operand::Node(at) => done[usize::from(at)].clone(),
            })
            .collect();
        let views: Vec<&Image<T>> = made.iter().collect();
        let image = define(op, &views, *shape, size);
        done.push(image);
    }
    done.pop().unwrap()
}

/// The numbers of an image, one after the other.
fn numbers<T: Defined>(image: Image<T>) -> Vec<T> {
    image.pixels.into_iter().flat_map(|pixel| pixel.0).collect()
}

/// The dense levels of two fine frames a coded one, in 1/16 dB, by definition.
fn dense(model: &Model, planes: &Planes) -> Vec<i64> {
    let of = |plane| planes.get(plane).unwrap().clone();
    let graph = &model.completion;
    let add = if model.residual { 0.0 } else { OFFSET };
    let corrections: Vec<i16> = match model.arithmetic {
        Arithmetic::Real => numbers(definition::<f32>(graph, &of, &planes.mask))
            .into_iter()
            .map(|x| (libm::floorf((add + x * SCALE) * 16.0 + 0.5)) as i16)
            .collect(),
        Arithmetic::Whole => numbers(definition::<i16>(graph, &of, &planes.mask))
            .into_iter()
            .map(|x| clamped(i64::from(x) + (add * 16.0) as i64))
            .collect(),
    };
    let bins = planes.bins();
    let level = |frame: usize, bin: usize| (planes.image[(frame, bin)] * 16.0) as i64;
    let dense = corrections.iter().enumerate().map(|(at, &y)| {
        let (fine, bin) = (at / bins, at % bins);
        let next = (fine / 2 + 1).min(planes.frames() - 1);
        let base = match (model.residual, fine % 2) {
            (false, _) => 0,
            (true, 0) => level(fine / 2, bin),
            (true, _) => (level(fine / 2, bin) + level(next, bin) + 1) >> 1,
        };
        i64::from(clamped(base + i64::from(y))).clamp(-8192, 8191)
    });
    dense.collect()
}

/// Runs a completion over rows of whole numbers, and checks that no frame comes too late.
fn stream<M: Memory>(mut completion: Completion<M>, planes: &Planes, ahead: usize) -> Vec<i64> {
    completion.reset();
    let mut out = Vec::new();
    let mut taken = 0;
    for frame in 0..planes.frames() {
        let row = |plane: &Array2<f32>| -> Vec<i16> {
            plane
                .row(frame)
                .iter()
                .map(|&x| (x * 16.0) as i16)
                .collect()
        };
        let kept: Vec<u8> = planes.mask.row(frame).iter().map(|&m| m as u8).collect();
        completion.push(&PlaneRow {
            values: &row(&planes.values),
            image: &row(&planes.image),
            background: &row(&planes.background),
            kept: &kept,
        });
        while let Some(levels) = completion.pop() {
            out.extend(levels.iter().map(|&x| i64::from(x)));
            taken += 1;
        }
        assert!(taken >= 2 * (frame + 1).saturating_sub(ahead));
    }
    completion.finish();
    while let Some(levels) = completion.pop() {
        out.extend(levels.iter().map(|&x| i64::from(x)));
    }
    out
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

const DECODER: [Plane; 4] = [Plane::Values, Plane::Image, Plane::Background, Plane::Mask];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn completion_is_what_the_definition_says(seed: u64, frames in 1usize..40, bins in 1usize..40, residual: bool) {
        let mut draw = draws(seed);
        let used = 1 + draw(4) as usize;
        let mut graph = graph(&mut draw, &DECODER[..used]);
        let arithmetic = kind(&mut draw, &mut graph);
        let model = model(graph, None, arithmetic, residual);
        let network = Arc::new(Network::of(&model));
        let planes = random_planes(&mut draw, frames, bins);
        let expected = dense(&model, &planes);
        let whole = network.run(&planes);
        prop_assert_eq!(whole.dim(), (2 * frames, bins));
        let whole: Vec<i64> = whole.iter().map(|x| (x * 16.0) as i64).collect();
        prop_assert!(whole == expected);
        // The same over a block of just the memory that is counted, which another image has used.
        let mut count = Count::default();
        Completion::new(&network, bins, &mut count).unwrap();
        let mut words = vec![u64::MAX; (count.bytes() / 8) as usize];
        let mut completion = Completion::new(&network, bins, &mut Block::new(&mut words)).unwrap();
        completion.reset();
        completion.push_planes(&random_planes(&mut draw, 20, bins), &mut Vec::new());
        let reach = model.completion.reach(model.completion_shapes());
        let ahead = reach.ahead.max(usize::from(residual));
        prop_assert_eq!(stream(completion, &planes, ahead), expected);
        prop_assert!(Completion::new(&network, bins, &mut Heap::new(count.bytes() - 1)).is_err());
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
        let mut completion = graph(&mut draw, &DECODER);
        let arithmetic = kind(&mut draw, &mut analysis);
        if arithmetic == Arithmetic::Whole {
            whole(&mut draw, &mut completion);
        }
        let model = model(completion, Some(analysis.clone()), arithmetic, false);
        let network = Arc::new(Analysis::of(&model).unwrap());
        let levels = random_planes(&mut draw, frames, bins).image;
        let whole = network.run(levels.view());
        let ones = Array2::ones(levels.dim());
        let expected: Vec<f32> = match arithmetic {
            Arithmetic::Real => numbers(definition::<f32>(&analysis, &|_| levels.clone(), &ones)),
            Arithmetic::Whole => numbers(definition::<i16>(&analysis, &|_| levels.clone(), &ones)).into_iter().map(f32::from).collect(),
        };
        prop_assert_eq!(whole.len(), expected.len());
        prop_assert!(whole.iter().zip(&expected).all(|(y, x)| y == x));
        let mut analyser = Analyser::new(network);
        let mut at = 0;
        let mut parts = Vec::new();
        while at < frames {
            let piece = (1 + draw(7) as usize).min(frames - at);
            parts.push(analyser.push(levels.slice(s![at..at + piece, ..])));
            at += piece;
        }
        parts.push(analyser.finish());
        let parts: Vec<_> = parts.iter().map(|part| part.view()).collect();
        prop_assert_eq!(concatenate(Axis(0), &parts).unwrap(), whole);
    }

    #[test]
    fn no_graph_holds_more_than_it_says(seed: u64) {
        for residual in [false, true] {
            let (held, most) = held(seed, residual);
            prop_assert!(held <= most, "{held} numbers, not {most}");
        }
    }
}

/// What some graph keeps over 64 bins, enough for every grid to have its share of them, and what it says it does.
fn held(seed: u64, residual: bool) -> (u64, u64) {
    const BINS: usize = 64;
    let completion = graph(&mut draws(seed), &DECODER);
    let model = model(completion, None, Arithmetic::Real, residual);
    let reach = model.completion.reach(model.completion_shapes());
    let Some(Kind::Real(graph)) = Network::of(&model).graph else {
        panic!("a network")
    };
    let slots = &graph.plan.slots[graph.plan.planes.len()..];
    let held: usize = slots.iter().map(|slot| slot.numbers(BINS)).sum();
    (held as u64, reach.held * BINS as u64)
}

/// Graphs in which finer frames come with the coarse one that they are made of.
#[test]
fn finer_frames_that_come_at_once_are_held_too() {
    for seed in [2_147_069_483_404_627_465, 8_209_246_990_018_013_863] {
        let (held, most) = held(seed, false);
        assert!(held <= most, "{held} numbers, not {most}");
    }
}

/// A change of one frame shows no further than the network says, and so does a beginning further on, where the grids lie
/// alike.
#[test]
fn nothing_reaches_further_than_the_context() {
    let mut seen = 0;
    for seed in 0..40 {
        let mut draw = draws(seed);
        let mut graph = graph(&mut draw, &DECODER);
        let arithmetic = kind(&mut draw, &mut graph);
        let network = Arc::new(Network::of(&model(graph, None, arithmetic, seed % 3 == 0)));
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
