//! Decodes the segments of a stream file, `reading FILE [TIMES]`: what `valgrind --tool=callgrind
//! --toggle-collect=reading::read` counts is what symbols cost.

use codec_format::header::Header;
use codec_format::memory::Heap;
use codec_format::{Event, Limits, SegmentCoder, SegmentDecoder, StreamReader};

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("a stream file");
    let times: u32 = args
        .next()
        .map_or(1, |times| times.parse().expect("a count"));
    let bytes = std::fs::read(path).expect("a file");
    let limits = Limits::default();
    let mut reader = StreamReader::new(&limits);
    reader.push(&bytes);
    reader.finish();
    let mut header: Option<Box<Header>> = None;
    let mut bodies = Vec::new();
    while let Some(event) = reader.next_event().expect("a good stream") {
        match event {
            Event::Header(found) => header = Some(found),
            Event::Segment(segment) => {
                let coder = SegmentCoder::new(header.as_ref().expect("a header"), &limits)
                    .expect("a good header");
                bodies.push(coder.encode(&segment).expect("good symbols"));
            }
            _ => {}
        }
    }
    let header = header.expect("a header");
    let mut decoder =
        SegmentDecoder::new(&header, &limits, &mut Heap::new(u64::MAX)).expect("memory");
    let (mut frames, mut kept) = (0, 0);
    let begun = std::time::Instant::now();
    for _ in 0..times {
        for body in &bodies {
            let segment = read(&mut decoder, body);
            frames += segment.0;
            kept += segment.1;
        }
    }
    let seconds = frames as f64 * f64::from(header.stft.hop) / f64::from(header.coded.rate);
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{seconds} s, {kept} kept pixels, {:.3} ms a second of sound",
        1e3 * took / seconds
    );
}

#[inline(never)]
fn read(decoder: &mut SegmentDecoder<Heap>, body: &[u8]) -> (usize, u16) {
    let segment = decoder.decode(body).expect("a good segment");
    (segment.frames(), segment.row(0, 0).kept.iter().sum())
}
