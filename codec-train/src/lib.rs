//! Trains the completion networks of the sparc codec.
//!
//! The network lives on dfdx's tape; its one operation, a whole convolution layer, is this crate's own
//! ([`layer`], [`kernels`]). Examples come from the codec itself ([`examples`]), so that a network sees what a
//! decoder will show it. [`train::run`] is the whole way from folders of clips to a model file.
//!
//! Training is deterministic: the same data, configuration, seed and machine give the same model file,
//! whatever the number of threads and however often the run was resumed.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod buffers;
pub mod checkpoint;
pub mod config;
#[cfg(feature = "cuda")]
mod cuda;
pub mod data;
pub mod error;
pub mod examples;
pub mod export;
pub mod kernels;
pub mod layer;
pub mod loss;
pub mod network;
pub mod optimise;
pub mod optimiser;
pub mod options;
pub mod portable;
pub mod safetensors;
pub mod train;

pub use error::{Error, Result};
