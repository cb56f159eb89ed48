//! `encode` and `decode` as a user runs them: lengths, places, pipes.

mod support;

use support::{arg, names, read_wav, sparc, sparc_with, voice, write_png, write_wav};

const RATES: [u32; 7] = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000];

/// Levels in dB of pieces of a millisecond, smoothed over eight, less their mean.
fn envelope(samples: &[f32], rate: u32) -> Vec<f64> {
    let piece = (rate / 1000) as usize;
    let energy = |c: &[f32]| c.iter().map(|x| f64::from(x * x)).sum::<f64>() / piece as f64;
    let levels: Vec<f64> = samples
        .chunks_exact(piece)
        .map(|c| 10.0 * (energy(c) + 1e-6).log10())
        .collect();
    let smooth: Vec<f64> = levels
        .windows(8)
        .map(|w| w.iter().sum::<f64>() / 8.0)
        .collect();
    let mean = smooth.iter().sum::<f64>() / smooth.len() as f64;
    smooth.iter().map(|level| level - mean).collect()
}

/// The lag, in milliseconds, at which `b` follows `a` best.
fn lag(a: &[f64], b: &[f64]) -> i64 {
    let margin = 50;
    let product = |lag: i64| -> f64 {
        let shifted = &b[(margin + lag) as usize..];
        a[margin as usize..a.len() - margin as usize]
            .iter()
            .zip(shifted)
            .map(|(x, y)| x * y)
            .sum()
    };
    (-40..=40)
        .max_by(|&x, &y| product(x).total_cmp(&product(y)))
        .expect("there are lags")
}

#[test]
fn every_rate_and_channel_count_comes_back_whole_and_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for rate in RATES {
        for channels in [1, 2] {
            // Not a whole number of frames, nor of the resampler's blocks.
            let count = rate as usize * 3 / 2 + 17;
            let sound = voice(rate, channels, count);
            write_wav(&path("in.wav"), rate, &sound);
            sparc(&["encode", arg(&path("in.wav")), arg(&path("x.sparc"))]).ok();
            sparc(&["decode", arg(&path("x.sparc")), arg(&path("out.wav"))]).ok();
            let (found, decoded) = read_wav(&path("out.wav"));
            assert_eq!((found, decoded.len()), (rate, channels));
            for (before, after) in sound.iter().zip(&decoded) {
                assert_eq!(after.len(), count, "{rate} Hz, {channels} channels");
                let late = lag(&envelope(before, rate), &envelope(after, rate));
                assert!(
                    late.abs() <= 4,
                    "{rate} Hz, {channels} channels: {late} ms late"
                );
            }
            let size = std::fs::metadata(path("x.sparc")).unwrap().len() as f64;
            let limit = 6000.0 * channels as f64;
            assert!(
                size * 8.0 / (count as f64 / f64::from(rate)) <= limit,
                "{rate} Hz: {size} bytes"
            );
        }
    }
}

#[test]
fn the_shortest_clips_come_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (rate, count) in [
        (16_000, 1),
        (16_000, 2),
        (8_000, 1),
        (48_000, 1),
        (44_100, 100),
        (16_000, 257),
    ] {
        write_wav(&path("in.wav"), rate, &voice(rate, 1, count));
        sparc(&["encode", arg(&path("in.wav")), arg(&path("x.sparc"))]).ok();
        sparc(&["decode", arg(&path("x.sparc")), arg(&path("out.wav"))]).ok();
        assert_eq!(
            read_wav(&path("out.wav")).1[0].len(),
            count,
            "{count} samples at {rate} Hz"
        );
    }
}

#[test]
fn silence_stays_silent() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &[vec![0.0; 20_000]]);
    sparc(&["encode", arg(&path("in.wav")), arg(&path("x.sparc"))]).ok();
    sparc(&["decode", arg(&path("x.sparc")), arg(&path("out.wav"))]).ok();
    let (_, decoded) = read_wav(&path("out.wav"));
    assert_eq!(decoded[0].len(), 20_000);
    assert!(decoded[0].iter().all(|x| x.abs() < 1e-3));
}

#[test]
fn every_way_to_choose_pixels_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 20_000));
    // 1 + ceil(20000 / 256) frames of 257 bins; every other bin kept.
    let rows: Vec<u8> = (0..257)
        .flat_map(|y| [if y % 2 == 0 { 0 } else { 255 }; 80])
        .collect();
    write_png(&path("mask.png"), (80, 257), &rows);
    let mask = path("mask.png");
    let ways: [&[&str]; 10] = [
        &["--bitrate", "4k"],
        &["--quality", "0"],
        &["--quality", "10"],
        &["--sparsity", "0.9"],
        &["--sparsity", "0.9", "--mask", "uniform", "--seed", "3"],
        &["--sparsity", "0.9", "--mask", "energy"],
        &["--mask", arg(&mask)],
        &["--profile", "thesis"],
        &[
            "--profile",
            "thesis",
            "--phases",
            "threshold:10",
            "--phase-bits",
            "3",
        ],
        &["--phases", "all", "--origin", "-60"],
    ];
    for way in ways {
        sparc(
            &[
                &["encode", arg(&path("in.wav")), arg(&path("x.sparc"))],
                way,
            ]
            .concat(),
        )
        .ok();
        sparc(&["decode", arg(&path("x.sparc")), arg(&path("out.wav"))]).ok();
        assert_eq!(read_wav(&path("out.wav")).1[0].len(), 20_000, "{way:?}");
    }
}

#[test]
fn a_share_of_pixels_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 40_000));
    for mask in ["ridge", "uniform", "energy"] {
        sparc(&[
            "encode",
            arg(&path("in.wav")),
            arg(&path("x.sparc")),
            "--sparsity",
            "0.9",
            "--mask",
            mask,
        ])
        .ok();
        let json = sparc(&["inspect", "--json", arg(&path("x.sparc"))])
            .ok()
            .text();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let kept = value["kept"].as_f64().unwrap();
        assert!((kept - 0.1).abs() < 0.01, "{mask}: {kept}");
    }
}

#[test]
fn pipes_carry_what_files_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 22_050, &voice(22_050, 2, 30_000));
    sparc(&["encode", arg(&path("in.wav")), arg(&path("x.sparc"))]).ok();
    sparc(&["decode", arg(&path("x.sparc")), arg(&path("out.wav"))]).ok();
    let encoded = sparc_with(
        &["encode", "-", "-"],
        &std::fs::read(path("in.wav")).unwrap(),
    )
    .ok()
    .out;
    assert!(
        encoded == std::fs::read(path("x.sparc")).unwrap(),
        "encoded bytes differ"
    );
    let decoded = sparc_with(&["decode", "-", "-"], &encoded).ok().out;
    assert!(
        decoded == std::fs::read(path("out.wav")).unwrap(),
        "decoded bytes differ"
    );
}

#[test]
fn floats_are_the_same_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 20_000));
    sparc(&["encode", arg(&path("in.wav")), arg(&path("x.sparc"))]).ok();
    sparc(&["decode", arg(&path("x.sparc")), arg(&path("out.wav"))]).ok();
    sparc(&[
        "decode",
        "--float",
        arg(&path("x.sparc")),
        arg(&path("float.wav")),
    ])
    .ok();
    let (_, integers) = read_wav(&path("out.wav"));
    let floats: Vec<f32> = hound::WavReader::open(path("float.wav"))
        .unwrap()
        .into_samples::<f32>()
        .map(|s| s.unwrap())
        .collect();
    assert_eq!(floats.len(), integers[0].len());
    let worst = floats
        .iter()
        .zip(&integers[0])
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(worst <= 0.5 / 32_768.0 + 1e-9, "{worst}");
}

#[test]
fn many_inputs_go_to_a_folder_and_a_bad_one_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (i, name) in ["a.wav", "b.wav", "c.wav"].iter().enumerate() {
        write_wav(&path(name), 16_000, &voice(16_000, 1, 12_000 + i));
    }
    std::fs::write(path("bad.wav"), "no sound at all").unwrap();
    let out = path("out");
    let inputs = [path("a.wav"), path("bad.wav"), path("b.wav"), path("c.wav")];
    let mut arguments = vec!["encode", "--out-dir", arg(&out)];
    arguments.extend(inputs.iter().map(|p| arg(p)));
    sparc(&arguments).failed(3, "bad.wav: is not audio");
    assert_eq!(names(&out), ["a.sparc", "b.sparc", "c.sparc"]);

    let inputs = ["a.sparc", "b.sparc", "c.sparc"].map(|name| out.join(name));
    let back = path("back");
    let mut arguments = vec!["decode", "-d", arg(&back)];
    arguments.extend(inputs.iter().map(|p| arg(p)));
    sparc(&arguments).ok();
    for (i, name) in ["a.wav", "b.wav", "c.wav"].iter().enumerate() {
        assert_eq!(read_wav(&back.join(name)).1[0].len(), 12_000 + i);
    }
}

#[test]
fn samples_of_the_repository_go_round() {
    let folder = tempfile::tempdir().unwrap();
    let speech = support::repository("samples/speech-high.wav");
    let stereo = support::repository("samples/stereo-44k.flac");
    let run = sparc(&[
        "roundtrip",
        arg(&speech),
        arg(&stereo),
        "-d",
        arg(folder.path()),
    ])
    .ok();
    let text = run.text();
    assert!(
        text.contains("PESQ-WB") && text.lines().count() >= 3,
        "{text}"
    );
    assert_eq!(
        names(folder.path()),
        [
            "speech-high.decoded.wav",
            "speech-high.png",
            "speech-high.sparc",
            "stereo-44k.decoded.wav",
            "stereo-44k.png",
            "stereo-44k.sparc"
        ]
    );
    let decoded = folder.path().join("speech-high.decoded.wav");
    let json = sparc(&["compare", "--json", arg(&speech), arg(&decoded)])
        .ok()
        .text();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(value["pesq_wb"].as_f64().unwrap() > 2.0, "{json}");
    assert!(value["stoi"].as_f64().unwrap() > 0.85, "{json}");
    assert_eq!(value["difference_in_samples"], 0);
    // The stream itself compares like the sound made of it.
    let stream = folder.path().join("speech-high.sparc");
    let json = sparc(&["compare", "--json", arg(&speech), arg(&stream)])
        .ok()
        .text();
    let again: serde_json::Value = serde_json::from_str(&json).unwrap();
    let (a, b) = (
        value["pesq_wb"].as_f64().unwrap(),
        again["pesq_wb"].as_f64().unwrap(),
    );
    assert!((a - b).abs() < 0.01, "{a} {b}");
}
