//! Inputs to start from, made by the codec itself so that they follow every change of the format.

use super::draws::Draws;
use super::symbols;
use codec_core::encode::{Clip, Policy, Settings, Target};
use codec_format::header::*;
use codec_format::limits::Limits;
use codec_format::model::graph::*;
use codec_format::model::op::*;
use codec_format::model::*;
use codec_format::{Metadata, StreamWriter};

/// A few hundred bytes of seed for every target: its name, the seed's name, the seed.
pub fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for n in 0..8u8 {
        let (bytes, total) = lawful_stream(n);
        let name = format!("symbols-{n}");
        if bytes.len() < 6_000 && total > 0 {
            seeds.push(("format_parse", name, behind(1 + (n << 1), &bytes)));
        }
        seeds.push((
            "format_roundtrip",
            format!("draws-{n}"),
            noise(n, 8 << (n / 2)),
        ));
    }
    for (name, residual, coding) in [
        ("f32", true, WeightCoding::F32),
        ("f16", false, WeightCoding::F16),
        ("i8", true, WeightCoding::I8),
    ] {
        let file = model_bytes(&stft(), residual, coding);
        seeds.push(("model_parse", name.into(), behind(1, &file)));
    }
    for (name, settings, model) in [
        ("ridge", small(Settings::speech()), false),
        ("ridge-model", small(Settings::speech()), true),
        (
            "ridge-waveform",
            Settings {
                waveform: Some(WaveformShape {
                    coefficients: 9,
                    step: -40,
                }),
                ..small(Settings::speech())
            },
            true,
        ),
        ("uniform-all-phases", small(Settings::thesis(0.9)), false),
        // Levels beyond any sound, which must not become infinite samples.
        (
            "loud",
            Settings {
                origin: Some(i16::MAX),
                ..small(Settings::thesis(0.5))
            },
            false,
        ),
        (
            "energy-some-phases",
            Settings {
                policy: Policy::Energy { sparsity: 0.9 },
                phase: PhaseKind::Thresholded {
                    bits: 4,
                    threshold: 0,
                },
                ..small(Settings::speech())
            },
            false,
        ),
    ] {
        let stream = sound_stream(&settings, model);
        seeds.push(("decode_full", name.into(), behind(1, &stream)));
        seeds.push(("format_parse", format!("sound-{name}"), behind(1, &stream)));
    }
    let voices = (0..).map(|n| {
        let mut bytes = noise(n, 24);
        let words = voice(600).into_iter().map(|x| (x * 32_767.0) as i16);
        bytes.extend(words.flat_map(i16::to_le_bytes));
        (n, bytes)
    });
    // Some choices take the samples for bits of binary32, and find that they are no numbers.
    let sound = voices.filter(|(_, bytes)| super::encode_pcm(bytes) > 1);
    for (n, bytes) in sound.take(4) {
        seeds.push(("encode_pcm", format!("voice-{n}"), bytes));
    }
    seeds
}

fn behind(mode: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![mode];
    out.extend_from_slice(bytes);
    out
}

fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut draws = Draws::new(&[]);
    (0..length + usize::from(seed) * 7)
        .map(|_| draws.byte())
        .skip(usize::from(seed) * 7)
        .collect()
}

fn lawful_stream(n: u8) -> (Vec<u8>, u64) {
    let bytes = noise(n, 40);
    let (header, segments, total) = symbols::stream(&mut Draws::new(&bytes));
    let mut out = Vec::new();
    let mut writer =
        StreamWriter::new(&header, &Limits::default(), &mut out).expect("the header is lawful");
    let metadata = Metadata {
        vendor: "seed".into(),
        comments: vec![("N".into(), n.to_string())],
    };
    writer
        .metadata(&metadata, &mut out)
        .expect("the comments are lawful");
    for segment in &segments {
        writer
            .segment(segment, &mut out)
            .expect("the symbols are lawful");
    }
    writer.seek_index(&mut out).expect("there are few segments");
    writer
        .finish(total, &mut out)
        .expect("all segments are there");
    (out, total)
}

fn stft() -> Stft {
    Stft {
        n_fft: 128,
        window_length: 128,
        window: WindowKind::Hann,
        hop: 64,
    }
}

fn small(settings: Settings) -> Settings {
    let lattice = settings.lattice.map(|lattice| LatticeShape {
        bands: 6,
        ..lattice
    });
    Settings {
        stft: stft(),
        segment_frames: 12,
        lattice,
        ..settings
    }
}

/// A small network with every operation, and an analysis network beside it.
fn model_bytes(stft: &Stft, residual: bool, coding: WeightCoding) -> Vec<u8> {
    let bytes = noise(9, 600);
    let mut draws = Draws::new(&bytes);
    let mut convolution = |kind, inputs: u16, outputs: u16, change: &dyn Fn(&mut Convolution)| {
        let mut op = Convolution::zeros(kind, inputs, outputs, extent(3, 3));
        change(&mut op);
        op.fill(|| draws.below(201) as f32 / 1_000.0 - 0.1);
        op
    };
    let (plain, sparse) = (ConvolutionKind::Plain, ConvolutionKind::Sparse);
    let plane = Operand::Plane;
    let mut completion = Graph::default();
    let first = convolution(sparse, 1, 4, &|op| op.dilation = extent(1, 2));
    let first = completion.layer(&[plane(Plane::Values)], first, None, Some(Activation::Relu));
    let inputs = [
        first,
        plane(Plane::Mask),
        plane(Plane::Image),
        plane(Plane::Background),
    ];
    let wide = convolution(plain, 7, 4, &|_| {});
    let slopes = Activation::Prelu(vec![0.1, 0.2, 0.3, 0.4]);
    let wide = completion.layer(&inputs, wide, Some(first), Some(slopes));
    // Down by a stride and a pool, up again by a repetition and a shuffle.
    let down = convolution(plain, 4, 4, &|op| {
        (op.stride, op.groups) = (extent(2, 2), 4)
    });
    let down = completion.push(down, &[wide]);
    let factor = extent(2, 1);
    let kind = PoolKind::Max;
    let down = completion.push(Pool { kind, factor }, &[down]);
    let up = completion.push(Upsample { factor }, &[down]);
    let factor = extent(2, 2);
    let up = completion.push(Shuffle { factor }, &[up]);
    let last = convolution(plain, 5, 2, &|_| {});
    let last = completion.layer(&[wide, up], last, None, None);
    completion.push(
        Shuffle {
            factor: extent(1, 2),
        },
        &[last],
    );
    let mut analysis = Graph::default();
    let op = convolution(plain, 1, 2, &|op| op.stride = extent(4, 1));
    analysis.push(op, &[plane(Plane::Levels)]);
    let model = Model::new(Parts {
        rate: 16_000,
        stft: *stft,
        arithmetic: Arithmetic::Real,
        normalisation: Normalisation {
            offset: 40.0,
            scale: 20.0,
        },
        residual,
        completion,
        analysis: Some(analysis),
        metadata: vec![("seed".into(), "9".into())],
    });
    let file = model.and_then(|model| model.write(coding));
    file.expect("the model is valid")
}

fn extent(bins: u8, frames: u8) -> Extent {
    Extent { bins, frames }
}

/// A gliding tone with overtones, swelling and fading.
fn voice(length: usize) -> Vec<f32> {
    let mut phase = 0.0f32;
    (0..length)
        .map(|i| {
            let t = i as f32 / 16_000.0;
            phase += (140.0 + 400.0 * t) / 16_000.0;
            let tone: f32 = (1..6)
                .map(|h| (std::f32::consts::TAU * phase * h as f32).sin() / h as f32)
                .sum();
            0.2 * tone * (40.0 * t).sin().abs()
        })
        .collect()
}

fn sound_stream(settings: &Settings, with_model: bool) -> Vec<u8> {
    let source = Signal {
        rate: 16_000,
        channels: 1,
    };
    let model = with_model.then(|| model_bytes(&stft(), true, WeightCoding::I8));
    let id = model.as_deref().map(ModelId::of);
    let pcm = voice(1_500);
    let clip = Clip {
        channels: &[pcm],
        source,
        total_samples: 1_500,
    };
    let encoding = clip
        .encode(Target::Settings, settings, id)
        .expect("the settings are valid");
    encoding.file(model.as_deref()).expect("a short model")
}
