//! A speech and audio codec: a sparse log-power spectrogram, completed by a tiny network.
//!
//! An encoder keeps few pixels of the spectrogram, and where it keeps them; a decoder completes the image, rebuilds the
//! phases, and returns to samples. The crates below hold the parts: `codec-format` (bytes and symbols) and `codec-core`
//! (symbols and sound).
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
