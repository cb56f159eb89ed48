//! What Python is told when something goes wrong.

use pyo3::exceptions::{PyUserWarning, PyValueError};
use pyo3::{create_exception, PyErr};

create_exception!(
    sparc,
    Error,
    PyValueError,
    "Anything that sparc finds wrong. The message is one line and names what is wrong; there is a subclass for whose fault \
     it is."
);
create_exception!(
    sparc,
    StreamError,
    Error,
    "Bytes that are no .sparc stream, break its format, or are cut short."
);
create_exception!(
    sparc,
    LimitError,
    Error,
    "A size beyond a limit; no memory was taken for it."
);
create_exception!(
    sparc,
    ModelError,
    Error,
    "A model that is missing, damaged, or does not fit the stream or the settings."
);
create_exception!(
    sparc,
    AudioError,
    Error,
    "Samples that cannot be encoded: their type, shape, values or rate."
);
create_exception!(
    sparc,
    OptionsError,
    Error,
    "An option out of range, or options at odds with one another or with the clip."
);
create_exception!(
    sparc,
    InternalError,
    Error,
    "A fault of sparc itself, which should be reported."
);
create_exception!(
    sparc,
    DamageWarning,
    PyUserWarning,
    "Parts of a stream were damaged or lost: what was decoded is whole, but not all of it is real."
);

/// Why work was not done.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The codec says so.
    Codec(sparc::Error),
    /// It panicked, which no input should make it do.
    Panic(String),
}

impl From<sparc::Error> for Fault {
    fn from(error: sparc::Error) -> Self {
        Fault::Codec(error)
    }
}

impl Fault {
    /// The exception. The library's messages leave it to whoever called to say what they are about: `subject`.
    pub fn raised(&self, subject: &str) -> PyErr {
        use sparc::Error as E;
        match self {
            Fault::Codec(E::Options(text)) => OptionsError::new_err(text.clone()),
            Fault::Codec(error) => {
                let text = format!("{subject}: {error}");
                match error {
                    E::Stream(_) => StreamError::new_err(text),
                    E::Limit(_) => LimitError::new_err(text),
                    E::Model(_) => ModelError::new_err(text),
                    E::Audio(_) => AudioError::new_err(text),
                    _ => Error::new_err(text),
                }
            }
            Fault::Panic(text) => InternalError::new_err(text.clone()),
        }
    }
}

/// An option that cannot be taken.
pub fn option(text: impl Into<String>) -> PyErr {
    OptionsError::new_err(text.into())
}
