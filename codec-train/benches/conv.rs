//! Speed of a convolution with its gradients: forward, gradient of the inputs and of the weights, activation included. One
//! element of the throughput is one floating-point operation (two a multiply-add), so that Gelem/s reads as GFLOP/s.
//!
//! `cargo bench -p sparc-train`; `docs/training.md` has the figures, and PyTorch's on the same shapes.

use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{Activation, Convolution, ConvolutionKind};
use codec_train::backend::cpu::Cpu;
use codec_train::backend::{Backend, Dims, Filter, Wanted};
use codec_train::graph::{trace, Planes};
use criterion::{Criterion, Throughput};
use std::hint::black_box;

const BINS: usize = 257;
const FRAMES: usize = 64;
const CHANNELS: u16 = 16;
const SAMPLES: usize = 8;
const PIXELS: usize = BINS * FRAMES;

/// Both gradients of a convolution.
const ALL: Wanted = Wanted {
    input: true,
    weights: true,
};

/// Numbers without a pattern in -0.5..0.5.
fn numbers(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5)
        .collect()
}

fn convolution(name: &str) -> Convolution {
    let kernel = |bins, frames| Extent { bins, frames };
    let plain = |kernel| Convolution::zeros(ConvolutionKind::Plain, CHANNELS, CHANNELS, kernel);
    let mut op = match name {
        "7x7" => plain(kernel(7, 7)),
        "7x5 depthwise" => Convolution {
            groups: CHANNELS,
            ..plain(kernel(7, 5))
        },
        "5x5 stride 2x2" => Convolution {
            stride: kernel(2, 2),
            ..plain(kernel(5, 5))
        },
        "1x1" => plain(kernel(1, 1)),
        _ => plain(kernel(5, 5)),
    };
    op.fill(|| 0.0);
    let random = numbers(op.weights().len());
    op.weights_mut().copy_from_slice(&random);
    op
}

/// A convolution and an activation as training runs them, and all their gradients, on all cores.
fn convolutions(c: &mut Criterion) {
    let mut group = c.benchmark_group("forward and back");
    for name in ["5x5", "7x7", "1x1", "7x5 depthwise", "5x5 stride 2x2"] {
        let op = convolution(name);
        let area = op.stride.area();
        let flop = 2 * 3 * SAMPLES * PIXELS / area * op.weights().len();
        group.throughput(Throughput::Elements(flop as u64));
        let dims = Dims {
            samples: SAMPLES,
            channels: usize::from(CHANNELS),
            bins: BINS,
            frames: FRAMES,
        };
        let out = Dims {
            bins: BINS.div_ceil(usize::from(op.stride.bins)),
            frames: FRAMES.div_ceil(usize::from(op.stride.frames)),
            ..dims
        };
        let x = Cpu.upload(numbers(dims.numbers()), dims).expect("an image");
        let upstream = numbers(out.numbers());
        let slopes = vec![0.0; usize::from(CHANNELS)];
        group.bench_function(
            format!("{CHANNELS} channels {name}, batch {SAMPLES}"),
            |b| {
                b.iter(|| {
                    let filter = Filter::of(&op);
                    let y = Cpu
                        .convolve(&x, &filter, Some(op.bias()), out)
                        .expect("an image");
                    let z = Cpu.activate(&y, &slopes).expect("an image");
                    black_box(z);
                    let g = Cpu.upload(upstream.clone(), out).expect("a gradient");
                    let (g, _) = Cpu.activate_gradients(&y, &slopes, g).expect("gradients");
                    black_box(Cpu.totals(&g).expect("a gradient"));
                    black_box(
                        Cpu.convolve_gradients(&x, &filter, &g, ALL)
                            .expect("gradients"),
                    );
                });
            },
        );
    }
    group.finish();
}

/// A whole step of a small network.
fn steps(c: &mut Criterion) {
    let mut graph = Graph::default();
    let mut last = Operand::Plane(Plane::Image);
    for at in 0..4 {
        let mut op = convolution("5x5");
        op.inputs = if at == 0 { 1 } else { CHANNELS };
        op.fill(|| 0.01);
        let slopes = vec![0.25; usize::from(CHANNELS)];
        last = graph.layer(&[last], op, None, Some(Activation::Prelu(slopes)));
    }
    let flop = 2 * 3 * SAMPLES * PIXELS * graph.parameters();
    let mut group = c.benchmark_group("step");
    group.throughput(Throughput::Elements(flop as u64));
    group.sample_size(10);
    let planes = Planes::new(SAMPLES, BINS, FRAMES)
        .with(&Cpu, Plane::Image, numbers(SAMPLES * PIXELS))
        .expect("planes");
    group.bench_function("four convolutions 5x5 with PReLU", |b| {
        b.iter(|| {
            let trace = trace(&Cpu, &graph, &planes).expect("a trace");
            let dims = Cpu.dims(trace.output());
            let g = Cpu
                .upload(numbers(dims.numbers()), dims)
                .expect("a gradient");
            black_box(trace.backward(g).expect("gradients"));
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    convolutions(&mut criterion);
    steps(&mut criterion);
    criterion.final_summary();
}
