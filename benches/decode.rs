//! The codec from end to end and stage by stage, on ten generated seconds, as multiples of real time.
//! One core: nothing here starts a thread.

mod support;

use codec_core::decode::dense_images;
use codec_core::decode::synthesis::{Known, Synthesis};
use codec_core::encode::Target;
use codec_core::quantise::levels;
use codec_format::header::Header;
use codec_format::memory::Heap;
use codec_format::symbols::Segment;
use criterion::Criterion;
use sparc::{Decoding, Effort, Networks, Options, Pcm, Plan, Stream};
use std::hint::black_box;
use support::{criterion, voice, whole, RealTime, RATE, SECONDS};

const BITRATE: u32 = 6_000;

/// The speech profile with its network and no choice of settings.
fn plan(target: Target) -> Plan {
    let options = Options {
        effort: Effort::Fast,
        ..Options::bitrate(BITRATE)
    };
    Plan {
        target,
        ..options.plan(1).expect("sound options")
    }
}

fn encoded(pcm: &Pcm, target: Target) -> Vec<u8> {
    plan(target).encode(pcm).expect("the clip encodes").bytes
}

fn interpolated() -> Decoding {
    Decoding {
        networks: Networks::none(),
        ..Decoding::default()
    }
}

fn ends(c: &mut Criterion<RealTime>) {
    let pcm = Pcm::from_mono(RATE, voice());
    let stream = encoded(&pcm, Target::Bitrate(BITRATE));
    println!(
        "{} bytes, {} bit/s",
        stream.len(),
        8 * stream.len() / SECONDS
    );
    let decoded = |decoding: &Decoding| {
        let decoded = sparc::decode_with(&stream, decoding).expect("a good stream");
        assert_eq!(decoded.pcm.len(), pcm.len());
    };
    let mut group = c.benchmark_group("end-to-end");
    group.throughput(whole());
    group.bench_function("encode", |b| b.iter(|| encoded(&pcm, Target::Settings)));
    group.bench_function("encode-to-bitrate", |b| {
        b.iter(|| encoded(&pcm, Target::Bitrate(BITRATE)))
    });
    group.bench_function("decode-interpolated", |b| {
        b.iter(|| decoded(&interpolated()))
    });
    group.bench_function("decode", |b| b.iter(|| decoded(&Decoding::default())));
    group.finish();
}

/// From levels (dB) to samples on the grid the decoder uses. What the stream says of covered bins is left out.
fn synthesise(header: &Header, hop: usize, rows: &[Vec<i16>]) {
    let mut synthesis =
        Synthesis::new(header, hop, &mut Heap::new(1 << 24)).expect("a good header");
    synthesis.reset(0);
    for row in rows {
        black_box(synthesis.push(row, Known::default()));
    }
    while let Some(pcm) = synthesis.drain() {
        black_box(pcm);
    }
}

fn stages(c: &mut Criterion<RealTime>) {
    let pcm = Pcm::from_mono(RATE, voice());
    let bytes = encoded(&pcm, Target::Bitrate(BITRATE));
    let read = || Stream::read(&bytes, &Decoding::default()).expect("a good stream");
    let stream = read();
    let header = &stream.header;
    let segments: Vec<Segment> = stream.segments.iter().flatten().cloned().collect();
    let model = stream.network.as_ref().map(|network| &network.model);
    let mut group = c.benchmark_group("stages");
    group.throughput(whole());
    group.bench_function("symbols", |b| b.iter(&read));
    let completed = |model| dense_images(header, model, &segments).expect("the network fits");
    group.bench_function("interpolation", |b| b.iter(|| completed(None)));
    group.bench_function("network", |b| b.iter(|| completed(model)));
    let (images, hop) = completed(model);
    let origin = levels::origin_level(&header.quantiser);
    let level = |&db: &f32| levels::clamp((16.0 * db).round() as i32 - origin);
    let rows: Vec<Vec<i16>> = (images[0].outer_iter())
        .map(|row| row.iter().map(level).collect())
        .collect();
    let header = Header {
        waveform: None,
        ..header.clone()
    };
    group.bench_function("synthesis", |b| b.iter(|| synthesise(&header, hop, &rows)));
    group.finish();
}

fn main() {
    let mut criterion = criterion().configure_from_args();
    ends(&mut criterion);
    stages(&mut criterion);
    criterion.final_summary();
}
