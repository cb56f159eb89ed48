//! Properties of model files.

mod common;

use codec_format::header::{Stft, WindowKind};
use codec_format::model::*;
use codec_format::model_file::{model_id, read, validate, write};
use codec_format::{Error, Limits};
use common::Draws;
use proptest::prelude::*;

fn weight(draws: &mut Draws) -> f32 {
    (draws.below(2001) as f32 - 1000.0) / 512.0
}

/// A lawful network: sources and skips anywhere behind.
fn model(draws: &mut Draws) -> Model {
    let upsampling = 1 << draws.below(4);
    let count = 1 + draws.below(4) as usize;
    let mut layers: Vec<Layer> = Vec::new();
    for n in 0..count {
        let outputs = if n + 1 == count {
            upsampling
        } else {
            1 + draws.below(6) as u16
        };
        let mut sources = Vec::new();
        let mut inputs = 0;
        for _ in 0..1 + draws.below(3) {
            let at = draws.below(n as u64 + 4) as usize;
            let planes = [Plane::Values, Plane::Image, Plane::Background, Plane::Mask];
            if at < n {
                sources.push(Source::Layer(at as u8));
                inputs += layers[at].outputs;
            } else {
                sources.push(Source::Plane(planes[at - n]));
                inputs += 1;
            }
        }
        let skip = (0..n)
            .find(|&at| layers[at].outputs == outputs)
            .map(|at| at as u8);
        let (kernel_bins, kernel_frames) =
            (1 + 2 * draws.below(3) as u8, 1 + 2 * draws.below(3) as u8);
        let size = usize::from(inputs * outputs) * usize::from(kernel_bins * kernel_frames);
        layers.push(Layer {
            convolution: if draws.below(2) == 0 {
                Convolution::Plain
            } else {
                Convolution::Sparse
            },
            sources,
            skip,
            kernel_bins,
            kernel_frames,
            inputs,
            outputs,
            weights: (0..size).map(|_| weight(draws)).collect(),
            bias: (0..outputs).map(|_| weight(draws)).collect(),
            activation: match draws.below(3) {
                0 => Activation::Linear,
                1 => Activation::Relu,
                _ => Activation::Prelu((0..outputs).map(|_| weight(draws)).collect()),
            },
        });
    }
    Model {
        rate: 16000,
        stft: Stft {
            n_fft: 512,
            window_length: 512,
            window: WindowKind::Hann,
            hop: 256,
        },
        upsampling: upsampling as u8,
        normalisation: Normalisation {
            offset: 30.0,
            scale: 17.5,
        },
        residual: draws.below(2) == 0,
        layers,
        metadata: vec![("SEED".into(), draws.below(100).to_string())],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn binary32_returns_exactly(seed: u64) {
        let model = model(&mut Draws(seed));
        let file = write(&model, WeightCoding::F32).unwrap();
        prop_assert_eq!(read(&file, &Limits::default()), Ok(model));
    }

    #[test]
    fn coarser_weights_stay_close_and_return_unchanged(seed: u64) {
        let model = model(&mut Draws(seed));
        for coding in [WeightCoding::F16, WeightCoding::I8] {
            let file = write(&model, coding).unwrap();
            let back = read(&file, &Limits::default()).unwrap();
            for (layer, other) in model.layers.iter().zip(&back.layers) {
                // 11 bits of each weight, or half of the 127th part of a channel's largest (about 2).
                for (w, v) in layer.weights.iter().zip(&other.weights) {
                    let allowed = if coding == WeightCoding::F16 { w.abs() / 2048.0 } else { 0.0079 };
                    prop_assert!((w - v).abs() <= allowed, "{w} became {v}");
                }
                prop_assert_eq!(&layer.bias, &other.bias);
                prop_assert_eq!(&layer.activation, &other.activation);
            }
            let exact = write(&back, WeightCoding::F32).unwrap();
            prop_assert_eq!(read(&exact, &Limits::default()).unwrap(), back);
        }
    }

    #[test]
    fn a_damaged_or_cut_file_is_refused(seed: u64, place: prop::sample::Index, flip in 1u8..=255) {
        let file = write(&model(&mut Draws(seed)), WeightCoding::F16).unwrap();
        let place = place.index(file.len());
        let cut = read(&file[..place], &Limits::default());
        prop_assert!(matches!(cut, Err(Error::Truncated { .. })), "{cut:?}");
        let mut damaged = file.clone();
        damaged[place] ^= flip;
        prop_assert!(read(&damaged, &Limits::default()).is_err());
        prop_assert_ne!(model_id(&damaged), model_id(&file));
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut file = codec_format::MODEL_SIGNATURE.to_vec();
        file.extend(bytes);
        prop_assert!(read(&file, &Limits::default()).is_err());
    }
}

#[test]
fn refuses_what_cannot_be_run() {
    let limits = Limits::default();
    let lawful = || {
        let mut draws = Draws(8);
        let mut model = model(&mut draws);
        while model.layers.len() < 3 {
            model = self::model(&mut draws);
        }
        model
    };
    assert_eq!(validate(&lawful(), &limits), Ok(()));
    type Spoil = fn(&mut Model);
    let spoils: [(&str, Spoil); 11] = [
        ("source ahead", |m| {
            m.layers[0].sources[0] = Source::Layer(0)
        }),
        ("skip ahead", |m| m.layers[1].skip = Some(1)),
        ("not a number", |m| m.layers[0].weights[0] = f32::NAN),
        ("infinite bias", |m| m.layers[0].bias[0] = f32::INFINITY),
        ("missing weight", |m| m.layers[0].weights.truncate(0)),
        ("even kernel", |m| m.layers[0].kernel_bins = 2),
        ("wide kernel", |m| m.layers[0].kernel_frames = 17),
        ("no layers", |m| m.layers.clear()),
        ("zero scale", |m| m.normalisation.scale = 0.0),
        ("three fine frames", |m| m.upsampling = 3),
        ("odd hop", |m| m.stft.hop = 0),
    ];
    for (name, spoil) in spoils {
        let mut model = lawful();
        spoil(&mut model);
        assert!(validate(&model, &limits).is_err(), "{name}");
        assert!(write(&model, WeightCoding::F32).is_err(), "{name}");
    }
    let mut tight = limits;
    tight.model_weights = 1;
    assert!(matches!(
        validate(&lawful(), &tight),
        Err(Error::LimitExceeded { .. })
    ));
}
