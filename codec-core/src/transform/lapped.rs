//! The lapped transform of the waveform layer (Spec §9.6).

use alloc::vec;
use codec_format::header::{Header, Stft};
use core::f64::consts::PI;
use ndarray::Array2;

/// The MDCT with the sine window (Princen, Johnson and Bradley 1987) of the lowest coefficients.
///
/// Block `t` covers the `2 hop` samples around the centre of coded frame `t`, as the frame's own window does.
#[derive(Debug, Clone)]
pub struct Lapped {
    hop: usize,
    /// Coefficients x `2 hop`: window times cosine.
    basis: Array2<f32>,
}

impl Lapped {
    /// The transform of `coefficients` coefficients on a stream's coded grid.
    #[must_use]
    pub fn new(stft: &Stft, coefficients: u8) -> Self {
        let hop = usize::from(stft.hop);
        let mut basis = Array2::zeros((usize::from(coefficients), 2 * hop));
        fill(
            hop,
            usize::from(coefficients),
            basis.as_slice_mut().unwrap_or(&mut []),
        );
        Lapped { hop, basis }
    }

    /// That of a header, if it has a waveform layer.
    #[must_use]
    pub fn of(header: &Header) -> Option<Self> {
        let shape = header.waveform?;
        Some(Lapped::new(&header.stft, shape.coefficients))
    }

    /// Samples from one block to the next, half of what a block covers.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Coefficients of a block.
    #[must_use]
    pub fn coefficients(&self) -> usize {
        self.basis.nrows()
    }

    /// Coefficients of the `frames` blocks from `first` on of a signal whose sample 0 lies at position `start`;
    /// it is silent outside. Returns frames x coefficients, in the units of the unnormalised spectrum: a sine of
    /// amplitude 1 reaches about `0.64 hop`.
    #[must_use]
    pub fn analyse(&self, signal: &[f32], start: i64, first: i64, frames: usize) -> Array2<f32> {
        let mut out = Array2::zeros((frames, self.coefficients()));
        let mut block = vec![0.0f32; 2 * self.hop];
        for (t, mut row) in out.outer_iter_mut().enumerate() {
            let from = (first + t as i64 - 1) * self.hop as i64 - start;
            for (i, x) in block.iter_mut().enumerate() {
                let at = usize::try_from(from + i as i64).ok();
                *x = at.and_then(|at| signal.get(at)).copied().unwrap_or(0.0);
            }
            for (x, wave) in row.iter_mut().zip(self.basis.outer_iter()) {
                *x = block.iter().zip(wave).map(|(a, b)| a * b).sum();
            }
        }
        out
    }
}

/// Writes the functions of the first `coefficients` coefficients, window times cosine: coefficients x `2 hop`.
pub(crate) fn fill(hop: usize, coefficients: usize, basis: &mut [f32]) {
    let m = hop as f64;
    for (k, wave) in basis
        .chunks_exact_mut(2 * hop)
        .enumerate()
        .take(coefficients)
    {
        for (n, y) in wave.iter_mut().enumerate() {
            let at = n as f64 + 0.5;
            let window = libm::sin(PI * at / (2.0 * m));
            *y = (window * libm::cos(PI / m * (at + 0.5 * m) * (k as f64 + 0.5))) as f32;
        }
    }
}
