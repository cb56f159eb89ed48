//! The one error type of the experiments.

use std::path::PathBuf;

/// Shorthand for results of the experiments.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an experiment failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Clips cannot be loaded, results cannot be kept, or a search failed.
    #[error(transparent)]
    Train(#[from] codec_train::Error),
    /// A clip cannot be encoded or decoded.
    #[error(transparent)]
    Codec(#[from] sparc::Error),
    /// What was asked for does not go together.
    #[error("{0}")]
    Options(String),
}

impl Error {
    /// A file or folder at `path` that cannot be read or written, for `map_err`.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let of = codec_train::Error::io(path);
        move |error| Error::Train(of(error))
    }
}

impl From<codec_core::Error> for Error {
    fn from(error: codec_core::Error) -> Self {
        Error::Codec(error.into())
    }
}
