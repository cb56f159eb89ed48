//! A speech and audio codec: a sparse log-power spectrogram, completed by a tiny network.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

pub mod decoder;
pub mod error;
mod intake;
pub mod models;
pub mod pcm;
#[cfg(feature = "std")]
pub mod resample;
pub mod stream;

pub use codec_core;
pub use codec_format;
pub use decoder::{decode, decode_with, Damage, Decoded, Decoder, Decoding};
pub use error::{Error, Result};
pub use models::{Network, Networks};
pub use pcm::Pcm;
pub use stream::Stream;
