//! The codec from end to end and stage by stage, on ten generated seconds, as multiples of real time.
//! One core: nothing here starts a thread.

mod support;

use codec_core::decode::phases;
use codec_core::decode::{dense_images, Decoder};
use codec_core::encode::{Clip, Encoding, Settings, Target};
use codec_core::transform::stft::Transform;
use codec_format::limits::Limits;
use codec_format::model::Model;
use codec_format::{Event, StreamReader};
use criterion::Criterion;
use std::hint::black_box;
use support::{criterion, default_model, voice, whole, RealTime, RATE, SECONDS, SOURCE};

const TOTAL: u64 = SECONDS as u64 * RATE as u64;
const BITRATE: u32 = 6_000;

fn encoded(pcm: &[Vec<f32>], target: Target) -> Encoding {
    let clip = Clip {
        channels: pcm,
        source: SOURCE,
        total_samples: TOTAL,
    };
    let encoding = clip.encode(target, &Settings::speech_at(BITRATE), None);
    encoding.expect("the clip encodes")
}

fn file(encoding: &Encoding) -> Vec<u8> {
    encoding.file(None).expect("good symbols")
}

/// Bytes to PCM, or to nothing where `decoder` is `None`: reading alone.
fn read(file: &[u8], with_sound: bool, model: Option<&Model>) -> usize {
    let mut reader = StreamReader::new(&Limits::default());
    reader.push(file);
    reader.finish();
    let mut decoder: Option<Decoder> = None;
    let mut samples = 0;
    let count = |pcm: Vec<Vec<f32>>| black_box(pcm).first().map_or(0, Vec::len);
    while let Some(event) = reader.next_event().expect("a good stream") {
        match event {
            Event::Header(header) if with_sound => {
                decoder = Some(Decoder::new(&header, model).expect("the model fits"));
            }
            Event::Segment(segment) => match &mut decoder {
                Some(decoder) => samples += count(decoder.push(&segment).expect("in order")),
                None => drop(black_box(segment)),
            },
            _ => {}
        }
    }
    samples + decoder.map_or(0, |decoder| count(decoder.finish()))
}

fn ends(c: &mut Criterion<RealTime>) {
    let pcm = vec![voice()];
    let encoding = encoded(&pcm, Target::Bitrate(BITRATE));
    let stream = file(&encoding);
    let model = default_model();
    println!(
        "{} bytes, {} bit/s",
        stream.len(),
        8 * stream.len() / SECONDS
    );
    let mut group = c.benchmark_group("end-to-end");
    group.throughput(whole());
    group.bench_function("encode", |b| {
        b.iter(|| file(&encoded(&pcm, Target::Settings)))
    });
    group.bench_function("encode-to-bitrate", |b| {
        b.iter(|| file(&encoded(&pcm, Target::Bitrate(BITRATE))))
    });
    group.bench_function("decode-interpolated", |b| {
        b.iter(|| assert_eq!(read(&stream, true, None) as u64, TOTAL))
    });
    match &model {
        Some(model) => {
            group.bench_function("decode", |b| {
                b.iter(|| assert_eq!(read(&stream, true, Some(model)) as u64, TOTAL))
            });
        }
        None => println!("models/speech.sparcmodel is missing: no `decode`, no `network`"),
    }
    group.finish();
}

/// Phases of the whole clip in one block, on the grid the decoder uses.
fn rebuild(transform: &Transform, magnitudes: ndarray::ArrayView2<'_, f32>) {
    let block = phases::Block {
        magnitudes,
        known: &[],
        stored: &[],
        first_frame: 0,
    };
    black_box(phases::rebuild(transform, &block));
}

fn stages(c: &mut Criterion<RealTime>) {
    let encoding = encoded(&[voice()], Target::Bitrate(BITRATE));
    let stream = file(&encoding);
    let model = default_model();
    let header = &encoding.header;
    let mut group = c.benchmark_group("stages");
    group.throughput(whole());
    group.bench_function("symbols", |b| b.iter(|| read(&stream, false, None)));
    let completed =
        |model| dense_images(header, model, &encoding.segments).expect("the model fits");
    group.bench_function("interpolation", |b| b.iter(|| completed(None)));
    if let Some(model) = &model {
        group.bench_function("network", |b| b.iter(|| completed(Some(model))));
    }
    let (images, hop) = completed(model.as_ref());
    let magnitudes = images[0].mapv(|level| 10f32.powf(level / 20.0));
    let transform = Transform::new(&header.stft, hop).expect("a supported transform");
    group.bench_function("phase", |b| {
        b.iter(|| rebuild(&transform, magnitudes.view()))
    });
    group.finish();
}

fn main() {
    let mut criterion = criterion().configure_from_args();
    ends(&mut criterion);
    stages(&mut criterion);
    criterion.final_summary();
}
