//! Pixels above a threshold per frame.

use super::{Choice, Rise};
use crate::quantise::levels;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::symbols::Mask;
use ndarray::ArrayView2;

/// The pixels above half their frame's peak, plus `margin` and what `rise` adds.
pub(super) fn choose(
    image: ArrayView2<'_, f32>,
    header: &Header,
    margin: f32,
    rise: Rise,
) -> Choice {
    let (frames, bins) = image.dim();
    let step = levels::threshold_step(header);
    let hertz = |bin: usize| bin as f32 * header.coded.rate as f32 / f32::from(header.stft.n_fft);
    // The waveform layer has the bins below.
    let covered = header.covered_bins();
    let rises: Vec<f32> = (0..bins).map(|bin| rise.at(hertz(bin))).collect();
    let mut mask = Mask::repeat(false, frames * bins);
    let mut thresholds = Vec::with_capacity(frames);
    for (frame, row) in image.outer_iter().enumerate() {
        let peak = row.iter().fold(0.0f32, |a, &b| if b > a { b } else { a });
        let index = levels::round_index(0.5 * peak + margin, step);
        let base = levels::decibels(levels::threshold(step, index));
        thresholds.push(index);
        for (bin, (&x, rise)) in row.iter().zip(&rises).enumerate().skip(covered) {
            if x >= base + rise {
                mask.set(frame * bins + bin, true);
            }
        }
    }
    Choice { mask, thresholds }
}
