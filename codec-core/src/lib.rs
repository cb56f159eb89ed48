//! The sparc codec: symbols to sound and back.
#![no_std]
#![deny(unsafe_code)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod analysis;
pub mod decoder;
pub mod encoder;
pub mod error;
pub mod fft;
mod image;
pub mod lattice;
pub mod levels;
pub mod network;
pub mod phase;
pub mod planes;
pub mod policy;
pub mod rate;
pub mod settings;
pub mod stft;

pub use error::{Error, Result};
