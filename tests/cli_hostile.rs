//! Files made to take memory, time or room on the disk: a refusal, soon, and nothing left behind.

mod support;

use codec_format::header::*;
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{Convolution, ConvolutionKind};
use codec_format::model::{Arithmetic, Model, Normalisation, Parts, WeightCoding};
use codec_format::symbols::{Segment, SparseImage};
use codec_format::{Limits, StreamWriter};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{arg, names};

fn header() -> Header {
    let signal = Signal {
        rate: 16_000,
        channels: 1,
    };
    Header {
        source: signal,
        coded: signal,
        total_samples: None,
        pre_skip: 0,
        stft: Stft {
            n_fft: 512,
            window_length: 512,
            window: WindowKind::Hann,
            hop: 256,
        },
        segment_frames: 64,
        model: None,
        quantiser: Quantiser {
            origin: -400,
            step: 48,
        },
        mask: MaskKind::Ridge { threshold_step: 16 },
        values: ValueCoding::Context,
        lattice: None,
        phase: PhaseKind::None,
        waveform: None,
    }
}

/// A stream of so many silent segments.
fn silence(header: &Header, model: Option<&[u8]>, segments: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::new(header, &Limits::default(), &mut bytes).unwrap();
    if let Some(model) = model {
        writer.model(model, &mut bytes).unwrap();
    }
    let frames = usize::from(header.segment_frames);
    let silent = SparseImage::silent(header, frames);
    for index in 0..segments {
        let channels = vec![silent.clone(); usize::from(header.coded.channels)];
        writer
            .segment(&Segment { index, channels }, &mut bytes)
            .unwrap();
    }
    // So many samples that no frame is missing.
    let frames = u64::from(segments) * frames as u64 - 1;
    let coded = frames * u64::from(header.stft.hop);
    let total = coded * u64::from(header.source.rate) / u64::from(header.coded.rate);
    writer.finish(total, &mut bytes).unwrap();
    bytes
}

/// The checksum of a chunk.
fn crc(bytes: &[u8]) -> [u8; 4] {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    };
    (!bytes.iter().fold(u32::MAX, step)).to_le_bytes()
}

/// The stream with other bytes in its header, and the checksum that belongs to them.
fn with_header(bytes: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let end = 8 + 2 + usize::from(bytes[9]);
    let mut head = bytes[8..end].to_vec();
    change(&mut head);
    head[1] = head.len() as u8 - 2;
    head.extend(crc(&head));
    [&bytes[..8], &head, &bytes[end + 4..]].concat()
}

/// A run of the command: code, message, and the most memory it was seen with, in bytes.
fn run(arguments: &[&str]) -> (i32, String, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sparc"));
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().expect("the command starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().strip_suffix(" kB"));
        most = found
            .and_then(|kb| kb.parse::<u64>().ok())
            .unwrap_or(0)
            .max(most);
        std::thread::sleep(Duration::from_millis(2));
        if start.elapsed() > Duration::from_secs(240) {
            child.kill().unwrap();
            panic!("{arguments:?} takes too long");
        }
    }
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().expect("ended by itself");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (code, message, 1024 * most)
}

/// Decodes the stream, which must be refused as one that exceeds a limit; so must a look into it take no memory.
#[track_caller]
fn refused(bytes: &[u8], text: &str) {
    refused_with(bytes, &[], text);
}

#[track_caller]
fn refused_with(bytes: &[u8], extra: &[&str], text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("x.sparc");
    std::fs::write(&input, bytes).unwrap();
    let (code, message, memory) = decoded(&input, extra);
    assert_eq!(code, 5, "{message}");
    assert!(message.contains(text), "{message}");
    assert!(memory < 64 << 20, "{memory} bytes");
    assert_eq!(names(folder.path()), ["x.sparc"]);
    let (_, _, memory) = run(&["inspect", arg(&input)]);
    assert!(memory < 128 << 20, "inspect: {memory} bytes");
}

fn decoded(input: &Path, extra: &[&str]) -> (i32, String, u64) {
    let output = input.with_file_name("out.wav");
    run(&[&["decode", arg(input), arg(&output)], extra].concat())
}

/// A network of depthwise layers for the grid of the header, named by it, as wide and deep as asked for.
fn network(header: &mut Header, (channels, kernel, layers): (u16, u8, usize)) -> Vec<u8> {
    let kernel = Extent {
        bins: kernel,
        frames: kernel,
    };
    let layer = |inputs, outputs, groups| {
        let weights = usize::from(outputs) * usize::from(inputs / groups) * kernel.area();
        let mut layer = Convolution::zeros(ConvolutionKind::Plain, inputs, outputs, kernel);
        layer.groups = groups;
        if let codec_format::model::op::Numbers::Real { weights: all, .. } = &mut layer.numbers {
            all.resize(weights, 0.0);
        }
        layer
    };
    let mut completion = Graph::default();
    let mut last = completion.push(layer(1, channels, 1), &[Operand::Plane(Plane::Values)]);
    for _ in 0..layers {
        last = completion.push(layer(channels, channels, channels), &[last]);
    }
    completion.push(layer(channels, 1, 1), &[last]);
    let model = Model::new(Parts {
        rate: header.coded.rate,
        stft: header.stft,
        arithmetic: Arithmetic::Real,
        normalisation: Normalisation {
            offset: 0.0,
            scale: 20.0,
        },
        residual: false,
        completion,
        analysis: None,
        metadata: Vec::new(),
    });
    let file = model.unwrap().write(WeightCoding::I8).unwrap();
    header.model = Some(ModelId::of(&file));
    file
}

#[test]
fn a_few_kilobytes_of_huge_silent_segments_take_no_memory() {
    let mut header = header();
    header.coded = Signal {
        rate: 8_000,
        channels: 8,
    };
    header.source = header.coded;
    header.stft = Stft {
        n_fft: 4096,
        window_length: 4096,
        window: WindowKind::Hann,
        hop: 64,
    };
    header.segment_frames = 128;
    let bytes = silence(&header, None, 4);
    assert!(bytes.len() < 40_000, "{}", bytes.len());
    refused_with(&bytes, &["--max-memory", "32M"], "allowed");
}

#[test]
fn a_change_of_rate_makes_no_gigabytes_of_a_few_bytes() {
    let mut header = header();
    header.coded = Signal {
        rate: 1_000,
        channels: 1,
    };
    header.source.rate = 32_000;
    header.segment_frames = 60_00;
    let bytes = silence(&header, None, 1);
    refused(&bytes, "samples for so few bytes");
    // 192 kHz: 0x2EE00, in place of 0x7D00.
    let forged = with_header(&bytes, |head| {
        let at = head
            .windows(3)
            .position(|w| w == [0x80, 0xFA, 0x01])
            .unwrap();
        head[at..at + 3].copy_from_slice(&[0x80, 0xDC, 0x0B]);
    });
    refused(&forged, "source rate over coded rate");
}

#[test]
fn lost_segments_are_paid_for_by_bytes() {
    // One segment there, and the trailer says that hours follow.
    let mut header = header();
    header.segment_frames = 8_000;
    let mut bytes = silence(&header, None, 1);
    let tail = bytes.len() - 4 - 3;
    assert_eq!(bytes[tail - 2], 6, "the trailer's chunk");
    let mut chunk = vec![6, 4, 0x80, 0x80, 0x80, 0x40];
    chunk.extend(crc(&chunk));
    bytes.truncate(tail - 2);
    bytes.extend(chunk);
    refused(&bytes, "for so few bytes");
}

#[test]
fn networks_take_no_more_memory_than_is_allowed() {
    let mut wide = header();
    let file = network(&mut wide, (256, 5, 12));
    assert!(file.len() < 120_000, "{}", file.len());
    let bytes = silence(&wide, Some(&file), 2);
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("x.sparc");
    std::fs::write(&input, &bytes).unwrap();
    let needed = sparc::memory_required(&bytes, &sparc::Decoding::default()).unwrap();
    let (code, message, memory) = decoded(&input, &["--max-memory", "3M"]);
    let text = format!("takes {needed} bytes of memory to decode, where 3145728 are allowed");
    assert!(code == 5 && message.contains(&text), "{code}: {message}");
    assert!(memory < 64 << 20, "{memory} bytes");
    let enough = needed.to_string();
    let (code, message, _) = decoded(&input, &["--max-memory", &enough]);
    assert_eq!(code, 0, "{message}");
}

#[test]
fn networks_take_no_more_time_than_is_allowed() {
    let mut slow = header();
    slow.coded.channels = 2;
    slow.source = slow.coded;
    let file = network(&mut slow, (256, 15, 6));
    let bytes = silence(&slow, Some(&file), 1);
    refused(&bytes, "multiply-adds for a second of sound");
}
