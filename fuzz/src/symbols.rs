//! Lawful headers and segments, drawn from the fuzzer's bytes.

use super::draws::Draws;
use codec_format::header::*;
use codec_format::seeded_mask;
use codec_format::symbols::*;
use codec_format::Limits;

/// A header that every rule of the specification allows, with small segments.
pub fn header(draws: &mut Draws<'_>) -> Header {
    let signal = |draws: &mut Draws<'_>| Signal {
        rate: draws.one_of(&[1_000, 8_000, 16_000, 22_050, 44_100, 48_000, 192_000]),
        channels: 1 + draws.below(3) as u8,
    };
    let coded = signal(draws);
    let mut source = if draws.chance() { signal(draws) } else { coded };
    if source.rate.div_ceil(coded.rate) > Limits::default().rate_ratio {
        source.rate = coded.rate;
    }
    let n_fft = draws.one_of(&[64u16, 128, 512]);
    let least = n_fft / 64;
    let window_length = if draws.chance() {
        n_fft
    } else {
        2 * least + draws.below(u32::from(n_fft - 2 * least) + 1) as u16
    };
    let mut header = Header {
        source,
        coded,
        total_samples: None,
        pre_skip: if draws.chance() {
            0
        } else {
            draws.below(1 << 16)
        },
        stft: Stft {
            n_fft,
            window_length,
            window: draws.one_of(&[WindowKind::Hann, WindowKind::Sine]),
            hop: least + draws.below(u32::from(window_length / 2 - least) + 1) as u16,
        },
        segment_frames: 1 + draws.below(8) as u16,
        model: if draws.chance() {
            None
        } else {
            Some(ModelId([draws.byte(); 8]))
        },
        quantiser: Quantiser {
            origin: draws.below(1 << 16) as u16 as i16,
            step: 1 + draws.below(255) as u8,
        },
        mask: match draws.below(4) {
            0 => MaskKind::Seeded {
                seed: u64::from(draws.below(u32::MAX)) << 13,
            },
            1 => MaskKind::Packed,
            2 => MaskKind::RunLength,
            _ => MaskKind::Ridge {
                threshold_step: 1 + draws.below(255) as u8,
            },
        },
        values: draws.one_of(&[ValueCoding::Packed, ValueCoding::Context]),
        lattice: if draws.chance() {
            None
        } else {
            Some(LatticeShape {
                bands: 1 + draws.below(33) as u8,
                every: 1 + draws.below(255) as u8,
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
        waveform: None,
    };
    if matches!(header.mask, MaskKind::Ridge { .. }) && draws.chance() {
        let shape = WaveformShape {
            coefficients: 1 + draws.below(u32::from(header.stft.hop.min(128))) as u8,
            step: draws.byte() as i8,
        };
        header.waveform = Some(shape);
        let free = header.stft.bins() - header.covered_bins();
        if let Some(lattice) = &mut header.lattice {
            lattice.bands = lattice.bands.min(free.min(255) as u8);
        }
    }
    header
}

fn mask(draws: &mut Draws<'_>, pixels: usize) -> Mask {
    match draws.below(4) {
        0 => Mask::repeat(false, pixels),
        1 => Mask::repeat(true, pixels),
        // Bit by bit, eight to a byte.
        2 => (0..pixels.div_ceil(8))
            .flat_map(|_| Mask::from_element(draws.byte()))
            .take(pixels)
            .collect(),
        // Runs.
        _ => {
            let mut mask = Mask::new();
            let mut kept = draws.chance();
            while mask.len() < pixels {
                let run = (1 + draws.below(256) as usize).min(pixels - mask.len());
                mask.resize(mask.len() + run, kept);
                kept = !kept;
            }
            mask
        }
    }
}

/// A segment of `frames` frames for this header.
pub fn segment(draws: &mut Draws<'_>, header: &Header, index: u32, frames: usize) -> Segment {
    let bins = header.stft.bins();
    let pixels = bins * frames;
    let channel = |channel: usize, draws: &mut Draws<'_>| {
        let mut mask = match header.mask {
            MaskKind::Seeded { seed } => {
                let count = draws.below(pixels as u32 + 1) as usize;
                seeded_mask(seed, index, channel, pixels, count)
            }
            _ => mask(draws, pixels),
        };
        for frame in mask.chunks_mut(bins) {
            frame[..header.covered_bins()].fill(false);
        }
        let range = draws.one_of(&[1, 4, 20, 256]);
        let values = mask.iter_ones().map(|_| draws.below(range) as u8).collect();
        let thresholds = (0..frames).map(|_| draws.below(range) as u8).collect();
        let cells = header.lattice.map_or(0, |shape| shape.cells(frames));
        let lattice = (0..cells).map(|_| draws.below(range) as u8).collect();
        let count = header.coefficients();
        let largest = draws.one_of(&[0u32, 1, 9, 300, MAX_INDEX as u32]);
        let waveform = (0..count * frames)
            .map(|_| draws.below(2 * largest + 1) as i16 - largest as i16)
            .collect();
        let kept = match header.mask {
            MaskKind::Ridge { .. } => Kept::Ridge {
                mask,
                values,
                thresholds,
                waveform,
            },
            _ => Kept::Scattered { mask, values },
        };
        let (stored, bits) = match header.phase {
            PhaseKind::None => (Mask::new(), 0),
            PhaseKind::Thresholded { bits, .. } => (self::mask(draws, pixels), bits),
            PhaseKind::All { bits } => (Mask::repeat(true, pixels), bits),
        };
        let angles = stored
            .iter_ones()
            .map(|_| draws.below(1 << bits) as u16)
            .collect();
        let phases = Phases {
            mask: stored,
            angles,
        };
        SparseImage {
            bins,
            frames,
            kept,
            lattice,
            phases,
        }
    };
    let channels = (0..usize::from(header.coded.channels))
        .map(|n| channel(n, draws))
        .collect();
    Segment { index, channels }
}

/// A header, its segments and the number of source samples they hold.
pub fn stream(draws: &mut Draws<'_>) -> (Header, Vec<Segment>, u64) {
    let mut header = header(draws);
    // So many source samples that at most four segments are needed: the coder is slow beside a parser.
    let most = 4 * u64::from(header.segment_frames) * u64::from(header.stft.hop);
    let rates = u64::from(header.source.rate) * 1_000 / u64::from(header.coded.rate);
    let total = u64::from(draws.below(1 << 16)) % (1 + most * rates / 1_000);
    header.pre_skip = header.pre_skip.min(u32::from(header.stft.hop));
    if draws.chance() {
        header.total_samples = Some(total);
    }
    let mut left = header.frames_for(total);
    let mut segments = Vec::new();
    while left > 0 {
        let frames = left.min(u64::from(header.segment_frames));
        segments.push(segment(
            draws,
            &header,
            segments.len() as u32,
            frames as usize,
        ));
        left -= frames;
    }
    (header, segments, total)
}
