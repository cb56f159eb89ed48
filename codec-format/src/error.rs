//! The one error type of the crate: who is at fault, what is wrong, and where.

use core::fmt;

/// Shorthand for results of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Why bytes could not be read, or symbols not be written.
///
/// The variants answer *who is at fault*: the stream ([`Truncated`](Error::Truncated),
/// [`Malformed`](Error::Malformed), [`Corrupt`](Error::Corrupt)), this implementation
/// ([`Unsupported`](Error::Unsupported)), a limit ([`LimitExceeded`](Error::LimitExceeded)), or the
/// caller ([`Usage`](Error::Usage)). `what` names the field as the specification does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The stream ends inside `what`.
    Truncated {
        /// The field or chunk that is cut short.
        what: &'static str,
        /// Byte offset at which more data was wanted.
        at: u64,
    },
    /// The stream breaks a rule of the specification.
    Malformed {
        /// The offending field.
        what: &'static str,
        /// Byte offset of the field; of its chunk's body where it is entropy coded or the rule spans several fields.
        at: u64,
    },
    /// A checksum does not match: the bytes were damaged.
    Corrupt {
        /// The chunk whose CRC-32 disagrees.
        what: &'static str,
        /// Byte offset of the chunk.
        at: u64,
    },
    /// A legal stream that this version cannot read: newer major version, unknown critical chunk.
    Unsupported {
        /// The feature.
        what: &'static str,
        /// The value found.
        value: u64,
        /// Byte offset of the field.
        at: u64,
    },
    /// A value beyond what [`Limits`](crate::limits::Limits) allows; nothing was allocated for it.
    LimitExceeded {
        /// The limited quantity.
        what: &'static str,
        /// The value asked for.
        requested: u64,
        /// The largest value allowed.
        max: u64,
        /// Byte offset of what asks for it, as for [`Malformed`](Error::Malformed); `None` for the caller's own.
        at: Option<u64>,
    },
    /// The caller handed over symbols or settings that contradict each other.
    Usage {
        /// The broken precondition.
        what: &'static str,
    },
}

impl Error {
    /// The number of the kind of error, which stays the same for ever (Spec §3.9, which has 6 for a model that does not
    /// fit). No stream is wrong with 7.
    #[must_use]
    pub const fn number(&self) -> u8 {
        match self {
            Error::Truncated { .. } => 1,
            Error::Malformed { .. } => 2,
            Error::Corrupt { .. } => 3,
            Error::Unsupported { .. } => 4,
            Error::LimitExceeded { .. } => 5,
            Error::Usage { .. } => 7,
        }
    }

    /// An error of the caller's so far, now one of what was read at `at`.
    #[must_use]
    pub(crate) fn found_at(self, at: u64) -> Self {
        match self {
            Error::Usage { what } => Error::Malformed { what, at },
            Error::LimitExceeded {
                what,
                requested,
                max,
                at: None,
            } => Error::LimitExceeded {
                what,
                requested,
                max,
                at: Some(at),
            },
            other => other,
        }
    }

    /// The same error with its byte offset moved by `base`: from an offset within a chunk to one
    /// within the stream.
    #[must_use]
    pub fn offset_by(mut self, base: u64) -> Self {
        match &mut self {
            Error::Truncated { at, .. }
            | Error::Malformed { at, .. }
            | Error::Corrupt { at, .. }
            | Error::Unsupported { at, .. }
            | Error::LimitExceeded { at: Some(at), .. } => *at += base,
            Error::LimitExceeded { at: None, .. } | Error::Usage { .. } => {}
        }
        self
    }
}

/// [`Error::Usage`] unless `holds`.
pub(crate) fn rule(holds: bool, what: &'static str) -> Result<()> {
    holds.then_some(()).ok_or(Error::Usage { what })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Truncated { what, at } => write!(f, "stream ends inside {what} at byte {at}"),
            Error::Malformed { what, at } => write!(f, "malformed {what} at byte {at}"),
            Error::Corrupt { what, at } => write!(f, "checksum mismatch in {what} at byte {at}"),
            Error::Unsupported { what, value, at } => {
                write!(f, "unsupported {what} {value} at byte {at}")
            }
            Error::LimitExceeded {
                what,
                requested,
                max,
                at,
            } => {
                write!(f, "{what} of {requested} exceeds the limit of {max}")?;
                at.map_or(Ok(()), |at| write!(f, " at byte {at}"))
            }
            Error::Usage { what } => write!(f, "invalid use: {what}"),
        }
    }
}

impl core::error::Error for Error {}
