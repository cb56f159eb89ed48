//! The trainable network against the codec's own inference, and its gradients against differences.

mod networks;

use codec_format::model::{Model, Source};
use codec_train::loss;
use codec_train::network::Network;
use dfdx::tensor::{Cpu, NoneTape, OwnedTape};
use dfdx::tensor_ops::Backward;
use networks::{distance, inputs, models, random_planes};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[test]
fn the_trained_network_is_the_one_the_decoder_runs() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (name, model) in models(&mut rng) {
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
            let distance = distance(&model, planes, n, &output.data);
            assert!(distance < 1e-4, "{name}: {distance}");
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
        let size = 2 * usize::from(model.upsampling) * 12 * 10;
        // Targets far below the outputs: the loss is linear there, so differences are exact but for rounding.
        let target = vec![-100f32; size];
        let weight: Vec<f32> = (0..size).map(|_| rng.gen_range(0.0..1.0)).collect();
        let mut tape = OwnedTape::default();
        let output = network.forward(&mut tape, &batch).expect("an output");
        let mut gradients = loss::loss(
            &device,
            tape,
            &output,
            &target,
            &weight,
            loss::Measure::WeightedL1,
        )
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
                let slope = (at(2e-4) - at(-2e-4)) / 4e-4;
                network.parameters_mut()[p].0.tensor.copy_from(&numbers);
                let error = (f64::from(found[i]) - slope).abs();
                assert!(
                    error < 1e-2 * (slope.abs() + 0.05),
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
