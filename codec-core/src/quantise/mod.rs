//! The quantisers, each with its way back: levels in dB, the background lattice, coefficients of the waveform layer,
//! angles. Encoder and decoder read the same lines.

pub mod angles;
pub mod coefficients;
pub mod lattice;
pub mod levels;
