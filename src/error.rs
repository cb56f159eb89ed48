//! What can go wrong.

use alloc::string::{String, ToString};

/// Shorthand for results of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Who is at fault, and what is wrong: one line that names no file, since this crate opens none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes break the format, or end early (Spec §3 to §6).
    #[error("{0}")]
    Stream(String),
    /// A size beyond a limit; nothing was allocated for it.
    #[error("{0}")]
    Limit(String),
    /// A network is missing, damaged, or does not fit the stream.
    #[error("{0}")]
    Model(String),
    /// PCM that cannot be encoded.
    #[error("{0}")]
    Audio(String),
    /// Options out of range, or at odds with one another or with the clip.
    #[error("{0}")]
    Options(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<codec_format::Error> for Error {
    fn from(error: codec_format::Error) -> Self {
        let message = error.to_string();
        match error {
            codec_format::Error::LimitExceeded { .. } => Error::Limit(message),
            codec_format::Error::Usage { .. } => Error::Other(message),
            _ => Error::Stream(message),
        }
    }
}

impl From<codec_core::Error> for Error {
    fn from(error: codec_core::Error) -> Self {
        let message = error.to_string();
        match error {
            codec_core::Error::Format(error) => error.into(),
            codec_core::Error::Settings { .. } => Error::Options(message),
            codec_core::Error::NotFinite { .. } => Error::Audio(message),
            codec_core::Error::Model { .. } => Error::Model(message),
            _ => Error::Other(message),
        }
    }
}
