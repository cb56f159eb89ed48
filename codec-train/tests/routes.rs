//! All the ways of a network: trainer, model file, safetensors, and dfdx's operations on any device.

mod networks;

use codec_format::limits::Limits;
use codec_format::model::{Model, WeightCoding};
use codec_train::examples::ExampleBatch;
use codec_train::export;
use codec_train::loss::{self, Measure};
use codec_train::network::Network;
use codec_train::options::take_weights;
use codec_train::portable;
use codec_train::safetensors;
use dfdx::tensor::{Cpu, NoneTape, OwnedTape};
use dfdx::tensor_ops::Backward;
use networks::{distance, inputs, models, random_planes};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[test]
fn dfdx_safetensors_and_model_file_agree_with_the_decoder() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for (name, model) in models(&mut rng) {
        let file = export::bytes(&model, WeightCoding::F32).expect("a file");
        let from_file = codec_format::model_file::read(&file, &Limits::default()).expect("a model");
        let tensors = safetensors::write(&model).expect("a file");
        let by_itself = safetensors::read(&tensors, None).expect("a model");
        let by_example = safetensors::read(&tensors, Some(&model)).expect("a model");
        let planes = random_planes(19, 33, &mut rng);
        let batch = inputs(std::slice::from_ref(&planes));
        for (route, taken) in [
            ("model file", from_file),
            ("safetensors", by_itself),
            ("safetensors like the model", by_example),
        ] {
            assert_eq!(taken, model, "{name} by {route}");
            let network = Network::from_model(&Cpu::default(), &taken).expect("a network");
            let output = network.forward(&mut NoneTape, &batch).expect("an output");
            let distance = distance(&model, &planes, 0, &output.data);
            assert!(distance < 1e-4, "{name} by {route}: {distance}");
        }
    }
}

#[test]
fn operations_of_any_device_give_the_loss_and_gradients_of_our_kernels() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for (name, model) in models(&mut rng) {
        for kind in [Measure::WeightedL1, Measure::Mse] {
            let device = Cpu::default();
            let mut network = Network::from_model(&device, &model).expect("a network");
            let (frames, bins, samples) = (11, 14, portable::CHUNK + 1);
            let planes: Vec<_> = (0..samples)
                .map(|_| random_planes(frames, bins, &mut rng))
                .collect();
            let size = samples * usize::from(model.upsampling) * bins * frames;
            let batch = ExampleBatch {
                inputs: inputs(&planes),
                target: (0..size).map(|_| rng.gen_range(-2.0..2.0)).collect(),
                weight: (0..size).map(|_| rng.gen_range(0.0..1.0)).collect(),
            };
            let mut tape = OwnedTape::default();
            let output = network
                .forward(&mut tape, &batch.inputs)
                .expect("an output");
            let ours = loss::loss(&device, tape, &output, &batch.target, &batch.weight, kind)
                .expect("a loss");
            let expected = ours.as_vec()[0];
            let mut gradients = ours.try_backward().expect("gradients");
            let (value, found) =
                portable::gradients(&device, &network, &batch, kind).expect("gradients");
            assert!(
                (value - expected).abs() < 1e-5 * expected.abs(),
                "{name}: {value}"
            );
            let alone = portable::value(&device, &network, &batch, kind).expect("a loss");
            assert!(
                (alone - expected).abs() < 1e-5 * expected.abs(),
                "{name}: {alone}"
            );
            let parameters = network.parameters_mut();
            assert_eq!(parameters.len(), found.len());
            for (at, ((weights, _), found)) in parameters.into_iter().zip(&found).enumerate() {
                let expected = gradients
                    .get_or_alloc_mut(&weights.tensor)
                    .expect("a gradient");
                assert_eq!(expected.len(), found.len());
                let size = expected.iter().fold(1e-3f32, |a, b| a.max(b.abs()));
                for (i, (e, f)) in expected.iter().zip(found).enumerate() {
                    assert!(
                        (e - f).abs() < 1e-4 * size,
                        "{name}, parameter {at}, {i}: {f} for {e}"
                    );
                }
            }
        }
    }
}

fn one() -> Model {
    models(&mut ChaCha8Rng::seed_from_u64(17)).remove(0).1
}

/// The header of a safetensors file as text, and its data.
fn taken_apart(file: &[u8]) -> (String, Vec<u8>) {
    let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
    let header = String::from_utf8(file[8..8 + length].to_vec()).expect("text");
    (header, file[8 + length..].to_vec())
}

fn put_together(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let model = one();
    let file = safetensors::write(&model).expect("a file");
    let (header, data) = taken_apart(&file);
    let refuse = |file: &[u8], like: Option<&Model>, expected: &str| {
        let error = safetensors::read(file, like)
            .expect_err(expected)
            .to_string();
        assert!(error.contains(expected), "{error} for {expected}");
    };
    let renamed = header.replace("layers.1.bias", "layers.1.bigs");
    refuse(
        &put_together(&renamed, &data),
        None,
        "layers.1.bias: the tensor is missing",
    );
    let mut wider = model.clone();
    wider.layers[0].outputs += 1;
    refuse(&file, Some(&wider), "layers.0.weight: the shape is");
    let mut shorter = model.clone();
    shorter.layers.pop();
    refuse(&file, Some(&shorter), "layers.2.");
    let whole = header.replace("\"F32\"", "\"I32\"");
    refuse(&put_together(&whole, &data), None, "I32");
    let mut broken = data.clone();
    broken[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    refuse(&put_together(&header, &broken), None, "number 0 is NaN");
    refuse(&file[..file.len() - 1], None, "safetensors");
    refuse(&file[..5], None, "safetensors");
    refuse(&[], None, "safetensors");
    refuse(&u64::MAX.to_le_bytes(), None, "safetensors");
    refuse(&vec![0; safetensors::most_bytes() + 1], None, "more than");
    let entry = header.replace("\"sparc\"", "\"other\"");
    refuse(
        &put_together(&entry, &data),
        None,
        "does not say which network",
    );
    assert!(safetensors::read(&put_together(&entry, &data), Some(&model)).is_ok());
    let nonsense = header.replace("upsampling = 4", "upsampling = 5");
    refuse(
        &put_together(&nonsense, &data),
        None,
        "metadata entry sparc",
    );
}

#[test]
fn weights_to_start_from_must_have_the_configurations_shapes() {
    let model = one();
    let mut empty = model.clone();
    for layer in &mut empty.layers {
        layer.weights.clear();
        layer.bias.clear();
    }
    take_weights(&mut empty, &model).expect("the same shapes");
    assert_eq!(empty.layers, model.layers);
    let mut other = model.clone();
    other.layers[1].kernel_frames = 3;
    let error = take_weights(&mut empty, &other)
        .expect_err("another kernel")
        .to_string();
    assert!(error.contains("layer 1 is 6 x 6 x 3 x 3"), "{error}");
    other.layers.pop();
    let error = take_weights(&mut empty, &other)
        .expect_err("a layer less")
        .to_string();
    assert!(error.contains("2 layers where"), "{error}");
}
