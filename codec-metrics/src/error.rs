//! The one error type of the crate.

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// One of the two signals compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The original.
    Reference,
    /// What came out of the codec.
    Degraded,
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Which::Reference => "reference",
            Which::Degraded => "degraded signal",
        })
    }
}

/// Why two signals cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The signals differ in length.
    #[error("the reference has {reference} samples, the degraded signal {degraded}")]
    Lengths {
        /// Samples of the reference.
        reference: usize,
        /// Samples of the degraded signal.
        degraded: usize,
    },
    /// The clips differ in channels.
    #[error("has {degraded} channels, the reference {reference}")]
    Channels {
        /// Channels of the reference.
        reference: usize,
        /// Channels of the decoded clip.
        degraded: usize,
    },
    /// A change of sample rate failed.
    #[error(transparent)]
    Resample(#[from] sparc::Error),
    /// A sample is not a number.
    #[error("sample {at} of the {which} is not a finite number")]
    NotFinite {
        /// The signal.
        which: Which,
        /// The first such sample.
        at: usize,
    },
    /// A signal is all zeros, which leaves the measure undefined.
    #[error("the {which} is silent: {measure} is not defined")]
    Silent {
        /// The signal.
        which: Which,
        /// The measure.
        measure: &'static str,
    },
    /// Too little sound, silence not counted where the measure leaves it out.
    #[error("too short for {measure}: {found} samples of sound, {needed} are needed")]
    TooShort {
        /// The measure.
        measure: &'static str,
        /// Samples there were.
        found: usize,
        /// Samples there must be.
        needed: usize,
    },
    /// The measure is not defined at this sample rate.
    #[error("{measure} is not defined at {rate} Hz but at {allowed}")]
    Rate {
        /// The measure.
        measure: &'static str,
        /// The rate given, Hz.
        rate: u32,
        /// The rates it could be.
        allowed: &'static str,
    },
    /// PESQ finds no utterance to judge.
    #[error("{measure} finds no speech in the signals")]
    NoSpeech {
        /// The measure.
        measure: &'static str,
    },
}

/// Checks what every measure asks: equal lengths, at least one sample, finite samples.
pub(crate) fn check(reference: &[f32], degraded: &[f32], measure: &'static str) -> Result<()> {
    if reference.len() != degraded.len() {
        return Err(Error::Lengths {
            reference: reference.len(),
            degraded: degraded.len(),
        });
    }
    if reference.is_empty() {
        return Err(Error::TooShort {
            measure,
            found: 0,
            needed: 1,
        });
    }
    for (which, signal) in [(Which::Reference, reference), (Which::Degraded, degraded)] {
        if let Some(at) = signal.iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { which, at });
        }
    }
    Ok(())
}

/// Checks that a signal is not all zeros.
pub(crate) fn check_sound(signal: &[f32], which: Which, measure: &'static str) -> Result<()> {
    if signal.iter().all(|&x| x == 0.0) {
        return Err(Error::Silent { which, measure });
    }
    Ok(())
}
