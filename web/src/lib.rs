//! The codec as WebAssembly: what JavaScript calls ([`exports`]), over the front door of the library.
//!
//! JavaScript and this module speak in numbers. What is longer goes through three buffers: bytes in, samples in, and the
//! last answer out, each reached by its address. Decoders and encoders are known by their numbers.
//!
//! ```text
//! exports - objects (decoders, encoders) - sparc
//!         - picture, report               - sparc
//! ```
#![deny(unsafe_code)]
#![deny(missing_docs)]

pub mod exports;
mod objects;
mod picture;
mod report;

use sparc::Error;

/// What a call gives back beside its number.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Bytes of a stream, of a WAV file, or of a text (UTF-8).
    Bytes(Vec<u8>),
    /// Samples or levels.
    Numbers(Vec<f32>),
}

impl Default for Answer {
    fn default() -> Self {
        Answer::Bytes(Vec::new())
    }
}

/// A call that failed: a number below zero, and what is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// -1 to -7, as `errorKinds` of the JavaScript module names them.
    pub code: i32,
    /// One line.
    pub text: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Stream(_) => -1,
            Error::Limit(_) => -2,
            Error::Model(_) => -3,
            Error::Audio(_) => -4,
            Error::Options(_) => -5,
            _ => -6,
        };
        Failure {
            code,
            text: error.to_string(),
        }
    }
}

impl Failure {
    /// A call that makes no sense: a number that no object has, say.
    fn misuse(text: &str) -> Self {
        Failure {
            code: -7,
            text: text.into(),
        }
    }
}
