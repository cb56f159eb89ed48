//! The ways of weights: model file, safetensors, and the start of another training.

use codec_format::limits::Limits;
use codec_format::model::graph::{Extent, Graph};
use codec_format::model::op::Op;
use codec_format::model::{Model, Parts, WeightCoding};
use codec_train::config::Config;
use codec_train::export::Coding;
use codec_train::graph::{initialise, learned};
use codec_train::options::take_weights;
use codec_train::{export, safetensors};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const CONFIG: &str = r#"
[model]
rate = 16000
n_fft = 64
hop = 32
upsampling = 4
offset = 40.0
scale = 20.0

[[node]]
name = "top"
inputs = ["image", "mask", "background"]
kernel = [5, 3]
channels = 6

[[node]]
name = "down"
kernel = 3
channels = 6
stride = [2, 1]
groups = "depthwise"
dilation = [1, 2]
activation = "relu"

[[node]]
op = "pool"
pool = "max"
factor = [2, 2]

[[node]]
op = "upsample"
factor = [4, 2]

[[node]]
inputs = ["values", "mask"]
convolution = "sparse"
kernel = 3
channels = 6
skip = "top"

[[node]]
op = "add"
inputs = [3, 4]
activation = "prelu"

[[node]]
op = "activation"

[[node]]
kernel = 1
channels = 4
activation = "linear"
"#;

fn one() -> Model {
    let model = Config::parse(CONFIG).and_then(|config| config.model());
    let mut parts = model.expect("a model").into_parts();
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    initialise(&mut parts.completion, false, &mut rng);
    parts.metadata = vec![("KEY".into(), "a \"value\"\nof two lines".into())];
    Model::new(parts).expect("a model")
}

fn changed(change: impl FnOnce(&mut Parts)) -> Model {
    let mut parts = one().into_parts();
    change(&mut parts);
    Model::new(parts).expect("a model")
}

#[test]
fn what_goes_out_comes_back() {
    let model = one();
    let file = export::bytes(&model, Coding::Real(WeightCoding::F32)).expect("a file");
    let tensors = safetensors::write(&model).expect("a file");
    for (route, taken) in [
        (
            "model file",
            Model::read(&file, &Limits::default()).expect("a model"),
        ),
        (
            "safetensors",
            safetensors::read(&tensors, None).expect("a model"),
        ),
        (
            "safetensors like the model",
            safetensors::read(&tensors, Some(&model)).expect("a model"),
        ),
    ] {
        assert_eq!(taken, model, "{route}");
    }
    let (header, _) = taken_apart(&tensors);
    for name in [
        "layers.0.slope",
        "layers.1.weight",
        "layers.3.slope3",
        "layers.4.bias",
    ] {
        assert!(
            header.contains(&format!("\"{name}\"")),
            "{name} in {header}"
        );
    }
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
    let wider = changed(|parts| {
        if let Op::Convolution(op) = &mut parts.completion.nodes[1].op {
            op.kernel = Extent { bins: 5, frames: 5 };
            op.fill(|| 0.0);
        }
    });
    refuse(&file, Some(&wider), "layers.0.weight: the shape is");
    let shorter = changed(|parts| {
        parts.completion.nodes.truncate(3);
        let inputs = parts.completion.nodes[2].inputs.clone();
        let mut last = parts.completion.nodes[1].clone();
        last.inputs = inputs;
        if let Op::Convolution(op) = &mut last.op {
            (op.inputs, op.outputs) = (6, 1);
            op.fill(|| 0.0);
        }
        parts.completion.nodes[2] = last;
        parts.completion.nodes[2].inputs = vec![codec_format::model::graph::Operand::Node(1)];
    });
    refuse(&file, Some(&shorter), "layers.");
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
    assert_ne!(nonsense, header);
    refuse(
        &put_together(&nonsense, &data),
        None,
        "metadata entry sparc",
    );
}

/// Numbers of other widths, as other programs store them, each read to its nearest single.
#[test]
fn other_widths_are_read() {
    use ::safetensors::tensor::{Dtype, SafeTensors, TensorView};
    let model = one();
    let file = safetensors::write(&model).expect("a file");
    let tensors = SafeTensors::deserialize(&file).expect("tensors");
    let single = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    type Store = fn(f32) -> Vec<u8>;
    let widths: [(Dtype, usize, f32, Store); 3] = [
        (Dtype::F64, 8, 0.0, |x| f64::from(x).to_le_bytes().to_vec()),
        (Dtype::F16, 2, 1e-3, |x| {
            half::f16::from_f32(x).to_le_bytes().to_vec()
        }),
        (Dtype::BF16, 2, 8e-3, |x| {
            half::bf16::from_f32(x).to_le_bytes().to_vec()
        }),
    ];
    for (dtype, width, error, store) in widths {
        let stored: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
            .tensors()
            .into_iter()
            .map(|(name, tensor)| {
                let numbers = tensor.data().chunks_exact(4).map(single);
                let bytes: Vec<u8> = numbers.flat_map(store).collect();
                assert_eq!(bytes.len(), width * tensor.data().len() / 4);
                (name, tensor.shape().to_vec(), bytes)
            })
            .collect();
        let views = stored.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(dtype, shape.clone(), bytes).expect("a tensor");
            (name, view)
        });
        let file = ::safetensors::serialize(views, None).expect("a file");
        let read = safetensors::read(&file, Some(&model)).expect("a model");
        let (found, expected) = (learned(&read.completion), learned(&model.completion));
        for (found, expected) in found.flatten().zip(expected.flatten()) {
            let apart = (found - expected).abs();
            assert!(apart <= error * expected.abs() + 1e-7, "{dtype:?}: {found}");
        }
    }
}

#[test]
fn weights_to_start_from_must_have_the_configurations_shapes() {
    let model = one();
    let config = Config::parse(CONFIG).and_then(|config| config.model());
    let empty = config.expect("a model").into_parts().completion;
    let mut taken = empty.clone();
    take_weights(&mut taken, &model.completion).expect("the same shapes");
    assert_eq!(taken, model.completion);
    let mut other = model.completion.clone();
    if let Op::Convolution(op) = &mut other.nodes[1].op {
        op.kernel = Extent { bins: 3, frames: 5 };
    }
    let refused = |other: &Graph| {
        let error = take_weights(&mut empty.clone(), other).expect_err("other weights");
        error.to_string()
    };
    let error = refused(&other);
    assert!(error.contains("node 1 is 6 x 3 x 3 x 5"), "{error}");
    other.nodes.pop();
    let error = refused(&other);
    assert!(error.contains("nodes where"), "{error}");
}
