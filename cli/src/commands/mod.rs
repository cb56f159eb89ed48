//! The subcommands. Each returns what failed; an empty list is success.

pub mod bench;
pub mod compare;
#[cfg(feature = "train")]
pub mod convert;
pub mod decode;
pub mod encode;
pub mod inspect;
#[cfg(feature = "train")]
pub mod optimize;
pub mod plot;
#[cfg(feature = "train")]
pub mod priors;
#[cfg(feature = "train")]
pub mod reproduce;
pub mod roundtrip;
#[cfg(feature = "train")]
pub mod train;
pub mod verify;
