//! From PCM to PCM through the symbols: what comes out, and that it does not depend on how it went in.

use codec_core::decode::{self, Decoder};
use codec_core::encode::{Clip, Encoder, Encoding, Policy, Settings, Target};
use codec_format::header::{
    LatticeShape, ModelId, PhaseKind, Signal, Stft, WaveformShape, WindowKind,
};
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{Activation, Combine, Convolution, ConvolutionKind, Shuffle};
use codec_format::model::{Arithmetic, Model, Normalisation, Parts};
use codec_format::symbols::{Kept, Segment};

#[path = "sound/stages.rs"]
mod stages;

const MONO: Signal = Signal {
    rate: 16_000,
    channels: 1,
};

/// A gliding harmonic tone with pauses: something like a voice, from integer arithmetic and libm alone.
fn voice(len: usize) -> Vec<f32> {
    let mut phase = 0.0f64;
    (0..len)
        .map(|i| {
            let t = i as f64 / 16_000.0;
            phase += 120.0 * (1.0 + 0.3 * libm::sin(3.0 * t)) / 16_000.0;
            let envelope = libm::sin(5.0 * t).max(0.0);
            let tone: f64 = (1..20)
                .map(|h| libm::sin(core::f64::consts::TAU * phase * f64::from(h)) / f64::from(h))
                .sum();
            (0.2 * envelope * tone) as f32
        })
        .collect()
}

fn encode(
    channels: &[Vec<f32>],
    source: Signal,
    total_samples: u64,
    settings: &Settings,
    model: Option<ModelId>,
) -> Result<Encoding, codec_core::Error> {
    let clip = Clip {
        channels,
        source,
        total_samples,
    };
    clip.encode(Target::Settings, settings, model)
}

fn decode(encoded: &Encoding, model: Option<&Model>) -> Vec<Vec<f32>> {
    decode::clip(&encoded.header, model, &encoded.segments).unwrap()
}

fn signal_to_noise(reference: &[f32], decoded: &[f32]) -> f64 {
    let signal: f64 = reference.iter().map(|&x| f64::from(x * x)).sum();
    let noise: f64 = reference
        .iter()
        .zip(decoded)
        .map(|(&x, &y)| f64::from((x - y) * (x - y)))
        .sum();
    10.0 * (signal / noise.max(1e-30)).log10()
}

/// A small network: sparse and plain convolutions, concatenations, a sum, activations, upsampling. Two sparse
/// convolutions, each of a plane alone, are summed up.
fn small_model(stft: Stft, upsampling: u8) -> Model {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.02
    };
    let kernel = Extent { bins: 5, frames: 3 };
    let mut convolution = |kind, inputs, outputs| {
        let mut op = Convolution::zeros(kind, inputs, outputs, kernel);
        op.fill(&mut random);
        op
    };
    let (plain, sparse) = (ConvolutionKind::Plain, ConvolutionKind::Sparse);
    let mut graph = Graph::default();
    let both = [Plane::Values, Plane::Background].map(|plane| {
        let op = convolution(sparse, 1, 6);
        graph.push(op, &[Operand::Plane(plane)])
    });
    let sum = graph.push(Combine::Add, &both);
    let slopes = |n: u8| Activation::Prelu((0..n).map(|i| f32::from(i) * 0.01 - 0.02).collect());
    let first = graph.push(slopes(6), &[sum]);
    let middle = [first, Operand::Plane(Plane::Mask)];
    let middle = graph.layer(
        &middle,
        convolution(plain, 7, 6),
        Some(first),
        Some(slopes(6)),
    );
    let last = convolution(plain, 6, u16::from(upsampling));
    let last = graph.layer(&[middle], last, None, None);
    let factor = Extent {
        bins: 1,
        frames: upsampling,
    };
    graph.push(Shuffle { factor }, &[last]);
    residual_model(stft, graph)
}

/// The model of a graph that corrects the interpolated image.
fn residual_model(stft: Stft, graph: Graph) -> Model {
    let model = Model::new(Parts {
        rate: 16_000,
        stft,
        arithmetic: Arithmetic::Real,
        normalisation: Normalisation {
            offset: 40.0,
            scale: 20.0,
        },
        residual: true,
        completion: graph,
        analysis: None,
        metadata: Vec::new(),
    });
    model.expect("the model is valid")
}

#[test]
fn every_pixel_and_phase_kept_gives_the_signal_back() {
    let pcm = voice(20_000);
    for (n_fft, hop) in [(256, 64), (512, 128), (512, 256), (2048, 256), (4096, 1024)] {
        let settings = Settings {
            stft: Stft {
                n_fft,
                window_length: n_fft,
                window: WindowKind::Hann,
                hop,
            },
            step: 1,
            policy: Policy::Energy { sparsity: 0.0 },
            phase: PhaseKind::All { bits: 12 },
            ..Settings::thesis(0.0)
        };
        // A step of 1/8 dB with one byte spans 32 dB: code the loud end.
        let settings = Settings {
            step: 4,
            ..settings
        };
        let encoded = encode(std::slice::from_ref(&pcm), MONO, 20_000, &settings, None).unwrap();
        let decoded = decode(&encoded, None);
        assert_eq!(decoded[0].len(), pcm.len());
        let snr = signal_to_noise(&pcm, &decoded[0]);
        assert!(
            snr > if hop * 2 == n_fft { 15.0 } else { 24.0 },
            "{n_fft}/{hop}: {snr:.1} dB"
        );
    }
}

#[test]
fn sample_counts_survive_at_every_length_and_rate() {
    for rate in [8_000, 16_000, 22_050, 44_100, 48_000] {
        for len in [0usize, 1, 255, 256, 16_384, 16_385, 40_000] {
            let total = (len as u64 * u64::from(rate)) / 16_000;
            let source = Signal { rate, channels: 2 };
            let coded = (total * 16_000).div_ceil(u64::from(rate));
            let pcm = voice(coded as usize);
            let encoded = encode(
                &[pcm.clone(), pcm],
                source,
                total,
                &Settings::speech(),
                None,
            )
            .unwrap();
            for channel in decode(&encoded, None) {
                assert_eq!(channel.len() as u64, coded, "{rate} Hz, {total} samples");
            }
        }
    }
}

#[test]
fn pieces_of_any_size_encode_to_the_same_segments() {
    for settings in [Settings::speech(), with_waveform()] {
        pieces_encode_alike(&settings);
    }
}

fn pieces_encode_alike(settings: &Settings) {
    let pcm = voice(60_001);
    let settings = Settings {
        origin: Some(-400),
        ..settings.clone()
    };
    let whole = encode(std::slice::from_ref(&pcm), MONO, 60_001, &settings, None).unwrap();
    for size in [1usize, 77, 4_096, 60_001] {
        let mut encoder = Encoder::new(MONO, settings.clone(), None).unwrap();
        let mut coded = Vec::new();
        for piece in pcm.chunks(size) {
            coded.extend(encoder.push(&[piece]).unwrap());
        }
        coded.extend(encoder.finish().unwrap());
        let (segments, bodies): (Vec<Segment>, Vec<_>) =
            coded.into_iter().map(|c| (c.segment, c.body)).unzip();
        assert_eq!(segments, whole.segments, "pieces of {size}");
        assert_eq!(bodies, whole.bodies, "pieces of {size}");
    }
}

#[test]
fn a_lost_segment_costs_only_itself() {
    let encoded = encode(&[voice(80_000)], MONO, 80_000, &Settings::speech(), None).unwrap();
    let whole = decode(&encoded, None).remove(0);
    let mut decoder = Decoder::with_limit(&encoded.header, None, u64::MAX).unwrap();
    let mut damaged = Vec::new();
    for segment in &encoded.segments {
        let piece = if segment.index == 2 {
            decoder.conceal(64)
        } else {
            decoder.push(segment)
        };
        damaged.extend(piece.unwrap().collect().remove(0));
    }
    damaged.extend(decoder.finish().collect().remove(0));
    assert_eq!(damaged.len(), whole.len());
    // Blocks before the loss and its look-ahead are untouched to the bit.
    let segment = 64 * 256;
    assert_eq!(damaged[..segment - 512], whole[..segment - 512]);
    assert_ne!(
        damaged[2 * segment..3 * segment],
        whole[2 * segment..3 * segment]
    );
    let energy = |x: &[f32]| x.iter().map(|&v| f64::from(v * v)).sum::<f64>();
    assert!(
        energy(&damaged[2 * segment + 2048..3 * segment - 2048])
            < 0.01 * energy(&whole[2 * segment..3 * segment])
    );
}

/// The speech profile with its lowest 750 Hz as a waveform.
fn with_waveform() -> Settings {
    Settings {
        waveform: Some(WaveformShape {
            coefficients: 24,
            step: -40,
        }),
        ..Settings::speech()
    }
}

#[test]
fn a_waveform_layer_gives_the_lowest_band_back_and_outlives_a_lost_segment() {
    let len = 64 * 256 * 5;
    // Two sines within the layer's band: what comes out is the waveform itself, not only its levels.
    let pcm: Vec<f32> = (0..len)
        .map(|i| {
            let turn = i as f32 / 16_000.0 * core::f32::consts::TAU;
            0.2 * (turn * 200.0).sin() + 0.1 * (turn * 430.0).sin()
        })
        .collect();
    let encoded = |settings: &Settings| {
        encode(std::slice::from_ref(&pcm), MONO, len as u64, settings, None).unwrap()
    };
    let layered = encoded(&with_waveform());
    let whole = decode(&layered, None).remove(0);
    let rebuilt = decode(&encoded(&Settings::speech()), None).remove(0);
    let with = signal_to_noise(&pcm, &whole);
    let without = signal_to_noise(&pcm, &rebuilt);
    assert!(
        with > 15.0 && with > without + 10.0,
        "{with:.1} dB, without {without:.1}"
    );

    let mut decoder = Decoder::with_limit(&layered.header, None, u64::MAX).unwrap();
    let mut damaged: Vec<f32> = Vec::new();
    for segment in &layered.segments {
        damaged.extend(match segment.index {
            2 => decoder.conceal(64).unwrap().collect().remove(0),
            _ => decoder.push(segment).unwrap().collect().remove(0),
        });
    }
    damaged.extend(decoder.finish().collect().remove(0));
    assert_eq!(damaged.len(), whole.len());
    let segment = 64 * 256;
    assert!(damaged[..segment - 512] == whole[..segment - 512]);
    let after = 3 * segment + 4096..len - 4096;
    assert!(signal_to_noise(&pcm[after.clone()], &damaged[after]) > 15.0);
}

#[test]
fn a_segment_whose_waveform_layer_is_too_short_is_refused() {
    let pcm = voice(40_000);
    let mut encoded = encode(&[pcm], MONO, 40_000, &with_waveform(), None).unwrap();
    let Kept::Ridge { waveform, .. } = &mut encoded.segments[0].channels[0].kept else {
        panic!("a ridge mask");
    };
    waveform.pop();
    let mut decoder = Decoder::with_limit(&encoded.header, None, u64::MAX).unwrap();
    assert!(decoder.push(&encoded.segments[0]).is_err());
}

#[test]
fn stored_phases_bring_the_waveform_closer() {
    let pcm = voice(40_000);
    let at = |phase| {
        let settings = Settings {
            phase,
            lattice: Some(LatticeShape {
                bands: 20,
                every: 1,
                step: 16,
            }),
            ..Settings::speech()
        };
        let encoded = encode(std::slice::from_ref(&pcm), MONO, 40_000, &settings, None).unwrap();
        signal_to_noise(&pcm, &decode(&encoded, None)[0])
    };
    let (none, some) = (
        at(PhaseKind::None),
        at(PhaseKind::Thresholded {
            bits: 6,
            threshold: 0,
        }),
    );
    assert!(some > none + 5.0, "none {none:.1} dB, stored {some:.1} dB");
}

#[test]
fn rejects_what_is_not_a_number_and_says_where() {
    let mut pcm = voice(1_000);
    pcm[321] = f32::NAN;
    let error = encode(&[pcm], MONO, 1_000, &Settings::speech(), None).unwrap_err();
    assert_eq!(
        error,
        codec_core::Error::NotFinite {
            channel: 0,
            sample: 321
        }
    );
}

#[test]
fn rejects_a_model_for_another_transform() {
    let encoded = encode(&[voice(1_000)], MONO, 1_000, &Settings::speech(), None).unwrap();
    let model = small_model(Settings::thesis(0.9).stft, 1);
    assert!(matches!(
        Decoder::with_limit(&encoded.header, Some(&model), u64::MAX),
        Err(codec_core::Error::Model { .. })
    ));
}

#[test]
fn segments_out_of_order_are_refused() {
    let encoded = encode(&[voice(40_000)], MONO, 40_000, &Settings::speech(), None).unwrap();
    let mut decoder = Decoder::with_limit(&encoded.header, None, u64::MAX).unwrap();
    assert!(decoder.push(&encoded.segments[1]).is_err());
}
