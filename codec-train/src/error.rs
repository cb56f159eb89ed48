//! The one error type of the crate.

use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why training, loading or exporting failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is there but not what it should be.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A folder holds no clip that can be used.
    #[error("no usable clips in {folders}: {skipped} files skipped{first}")]
    NoClips {
        /// The folders that were searched.
        folders: String,
        /// Files found but unusable.
        skipped: usize,
        /// The first of them and why, after a semicolon.
        first: String,
    },
    /// A configuration that cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// A network whose nodes do not fit together, or its inputs.
    #[error("network: {0}")]
    Network(String),
    /// Weights of another program that cannot be taken.
    #[error("safetensors: {0}")]
    Weights(String),
    /// The loss or a gradient is no longer a number.
    #[error(
        "training diverged at step {step}: the loss is {loss}; a lower learning rate may help"
    )]
    Diverged {
        /// The step.
        step: u64,
        /// The loss found.
        loss: f32,
    },
    /// A measure that is not defined for these sounds.
    #[error("{0}")]
    Measure(String),
    /// A device failed, or is not there.
    #[error("device: {0}")]
    Device(String),
    /// Analysis or inference failed.
    #[error(transparent)]
    Core(#[from] codec_core::Error),
    /// A model or a priors file could not be read or written.
    #[error(transparent)]
    Format(#[from] codec_format::error::Error),
}

impl Error {
    /// An [`Error::Io`] at `path`, for `map_err`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { path, source }
    }
}
