//! Scores of the fixture pairs against those of the Python packages `pystoi` 0.4 and `pesq` 0.0.4.
//!
//! The references are synthetic speech (espeak-ng). Degraded with: noise; Opus at 6 kbit/s; phases disturbed at
//! random; coarse quantisation; soft clipping and noise. `expected.txt` has a line for each pair.

use std::path::Path;

/// Largest difference in PESQ found on real coded speech.
const TOLERANCE: f64 = 0.025;

struct Pair {
    name: String,
    rate: u32,
    reference: Vec<f32>,
    degraded: Vec<f32>,
    stoi: f64,
    wide: Option<f64>,
    narrow: Option<f64>,
}

fn read(path: &Path) -> (Vec<f32>, u32) {
    let mut reader = hound::WavReader::open(path).expect("a fixture");
    let samples = reader
        .samples::<i16>()
        .map(|s| f32::from(s.expect("a sample")) / 32_768.0)
        .collect();
    (samples, reader.spec().sample_rate)
}

fn pairs() -> Vec<Pair> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = std::fs::read_to_string(folder.join("expected.txt")).expect("expected scores");
    let pairs: Vec<Pair> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (reference, rate) = read(&folder.join(fields[0]));
            let (degraded, _) = read(&folder.join(fields[1]));
            Pair {
                name: fields[1].into(),
                rate,
                reference,
                degraded,
                stoi: fields[2].parse().expect("a score"),
                wide: fields[3].parse().ok(),
                narrow: fields[4].parse().ok(),
            }
        })
        .collect();
    assert_eq!(pairs.len(), 5);
    pairs
}

#[test]
fn stoi_is_that_of_the_published_program() {
    for p in pairs() {
        let found = codec_metrics::stoi(&p.reference, &p.degraded, p.rate).expect("defined");
        assert!(
            (found - p.stoi).abs() < 1e-3,
            "{}: {found} for {}",
            p.name,
            p.stoi
        );
    }
}

#[test]
fn pesq_is_near_that_of_the_reference_program() {
    for p in pairs() {
        if let Some(expected) = p.wide {
            let found = codec_metrics::pesq_wb(&p.reference, &p.degraded).expect("defined");
            assert!(
                (found - expected).abs() < TOLERANCE,
                "{} wb: {found} for {expected}",
                p.name
            );
        }
        // At 16 kHz the two differ by design: the crate decimates to 8 kHz first, the reference does not.
        if let (Some(expected), 8_000) = (p.narrow, p.rate) {
            let found = codec_metrics::pesq_nb(&p.reference, &p.degraded, p.rate).expect("defined");
            assert!(
                (found - expected).abs() < TOLERANCE,
                "{} nb: {found} for {expected}",
                p.name
            );
        }
    }
}
