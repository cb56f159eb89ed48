//! The trainable network against the codec's own inference, and its gradients against differences.

use codec_core::planes::Planes;
use codec_format::header::{Stft, WindowKind};
use codec_format::model::{Activation, Convolution, Layer, Model, Normalisation, Plane, Source};
use codec_train::loss;
use codec_train::network::{initialise, Inputs, Network};
use dfdx::tensor::{Cpu, NoneTape, OwnedTape};
use dfdx::tensor_ops::Backward;
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

const OFFSET: f32 = 40.0;
const SCALE: f32 = 20.0;
const UP: usize = 4;

fn layer(
    convolution: Convolution,
    sources: &[Source],
    kernel: (u8, u8),
    outputs: u16,
    before: &[Layer],
) -> Layer {
    let inputs = sources
        .iter()
        .map(|s| match s {
            Source::Plane(_) => 1,
            Source::Layer(i) => before[usize::from(*i)].outputs,
        })
        .sum();
    Layer {
        convolution,
        sources: sources.to_vec(),
        skip: None,
        kernel_bins: kernel.0,
        kernel_frames: kernel.1,
        inputs,
        outputs,
        weights: Vec::new(),
        bias: Vec::new(),
        activation: Activation::Prelu(Vec::new()),
    }
}

/// Fills a layer list with random weights, slopes and biases included.
fn model(layers: Vec<Layer>, residual: bool, rng: &mut ChaCha8Rng) -> Model {
    let mut model = Model {
        rate: 16000,
        stft: Stft {
            n_fft: 64,
            window_length: 64,
            window: WindowKind::Hann,
            hop: 32,
        },
        upsampling: UP as u8,
        normalisation: Normalisation {
            offset: OFFSET,
            scale: SCALE,
        },
        residual,
        layers,
        metadata: Vec::new(),
    };
    initialise(&mut model, rng);
    for layer in &mut model.layers {
        let deviation = (1.0 / layer.weights.len() as f32 * f32::from(layer.outputs)).sqrt();
        layer
            .weights
            .iter_mut()
            .for_each(|w| *w = deviation * rng.gen_range(-1.0..1.0));
        layer
            .bias
            .iter_mut()
            .for_each(|b| *b = rng.gen_range(-0.2..0.2));
        if let Activation::Prelu(slopes) = &mut layer.activation {
            slopes
                .iter_mut()
                .for_each(|s| *s = rng.gen_range(-0.3..0.8));
        }
    }
    model
}

/// One network of every kind of part: plain, sparse, several sources, skips, all activations.
fn models(rng: &mut ChaCha8Rng) -> Vec<(&'static str, Model)> {
    use Convolution::{Plain, Sparse};
    let plane = Source::Plane;
    let mut plain = vec![layer(
        Plain,
        &[
            plane(Plane::Image),
            plane(Plane::Mask),
            plane(Plane::Background),
        ],
        (5, 5),
        6,
        &[],
    )];
    plain.push(layer(Plain, &[Source::Layer(0)], (3, 5), 6, &plain));
    plain[1].skip = Some(0);
    plain[1].activation = Activation::Relu;
    plain.push(layer(
        Plain,
        &[Source::Layer(1), plane(Plane::Values), Source::Layer(0)],
        (3, 3),
        UP as u16,
        &plain,
    ));
    plain[2].activation = Activation::Linear;

    let mut sparse = vec![layer(Sparse, &[plane(Plane::Values)], (5, 3), 7, &[])];
    sparse.push(layer(
        Sparse,
        &[Source::Layer(0), plane(Plane::Values)],
        (3, 3),
        7,
        &sparse,
    ));
    sparse[1].skip = Some(0);
    sparse.push(layer(
        Plain,
        &[Source::Layer(0), Source::Layer(1)],
        (1, 3),
        UP as u16,
        &sparse,
    ));

    let mut mixed = vec![layer(
        Sparse,
        &[
            plane(Plane::Background),
            plane(Plane::Values),
            plane(Plane::Mask),
        ],
        (5, 5),
        5,
        &[],
    )];
    mixed.push(layer(
        Sparse,
        &[Source::Layer(0)],
        (3, 3),
        UP as u16,
        &mixed,
    ));
    vec![
        ("plain", model(plain, true, rng)),
        ("sparse", model(sparse, false, rng)),
        ("mixed", model(mixed, true, rng)),
    ]
}

/// Random planes, with few pixels kept so that some windows see none.
fn random_planes(frames: usize, bins: usize, rng: &mut ChaCha8Rng) -> Planes {
    let mut planes = Planes::zeros(frames, bins);
    for at in ndarray::indices((frames, bins)) {
        planes.background[at] = rng.gen_range(0.0..60.0);
        planes.image[at] = planes.background[at];
        if rng.gen_bool(0.06) {
            planes.mask[at] = 1.0;
            planes.values[at] = rng.gen_range(30.0..80.0);
            planes.image[at] = planes.values[at];
        }
    }
    planes
}

/// Samples of planes as the trainer's inputs.
fn inputs(samples: &[Planes]) -> Inputs {
    let (frames, bins) = samples[0].mask.dim();
    let flat = |plane: fn(&Planes) -> &Array2<f32>, normal: bool| {
        let mut out = Vec::new();
        for sample in samples {
            for bin in 0..bins {
                for frame in 0..frames {
                    let x = plane(sample)[(frame, bin)];
                    out.push(if normal { (x - OFFSET) / SCALE } else { x });
                }
            }
        }
        Arc::new(out)
    };
    let mask = flat(|p| &p.mask, false);
    let values = flat(|p| &p.values, true)
        .iter()
        .zip(mask.iter())
        .map(|(v, m)| v * m)
        .collect();
    Inputs {
        samples: samples.len(),
        bins,
        frames,
        values: Arc::new(values),
        image: flat(|p| &p.image, true),
        background: flat(|p| &p.background, true),
        mask,
    }
}

#[test]
fn the_trained_network_is_the_one_the_decoder_runs() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (name, model) in models(&mut rng) {
        let decoder = codec_core::network::Network::of(&model).expect("a valid model");
        let trainer = Network::from_model(&Cpu::default(), &model).expect("a valid model");
        let (frames, bins) = (23, 33);
        let samples = [
            random_planes(frames, bins, &mut rng),
            random_planes(frames, bins, &mut rng),
        ];
        let output = trainer
            .forward(&mut NoneTape, &inputs(&samples))
            .expect("an output");
        for (n, planes) in samples.iter().enumerate() {
            let dense = decoder.run(planes);
            for frame in 0..frames {
                for sub in 0..UP {
                    for bin in 0..bins {
                        let raw = output.data[((n * UP + sub) * bins + bin) * frames + frame];
                        let (here, next) = (
                            planes.image[(frame, bin)],
                            planes.image[((frame + 1).min(frames - 1), bin)],
                        );
                        let base = here + (next - here) * sub as f32 / UP as f32;
                        let found = if model.residual {
                            base / SCALE + raw
                        } else {
                            raw + OFFSET / SCALE
                        };
                        let expected = dense[(frame * UP + sub, bin)] / SCALE;
                        assert!(
                            (found - expected).abs() < 1e-4,
                            "{name}: {found} for {expected} at {frame}.{sub}, {bin}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for (name, model) in models(&mut rng) {
        let device = Cpu::default();
        let mut network = Network::from_model(&device, &model).expect("a valid model");
        let batch = inputs(&[
            random_planes(10, 12, &mut rng),
            random_planes(10, 12, &mut rng),
        ]);
        let size = 2 * UP * 12 * 10;
        // Targets far below the outputs: the loss is linear there, so differences are exact but for rounding.
        let target = vec![-100f32; size];
        let weight: Vec<f32> = (0..size).map(|_| rng.gen_range(0.0..1.0)).collect();
        let mut tape = OwnedTape::default();
        let output = network.forward(&mut tape, &batch).expect("an output");
        let mut gradients = loss::loss(&device, tape, &output, &target, &weight, loss::Measure::WeightedL1)
            .expect("a loss")
            .try_backward()
            .expect("gradients");
        let count = network.parameters_mut().len();
        for p in 0..count {
            let found = {
                let parameters = network.parameters_mut();
                gradients
                    .get_or_alloc_mut(&parameters[p].0.tensor)
                    .expect("a gradient")
                    .clone()
            };
            let numbers = network.parameters_mut()[p].0.numbers();
            for i in [0, numbers.len() / 2, numbers.len() - 1] {
                let mut at = |delta: f32| {
                    let mut moved = numbers.clone();
                    moved[i] += delta;
                    network.parameters_mut()[p].0.tensor.copy_from(&moved);
                    let out = network.forward(&mut NoneTape, &batch).expect("an output");
                    let sum: f64 = out
                        .data
                        .iter()
                        .zip(&weight)
                        .map(|(o, w)| f64::from(*o) * f64::from(*w))
                        .sum();
                    sum / size as f64
                };
                let slope = (at(2e-3) - at(-2e-3)) / 4e-3;
                network.parameters_mut()[p].0.tensor.copy_from(&numbers);
                let error = (f64::from(found[i]) - slope).abs();
                assert!(
                    error < 2e-3 * (slope.abs() + 0.05),
                    "{name}, parameter {p}, {i}: {} for {slope}",
                    found[i]
                );
            }
        }
    }
}

#[test]
fn a_model_survives_import_and_export() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for (name, model) in models(&mut rng) {
        let network = Network::from_model(&Cpu::default(), &model).expect("a valid model");
        assert_eq!(network.to_model(), model, "{name}");
    }
}

#[test]
fn layers_that_do_not_fit_are_named() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (_, good) = models(&mut rng).remove(0);
    let refuse = |change: fn(&mut Model), expected: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let error = Network::from_model(&Cpu::default(), &bad)
            .expect_err(expected)
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    refuse(
        |m| m.layers[1].kernel_bins = 4,
        "layer 1: kernel sizes must be odd",
    );
    refuse(
        |m| m.layers[1].sources = vec![Source::Layer(1)],
        "layer 1: it reads a layer that does not come before",
    );
    refuse(|m| m.layers[2].inputs += 1, "layer 2: its input channels");
    refuse(
        |m| m.layers[0].weights.truncate(1),
        "layer 0: the number of its weights",
    );
    refuse(|m| m.layers[1].skip = Some(2), "layer 1: its skip");
    refuse(|m| m.upsampling = 2, "2 output channels");
}
