//! Research on the sparc codec: the experiments of the thesis behind it, the priors of its entropy coder, and figures.
//! The codec itself needs none of it.

pub mod figure;
#[cfg(feature = "train")]
pub mod priors;
#[cfg(feature = "train")]
pub mod reproduce;
pub mod vectors;
