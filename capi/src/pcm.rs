//! Samples as C takes and gives them: interleaved, 16-bit integers or floats.

use crate::fault::{Fault, Outcome};
use core::mem::MaybeUninit;

/// A kind of sample.
pub(crate) trait Sample: Copy {
    fn of(sample: f32) -> Self;
    fn full_scale_1(self) -> f32;
}

impl Sample for f32 {
    fn of(sample: f32) -> Self {
        sample
    }

    fn full_scale_1(self) -> f32 {
        self
    }
}

impl Sample for i16 {
    /// To the nearest, ties away from zero, clipped: as the command writes them.
    fn of(sample: f32) -> Self {
        (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
    }

    fn full_scale_1(self) -> f32 {
        f32::from(self) / 32_768.0
    }
}

/// Samples in `frames` sample frames of so many channels.
pub(crate) fn samples(frames: usize, channels: usize) -> Outcome<usize> {
    let samples = frames.checked_mul(channels);
    samples.ok_or_else(|| Fault::argument("more sample frames than memory can hold"))
}

/// Refuses a buffer for another number of channels.
pub(crate) fn check_channels(stream: usize, buffer: u32) -> Outcome {
    if u32::try_from(stream) == Ok(buffer) {
        return Ok(());
    }
    Err(Fault::argument(format_args!(
        "the stream has {stream} channels, the buffer is for {buffer}"
    )))
}

/// Interleaves as many sample frames of planar channels, from sample `from` on, as there are and have room; says how many.
pub(crate) fn interleave<T: Sample>(
    channels: &[impl AsRef<[f32]>],
    from: usize,
    room: &mut [MaybeUninit<T>],
) -> usize {
    let Some(first) = channels.first() else {
        return 0;
    };
    let frames = first.as_ref().len().saturating_sub(from);
    let frames = frames.min(room.len() / channels.len());
    for (at, frame) in room
        .chunks_exact_mut(channels.len())
        .take(frames)
        .enumerate()
    {
        for (channel, to) in channels.iter().zip(frame) {
            to.write(T::of(channel.as_ref()[from + at]));
        }
    }
    frames
}

/// Planar channels of interleaved samples.
pub(crate) fn planar<T: Sample>(rate: u32, channels: usize, pcm: &[T]) -> codec::Pcm {
    let pcm: Vec<f32> = pcm.iter().map(|sample| sample.full_scale_1()).collect();
    codec::Pcm::from_interleaved(rate, channels, &pcm)
}
