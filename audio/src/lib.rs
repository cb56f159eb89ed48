//! Sound in files: any file to samples, block by block ([`Source`]) or as a whole ([`read`]), and WAV out.

pub mod error;
pub mod file;
mod packed;
pub mod panics;
mod source;
pub mod wav;

pub use error::{Error, Result};
pub use source::Source;
pub use sparc::pcm::MAX_SAMPLES;
pub use sparc::{resample, Pcm};
use std::path::Path;

/// Reads the sound in a file, or on the standard input where `path` is `-`; the format is found from the content.
///
/// # Errors
/// [`Error::Input`] if it cannot be read, is not sound, or not sound to be coded ([`Pcm::check`]); [`Error::Limit`] if
/// it is larger than [`MAX_SAMPLES`].
pub fn read(path: &Path) -> Result<Pcm> {
    Source::open(path)?.collect()
}

/// Refuses more than [`MAX_SAMPLES`] in all.
fn check_size(samples_per_channel: u64, channels: usize) -> Result<()> {
    match samples_per_channel.checked_mul(channels as u64) {
        Some(samples) if samples <= MAX_SAMPLES => Ok(()),
        _ => Err(Error::Limit(format!(
            "{samples_per_channel} samples in each of {channels} channels exceed the limit of {MAX_SAMPLES} in all"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_limit_does_not_overflow() {
        assert!(check_size(u64::MAX, 255).is_err());
        assert!(check_size(MAX_SAMPLES, 1).is_ok());
        assert!(check_size(MAX_SAMPLES / 2 + 1, 2).is_err());
    }
}
