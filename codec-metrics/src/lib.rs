//! How far decoded sound is from the original.
//!
//! | function | what | rate | range |
//! |---|---|---|---|
//! | [`pesq_wb`] | predicted opinion, ITU-T P.862.2, wide band | 16 kHz | 1.04..4.64, more is better |
//! | [`pesq_nb`] | predicted opinion, ITU-T P.862.1, narrow band | 8 or 16 kHz | 1.02..4.55 |
//! | [`stoi()`] | intelligibility, Taal et al. 2011 | any | about 0..1 |
//! | [`snr`] | waveform | any | dB |
//! | [`si_sdr`] | waveform but for a gain, Le Roux et al. 2019 | any | dB |
//! | [`log_spectral_error`] | log-power spectrogram | any | dB^2, less is better |
//!
//! All take a reference and a degraded signal: mono, equally long, already aligned in time, full scale 1.
//! Resampling is the caller's part except inside [`stoi()`], whose definition contains it. [`compare()`] does all of that
//! for two clips of any rate and length: it is the one place where the codec's own measurements are made.
//!
//! ```
//! let reference: Vec<f32> = (0..16000).map(|i| (i as f32 * 0.1).sin() * 0.5).collect();
//! let degraded: Vec<f32> = reference.iter().map(|x| x * 0.9).collect();
//! assert!((codec_metrics::snr(&reference, &degraded)? - 20.0).abs() < 0.01);
//! # Ok::<(), codec_metrics::Error>(())
//! ```
//!
//! # Which PESQ
//!
//! The scores are those of the `pesq` crate 0.2.0, an implementation of P.862 with the original filter of
//! P.862.2 (before its Corrigendum 2), as in the reference program and in the Python package `pesq` 0.0.4.
//!
//! On 186 pairs of coded speech (31 clips of 2 to 6 s, each through libopus at 6, 9, 12 and 24 kbit/s,
//! `ffmpeg -c:a libopus -application voip`, and twice through a transform with levels quantised to 6 dB and
//! phases disturbed; scores from 1.5 to 4.6) the differences from that package are:
//!
//! | measure | largest | mean |
//! |---|---|---|
//! | [`pesq_wb`] | 0.024 | 0.000 |
//! | [`pesq_nb`] at 8 kHz | 0.003 | 0.000 |
//! | [`pesq_nb`] at 16 kHz | 0.303 | +0.096 |
//! | [`stoi()`] from `pystoi` 0.4 | 4e-15 | |
//!
//! The third line is no error but another definition: at 16 kHz the package filters at that rate, this crate
//! decimates to 8 kHz first with the short filter of the specification. Narrow-band scores to be compared
//! with others' are best taken at 8 kHz, resampled with care beforehand.
#![forbid(unsafe_code)]

mod compare;
mod error;
mod perceptual;
mod spectral;
pub mod stoi;
mod waveform;

pub use compare::{aligned, compare, Comparison, Measure};
pub use error::{Error, Result, Which};
pub use perceptual::{pesq_nb, pesq_wb};
pub use spectral::{log_spectral_error, FLOOR, HOP, N_FFT};
pub use stoi::stoi;
pub use waveform::{si_sdr, snr};
