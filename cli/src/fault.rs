//! What can go wrong, and the exit code that says so.

use sparc::Damage;
use thiserror::Error;

/// The exit codes, for `--help`; the README repeats them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  all went well
  1  something else went wrong
  2  bad arguments or settings
  3  an input cannot be read or is not audio
  4  a .sparc file is malformed or cut short
  5  a size exceeds a limit
  6  a model is missing, damaged or does not fit
  7  an output cannot be written
  8  damaged segments were concealed: the output is whole, but not all of it is real
With several inputs, the code is that of the first one that failed.";

/// One thing that went wrong. The message is one line and does not name the file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Anything without a code of its own.
    #[error("{0}")]
    Other(String),
    /// The arguments contradict each other or ask for what cannot be.
    #[error("{0}")]
    Arguments(String),
    /// An input is unreadable or no audio.
    #[error("{0}")]
    Input(String),
    /// A `.sparc` file breaks the format.
    #[error("{0}")]
    Stream(String),
    /// A size beyond a limit.
    #[error("{0}")]
    Limit(String),
    /// No model, a damaged one or the wrong one.
    #[error("{0}")]
    Model(String),
    /// An output could not be written.
    #[error("{0}")]
    Output(String),
    /// The output is whole, but damaged segments were replaced.
    #[error("{0}")]
    Concealed(String),
}

impl Fault {
    /// The exit code, as in [`EXIT_CODES`].
    pub fn code(&self) -> u8 {
        match self {
            Fault::Other(_) => 1,
            Fault::Arguments(_) => 2,
            Fault::Input(_) => 3,
            Fault::Stream(_) => 4,
            Fault::Limit(_) => 5,
            Fault::Model(_) => 6,
            Fault::Output(_) => 7,
            Fault::Concealed(_) => 8,
        }
    }

    /// What a decoder tells of damage, as an error if there is any.
    pub fn concealed(damage: &Damage) -> Result<(), Fault> {
        if damage.is_none() {
            Ok(())
        } else {
            Err(Fault::Concealed(damage.to_string()))
        }
    }

    /// This fault, said of `file`.
    pub fn of(self, file: impl std::fmt::Display) -> Failure {
        Failure {
            file: file.to_string(),
            fault: self,
        }
    }
}

/// Names the file that an error concerns.
pub trait OfFile<T> {
    /// The result, with an error said of `file`.
    fn of(self, file: impl std::fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Fault>> OfFile<T> for Result<T, E> {
    fn of(self, file: impl std::fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().of(file))
    }
}

/// A fault and the file it concerns: what `sparc: FILE: what is wrong` is printed from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}: {fault}")]
pub struct Failure {
    /// The file as the user named it.
    pub file: String,
    /// What is wrong with it.
    pub fault: Fault,
}

impl From<codec_format::Error> for Fault {
    fn from(error: codec_format::Error) -> Self {
        sparc::Error::from(error).into()
    }
}

impl From<codec_core::Error> for Fault {
    fn from(error: codec_core::Error) -> Self {
        sparc::Error::from(error).into()
    }
}

impl From<sparc::Error> for Fault {
    fn from(error: sparc::Error) -> Self {
        let message = error.to_string();
        match error {
            sparc::Error::Stream(_) => Fault::Stream(message),
            sparc::Error::Limit(_) => Fault::Limit(message),
            sparc::Error::Model(_) => Fault::Model(message),
            sparc::Error::Audio(_) => Fault::Input(message),
            sparc::Error::Options(_) => Fault::Arguments(message),
            _ => Fault::Other(message),
        }
    }
}

impl From<codec_audio::Error> for Fault {
    fn from(error: codec_audio::Error) -> Self {
        let message = error.to_string();
        match error {
            codec_audio::Error::Input(_) => Fault::Input(message),
            codec_audio::Error::Limit(_) => Fault::Limit(message),
            codec_audio::Error::Output(_) => Fault::Output(message),
            _ => Fault::Other(message),
        }
    }
}

impl From<codec_metrics::Error> for Fault {
    fn from(error: codec_metrics::Error) -> Self {
        match error {
            codec_metrics::Error::Channels { .. } => Fault::Arguments(error.to_string()),
            codec_metrics::Error::Resample(error) => error.into(),
            other => Fault::Other(other.to_string()),
        }
    }
}

impl From<codec_lab::bench::Error> for Fault {
    fn from(error: codec_lab::bench::Error) -> Self {
        use codec_lab::bench::Error;
        match error {
            Error::Codec(error) => error.into(),
            Error::Audio(error) => error.into(),
            Error::Measure(error) => error.into(),
            Error::Missing(what) => Fault::Arguments(what),
            other => Fault::Other(other.to_string()),
        }
    }
}

impl From<codec_lab::figure::Error> for Fault {
    fn from(error: codec_lab::figure::Error) -> Self {
        Fault::Other(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let text = || "x".to_string();
        let all = [
            Fault::Other(text()),
            Fault::Arguments(text()),
            Fault::Input(text()),
            Fault::Stream(text()),
            Fault::Limit(text()),
            Fault::Model(text()),
            Fault::Output(text()),
            Fault::Concealed(text()),
        ];
        for (index, fault) in all.iter().enumerate() {
            assert_eq!(usize::from(fault.code()), index + 1);
            assert!(
                EXIT_CODES.contains(&format!("\n  {}  ", fault.code())),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn a_failure_names_its_file_first() {
        let failure = Fault::Input("is empty".into()).of("a.wav");
        assert_eq!(failure.to_string(), "a.wav: is empty");
    }
}
