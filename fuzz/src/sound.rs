//! Targets that end in sound.

use super::draws::Draws;
use super::format::small_limits;
use super::resign::resign;
use codec_core::encode::profile::RISE;
use codec_core::encode::{Clip, Encoder, Policy, Settings, Target};
use codec_core::Error;
use codec_format::header::*;
use codec_format::symbols::{Mask, Segment};
use sparc::{Decoder, Decoding, Pcm};

/// Decoding of small streams, at the coded rate.
fn small_decoding() -> Decoding {
    let mut limits = small_limits();
    limits.n_fft = 512;
    limits.channels = 2;
    limits.segment_pixels = 1 << 12;
    limits.lost_segments = 4;
    limits.model_weights = 1 << 12;
    limits.model_macs_per_pixel = 1 << 12;
    limits.model_held = 1 << 12;
    Decoding {
        limits,
        samples: 1 << 17,
        resample: false,
        ..Decoding::default()
    }
}

/// The PCM of a stream that comes in these pieces, its header, and whether it came to its end. Every sample is a
/// number and channels are of one length.
fn decode<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    decoding: &Decoding,
) -> (Pcm, Option<Header>, bool) {
    let mut decoder = Decoder::new(decoding);
    let mut pcm = Pcm::default();
    let mut whole = true;
    let mut pull = |decoder: &mut Decoder| loop {
        match decoder.pull() {
            Err(_) => break whole = false,
            Ok(None) => break,
            Ok(Some(piece)) => {
                pcm.rate = piece.rate;
                pcm.channels.resize(piece.channels.len(), Vec::new());
                for (all, piece) in pcm.channels.iter_mut().zip(piece.channels) {
                    all.extend(piece);
                }
            }
        }
    };
    for piece in pieces {
        decoder.push(piece);
        pull(&mut decoder);
    }
    decoder.finish();
    pull(&mut decoder);
    for channel in &pcm.channels {
        assert_eq!(channel.len(), pcm.len(), "channels of different length");
        assert!(
            channel.iter().all(|x| x.is_finite()),
            "a sample is not a number"
        );
    }
    (pcm, decoder.header().cloned(), whole)
}

/// A stream, checksums put right if the first byte is odd, to PCM: every sample is finite, pieces give what the
/// whole gives, and a stream that reads to its end gives exactly the samples it declares.
pub fn decode_full(data: &[u8]) -> usize {
    let Some((&mode, stream)) = data.split_first() else {
        return 0;
    };
    let stream = if mode & 1 == 1 {
        resign(stream)
    } else {
        stream.to_vec()
    };
    let decoding = small_decoding();
    let (pcm, header, whole) = decode(std::iter::once(&stream[..]), &decoding);
    let Some(header) = header else { return 0 };
    if !whole {
        return usize::from(!pcm.is_empty());
    }
    if let Some(total) = header.total_samples {
        let wanted = header.coded_samples(total) - u64::from(header.pre_skip);
        assert_eq!(pcm.len() as u64, wanted);
    }
    let piece = 1 + usize::from(mode);
    let again = decode(stream.chunks(piece), &decoding);
    assert_eq!(again, (pcm, Some(header), true), "pieces of {piece} bytes");
    2
}

fn settings(draws: &mut Draws<'_>) -> Settings {
    let n_fft = draws.one_of(&[64u16, 128, 256, 512]);
    let window_length = if draws.chance() {
        n_fft
    } else {
        n_fft - draws.below(u32::from(n_fft) / 2) as u16
    };
    let bins = u32::from(n_fft) / 2 + 1;
    let sparsity = |draws: &mut Draws<'_>| draws.below(101) as f32 / 100.0;
    let hop = window_length >> (1 + draws.below(3));
    let mut settings = Settings {
        rate: draws.one_of(&[8_000, 16_000, 48_000]),
        stft: Stft {
            n_fft,
            window_length,
            window: draws.one_of(&[WindowKind::Hann, WindowKind::Sine]),
            hop,
        },
        segment_frames: 1 + draws.below(32) as u16,
        step: 1 + draws.below(255) as u8,
        policy: match draws.below(4) {
            0 => Policy::Ridge {
                margin: draws.below(120) as f32 - 40.0,
                rise: RISE,
                threshold_step: 1 + draws.below(255) as u8,
            },
            1 => Policy::Uniform {
                sparsity: sparsity(draws),
                seed: u64::from(draws.below(u32::MAX)),
            },
            2 => Policy::Energy {
                sparsity: sparsity(draws),
            },
            _ => Policy::Explicit {
                mask: (0..draws.below(32))
                    .flat_map(|_| Mask::from_element(draws.byte()))
                    .collect(),
                levels: None,
            },
        },
        lattice: if draws.chance() {
            None
        } else {
            Some(LatticeShape {
                bands: 1 + draws.below(bins.min(64)) as u8,
                every: 1 + draws.below(8) as u8,
                step: 1 + draws.below(255) as u8,
            })
        },
        phase: match draws.below(3) {
            0 => PhaseKind::None,
            1 => PhaseKind::Thresholded {
                bits: 1 + draws.below(12) as u8,
                threshold: draws.below(1 << 16) as u16 as i16,
            },
            _ => PhaseKind::All {
                bits: 1 + draws.below(12) as u8,
            },
        },
        values: draws.one_of(&[ValueCoding::Packed, ValueCoding::Context]),
        origin: if draws.chance() {
            None
        } else {
            Some(draws.below(1 << 16) as u16 as i16)
        },
        waveform: None,
    };
    let ridge = matches!(settings.policy, Policy::Ridge { .. });
    if ridge && hop > 0 && draws.chance() {
        let shape = WaveformShape {
            coefficients: 1 + draws.below(u32::from(hop.min(128))) as u8,
            step: draws.byte() as i8,
        };
        settings.waveform = Some(shape);
        let free = bins as usize - shape.covered_bins(&settings.stft);
        if let Some(lattice) = &mut settings.lattice {
            lattice.bands = lattice.bands.min(free.min(64) as u8);
        }
    }
    settings
}

/// The rest of the input as samples: 16-bit ones, or the bits of any f32 at all.
fn samples(draws: Draws<'_>, any: bool) -> Vec<f32> {
    let bytes = draws.rest();
    if any {
        let bits = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        bits.take(4_096).collect()
    } else {
        let words = bytes
            .chunks_exact(2)
            .map(|b| i16::from_le_bytes([b[0], b[1]]));
        words.take(4_096).map(|x| f32::from(x) / 32_768.0).collect()
    }
}

/// Arbitrary settings and PCM: encoding fails only for samples that are no numbers, pieces give the segments
/// the whole gives, the file reads back, and decoding gives the sample count and only finite samples.
pub fn encode_pcm(data: &[u8]) -> usize {
    let mut draws = Draws::new(data);
    let settings = settings(&mut draws);
    assert_eq!(settings.validate(), Ok(()));
    let channels = 1 + usize::from(draws.chance());
    let source = Signal {
        rate: draws.one_of(&[settings.rate, 8_000, 44_100]),
        channels: channels as u8,
    };
    let (piece, any) = (1 + draws.below(1 << 12) as usize, draws.below(4) == 0);
    let all = samples(draws, any);
    // As many source samples as the coded ones can stand for.
    let most = all.len() as u64 / channels as u64;
    let total = most * u64::from(source.rate) / u64::from(settings.rate);
    let coded = (total * u64::from(settings.rate)).div_ceil(u64::from(source.rate)) as usize;
    let pcm: Vec<Vec<f32>> = (0..channels)
        .map(|c| all[c * coded..(c + 1) * coded].to_vec())
        .collect();

    let clip = Clip {
        channels: &pcm,
        source,
        total_samples: total,
    };
    let encoded = match clip.encode(Target::Settings, &settings, None) {
        Ok(encoded) => encoded,
        Err(Error::NotFinite { channel, sample }) => {
            assert!(!pcm[channel][sample as usize].is_finite());
            return 0;
        }
        Err(other) => panic!("{other}"),
    };
    assert!(pcm.iter().flatten().all(|x| x.is_finite()));
    if settings.origin.is_some() {
        let mut encoder = Encoder::new(source, settings, None).expect("the settings are valid");
        let mut pieces = Vec::new();
        for start in (0..coded).step_by(piece) {
            let part: Vec<&[f32]> = pcm
                .iter()
                .map(|c| &c[start..(start + piece).min(coded)])
                .collect();
            pieces.extend(encoder.push(&part).expect("the samples are numbers"));
        }
        pieces.extend(encoder.finish().expect("good symbols"));
        let (segments, bodies): (Vec<Segment>, Vec<_>) =
            pieces.into_iter().map(|c| (c.segment, c.body)).unzip();
        assert_eq!(segments, encoded.segments, "pieces of {piece}");
        assert_eq!(bodies, encoded.bodies, "pieces of {piece}");
    }

    let file = encoded.file(None).expect("all segments");
    let decoding = Decoding {
        resample: false,
        ..Decoding::default()
    };
    let (pcm, header, whole) = decode(std::iter::once(&file[..]), &decoding);
    assert!(whole, "what was written can be read");
    assert_eq!(header, Some(encoded.header));
    assert_eq!(pcm.len(), coded);
    1 + encoded.segments.len()
}
