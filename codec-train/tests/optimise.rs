//! Optimising masks, at small size: what the search believes is what a decoder does, gradients are those of
//! the function, and interrupted searches end where whole ones do.

use codec_core::encode::{Policy, Settings};
use codec_core::quantise::levels;
use codec_format::header::{PhaseKind, Stft, WindowKind};
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{Activation, Combine, Convolution, ConvolutionKind, Upsample};
use codec_format::model::{Arithmetic, Model, Normalisation, Parts};
use codec_format::symbols::Mask;
use codec_train::optimise::genetic::{self, Newcomers};
use codec_train::optimise::{gradient, seeds, Fitness, Problem};
use ndarray::ArrayView2;

const BINS: usize = 65;

fn stft() -> Stft {
    Stft {
        n_fft: 128,
        window_length: 128,
        window: WindowKind::Hann,
        hop: 32,
    }
}

/// Numbers without a pattern in -1..1.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(1);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// A convolution that mostly averages, so that the image that comes out resembles the one that went in.
fn averaging(kind: ConvolutionKind, inputs: u16, outputs: u16, side: u8, seed: u32) -> Convolution {
    let kernel = Extent {
        bins: side,
        frames: side,
    };
    let mut op = Convolution::zeros(kind, inputs, outputs, kernel);
    let area = usize::from(inputs) * kernel.area();
    let random = numbers(op.weights().len(), seed);
    for (weight, x) in op.weights_mut().iter_mut().zip(random) {
        *weight = (1.0 + 0.5 * x) / area as f32;
    }
    for (bias, x) in op
        .bias_mut()
        .iter_mut()
        .zip(numbers(usize::from(outputs), 9))
    {
        *bias = 0.01 * x;
    }
    op
}

/// A chain as the thesis': sparse convolutions from the kept values, then a plain one.
fn chain() -> Graph {
    use ConvolutionKind::{Plain, Sparse};
    let mut graph = Graph::default();
    let mut last = Operand::Plane(Plane::Values);
    for (inputs, side, seed) in [(1, 5, 1), (4, 3, 2)] {
        let op = averaging(Sparse, inputs, 4, side, seed);
        last = graph.layer(&[last], op, None, Some(Activation::Relu));
    }
    graph.push(averaging(Plain, 4, 1, 1, 3), &[last]);
    graph
}

fn parts(completion: Graph) -> Parts {
    Parts {
        rate: 16_000,
        stft: stft(),
        arithmetic: Arithmetic::Real,
        normalisation: Normalisation {
            offset: 0.0,
            scale: 80.0,
        },
        residual: false,
        completion,
        analysis: None,
        metadata: Vec::new(),
    }
}

fn model() -> Model {
    Model::new(parts(chain())).expect("a model")
}

fn settings() -> Settings {
    Settings {
        stft: stft(),
        ..Settings::thesis(0.9)
    }
}

/// Harmonics that come and go, with a little noise.
fn voice(count: usize) -> Vec<f32> {
    let noise = numbers(count, 3);
    (0..count)
        .map(|i| {
            let t = i as f32 / 16_000.0;
            let pitch = 140.0 + 60.0 * t;
            let voice: f32 = (1..15)
                .map(|h| (t * pitch * h as f32 * std::f32::consts::TAU).sin() / h as f32)
                .sum();
            0.2 * voice * (t * 9.0).sin().powi(2) + 0.002 * noise[i]
        })
        .collect()
}

fn problem(samples: usize) -> Problem {
    Problem::new(&voice(samples), &settings(), &model()).expect("a problem")
}

#[test]
fn what_a_problem_says_is_what_decoding_the_file_gives() {
    let problem = problem(12_345);
    let phase = problem.settings().phase;
    let random = Policy::Uniform {
        sparsity: 0.9,
        seed: 5,
    };
    let mask = problem.random_mask(0.9, 5).expect("a mask");
    let raised = problem.levels().mapv(|x| x + 3.0);
    for (policy, kept) in [
        (random, problem.stored().to_owned()),
        (
            Policy::Explicit {
                mask: mask.clone(),
                levels: None,
            },
            problem.stored().to_owned(),
        ),
        (
            Policy::Explicit {
                mask: mask.clone(),
                levels: Some(raised.clone()),
            },
            raised.mapv(|x| problem.stored_level(x)),
        ),
    ] {
        let encoded = problem.encode(policy, phase, None).expect("encoded");
        let measured = problem.measure(&encoded).expect("measured");
        let dense = problem.complete(&mask, kept.view()).expect("an image");
        let (mut decoded, _) = codec_core::decode::dense_images(
            &encoded.header,
            Some(problem.model()),
            &encoded.segments,
        )
        .expect("decoded");
        let origin = levels::origin(&encoded.header.quantiser);
        let image = decoded.remove(0).mapv(|x| x - origin);
        let apart = dense
            .iter()
            .zip(&image)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        // The decoder rounds each to the nearest level.
        let half = 0.5 / levels::PER_DB as f32;
        assert!(apart < half + 1e-3, "completed images differ by {apart} dB");
        assert_eq!(problem.mse(&image), measured.mse);
        let (sound, decoded) = (
            problem.sound(&image),
            problem.decode(&encoded).expect("decoded"),
        );
        let apart = sound
            .iter()
            .zip(&decoded)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(apart < 1e-4, "sounds differ by {apart}");
        let pesq = problem.pesq(&dense).expect("defined");
        assert!((pesq - measured.pesq_wb).abs() < 5e-3);
        // And the bytes of the file give the same symbols.
        let bytes = problem.file(&encoded, None).expect("written");
        let mut reader = codec_format::StreamReader::new(&codec_format::Limits::default());
        reader.push(&bytes);
        reader.finish();
        let mut segments = Vec::new();
        while let Some(event) = reader.next_event().expect("whole") {
            if let codec_format::Event::Segment(segment) = event {
                segments.push(segment);
            }
        }
        assert_eq!(segments, encoded.segments);
    }
}

#[test]
fn everything_kept_is_better_than_almost_nothing() {
    let problem = problem(8_000);
    let all = Mask::repeat(true, problem.pixels());
    let few = problem.random_mask(0.99, 1).expect("a mask");
    let mse =
        |mask: &Mask| problem.mse(&problem.complete(mask, problem.stored()).expect("an image"));
    assert!(mse(&all) < mse(&few));
}

#[test]
fn models_and_clips_that_do_not_fit_are_named() {
    let mut finer = chain();
    let factor = Extent { bins: 1, frames: 2 };
    finer.push(Upsample { factor }, &[Operand::Node(4)]);
    let fine = Model::new(parts(finer)).expect("a model");
    let error = |pcm: &[f32], settings: &Settings, model: &Model| {
        Problem::new(pcm, settings, model)
            .expect_err("refused")
            .to_string()
    };
    assert!(error(&voice(4000), &settings(), &fine).contains("2 frames of one"));
    assert!(error(&[], &settings(), &model()).contains("no samples"));
    assert!(error(&[f32::NAN], &settings(), &model()).contains("sample 0"));
    let speech = Settings::speech();
    assert!(error(&voice(4000), &speech, &model()).contains("lattice"));
    let thesis = Settings::thesis(0.9);
    assert!(error(&voice(4000), &thesis, &model()).contains("another transform"));
}

#[test]
fn pixels_keep_their_place() {
    // One pixel kept: the completed image is that level nearby and the network's bias far away.
    let problem = problem(8_000);
    let mut mask = Mask::repeat(false, problem.pixels());
    mask.set(100 * BINS + 20, true);
    let kept = ndarray::Array2::from_elem((problem.frames(), BINS), 40.0);
    let dense = problem.complete(&mask, kept.view()).expect("an image");
    let lit = dense[(100, 20)] - dense[(200, 50)];
    assert!(lit.abs() > 10.0, "{lit}");
    assert!((dense[(103, 20)] - dense[(200, 50)]).abs() > 10.0);
    assert!((dense[(104, 20)] - dense[(200, 50)]).abs() < 1e-3);
    assert!((dense[(100, 24)] - dense[(200, 50)]).abs() < 1e-3);
}

#[test]
fn phases_that_are_not_stored_are_rebuilt_in_the_measured_file() {
    let problem = problem(12_000);
    let policy = Policy::Uniform {
        sparsity: 0.5,
        seed: 1,
    };
    let with = |phase| {
        let encoded = problem.encode(policy.clone(), phase, None).expect("coded");
        problem.file(&encoded, None).expect("written").len()
    };
    assert!(with(PhaseKind::None) * 2 < with(PhaseKind::All { bits: 6 }));
}

fn breeding(fitness: Fitness, newcomers: Newcomers) -> genetic::Options {
    genetic::Options {
        population: 10,
        generations: 6,
        newcomers,
        ..genetic::Options::thesis(0.9, fitness)
    }
}

#[test]
fn breeding_improves_on_chance_and_keeps_the_count() {
    let problem = problem(8_000);
    for newcomers in [Newcomers::Uniform, Newcomers::Informed] {
        let evolution = genetic::run(&problem, &breeding(Fitness::Mse, newcomers)).expect("a mask");
        let random = problem.random_mask(0.9, 0).expect("a mask");
        assert_eq!(evolution.mask.count_ones(), random.count_ones());
        let best: Vec<f64> = evolution.history.iter().map(|h| h.0).collect();
        assert_eq!(best.len(), 7);
        assert!(best.windows(2).all(|b| b[0] <= b[1]), "{best:?}");
        assert!(best[6] > best[0], "{best:?}");
        // Ten at first, then all but the one survivor.
        assert_eq!(evolution.evaluations, 10 + 6 * 9);
        let dense = problem
            .complete(&evolution.mask, problem.stored())
            .expect("an image");
        assert_eq!(evolution.fitness, -problem.mse(&dense));
    }
}

#[test]
fn without_reproduction_the_best_still_survives() {
    let options = genetic::Options {
        reproduction: false,
        ..breeding(Fitness::Pesq, Newcomers::Uniform)
    };
    let evolution = genetic::run(&problem(8_000), &options).expect("a mask");
    let best: Vec<f64> = evolution.history.iter().map(|h| h.0).collect();
    assert!(best.windows(2).all(|b| b[0] <= b[1]), "{best:?}");
}

#[test]
fn a_killed_search_resumes_to_the_identical_result_on_any_number_of_threads() {
    let problem = problem(8_000);
    for (fitness, newcomers) in [
        (Fitness::Pesq, Newcomers::Uniform),
        (Fitness::Mse, Newcomers::Informed),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| genetic::Options {
            checkpoint: Some(folder.path().join(name)),
            resume: true,
            ..breeding(fitness, newcomers)
        };
        let whole = genetic::run(&problem, &at("whole")).expect("a mask");
        for stop in [0, 3] {
            let stopped = genetic::run_while(&problem, &at("part"), |done| done < stop);
            assert_eq!(stopped.expect("stopped"), None);
        }
        let single = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("a pool");
        let resumed = single
            .install(|| genetic::run(&problem, &at("part")))
            .expect("a mask");
        assert_eq!(resumed, whole);
        let bytes = |name: &str| std::fs::read(folder.path().join(name)).expect("a checkpoint");
        assert_eq!(bytes("part"), bytes("whole"));
        // Another search does not take it up.
        let other = genetic::Options {
            seed: 9,
            ..at("part")
        };
        let refused = genetic::run(&problem, &other).expect_err("refused");
        assert!(refused.to_string().contains("another clip"), "{refused}");
    }
}

#[test]
fn descent_finds_better_masks_than_chance_and_fitted_levels_better_images() {
    let problem = problem(8_000);
    let random = problem.random_mask(0.9, 1).expect("a mask");
    let error = |mask: &Mask, kept: ArrayView2<'_, f32>| {
        problem.mse(&problem.complete(mask, kept).expect("an image"))
    };
    let chance = error(&random, problem.stored());
    let options = gradient::Options::new(0.9, 80);

    let relaxed = gradient::relaxed(&problem, &options).expect("a mask");
    let mean = relaxed.mask.mean().expect("pixels");
    assert!((mean - 0.1).abs() < 0.01, "{mean}");
    let dense = gradient::complete(&problem, &relaxed.mask).expect("an image");
    let real = problem.mse(&dense);
    assert!(real < 0.8 * chance, "{real} for {chance}");

    let count = random.count_ones();
    let largest = gradient::largest(&relaxed.mask, count);
    assert_eq!(largest.count_ones(), count);
    let descended = gradient::straight_through(&problem, &options).expect("a mask");
    assert_eq!(descended.count_ones(), count);
    let (lost, kept) = (
        error(&largest, problem.stored()),
        error(&descended, problem.stored()),
    );
    assert!(kept < lost && kept < chance, "{kept} {lost} {chance}");
    let annealed = gradient::annealed(&problem, &options).expect("a mask");
    assert_eq!(annealed.count_ones(), count);

    let levels = gradient::optimise_values(&problem, &descended, 60, false).expect("levels");
    let stored = levels.mapv(|x| problem.stored_level(x));
    let fitted = error(&descended, stored.view());
    assert!(fitted < 0.9 * kept, "{fitted} for {kept}");
    // And the file holds them.
    let policy = Policy::Explicit {
        mask: descended,
        levels: Some(levels),
    };
    let phase = problem.settings().phase;
    let encoded = problem.encode(policy, phase, None).expect("encoded");
    let measured = problem.measure(&encoded).expect("measured");
    assert!((measured.mse - fitted).abs() < 1e-3);
}

#[test]
fn descent_is_the_same_each_time() {
    let problem = problem(6_000);
    let options = gradient::Options::new(0.9, 8);
    let twice = [(); 2].map(|()| gradient::relaxed(&problem, &options).expect("a mask"));
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn a_seed_is_chosen_that_gives_a_file_no_larger_than_asked() {
    let problem = problem(8_000);
    let phase = PhaseKind::None;
    let limit = 2_000;
    let sparsity = seeds::sparsity_for(&problem, limit, 1, phase).expect("a sparsity");
    let size = |sparsity| seeds::bytes(&problem, sparsity, 1, phase).expect("a size");
    assert!(size(sparsity) <= limit && size(sparsity - 1e-3) > limit);
    let options = seeds::Options {
        sparsity,
        fitness: Fitness::Mse,
        first: 1,
        count: 20,
        limit: Some((limit, phase)),
        progress: false,
    };
    let found = seeds::search(&problem, &options).expect("a seed");
    assert!(found.fitness > found.mean);
    let again = problem.random_mask(sparsity, found.seed).expect("a mask");
    assert_eq!(found.mask, again);
    assert!(seeds::bytes(&problem, sparsity, found.seed, phase).expect("a size") <= limit);
    assert!(seeds::sparsity_for(&problem, 20, 1, phase).is_err());
}

/// A network that corrects the layered image, seen beside the mask, on a coarser grid.
#[test]
fn any_network_can_be_bred_for_and_descended_on() {
    let mut graph = Graph::default();
    let planes = [Plane::Image, Plane::Mask, Plane::Values].map(Operand::Plane);
    let mut first = averaging(ConvolutionKind::Plain, 3, 4, 3, 1);
    first.stride = Extent { bins: 2, frames: 1 };
    let low = graph.layer(&planes, first, None, Some(Activation::Relu));
    let factor = Extent { bins: 2, frames: 1 };
    let high = graph.push(Upsample { factor }, &[low]);
    let both = graph.push(Combine::Concatenate, &[high, planes[0]]);
    graph.push(averaging(ConvolutionKind::Plain, 5, 1, 3, 2), &[both]);
    let residual = Parts {
        residual: true,
        ..parts(graph)
    };
    let model = Model::new(residual).expect("a model");
    let problem = Problem::new(&voice(6_000), &settings(), &model).expect("a problem");
    let options = genetic::Options {
        generations: 1,
        population: 4,
        ..breeding(Fitness::Mse, Newcomers::Uniform)
    };
    assert!(genetic::run(&problem, &options).is_ok());
    let error =
        |mask: &Mask| problem.mse(&problem.complete(mask, problem.stored()).expect("an image"));
    let chance = error(&problem.random_mask(0.9, 1).expect("a mask"));
    let found = gradient::straight_through(&problem, &gradient::Options::new(0.9, 40));
    let found = error(&found.expect("a mask"));
    assert!(found < 0.95 * chance, "{found} after {chance}");
}
