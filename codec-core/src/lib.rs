//! The sparc codec: symbols to sound and back.
//!
//! ```text
//! PCM - stft - log-power image - policy - sparse image - codec-format - .sparc
//! .sparc - codec-format - sparse image - planes - network - dense image - phase - PCM
//! ```
//!
//! The encoder ([`encode`]) analyses PCM into a log-power spectrogram, keeps the few pixels a mask policy chooses and
//! samples the rest on a coarse lattice; the lowest band may be stored as a waveform instead. The decoder ([`decode`])
//! lays them out as planes ([`planes`]), completes them with a small convolutional network ([`network`]) on a grid that
//! is finer in time, rebuilds the phases and overlap-adds. What each step computes is laid down in `spec/sparc.md`, §8
//! and §9. Bytes are `codec-format`'s business, files the caller's.
//!
//! # A clip through the codec
//!
//! ```
//! use codec_core::decode::Decoder;
//! use codec_core::encode::{encode, Candidate, Clip, Settings, Target};
//! use codec_format::header::Signal;
//!
//! # fn main() -> codec_core::Result<()> {
//! let mono = Signal { rate: 16_000, channels: 1 };
//! let pcm: Vec<f32> = (0..32_000).map(|i| 0.3 * (i as f32 * 0.05).sin()).collect();
//! let clip = Clip { channels: &[pcm], source: mono, total_samples: 32_000 };
//! let candidate = Candidate { settings: Settings::speech_at(4_000), model: None };
//! let encoding = encode(&clip, Target::Bitrate(4_000), &[candidate])?;
//! assert!(encoding.met && encoding.file(None)?.len() <= 1_000);
//!
//! // No model: the image is completed by interpolation. With one, name its id when encoding.
//! let mut decoder = Decoder::with_limit(&encoding.header, None, 1 << 20)?;
//! let mut decoded = Vec::new();
//! for segment in &encoding.segments {
//!     // A little sound at a time, of all channels.
//!     let mut sound = decoder.push(segment)?;
//!     while let Some(pcm) = sound.advance() {
//!         decoded.extend(pcm.channels().flatten());
//!     }
//! }
//! decoded.extend(decoder.finish().collect().remove(0));
//! assert_eq!(decoded.len(), 32_000);
//! # Ok(())
//! # }
//! ```
//!
//! [`encode::Encoder`] and [`decode::Decoder`] take and give pieces of any size; [`encode::encode`] takes a whole clip,
//! which lets it place the image's origin under its loudest pixel, keep to a rate as a whole, and try several settings.
//!
//! # The same PCM everywhere
//!
//! Levels are whole numbers up to the magnitudes, and so are phases until they are refined. From there on decoding uses f32
//! additions and multiplications in a fixed order, never fused, and functions of the `libm` crate: the same bytes give
//! the same samples on every machine. Wide registers hold different outputs side by side, never parts of a sum of f32.
//! Vectors beside the specification fix decoded PCM by its hash.
//!
//! # Memory and time
//!
//! A decoder takes all it needs when it is made, from the heap or a block that the caller gives, and works frame by frame:
//! [`decode::memory_required`] says beforehand how much that is, whatever the length of the stream and its segments.
//! Models, headers and segments are checked against limits before anything is allocated for them.
//!
//! Unsafe code is denied but for one module, which runs kernels compiled for AVX2 and says why.
#![no_std]
#![deny(unsafe_code, missing_docs)]
extern crate alloc;

pub mod decode;
pub mod encode;
pub mod error;
pub mod network;
pub mod planes;
pub mod quantise;
pub(crate) mod simd;
pub mod transform;

pub use error::{Error, Result};
