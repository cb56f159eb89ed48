//! Random but lawful symbols, made from a seed so that property tests can shrink it.
#![allow(dead_code)]

use codec_format::header::*;
use codec_format::seeded_mask;
use codec_format::symbols::*;

/// A small generator: tests need variety, not quality.
pub struct Draws(pub u64);

impl Draws {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

pub fn header(draws: &mut Draws) -> Header {
    let coded = Signal {
        rate: [8000, 16000, 48000][draws.below(3) as usize],
        channels: 1 + draws.below(2) as u8,
    };
    let n_fft = [64u16, 128, 512][draws.below(3) as usize];
    let mut header = Header {
        source: if draws.below(2) == 0 {
            coded
        } else {
            Signal {
                rate: 44100,
                channels: 2,
            }
        },
        coded,
        total_samples: None,
        pre_skip: draws.below(3) as u32 * 100,
        stft: Stft {
            n_fft,
            window_length: if draws.below(3) == 0 {
                n_fft - 7
            } else {
                n_fft
            },
            window: if draws.below(2) == 0 {
                WindowKind::Hann
            } else {
                WindowKind::Sine
            },
            hop: [n_fft / 2 - 4, n_fft / 8][draws.below(2) as usize],
        },
        segment_frames: 1 + draws.below(9) as u16,
        model: if draws.below(2) == 0 {
            None
        } else {
            Some(ModelId([draws.below(256) as u8; 8]))
        },
        quantiser: Quantiser {
            origin: draws.below(2000) as i16 - 1500,
            step: 1 + draws.below(255) as u8,
        },
        mask: match draws.below(5) {
            0 => MaskKind::Seeded {
                seed: draws.below(1 << 30) << 20,
            },
            1 => MaskKind::Packed,
            2 => MaskKind::RunLength,
            _ => MaskKind::Ridge {
                threshold_step: 1 + draws.below(255) as u8,
            },
        },
        values: if draws.below(2) == 0 {
            ValueCoding::Packed
        } else {
            ValueCoding::Context
        },
        lattice: if draws.below(4) == 0 {
            None
        } else {
            Some(LatticeShape {
                bands: 1 + draws.below(30) as u8,
                every: 1 + draws.below(4) as u8,
                step: 1 + draws.below(255) as u8,
            })
        },
        phase: match draws.below(3) {
            0 => PhaseKind::None,
            1 => PhaseKind::Thresholded {
                bits: 1 + draws.below(12) as u8,
                threshold: draws.below(900) as i16 - 300,
            },
            _ => PhaseKind::All {
                bits: 1 + draws.below(12) as u8,
            },
        },
        waveform: None,
    };
    if matches!(header.mask, MaskKind::Ridge { .. }) && draws.below(2) == 0 {
        let shape = WaveformShape {
            coefficients: 1 + draws.below(20) as u8,
            step: draws.below(256) as u8 as i8,
        };
        header.waveform = Some(shape);
        if let Some(lattice) = &mut header.lattice {
            lattice.bands = lattice.bands.min(12);
        }
    }
    header
}

fn mask(draws: &mut Draws, pixels: usize, share: u64) -> Mask {
    (0..pixels).map(|_| draws.below(100) < share).collect()
}

/// Symbols a segment of `frames` frames might carry: from none kept to all, small values or any.
pub fn segment(draws: &mut Draws, header: &Header, index: u32, frames: usize) -> Segment {
    let bins = header.stft.bins();
    let pixels = bins * frames;
    let channels = (0..usize::from(header.coded.channels))
        .map(|channel| {
            let share = [0, 1, 6, 50, 100][draws.below(5) as usize];
            let mask = match header.mask {
                MaskKind::Seeded { seed } => {
                    let count = draws.below(pixels as u64 + 1) as usize;
                    seeded_mask(seed, index, channel, pixels, count)
                }
                _ => mask(draws, pixels, share),
            };
            let mut mask = mask;
            for frame in mask.chunks_mut(bins) {
                frame[..header.covered_bins()].fill(false);
            }
            let range = [1, 3, 20, 256][draws.below(4) as usize];
            let values = mask.iter_ones().map(|_| draws.below(range) as u8).collect();
            let thresholds = (0..frames).map(|_| draws.below(range) as u8).collect();
            let cells = header.lattice.map_or(0, |shape| shape.cells(frames));
            let lattice = (0..cells).map(|_| draws.below(range) as u8).collect();
            let count = header.coefficients();
            let largest = [0, 1, 9, 300, i64::from(MAX_INDEX)][draws.below(5) as usize];
            let waveform = (0..count * frames)
                .map(|_| (draws.below(2 * largest as u64 + 1) as i64 - largest) as i16)
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
            let phases = match header.phase {
                PhaseKind::None => Phases::default(),
                PhaseKind::Thresholded { bits, .. } | PhaseKind::All { bits } => {
                    let all = matches!(header.phase, PhaseKind::All { .. });
                    let stored = self::mask(draws, pixels, if all { 100 } else { share });
                    let angles = stored
                        .iter_ones()
                        .map(|_| draws.below(1 << bits) as u16)
                        .collect();
                    Phases {
                        mask: stored,
                        angles,
                    }
                }
            };
            SparseImage {
                bins,
                frames,
                kept,
                lattice,
                phases,
            }
        })
        .collect();
    Segment { index, channels }
}

/// A header with a known sample count and the segments it takes.
pub fn stream(draws: &mut Draws, segments: u64) -> (Header, Vec<Segment>, u64) {
    let mut header = header(draws);
    let length = u64::from(header.segment_frames);
    let hop = u64::from(header.stft.hop);
    let coded = ((segments * length).saturating_sub(1) * hop).saturating_sub(draws.below(hop));
    let total = coded.saturating_sub(u64::from(header.pre_skip)) * u64::from(header.source.rate)
        / u64::from(header.coded.rate);
    if draws.below(3) > 0 {
        header.total_samples = Some(total);
    }
    let mut left = header.frames_for(total);
    let mut list = Vec::new();
    while left > 0 {
        let frames = left.min(length);
        list.push(segment(draws, &header, list.len() as u32, frames as usize));
        left -= frames;
    }
    (header, list, total)
}
