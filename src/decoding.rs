//! What a decoder accepts, and what it tells of damage.

use crate::models::Networks;
use crate::pcm::MAX_SAMPLES;
use codec_format::Limits;

/// Bytes a decoder may take unless told otherwise: some sixty times what the speech profile does, and enough for eight
/// channels of it.
pub const MEMORY: u64 = 64 << 20;

/// What a decoder accepts, and which networks it has.
#[derive(Debug, Clone)]
pub struct Decoding {
    /// The networks at hand.
    pub networks: Networks,
    /// What a stream may ask for.
    pub limits: Limits,
    /// Most samples, of all channels together, of a stream that is decoded as a whole: [`MAX_SAMPLES`] by default.
    pub samples: u64,
    /// Most bytes that a decoder may take ([`memory_required`](crate::memory_required)): 64 MiB by default. Of a stream taken
    /// apart ([`Stream`](crate::Stream)): most bytes of its symbols.
    pub memory: u64,
    /// Whether PCM comes at the source's rate rather than the coded one. Without the feature `std` it never does.
    pub resample: bool,
}

impl Default for Decoding {
    fn default() -> Self {
        Decoding {
            networks: Networks::default(),
            limits: Limits::default(),
            samples: MAX_SAMPLES,
            memory: MEMORY,
            resample: cfg!(feature = "std"),
        }
    }
}

/// What was damaged or lost of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Damage {
    /// Places that could not be used.
    pub places: u32,
    /// What is wrong at the first one.
    pub first: Option<codec_format::Error>,
    /// Segments that were concealed.
    pub concealed: u32,
    /// Segments decoded or concealed.
    pub segments: u32,
}

impl Damage {
    /// Whether all of the stream was there.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.places == 0 && self.concealed == 0
    }
}

impl core::fmt::Display for Damage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.concealed {
            _ if self.is_none() => write!(f, "is whole")?,
            0 => write!(f, "is damaged, though no segment is lost")?,
            lost => write!(
                f,
                "{lost} of {} segments are damaged and were concealed",
                self.segments
            )?,
        }
        match &self.first {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}
