//! Properties of whole streams.

mod common;

use codec_format::symbols::Segment;
use codec_format::{Error, Event, Limits, Metadata, StreamReader, StreamWriter};
use common::Draws;
use proptest::prelude::*;

fn write(
    draws: &mut Draws,
    segments: u64,
) -> (Vec<u8>, codec_format::header::Header, Vec<Segment>, u64) {
    let (header, list, total) = common::stream(draws, segments);
    let mut out = Vec::new();
    let limits = Limits::default();
    let mut writer = StreamWriter::new(&header, &limits, &mut out).unwrap();
    let metadata = Metadata {
        vendor: "test".into(),
        comments: vec![("TITLE".into(), "a = b, ü".into())],
    };
    writer.metadata(&metadata, &mut out).unwrap();
    for segment in &list {
        writer.segment(segment, &mut out).unwrap();
    }
    if draws.below(2) == 0 {
        writer.seek_index(&mut out).unwrap();
    }
    assert_eq!(writer.finish(total, &mut out).unwrap(), out.len() as u64);
    (out, header, list, total)
}

/// Everything a reader says about `bytes` pushed in pieces of `piece` bytes, and how it ended.
fn read(bytes: &[u8], piece: usize) -> (Vec<Event>, Option<Error>) {
    let mut reader = StreamReader::new(&Limits::default());
    let mut events = Vec::new();
    let mut pieces = bytes.chunks(piece.max(1));
    loop {
        match reader.next_event() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => match pieces.next() {
                Some(bytes) => reader.push(bytes),
                None if matches!(events.last(), Some(Event::End { .. })) => return (events, None),
                None => reader.finish(),
            },
            Err(error) => return (events, Some(error)),
        }
    }
}

fn segments(events: &[Event]) -> Vec<Segment> {
    let pick = |event: &Event| match event {
        Event::Segment(segment) => Some(segment.clone()),
        _ => None,
    };
    events.iter().filter_map(pick).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_written_is_read(seed: u64, count in 1u64..5, piece in 1usize..3000) {
        let (bytes, header, list, total) = write(&mut Draws(seed), count);
        let (events, error) = read(&bytes, piece);
        prop_assert_eq!(error, None);
        prop_assert_eq!(&events[0], &Event::Header(Box::new(header)));
        prop_assert!(matches!(&events[1], Event::Metadata(m) if m.get("title") == Some("a = b, ü")));
        prop_assert_eq!(segments(&events), list);
        prop_assert_eq!(events.last(), Some(&Event::End { total }));
        // The same events however the bytes arrive.
        prop_assert_eq!(events, read(&bytes, usize::MAX).0);
    }

    #[test]
    fn a_cut_stream_is_reported_as_truncated(seed: u64, cut: prop::sample::Index) {
        let (bytes, header, list, _) = write(&mut Draws(seed), 3);
        let cut = cut.index(bytes.len());
        let (events, error) = read(&bytes[..cut], 1000);
        let found = segments(&events);
        prop_assert_eq!(&found[..], &list[..found.len()]);
        let damaged = |event: &Event| matches!(event, Event::DamagedSegment { .. });
        prop_assert!(!events.iter().any(damaged));
        match error {
            Some(error) => prop_assert!(matches!(error, Error::Truncated { .. }), "{error}"),
            // Only behind the last segment, when nothing but the index is lost.
            None => prop_assert!(found.len() == list.len() && (header.total_samples.is_some())),
        }
    }

    #[test]
    fn a_damaged_byte_never_goes_unnoticed(seed: u64, place: prop::sample::Index, flip in 1u8..=255) {
        let (mut bytes, _, list, _) = write(&mut Draws(seed), 3);
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        let (events, error) = read(&bytes, 700);
        // What comes out is right, and something was said.
        for segment in segments(&events) {
            prop_assert_eq!(&list[segment.index as usize], &segment);
        }
        let noticed = events.iter().any(|event| matches!(event, Event::DamagedSegment { .. }));
        prop_assert!(noticed || error.is_some(), "byte {place}");
    }

    #[test]
    fn damage_costs_only_its_segment(seed: u64, place: prop::sample::Index) {
        let (bytes, _, list, _) = write(&mut Draws(seed), 4);
        let chunks = codec_format::inspect::layout(&bytes, &Limits::default()).unwrap();
        let of_segments: Vec<_> = chunks.iter().filter(|chunk| chunk.name == "SEGM").collect();
        prop_assume!(of_segments.len() > 2);
        // The body's bytes: the segment behind the second is found again.
        let hit = of_segments[1];
        let mut damaged = bytes.clone();
        damaged[hit.offset as usize + 2 + place.index(hit.size as usize - 2)] ^= 0x55;
        let (events, _) = read(&damaged, 5000);
        let found: Vec<u32> = segments(&events).iter().map(|segment| segment.index).collect();
        let expected: Vec<u32> = (0..list.len() as u32).filter(|&n| n != 1).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..3000), piece in 1usize..500) {
        let (_, error) = read(&bytes, piece);
        prop_assert!(error.is_some());
    }

    #[test]
    fn arbitrary_chunks_do_no_harm(seed: u64, bodies in prop::collection::vec(
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8)) {
        // Sound checksums around nonsense, behind a real header.
        let (bytes, _, _, _) = write(&mut Draws(seed), 1);
        let chunks = codec_format::inspect::layout(&bytes, &Limits::default()).unwrap();
        let mut bytes = bytes[..(chunks[1].offset + chunks[1].size) as usize].to_vec();
        for (kind, body) in bodies {
            let start = bytes.len();
            bytes.push((kind % 8) | (kind & 0x80));
            let mut length = body.len();
            while length >= 128 {
                bytes.push(length as u8 | 128);
                length >>= 7;
            }
            bytes.push(length as u8);
            bytes.extend_from_slice(&body);
            let crc = crc32fast::hash(&bytes[start..]);
            bytes.extend_from_slice(&crc.to_le_bytes());
        }
        let (events, error) = read(&bytes, 100);
        let ended = matches!(events.last(), Some(Event::End { .. }));
        prop_assert!(error.is_some() || ended);
    }
}
