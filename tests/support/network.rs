//! A network for the thesis profile that needs no training.

use codec_core::encode::Settings;
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{Convolution, ConvolutionKind};
use codec_format::model::{Arithmetic, Model, Normalisation, Parts, WeightCoding};

/// The model file of a network that gives each pixel the mean of those kept around it.
pub fn averaging() -> Vec<u8> {
    let mut completion = Graph::default();
    let mut last = Operand::Plane(Plane::Values);
    for size in [7, 5] {
        let kernel = Extent {
            bins: size,
            frames: size,
        };
        let mut mean = Convolution::zeros(ConvolutionKind::Sparse, 1, 1, kernel);
        // A sparse convolution divides by the number observed and multiplies by the area.
        mean.weights_mut().fill(1.0 / kernel.area() as f32);
        last = completion.push(mean, &[last]);
    }
    let model = Model::new(Parts {
        rate: 16_000,
        stft: Settings::thesis(0.95).stft,
        arithmetic: Arithmetic::Real,
        normalisation: Normalisation {
            offset: 0.0,
            scale: 20.0,
        },
        residual: false,
        completion,
        analysis: None,
        metadata: Vec::new(),
    });
    let file = model.and_then(|model| model.write(WeightCoding::F32));
    file.expect("a model file")
}
