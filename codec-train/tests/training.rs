//! The whole way from a folder of clips to a model file, on a tiny network.

use codec_format::limits::Limits;
use codec_format::model::{Arithmetic, Model, WeightCoding};
use codec_train::export::{whole, Bits, Coding};
use codec_train::train::{run, run_while, Device, TrainOptions};
use codec_train::Error;
use std::path::{Path, PathBuf};

const CONFIG: &str = r#"
[model]
rate = 16000
n_fft = 128
hop = 64
upsampling = 2
offset = 40.0
scale = 20.0

[[layer]]
convolution = "sparse"
sources = ["values", "background"]
kernel = [3, 3]
channels = 4

[[layer]]
sources = [0, "mask"]
kernel = [3, 3]
channels = 2
activation = "linear"

[training]
steps = 24
batch = 3
frames = 16
warm_up = 2
validate_every = 4

[examples]
bands = [8]
join = 0.5
"#;

/// Half-second clips of harmonics that fade in and out, with a little noise.
fn clips(folder: &Path, count: usize) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut state = 1u32;
    for clip in 0..count {
        let mut writer =
            hound::WavWriter::create(folder.join(format!("{clip}.wav")), spec).expect("a file");
        for i in 0..8_000 {
            let t = i as f32 / 16_000.0;
            let pitch = 110.0 + 40.0 * clip as f32 + 60.0 * t;
            let voice: f32 = (1..12)
                .map(|h| (t * pitch * h as f32 * std::f32::consts::TAU).sin() / h as f32)
                .sum();
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / 16_777_216.0 - 0.5;
            let x = 6_000.0 * voice * (t * 12.0).sin().abs() + 60.0 * noise;
            writer.write_sample(x as i16).expect("a sample");
        }
        writer.finalize().expect("a file");
    }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, count) in [("train", 4), ("valid", 2)] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
            clips(&folder.path().join(name), count);
        }
        Place { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self, out: &str) -> TrainOptions {
        TrainOptions {
            data: vec![self.at("train")],
            valid: vec![self.at("valid")],
            noise: Vec::new(),
            config: CONFIG.into(),
            out: self.at(out),
            resume: false,
            steps: None,
            seed: None,
            command: "test".into(),
            progress: false,
            init: None,
            weights: Coding::Real(WeightCoding::F32),
            device: Device::Cpu,
        }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).expect("a file")
    }
}

/// Loss and validation loss of every line of the log.
fn losses(log: &[u8]) -> Vec<String> {
    let text = String::from_utf8(log.to_vec()).expect("text");
    text.lines()
        .skip(1)
        .map(|l| l.split(',').take(5).collect::<Vec<_>>().join(","))
        .collect()
}

#[test]
fn training_lowers_the_loss_and_writes_a_model_that_says_where_it_is_from() {
    let place = Place::new();
    let config = CONFIG.replace("warm_up = 2", "warm_up = 2\nrate = 1e-2");
    let options = TrainOptions {
        config: config.clone(),
        ..place.options("a")
    };
    let report = run(&options).expect("trained");
    assert_eq!(
        (report.steps, report.clips, report.skipped.len()),
        (24, 4, 0)
    );
    let log = losses(&place.bytes("a.csv"));
    assert_eq!(log.len(), 6);
    let valid = |line: &String| -> f32 {
        line.split(',')
            .nth(2)
            .and_then(|v| v.parse().ok())
            .expect("a loss")
    };
    assert!(valid(&log[5]) < 0.97 * valid(&log[0]), "{log:?}");
    let model = Model::read(&place.bytes("a"), &Limits::default()).expect("a model");
    let get = |key: &str| {
        model
            .metadata
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    };
    assert_eq!(get("SEED"), Some("1"));
    assert_eq!(get("STEPS"), Some("24"));
    assert_eq!(get("CONFIG"), Some(config.as_str()));
    assert_eq!(get("DATA_SHA256").map(str::len), Some(64));
    assert_eq!(model.upsampling(), 2);
}

#[test]
fn the_same_seed_gives_the_same_file_on_any_number_of_threads_and_another_seed_another() {
    let place = Place::new();
    std::env::set_var("SOURCE_DATE_EPOCH", "0");
    let threads = |n: usize, out: &str, seed: Option<u64>| {
        let options = TrainOptions {
            seed,
            ..place.options(out)
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .expect("threads");
        pool.install(|| run(&options)).expect("trained");
        place.bytes(out)
    };
    let one = threads(1, "one", None);
    assert!(one == threads(3, "three", None));
    assert!(one != threads(1, "other", Some(2)));
}

#[test]
fn an_interrupted_run_goes_on_exactly_where_it_stopped() {
    let place = Place::new();
    std::env::set_var("SOURCE_DATE_EPOCH", "0");
    let whole = place.options("whole");
    run(&whole).expect("trained");
    let interrupted = place.options("interrupted");
    assert!(run_while(&interrupted, |step| step < 12)
        .expect("stopped")
        .is_none());
    // What there is so far can be used.
    let so_far = Model::read(&place.bytes("interrupted"), &Limits::default()).expect("a model");
    assert_eq!(so_far.upsampling(), 2);
    assert!(place.bytes("interrupted") != place.bytes("whole"));
    run(&TrainOptions {
        resume: true,
        ..interrupted
    })
    .expect("resumed");
    assert!(place.bytes("interrupted") == place.bytes("whole"));
    assert_eq!(
        losses(&place.bytes("interrupted.csv")),
        losses(&place.bytes("whole.csv"))
    );
}

#[test]
fn fine_tuning_starts_where_the_given_model_ended() {
    let place = Place::new();
    let first = run(&place.options("first")).expect("trained");
    let model = Model::read(&place.bytes("first"), &Limits::default()).expect("a model");
    let tuned = TrainOptions {
        init: Some(model),
        steps: Some(1),
        config: CONFIG.replace("warm_up = 2", "warm_up = 2\nrate = 1e-6"),
        ..place.options("tuned")
    };
    let report = run(&tuned).expect("trained");
    assert!(
        (report.best - first.best).abs() < 0.01 * first.best,
        "{} after {}",
        report.best,
        first.best
    );
    // Weights are part of what a checkpoint belongs to.
    let fresh = TrainOptions {
        init: None,
        resume: true,
        ..tuned
    };
    assert!(matches!(run(&fresh), Err(Error::File { .. })));
}

/// A finished run is written anew in another coding without another step.
#[test]
fn a_finished_run_becomes_whole_numbers() {
    let place = Place::new();
    let real = place.options("a");
    run(&real).expect("trained");
    let trained = Model::read(&place.bytes("a"), &Limits::default()).expect("a model");
    let options = TrainOptions {
        weights: Coding::Whole(Bits::Sixteen),
        resume: true,
        ..real
    };
    run(&options).expect("written");
    let written = Model::read(&place.bytes("a"), &Limits::default()).expect("a model");
    assert_eq!(written.arithmetic, Arithmetic::Whole);
    assert_eq!(
        Ok(written),
        whole(&trained, Bits::Sixteen).map_err(|e| e.to_string())
    );
}

#[test]
fn every_coding_of_weights_is_measured_and_epochs_are_counted() {
    let place = Place::new();
    let options = TrainOptions {
        weights: Coding::Real(WeightCoding::I8),
        config: CONFIG.replace("validate_every = 4", "validate_every = 0"),
        ..place.options("a")
    };
    let report = run(&options).expect("trained");
    let names: Vec<_> = report.codings.iter().map(|c| c.name).collect();
    assert_eq!(names, ["f32", "f16", "i8", "whole16", "whole8"]);
    let bytes: Vec<usize> = report.codings.iter().map(|c| c.bytes).collect();
    assert!(bytes[0] > bytes[1] && bytes[1] > bytes[2] && bytes[3] > bytes[4]);
    let losses: Vec<f32> = report.codings.iter().filter_map(|c| c.loss).collect();
    assert_eq!(losses[0], report.best);
    assert!(
        losses[1..]
            .iter()
            .all(|l| (l / losses[0] - 1.0).abs() < 0.05),
        "{losses:?}"
    );
    assert_eq!(place.bytes("a").len(), report.codings[2].bytes);
    // Four clips of half a second are a crop of 16 frames (64 ms) 31.25 times.
    assert!(
        (report.epochs - 24.0 * 3.0 / 31.25).abs() < 1e-9,
        "{}",
        report.epochs
    );
    // An epoch is ten and a half steps: validated after 11, 22 and at the end.
    let steps: Vec<String> = losses_steps(&place.bytes("a.csv"));
    assert_eq!(steps, ["11", "22", "24"]);
}

fn losses_steps(log: &[u8]) -> Vec<String> {
    let first = |line: String| line.split(',').next().unwrap_or_default().to_owned();
    losses(log).into_iter().map(first).collect()
}

#[test]
fn files_that_cannot_be_used_are_listed_and_the_rest_is_trained_on() {
    let place = Place::new();
    let train = place.at("train");
    std::fs::write(train.join("broken.wav"), b"RIFF, but no more").expect("a file");
    std::fs::write(train.join("broken.flac"), b"fLaC\0\0\0\x22").expect("a file");
    std::fs::write(train.join("empty.wav"), b"").expect("a file");
    let sound = |name: &str, rate: u32, seconds: f32, level: f32| {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(train.join(name), spec).expect("a file");
        for i in 0..(rate as f32 * seconds) as usize {
            let x = level * (i as f32 * 1200.0 / rate as f32).sin();
            writer.write_sample(x as i16).expect("a sample");
        }
        writer.finalize().expect("a file");
    };
    sound("silent.wav", 16_000, 1.0, 0.0);
    sound("short.wav", 16_000, 0.1, 9000.0);
    sound("fast.wav", 96_000, 1.0, 9000.0);
    let report = run(&TrainOptions {
        steps: Some(4),
        ..place.options("a")
    })
    .expect("trained on the rest");
    assert_eq!(report.clips, 4);
    let mut skipped: Vec<String> = report
        .skipped
        .iter()
        .map(|(path, why)| {
            assert!(!why.is_empty());
            let name = path.file_name().unwrap_or_default();
            format!("{}: {why}", name.to_string_lossy())
        })
        .collect();
    skipped.sort();
    let names: Vec<_> = skipped.iter().filter_map(|s| s.split(':').next()).collect();
    assert_eq!(
        names,
        [
            "broken.flac",
            "broken.wav",
            "empty.wav",
            "fast.wav",
            "short.wav",
            "silent.wav"
        ]
    );
    assert!(skipped[3].contains("96000 Hz"), "{skipped:?}");
    assert!(skipped[5].contains("silen"), "{skipped:?}");
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let place = Place::new();
    run(&TrainOptions {
        steps: Some(4),
        ..place.options("a")
    })
    .expect("trained");
    let other = TrainOptions {
        steps: Some(4),
        seed: Some(9),
        resume: true,
        ..place.options("a")
    };
    assert!(matches!(run(&other), Err(Error::File { .. })));
}

#[test]
fn useless_options_are_refused_by_name() {
    let place = Place::new();
    let refuse = |options: TrainOptions, expected: &str| {
        let error = run(&options).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    refuse(
        TrainOptions {
            config: "nonsense".into(),
            ..place.options("a")
        },
        "configuration",
    );
    refuse(
        TrainOptions {
            config: CONFIG.replace("frames = 16", "frames = 4000"),
            ..place.options("a")
        },
        "as long as a crop",
    );
    refuse(
        TrainOptions {
            config: CONFIG.replace("channels = 2", "channels = 3"),
            ..place.options("a")
        },
        "2 output channels",
    );
    refuse(
        TrainOptions {
            data: vec![place.at("nowhere")],
            ..place.options("a")
        },
        "nowhere",
    );
    refuse(
        TrainOptions {
            data: Vec::new(),
            ..place.options("a")
        },
        "no usable clips",
    );
}
