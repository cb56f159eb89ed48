//! Symbols in, PCM out (Spec §8 and §9), in three stages, each of which knows nothing of the others:
//!
//! ```text
//! rows of symbols - planes - completion - synthesis - PCM
//! ```
//!
//! 1. [`planes`] lays the symbols of a frame out as the network's input, in whole numbers, beside what the stream itself
//!    says of the spectra: the waveform layer's and the stored phases.
//! 2. [`completion`] makes dense frames of them, on a grid that is finer in time: levels, again whole numbers.
//! 3. [`synthesis`] decides their phases and adds them up to samples.
//!
//! [`Decoder`] runs all of them, [`clip()`] on a whole clip; [`dense_images`] runs the first two, and training the first
//! ([`planes::of_clip`]).
//!
//! # What a decoder holds
//!
//! Every stage works frame by frame over rings, which are taken from a [`Memory`](codec_format::memory::Memory) when the
//! decoder is made; nothing grows with the stream, and nothing is allocated after. [`memory_required`] says how much
//! that is: what follows from the header (transform, hop, lattice, waveform layer, channels) and what the network's
//! operations read at once. The length of segments does not matter.
//!
//! # How far the sound lags behind
//!
//! A frame's samples come out once these have gone in ([`Decoder::delay`] adds them up):
//!
//! - the lattice column behind it, and the blocks of the waveform layer that reach into it: a frame or two;
//! - the frames that the network reads behind it ([`Network::context`](crate::network::Network::context));
//! - one fine frame for the gradient of its phases, and for each step of refinement those that overlap with it.
//!
//! All of it counts in frames of symbols, which come a segment at a time. So the sound of a segment begins to come out
//! with the segment's own bytes, as far as it reaches back from its end by more than the delay, and is complete with
//! those of the following ones.

mod channel;
mod clip;
pub mod completion;
mod low_band;
pub mod planes;
mod stream;
pub mod synthesis;

pub use clip::{clip, dense_images};
pub use stream::{memory_required, Decoder, Pcm, Sound};
