//! Nonsense in: one line that names the fault, the documented exit code, no output, no panic.

mod support;

use std::path::Path;
use support::{arg, names, read_wav, sparc, sparc_with, voice, write_wav};

/// A WAV file's header for 16-bit samples at 16 kHz, with a data length as given.
fn wav_header(format: u16, channels: u16, rate: u32, bits: u16, data: u32) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    let block = channels * (bits / 8);
    bytes.extend([format.to_le_bytes(), channels.to_le_bytes()].concat());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate.wrapping_mul(u32::from(block))).to_le_bytes());
    bytes.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    bytes
}

fn floats(samples: &[f32]) -> Vec<u8> {
    let mut bytes = wav_header(3, 1, 16_000, 32, 4 * samples.len() as u32);
    bytes.extend(samples.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

#[test]
fn nothing_but_audio_is_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let mut cut = wav_header(1, 1, 16_000, 16, 4000);
    cut.extend([1; 100]);
    let mut many = wav_header(1, 9, 16_000, 16, 180);
    many.extend([0; 180]);
    let mut slow = wav_header(1, 1, 10, 16, 20);
    slow.extend([0; 20]);
    let table: [(&str, Vec<u8>, i32, &str); 13] = [
        ("empty", vec![], 3, "is empty"),
        ("one-byte", vec![0], 3, "is not audio"),
        (
            "text",
            b"What a piece of work is a codec.\n".repeat(99),
            3,
            "is not audio",
        ),
        ("zeros", vec![0; 10_000], 3, "is not audio"),
        (
            "cut",
            cut,
            3,
            "is cut short: its header promises 2000 samples per channel, but it ends after 50",
        ),
        (
            "header-only",
            wav_header(1, 1, 16_000, 16, 4000)[..30].to_vec(),
            3,
            "cut short",
        ),
        (
            "nan",
            floats(&[0.0, f32::NAN, 0.0]),
            3,
            "sample 1 of channel 0 is not a number",
        ),
        (
            "infinite",
            floats(&[0.0, 0.0, f32::NEG_INFINITY]),
            3,
            "sample 2 of channel 0 is -inf",
        ),
        (
            "no-channels",
            wav_header(1, 0, 16_000, 16, 0),
            3,
            "zero channels",
        ),
        (
            "no-samples",
            wav_header(1, 1, 16_000, 16, 0),
            3,
            "holds no samples",
        ),
        ("nine-channels", many, 5, "9 channels"),
        ("slow", slow, 3, "sample rate of 10 Hz"),
        (
            "stream",
            b"\x8bSPR\r\n\x1a\nrest".to_vec(),
            3,
            "is a .sparc file",
        ),
    ];
    for (name, bytes, code, text) in table {
        let input = folder.path().join(name);
        std::fs::write(&input, &bytes).unwrap();
        let output = folder.path().join("out.sparc");
        sparc(&["encode", arg(&input), arg(&output)]).failed(code, text);
        if !bytes.is_empty() {
            sparc_with(&["encode", "-", arg(&output)], &bytes).failed(code, text);
        }
        std::fs::remove_file(&input).unwrap();
        assert!(
            names(folder.path()).is_empty(),
            "{name} left {:?}",
            names(folder.path())
        );
    }
}

#[test]
fn missing_and_unwritable_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    sparc(&["encode", arg(&path("none.wav")), arg(&path("o"))])
        .failed(3, "none.wav: no such file or folder");
    sparc(&["encode", arg(folder.path()), arg(&path("o"))]).failed(3, "is a folder");
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 4_000));
    sparc(&["encode", arg(&path("in.wav")), arg(&path("no/o"))]).failed(7, "cannot be written");
    sparc(&["encode", arg(&path("in.wav")), arg(folder.path())]).failed(7, "it is a folder");
    assert_eq!(names(folder.path()), ["in.wav"]);
}

#[test]
fn a_failure_leaves_the_output_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("bad"), "text").unwrap();
    std::fs::write(path("out"), "before").unwrap();
    sparc(&["encode", arg(&path("bad")), arg(&path("out"))]).failed(3, "is not audio");
    sparc(&["decode", arg(&path("bad")), arg(&path("out"))]).failed(4, "signature");
    assert_eq!(std::fs::read(path("out")).unwrap(), b"before");
}

#[test]
fn bad_arguments_are_code_two() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 16_000));
    let input = path("in.wav");
    let out = path("out");
    for (arguments, text) in [
        (
            &["--bitrate", "6000", "--mask", "uniform"][..],
            "need the ridge mask",
        ),
        (&["--bitrate", "100"], "too few: this clip takes at least"),
    ] {
        sparc(&[&["encode", arg(&input), arg(&out)], arguments].concat()).failed(2, text);
    }
    sparc(&["encode", arg(&input)]).failed(2, "IN OUT wanted");
    sparc(&["encode", arg(&input), arg(&input)]).failed(2, "the same file");
    // These never reach us: clap tells, in its own words.
    for arguments in [
        &["--bitrate", "six"][..],
        &["--bitrate", "6000", "--quality", "3"],
        &["--quality", "11"],
        &["--sparsity", "1.5"],
        &["--phases", "some"],
        &["--phase-bits", "13"],
        &["--nonsense"],
    ] {
        let run = sparc(&[&["encode", arg(&input), arg(&out)], arguments].concat());
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.err);
    }
    assert_eq!(names(folder.path()), ["in.wav"]);
}

/// A stream of three segments.
fn stream(folder: &Path) -> Vec<u8> {
    let (input, output) = (folder.join("in.wav"), folder.join("x.sparc"));
    write_wav(&input, 16_000, &voice(16_000, 1, 40_000));
    sparc(&["encode", arg(&input), arg(&output)]).ok();
    let bytes = std::fs::read(&output).unwrap();
    std::fs::remove_file(input).unwrap();
    std::fs::remove_file(output).unwrap();
    bytes
}

#[test]
fn a_stream_cut_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream(folder.path());
    let input = folder.path().join("cut.sparc");
    let output = folder.path().join("out.wav");
    let lengths = (1..60)
        .chain((60..bytes.len()).step_by(41))
        .chain([bytes.len() - 1]);
    for length in lengths {
        std::fs::write(&input, &bytes[..length]).unwrap();
        let run = sparc(&["decode", arg(&input), arg(&output)]).failed(4, "cut.sparc: ");
        assert!(
            run.err.contains("ends") || run.err.contains("missing"),
            "{length}: {}",
            run.err
        );
        assert_eq!(names(folder.path()), ["cut.sparc"], "{length}");
    }
}

#[test]
fn damaged_segments_are_concealed_and_the_rest_is_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream(folder.path());
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("x.sparc"), &bytes).unwrap();
    sparc(&["decode", arg(&path("x.sparc")), arg(&path("whole.wav"))]).ok();
    let json = sparc(&["inspect", "--json", arg(&path("x.sparc"))])
        .ok()
        .text();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let segments: Vec<(usize, usize)> = value["chunks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["name"] == "SEGM")
        .map(|c| {
            (
                c["offset"].as_u64().unwrap() as usize,
                c["size"].as_u64().unwrap() as usize,
            )
        })
        .collect();
    assert_eq!(segments.len(), 3);
    let (_, whole) = read_wav(&path("whole.wav"));
    for (index, (offset, size)) in segments.iter().enumerate() {
        let mut damaged = bytes.clone();
        damaged[offset + size / 2] ^= 0x55;
        std::fs::write(path("x.sparc"), &damaged).unwrap();
        sparc(&["decode", arg(&path("x.sparc")), arg(&path("out.wav"))])
            .failed(8, "1 of 3 segments");
        let (_, decoded) = read_wav(&path("out.wav"));
        assert_eq!(decoded[0].len(), whole[0].len());
        let energy = |x: &[f32]| x.iter().map(|x| f64::from(x * x)).sum::<f64>() / x.len() as f64;
        // The middle of the lost segment is quiet, the others are as loud as ever.
        for other in 0..3 {
            let middle = (other * 64 + 20) * 256..((other * 64 + 40) * 256).min(39_000);
            if middle.is_empty() {
                continue;
            }
            let ratio = energy(&decoded[0][middle.clone()]) / energy(&whole[0][middle]);
            assert!(
                if other == index {
                    ratio < 0.01
                } else {
                    ratio > 0.5
                },
                "{index} {other}: {ratio}"
            );
        }
        let run = sparc(&["inspect", arg(&path("x.sparc"))]);
        assert_eq!(run.code, 8, "{}", run.err);
    }
}

#[test]
fn a_damaged_header_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream(folder.path());
    let path = |name: &str| folder.path().join(name);
    for at in 0..34 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        std::fs::write(path("x.sparc"), &damaged).unwrap();
        let run = sparc(&["decode", arg(&path("x.sparc")), arg(&path("out.wav"))]);
        assert!(
            [4, 5].contains(&run.code) && run.err.lines().count() == 1,
            "byte {at}: {} {}",
            run.code,
            run.err
        );
        assert_eq!(names(folder.path()), ["x.sparc"]);
    }
}

#[test]
fn bad_models_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 8_000));
    std::fs::write(path("text.model"), "not a model").unwrap();
    let encode = |model: &Path| {
        sparc(&[
            "encode",
            arg(&path("in.wav")),
            arg(&path("out")),
            "--model",
            arg(model),
        ])
    };
    encode(&path("none.model")).failed(6, "none.model: no such file or folder");
    encode(&path("text.model")).failed(6, "text.model: is not a usable model");
    let good = std::fs::read(support::repository("models/speech.sparcmodel")).unwrap();
    for length in (1..200)
        .step_by(7)
        .chain((200..good.len()).step_by(good.len() / 20 + 1))
    {
        std::fs::write(path("text.model"), &good[..length]).unwrap();
        encode(&path("text.model")).failed(6, "text.model: ");
    }
    let run = sparc(&[
        "encode",
        arg(&path("in.wav")),
        arg(&path("out")),
        "--profile",
        "thesis",
        "--model",
        arg(&support::repository("models/speech.sparcmodel")),
    ]);
    run.failed(
        6,
        "was made for 16000 Hz and windows of 512 every 256 samples",
    );
    assert_eq!(names(folder.path()), ["in.wav", "text.model"]);
}

#[test]
fn inspect_plot_and_compare_refuse_nonsense_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "neither sound nor stream").unwrap();
    write_wav(&path("mono.wav"), 16_000, &voice(16_000, 1, 8_000));
    write_wav(&path("stereo.wav"), 16_000, &voice(16_000, 2, 8_000));
    sparc(&["inspect", arg(&path("text"))]).failed(4, "neither a .sparc file nor a model file");
    sparc(&["plot", arg(&path("text")), arg(&path("o.png"))]).failed(3, "is not audio");
    sparc(&[
        "plot",
        arg(&path("mono.wav")),
        arg(&path("o.png")),
        "--channel",
        "1",
    ])
    .failed(2, "no channel 1");
    sparc(&["compare", arg(&path("mono.wav")), arg(&path("stereo.wav"))])
        .failed(2, "2 channels, the reference 1");
    sparc(&["compare", arg(&path("mono.wav")), arg(&path("text"))]).failed(3, "text: is not audio");
    assert_eq!(names(folder.path()), ["mono.wav", "stereo.wav", "text"]);
}
