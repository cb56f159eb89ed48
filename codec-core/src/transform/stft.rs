//! The short-time Fourier transform on which images are coded. The decoder's own is [`lanes`](super::lanes) (Spec §9.1).
//!
//! Frames are centred: frame `t` is centred on sample `t * hop`, and samples outside the signal are
//! zero. The transform is not normalised: a full-scale sine reaches `sum(window) / 2`.

use super::fft;
use crate::error::{Error, Result};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{Stft, WindowKind};
use codec_format::Limits;
use core::f64::consts::PI;
pub use microfft::Complex32;
use ndarray::{Array2, ArrayView2};

/// Floor of `|X|^2` before the logarithm: about 100 dB below the quietest 16-bit noise.
const POWER_FLOOR: f32 = 1e-16;

/// Analysis and synthesis at one transform length, window and hop.
#[derive(Debug, Clone)]
pub struct Transform {
    /// Its hop is this grid's.
    stft: Stft,
    window: Arc<[f32]>,
}

impl Transform {
    /// A transform with the window of `stft` and the given hop in samples.
    ///
    /// # Errors
    /// As [`Stft::validate`] with that hop.
    pub fn new(stft: &Stft, hop: usize) -> Result<Self> {
        let fine = with_hop(stft, hop)?;
        let mut window = vec![0.0; usize::from(stft.n_fft)];
        fill_window(stft, &mut window);
        Ok(Transform {
            stft: fine,
            window: window.into(),
        })
    }

    /// Transform length in samples.
    #[must_use]
    pub fn n_fft(&self) -> usize {
        self.window.len()
    }

    /// Bins of a frame.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.window.len() / 2 + 1
    }

    /// Samples from one frame to the next.
    #[must_use]
    pub fn hop(&self) -> usize {
        usize::from(self.stft.hop)
    }

    /// Spectra of `frames` frames of `signal`, whose sample 0 lies at position `origin`: frame `t` covers
    /// positions `(first + t) * hop - n_fft / 2 ..`. Returns frames x bins.
    #[must_use]
    pub fn spectra(
        &self,
        signal: &[f32],
        origin: i64,
        first: i64,
        frames: usize,
    ) -> Array2<Complex32> {
        let mut out = Array2::from_elem((frames, self.bins()), Complex32::default());
        let mut packed = vec![Complex32::default(); self.n_fft()];
        let base = first * self.hop() as i64 - self.n_fft() as i64 / 2 - origin;
        self.spectra_into(
            signal,
            base,
            &mut packed,
            out.as_slice_mut().unwrap_or(&mut []),
        );
        out
    }

    /// As [`Transform::spectra`], into `out` (frames x bins, flat); frame 0 starts at index `start` of the
    /// signal, which may lie outside it. `packed` is scratch of `n_fft` values.
    fn spectra_into(
        &self,
        signal: &[f32],
        start: i64,
        packed: &mut [Complex32],
        out: &mut [Complex32],
    ) {
        let mut at = start;
        let bins = self.bins();
        for pair in out.chunks_mut(2 * bins) {
            for z in packed.iter_mut() {
                *z = Complex32::default();
            }
            let (first, second) = pair.split_at_mut(bins);
            self.windowed(signal, at, |i, x| packed[i].re = x);
            at += self.hop() as i64;
            if second.is_empty() {
                fft::forward(packed);
                // An odd last frame has no partner; its spectrum is the transform itself.
                first.copy_from_slice(&packed[..bins]);
            } else {
                self.windowed(signal, at, |i, x| packed[i].im = x);
                at += self.hop() as i64;
                fft::forward(packed);
                fft::split_pair(packed, first, second);
            }
        }
    }

    /// Calls `put(i, x)` for every windowed sample of the frame starting at index `start` of `signal`.
    #[inline(always)]
    fn windowed(&self, signal: &[f32], start: i64, mut put: impl FnMut(usize, f32)) {
        let n = self.n_fft() as i64;
        let from = (-start).clamp(0, n);
        let to = (signal.len() as i64 - start).clamp(from, n);
        let samples =
            &signal[(start + from) as usize * usize::from(to > from)..][..(to - from) as usize];
        for (i, (&x, &w)) in samples
            .iter()
            .zip(&self.window[from as usize..to as usize])
            .enumerate()
        {
            put(from as usize + i, x * w);
        }
    }

    /// The first `len` samples of the signal with these spectra (frames x bins, frame 0 centred on sample
    /// 0): overlap-added and divided by the sum of squared windows, as the decoder does.
    #[must_use]
    pub fn synthesise(&self, spectra: ArrayView2<'_, Complex32>, len: usize) -> Vec<f32> {
        let start = -(self.n_fft() as i64 / 2);
        let mut packed = vec![Complex32::default(); self.n_fft()];
        let (mut sum, mut weight) = (vec![0.0; len], vec![0.0; len]);
        let spectra = spectra.as_standard_layout();
        self.overlap_add(
            spectra.as_slice().unwrap_or(&[]),
            start,
            &mut packed,
            &mut sum,
        );
        self.overlap_weight(spectra.nrows(), start, &mut weight);
        for (x, w) in sum.iter_mut().zip(&weight) {
            *x = if *w > 1e-8 { *x / w } else { 0.0 };
        }
        sum
    }

    /// Adds the windowed inverse transforms of `spectra` (frames x bins, flat) to `sum`, frame 0 at index
    /// `start` and one every hop; what falls outside `sum` is dropped. `packed` is scratch of `n_fft`.
    fn overlap_add(
        &self,
        spectra: &[Complex32],
        start: i64,
        packed: &mut [Complex32],
        sum: &mut [f32],
    ) {
        let bins = self.bins();
        let mut at = start;
        for pair in spectra.chunks(2 * bins) {
            let (first, second) = pair.split_at(bins);
            fft::join_pair(first, second, packed);
            fft::backward(packed);
            self.add_frame(at, sum, |i| packed[i].re);
            at += self.hop() as i64;
            if !second.is_empty() {
                self.add_frame(at, sum, |i| packed[i].im);
                at += self.hop() as i64;
            }
        }
    }

    #[inline(always)]
    fn add_frame(&self, start: i64, sum: &mut [f32], sample: impl Fn(usize) -> f32) {
        let n = self.n_fft() as i64;
        let from = (-start).clamp(0, n);
        let to = (sum.len() as i64 - start).clamp(from, n);
        if to == from {
            return;
        }
        let out = &mut sum[(start + from) as usize..(start + to) as usize];
        for (i, y) in out.iter_mut().enumerate() {
            let i = i + from as usize;
            *y += self.window[i] * sample(i);
        }
    }

    /// Sum of squared windows over `frames` frames, frame 0 at index `start` of `weight`.
    fn overlap_weight(&self, frames: usize, start: i64, weight: &mut [f32]) {
        for t in 0..frames {
            self.add_frame(start + (t * self.hop()) as i64, weight, |i| self.window[i]);
        }
    }
}

/// The same transform with another hop.
///
/// # Errors
/// As [`Stft::validate`] with that hop.
pub(crate) fn with_hop(stft: &Stft, hop: usize) -> Result<Stft> {
    let fine = Stft {
        hop: u16::try_from(hop).unwrap_or(u16::MAX),
        ..*stft
    };
    fine.validate(&Limits::default()).map_err(Error::setting)?;
    Ok(fine)
}

/// Writes a transform's window, `n_fft` samples.
pub(crate) fn fill_window(stft: &Stft, window: &mut [f32]) {
    let length = usize::from(stft.window_length);
    let start = (window.len() - length) / 2;
    window.fill(0.0);
    for (i, w) in window[start..start + length].iter_mut().enumerate() {
        let sine = libm::sin(PI * i as f64 / length as f64);
        *w = match stft.window {
            WindowKind::Hann => (sine * sine) as f32,
            WindowKind::Sine => sine as f32,
        };
    }
}

/// Level of a spectral value in dB: `10 log10 |x|^2`, floored at -160 dB.
#[must_use]
pub fn level(x: Complex32) -> f32 {
    let power = x.re * x.re + x.im * x.im;
    10.0 * libm::log10f(if power > POWER_FLOOR {
        power
    } else {
        POWER_FLOOR
    })
}

/// Log-power spectrogram in dB, frames x bins, of spectra of the same shape.
#[must_use]
pub fn log_power(spectra: &Array2<Complex32>) -> Array2<f32> {
    spectra.mapv(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stft() -> Stft {
        Stft {
            n_fft: 512,
            window_length: 512,
            window: WindowKind::Hann,
            hop: 128,
        }
    }

    #[test]
    fn overlap_add_divided_by_its_weight_gives_the_signal_back() {
        let transform = Transform::new(&stft(), 128).unwrap();
        let signal: Vec<f32> = (0..5000)
            .map(|i| libm::sinf(i as f32 * 0.1) * (i % 7) as f32)
            .collect();
        let frames = 1 + 5000 / 128 + 1;
        let spectra = transform.spectra(&signal, 0, 0, frames);
        let mut packed = vec![Complex32::default(); 512];
        let (mut sum, mut weight) = (vec![0.0; 5000], vec![0.0; 5000]);
        transform.overlap_add(spectra.as_slice().unwrap(), -256, &mut packed, &mut sum);
        transform.overlap_weight(frames, -256, &mut weight);
        for i in 0..5000 {
            assert!((sum[i] / weight[i] - signal[i]).abs() < 1e-4, "sample {i}");
        }
        let again = transform.synthesise(spectra.view(), 5000);
        assert!(again.iter().zip(&signal).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    #[test]
    fn full_scale_sine_reaches_half_the_window_sum() {
        let transform = Transform::new(&stft(), 128).unwrap();
        let signal: Vec<f32> = (0..4096)
            .map(|i| libm::sin(core::f64::consts::TAU * 32.0 * i as f64 / 512.0) as f32)
            .collect();
        let spectra = transform.spectra(&signal, 0, 8, 1);
        let expected = 20.0 * libm::log10f(128.0);
        assert!((level(spectra[(0, 32)]) - expected).abs() < 0.01);
    }

    #[test]
    fn rejects_a_hop_longer_than_half_the_window() {
        assert!(Transform::new(&stft(), 257).is_err());
    }

    #[test]
    fn rejects_more_overlap_than_a_decoder_should_have_to_bear() {
        assert!(Transform::new(&stft(), 8).is_ok());
        assert!(Transform::new(&stft(), 7).is_err());
    }
}
