//! Targets for the container: bytes to events, symbols to bytes and back.

use super::draws::Draws;
use super::resign::resign;
use super::symbols;
use codec_format::memory::{Count, Heap};
use codec_format::segment::SegmentCoder;
use codec_format::symbols::Segment;
use codec_format::{
    inspect, Chunk, Chunks, Error, Event, Limits, Metadata, SegmentDecoder, StreamReader,
    StreamWriter,
};

/// Limits for streams of a few kilobytes: so low that the fuzzer meets them, so high that seeds pass.
pub fn small_limits() -> Limits {
    let mut limits = Limits::default();
    limits.segment_pixels = 1 << 13;
    limits.segment_bytes = 1 << 16;
    limits.metadata_bytes = 1 << 10;
    limits.metadata_entries = 8;
    limits.seek_entries = 64;
    limits.skipped_bytes = 1 << 10;
    limits.resync_bytes = 1 << 16;
    limits
}

/// Everything a reader says about these pieces, and how it ended.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<Error>) {
    let mut reader = StreamReader::new(&small_limits());
    let mut pieces = pieces.fuse();
    let mut events = Vec::new();
    loop {
        match reader.next_event() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => match pieces.next() {
                Some(piece) => reader.push(piece),
                None if matches!(events.last(), Some(Event::End { .. })) => return (events, None),
                None => reader.finish(),
            },
            Err(error) => {
                assert_eq!(reader.next_event(), Err(error), "an error stays");
                return (events, Some(error));
            }
        }
    }
}

/// Cuts `bytes` into pieces whose lengths are the bytes themselves.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = (1 + usize::from(*rest.first()?)).min(rest.len());
        let (piece, behind) = rest.split_at(length);
        rest = behind;
        Some(piece)
    })
}

/// The segments that one decoder reads in the chunks of a stream, in memory that is taken once.
fn walk(stream: &[u8], limits: &Limits) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut decoder = None;
    for chunk in Chunks::new(stream, limits).flatten() {
        match (chunk, &mut decoder) {
            (Chunk::Header(header), _) => {
                let mut count = Count::default();
                SegmentDecoder::new(&header, limits, &mut count).expect("the header was checked");
                let memory = &mut Heap::new(count.bytes());
                decoder = SegmentDecoder::new(&header, limits, memory).ok();
                assert!(decoder.is_some(), "what was counted is enough");
            }
            (Chunk::Segment { body, .. }, Some(decoder)) => {
                segments.extend(decoder.decode(body).map(|view| view.to_segment()));
            }
            _ => {}
        }
    }
    segments
}

/// A stream, arbitrary but for checksums put right if the first byte is odd: whole and in pieces it tells the
/// same events, and every segment that comes out can be written and read again.
pub fn format_parse(data: &[u8]) -> usize {
    let Some((&mode, stream)) = data.split_first() else {
        return 0;
    };
    let stream = if mode & 1 == 1 {
        resign(stream)
    } else {
        stream.to_vec()
    };
    let whole = read(std::iter::once(&stream[..]));
    assert_eq!(
        read(pieces(&stream)),
        whole,
        "events depend on how the bytes arrive"
    );

    let limits = small_limits();
    let mut walked = walk(&stream, &limits).into_iter();
    let mut coder = None;
    for event in &whole.0 {
        match event {
            Event::Header(header) => coder = SegmentCoder::new(header, &limits).ok(),
            Event::Segment(segment) => {
                let coder = coder
                    .as_ref()
                    .expect("a segment only comes behind a good header");
                // Only a length no reader takes may stand in the way.
                let body = coder.encode(segment).expect("what was read can be written");
                assert_eq!(coder.decode(&body).as_ref(), Ok(segment));
                // The walk does not know which are out of place.
                assert!(
                    walked.any(|other| other == *segment),
                    "the walk finds it too"
                );
            }
            _ => {}
        }
    }
    match inspect::layout(&stream, &limits) {
        Ok(chunks) => {
            let sizes: u64 = chunks.iter().map(|chunk| chunk.size).sum();
            assert!(sizes <= stream.len() as u64);
        }
        Err(_) => assert!(whole.1.is_some(), "a stream that reads well has a layout"),
    }
    whole.0.len()
}

/// Arbitrary lawful symbols: what is written is read, the count of bytes is right, and the measured cost is
/// that of the bytes.
pub fn format_roundtrip(data: &[u8]) -> usize {
    let mut draws = Draws::new(data);
    let (header, segments, total) = symbols::stream(&mut draws);
    let limits = Limits::default();
    let mut out = Vec::new();
    let mut writer = StreamWriter::new(&header, &limits, &mut out).expect("the header is lawful");
    let metadata = Metadata {
        vendor: "fuzz".into(),
        comments: vec![("TITLE".into(), format!("{}", draws.byte()))],
    };
    writer
        .metadata(&metadata, &mut out)
        .expect("the comments are lawful");
    for segment in &segments {
        let before = out.len();
        let bits = writer
            .segment(segment, &mut out)
            .expect("the symbols are lawful");
        let written = 8 * (out.len() - before) as u64;
        // Type, length, place, counts and checksum come on top; the coder ends within four bytes.
        assert!(
            bits.total() / 256 <= written,
            "{} > {written}",
            bits.total() / 256
        );
    }
    if draws.chance() {
        writer.seek_index(&mut out).expect("there are few segments");
    }
    assert_eq!(writer.finish(total, &mut out), Ok(out.len() as u64));

    let mut reader = StreamReader::new(&limits);
    reader.push(&out);
    reader.finish();
    let mut found: Vec<Segment> = Vec::new();
    loop {
        match reader.next_event().expect("what was written can be read") {
            Some(Event::Header(read)) => assert_eq!(*read, header),
            Some(Event::Metadata(read)) => assert_eq!(read, metadata),
            Some(Event::Segment(segment)) => found.push(segment),
            Some(Event::End { total: read }) => {
                assert_eq!(read, total);
                break;
            }
            Some(Event::SeekIndex(points)) => assert_eq!(points.len(), segments.len()),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(found, segments);
    assert_eq!(walk(&out, &limits), segments);
    1 + found.len()
}
