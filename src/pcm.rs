//! Sound as samples.

use crate::error::{Error, Result};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// Sample rates taken, Hz: those a header may name (Spec §10).
pub const RATES: RangeInclusive<u32> = 1_000..=192_000;

/// Most samples of all channels together that are held at once: 2 GiB as f32, nine hours of 16 kHz mono. A file must not
/// decide how much memory is taken.
pub const MAX_SAMPLES: u64 = 1 << 29;

/// Loudest sample taken, re full scale. Samples in binary32 may exceed 1; one that exceeds it this far is not scaled to full
/// scale at all.
pub const MAX_SAMPLE: f32 = 16.0;

/// Planar samples, full scale 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pcm {
    /// Samples a second, Hz.
    pub rate: u32,
    /// One vector per channel, all of one length.
    pub channels: Vec<Vec<f32>>,
}

impl Pcm {
    /// One channel at `rate` Hz.
    #[must_use]
    pub fn from_mono(rate: u32, samples: Vec<f32>) -> Self {
        Pcm {
            rate,
            channels: vec![samples],
        }
    }

    /// From interleaved samples, `channels` to a frame of time; an incomplete last one is dropped. Without channels: nothing.
    #[must_use]
    pub fn from_interleaved(rate: u32, channels: usize, samples: &[f32]) -> Self {
        let each = samples.len().checked_div(channels).unwrap_or(0);
        let channel = |c: usize| {
            let samples = samples.iter().skip(c).step_by(channels.max(1));
            samples.take(each).copied().collect()
        };
        Pcm {
            rate,
            channels: (0..channels).map(channel).collect(),
        }
    }

    /// The samples channel by channel, interleaved.
    #[must_use]
    pub fn interleaved(&self) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.len() * self.channels.len());
        for at in 0..self.len() {
            out.extend(self.channels.iter().filter_map(|channel| channel.get(at)));
        }
        out
    }

    /// Samples per channel.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Duration in seconds; 0 without a rate.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        if self.rate == 0 {
            0.0
        } else {
            self.len() as f64 / f64::from(self.rate)
        }
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

    /// The sound at another rate (Hz), its length scaled and rounded up ([`resample::length`](crate::resample::length)).
    ///
    /// # Errors
    /// As [`resample::channel`](crate::resample::channel).
    #[cfg(feature = "std")]
    pub fn resampled(&self, rate: u32) -> Result<Self> {
        let wanted = crate::resample::length(self.len() as u64, self.rate, rate) as usize;
        let resampled =
            |channel: &Vec<f32>| crate::resample::channel(channel, self.rate, rate, wanted);
        let channels = self.channels.iter().map(resampled).collect::<Result<_>>()?;
        Ok(Pcm { rate, channels })
    }

    /// Checks what every clip must hold to: a rate within [`RATES`], a channel, a sample, channels of one length, and only
    /// finite samples not far beyond full scale.
    ///
    /// # Errors
    /// [`Error::Audio`] that names the first thing wrong, and where.
    pub fn check(&self) -> Result<()> {
        check_rate(self.rate)?;
        if self.channels.is_empty() {
            return Err(Error::Audio("has no channels".into()));
        }
        if self.is_empty() {
            return Err(Error::Audio("holds no samples".into()));
        }
        if self.channels.iter().any(|c| c.len() != self.len()) {
            return Err(Error::Audio("has channels of different lengths".into()));
        }
        for (channel, samples) in self.channels.iter().enumerate() {
            check_samples(samples, channel, 0)?;
        }
        Ok(())
    }
}

/// Refuses a rate outside [`RATES`].
///
/// # Errors
/// [`Error::Audio`] that names it.
pub fn check_rate(rate: u32) -> Result<()> {
    if RATES.contains(&rate) {
        return Ok(());
    }
    let (least, most) = (RATES.start(), RATES.end());
    Err(Error::Audio(format!(
        "has a sample rate of {rate} Hz; {least} to {most} Hz are taken"
    )))
}

/// Refuses samples that are no numbers or far beyond full scale; `first` is the place of the first one.
pub(crate) fn check_samples(samples: &[f32], channel: usize, first: u64) -> Result<()> {
    let odd = |x: &f32| x.is_nan() || *x > MAX_SAMPLE || *x < -MAX_SAMPLE;
    let Some(at) = samples.iter().position(odd) else {
        return Ok(());
    };
    let place = first + at as u64;
    let what = if samples[at].is_nan() {
        "is not a number".into()
    } else {
        format!("is {}, far beyond full scale (1)", samples[at])
    };
    Err(Error::Audio(format!(
        "sample {place} of channel {channel} {what}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ordinary_samples_pass_and_nonsense_is_named() {
        assert_eq!(Pcm::from_mono(16_000, vec![0.0, -1.0, 1.5]).check(), Ok(()));
        let message = |pcm: Pcm| pcm.check().unwrap_err().to_string();
        assert_eq!(message(Pcm::from_mono(16_000, vec![])), "holds no samples");
        let none = Pcm {
            rate: 16_000,
            channels: vec![],
        };
        assert_eq!(message(none), "has no channels");
        let nan = Pcm::from_mono(16_000, vec![0.0, f32::NAN]);
        assert_eq!(message(nan), "sample 1 of channel 0 is not a number");
        assert!(
            message(Pcm::from_mono(16_000, vec![f32::INFINITY])).contains("far beyond full scale")
        );
        assert!(message(Pcm::from_mono(7, vec![0.0])).contains("7 Hz"));
        let uneven = Pcm {
            rate: 16_000,
            channels: vec![vec![0.0; 2], vec![0.0]],
        };
        assert!(message(uneven).contains("different lengths"));
    }

    #[test]
    fn interleaving_goes_there_and_back() {
        let pcm = Pcm::from_interleaved(8_000, 2, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(pcm.channels, [vec![1.0, 3.0], vec![2.0, 4.0]]);
        assert_eq!(pcm.interleaved(), [1.0, 2.0, 3.0, 4.0]);
        assert!(Pcm::from_interleaved(8_000, 0, &[1.0]).is_empty());
    }
}
