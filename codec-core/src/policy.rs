//! Mask policies: from a log-power image to the sparse image that is coded.

use crate::lattice::Lattice;
use crate::levels::{self, threshold_step};
use crate::settings::Policy;
use alloc::vec::Vec;
use codec_format::header::{Header, MaskKind};
use codec_format::seeded_mask;
use codec_format::symbols::{Kept, Mask, SparseImage};
use ndarray::ArrayView2;

/// Chooses the kept pixels of one segment of one channel and quantises them and the background.
///
/// `image` is frames x bins in dB above the origin; `segment` and `channel` seed the random mask, and
/// `first_frame` is the segment's place in the clip, for explicit masks. Phases and waveform layer are
/// left empty.
#[must_use]
pub fn sparsify(
    image: ArrayView2<'_, f32>,
    header: &Header,
    policy: &Policy,
    segment: u32,
    channel: u8,
    first_frame: usize,
) -> SparseImage {
    let (frames, bins) = image.dim();
    let pixels = frames * bins;
    // The waveform layer has the pixels below.
    let covered = header.covered_bins();
    let mut thresholds = Vec::new();
    let mask = match policy {
        Policy::Ridge { margin, .. } => {
            let mut mask = Mask::repeat(false, pixels);
            for (frame, row) in image.outer_iter().enumerate() {
                let peak = row.iter().fold(0.0f32, |a, &b| if b > a { b } else { a });
                let step = threshold_step(header);
                let index = levels::round_index(0.5 * peak + margin, step);
                let base = levels::threshold(step, index);
                thresholds.push(index);
                for (bin, &x) in row.iter().enumerate().skip(covered) {
                    if x >= base + rise(header, bin) {
                        mask.set(frame * bins + bin, true);
                    }
                }
            }
            mask
        }
        Policy::Uniform { sparsity, seed } => {
            let count = kept_of(pixels, *sparsity);
            seeded_mask(*seed, segment, usize::from(channel), pixels, count)
        }
        Policy::Energy { sparsity } => {
            let mut mask = Mask::repeat(false, pixels);
            let mut order: Vec<usize> = Vec::with_capacity(bins);
            for (frame, row) in image.outer_iter().enumerate() {
                order.clear();
                order.extend(0..bins);
                order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
                for &bin in &order[..kept_of(bins, *sparsity)] {
                    mask.set(frame * bins + bin, true);
                }
            }
            mask
        }
        Policy::Explicit { mask: whole, .. } => {
            let start = (first_frame * bins).min(whole.len());
            let mut mask: Mask = whole[start..(start + pixels).min(whole.len())].to_bitvec();
            mask.resize(pixels, false);
            mask
        }
    };
    let stored = match policy {
        Policy::Explicit { levels, .. } => levels.as_ref(),
        _ => None,
    };
    let values = mask
        .iter_ones()
        .map(|pixel| {
            let (frame, bin) = (pixel / bins, pixel % bins);
            let base = thresholds
                .get(frame)
                .map_or(0.0, |&i| levels::threshold(threshold_step(header), i));
            let own = image[(frame, bin)];
            let level = match stored {
                Some(levels) => *levels.get((first_frame + frame, bin)).unwrap_or(&own),
                None => own,
            };
            levels::floor_index(level - base, header.quantiser.step)
        })
        .collect();
    let lattice = Lattice::of(header).map_or_else(Vec::new, |lattice| lattice.sample(image, &mask));
    SparseImage {
        bins,
        frames,
        kept: match header.mask {
            MaskKind::Ridge { .. } => Kept::Ridge {
                mask,
                values,
                thresholds,
                waveform: Vec::new(),
            },
            _ => Kept::Scattered { mask, values },
        },
        lattice,
        phases: Default::default(),
    }
}

/// How far above its frame's threshold a pixel of a ridge mask must reach, dB. High up, where many bins share a critical
/// band, a pixel tells the ear less than the bits it takes: a decibel for every kilohertz above 2.
fn rise(header: &Header, bin: usize) -> f32 {
    let hertz = bin as f32 * header.coded.rate as f32 / f32::from(header.stft.n_fft);
    (0.001 * (hertz - 2_000.0)).max(0.0)
}

/// Pixels kept of `pixels` at a sparsity.
fn kept_of(pixels: usize, sparsity: f32) -> usize {
    let kept = libm::round((1.0 - f64::from(sparsity)) * pixels as f64);
    (kept as usize).min(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use alloc::vec;
    use codec_format::header::Signal;
    use ndarray::Array2;

    #[test]
    fn an_explicit_mask_stores_the_levels_it_is_given() {
        let mono = Signal {
            rate: 16_000,
            channels: 1,
        };
        let settings = Settings::thesis(0.95);
        let mut header = settings.header(mono, None, 0, None);
        header.quantiser.step = 8;
        let image = Array2::from_elem((2, 3), 10.2f32);
        let mask: Mask = [true, false, true, false, true, true].into_iter().collect();
        let policy = |levels| Policy::Explicit {
            mask: mask.clone(),
            levels,
        };
        let own = sparsify(image.view(), &header, &policy(None), 0, 0, 0);
        assert_eq!(own.values(), vec![10; 4]);
        let given = Array2::from_shape_fn((1, 3), |(_, bin)| 20.0 + bin as f32);
        let stored = sparsify(image.view(), &header, &policy(Some(given.clone())), 0, 0, 0);
        assert_eq!(
            stored.values(),
            [20, 22, 10, 10],
            "frames past the end have the signal's own"
        );
        let later = sparsify(image.view(), &header, &policy(Some(given)), 0, 0, 1);
        assert_eq!(later.values(), [10, 10], "the mask ends too");
    }
}
