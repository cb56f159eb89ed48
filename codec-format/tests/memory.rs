//! Reading in memory that is taken once: the same symbols on the heap and in a block, in just as much memory as was
//! counted, and nothing allocated after.

mod common;

use codec_format::header::Header;
use codec_format::memory::{Block, Count, Heap, Memory};
use codec_format::symbols::{Row, RowBuffer, Segment, SegmentView, SparseImage};
use codec_format::{
    Chunk, Chunks, Error, Event, Limits, SegmentCoder, SegmentDecoder, StreamReader, StreamWriter,
};
use common::draws::Draws;
use common::{choices, symbols};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what the thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `work` gives, and how often it allocated.
fn allocations<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.with(Cell::get);
    let result = work();
    (result, ALLOCATIONS.with(Cell::get) - before)
}

/// A few segments of different lengths, as drawn, and their bodies.
fn segments(draws: &mut Draws<'_>, header: &Header) -> Vec<(Segment, Vec<u8>)> {
    let coder = SegmentCoder::new(header, &Limits::default()).unwrap();
    let longest = usize::from(header.segment_frames);
    let mut lengths = vec![longest, 1 + longest / 2, longest, 1];
    lengths.truncate(1 + draws.below(4) as usize);
    let coded = |(index, &frames): (usize, &usize)| {
        let segment = symbols::segment(draws, header, index as u32, frames);
        let body = coder.encode(&segment).unwrap();
        (segment, body)
    };
    lengths.iter().enumerate().map(coded).collect()
}

/// Bytes that a decoder and a buffer for rows take.
fn bytes(header: &Header) -> u64 {
    let mut count = Count::default();
    SegmentDecoder::new(header, &Limits::default(), &mut count).unwrap();
    RowBuffer::new(header, &mut count).unwrap();
    count.bytes()
}

/// Compares all rows of what was read with those of what was written.
fn compare<M: Memory>(read: SegmentView<'_>, written: &Segment, buffer: &mut RowBuffer<M>) {
    assert_eq!(
        (read.index(), read.frames()),
        (written.index, written.frames())
    );
    assert_eq!(read.channels(), written.channels.len());
    for (channel, image) in written.channels.iter().enumerate() {
        for frame in 0..image.frames {
            assert_eq!(read.row(channel, frame), buffer.row(image, frame));
        }
    }
}

/// Reads all the bodies with one decoder in memory of `M`.
fn read<M: Memory>(header: &Header, written: &[(Segment, Vec<u8>)], memory: &mut M) {
    let mut decoder = SegmentDecoder::new(header, &Limits::default(), memory).unwrap();
    let mut buffer = RowBuffer::new(header, memory).unwrap();
    for (segment, body) in written {
        let ((), allocated) = allocations(|| {
            compare(decoder.decode(body).unwrap(), segment, &mut buffer);
        });
        assert_eq!(allocated, 0, "allocations");
        // What is damaged leaves nothing behind: the next segment is read as if it had not been.
        let _ = decoder.decode(&body[..body.len() / 2]);
    }
    for (segment, body) in written.iter().rev() {
        assert_eq!(&decoder.decode(body).unwrap().to_segment(), segment);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_decoder_is_used_again_in_any_memory(choices in choices()) {
        let draws = &mut Draws::new(&choices);
        let header = symbols::header(draws);
        let written = segments(draws, &header);
        let bytes = bytes(&header);
        read(&header, &written, &mut Heap::new(bytes));
        // What the block held before does not matter.
        let mut words = vec![0x5555_5555_5555_5555u64; bytes as usize / 8];
        read(&header, &written, &mut Block::new(&mut words));
        words.pop();
        let mut memory = Block::new(&mut words);
        let short = SegmentDecoder::new(&header, &Limits::default(), &mut memory).map(|_| ())
            .and_then(|()| RowBuffer::new(&header, &mut memory).map(|_| ()));
        prop_assert!(
            matches!(short, Err(Error::LimitExceeded { what: "bytes of memory", .. })),
            "{:?}",
            short
        );
    }

    #[test]
    fn bodies_are_refused_alike(choices in choices(), body in prop::collection::vec(any::<u8>(), 0..600)) {
        let header = symbols::header(&mut Draws::new(&choices));
        let limits = Limits::default();
        let coder = SegmentCoder::new(&header, &limits).unwrap();
        let mut decoder = SegmentDecoder::new(&header, &limits, &mut Heap::new(u64::MAX)).unwrap();
        let silent = symbols::segment(&mut Draws::new(&[]), &header, 0, 1);
        decoder.decode(&coder.encode(&silent).unwrap()).unwrap();
        let read = decoder.decode(&body).map(|view| view.to_segment());
        prop_assert_eq!(read, coder.decode(&body));
    }

    /// What [`Chunks`] finds in a stream is what the reader finds, whole or damaged.
    #[test]
    fn chunks_are_those_of_the_reader(choices in choices(), damage in any::<Option<(u16, u8)>>()) {
        let draws = &mut Draws::new(&choices);
        let (header, segments, total) = symbols::stream(draws);
        let limits = Limits::default();
        let mut stream = Vec::new();
        let mut writer = StreamWriter::new(&header, &limits, &mut stream).unwrap();
        for segment in &segments {
            writer.segment(segment, &mut stream).unwrap();
        }
        writer.finish(total, &mut stream).unwrap();
        if let Some((place, bits)) = damage {
            let place = usize::from(place) % stream.len();
            stream[place] ^= bits;
        }
        let mut reader = StreamReader::new(&limits);
        reader.push(&stream);
        reader.finish();
        let mut wanted = Vec::new();
        while let Ok(Some(event)) = reader.next_event() {
            if let Event::Segment(segment) = event {
                wanted.push(segment);
            }
        }
        let (mut decoder, mut found) = (None, Vec::new());
        let memory = &mut Heap::new(u64::MAX);
        for chunk in Chunks::new(&stream, &limits).flatten() {
            match (chunk, &mut decoder) {
                (Chunk::Header(read), _) => {
                    decoder = Some(SegmentDecoder::new(&read, &limits, memory).unwrap());
                }
                (Chunk::Segment { body, .. }, Some(decoder)) => {
                    found.extend(decoder.decode(body).map(|view| view.to_segment()));
                }
                (Chunk::Total(read), _) => prop_assert_eq!(read, total),
                (chunk, _) => prop_assert!(false, "unexpected {:?}", chunk),
            }
        }
        prop_assert_eq!(found, wanted);
    }
}

/// Every vector that is no error has the same segments for both, and every one that is ends.
#[test]
fn chunks_of_the_vectors() {
    let limits = Limits::default();
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors");
    for folder in ["baseline", "uncommon", "faulty"] {
        for file in std::fs::read_dir(format!("{vectors}/{folder}")).unwrap() {
            let path = file.unwrap().path();
            let stream = std::fs::read(&path).unwrap();
            let mut bodies = 0;
            let mut last = None;
            for chunk in Chunks::new(&stream, &limits) {
                bodies += u32::from(matches!(chunk, Ok(Chunk::Segment { .. })));
                last = Some(chunk);
            }
            assert!(last.is_some(), "{path:?}");
            let mut reader = StreamReader::new(&limits);
            reader.push(&stream);
            reader.finish();
            let (mut segments, mut failed) = (0, None);
            loop {
                match reader.next_event() {
                    Ok(Some(Event::Segment(_))) => segments += 1,
                    Ok(Some(Event::End { .. })) => break,
                    Ok(_) => {}
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            // The reader counts none that is out of order, or that does not decode.
            assert!(bodies >= segments, "{path:?}");
            if let (Some(error), 0) = (failed, bodies) {
                let what = "TAIL";
                assert!(
                    last == Some(Err(error))
                        || matches!(error, Error::Truncated { what: w, .. } if w == what),
                    "{path:?}: {last:?}, {error}"
                );
            }
        }
    }
}

/// Nothing of the walk allocates, whatever it meets.
#[test]
fn walking_takes_no_memory() {
    let stream = include_bytes!("../../spec/vectors/uncommon/segment-overwritten.sparc");
    let (chunks, allocated) = allocations(|| Chunks::new(stream, &Limits::default()).count());
    assert!(chunks > 2);
    assert_eq!(allocated, 0);
}

#[test]
fn a_lost_segment_has_rows_too() {
    let draws = &mut Draws::new(&[7; 40]);
    for _ in 0..50 {
        let header = symbols::header(draws);
        let mut buffer = RowBuffer::new(&header, &mut Heap::new(u64::MAX)).unwrap();
        let mut silent = SparseImage::silent(&header, usize::from(header.segment_frames));
        silent.phases.mask.fill(false);
        silent.phases.angles.clear();
        let mut other = RowBuffer::new(&header, &mut Heap::new(u64::MAX)).unwrap();
        for frame in 0..silent.frames {
            let row: Row<'_> = other.row(&silent, frame);
            assert_eq!(buffer.silent(frame), row);
        }
    }
}

/// No masks of runs take time that grows with the square of their pixels.
#[test]
fn many_short_runs_are_read_at_once() {
    use codec_format::header::*;
    use codec_format::symbols::{Kept, Mask};
    let draws = &mut Draws::new(&[]);
    let mut header = symbols::header(draws);
    header.coded.channels = 1;
    header.stft = Stft {
        n_fft: 4096,
        window_length: 4096,
        window: WindowKind::Hann,
        hop: 1024,
    };
    header.segment_frames = 512;
    (header.mask, header.values) = (MaskKind::RunLength, ValueCoding::Packed);
    (header.lattice, header.phase, header.waveform) = (None, PhaseKind::None, None);
    let pixels = header.stft.bins() * 512;
    let mask: Mask = (0..pixels).map(|pixel| pixel % 2 == 1).collect();
    let values = vec![0; mask.count_ones()];
    let mut image = SparseImage::silent(&header, 512);
    image.kept = Kept::Scattered { mask, values };
    let segment = Segment {
        index: 0,
        channels: vec![image],
    };
    let coder = SegmentCoder::new(&header, &Limits::default()).unwrap();
    let body = coder.encode(&segment).unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(coder.decode(&body).unwrap(), segment);
    let took = begun.elapsed();
    assert!(took.as_secs() < 5, "{took:?}");
}
