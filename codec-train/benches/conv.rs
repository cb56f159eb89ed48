//! Speed of a convolution layer with its gradients: forward, gradient of the inputs and of the weights, ReLU
//! included. One element of the throughput is one floating-point operation (two a multiply-add), so that
//! Gelem/s reads as GFLOP/s.
//!
//! `cargo bench -p codec-train`; `docs/training.md` has the figures, and PyTorch's on the same shapes.

use codec_train::kernels::{
    convolve_row, weight_gradient, Kernel, Packed, Padded, Row, Transposed,
};
use codec_train::layer::{layer, Batch, Nonlinearity, Operands, Part, PerPixel, Weights};
use criterion::{Criterion, Throughput};
use dfdx::shapes::Rank0;
use dfdx::tensor::{Cpu, OwnedTape, PutTape, Tape, Tensor, TensorFromVec};
use dfdx::tensor_ops::Backward;
use std::hint::black_box;
use std::sync::Arc;

const BINS: usize = 257;
const FRAMES: usize = 64;
const CHANNELS: usize = 16;
const SAMPLES: usize = 8;
const PIXELS: usize = BINS * FRAMES;

/// Numbers without a pattern in -0.5..0.5.
fn numbers(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5)
        .collect()
}

/// Operations of one convolution of one sample.
fn flop(kernel: Kernel) -> u64 {
    (2 * CHANNELS * CHANNELS * kernel.area() * PIXELS) as u64
}

fn square(size: usize) -> Kernel {
    Kernel {
        bins: size,
        frames: size,
    }
}

/// The inner loops alone, on one core.
fn kernels(c: &mut Criterion) {
    let mut group = c.benchmark_group("one core");
    for size in [5, 7] {
        let kernel = square(size);
        let x = numbers(CHANNELS * PIXELS);
        let w = numbers(CHANNELS * CHANNELS * kernel.area());
        let packed = Packed::forward(&w, CHANNELS, CHANNELS, kernel);
        let padded = Padded::from_image(&x, CHANNELS, BINS, FRAMES, kernel);
        let (mut transposed, mut row) = (Transposed::default(), Row::default());
        transposed.copy(&padded);
        group.throughput(Throughput::Elements(flop(kernel)));
        group.bench_function(format!("{size}x{size} convolution"), |b| {
            b.iter(|| {
                for y in 0..BINS {
                    convolve_row(&padded, &packed, y, &mut row);
                }
                black_box(&row);
            });
        });
        let mut gradient = vec![0.0; w.len()];
        group.bench_function(format!("{size}x{size} gradient of weights"), |b| {
            b.iter(|| {
                weight_gradient(&padded, &transposed, &mut gradient);
                black_box(&gradient);
            });
        });
    }
    group.finish();
}

/// A layer as training runs it, and all its gradients, on all cores.
fn layers(c: &mut Criterion) {
    let mut group = c.benchmark_group("layer forward and back");
    for size in [5, 7] {
        let bench = LayerBench::new(square(size));
        group.throughput(Throughput::Elements(
            3 * SAMPLES as u64 * flop(square(size)),
        ));
        group.bench_function(
            format!("{CHANNELS} channels {size}x{size}, batch {SAMPLES}"),
            |b| b.iter(|| bench.run()),
        );
    }
    group.finish();
}

struct LayerBench {
    device: Cpu,
    operands: Operands,
    /// The gradient that comes down to the layer's output.
    upstream: Arc<Vec<f32>>,
}

impl LayerBench {
    fn new(kernel: Kernel) -> Self {
        let device = Cpu::default();
        let shape = (SAMPLES, CHANNELS, BINS, FRAMES);
        let images = Arc::new(numbers(SAMPLES * CHANNELS * PIXELS));
        let tensor = |data: Vec<f32>, shape| Weights {
            tensor: device.tensor_from_vec(data, shape),
        };
        let operands = Operands {
            kernel,
            parts: vec![Part {
                input: Batch::new(&device, images.clone(), shape).expect("a batch"),
                constant: false,
                weights: tensor(
                    numbers(CHANNELS * CHANNELS * kernel.area()),
                    (CHANNELS, CHANNELS, kernel.bins, kernel.frames),
                ),
                mask: PerPixel::One,
                scale: PerPixel::One,
            }],
            bias: tensor(vec![0.0; CHANNELS], (CHANNELS, 1, 1, 1)),
            skip: None,
            nonlinearity: Nonlinearity::Relu,
        };
        LayerBench {
            device,
            operands,
            upstream: images,
        }
    }

    fn run(&self) {
        let mut tape = OwnedTape::default();
        let output = layer(&self.device, &mut tape, self.operands.clone()).expect("an output");
        let end: Tensor<Rank0, f32, Cpu> = self.device.tensor_from_vec(vec![0.0], ());
        let (node, upstream) = (output.node.clone(), self.upstream.clone());
        tape.add_backward_op(move |gradients| {
            gradients
                .get_or_alloc_mut(&node)?
                .copy_from_slice(&upstream);
            Ok(())
        });
        black_box(end.put_tape(tape).backward());
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    kernels(&mut criterion);
    layers(&mut criterion);
    criterion.final_summary();
}
