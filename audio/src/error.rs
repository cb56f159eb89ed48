//! The one error type of the crate.

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with sound in files. The message is one line and does not name the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is unreadable or no audio.
    #[error("{0}")]
    Input(String),
    /// A size beyond a limit.
    #[error("{0}")]
    Limit(String),
    /// A clip that cannot be written.
    #[error("{0}")]
    Output(String),
    /// A change of rate that failed.
    #[error("{0}")]
    Resample(String),
}

impl From<sparc::Error> for Error {
    fn from(error: sparc::Error) -> Self {
        let message = error.to_string();
        match error {
            sparc::Error::Limit(_) => Error::Limit(message),
            sparc::Error::Audio(_) => Error::Input(message),
            _ => Error::Resample(message),
        }
    }
}
