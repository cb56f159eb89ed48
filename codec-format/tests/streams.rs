//! Properties of whole streams.

mod common;

use codec_format::header::*;
use codec_format::symbols::{Segment, SparseImage};
use codec_format::{Error, Event, Limits, Metadata, StreamReader, StreamWriter};
use common::draws::Draws;
use common::{choices, symbols};
use proptest::prelude::*;

fn write(choices: &[u8]) -> (Vec<u8>, Header, Vec<Segment>, u64) {
    let mut draws = Draws::new(choices);
    let (header, list, total) = symbols::stream(&mut draws);
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
    if draws.chance() {
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

/// A stream of three whole segments and a short one, and where its chunks begin.
fn four_segments(known: bool) -> (Vec<u8>, Vec<usize>, u64) {
    let signal = Signal {
        rate: 8000,
        channels: 1,
    };
    let total = 3 * 8 * 32 + 40;
    let header = Header {
        source: signal,
        coded: signal,
        total_samples: known.then_some(total),
        pre_skip: 0,
        stft: Stft {
            n_fft: 64,
            window_length: 64,
            window: WindowKind::Hann,
            hop: 32,
        },
        segment_frames: 8,
        model: Some(ModelId::of(b"a model")),
        quantiser: Quantiser {
            origin: -320,
            step: 24,
        },
        mask: MaskKind::Packed,
        values: ValueCoding::Packed,
        lattice: None,
        phase: PhaseKind::None,
        waveform: None,
    };
    let mut out = Vec::new();
    let mut writer = StreamWriter::new(&header, &Limits::default(), &mut out).unwrap();
    let mut starts = Vec::new();
    for file in [b"garbage", b"a model", b"a model"] {
        writer.model(file, &mut out).unwrap();
    }
    for (index, frames) in [8, 8, 8, 3].into_iter().enumerate() {
        starts.push(out.len());
        let segment = Segment {
            index: index as u32,
            channels: vec![SparseImage::silent(&header, frames)],
        };
        writer.segment(&segment, &mut out).unwrap();
    }
    starts.push(out.len());
    writer.finish(total, &mut out).unwrap();
    (out, starts, total)
}

fn lost(events: &[Event]) -> Vec<(u32, u8)> {
    let pick = |event: &Event| match event {
        Event::DamagedSegment { index, error, .. } => Some((*index, error.number())),
        _ => None,
    };
    events.iter().filter_map(pick).collect()
}

#[test]
fn only_the_model_that_the_header_names_is_handed_out() {
    let (bytes, _, total) = four_segments(false);
    let (events, error) = read(&bytes, 100);
    assert_eq!((error, lost(&events)), (None, vec![]));
    let models = events.iter().filter_map(|event| match event {
        Event::Model(file) => Some(&file[..]),
        _ => None,
    });
    assert_eq!(models.collect::<Vec<_>>(), [b"a model"]);
    assert_eq!(events.last(), Some(&Event::End { total }));
}

/// Truncated where bytes may have been cut off, complete with damage where the stream's end was seen.
#[test]
fn lost_last_segments_are_told() {
    for known in [false, true] {
        let (bytes, starts, total) = four_segments(known);
        // Damaged, and behind it TAIL or the end.
        let mut damaged = bytes.clone();
        damaged[starts[3] + 4] ^= 1;
        let (events, error) = read(&damaged, 100);
        assert_eq!((error, lost(&events)), (None, vec![(3, 3)]));
        let begins = |event: &Event| matches!(event, Event::DamagedSegment { at, .. } if *at == starts[3] as u64);
        assert!(events.iter().any(begins), "{events:?}");
        assert_eq!(events.last(), Some(&Event::End { total }));
        // Cut out: only TAIL can tell that nothing more comes.
        let mut without = bytes.clone();
        without.drain(starts[2]..starts[4]);
        let (events, error) = read(&without, 100);
        if known {
            assert!(matches!(
                error,
                Some(Error::Truncated {
                    what: "segments",
                    ..
                })
            ));
        } else {
            assert_eq!((error, lost(&events)), (None, vec![(2, 1)]));
            assert_eq!(events.last(), Some(&Event::End { total }));
        }
    }
}

#[test]
fn a_short_segment_is_the_last_and_as_short_as_the_count_says() {
    let (bytes, starts, _) = four_segments(false);
    // Nothing may follow it.
    let mut more = bytes[..starts[4]].to_vec();
    more.extend_from_slice(&bytes[starts[2]..starts[3]]);
    let (events, _) = read(&more, 100);
    assert_eq!(lost(&events), [(4, 2)]);
    assert_eq!(segments(&events).len(), 4);
    // Counts that it contradicts, one frame less and one more than it has.
    for (count, fits) in [
        (3 * 8 * 32, false),
        (3 * 8 * 32 + 33, true),
        (3 * 8 * 32 + 65, false),
    ] {
        let mut other = bytes[..starts[4]].to_vec();
        other.extend(chunk(6, &[count as u8 | 0x80, (count >> 7) as u8]));
        let (_, error) = read(&other, 100);
        assert_eq!(error.is_none(), fits, "{count}: {error:?}");
    }
}

fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128);
    let mut chunk = vec![kind, body.len() as u8];
    chunk.extend_from_slice(body);
    chunk.extend(crc32fast::hash(&chunk).to_le_bytes());
    chunk
}

/// What is wrong first: its number, its name, and where.
fn fault(bytes: &[u8]) -> (u8, &'static str, Option<u64>) {
    let (events, error) = read(bytes, 100);
    let damage = events.iter().find_map(|event| match event {
        Event::DamagedSegment { error, .. } => Some(*error),
        _ => None,
    });
    let error = damage.or(error).expect("a fault");
    let (what, at) = match error {
        Error::Truncated { what, at } | Error::Malformed { what, at } => (what, Some(at)),
        Error::Corrupt { what, at } | Error::Unsupported { what, at, .. } => (what, Some(at)),
        Error::LimitExceeded { what, at, .. } => (what, at),
        other => panic!("{other}"),
    };
    (error.number(), what, at)
}

#[test]
fn faults_say_what_and_where() {
    let (bytes, starts, _) = four_segments(false);
    let head = &bytes[10..8 + bytes[9] as usize + 2];
    let body = 10 + head.len();
    // The stream with bytes of HEAD changed, counted from its body.
    let header = |changes: &[(usize, u8)]| {
        let mut head = head.to_vec();
        changes.iter().for_each(|&(at, byte)| head[at] = byte);
        let mut out = bytes[..8].to_vec();
        out.extend(chunk(1, &head));
        out
    };
    // The stream up to its first segment, and then this.
    let first = starts[0] as u64;
    let behind = |piece: &[u8]| [&bytes[..starts[0]], piece].concat();
    let with = |place: usize, byte: u8| {
        let mut out = bytes.clone();
        out[place] ^= byte;
        out
    };
    let cases = [
        (with(3, 1), (2, "signature", Some(0))),
        (bytes[..5].to_vec(), (1, "signature", Some(5))),
        (with(12, 1), (3, "HEAD", Some(8))),
        (with(body, 1), (3, "HEAD", Some(8))),
        (header(&[(0, 0x20)]), (4, "major version", Some(10))),
        (header(&[(1, 0x28)]), (2, "header flags", Some(11))),
        (header(&[(4, 9)]), (5, "channels", Some(10))),
        (header(&[(5, 0xa6)]), (4, "window kind", Some(15))),
        (
            header(&[(6, 33)]),
            (2, "hop: not from 1 to half the window", Some(10)),
        ),
        (header(&[(19, 0x04)]), (4, "mask kind", Some(29))),
        (
            [&bytes[..8], &chunk(6, &[0])].concat(),
            (2, "place of the header", Some(8)),
        ),
        (
            behind(&bytes[8..body + 4]),
            (2, "place of the header", Some(first)),
        ),
        (
            behind(&chunk(0x33, &[])),
            (4, "critical chunk", Some(first)),
        ),
        (
            behind(&chunk(6, &[0x80, 0])),
            (2, "total samples", Some(first + 2)),
        ),
        (
            behind(&chunk(6, &[5, 0])),
            (2, "end of trailer", Some(first + 3)),
        ),
        (
            behind(&chunk(3, &[])),
            (1, "segment index", Some(first + 2)),
        ),
        (
            behind(&chunk(3, &[1, 8])),
            (2, "segment frames", Some(first + 3)),
        ),
        (
            behind(&chunk(3, &[0, 0])),
            (1, "packed mask", Some(first + 4)),
        ),
        (
            bytes[..starts[1] + 9].to_vec(),
            (1, "SEGM", Some(starts[1] as u64 + 9)),
        ),
        (
            bytes[..starts[4]].to_vec(),
            (1, "TAIL", Some(starts[4] as u64)),
        ),
    ];
    for (stream, expected) in cases {
        assert_eq!(fault(&stream), expected);
    }
}

#[test]
fn segments_that_are_skipped_are_not_lost() {
    let (bytes, _, total) = four_segments(false);
    for first in [0, 2, 3, 4, u32::MAX] {
        let mut reader = StreamReader::new(&Limits::default());
        reader.skip_to(first);
        reader.push(&bytes);
        reader.finish();
        let events: Vec<Event> =
            std::iter::from_fn(|| reader.next_event().expect("a sound stream")).collect();
        let found: Vec<u32> = segments(&events).iter().map(|s| s.index).collect();
        assert_eq!(found, (first.min(4)..4).collect::<Vec<u32>>());
        assert_eq!(
            (lost(&events), events.last()),
            (vec![], Some(&Event::End { total }))
        );
    }
}

#[test]
fn a_few_bytes_do_not_claim_hours() {
    let (bytes, starts, _) = four_segments(false);
    let mut forged = bytes[..starts[1]].to_vec();
    // The second segment's place, as a varint of three bytes.
    let body = &bytes[starts[1] + 3..starts[2] - 4];
    let place = 2 * 100_000u32;
    let index = [
        place as u8 | 0x80,
        (place >> 7) as u8 | 0x80,
        (place >> 14) as u8,
    ];
    forged.extend(chunk(3, &[&index, body].concat()));
    let (events, _) = read(&forged, 100);
    assert_eq!(lost(&events), [(1, 5)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn what_is_written_is_read(choices in choices(), piece in 1usize..3000) {
        let (bytes, header, list, total) = write(&choices);
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
    fn a_cut_stream_is_reported_as_truncated(choices in choices(), cut: prop::sample::Index) {
        let (bytes, header, list, _) = write(&choices);
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
    fn a_damaged_byte_never_goes_unnoticed(choices in choices(), place: prop::sample::Index, flip in 1u8..=255) {
        let (mut bytes, _, list, _) = write(&choices);
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
    fn damage_costs_only_its_segment(choices in choices(), place: prop::sample::Index) {
        let (bytes, _, list, _) = write(&choices);
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
    fn arbitrary_chunks_do_no_harm(choices in choices(), bodies in prop::collection::vec(
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..8)) {
        // Sound checksums around nonsense, behind a real header.
        let (bytes, _, _, _) = write(&choices);
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
