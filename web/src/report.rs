//! What a stream is made of, as JSON.

use crate::{Answer, Failure};
use serde::Serialize;
use sparc::codec_format::inspect::layout;
use sparc::codec_format::{LayerBits, Limits};
use sparc::{models, Decoding, Stream};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    rate: u32,
    channels: u8,
    coded_rate: u32,
    samples: u64,
    seconds: f64,
    bytes: usize,
    bits_per_second: f64,
    segments: u32,
    concealed: u32,
    kept_share: f64,
    network: Option<String>,
    layers: Layers,
}

/// Bits of each layer, and of all that is around them.
#[derive(Debug, Serialize)]
struct Layers {
    mask: f64,
    values: f64,
    thresholds: f64,
    lattice: f64,
    phases: f64,
    waveform: f64,
    container: f64,
}

/// Everything about a stream held in memory.
pub(crate) fn of_stream(stream: &[u8], decoding: &Decoding) -> Result<Answer, Failure> {
    let (header, samples, damage) = Stream::survey(stream, decoding)?;
    let chunks = layout(stream, &Limits::default())
        .map_err(|error| Failure::from(sparc::Error::from(error)))?;
    let mut bits = LayerBits::default();
    let (mut kept, mut pixels) = (0, 0);
    for segment in chunks.iter().filter_map(|chunk| chunk.segment) {
        bits.add(&segment.bits);
        kept += segment.kept;
        pixels += segment.pixels;
    }
    let of = |layer: u64| layer as f64 / 256.0;
    let seconds = samples as f64 / f64::from(header.source.rate);
    let all = stream.len() as f64 * 8.0;
    let network = header
        .model
        .map(|id| models::name_of(id).map_or_else(|| format!("{id}"), str::to_string));
    let report = Report {
        rate: header.source.rate,
        channels: header.source.channels,
        coded_rate: header.coded.rate,
        samples,
        seconds,
        bytes: stream.len(),
        bits_per_second: if seconds > 0.0 { all / seconds } else { 0.0 },
        segments: damage.segments,
        concealed: damage.concealed,
        kept_share: kept as f64 / (pixels.max(1)) as f64,
        network,
        layers: Layers {
            mask: of(bits.mask),
            values: of(bits.values),
            thresholds: of(bits.thresholds),
            lattice: of(bits.lattice),
            phases: of(bits.phases),
            waveform: of(bits.waveform),
            container: all - of(bits.total()),
        },
    };
    let text = serde_json::to_vec(&report).map_err(|error| Failure {
        code: -6,
        text: error.to_string(),
    })?;
    Ok(Answer::Bytes(text))
}
