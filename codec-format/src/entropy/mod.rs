//! Entropy coding: bits to bytes, and what is known about the bits (Spec §5).

pub(crate) mod bank;
pub(crate) mod layout;
pub(crate) mod logistic;
pub(crate) mod priors;
pub(crate) mod range;
pub mod train;
