//! What the specification states in numbers is what the code does.

use codec_format::header::LatticeShape;
use codec_format::{limits, Limits, MODEL_SIGNATURE, PRIORS, PRIORS_LENGTH, SIGNATURE};
use sha2::{Digest, Sha256};
use std::fmt::Write;

fn spec() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/sparc.md");
    std::fs::read_to_string(path).expect("the specification lies beside the crate")
}

fn hex(bytes: &[u8], between: &str) -> String {
    let mut text = String::new();
    for (n, byte) in bytes.iter().enumerate() {
        let gap = if n > 0 { between } else { "" };
        write!(text, "{gap}{byte:02x}").unwrap();
    }
    text
}

#[test]
fn priors_are_those_the_spec_names() {
    assert_eq!(PRIORS.len(), PRIORS_LENGTH);
    assert!(spec().contains(&hex(&Sha256::digest(PRIORS), "")));
    // The specification's own copy, for who reads it without this crate.
    assert!(PRIORS == include_bytes!("../../spec/priors.bin"));
    assert!(spec().contains(&format!("    {PRIORS_LENGTH} bytes\n")));
}

#[test]
fn signatures_are_those_the_spec_names() {
    for signature in [SIGNATURE, MODEL_SIGNATURE] {
        assert!(spec().contains(&hex(&signature, " ").to_uppercase()));
    }
}

fn allowance(of: limits::Allowance) -> String {
    let power = |x: u64| format!("2^{}", x.trailing_zeros());
    format!("{} + {} n", power(of.base), power(of.per_byte))
}

#[test]
fn limits_are_those_the_spec_names() {
    let l = Limits::default();
    let text = spec();
    let table = &text[text.find("## 10 Limits").unwrap()..];
    for row in [
        format!("| transform length | {} |", l.n_fft),
        format!("| sample rates | {} Hz |", l.rate),
        format!("| channels | {} |", l.channels),
        format!(
            "| pixels of a segment, all channels | {} |",
            l.segment_pixels
        ),
        format!(
            "| segments lost of a stream | {}, and ten for each that is sound |",
            l.lost_segments
        ),
        format!("| total samples | 2^{} |", l.total_samples.trailing_zeros()),
        format!("| bytes of a SEGM body | {} |", l.segment_bytes),
        format!(
            "| bytes of a META or MMET body, comments in it | {}, {} |",
            l.metadata_bytes, l.metadata_entries
        ),
        format!("| bytes of a model file | {} |", l.model_bytes),
        format!(
            "| weights of a model, multiply-adds a pixel | {} each |",
            l.model_weights
        ),
        format!(
            "| nodes of a network and inputs of a node, channels, kernel size | {}, {}, {} |",
            l.model_nodes, l.model_channels, l.model_kernel
        ),
        format!("| numbers held a bin (§7.9) | {} |", l.model_held),
        format!("| entries of SEEK | {} |", l.seek_entries),
        format!("| body of an unknown chunk | {} bytes |", l.skipped_bytes),
        format!("| source rate over coded rate | {} |", l.rate_ratio),
        format!(
            "| work for a second of sound | 2^{} |",
            l.work_per_second.trailing_zeros()
        ),
        format!(
            "where n bytes of the stream have come | {} |",
            allowance(l.work)
        ),
        format!(
            "where n bytes of the stream have come | {} |",
            allowance(l.output)
        ),
        format!("(m + {} U)", limits::SYNTHESIS_WORK),
    ] {
        assert!(table.contains(&row), "{row}");
    }
    assert_eq!(l.model_weights as u64, l.model_macs_per_pixel);
    assert!(text.contains(&format!(
        "at most `bins - covered` (§6.7) and at most {}",
        limits::MAX_BANDS
    )));
}

#[test]
fn the_rate_table_is_the_specs() {
    // The edges at 16 kHz follow from the table alone; the spec's, computed here from its text.
    let text = spec();
    let section = &text[text.find("#### 6.5.1").unwrap()..text.find("#### 6.5.2").unwrap()];
    let mut table: Vec<(u64, u64)> = Vec::new();
    for line in section
        .lines()
        .filter(|line| line.starts_with("    ") && !line.contains('='))
    {
        for pair in line.split(';') {
            let numbers: Vec<u64> = pair
                .split_whitespace()
                .filter_map(|n| n.parse().ok())
                .collect();
            if let [f, z] = numbers[..] {
                table.push((f, z));
            }
        }
    }
    assert_eq!(
        (table.len(), table[0], table[43]),
        (44, (0, 0), (96000, 25719))
    );
    let rate_at = |n: u64, d: u64| {
        let pair = table.windows(2).find(|pair| n < pair[1].0 * d).unwrap();
        let ((f0, z0), (f1, z1)) = (pair[0], pair[1]);
        z0 + (z1 - z0) * (n - f0 * d) / ((f1 - f0) * d)
    };
    for (bins, rate, bands) in [
        (257usize, 16000u64, 14u8),
        (257, 16000, 20),
        (1025, 48000, 30),
    ] {
        let d = 2 * (bins as u64 - 1);
        let top = rate_at(rate * (d / 2), d);
        let mut edges = vec![0];
        for b in 1..usize::from(bands) {
            let reached =
                |k: &usize| rate_at(rate * *k as u64, d) * u64::from(bands) >= top * b as u64;
            let first = (0..bins).find(reached).unwrap();
            edges.push(
                first
                    .max(edges[b - 1] + 1)
                    .min(bins - (usize::from(bands) - b)),
            );
        }
        edges.push(bins);
        let shape = LatticeShape {
            bands,
            every: 2,
            step: 32,
        };
        assert_eq!(*shape.edges(0, bins, rate as u32), edges);
    }
}
