//! Speed of the convolution and of a whole layer with its gradients, in GFLOP/s (two a multiply-add).
//!
//! `cargo bench -p codec-train`

use codec_train::kernels::{
    convolve_row, weight_gradient, Kernel, Packed, Padded, Row, Transposed,
};
use codec_train::layer::{layer, Batch, Nonlinearity, Operands, Part, PerPixel, Weights};
use codec_train::loss;
use dfdx::tensor::{Cpu, OwnedTape, TensorFromVec};
use dfdx::tensor_ops::Backward;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const BINS: usize = 257;
const FRAMES: usize = 64;
const CHANNELS: usize = 16;
const SAMPLES: usize = 6;

fn numbers(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5)
        .collect()
}

/// The best of several runs of `work`, which takes `flop` operations.
fn report(name: &str, flop: f64, mut work: impl FnMut()) {
    let best = (0..8)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    println!(
        "{name:42} {:8.1} GFLOP/s {:9.2} ms",
        flop / best / 1e9,
        best * 1e3
    );
}

fn main() {
    println!("{CHANNELS} channels to {CHANNELS}, {BINS} bins x {FRAMES} frames");
    for size in [5, 7] {
        let kernel = Kernel {
            bins: size,
            frames: size,
        };
        let flop = 2.0 * (CHANNELS * CHANNELS * kernel.area() * BINS * FRAMES) as f64;
        let (x, w) = (
            numbers(CHANNELS * BINS * FRAMES),
            numbers(CHANNELS * CHANNELS * kernel.area()),
        );
        let padded = Padded::from_image(&x, CHANNELS, BINS, FRAMES, kernel);
        let packed = Packed::forward(&w, CHANNELS, CHANNELS, kernel);
        let mut transposed = Transposed::default();
        transposed.copy(&padded);
        let mut row = Row::new(CHANNELS, FRAMES);
        report(
            &format!("{size}x{size} convolution, one core"),
            flop,
            || {
                for y in 0..BINS {
                    convolve_row(&padded, &packed, y, &mut row);
                }
                black_box(&row);
            },
        );
        let mut gradient = vec![0.0; w.len()];
        report(
            &format!("{size}x{size} gradient of weights, one core"),
            flop,
            || {
                weight_gradient(&padded, &transposed, &mut gradient);
                black_box(&gradient);
            },
        );
        let bench = Bench::new(kernel, &w);
        let (target, weight) = (vec![0.1; bench.size], vec![1.0; bench.size]);
        report(
            &format!("{size}x{size} layer of {SAMPLES}, forward and back"),
            3.0 * SAMPLES as f64 * flop,
            || {
                bench.run(&target, &weight);
            },
        );
    }
}

/// A PReLU layer, and its gradients for a batch on all cores.
struct Bench {
    device: Cpu,
    operands: Operands,
    size: usize,
}

impl Bench {
    fn new(kernel: Kernel, w: &[f32]) -> Self {
        let device = Cpu::default();
        let shape = (SAMPLES, CHANNELS, BINS, FRAMES);
        let size = SAMPLES * CHANNELS * BINS * FRAMES;
        let tensor = |data: Vec<f32>, shape| Weights {
            tensor: device.tensor_from_vec(data, shape),
        };
        let operands = Operands {
            kernel,
            parts: vec![Part {
                input: Batch::new(&device, Arc::new(numbers(size)), shape).expect("a batch"),
                constant: false,
                weights: tensor(w.to_vec(), (CHANNELS, CHANNELS, kernel.bins, kernel.frames)),
                mask: PerPixel::One,
                scale: PerPixel::One,
            }],
            bias: tensor(vec![0.0; CHANNELS], (CHANNELS, 1, 1, 1)),
            skip: None,
            nonlinearity: Nonlinearity::Prelu(tensor(vec![0.25; CHANNELS], (CHANNELS, 1, 1, 1))),
        };
        Bench {
            device,
            operands,
            size,
        }
    }

    fn run(&self, target: &[f32], weight: &[f32]) {
        let mut tape = OwnedTape::default();
        let output = layer(&self.device, &mut tape, self.operands.clone()).expect("an output");
        let loss = loss::loss(
            &self.device,
            tape,
            &output,
            target,
            weight,
            loss::Measure::WeightedL1,
        )
        .expect("a loss");
        black_box(loss.backward());
    }
}
