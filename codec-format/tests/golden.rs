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

const HEADERS: [&str; 12] = [
    "1000c03e01862008ff04180310",
    "1001c03e01c4d80202862008ff04180310",
    "1002c03e01ac02862008ff04180310",
    "1004c03e0121862008ff04180310",
    "1008c03e0186200873706172636e6574ff04180310",
    "1010c03e01862008ff04180310050320",
    "1000c03e0116320708ff04180310",
    "1040c03e01862008ff04180310",
    "1080c03e01862008ff0418031004d8",
    "1000c03e01862008ff041800efcdab8967452301",
    "1000c03e01862008ff04182109",
    "105f80f7020380dc0b088080808020011ca01f800410ffffffffffffffffd00fff120503200c11",
];

const SEGMENTS: [&str; 5] = [
    "06270cbc614765ac97bf0b7655daacbb1d7708ff2c1f1c916fb1f00ff70060accfb3530c884de335a15ef045f1ca7cfd2cad\
     e78ada8818ac33124e5ed65808f83180cc12a761f2ec5fd032cde78b35c1e795841433845da001",
    "06274765729f12792c48c99327a78d512cc0a7854e4796c05d1a97847895d4faab1e24eb79439cda0357f036183105ea4c8c\
     8d3e4727e158e3d122889ee9dcb50bef1fcb34664995eb2be06dcc925c4a87e7478bfead72a6469437a2eec92fc7c2db15d6\
     af6dbf81f4c1b254db604c099649807ad55ba61969cee5bcef9f941d7a98e15b486b24c23400509d45a29a5ae7d8a257eba7\
     f6af4a757552687f12adc5aa82e1ca89827a07ad7deff29cb275b4533a95f6a6f682821eeb119fd7ddb522e98088c76b64c7\
     32b2298c05ad",
    "062804313105163356802766147550033113554037131528044433116360745844571661438488562437431088fb99be4c62\
     ff26c3da88ae4c721138d60fb99be4c62ff26c3da88ae4c721138d60cbad181a7569c3b630149f72fee05c50ccbad181a756\
     9c3b630149f72fee05c50cbce392da9ad292c989d181ca89c291da9bce392da9ad292c989d181ca89c291da9bd3a3fbbc05c\
     51fef280942137c3d9757bd3a3fbbc05c51fef280942137c3d9757b192ecbd06e841137d5fb99ae5d720137b192ecbd06e84\
     1137d5fb99ae5d720137d5fca9c06f85346a0930de15c3eb9ac17d5fca9c06f85346a0930de15c3eb9ac170b7569e4d74336\
     b2b52125909420149090b7569e4d74336b2b52125909420149094101490a51125b1b63337c4d8657af70c4101490a51125b1\
     b63337c4d8657af70c",
    "06138c001104c2c20224000000a8070a581a04988198408240a18156000000500f34015f3c10a438b7bb50f2b930c77a4bb2\
     d9de75625431c62267f60ceebd2654a7578048f8bff579e77185",
    "063fb28fd946bee9a5b9cdef77194a0fa80a124e6132f2b11ae7a27c4cf5017a9ddeac2ce5d820f0f8c577cd7b6f0b2b4924\
     5bbdf328054e20cec5592798",
];

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
