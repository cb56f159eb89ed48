//! Coefficients of the waveform layer: between numbers and indices in steps that follow the frame's threshold
//! (Spec §6.7, §9.6).

use super::levels;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::symbols::MAX_INDEX;
use ndarray::ArrayView2;

/// Share of a step from which on a coefficient is kept: somewhat more than half saves more bits than it costs.
const DEAD_ZONE: f32 = 0.62;
/// What is added to a kept magnitude before it is rounded down.
const ROUNDING: f32 = 0.42;

/// The quantiser's step in a frame with threshold index `threshold` (Spec §9.6).
pub(crate) fn step(header: &Header, threshold: u8) -> f32 {
    let offset = header.waveform.map_or(0, |w| 2 * i32::from(w.step));
    let above = levels::threshold(levels::threshold_step(header), threshold) + offset;
    levels::magnitude(above + levels::origin_level(&header.quantiser))
}

/// The indices of a segment's coefficients (frames x at least as many as the header has), frame by frame.
#[must_use]
pub fn quantise(header: &Header, coefficients: ArrayView2<'_, f32>, thresholds: &[u8]) -> Vec<i16> {
    let count = header.coefficients();
    let mut out = Vec::with_capacity(coefficients.nrows() * count);
    for (row, &threshold) in coefficients.outer_iter().zip(thresholds) {
        let step = step(header, threshold);
        out.extend(row.iter().take(count).map(|&x| {
            let size = (if x < 0.0 { -x } else { x }) / step;
            if size < DEAD_ZONE {
                return 0;
            }
            let index = libm::floorf(size + ROUNDING).clamp(0.0, f32::from(MAX_INDEX)) as i16;
            if x < 0.0 {
                -index
            } else {
                index
            }
        }));
    }
    out
}
