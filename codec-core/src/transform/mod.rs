//! Between samples and spectra: the FFT, the short-time transform on it, and the lapped transform of the waveform layer.

pub mod circle;
pub mod fft;
pub mod lanes;
pub mod lapped;
pub mod stft;
