//! Optimising masks, at small size: what the search believes is what a decoder does, gradients are those of
//! the function, and interrupted searches end where whole ones do.

use codec_core::encode::{Policy, Settings};
use codec_format::header::{PhaseKind, Stft, WindowKind};
use codec_format::model::{Activation, Convolution, Layer, Model, Normalisation, Plane, Source};
use codec_format::symbols::Mask;
use codec_train::optimise::frozen::{Frozen, Observed};
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

/// A chain as the thesis': sparse layers from the kept values, then a plain one.
fn model() -> Model {
    let layer = |at: usize, inputs: usize, outputs: usize, kernel: u8, sparse: bool| {
        let area = usize::from(kernel).pow(2);
        let count = outputs * inputs * area;
        // Mostly averaging, so that the image that comes out resembles the one that went in.
        let weights = numbers(count, at as u32 + 1)
            .iter()
            .map(|x| (1.0 + 0.5 * x) / (inputs * area) as f32)
            .collect();
        Layer {
            convolution: if sparse {
                Convolution::Sparse
            } else {
                Convolution::Plain
            },
            sources: vec![match at {
                0 => Source::Plane(Plane::Values),
                _ => Source::Layer(at as u8 - 1),
            }],
            skip: None,
            kernel_bins: kernel,
            kernel_frames: kernel,
            inputs: inputs as u16,
            outputs: outputs as u16,
            weights,
            bias: numbers(outputs, 9).iter().map(|x| 0.01 * x).collect(),
            activation: if sparse {
                Activation::Relu
            } else {
                Activation::Linear
            },
        }
    };
    Model {
        rate: 16_000,
        stft: stft(),
        upsampling: 1,
        normalisation: Normalisation {
            offset: 0.0,
            scale: 80.0,
        },
        residual: false,
        layers: vec![
            layer(0, 1, 4, 5, true),
            layer(1, 4, 4, 3, true),
            layer(2, 4, 1, 1, false),
        ],
        metadata: Vec::new(),
    }
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
        let dense = problem.complete(&mask, kept.view());
        let (mut decoded, _) = codec_core::decode::dense_images(
            &encoded.header,
            Some(problem.model()),
            &encoded.segments,
        )
        .expect("decoded");
        let origin = f32::from(encoded.header.quantiser.origin) * 0.125;
        let decoded = decoded.remove(0).mapv(|x| (x - origin) / 80.0);
        let apart = dense
            .iter()
            .zip(&decoded)
            .map(|(a, b)| (a / 80.0 - b).abs())
            .fold(0.0, f32::max);
        assert!(apart < 1e-4, "completed images differ by {apart}");
        assert!((problem.mse(&dense) - measured.mse).abs() < 1e-3);
        let (sound, decoded) = (
            problem.sound(&dense),
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
    let mse = |mask: &Mask| problem.mse(&problem.complete(mask, problem.stored()));
    assert!(mse(&all) < mse(&few));
}

#[test]
fn models_and_clips_that_do_not_fit_are_named() {
    let mut fine = model();
    fine.upsampling = 2;
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
    let mut residual = model();
    residual.residual = true;
    let refused = Frozen::new(&residual).expect_err("refused").to_string();
    assert!(refused.contains("chain of layers"), "{refused}");
}

#[test]
fn gradients_in_mask_and_values_are_those_of_finite_differences() {
    let frozen = Frozen::new(&model()).expect("a chain");
    let (bins, frames) = (13, 21);
    let pixels = bins * frames;
    let values: Vec<f32> = numbers(pixels, 1).iter().map(|x| 0.5 + 0.4 * x).collect();
    let mask: Vec<f32> = numbers(pixels, 2).iter().map(|x| 0.5 + 0.49 * x).collect();
    let weights = numbers(pixels, 3);
    let floor = 1e-2;
    let run = |values: &[f32], mask: &[f32]| {
        let observed = Observed {
            values,
            mask,
            bins,
            frames,
            floor,
        };
        let out = frozen.complete(&observed, false);
        // A loss with a gradient of its own at every pixel.
        out.iter()
            .zip(&weights)
            .map(|(x, w)| f64::from(x * w))
            .sum::<f64>()
    };
    let observed = Observed {
        values: &values,
        mask: &mask,
        bins,
        frames,
        floor,
    };
    let (out, trace) = frozen.forward(&observed);
    assert_eq!(out, frozen.complete(&observed, false));
    let gradient = frozen.backward(&trace, &weights, frames, floor);
    let step = 2e-3f32;
    let mut largest = (0f32, 0f32);
    let mut worst = (0f32, 0f32);
    for at in (0..pixels).step_by(5) {
        let difference = |which: bool| {
            let (mut v, mut m) = (values.clone(), mask.clone());
            let mut ends = [0.0; 2];
            for (end, sign) in ends.iter_mut().zip([step, -step]) {
                if which {
                    v[at] = values[at] + sign;
                } else {
                    m[at] = mask[at] + sign;
                }
                *end = run(&v, &m);
            }
            ((ends[0] - ends[1]) / (2.0 * f64::from(step))) as f32
        };
        let (dv, dm) = (difference(true), difference(false));
        largest = (largest.0.max(dv.abs()), largest.1.max(dm.abs()));
        worst = (
            worst.0.max((dv - gradient.values[at]).abs()),
            worst.1.max((dm - gradient.mask[at]).abs()),
        );
    }
    assert!(largest.0 > 1e-2 && largest.1 > 1e-2, "{largest:?}");
    assert!(worst.0 < 2e-2 * largest.0, "values: {worst:?} {largest:?}");
    assert!(worst.1 < 2e-2 * largest.1, "mask: {worst:?} {largest:?}");
}

#[test]
fn pixels_keep_their_place() {
    // One pixel kept: the completed image is that level nearby and the network's bias far away.
    let problem = problem(8_000);
    let mut mask = Mask::repeat(false, problem.pixels());
    mask.set(100 * BINS + 20, true);
    let kept = ndarray::Array2::from_elem((problem.frames(), BINS), 40.0);
    let dense = problem.complete(&mask, kept.view());
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
        let dense = problem.complete(&evolution.mask, problem.stored());
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
    let error = |mask: &Mask, kept: ArrayView2<'_, f32>| problem.mse(&problem.complete(mask, kept));
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

#[test]
fn networks_that_are_no_chain_are_bred_for_but_not_descended_on() {
    let mut model = model();
    // The last layer sees the first too.
    model.layers[2].sources = vec![Source::Layer(1), Source::Layer(0)];
    model.layers[2].inputs = 8;
    model.layers[2].weights = vec![0.125; 8];
    let problem = Problem::new(&voice(6_000), &settings(), &model).expect("a problem");
    let options = genetic::Options {
        generations: 1,
        population: 4,
        ..breeding(Fitness::Mse, Newcomers::Uniform)
    };
    assert!(genetic::run(&problem, &options).is_ok());
    let refused = gradient::relaxed(&problem, &gradient::Options::new(0.9, 2));
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("chain of layers"), "{text}");
}
