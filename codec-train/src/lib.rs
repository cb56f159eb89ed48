//! Trains the completion networks of the sparc codec.
//!
//! A network is the graph of its model, walked forward and back ([`graph`]) over a backend: this crate's own kernels on
//! the processor, or any device of dfdx ([`backend`]). Examples come from the codec itself ([`examples`]), so that a
//! network sees what a decoder will show it. [`train::run`] is the whole way from folders of clips to a model file.
//!
//! Training is deterministic: the same data, configuration, seed and machine give the same model file,
//! whatever the number of threads and however often the run was resumed.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod backend;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod error;
pub mod examples;
pub mod export;
pub mod graph;
pub mod loss;
pub mod optimise;
pub mod optimiser;
pub mod options;
pub mod safetensors;
pub mod train;

pub use error::{Error, Result};
