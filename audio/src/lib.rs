//! Sound in files: any file to a [`Clip`], change of sample rate, WAV out.

pub mod error;
pub mod file;
mod packed;
pub mod panics;
pub mod resample;
pub mod wav;

pub use error::{Error, Result};
use std::path::Path;

/// Most samples of all channels together that one file may hold: 2 GiB as f32, nine hours of 16 kHz
/// mono. Everything is held in memory, so a file must not decide how much that is.
pub const MAX_SAMPLES: u64 = 1 << 29;

/// Sample rates taken, Hz: those a `.sparc` header may name (Spec §10).
pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=192_000;

/// Loudest sample taken, re full scale. Float files may exceed 1; one that exceeds it this far is not
/// scaled to full scale at all.
pub const MAX_SAMPLE: f32 = 16.0;

/// A piece of sound: planar samples, full scale 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// Samples a second, Hz.
    pub rate: u32,
    /// One vector per channel, all of one length.
    pub channels: Vec<Vec<f32>>,
}

impl Clip {
    /// Samples per channel.
    pub fn len(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// Duration in seconds.
    pub fn seconds(&self) -> f64 {
        self.len() as f64 / f64::from(self.rate)
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mean of the channels.
    #[must_use]
    pub fn mono(&self) -> Vec<f32> {
        match self.channels.as_slice() {
            [] => Vec::new(),
            [one] => one.clone(),
            [first, ..] => {
                let count = self.channels.len() as f32;
                let mean = |i| self.channels.iter().map(|channel| channel[i]).sum::<f32>() / count;
                (0..first.len()).map(mean).collect()
            }
        }
    }

    /// The clip at another rate (Hz), its length scaled and rounded up ([`resample::length`]).
    ///
    /// # Errors
    /// [`Error::Resample`] if the resampler fails.
    pub fn resampled(&self, rate: u32) -> Result<Self> {
        let wanted = resample::length(self.len() as u64, self.rate, rate) as usize;
        let channels = self
            .channels
            .iter()
            .map(|channel| resample::channel(channel, self.rate, rate, wanted))
            .collect::<Result<_>>()?;
        Ok(Clip { rate, channels })
    }

    /// Checks what every clip must hold to: a rate within [`RATES`], a channel, a sample, and only
    /// finite samples not far beyond full scale.
    pub fn check(&self) -> Result<()> {
        check_rate(self.rate)?;
        if self.channels.is_empty() {
            return Err(Error::Input("has no channels".into()));
        }
        if self.len() == 0 {
            return Err(Error::Input("holds no samples".into()));
        }
        for (channel, samples) in self.channels.iter().enumerate() {
            if let Some(at) = samples
                .iter()
                .position(|x| x.is_nan() || x.abs() > MAX_SAMPLE)
            {
                let value = samples[at];
                let what = if value.is_nan() {
                    "is not a number".to_string()
                } else {
                    format!("is {value}, far beyond full scale (1)")
                };
                return Err(Error::Input(format!(
                    "sample {at} of channel {channel} {what}"
                )));
            }
        }
        Ok(())
    }
}

/// Reads the sound in a file, or on the standard input where `path` is `-`; the format is found from the content.
///
/// # Errors
/// [`Error::Input`] if it cannot be read, is not sound, or not sound to be coded ([`Clip::check`]); [`Error::Limit`] if
/// it is larger than [`MAX_SAMPLES`].
pub fn read(path: &Path) -> Result<Clip> {
    file::bytes(path).and_then(file::clip)
}

/// Refuses a rate outside [`RATES`].
fn check_rate(rate: u32) -> Result<()> {
    if RATES.contains(&rate) {
        Ok(())
    } else {
        let (least, most) = (RATES.start(), RATES.end());
        Err(Error::Input(format!(
            "has a sample rate of {rate} Hz; {least} to {most} Hz are taken"
        )))
    }
}

/// Refuses more than [`MAX_SAMPLES`] in all.
fn check_size(samples_per_channel: u64, channels: usize) -> Result<()> {
    match samples_per_channel.checked_mul(channels as u64) {
        Some(samples) if samples <= MAX_SAMPLES => Ok(()),
        _ => Err(Error::Limit(format!(
            "{samples_per_channel} samples in each of {channels} channels exceed the limit of {MAX_SAMPLES} in all"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(samples: Vec<f32>) -> Clip {
        Clip {
            rate: 16_000,
            channels: vec![samples],
        }
    }

    #[test]
    fn a_clip_of_ordinary_samples_passes() {
        assert_eq!(clip(vec![0.0, -1.0, 1.5]).check(), Ok(()));
    }

    #[test]
    fn nothing_and_nonsense_are_refused_by_name() {
        let message = |c: Clip| c.check().unwrap_err().to_string();
        assert_eq!(message(clip(vec![])), "holds no samples");
        assert_eq!(
            message(Clip {
                rate: 16_000,
                channels: vec![]
            }),
            "has no channels"
        );
        assert_eq!(
            message(clip(vec![0.0, f32::NAN])),
            "sample 1 of channel 0 is not a number"
        );
        assert!(message(clip(vec![f32::INFINITY])).contains("far beyond full scale"));
        assert!(message(Clip {
            rate: 7,
            channels: vec![vec![0.0]]
        })
        .contains("7 Hz"));
    }

    #[test]
    fn the_size_limit_does_not_overflow() {
        assert!(check_size(u64::MAX, 255).is_err());
        assert!(check_size(MAX_SAMPLES, 1).is_ok());
        assert!(check_size(MAX_SAMPLES / 2 + 1, 2).is_err());
    }
}
