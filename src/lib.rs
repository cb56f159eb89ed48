//! A speech and audio codec: a sparse log-power spectrogram, completed by a tiny network.
//!
//! An encoder keeps a small, well-chosen part of a spectrogram; a decoder completes the rest with a small network, rebuilds
//! the phases, and returns to samples. A file decodes to PCM in a line:
//!
//! ```
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   std::env::set_current_dir(env!("CARGO_MANIFEST_DIR"))?;
//! #   let voice = sparc::Pcm::from_mono(16_000, (0..32_000).map(|i| 0.3 * (i as f32 * 0.05).sin()).collect());
//! #   let file = std::env::temp_dir().join(format!("sparc-doc-{}.sparc", std::process::id()));
//! #   std::fs::write(&file, sparc::encode(&voice, &sparc::Options::default())?)?;
//!     let pcm = sparc::decode(&std::fs::read(&file)?)?;
//!     println!("{} channels of {} samples at {} Hz", pcm.channels.len(), pcm.len(), pcm.rate);
//! #   assert_eq!((pcm.rate, pcm.len()), (16_000, 32_000));
//! #   std::fs::remove_file(&file)?;
//!     Ok(())
//! }
//! ```
//!
//! and PCM to a file's bytes in another:
//!
//! ```
//! # fn main() -> sparc::Result<()> {
//! use sparc::{Options, Pcm};
//!
//! let pcm = Pcm::from_mono(44_100, (0..88_200).map(|i| 0.3 * (i as f32 * 0.02).sin()).collect());
//! let bytes = sparc::encode(&pcm, &Options::bitrate(4_500))?;
//! assert!(bytes.len() * 8 <= 4_500 * 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Which door
//!
//! | you have | you want | |
//! |---|---|---|
//! | a file's bytes | PCM | [`decode`]; [`decode_with`] for limits, networks of your own, and word of damage |
//! | bytes as they arrive | PCM as it is ready | [`Decoder`]; [`memory_required`] for what it takes |
//! | a file's bytes | PCM from some sample on | [`decode_range`]; [`Decoder::starting_at`] for as long as is wanted |
//! | a file's bytes | symbols: masks, levels, settings | [`Stream`] |
//! | a clip | bytes | [`encode`] |
//! | PCM as it arrives | bytes as they are ready | [`Encoder`] |
//! | settings of your own | bytes | [`Plan`], of [`codec_core::encode::Settings`] |
//! | a network | | [`Network::read`], [`models`] |
//!
//! Below this crate lie [`codec_core`] (symbols and sound) and [`codec_format`] (bytes and symbols), whose types appear here
//! and there; sound files, pictures and training are other crates' business.
//!
//! # The same PCM everywhere
//!
//! The same bytes give the same PCM on every machine, bit for bit, at the coded rate (the header's, 16 kHz for speech).
//! Change of rate to the source's is exact in length and position; its samples may differ in the last bit between machines.
//! [`Decoding::resample`] turns it off.
//!
//! # Features
//!
//! - `std` (default): change of sample rate. Without it the crate needs `alloc` alone, PCM is taken and given at the coded rate.
//! - `networks` (default): the built-in networks, 0.6 MB; `speech` for that of speech alone, 0.1 MB. Without them give a decoder
//!   those it needs ([`Networks::with`]).
//! - `parallel` (default): settings are tried on all cores.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

pub mod decoder;
pub mod decoding;
pub mod encoder;
pub mod error;
mod intake;
pub mod models;
pub mod pcm;
pub mod plan;
#[cfg(feature = "std")]
pub mod resample;
mod running;
pub mod stream;

pub use codec_core;
pub use codec_format;
#[cfg(feature = "std")]
pub use decoder::decode_range;
pub use decoder::{decode, decode_with, memory_required, Decoded, Decoder};
pub use decoding::{Damage, Decoding};
pub use encoder::{encode, Encoder};
pub use error::{Error, Result};
pub use models::{Network, Networks};
pub use pcm::Pcm;
pub use plan::{Completion, Effort, Encoded, Options, Plan, Rate};
pub use stream::Stream;
