//! Change of sample rate, by rubato, without delay and to an exact length: in pieces or at once, with the same result.

use crate::error::{Error, Result};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

/// Samples per channel that `samples` at rate `from` become at rate `to`, rounded up (Spec §4.3).
#[must_use]
pub fn length(samples: u64, from: u32, to: u32) -> u64 {
    let scaled = (u128::from(samples) * u128::from(to)).div_ceil(u128::from(from.max(1)));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Resamples one channel from rate `from` to rate `to` (Hz) into exactly `wanted` samples.
///
/// The filter's delay is removed; past the end the signal is silence. Equal rates change nothing.
///
/// # Errors
/// [`Error::Other`] for rates of 0.
pub fn channel(samples: &[f32], from: u32, to: u32, wanted: usize) -> Result<Vec<f32>> {
    let mut resampler = Resampler::new(from, to, 1)?;
    let mut out = resampler.push(&[samples])?.remove(0);
    out.append(&mut resampler.finish(wanted as u64)?[0]);
    Ok(out)
}

/// A resampler at work on planar PCM that arrives in pieces.
pub struct Resampler {
    /// None where the rates are equal.
    filter: Option<Fft<f32>>,
    /// Samples not yet in a whole block, per channel.
    pending: Vec<Vec<f32>>,
    /// Samples still to drop: the filter's delay.
    delay: usize,
    /// Samples given out, per channel.
    given: u64,
}

impl core::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Resampler")
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl Resampler {
    /// From rate `from` to rate `to`, Hz.
    ///
    /// # Errors
    /// [`Error::Other`] for rates of 0.
    pub fn new(from: u32, to: u32, channels: usize) -> Result<Self> {
        let filter = if from == to || channels == 0 {
            None
        } else {
            if from == 0 || to == 0 {
                return Err(Error::Other("a sample rate of 0 Hz".into()));
            }
            let (block, window) = (block(from, to), WindowFunction::BlackmanHarris2);
            let (from, to) = (from as usize, to as usize);
            let filter = Fft::new_custom(from, to, block, 1, channels, window, FixedSync::Both)
                .map_err(failed)?;
            Some(filter)
        };
        Ok(Resampler {
            delay: filter.as_ref().map_or(0, |filter| filter.output_delay()),
            filter,
            pending: vec![Vec::new(); channels],
            given: 0,
        })
    }

    /// Bytes that one for these rates holds, or a little less: a block in and out of every channel, and of the filter's
    /// transforms.
    #[must_use]
    pub fn memory_required(from: u32, to: u32, channels: usize) -> u64 {
        if from == to || from == 0 {
            return 0;
        }
        let block = block(from, to) as u64;
        let samples = block.saturating_add(length(block, from, to));
        samples.saturating_mul(4 * (8 + 4 * channels as u64))
    }

    /// Takes the next samples, one slice per channel, and returns those that became final.
    ///
    /// # Errors
    /// [`Error::Other`] if slices are missing or differ in length.
    pub fn push(&mut self, pcm: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
        let len = pcm.first().map_or(0, |channel| channel.len());
        if pcm.len() != self.pending.len() || pcm.iter().any(|channel| channel.len() != len) {
            return Err(Error::Other(
                "resampling needs one equally long slice per channel".into(),
            ));
        }
        for (pending, channel) in self.pending.iter_mut().zip(pcm) {
            pending.extend_from_slice(channel);
        }
        let mut out = vec![Vec::new(); self.pending.len()];
        match &self.filter {
            None => out = core::mem::replace(&mut self.pending, out),
            Some(filter) => {
                let block = filter.input_frames_next();
                let whole = self.pending.first().map_or(0, Vec::len) / block;
                for at in 0..whole {
                    self.block(at * block, block, &mut out)?;
                }
                for pending in &mut self.pending {
                    pending.drain(..whole * block);
                }
            }
        }
        self.given += out.first().map_or(0, Vec::len) as u64;
        Ok(out)
    }

    /// The rest, so that exactly `total` samples per channel were given out in all: silence follows, or what is too much is cut.
    ///
    /// # Errors
    /// [`Error::Other`] if the filter fails.
    pub fn finish(mut self, total: u64) -> Result<Vec<Vec<f32>>> {
        let wanted = usize::try_from(total.saturating_sub(self.given)).unwrap_or(usize::MAX);
        let mut out = core::mem::take(&mut self.pending);
        if self.filter.is_some() && wanted > 0 {
            let left = out.first().map_or(0, Vec::len);
            self.pending = core::mem::replace(&mut out, vec![Vec::new(); self.pending.len()]);
            out.resize(self.pending.len(), Vec::new());
            self.block(0, left, &mut out)?;
            // What is left in the filter is its delay and no more than a block.
            for _ in 0..2 {
                if out.first().is_some_and(|channel| channel.len() < wanted) {
                    self.block(0, 0, &mut out)?;
                }
            }
        }
        for channel in &mut out {
            channel.resize(wanted, 0.0);
        }
        Ok(out)
    }

    /// Filters `count` pending samples from `at` on, silence up to a whole block.
    fn block(&mut self, at: usize, count: usize, out: &mut [Vec<f32>]) -> Result<()> {
        let Some(filter) = &mut self.filter else {
            return Ok(());
        };
        let channels = self.pending.len();
        let len = self.pending.first().map_or(0, Vec::len);
        let input = SequentialSliceOfVecs::new(&self.pending, channels, len).map_err(failed)?;
        let mut made = vec![vec![0.0f32; filter.output_frames_next()]; channels];
        let room = made[0].len();
        let mut output =
            SequentialSliceOfVecs::new_mut(&mut made, channels, room).map_err(failed)?;
        let indexing = Indexing {
            input_offset: at,
            partial_len: (count < filter.input_frames_next()).then_some(count),
            ..Indexing::default()
        };
        let (_, written) = filter
            .process_into_buffer(&input, &mut output, Some(&indexing))
            .map_err(failed)?;
        let drop = self.delay.min(written);
        self.delay -= drop;
        for (out, made) in out.iter_mut().zip(&made) {
            out.extend_from_slice(&made[drop..written]);
        }
        Ok(())
    }
}

/// Samples at rate `from` that an output of the filter depends on, on either side; at least.
pub(crate) fn reach(from: u32, to: u32) -> u64 {
    2 * block(from, to) as u64
}

/// The greatest common divisor; at least 1.
pub(crate) fn common(a: u64, b: u64) -> u64 {
    if b == 0 {
        a.max(1)
    } else {
        common(b, a % b)
    }
}

fn failed(error: impl core::fmt::Display) -> Error {
    Error::Other(format!("resampling: {error}"))
}

/// Input samples in a block of the resampler, whose filter is as long: at least 1024, for a steep one.
///
/// Blocks must be whole on both sides; an even number of the smallest such blocks makes the filter's
/// length even on both sides too, and its delay a whole number of samples.
fn block(from: u32, to: u32) -> usize {
    let least = (u64::from(from) / common(from.into(), to.into())) as usize;
    least * 1024usize.div_ceil(least).next_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 7] = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000];

    fn tone(rate: u32, hz: f64, count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| (2.0 * core::f64::consts::PI * hz * i as f64 / f64::from(rate)).sin() as f32)
            .collect()
    }

    #[test]
    fn a_tone_stays_where_it_was() {
        for from in RATES {
            for to in RATES {
                let count = from as usize / 2 + 13;
                let wanted = length(count as u64, from, to) as usize;
                let out = channel(&tone(from, 997.0, count), from, to, wanted).unwrap();
                let ideal = tone(to, 997.0, wanted);
                assert_eq!(out.len(), wanted);
                // Away from the ends, where the filter sees silence.
                let edge = wanted / 8;
                let worst = (edge..wanted - edge)
                    .map(|i| (out[i] - ideal[i]).abs())
                    .fold(0.0, f32::max);
                assert!(worst < 2e-3, "{from} -> {to}: off by {worst}");
            }
        }
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        for (from, to) in [(44_100, 16_000), (16_000, 48_000), (16_000, 16_000)] {
            let pcm = [tone(from, 440.0, 9_001), tone(from, 900.0, 9_001)];
            let wanted = length(9_001, from, to);
            let whole: Vec<Vec<f32>> = pcm
                .iter()
                .map(|x| channel(x, from, to, wanted as usize).unwrap())
                .collect();
            let mut resampler = Resampler::new(from, to, 2).unwrap();
            let mut out = vec![Vec::new(), Vec::new()];
            let mut take = |piece: Vec<Vec<f32>>| {
                for (out, piece) in out.iter_mut().zip(piece) {
                    out.extend(piece);
                }
            };
            for at in (0..9_001).step_by(777) {
                let end = (at + 777).min(9_001);
                take(
                    resampler
                        .push(&[&pcm[0][at..end], &pcm[1][at..end]])
                        .unwrap(),
                );
            }
            take(resampler.finish(wanted).unwrap());
            assert_eq!(out, whole, "{from} -> {to}");
        }
    }

    #[test]
    fn there_and_back_is_the_same_length_and_the_same_sound() {
        for rate in RATES {
            for count in [1usize, 2, 3, 100, 1023, 4410, 22_051] {
                let coded = length(count as u64, rate, 16_000) as usize;
                let there = channel(&tone(rate, 440.0, count), rate, 16_000, coded).unwrap();
                let back = channel(&there, 16_000, rate, count).unwrap();
                assert_eq!(back.len(), count);
            }
        }
    }

    #[test]
    fn equal_rates_change_nothing() {
        let x = tone(16_000, 440.0, 777);
        assert_eq!(channel(&x, 16_000, 16_000, 777).unwrap(), x);
    }

    #[test]
    fn lengths_do_not_overflow() {
        assert_eq!(length(u64::MAX / 1000, 1_000, 1_000), u64::MAX / 1000);
        assert_eq!(length(1, 384_000, 1_000), 1);
        assert_eq!(length(0, 384_000, 1_000), 0);
    }
}
