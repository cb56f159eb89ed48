//! The error type of the crate.

use core::fmt;

/// Shorthand for results of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Why something could not be encoded, decoded or completed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The symbols or bytes: see the inner error.
    Format(codec_format::Error),
    /// A setting outside its range or at odds with another.
    Settings {
        /// The setting and its rule.
        what: &'static str,
    },
    /// A sample is NaN or infinite.
    NotFinite {
        /// Channel, from 0.
        channel: usize,
        /// Sample within that channel, from 0.
        sample: u64,
    },
    /// The model does not fit the stream it is to complete, or is not usable at all.
    Model {
        /// What does not fit.
        what: &'static str,
    },
}

impl Error {
    /// A rule of the format that settings break.
    pub(crate) fn setting(error: codec_format::Error) -> Self {
        match error {
            codec_format::Error::Usage { what } => Error::Settings { what },
            other => Error::Format(other),
        }
    }
}

impl From<codec_format::Error> for Error {
    fn from(error: codec_format::Error) -> Self {
        Error::Format(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Format(error) => error.fmt(f),
            Error::Settings { what } => write!(f, "invalid setting: {what}"),
            Error::NotFinite { channel, sample } => {
                write!(
                    f,
                    "sample {sample} of channel {channel} is not a finite number"
                )
            }
            Error::Model { what } => write!(f, "unusable model: {what}"),
        }
    }
}

impl core::error::Error for Error {}
