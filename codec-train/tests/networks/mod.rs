//! Small networks of every kind, with random weights, and random images to run them on.
#![allow(dead_code)]

use codec_core::planes::Planes;
use codec_format::header::{Stft, WindowKind};
use codec_format::model::{Activation, Convolution, Layer, Model, Normalisation, Plane, Source};
use codec_train::network::{initialise, Inputs};
use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

pub const OFFSET: f32 = 40.0;
pub const SCALE: f32 = 20.0;
pub const UP: usize = 4;

pub fn layer(
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
pub fn model(layers: Vec<Layer>, residual: bool, rng: &mut ChaCha8Rng) -> Model {
    let upsampling = layers.last().map_or(1, |l| l.outputs as u8);
    let mut model = Model {
        rate: 16000,
        stft: Stft {
            n_fft: 64,
            window_length: 64,
            window: WindowKind::Hann,
            hop: 32,
        },
        upsampling,
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
pub fn models(rng: &mut ChaCha8Rng) -> Vec<(&'static str, Model)> {
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
    // The layout of the thesis' network, narrower: sparse all the way, no background, one frame for each.
    let mut thesis = Vec::new();
    for (at, size) in [7, 5, 3].into_iter().enumerate() {
        let source = match at {
            0 => plane(Plane::Values),
            at => Source::Layer(at as u8 - 1),
        };
        thesis.push(layer(Sparse, &[source], (size, size), 6, &thesis));
        thesis[at].activation = Activation::Relu;
    }
    thesis.push(layer(Sparse, &[Source::Layer(2)], (1, 1), 1, &thesis));
    thesis[3].activation = Activation::Linear;
    vec![
        ("plain", model(plain, true, rng)),
        ("sparse", model(sparse, false, rng)),
        ("mixed", model(mixed, true, rng)),
        ("thesis", model(thesis, false, rng)),
    ]
}

/// Random planes, with few pixels kept so that some windows see none.
pub fn random_planes(frames: usize, bins: usize, rng: &mut ChaCha8Rng) -> Planes {
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
pub fn inputs(samples: &[Planes]) -> Inputs {
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

/// How far a trained network's output for sample `n` is from the decoder's, in units of the normalisation.
pub fn distance(decoder: &Model, planes: &Planes, n: usize, output: &[f32]) -> f32 {
    let up = usize::from(decoder.upsampling);
    let (frames, bins) = planes.mask.dim();
    let dense = codec_core::network::Network::of(decoder)
        .expect("a valid model")
        .run(planes);
    let mut most = 0f32;
    for frame in 0..frames {
        for sub in 0..up {
            for bin in 0..bins {
                let raw = output[((n * up + sub) * bins + bin) * frames + frame];
                let (here, next) = (
                    planes.image[(frame, bin)],
                    planes.image[((frame + 1).min(frames - 1), bin)],
                );
                let base = here + (next - here) * sub as f32 / up as f32;
                let found = if decoder.residual {
                    base / SCALE + raw
                } else {
                    raw + OFFSET / SCALE
                };
                most = most.max((found - dense[(frame * up + sub, bin)] / SCALE).abs());
            }
        }
    }
    most
}
