//! A network for the thesis profile that needs no training.

use codec_core::encode::Settings;
use codec_format::model::{
    Activation, Convolution, Layer, Model, Normalisation, Plane, Source, WeightCoding,
};

/// The model file of a network that gives each pixel the mean of those kept around it.
pub fn averaging() -> Vec<u8> {
    let layer = |source, kernel: u8| {
        let area = usize::from(kernel).pow(2);
        Layer {
            convolution: Convolution::Sparse,
            sources: vec![source],
            skip: None,
            kernel_bins: kernel,
            kernel_frames: kernel,
            inputs: 1,
            outputs: 1,
            // A sparse convolution divides by the number observed and multiplies by the area.
            weights: vec![1.0 / area as f32; area],
            bias: vec![0.0],
            activation: Activation::Linear,
        }
    };
    let model = Model {
        rate: 16_000,
        stft: Settings::thesis(0.95).stft,
        upsampling: 1,
        normalisation: Normalisation {
            offset: 0.0,
            scale: 20.0,
        },
        residual: false,
        layers: vec![
            layer(Source::Plane(Plane::Values), 7),
            layer(Source::Layer(0), 5),
        ],
        metadata: Vec::new(),
    };
    codec_format::model_file::write(&model, WeightCoding::F32).expect("a model file")
}
