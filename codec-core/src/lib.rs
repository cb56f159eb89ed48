//! The sparc codec: symbols to sound and back.
//!
//! ```text
//! PCM - stft - log-power image - policy - sparse image - codec-format - .sparc
//! .sparc - codec-format - sparse image - planes - network - dense image - phase - PCM
//! ```
//!
//! The encoder analyses PCM into a log-power spectrogram ([`analysis`]), keeps the few pixels a mask policy chooses
//! and samples the rest on a coarse lattice ([`policy`], [`lattice`]); the lowest band may be stored as a waveform instead
//! ([`waveform`]). The decoder lays them out as planes ([`planes`]), completes them with a small convolutional network ([`network`]) on a grid that is finer in time,
//! rebuilds the phases ([`phase`]) and overlap-adds. What each step computes is laid down in `spec/sparc.md`, §8
//! and §9. Bytes are `codec-format`'s business, files the caller's.
//!
//! # A clip through the codec
//!
//! ```
//! use codec_core::decode::Decoder;
//! use codec_core::rate::{encode_to_bitrate, speech_settings};
//! use codec_format::header::Signal;
//!
//! # fn main() -> codec_core::Result<()> {
//! let mono = Signal { rate: 16_000, channels: 1 };
//! let pcm: Vec<f32> = (0..32_000).map(|i| 0.3 * (i as f32 * 0.05).sin()).collect();
//! let fitted = encode_to_bitrate(&[pcm], mono, 32_000, 4_000, &speech_settings(4_000), None)?;
//! assert!(fitted.fits && fitted.bytes <= 1_000);
//!
//! // No model: the image is completed by interpolation. With one, name its id when encoding.
//! let mut decoder = Decoder::new(&fitted.encoded.header, None)?;
//! let mut decoded = Vec::new();
//! for segment in &fitted.encoded.segments {
//!     decoded.extend(decoder.push(segment)?.remove(0));
//! }
//! decoded.extend(decoder.finish().remove(0));
//! assert_eq!(decoded.len(), 32_000);
//! # Ok(())
//! # }
//! ```
//!
//! [`encoder::Encoder`] and [`decoder::Decoder`] take and give pieces of any size; [`encoder::encode`] and
//! [`rate::encode_to_bitrate`] take a whole clip, which lets them place the image's origin under its loudest pixel.
//! [`choice`] tries several settings and keeps what sounds nearest.
//!
//! # The same PCM everywhere
//!
//! Decoding uses f32 additions and multiplications in a fixed order, never fused, and the functions of the `libm`
//! crate: the same bytes give the same samples on every machine. Wide registers hold different outputs side by side,
//! never parts of a sum ([`network::kernel`]). A test fixes the checksum of decoded PCM, found on x86-64 and again
//! on aarch64.
//!
//! # Memory and time
//!
//! Everything is allocated through `alloc`; a decoder holds a few segments of images and spectra, whatever the length
//! of the stream. Models, headers and segments are checked against limits before anything is allocated for them.
//!
//! # Features
//!
//! - `std`: `std::error::Error` for [`Error`]. Nothing else depends on it.
//!
//! Unsafe code is denied but for one module, the AVX2 build of the convolution kernel, which says why.
#![no_std]
#![deny(unsafe_code, missing_docs)]
extern crate alloc;

pub mod analysis;
pub mod choice;
pub mod decode;
pub mod distance;
pub mod encoder;
pub mod error;
mod image;
pub mod network;
pub mod planes;
pub mod policy;
pub mod quantise;
pub mod rate;
pub mod settings;
pub mod transform;

pub use error::{Error, Result};

// Former paths, until the encoder has moved too.
#[doc(hidden)]
pub use quantise::{lattice, levels};
#[doc(hidden)]
pub use transform::stft;
#[doc(hidden)]
#[allow(missing_docs)]
pub mod waveform {
    pub use crate::quantise::coefficients::quantise;
    pub use crate::transform::lapped::Lapped;
}
#[doc(hidden)]
#[allow(missing_docs)]
pub mod decoder {
    pub use crate::decode::{clip as decode, dense_images, Decoder};
    pub use crate::quantise::levels::LOUDEST;
}
