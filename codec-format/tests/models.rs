//! Properties of model files.

mod common;

use codec_format::header::{ModelId, Stft, WindowKind};
use codec_format::model::graph::*;
use codec_format::model::op::*;
use codec_format::model::*;
use codec_format::{Error, Limits};
use common::graphs::{graph, number, whole};
use common::Draws;
use proptest::prelude::*;

/// The parts of a lawful model.
fn parts(draws: &mut Draws) -> Parts {
    let planes = [Plane::Values, Plane::Image, Plane::Background, Plane::Mask];
    let planes = &planes[..1 + draws.below(4) as usize];
    Parts {
        rate: 16000,
        stft: Stft {
            n_fft: 512,
            window_length: 512,
            window: WindowKind::Hann,
            hop: 256,
        },
        arithmetic: Arithmetic::Real,
        normalisation: Normalisation {
            offset: 30.0,
            scale: 17.5,
        },
        residual: draws.below(2) == 0,
        completion: graph(&mut |n| draws.below(n), planes),
        analysis: (draws.below(2) == 0).then(|| graph(&mut |n| draws.below(n), &[Plane::Levels])),
        metadata: vec![("SEED".into(), draws.below(100).to_string())],
    }
}

fn model(draws: &mut Draws) -> Model {
    Model::new(parts(draws)).unwrap()
}

/// The parts of a lawful whole-number model.
fn whole_parts(draws: &mut Draws) -> Parts {
    let mut parts = parts(draws);
    parts.arithmetic = Arithmetic::Whole;
    parts.normalisation = Normalisation::of_whole(-7, 320);
    whole(&mut |n| draws.below(n), &mut parts.completion);
    if let Some(analysis) = &mut parts.analysis {
        whole(&mut |n| draws.below(n), analysis);
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn binary32_returns_exactly(seed: u64) {
        let model = model(&mut Draws(seed));
        let file = model.write(WeightCoding::F32).unwrap();
        prop_assert_eq!(Model::read(&file, &Limits::default()), Ok(model));
    }

    #[test]
    fn whole_numbers_return_exactly(seed: u64) {
        let model = Model::new(whole_parts(&mut Draws(seed))).unwrap();
        for coding in [WeightCoding::F32, WeightCoding::I8] {
            let file = model.write(coding).unwrap();
            let read = Model::read(&file, &Limits::default());
            prop_assert_eq!(read.as_ref(), Ok(&model));
        }
    }

    /// Whatever is read has no sum that overflows, and kinds of numbers are not mixed.
    #[test]
    fn sums_that_may_overflow_are_refused(seed: u64) {
        let mut draws = Draws(seed);
        let mut parts = whole_parts(&mut draws);
        let mut convolutions: Vec<_> = parts.completion.nodes.iter_mut().filter_map(|node| match &mut node.op {
            Op::Convolution(op) => Some(op),
            _ => None,
        }).collect();
        let at = draws.below(convolutions.len() as u64) as usize;
        let op = &mut *convolutions[at];
        let each = op.weight_count() / usize::from(op.outputs);
        let Numbers::Whole { weights, shifts, bias } = &mut op.numbers else { unreachable!() };
        let output = draws.below(bias.len() as u64) as usize;
        let sum: i64 = weights[output * each..][..each].iter().map(|w| i64::from(w.unsigned_abs())).sum();
        let half = (1i64 << shifts[output]) >> 1;
        let room = (1i64 << 31) - 1 - sum * 32_768 - half;
        let sign = [1, -1][draws.below(2) as usize];
        let mut with = |x: i64| {
            op_bias(&mut parts, at)[output] = x as i32;
            Model::new(parts.clone()).map(|_| ())
        };
        prop_assert_eq!(with(sign * room), Ok(()));
        prop_assert_eq!(with(sign * (room + 1)), Err(Error::Usage { what: "sum that may overflow" }));
    }

    #[test]
    fn coarser_weights_stay_close_and_return_unchanged(seed: u64) {
        let model = model(&mut Draws(seed));
        for coding in [WeightCoding::F16, WeightCoding::I8] {
            let file = model.write(coding).unwrap();
            let back = Model::read(&file, &Limits::default()).unwrap();
            for (node, other) in model.completion.nodes.iter().zip(&back.completion.nodes) {
                prop_assert_eq!(&node.inputs, &other.inputs);
                if !matches!(node.op, Op::Convolution(_)) {
                    prop_assert_eq!(&node.op, &other.op);
                    continue;
                }
                let ([weights, bias], [others, other_bias]) = (node.op.learned(), other.op.learned());
                // 11 bits of each weight, or half of the 127th part of a channel's largest (about 2).
                for (w, v) in weights.iter().zip(others) {
                    let allowed = if coding == WeightCoding::F16 { w.abs() / 2048.0 } else { 0.0079 };
                    prop_assert!((w - v).abs() <= allowed, "{w} became {v}");
                }
                prop_assert_eq!(bias, other_bias);
            }
            let exact = back.write(WeightCoding::F32).unwrap();
            prop_assert_eq!(Model::read(&exact, &Limits::default()).unwrap(), back);
        }
    }

    #[test]
    fn a_damaged_or_cut_file_is_refused(seed: u64, place: prop::sample::Index, flip in 1u8..=255) {
        let file = model(&mut Draws(seed)).write(WeightCoding::F16).unwrap();
        let place = place.index(file.len());
        let cut = Model::read(&file[..place], &Limits::default());
        prop_assert!(matches!(cut, Err(Error::Truncated { .. })), "{cut:?}");
        let mut damaged = file.clone();
        damaged[place] ^= flip;
        prop_assert!(Model::read(&damaged, &Limits::default()).is_err());
        prop_assert_ne!(ModelId::of(&damaged), ModelId::of(&file));
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let mut file = codec_format::MODEL_SIGNATURE.to_vec();
        file.extend(bytes);
        prop_assert!(Model::read(&file, &Limits::default()).is_err());
    }
}

/// The biases of the whole-number convolution that is the `at`th of the completion.
fn op_bias(parts: &mut Parts, at: usize) -> &mut [i32] {
    let mut convolutions =
        parts
            .completion
            .nodes
            .iter_mut()
            .filter_map(|node| match &mut node.op {
                Op::Convolution(op) => Some(&mut op.numbers),
                _ => None,
            });
    match convolutions.nth(at) {
        Some(Numbers::Whole { bias, .. }) => bias,
        other => panic!("{other:?}"),
    }
}

/// Two convolutions with an activation between them.
fn plain() -> Parts {
    let mut graph = Graph::default();
    let kernel = Extent { bins: 3, frames: 3 };
    let mut numbers = Draws(1);
    let mut convolution = |inputs, outputs| {
        let mut op = Convolution::zeros(ConvolutionKind::Plain, inputs, outputs, kernel);
        op.fill(|| number(&mut |n| numbers.below(n)));
        op
    };
    let input = [Operand::Plane(Plane::Values), Operand::Plane(Plane::Mask)];
    let middle = graph.layer(&input, convolution(2, 4), None, Some(Activation::Relu));
    graph.layer(&[middle], convolution(4, 1), None, None);
    Parts {
        completion: graph,
        ..parts(&mut Draws(0))
    }
}

/// Takes a weight or a bias away.
fn pop(op: &mut Convolution, weight: bool) {
    match &mut op.numbers {
        Numbers::Real { weights, bias } if weight => weights.truncate(bias.len()),
        Numbers::Real { bias, .. } => bias.truncate(1),
        Numbers::Whole { .. } => panic!("plain parts are binary32"),
    }
}

fn first(parts: &mut Parts) -> &mut Convolution {
    match &mut parts.completion.nodes[1].op {
        Op::Convolution(op) => op,
        _ => panic!("the first convolution lies behind the concatenation"),
    }
}

#[test]
fn refuses_what_cannot_be_run() {
    assert!(Model::new(plain()).is_ok());
    type Spoil = fn(&mut Parts);
    let spoils: [(&str, Spoil); 30] = [
        ("whole weights among others", |p| {
            first(p).numbers = Numbers::Whole {
                weights: vec![0; 72],
                shifts: vec![0; 4],
                bias: vec![0; 4],
            };
        }),
        ("whole slopes among others", |p| {
            p.completion.nodes[2].op = Activation::WholePrelu(vec![0; 4]).into();
        }),
        ("whole, but for the weights", |p| {
            p.arithmetic = Arithmetic::Whole
        }),
        ("whole, but for the offset", |p| {
            whole(&mut |_| 0, &mut p.completion);
            p.arithmetic = Arithmetic::Whole;
            p.analysis = None;
            p.normalisation.offset = 1.0 / 32.0;
        }),
        ("node ahead", |p| {
            p.completion.nodes[0].inputs[0] = Operand::Node(0)
        }),
        ("not a number", |p| first(p).weights_mut()[0] = f32::NAN),
        ("infinite bias", |p| first(p).bias_mut()[0] = f32::INFINITY),
        ("missing weight", |p| pop(first(p), true)),
        ("missing bias", |p| pop(first(p), false)),
        ("even kernel", |p| {
            first(p).kernel.bins = 2;
            first(p).fill(|| 0.0);
        }),
        ("wide kernel", |p| {
            first(p).kernel.frames = 17;
            first(p).fill(|| 0.0);
        }),
        ("no groups", |p| {
            first(p).groups = 0;
            first(p).fill(|| 0.0);
        }),
        ("groups that do not divide", |p| {
            first(p).groups = 3;
            first(p).fill(|| 0.0);
        }),
        ("stride of three", |p| first(p).stride.bins = 3),
        ("no dilation", |p| first(p).dilation.bins = 0),
        ("dilation of 17", |p| first(p).dilation.frames = 17),
        ("other channels", |p| {
            p.completion.nodes[0].inputs.truncate(1)
        }),
        ("no nodes", |p| p.completion.nodes.clear()),
        ("empty analysis", |p| p.analysis = Some(Graph::default())),
        ("levels in the completion", |p| {
            p.completion.nodes[0].inputs[0] = Operand::Plane(Plane::Levels)
        }),
        ("values in the analysis", |p| {
            p.analysis = Some(p.completion.clone())
        }),
        ("activation of two inputs", |p| {
            p.completion.nodes[2].inputs.push(Operand::Node(0))
        }),
        ("slopes of other channels", |p| {
            p.completion.nodes[2].op = Activation::Prelu(vec![0.5; 3]).into()
        }),
        ("sum of different channels", |p| {
            let inputs = [Operand::Node(3), Operand::Node(0)];
            p.completion.push(Combine::Add, &inputs);
        }),
        ("sum of nothing", |p| {
            p.completion.nodes[0].inputs.clear();
        }),
        ("node that nothing reads", |p| {
            p.completion
                .push(Activation::Relu, &[Operand::Plane(Plane::Mask)]);
        }),
        ("four channels out", |p| {
            p.completion.nodes.truncate(3);
        }),
        ("half the bins out", |p| {
            let factor = Extent { bins: 2, frames: 1 };
            let kind = PoolKind::Max;
            p.completion
                .push(Pool { kind, factor }, &[Operand::Node(3)]);
        }),
        ("zero scale", |p| p.normalisation.scale = 0.0),
        ("odd hop", |p| p.stft.hop = 0),
    ];
    for (name, spoil) in spoils {
        let mut parts = plain();
        spoil(&mut parts);
        let refused = Model::new(parts);
        assert!(
            matches!(
                refused,
                Err(Error::Usage { .. } | Error::LimitExceeded { .. })
            ),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn every_limit_of_models_holds() {
    type Tighten = fn(&mut Limits);
    let limits: [(&str, Tighten); 6] = [
        ("weights", |l| l.model_weights = 100),
        ("macs", |l| l.model_macs_per_pixel = 100),
        ("nodes", |l| l.model_nodes = 3),
        ("channels", |l| l.model_channels = 3),
        ("kernel", |l| l.model_kernel = 1),
        ("held", |l| l.model_held = 10),
    ];
    let file = Model::new(plain()).unwrap();
    let file = file.write(WeightCoding::F16).unwrap();
    for (name, tighten) in limits {
        let mut limits = Limits::default();
        tighten(&mut limits);
        let built = Model::within(plain(), &limits);
        assert!(matches!(built, Err(Error::LimitExceeded { .. })), "{name}");
        let read = Model::read(&file, &limits);
        assert!(matches!(read, Err(Error::LimitExceeded { .. })), "{name}");
    }
}

/// What waits for a branch that looks far ahead must be held, however little the branches cost.
#[test]
fn a_network_may_not_hold_too_much() {
    let far = |channels: u16| {
        let mut graph = Graph::default();
        let kernel = Extent {
            bins: 1,
            frames: 15,
        };
        let values = Operand::Plane(Plane::Values);
        let one = Extent::ONE;
        let wide = Convolution::zeros(ConvolutionKind::Plain, 1, channels, one);
        let wide = graph.push(wide, &[values]);
        let mut last = values;
        for _ in 0..4 {
            let mut op = Convolution::zeros(ConvolutionKind::Plain, 1, 1, kernel);
            op.dilation.frames = 16;
            last = graph.push(op, &[last]);
        }
        let narrow = Convolution::zeros(ConvolutionKind::Plain, channels + 1, 1, one);
        graph.layer(&[wide, last], narrow, None, None);
        Parts {
            completion: graph,
            analysis: None,
            ..plain()
        }
    };
    let few = Model::new(far(8)).unwrap();
    let reach = few.completion.reach(few.completion_shapes());
    assert_eq!((reach.behind, reach.ahead), (448, 448));
    // Eight channels for 449 frames and two more, three times one for 225, and three nodes read at once.
    assert_eq!(reach.held, 8 * 451 + 3 * 227 + (1 + 9 + 1) * 3);
    assert!(matches!(
        Model::new(far(100)),
        Err(Error::LimitExceeded { .. })
    ));
}

#[test]
fn upsampling_follows_from_the_graph_and_divides_the_hop() {
    for factor in [1u8, 2, 4, 8] {
        let mut parts = plain();
        parts.completion.nodes.pop();
        let kernel = Extent::ONE;
        let outputs = u16::from(factor);
        let last = Convolution::zeros(ConvolutionKind::Plain, 4, outputs, kernel);
        let last = parts.completion.push(last, &[Operand::Node(2)]);
        let factor = Extent {
            bins: 1,
            frames: factor,
        };
        parts.completion.push(Shuffle { factor }, &[last]);
        let model = Model::new(parts).unwrap();
        assert_eq!(model.upsampling(), factor.frames);
        let mut odd = model.into_parts();
        odd.stft.hop = 255;
        assert_eq!(Model::new(odd).is_ok(), factor.frames == 1);
    }
}
