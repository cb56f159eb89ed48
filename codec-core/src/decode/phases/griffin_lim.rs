//! Fast Griffin-Lim (Perraudin, Balazs, Sondergaard 2013): alternating projections onto the given
//! magnitudes and onto the spectra of real signals, with momentum.

use crate::transform::stft::{Complex32, Transform};
use alloc::vec;
use alloc::vec::Vec;
use ndarray::ArrayView2;

/// Overlap weights below this count as silence: nothing but a window's tail covers the sample.
const LEAST_WEIGHT: f32 = 1e-8;

/// Refines `spectra` (frames x bins, flat) in place; `fixed` pixels keep their values, and frames before
/// `first` are all fixed. Takes so many steps with so much momentum: zero is plain Griffin-Lim.
pub(super) fn refine(
    transform: &Transform,
    magnitudes: ArrayView2<'_, f32>,
    fixed: &[Option<Complex32>],
    first: usize,
    spectra: &mut [Complex32],
    (steps, momentum): (usize, f32),
) {
    let (frames, bins) = magnitudes.dim();
    let n = transform.n_fft();
    let hop = transform.hop();
    let len = (frames.max(1) - 1) * hop + n;
    let mut packed = vec![Complex32::default(); n];
    let mut gain = vec![0.0f32; len];
    transform.overlap_weight(frames, 0, &mut gain);
    for g in &mut gain {
        *g = 1.0 / if *g > LEAST_WEIGHT { *g } else { LEAST_WEIGHT };
    }
    let mut signal = vec![0.0f32; len];
    let open = &mut spectra[first * bins..];
    let mut before: Vec<Complex32> = open.to_vec();
    let mut projected = vec![Complex32::default(); open.len()];
    // Frames before the first open one never change: neither does what they add to the signal.
    let mut base = vec![0.0f32; len];
    let (decided, open) = spectra.split_at_mut(first * bins);
    transform.overlap_add(decided, 0, &mut packed, &mut base);
    let start = (first * hop) as i64;
    for _ in 0..steps {
        signal.copy_from_slice(&base);
        transform.overlap_add(open, start, &mut packed, &mut signal);
        for (x, g) in signal.iter_mut().zip(&gain) {
            *x *= g;
        }
        transform.spectra_into(&signal, start, &mut packed, &mut projected);
        for (t, row) in open.chunks_exact_mut(bins).enumerate() {
            let at = t * bins;
            for (bin, out) in row.iter_mut().enumerate() {
                let y = projected[at + bin];
                let b = before[at + bin];
                let re = y.re + momentum * (y.re - b.re);
                let im = y.im + momentum * (y.im - b.im);
                let norm = libm::sqrtf(re * re + im * im);
                let scale = if norm > 1e-20 {
                    magnitudes[(first + t, bin)] / norm
                } else {
                    0.0
                };
                *out = Complex32::new(re * scale, im * scale);
            }
        }
        for (out, value) in open.iter_mut().zip(&fixed[first * bins..]) {
            if let Some(value) = value {
                *out = *value;
            }
        }
        core::mem::swap(&mut before, &mut projected);
    }
}
