//! Sound that is longer than what is held of it: pieces, pipes that play while they are written, short segments.

mod support;

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;
use support::{arg, read_wav, sparc, sparc_with, voice, write_wav};

/// A WAV file of 16 kHz mono as a program leaves it that cannot go back to fill in the length.
fn endless_wav(samples: &[f32]) -> Vec<u8> {
    let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    bytes.extend(16_000u32.to_le_bytes());
    bytes.extend(32_000u32.to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data\xff\xff\xff\xff");
    bytes.extend(pcm(samples));
    bytes
}

fn pcm(samples: &[f32]) -> Vec<u8> {
    let sample = |x: &f32| ((x * 32_767.0) as i16).to_le_bytes();
    samples.iter().flat_map(sample).collect()
}

fn command(arguments: &[&str], input: Stdio) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sparc"));
    command.args(arguments).stdin(input).stdout(Stdio::piped());
    command.spawn().expect("the command starts")
}

/// What a process writes, as it comes.
fn listen(child: &mut Child) -> Receiver<Vec<u8>> {
    let mut out = child.stdout.take().expect("a pipe was asked for");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(count @ 1..) = out.read(&mut block) {
            if sender.send(block[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

#[test]
fn sound_comes_out_of_the_pipe_before_all_of_it_has_gone_in() {
    let sound = voice(16_000, 1, 7 * 16_000).remove(0);
    for live in [
        &["--delay", "2", "--effort", "fast"][..],
        &["--delay", "0", "--cbr", "-b", "6k", "--segment", "250"],
    ] {
        let mut encoder = command(&[&["encode", "-", "-"], live].concat(), Stdio::piped());
        let coded = encoder.stdout.take().expect("a pipe was asked for");
        let mut decoder = command(&["decode", "-", "-"], coded.into());
        let played = listen(&mut decoder);
        let mut input = encoder.stdin.take().expect("a pipe was asked for");
        let (first, rest) = sound.split_at(5 * 16_000);
        input.write_all(&endless_wav(first)).unwrap();
        input.flush().unwrap();
        // A second of sound, while the input is still open.
        let mut all = Vec::new();
        while all.len() < 44 + 32_000 {
            let piece = played.recv_timeout(Duration::from_secs(300));
            all.extend(piece.expect("sound while the input is open"));
        }
        input.write_all(&pcm(rest)).unwrap();
        drop(input);
        while let Ok(piece) = played.recv_timeout(Duration::from_secs(300)) {
            all.extend(piece);
        }
        assert!(encoder.wait().unwrap().success() && decoder.wait().unwrap().success());
        // Its length was not known when it began.
        assert_eq!(all[40..44], (u32::MAX - 1).to_le_bytes());
        assert_eq!(all.len(), 44 + 2 * sound.len(), "{live:?}");
    }
}

#[test]
fn pieces_keep_to_the_bitrate_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let count = 16_000 * 21 / 2;
    let mut sound = voice(16_000, 1, count);
    // What silence leaves over is spent later, but no more than is there.
    sound[0][30_000..60_000].fill(0.0);
    write_wav(&path("in.wav"), 16_000, &sound);
    let (input, output, back) = (path("in.wav"), path("x.sparc"), path("out.wav"));
    let way = ["--delay", "2.5", "--effort", "fast"];
    for bitrate in ["3000", "6000"] {
        sparc(
            &[
                &["encode", arg(&input), arg(&output), "-b", bitrate][..],
                &way,
            ]
            .concat(),
        )
        .ok();
        let bytes = std::fs::read(&output).unwrap();
        let share =
            bytes.len() as f64 * 8.0 * 16_000.0 / count as f64 / bitrate.parse::<f64>().unwrap();
        assert!((0.93..=1.0).contains(&share), "{bitrate} bit/s: {share}");
        let piped = [&["encode", "-", "-", "-b", bitrate][..], &way].concat();
        let piped = sparc_with(&piped, &std::fs::read(&input).unwrap()).ok().out;
        assert!(piped == bytes, "pipes carry other bytes");
        sparc(&["decode", arg(&output), arg(&back)]).ok();
        let (_, decoded) = read_wav(&back);
        assert_eq!(decoded[0].len(), count);
    }
    sparc(
        &[
            &["encode", arg(&input), arg(&output), "-b", "150"][..],
            &way,
        ]
        .concat(),
    )
    .failed(2, "too few");
}

#[test]
fn other_targets_go_in_pieces_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let count = 70_001;
    write_wav(&path("in.wav"), 22_050, &voice(22_050, 2, count));
    let (input, output, back) = (path("in.wav"), path("x.sparc"), path("out.wav"));
    for way in [
        &["--quality", "2"][..],
        &["--sparsity", "0.9"],
        &["-b", "12k", "--cbr", "--effort", "fast"],
        &["--profile", "thesis"],
    ] {
        sparc(&[&["encode", arg(&input), arg(&output), "--delay", "1"], way].concat()).ok();
        sparc(&["decode", arg(&output), arg(&back)]).ok();
        let (rate, decoded) = read_wav(&back);
        assert_eq!(
            (rate, decoded.len(), decoded[0].len()),
            (22_050, 2, count),
            "{way:?}"
        );
    }
}

#[test]
fn segments_are_as_long_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_wav(&path("in.wav"), 16_000, &voice(16_000, 1, 40_000));
    let (input, output) = (path("in.wav"), path("x.sparc"));
    let way = ["--segment", "250", "--effort", "fast"];
    sparc(&[&["encode", arg(&input), arg(&output)][..], &way].concat()).ok();
    let json = sparc(&["inspect", "--json", arg(&output)]).ok().text();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let chunks = value["chunks"].as_array().unwrap();
    let segments = chunks
        .iter()
        .filter(|chunk| chunk["name"] == "SEGM")
        .count();
    // 16 frames of 256 samples each.
    assert_eq!(segments, (1 + 40_000usize.div_ceil(256)).div_ceil(16));
}
