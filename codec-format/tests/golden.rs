//! Bytes that must never change: headers with every flag and segments with every coding. Whoever swaps two flags or
//! makes a mixer faster hears of it here.

use codec_format::header::*;
use codec_format::symbols::*;
use codec_format::{seeded_mask, Event, Limits, SegmentCoder, StreamReader, StreamWriter};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signal(rate: u32, channels: u8) -> Signal {
    Signal { rate, channels }
}

fn ridge() -> Header {
    Header {
        source: signal(8000, 1),
        coded: signal(8000, 1),
        total_samples: None,
        pre_skip: 0,
        stft: Stft {
            n_fft: 64,
            window_length: 64,
            window: WindowKind::Hann,
            hop: 32,
        },
        segment_frames: 8,
        model: None,
        quantiser: Quantiser {
            origin: -320,
            step: 24,
        },
        mask: MaskKind::Ridge { threshold_step: 16 },
        values: ValueCoding::Packed,
        lattice: None,
        phase: PhaseKind::None,
        waveform: None,
    }
}

fn lattice() -> Option<LatticeShape> {
    Some(LatticeShape {
        bands: 5,
        every: 3,
        step: 32,
    })
}

const HEADERS: [&str; 12] = [""; 12];

const SEGMENTS: [&str; 5] = [""; 5];

/// One header a flag, so that no two flags can change places, and one with all.
#[test]
fn headers_keep_their_bytes() {
    let base = ridge();
    let waveform = Some(WaveformShape {
        coefficients: 4,
        step: -40,
    });
    let short = Stft {
        window_length: 50,
        window: WindowKind::Sine,
        hop: 7,
        ..base.stft
    };
    let headers = [
        base.clone(),
        Header {
            source: signal(44_100, 2),
            ..base.clone()
        },
        Header {
            total_samples: Some(300),
            ..base.clone()
        },
        Header {
            pre_skip: 33,
            ..base.clone()
        },
        Header {
            model: Some(ModelId(*b"sparcnet")),
            ..base.clone()
        },
        Header {
            lattice: lattice(),
            ..base.clone()
        },
        Header {
            stft: short,
            ..base.clone()
        },
        Header {
            values: ValueCoding::Context,
            ..base.clone()
        },
        Header {
            waveform,
            ..base.clone()
        },
        Header {
            mask: MaskKind::Seeded {
                seed: 0x0123_4567_89ab_cdef,
            },
            ..base.clone()
        },
        Header {
            mask: MaskKind::Packed,
            phase: PhaseKind::All { bits: 9 },
            ..base.clone()
        },
        Header {
            source: signal(192_000, 8),
            coded: signal(48_000, 3),
            total_samples: Some(1 << 33),
            pre_skip: 1,
            stft: Stft {
                n_fft: 4096,
                window_length: 4000,
                window: WindowKind::Sine,
                hop: 512,
            },
            segment_frames: 16,
            model: Some(ModelId([0xff; 8])),
            quantiser: Quantiser {
                origin: 1000,
                step: 255,
            },
            mask: MaskKind::RunLength,
            values: ValueCoding::Context,
            lattice: lattice(),
            phase: PhaseKind::Thresholded {
                bits: 12,
                threshold: -9,
            },
            waveform: None,
        },
    ];
    let mut found = Vec::new();
    for header in &headers {
        let mut stream = Vec::new();
        StreamWriter::new(header, &Limits::default(), &mut stream).unwrap();
        // Without the signature, the chunk's type and length before, and its checksum.
        found.push(hex(&stream[10..stream.len() - 4]));
        let mut reader = StreamReader::new(&Limits::default());
        reader.push(&stream);
        let read = reader.next_event();
        assert_eq!(read, Ok(Some(Event::Header(Box::new(header.clone())))));
    }
    assert_eq!(found, HEADERS);
}

/// Symbols that follow from their places alone.
fn segment(header: &Header) -> Segment {
    let (bins, frames, index) = (header.stft.bins(), 8, 3);
    let pixels = bins * frames;
    let mix = |n: usize, below: usize| (n * n * 7 + n * 13 + n / 5) % 1009 % below;
    let channels = (0..usize::from(header.coded.channels)).map(|channel| {
        let scattered: Mask = (0..pixels).map(|n| mix(n + channel, 4) == 0).collect();
        let mask = match header.mask {
            MaskKind::Seeded { seed } => seeded_mask(seed, index, channel, pixels, 40),
            MaskKind::Ridge { .. } => (0..pixels)
                .map(|n| n % bins >= header.covered_bins() && (n % bins + n / bins / 2) % 6 < 2)
                .collect(),
            _ => scattered.clone(),
        };
        let values = mask.iter_ones().map(|n| mix(n, 9) as u8).collect();
        let count = header.coefficients() * frames;
        let stored = match header.phase {
            PhaseKind::None => Mask::new(),
            PhaseKind::Thresholded { .. } => scattered,
            PhaseKind::All { .. } => Mask::repeat(true, pixels),
        };
        SparseImage {
            kept: match header.mask {
                MaskKind::Ridge { .. } => Kept::Ridge {
                    mask,
                    values,
                    thresholds: (0..frames).map(|n| 20 + mix(n, 5) as u8).collect(),
                    waveform: (0..count).map(|n| mix(n, 300) as i16 - 150).collect(),
                },
                _ => Kept::Scattered { mask, values },
            },
            lattice: (0..header.lattice.map_or(0, |shape| shape.cells(frames)))
                .map(|n| 9 + mix(n, 6) as u8)
                .collect(),
            phases: Phases {
                angles: stored.iter_ones().map(|n| mix(n, 16) as u16).collect(),
                mask: stored,
            },
            ..SparseImage::silent(header, frames)
        }
    });
    Segment {
        index,
        channels: channels.collect(),
    }
}

#[test]
fn segments_keep_their_bytes() {
    let base = ridge();
    let headers = [
        base.clone(),
        Header {
            lattice: lattice(),
            waveform: Some(WaveformShape {
                coefficients: 4,
                step: -40,
            }),
            phase: PhaseKind::Thresholded {
                bits: 4,
                threshold: 0,
            },
            ..base.clone()
        },
        Header {
            mask: MaskKind::Seeded { seed: 7 },
            coded: signal(8000, 2),
            phase: PhaseKind::All { bits: 4 },
            ..base.clone()
        },
        Header {
            mask: MaskKind::Packed,
            values: ValueCoding::Context,
            lattice: lattice(),
            ..base.clone()
        },
        Header {
            mask: MaskKind::RunLength,
            values: ValueCoding::Context,
            ..base.clone()
        },
    ];
    let mut found = Vec::new();
    for header in &headers {
        let coder = SegmentCoder::new(header, &Limits::default()).unwrap();
        let segment = segment(header);
        let body = coder.encode(&segment).unwrap();
        assert_eq!(coder.decode(&body), Ok(segment));
        found.push(hex(&body));
    }
    assert_eq!(found, SEGMENTS);
}
