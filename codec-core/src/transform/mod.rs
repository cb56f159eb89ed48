//! Between samples and spectra: the FFT, the short-time transform on it, and the lapped transform of the waveform layer.

pub mod fft;
pub mod lapped;
pub mod stft;
