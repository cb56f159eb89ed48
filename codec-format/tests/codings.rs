//! Properties of single segments, one for every coding.

mod common;

use codec_format::header::*;
use codec_format::symbols::{Kept, Mask, Phases, Segment, SparseImage};
use codec_format::{Error, Limits, SegmentCoder, StreamWriter};
use common::draws::Draws;
use common::{choices, symbols};
use proptest::prelude::*;

/// A header with the given mask, values and phases, otherwise drawn.
fn header(draws: &mut Draws<'_>, mask: MaskKind, values: ValueCoding, phase: PhaseKind) -> Header {
    let drawn = symbols::header(draws);
    let ridge = matches!(mask, MaskKind::Ridge { .. });
    Header {
        mask,
        values,
        phase,
        waveform: drawn.waveform.filter(|_| ridge),
        ..drawn
    }
}

fn lossless(draws: &mut Draws<'_>, header: &Header) -> Result<(), TestCaseError> {
    let coder = SegmentCoder::new(header, &Limits::default()).unwrap();
    let frames = 1 + draws.below(u32::from(header.segment_frames)) as usize;
    let index = draws.below(1 << 20);
    let segment = symbols::segment(draws, header, index, frames);
    let (body, bits) = coder.encode_measured(&segment).unwrap();
    prop_assert_eq!(&coder.encode(&segment).unwrap(), &body);
    prop_assert_eq!(coder.decode(&body), Ok(segment));
    // The meter is right: the body is what it says, but for the place and the last byte.
    prop_assert_eq!(coder.decode_measured(&body).unwrap().1, bits);
    let (ideal, real) = (bits.total() as f64 / 256.0, 8.0 * body.len() as f64);
    prop_assert!(
        real < 1.001 * ideal + 64.0 && ideal < real + 64.0,
        "{ideal} bits in {real}"
    );
    Ok(())
}

macro_rules! lossless {
    ($($name:ident: $mask:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(60))]
            $(
                #[test]
                fn $name(choices in choices(), context: bool, phases in 0..3, bits in 1u8..=12) {
                    let values = if context { ValueCoding::Context } else { ValueCoding::Packed };
                    let phase = match phases {
                        0 => PhaseKind::None,
                        1 => PhaseKind::Thresholded { bits, threshold: -100 },
                        _ => PhaseKind::All { bits },
                    };
                    let draws = &mut Draws::new(&choices);
                    let mask = $mask(draws);
                    let header = header(draws, mask, values, phase);
                    lossless(draws, &header)?;
                }
            )*
        }
    };
}

lossless! {
    seeded_masks_are_lossless: |draws: &mut Draws<'_>| MaskKind::Seeded { seed: u64::from(draws.below(1 << 31)) };
    packed_masks_are_lossless: |_: &mut Draws<'_>| MaskKind::Packed;
    run_length_masks_are_lossless: |_: &mut Draws<'_>| MaskKind::RunLength;
    ridge_masks_are_lossless:
        |draws: &mut Draws<'_>| MaskKind::Ridge { threshold_step: 1 + draws.below(255) as u8 };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bodies_do_no_harm(choices in choices(), body in prop::collection::vec(any::<u8>(), 0..600)) {
        let header = symbols::header(&mut Draws::new(&choices));
        let coder = SegmentCoder::new(&header, &Limits::default()).unwrap();
        if let Ok(segment) = coder.decode(&body) {
            // What decodes is lawful: it can be written again.
            let again = coder.encode(&segment).unwrap();
            prop_assert_eq!(coder.decode(&again), Ok(segment));
        }
    }
}

/// No payload holds the decoder for longer than its pixels do. Runs without pixels used to follow one another until the
/// payload was used up.
#[test]
fn no_payload_takes_long() {
    let pixels = 257 * 64usize;
    let count = [0x80, 0x40];
    assert_eq!(usize::from(count[1]) << 7, pixels / 2 - 32);
    for (mask, uncoded) in [
        (MaskKind::Seeded { seed: 1 }, count.to_vec()),
        (MaskKind::Packed, vec![0xff; pixels / 8]),
        (MaskKind::RunLength, count.to_vec()),
        (MaskKind::Ridge { threshold_step: 16 }, vec![]),
    ] {
        let ridge = uncoded.is_empty();
        for values in [ValueCoding::Packed, ValueCoding::Context] {
            for phase in [
                PhaseKind::None,
                PhaseKind::Thresholded {
                    bits: 12,
                    threshold: 0,
                },
            ] {
                let waveform = ridge.then_some(WaveformShape {
                    coefficients: 24,
                    step: 0,
                });
                let header = Header {
                    mask,
                    values,
                    phase,
                    waveform,
                    ..speech_like()
                };
                let coder = SegmentCoder::new(&header, &Limits::default()).unwrap();
                for byte in [0x00, 0x55, 0xff] {
                    let mut body = vec![0];
                    body.extend_from_slice(&uncoded);
                    if !ridge && values == ValueCoding::Packed {
                        body.push(0);
                    }
                    body.resize(body.len() + 100_000, byte);
                    let start = std::time::Instant::now();
                    let decoded = coder.decode(&body);
                    let took = start.elapsed();
                    assert!(took.as_millis() < 500, "{mask:?} {byte}: {took:?}");
                    assert!(decoded.is_err(), "{mask:?} {byte}");
                }
            }
        }
    }
}

/// An empty first run, alone and before others.
#[test]
fn runs_return_whatever_they_begin_with() {
    let header = Header {
        mask: MaskKind::RunLength,
        lattice: None,
        ..speech_like()
    };
    let coder = SegmentCoder::new(&header, &Limits::default()).unwrap();
    let bins = header.stft.bins();
    for first in [0, 1, 2, bins - 1, bins] {
        for kept in [false, true] {
            let mask: Mask = (0..bins).map(|bin| (bin < first) == kept).collect();
            let values = vec![3; mask.count_ones()];
            let image = SparseImage {
                kept: Kept::Scattered { mask, values },
                ..SparseImage::silent(&header, 1)
            };
            let segment = Segment {
                index: 0,
                channels: vec![image],
            };
            let body = coder.encode(&segment).unwrap();
            assert_eq!(coder.decode(&body), Ok(segment));
        }
    }
}

fn speech_like() -> Header {
    let signal = Signal {
        rate: 16000,
        channels: 1,
    };
    Header {
        source: signal,
        coded: signal,
        total_samples: Some(160_000),
        pre_skip: 0,
        stft: Stft {
            n_fft: 512,
            window_length: 512,
            window: WindowKind::Hann,
            hop: 256,
        },
        segment_frames: 64,
        model: Some(ModelId([7; 8])),
        quantiser: Quantiser {
            origin: -400,
            step: 48,
        },
        mask: MaskKind::Ridge { threshold_step: 16 },
        values: ValueCoding::Context,
        lattice: Some(LatticeShape {
            bands: 14,
            every: 2,
            step: 32,
        }),
        phase: PhaseKind::None,
        waveform: None,
    }
}

#[test]
fn the_container_costs_at_most_120_bits_a_second() {
    let header = speech_like();
    let mut draws = Draws::new(&[5]);
    let mut out = Vec::new();
    let mut writer = StreamWriter::new(&header, &Limits::default(), &mut out).unwrap();
    let mut left = header.frames_for(160_000);
    let mut payload = 0.0;
    for index in 0..header.segments_for(160_000) {
        let frames = left.min(64);
        let segment = symbols::segment(&mut draws, &header, index as u32, frames as usize);
        payload += writer.segment(&segment, &mut out).unwrap().total() as f64 / 256.0;
        left -= frames;
    }
    writer.finish(160_000, &mut out).unwrap();
    let overhead = (8.0 * out.len() as f64 - payload) / 10.0;
    assert!(overhead < 120.0, "{overhead} bit/s");
}

#[test]
fn refuses_symbols_that_contradict_the_header() {
    let header = speech_like();
    let coder = SegmentCoder::new(&header, &Limits::default()).unwrap();
    let lawful = symbols::segment(&mut Draws::new(&[1]), &header, 0, 64);
    assert!(coder.encode(&lawful).is_ok());
    let spoils: [fn(&mut Segment); 7] = [
        |s| s.channels.clear(),
        |s| s.channels[0].frames = 65,
        |s| s.channels[0].bins = 256,
        |s| match &mut s.channels[0].kept {
            Kept::Ridge { values, .. } | Kept::Scattered { values, .. } => values.push(1),
        },
        |s| {
            s.channels[0].kept = Kept::Scattered {
                mask: s.channels[0].mask().clone(),
                values: s.channels[0].values().to_vec(),
            }
        },
        |s| s.channels[0].lattice.push(1),
        |s| {
            s.channels[0].phases = Phases {
                mask: s.channels[0].mask().clone(),
                angles: vec![],
            }
        },
    ];
    for (n, spoil) in spoils.iter().enumerate() {
        let mut segment = lawful.clone();
        spoil(&mut segment);
        assert!(
            matches!(coder.encode(&segment), Err(Error::Usage { .. })),
            "spoil {n}"
        );
    }
    let seeded = Header {
        mask: MaskKind::Seeded { seed: 3 },
        lattice: None,
        ..header
    };
    let coder = SegmentCoder::new(&seeded, &Limits::default()).unwrap();
    let mut segment = symbols::segment(&mut Draws::new(&[2]), &seeded, 0, 64);
    let Kept::Scattered { mask, .. } = &mut segment.channels[0].kept else {
        panic!("a seeded mask");
    };
    mask.rotate_left(1);
    assert!(matches!(coder.encode(&segment), Err(Error::Usage { .. })));
}

#[test]
fn refuses_headers_that_break_a_rule() {
    let spoils: [fn(&mut Header); 14] = [
        |h| h.coded.channels = 0,
        |h| h.coded.channels = 9,
        |h| h.source.rate = 999,
        |h| h.source.rate = 192_001,
        |h| h.stft.n_fft = 500,
        |h| h.stft.n_fft = 8192,
        |h| h.stft.window_length = 513,
        |h| h.stft.hop = 0,
        |h| h.stft.hop = 257,
        |h| h.stft.hop = 7,
        |h| h.segment_frames = 0,
        |h| h.quantiser.step = 0,
        |h| {
            h.lattice = Some(LatticeShape {
                bands: 65,
                every: 1,
                step: 8,
            })
        },
        |h| h.phase = PhaseKind::All { bits: 13 },
    ];
    for (n, spoil) in spoils.iter().enumerate() {
        let mut header = speech_like();
        spoil(&mut header);
        assert!(header.validate(&Limits::default()).is_err(), "spoil {n}");
        assert!(StreamWriter::new(&header, &Limits::default(), &mut Vec::new()).is_err());
    }
}
