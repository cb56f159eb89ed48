//! The subcommands. Each returns what failed; an empty list is success.

#[cfg(any())]
pub mod compare;
pub mod decode;
pub mod encode;
pub mod inspect;
pub mod plot;
#[cfg(any())]
pub mod roundtrip;
#[cfg(any())]
pub mod train;
