//! `inspect`, `plot` and `--help`.

mod support;

use std::path::Path;
use support::{arg, read_png, repository, sparc, sparc_with, write_wav};

#[test]
fn inspect_accounts_for_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let stream = folder.path().join("x.sparc");
    sparc(&[
        "encode",
        arg(&repository("samples/stereo-44k.flac")),
        arg(&stream),
    ])
    .ok();
    let text = sparc(&["inspect", "--json", arg(&stream)]).ok().text();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let size = std::fs::metadata(&stream).unwrap().len();
    assert_eq!(value["bytes"], size);
    let chunks = value["chunks"].as_array().unwrap();
    let mut next = 0;
    for chunk in chunks {
        assert_eq!(chunk["offset"], next, "chunks follow each other");
        assert_eq!(chunk["sound"], true);
        assert!(chunk["section"]
            .as_str()
            .is_some_and(|s| s.starts_with(|c: char| c.is_ascii_digit())));
        next += chunk["size"].as_u64().unwrap();
    }
    assert_eq!(next, size);
    let layers = value["layers"].as_object().unwrap();
    let bits: f64 = layers
        .values()
        .map(|layer| layer["bits"].as_f64().unwrap())
        .sum();
    assert!(
        (bits - 8.0 * size as f64).abs() < 1.0,
        "{bits} bits in {size} bytes"
    );
    // Beside its symbols a stereo clip of three seconds pays little.
    assert!(
        layers["container"]["bits_per_second"].as_f64().unwrap() < 250.0,
        "{}",
        layers["container"]
    );
    assert_eq!(value["header"]["source_rate"], 44_100);
    assert_eq!(value["header"]["source_channels"], 2);
    assert_eq!(value["header"]["total_samples"], 132_300);

    let table = sparc(&["inspect", arg(&stream)]).ok().text();
    assert!(
        table.contains("SEGM") && table.contains("source_rate"),
        "{table}"
    );
    let piped = sparc_with(
        &["inspect", "--json", "-"],
        &std::fs::read(&stream).unwrap(),
    )
    .ok()
    .text();
    assert_eq!(piped, text);
}

#[test]
fn inspect_reads_model_files() {
    let text = sparc(&[
        "inspect",
        "--json",
        arg(&repository("models/speech.sparcmodel")),
    ])
    .ok()
    .text();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["model_for"]["rate"], 16_000);
    assert!(value["weights"].as_u64().unwrap() > 1_000);
    assert!(!value["completion"].as_array().unwrap().is_empty());
}

/// Where a panel shows the loudest level: the middle of those pixels as a share of the panel's width and height from the
/// lower left, and the share of the width that they reach over. The axes' area is where the map's colours are.
fn loudest(path: &Path, panel: usize) -> (f64, f64, f64) {
    let (width, height, pixels) = read_png(path);
    // A title, then four panels of one height; at the right of each the scale.
    assert_eq!((width, height), (1400, 44 + 4 * 250));
    let (top, right) = (44 + 250 * panel, width - 90);
    let places = |like: fn([u8; 3]) -> bool| -> Vec<(usize, usize)> {
        (top..top + 250)
            .flat_map(|y| (0..right).map(move |x| (x, y)))
            .filter(|&(x, y)| like(pixels[y * width + x]))
            .collect()
    };
    let ends = |all: &[usize]| (*all.iter().min().unwrap(), *all.iter().max().unwrap() + 1);
    let split = |all: Vec<(usize, usize)>| -> (Vec<usize>, Vec<usize>) { all.into_iter().unzip() };
    let night = split(places(|p| p == [6, 6, 26]));
    let pale = split(places(|[r, g, b]| {
        r > 240 && g > 200 && (100..200).contains(&b)
    }));
    let ((left, right), (top, bottom)) = (ends(&night.0), ends(&night.1));
    let share = |x: f64, from: usize, to: usize| (x - from as f64) / (to - from) as f64;
    let mean = |all: &[usize]| all.iter().sum::<usize>() as f64 / all.len() as f64 + 0.5;
    let reach = ends(&pale.0);
    (
        share(mean(&pale.0), left, right),
        1.0 - share(mean(&pale.1), top, bottom),
        (reach.1 - reach.0) as f64 / (right - left) as f64,
    )
}

#[test]
fn plots_show_a_tone_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Half a second of 3 kHz in the middle of two seconds.
    let tone = |i: usize| match i {
        12_000..20_000 => 0.5 * (i as f32 * 3_000.0 / 16_000.0 * std::f32::consts::TAU).sin(),
        _ => 0.0,
    };
    write_wav(&path("in.wav"), 16_000, &[(0..32_000).map(tone).collect()]);
    sparc(&["encode", arg(&path("in.wav")), arg(&path("x.sparc"))]).ok();
    for file in ["in.wav", "x.sparc"] {
        sparc(&["plot", arg(&path(file)), arg(&path("x.png"))]).ok();
        let (x, y, reach) = loudest(&path("x.png"), 1);
        assert!((x - 0.5).abs() < 0.03, "{file}: in the middle, not at {x}");
        assert!((y - 3.0 / 8.0).abs() < 0.02, "{file}: 3 of 8 kHz, not {y}");
        assert!(
            (reach - 0.25).abs() < 0.06,
            "{file}: a quarter, not {reach}"
        );
        std::fs::remove_file(path("x.png")).unwrap();
    }
}

#[test]
fn every_help_tells_the_exit_codes() {
    let text = sparc(&["--help"]).ok().text();
    let list = text.split("Commands:").nth(1).expect("a list of commands");
    let list = list.split("Options:").next().expect("it ends");
    // Names are indented by two; what they do may go on below.
    let names = list.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then_some(name)
    });
    let names: Vec<&str> = names.collect();
    assert_eq!(names.len(), if cfg!(feature = "train") { 14 } else { 9 });
    for name in names {
        let help = sparc(&[name, "--help"]).ok().text();
        assert!(help.contains(&format!("Usage: sparc {name}")), "{help}");
        for code in 0..=8 {
            assert!(
                help.contains(&format!("\n  {code}  ")),
                "{name}: {code} in {help}"
            );
        }
    }
    assert!(text.contains("  8  damaged segments"), "{text}");
}

#[test]
fn an_embedded_model_comes_on_top_and_changes_no_sample() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let clip = repository("samples/speech-high.wav");
    sparc(&["encode", arg(&clip), arg(&at("lean.sparc"))]).ok();
    sparc(&[
        "encode",
        arg(&clip),
        arg(&at("full.sparc")),
        "--embed-model",
    ])
    .ok();
    for name in ["lean", "full"] {
        let (stream, wav) = (at(&format!("{name}.sparc")), at(&format!("{name}.wav")));
        sparc(&["decode", arg(&stream), arg(&wav)]).ok();
    }
    let size = |name: &str| std::fs::metadata(at(name)).unwrap().len();
    let model = std::fs::metadata(repository("models/speech.sparcmodel"))
        .unwrap()
        .len();
    // The model's chunk: its bytes, a type, a length of three bytes and a checksum.
    assert_eq!(size("full.sparc"), size("lean.sparc") + model + 8);
    assert_eq!(
        std::fs::read(at("full.wav")).unwrap(),
        std::fs::read(at("lean.wav")).unwrap()
    );
}
