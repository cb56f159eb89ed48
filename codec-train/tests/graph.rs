//! Graphs of every operation: against the decoder, gradients against finite differences, and one backend against the
//! other.

use codec_core::network::Network;
use codec_core::planes::Planes as Levels;
use codec_core::quantise::levels;
use codec_format::header::{Stft, WindowKind};
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{
    Activation, Combine, Convolution, ConvolutionKind, Op, Pool, PoolKind, Shuffle, Upsample,
};
use codec_format::model::{Arithmetic, Model, Normalisation, Parts};
use codec_format::Limits;
use codec_train::backend::cpu::Cpu;
use codec_train::backend::dfdx::Dfdx;
use codec_train::backend::Backend;
use codec_train::graph::{initialise, parameters, run, trace, Planes};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

const SAMPLES: usize = 2;
/// Neither of them divisible by a factor, and more than one strip of bins.
const BINS: usize = 33;
const FRAMES: usize = 11;

fn extent(bins: u8, frames: u8) -> Extent {
    Extent { bins, frames }
}

/// Builds graphs; weights come later.
#[derive(Default)]
struct Build {
    graph: Graph,
}

impl Build {
    fn push(&mut self, op: impl Into<Op>, inputs: &[Operand]) -> Operand {
        self.graph.push(op, inputs)
    }

    fn channels(&self, of: Operand) -> u16 {
        match of {
            Operand::Plane(_) => 1,
            Operand::Node(at) => self.graph.shapes().expect("shapes")[usize::from(at)].channels,
        }
    }

    fn convolution(
        &mut self,
        kind: ConvolutionKind,
        input: Operand,
        outputs: u16,
        kernel: Extent,
        change: impl FnOnce(&mut Convolution),
    ) -> Operand {
        let mut op = Convolution::zeros(kind, self.channels(input), outputs, kernel);
        change(&mut op);
        op.fill(|| 0.0);
        self.push(op, &[input])
    }

    fn plain(&mut self, input: Operand, outputs: u16) -> Operand {
        self.convolution(ConvolutionKind::Plain, input, outputs, extent(3, 3), |_| {})
    }

    fn sparse(&mut self, input: Operand, outputs: u16, kernel: Extent) -> Operand {
        self.convolution(ConvolutionKind::Sparse, input, outputs, kernel, |_| {})
    }

    fn combine(&mut self, op: Combine, inputs: &[Operand]) -> Operand {
        self.push(op, inputs)
    }

    fn prelu(&mut self, input: Operand) -> Operand {
        let slopes = vec![0.0; usize::from(self.channels(input))];
        self.push(Activation::Prelu(slopes), &[input])
    }

    fn pool(&mut self, kind: PoolKind, factor: Extent, input: Operand) -> Operand {
        self.push(Pool { kind, factor }, &[input])
    }

    fn upsample(&mut self, factor: Extent, input: Operand) -> Operand {
        self.push(Upsample { factor }, &[input])
    }

    fn shuffle(&mut self, factor: Extent, input: Operand) -> Operand {
        self.push(Shuffle { factor }, &[input])
    }
}

/// Random weights, biases and slopes.
fn fill(graph: &mut Graph) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    initialise(graph, false, &mut rng);
    for (numbers, weights) in parameters(graph) {
        if !weights {
            numbers
                .iter_mut()
                .for_each(|x| *x = rng.gen_range(-0.5..0.5));
        }
    }
}

const VALUES: Operand = Operand::Plane(Plane::Values);
const IMAGE: Operand = Operand::Plane(Plane::Image);
const BACKGROUND: Operand = Operand::Plane(Plane::Background);
const MASK: Operand = Operand::Plane(Plane::Mask);

/// A graph for every operation and for what they can be combined to.
fn graphs() -> Vec<(&'static str, Graph)> {
    use ConvolutionKind::{Plain, Sparse};
    let mut all: Vec<(&'static str, Graph)> = Vec::new();
    let mut add = |name, build: &dyn Fn(&mut Build)| {
        let mut b = Build::default();
        build(&mut b);
        fill(&mut b.graph);
        all.push((name, b.graph));
    };
    let planes =
        |b: &mut Build| b.combine(Combine::Concatenate, &[IMAGE, MASK, VALUES, BACKGROUND]);
    add("plain convolution", &|b| {
        let x = planes(b);
        let x = b.convolution(Plain, x, 9, extent(5, 3), |_| {});
        b.convolution(Plain, x, 1, extent(1, 5), |_| {});
    });
    for (name, stride, dilation) in [
        ("stride 2 x 1", extent(2, 1), Extent::ONE),
        ("stride 4 x 2", extent(4, 2), Extent::ONE),
        ("stride 8 x 8", extent(8, 8), Extent::ONE),
        ("dilation 3 x 2", Extent::ONE, extent(3, 2)),
        ("stride 2 x 4, dilation 5 x 3", extent(2, 4), extent(5, 3)),
    ] {
        add(name, &|b| {
            let x = planes(b);
            let x = b.plain(x, 5);
            b.convolution(Plain, x, 7, extent(3, 5), |op| {
                (op.stride, op.dilation) = (stride, dilation);
            });
        });
    }
    add("a stride beyond the kernel", &|b| {
        let x = b.plain(IMAGE, 3);
        b.convolution(Plain, x, 3, Extent::ONE, |op| op.stride = extent(2, 4));
    });
    for (name, groups, outputs) in [
        ("two groups", 2, 10),
        ("depthwise", 6, 6),
        ("depthwise with two outputs each", 6, 12),
        ("depthwise with three outputs each", 6, 18),
    ] {
        add(name, &|b| {
            let x = planes(b);
            let x = b.plain(x, 6);
            b.convolution(Plain, x, outputs, extent(7, 5), |op| op.groups = groups);
        });
    }
    add("depthwise with stride and dilation", &|b| {
        let x = b.plain(IMAGE, 4);
        b.convolution(Plain, x, 4, extent(3, 3), |op| {
            (op.groups, op.stride, op.dilation) = (4, extent(2, 2), extent(2, 3));
        });
    });
    add("sparse convolutions", &|b| {
        let x = b.sparse(VALUES, 4, extent(3, 5));
        let x = b.push(Activation::Relu, &[x]);
        let x = b.sparse(x, 3, extent(3, 3));
        b.sparse(x, 1, Extent::ONE);
    });
    add("sparse convolution of what is seen everywhere", &|b| {
        b.sparse(BACKGROUND, 4, extent(3, 5));
    });
    add("sparse convolution with stride and dilation", &|b| {
        let x = b.convolution(Sparse, VALUES, 4, extent(3, 3), |op| {
            (op.stride, op.dilation) = (extent(2, 2), extent(3, 2));
        });
        b.sparse(x, 2, extent(3, 3));
    });
    add("plain convolution behind a sparse one", &|b| {
        let x = b.sparse(VALUES, 4, extent(3, 3));
        b.plain(x, 2);
    });
    add("activations", &|b| {
        let x = b.plain(IMAGE, 4);
        let x = b.prelu(x);
        let x = b.plain(x, 4);
        b.push(Activation::Relu, &[x]);
    });
    add("sums", &|b| {
        let x = b.plain(IMAGE, 4);
        let y = b.plain(x, 4);
        let z = b.sparse(VALUES, 4, extent(3, 3));
        b.combine(Combine::Add, &[x, y, z, x]);
    });
    add("sums and concatenations of sparse tensors", &|b| {
        let x = b.sparse(VALUES, 3, extent(3, 1));
        let y = b.sparse(VALUES, 3, extent(1, 3));
        let sum = b.combine(Combine::Add, &[x, y]);
        let z = b.combine(Combine::Concatenate, &[sum, x]);
        b.sparse(z, 2, extent(3, 3));
    });
    for (name, kind) in [
        ("mean pool", PoolKind::Mean),
        ("maximum pool", PoolKind::Max),
    ] {
        add(name, &|b| {
            let x = planes(b);
            let x = b.plain(x, 3);
            b.pool(kind, extent(4, 2), x);
        });
        add(name, &|b| {
            let x = b.sparse(VALUES, 3, extent(1, 3));
            let x = b.pool(kind, extent(2, 2), x);
            b.sparse(x, 2, extent(3, 3));
        });
    }
    add("upsampling", &|b| {
        let x = b.convolution(Plain, IMAGE, 3, extent(3, 3), |op| op.stride = extent(4, 2));
        let x = b.upsample(extent(2, 2), x);
        b.plain(x, 2);
    });
    add("upsampling of sparse tensors", &|b| {
        let x = b.convolution(Sparse, VALUES, 3, extent(3, 3), |op| {
            op.stride = extent(2, 1)
        });
        let x = b.upsample(extent(2, 4), x);
        b.sparse(x, 2, extent(3, 3));
    });
    add("shuffles", &|b| {
        let x = b.convolution(Plain, IMAGE, 16, extent(3, 3), |op| {
            op.stride = extent(2, 4)
        });
        let x = b.shuffle(extent(2, 4), x);
        let x = b.plain(x, 4);
        b.shuffle(extent(1, 4), x);
    });
    add("shuffle of sparse tensors", &|b| {
        let x = b.convolution(Sparse, VALUES, 8, extent(3, 3), |op| {
            op.stride = extent(2, 1)
        });
        let x = b.shuffle(extent(2, 2), x);
        b.sparse(x, 2, extent(3, 3));
    });
    add("a small U-Net", &|b| {
        let x = planes(b);
        let top = b.plain(x, 4);
        let top = b.prelu(top);
        let down = b.convolution(Plain, top, 6, extent(3, 3), |op| op.stride = extent(2, 2));
        let down = b.prelu(down);
        let low = b.convolution(Plain, down, 8, extent(3, 3), |op| op.stride = extent(2, 2));
        let low = b.prelu(low);
        let up = b.upsample(extent(2, 2), low);
        let up = b.combine(Combine::Concatenate, &[up, down]);
        let up = b.plain(up, 16);
        let up = b.shuffle(extent(2, 2), up);
        let all = b.combine(Combine::Concatenate, &[up, top]);
        let out = b.plain(all, 4);
        b.shuffle(extent(1, 4), out);
    });
    all
}

/// A value for every plane, in turn; of the mask from 0.1 to 1.
type Given = Vec<(Plane, Vec<f32>)>;

fn given(binary: bool) -> Given {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut numbers = |low: f32, high: f32| -> Vec<f32> {
        (0..SAMPLES * BINS * FRAMES)
            .map(|_| rng.gen_range(low..high))
            .collect()
    };
    let mut mask = numbers(0.1, 1.0);
    let mut values = numbers(-1.0, 1.0);
    if binary {
        for (m, v) in mask.iter_mut().zip(&mut values) {
            *m = if *m > 0.8 { 1.0 } else { 0.0 };
            *v *= *m;
        }
    }
    vec![
        (Plane::Values, values),
        (Plane::Mask, mask),
        (Plane::Image, numbers(-1.0, 1.0)),
        (Plane::Background, numbers(-1.0, 1.0)),
    ]
}

fn planes<B: Backend>(backend: &B, given: &Given, relaxed: bool) -> Planes<B> {
    let mut planes = Planes::new(SAMPLES, BINS, FRAMES);
    if relaxed {
        planes = planes.relaxed(0.5);
    }
    for (plane, numbers) in given {
        planes = planes
            .with(backend, *plane, numbers.clone())
            .expect("a plane");
    }
    planes
}

/// What multiplies output `at` in the loss.
fn coefficient(at: usize) -> f32 {
    ((at * 7919) % 1009) as f32 / 1009.0 - 0.5
}

fn loss<B: Backend>(backend: &B, graph: &Graph, given: &Given) -> f64 {
    let planes = planes(backend, given, true);
    let output = run(backend, graph, &planes).expect("an output");
    let numbers = backend.numbers(&output).expect("numbers");
    numbers
        .iter()
        .enumerate()
        .map(|(at, x)| f64::from(coefficient(at) * x))
        .sum()
}

/// Gradients of the loss in the parameters, and in the planes that are read.
type Found = (Vec<Vec<f32>>, Vec<(Plane, Vec<f32>)>);

fn gradients<B: Backend>(backend: &B, graph: &Graph, given: &Given, relaxed: bool) -> Found {
    let planes = planes(backend, given, relaxed);
    let trace = trace(backend, graph, &planes).expect("a trace");
    let dims = backend.dims(trace.output());
    let g = (0..dims.numbers()).map(coefficient).collect();
    let g = backend.upload(g, dims).expect("a gradient");
    let found = trace.backward(g).expect("gradients");
    let of = |plane| {
        found.plane(plane).map(|g| {
            let numbers = backend.numbers(g).expect("numbers").into_owned();
            (plane, numbers)
        })
    };
    let in_planes = Plane::ALL.into_iter().filter_map(of).collect();
    (found.parameters, in_planes)
}

/// Compares a gradient with differences of the loss. With a kink between, of which those on either side tell, nothing can be
/// said.
fn check(name: &str, at: &str, gradient: f32, mut loss: impl FnMut(f32) -> f64) -> bool {
    let step = 1e-3;
    let [before, here, after] = [-step, 0.0, step].map(&mut loss);
    let slope = (after - before) / f64::from(2.0 * step);
    let bend = (after - here - (here - before)) / f64::from(step);
    let size = slope.abs().max(0.2);
    if bend.abs() > 0.02 * size {
        return false;
    }
    let apart = (f64::from(gradient) - slope).abs();
    assert!(
        apart < 0.03 * size,
        "{name}, {at}: the gradient is {gradient}, the difference {slope}"
    );
    true
}

fn against_differences<B: Backend>(backend: &B, picks: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (name, graph) in graphs() {
        let given = given(false);
        let (in_parameters, in_planes) = gradients(backend, &graph, &given, true);
        let (mut tried, mut told) = (0, 0);
        for (p, gradient) in in_parameters.iter().enumerate() {
            for _ in 0..picks {
                let at = rng.gen_range(0..gradient.len());
                let moved = |h: f32| {
                    let mut graph = graph.clone();
                    parameters(&mut graph)[p].0[at] += h;
                    loss(backend, &graph, &given)
                };
                tried += 1;
                let place = format!("number {at} of parameter {p}");
                told += usize::from(check(name, &place, gradient[at], moved));
            }
        }
        for (plane, gradient) in &in_planes {
            for _ in 0..picks {
                let at = rng.gen_range(0..gradient.len());
                let moved = |h: f32| {
                    let mut given = given.clone();
                    for (p, numbers) in &mut given {
                        if p == plane {
                            numbers[at] += h;
                        }
                    }
                    loss(backend, &graph, &given)
                };
                tried += 1;
                let place = format!("pixel {at} of {plane:?}");
                told += usize::from(check(name, &place, gradient[at], moved));
            }
        }
        assert!(
            told * 2 > tried && !in_planes.is_empty(),
            "{name}: {told} of {tried} differences could be told"
        );
    }
}

#[test]
fn gradients_are_those_of_finite_differences_on_our_kernels() {
    against_differences(&Cpu, 6);
}

#[test]
fn gradients_are_those_of_finite_differences_on_a_device_of_dfdx() {
    against_differences(&Dfdx::new(dfdx::tensor::Cpu::default()), 1);
}

fn assert_close(name: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{name}");
    let size = b.iter().fold(1.0f32, |most, x| most.max(x.abs()));
    for (at, (a, b)) in a.iter().zip(b).enumerate() {
        assert!(
            (a - b).abs() < 2e-5 * size,
            "{name}, number {at}: {a} for {b}"
        );
    }
}

#[test]
fn both_backends_agree() {
    let device = Dfdx::new(dfdx::tensor::Cpu::default());
    for (name, graph) in graphs() {
        for (binary, relaxed) in [(true, false), (true, true), (false, true)] {
            let given = given(binary);
            let own = planes(&Cpu, &given, relaxed);
            let theirs = planes(&device, &given, relaxed);
            let a = run(&Cpu, &graph, &own).expect("an output");
            let b = run(&device, &graph, &theirs).expect("an output");
            assert_eq!(Cpu.dims(&a), device.dims(&b), "{name}");
            assert_close(
                name,
                &Cpu.numbers(&a).expect("numbers"),
                &device.numbers(&b).expect("numbers"),
            );
            let a = gradients(&Cpu, &graph, &given, relaxed);
            let b = gradients(&device, &graph, &given, relaxed);
            assert!(relaxed != a.1.is_empty(), "{name}");
            for (a, b) in a.0.iter().zip(&b.0) {
                assert_close(name, a, b);
            }
            for ((plane, a), (other, b)) in a.1.iter().zip(&b.1) {
                assert_eq!(plane, other);
                assert_close(name, a, b);
            }
            assert_eq!((a.0.len(), a.1.len()), (b.0.len(), b.1.len()), "{name}");
        }
    }
}

/// Where the mask is zeros and ones, the relaxed network is the decoder's.
#[test]
fn a_relaxed_mask_of_zeros_and_ones_is_a_mask() {
    for (name, graph) in graphs() {
        let given = given(true);
        let plain = run(&Cpu, &graph, &planes(&Cpu, &given, false)).expect("an output");
        let relaxed = run(&Cpu, &graph, &planes(&Cpu, &given, true)).expect("an output");
        assert_close(
            name,
            &Cpu.numbers(&plain).expect("numbers"),
            &Cpu.numbers(&relaxed).expect("numbers"),
        );
    }
}

#[test]
fn a_plane_that_is_read_must_be_given() {
    let (_, graph) = graphs().remove(0);
    let planes = Planes::new(1, 4, 4)
        .with(&Cpu, Plane::Image, vec![0.0; 16])
        .expect("a plane");
    let error = run(&Cpu, &graph, &planes).expect_err("no mask").to_string();
    assert!(error.contains("Mask"), "{error}");
    assert!(Planes::new(1, 4, 4)
        .with(&Cpu, Plane::Image, vec![0.0; 15])
        .is_err());
}

/// Levels of the decoder in a dB, and the lowest and the highest, dB above the origin.
const PER_DB: f32 = levels::PER_DB as f32;
const LOWEST: f32 = levels::LOWEST as f32 / PER_DB;
const HIGHEST: f32 = levels::HIGHEST as f32 / PER_DB;

const NORMALISATION: Normalisation = Normalisation {
    offset: 40.0,
    scale: 20.0,
};

/// A model of a graph, continued to one channel on the coded grid or a finer one in time.
fn model(graph: Graph, residual: bool) -> Model {
    let mut b = Build { graph };
    let last = b.graph.shapes().expect("shapes").pop().expect("a node");
    let mut output = Operand::Node(b.graph.nodes.len() as u8 - 1);
    let (bins, frames) = (1 << last.grid.bins, 1 << last.grid.frames.max(0));
    if (bins, frames) != (1, 1) {
        output = b.upsample(extent(bins, frames), output);
    }
    if last.channels != 1 {
        output = b.convolution(ConvolutionKind::Plain, output, 1, Extent::ONE, |_| {});
    }
    let _ = output;
    fill(&mut b.graph);
    Model::new(Parts {
        rate: 16_000,
        stft: Stft {
            n_fft: 64,
            window_length: 64,
            window: WindowKind::Hann,
            hop: 32,
        },
        arithmetic: Arithmetic::Real,
        normalisation: NORMALISATION,
        residual,
        completion: b.graph,
        analysis: None,
        metadata: Vec::new(),
    })
    .expect("a model")
}

/// Half of what a level of the decoder is a multiple of, dB: it rounds each to the nearest.
const HALF_A_LEVEL: f32 = 0.5 / PER_DB;

/// How much further than by rounding the decoder's levels are from what the trainer's output says: added to the interpolated
/// image, or in its place. In units of the normalisation.
fn distance(model: &Model, frames: usize) -> f32 {
    let bins = model.stft.bins();
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    // Levels that are whole on their way in, as those of a file are.
    let mut level = |low: f32, high: f32| (rng.gen_range(low..high) * PER_DB).round() / PER_DB;
    let mut levels = Levels::zeros(frames, bins);
    for at in ndarray::indices((frames, bins)) {
        levels.background[at] = level(0.0, 60.0);
        levels.image[at] = levels.background[at];
        if level(0.0, 100.0) < 6.0 {
            levels.keep(at, level(30.0, 80.0));
        }
    }
    let Normalisation { offset, scale } = model.normalisation;
    let mut planes = Planes::new(1, bins, frames);
    for plane in [Plane::Values, Plane::Image, Plane::Background, Plane::Mask] {
        let image = levels.get(plane).expect("a plane").t();
        let normal = image.iter().zip(levels.mask.t()).map(|(x, m)| match plane {
            Plane::Mask => *x,
            Plane::Values => m * (x - offset) / scale,
            _ => (x - offset) / scale,
        });
        planes = planes.with(&Cpu, plane, normal.collect()).expect("planes");
    }
    let output = run(&Cpu, &model.completion, &planes).expect("an output");
    let output = Cpu.numbers(&output).expect("numbers");
    let dense = Arc::new(Network::of(model)).run(&levels);
    let up = usize::from(model.upsampling());
    let mut most = 0f32;
    for ((fine, bin), found) in dense.indexed_iter() {
        let raw = scale * output[bin * frames * up + fine];
        let (frame, share) = (fine / up, (fine % up) as f32 / up as f32);
        let here = levels.image[(frame, bin)];
        let next = levels.image[((frame + 1).min(frames - 1), bin)];
        // Interpolation is rounded by itself.
        let base = ((here + (next - here) * share) * PER_DB + 0.5).floor() / PER_DB;
        let expected = raw + if model.residual { base } else { offset };
        let apart = (found - expected.clamp(LOWEST, HIGHEST)).abs();
        most = most.max((apart - HALF_A_LEVEL) / scale);
    }
    most
}

#[test]
fn what_trains_is_what_the_decoder_runs() {
    for (name, graph) in graphs() {
        for residual in [false, true] {
            let distance = distance(&model(graph.clone(), residual), 19);
            assert!(distance < 1e-4, "{name}: {distance}");
        }
    }
}

#[test]
fn shipped_networks_train_as_the_decoder_runs_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    let mut found = 0;
    for entry in std::fs::read_dir(folder).expect("the models") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|e| e == "sparcmodel") {
            let file = std::fs::read(&path).expect("a file");
            let model = Model::read(&file, &Limits::default()).expect("a model");
            // What is of whole numbers does not train.
            if model.arithmetic == Arithmetic::Whole {
                continue;
            }
            let distance = distance(&model, 9);
            assert!(distance < 1e-4, "{}: {distance}", path.display());
            found += 1;
        }
    }
    assert!(found >= 4, "{found} models");
}
