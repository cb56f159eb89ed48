//! Kernels alone: convolution layers, the transform, mask policies and the entropy coder.

mod support;

use codec_core::encode::policy::sparsify;
use codec_core::encode::{Policy, Settings};
use codec_core::network::Network;
use codec_core::planes::Planes;
use codec_core::transform::stft::Transform;
use codec_format::header::{Signal, Stft, WindowKind};
use codec_format::limits::Limits;
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{Activation, Convolution, ConvolutionKind};
use codec_format::model::{Arithmetic, Model, Normalisation, Parts};
use codec_format::segment::SegmentCoder;
use codec_format::symbols::Segment;
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::sync::Arc;
use support::{criterion, voice, whole, RealTime, RATE};

/// A network of three convolutions: from the values plane to `channels`, to `channels` (perhaps each on its own), to one.
fn network(kind: ConvolutionKind, channels: u16, size: u8, depthwise: bool) -> Arc<Network> {
    let mut state = 1u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let kernel = Extent {
        bins: size,
        frames: size,
    };
    let mut completion = Graph::default();
    let mut last = Operand::Plane(Plane::Values);
    for (inputs, outputs) in [(1, channels), (channels, channels), (channels, 1)] {
        let mut op = Convolution::zeros(kind, inputs, outputs, kernel);
        if depthwise && inputs == outputs {
            op.groups = channels;
        }
        op.fill(&mut number);
        last = completion.layer(&[last], op, None, Some(Activation::Relu));
    }
    let model = Model::new(Parts {
        rate: RATE,
        stft: Settings::speech().stft,
        arithmetic: Arithmetic::Real,
        normalisation: Normalisation {
            offset: 40.0,
            scale: 20.0,
        },
        residual: false,
        completion,
        analysis: None,
        metadata: Vec::new(),
    });
    Arc::new(Network::of(&model.expect("the model is valid")))
}

/// One second of planes, one pixel in `every` kept.
fn planes(every: usize) -> Planes {
    let mut planes = Planes::zeros(64, 257);
    for (pixel, (value, mask)) in planes
        .values
        .iter_mut()
        .zip(planes.mask.iter_mut())
        .enumerate()
    {
        if pixel * 2_654_435_761 % every == 0 {
            (*value, *mask) = (40.0 + (pixel % 13) as f32, 1.0);
        }
    }
    planes
}

/// One second through small networks, nearly all of it in the layer in the middle.
fn convolution(c: &mut Criterion<RealTime>) {
    let mut group = c.benchmark_group("convolution");
    let second = Throughput::Elements(64 * 256);
    for (name, kind, depthwise) in [
        ("plain", ConvolutionKind::Plain, false),
        ("sparse", ConvolutionKind::Sparse, false),
        ("depthwise", ConvolutionKind::Plain, true),
    ] {
        for (channels, size) in [(16u16, 5u8), (24, 3), (24, 5), (32, 5)] {
            let network = network(kind, channels, size, depthwise);
            for every in [20, 2] {
                let planes = planes(every);
                group.throughput(second.clone());
                let label = format!("{name}-{channels}ch-{size}x{size}-{}%", 100 / every);
                group.bench_function(label, |b| b.iter(|| black_box(network.run(&planes))));
            }
        }
    }
    group.finish();
}

fn transform(c: &mut Criterion<RealTime>) {
    let pcm = voice();
    let mut group = c.benchmark_group("analysis");
    group.throughput(whole());
    for (n_fft, hop) in [
        (256u16, 64usize),
        (512, 64),
        (512, 256),
        (2_048, 256),
        (4_096, 1_024),
    ] {
        let stft = Stft {
            n_fft,
            window_length: n_fft,
            window: WindowKind::Hann,
            hop: hop as u16,
        };
        let transform = Transform::new(&stft, hop).expect("a supported transform");
        let frames = 1 + pcm.len() / hop;
        group.bench_function(format!("{n_fft}/{hop}"), |b| {
            b.iter(|| black_box(transform.spectra(&pcm, 0, 0, frames)))
        });
    }
    group.finish();
}

/// One segment of every mask kind: choosing the pixels, then coding and decoding them.
fn symbols(c: &mut Criterion<RealTime>) {
    let pcm = voice();
    let base = Settings::speech();
    let transform =
        Transform::new(&base.stft, usize::from(base.stft.hop)).expect("a supported transform");
    let spectra = transform.spectra(&pcm, 0, 0, 64);
    let origin = -400i16;
    let source = Signal {
        rate: RATE,
        channels: 1,
    };
    let image = codec_core::transform::stft::log_power(&spectra)
        .mapv(|x| (x - f32::from(origin) * 0.125).max(0.0));
    let mut group = c.benchmark_group("symbols");
    group.throughput(Throughput::Elements(64 * 256));
    let energy = Policy::Energy { sparsity: 0.95 };
    let uniform = Policy::Uniform {
        sparsity: 0.95,
        seed: 1,
    };
    for (name, policy) in [
        ("ridge", base.policy.clone()),
        ("energy", energy),
        ("uniform", uniform),
    ] {
        let settings = Settings {
            policy: policy.clone(),
            ..base.clone()
        };
        let header = settings.header(source, None, origin, None);
        let sparse = || sparsify(image.view(), &header, &policy, 0, 0);
        group.bench_function(format!("policy-{name}"), |b| b.iter(|| black_box(sparse())));
        let coder = SegmentCoder::new(&header, &Limits::default()).expect("a good header");
        let segment = Segment {
            index: 0,
            channels: vec![sparse()],
        };
        let bytes = coder.encode(&segment).expect("good symbols");
        group.bench_function(format!("code-{name}"), |b| {
            b.iter(|| coder.encode(&segment))
        });
        group.bench_function(format!("decode-{name}"), |b| {
            b.iter(|| coder.decode(&bytes))
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = criterion().configure_from_args();
    convolution(&mut criterion);
    transform(&mut criterion);
    symbols(&mut criterion);
    criterion.final_summary();
}
