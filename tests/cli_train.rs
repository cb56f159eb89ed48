//! `train` and `convert` as a user runs them, on a tiny network.
#![cfg(feature = "train")]

mod support;

use std::fs;
use std::path::Path;
use support::{arg, read_png, sparc, voice, write_wav};

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
steps = 6
batch = 2
frames = 16
warm_up = 2
validate_every = 2

[examples]
bands = [8]
join = 0.5
"#;

/// A folder with clips, some of them of no use, and a configuration.
fn place() -> tempfile::TempDir {
    let here = tempfile::tempdir().expect("a folder");
    let clips = here.path().join("clips");
    fs::create_dir(&clips).expect("a folder");
    for i in 0..3 {
        let name = clips.join(format!("{i}.wav"));
        write_wav(&name, 16_000, &voice(16_000, 1, 13_000 + 1_500 * i));
    }
    write_wav(&clips.join("fast.wav"), 96_000, &voice(96_000, 1, 48_000));
    write_wav(&clips.join("silent.wav"), 16_000, &[vec![0.0; 16_000]]);
    fs::write(clips.join("broken.flac"), b"fLaC and no more").expect("a file");
    fs::write(here.path().join("config.toml"), CONFIG).expect("a file");
    here
}

fn train(here: &Path, more: &[&str]) -> support::Run {
    let (clips, config, out) = (
        here.join("clips"),
        here.join("config.toml"),
        here.join("a.sparcmodel"),
    );
    let mut arguments = vec![
        "train",
        "--data",
        arg(&clips),
        "--valid",
        arg(&clips),
        "--config",
        arg(&config),
        "--out",
        arg(&out),
    ];
    arguments.extend(more);
    sparc(&arguments)
}

#[test]
fn training_tells_its_schedule_its_skipped_files_and_what_codings_cost_and_draws_the_losses() {
    let here = place();
    let run = train(here.path(), &[]);
    assert_eq!(run.code, 0, "{}", run.err);
    for name in ["fast.wav", "silent.wav", "broken.flac"] {
        let line = run.err.lines().find(|line| line.contains(name));
        assert!(
            line.is_some_and(|l| l.starts_with("skipped ")),
            "{name}: {}",
            run.err
        );
    }
    let text = run.text();
    assert!(
        text.contains(" 6 steps (") && text.contains(" epochs of 3 clips"),
        "{text}"
    );
    for name in ["f32", "f16", "i8"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
    }
    assert_eq!(text.matches("written").count(), 1, "{text}");
    let (width, height, pixels) = read_png(&here.path().join("a.sparcmodel.png"));
    assert_eq!((width, height), (1000, 44 + 520));
    // Training in blue, validation in orange, the best of it in green.
    for colour in [[28, 66, 138], [206, 84, 42], [64, 138, 84]] {
        assert!(
            pixels.iter().filter(|&&p| p == colour).count() > 20,
            "{colour:?}"
        );
    }
}

#[test]
fn weights_go_to_safetensors_and_back_unchanged_and_can_be_started_from() {
    let here = place();
    assert_eq!(train(here.path(), &[]).code, 0);
    let at = |name: &str| here.path().join(name);
    let (model, tensors, back) = (at("a.sparcmodel"), at("a.safetensors"), at("b.sparcmodel"));
    sparc(&["convert", arg(&model), arg(&tensors)]).ok();
    sparc(&["convert", arg(&tensors), arg(&back)]).ok();
    let (before, after) = (fs::read(&model), fs::read(&back));
    assert!(before.expect("a model") == after.expect("a model"));
    sparc(&[
        "convert",
        arg(&tensors),
        arg(&back),
        "--like",
        arg(&model),
        "--weights",
        "i8",
    ])
    .ok();
    let smaller = fs::read(&back).expect("a model").len();
    assert!(smaller < fs::read(&model).expect("a model").len());
    for start in [&model, &tensors] {
        let run = train(here.path(), &["--init", arg(start), "--steps", "2"]);
        assert_eq!(run.code, 0, "{}", run.err);
    }
}

#[test]
fn what_is_no_network_is_turned_away_with_the_model_code() {
    let here = place();
    let at = |name: &str| here.path().join(name);
    let (bad, out, config) = (
        at("bad.safetensors"),
        at("out.sparcmodel"),
        at("config.toml"),
    );
    let convert = |bytes: &[u8], more: &[&str]| {
        fs::write(&bad, bytes).expect("a file");
        let mut arguments = vec!["convert", arg(&bad), arg(&out)];
        arguments.extend(more);
        sparc(&arguments)
    };
    convert(b"", &[]).failed(6, "bad.safetensors");
    convert(b"nonsense", &[]).failed(6, "bad.safetensors");
    let cut = [&1000u64.to_le_bytes()[..], b"{\"layers"].concat();
    convert(&cut, &[]).failed(6, "safetensors");
    let header = br#"{"layers.0.bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 16]].concat();
    convert(&file, &[]).failed(6, "does not say which network");
    convert(&file, &["--config", arg(&config)]).failed(6, "layers.0.weight: the tensor is missing");
    sparc(&["convert", arg(&at("none")), arg(&out)]).failed(6, "no such file");
    assert!(!out.exists());
}
