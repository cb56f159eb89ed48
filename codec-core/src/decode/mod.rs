//! Symbols in, PCM out (Spec §8 and §9), in four stages, each of which knows nothing of the others:
//!
//! ```text
//! symbols - planes - completion - phases - overlap-add - PCM
//! ```
//!
//! 1. [`planes`] lays the symbols of a segment out as the network's input, beside what the stream itself says of the
//!    spectra: the waveform layer's and the stored phases. It waits for the next segment, towards which the lattice
//!    is interpolated.
//! 2. [`completion`] makes the dense image of them, on a grid that is finer in time. It lags the network's context.
//! 3. [`phases`] decides the phases of one segment at a time, looking ahead and tied to what is decided.
//! 4. [`overlap`] adds the spectra up to samples.
//!
//! [`Decoder`] runs all four, [`clip()`] on a whole clip; [`dense_images`] runs the first two, and so does training
//! the first.
//!
//! # What a decoder holds
//!
//! Nothing grows with the stream. Per channel: the symbols of one segment; of the network what its operations still
//! read; and, while phases are decided, a block of `segment_frames * U + 6 n_fft / H` fine frames (`U` fine frames to
//! each coded one, `H` their hop), with some 60 bytes a pixel. The header's limits bound both: at most
//! [`segment_pixels`](codec_format::limits::Limits) coded pixels, and at most 64 fine frames to a transform length.

mod clip;
pub mod completion;
mod low_band;
pub mod overlap;
pub mod phases;
pub mod planes;
mod rows;
mod stream;

use crate::error::{Error, Result};
use codec_format::header::Stft;

pub use clip::{clip, dense_images};
pub use stream::Decoder;

/// Checks that segments are as long as the transform: a decoder works segment by segment and looks some transforms ahead
/// each time, so that shorter ones would cost a multiple of their length.
pub(crate) fn check_segments(stft: &Stft, segment_frames: u16) -> Result<()> {
    if u32::from(segment_frames) * u32::from(stft.hop) < u32::from(stft.n_fft) {
        return Err(Error::Settings {
            what: "a segment must be at least as long as n_fft",
        });
    }
    Ok(())
}
