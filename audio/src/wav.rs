//! WAV files, by hound.

use crate::error::{Error, Result};
use crate::{check_size, Pcm};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::io::Cursor;

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 16-bit integers, rounded to nearest and clipped.
    Pcm16,
    /// 32-bit floats, untouched.
    Float,
}

/// Whether these bytes begin as a WAV file does.
pub fn is_wav(bytes: &[u8]) -> bool {
    bytes.len() >= 12 && bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WAVE"
}

/// Reads a whole WAV file: integers of 8 to 32 bits or 32-bit floats.
pub fn read(mut bytes: Vec<u8>) -> Result<Pcm> {
    settle_streamed_length(&mut bytes);
    let reader = WavReader::new(Cursor::new(&bytes)).map_err(|e| unreadable(&e, "its header"))?;
    let spec = reader.spec();
    let length = reader.duration();
    let count = usize::from(spec.channels);
    sparc::pcm::check_rate(spec.sample_rate)?;
    check_size(u64::from(length), count)?;
    // The header's word is not taken for how much to allocate: the file is at least this long.
    let room = (length as usize).min(bytes.len() / count.max(1));
    let mut channels = vec![Vec::with_capacity(room); count];
    match spec.sample_format {
        SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample - 1)) as f32;
            deal(
                reader
                    .into_samples::<i32>()
                    .map(|s| s.map(|s| s as f32 * scale)),
                &mut channels,
                length,
            )?;
        }
        SampleFormat::Float => deal(reader.into_samples::<f32>(), &mut channels, length)?,
    }
    Ok(Pcm {
        rate: spec.sample_rate,
        channels,
    })
}

/// Deals interleaved samples out to their channels.
fn deal(
    samples: impl Iterator<Item = hound::Result<f32>>,
    channels: &mut [Vec<f32>],
    length: u32,
) -> Result<()> {
    let count = channels.len();
    for (index, sample) in samples.enumerate() {
        let sample = sample.map_err(|error| match error {
            hound::Error::IoError(_) => Error::Input(format!(
                "is cut short: its header promises {length} samples per channel, but it ends after {}",
                index / count
            )),
            other => unreadable(&other, "its samples"),
        })?;
        channels[index % count].push(sample);
    }
    Ok(())
}

fn unreadable(error: &hound::Error, what: &str) -> Error {
    Error::Input(match error {
        hound::Error::IoError(_) => format!("is a WAV file cut short within {what}"),
        hound::Error::Unsupported => "is a WAV file of a kind that is not supported".into(),
        other => format!(
            "is not a sound WAV file: {}",
            other.to_string().replace('\n', " ")
        ),
    })
}

/// A WAV file written to a pipe cannot go back to fill in its length: ffmpeg leaves 0xFFFFFFFF, sox
/// 0x7FFFF000 or so. Puts the true length there, in whole blocks.
fn settle_streamed_length(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    let (mut at, mut block) = (12, 1);
    while at + 8 <= bytes.len() {
        let length = word(bytes, at + 4);
        if &bytes[at..at + 4] == b"fmt " && at + 24 <= bytes.len() {
            block = usize::from(u16::from_le_bytes([bytes[at + 20], bytes[at + 21]])).max(1);
        }
        if &bytes[at..at + 4] == b"data" {
            let rest = bytes.len() - at - 8;
            if length >= 0x7FFF_0000 && rest < length as usize {
                let whole = (rest - rest % block) as u32;
                bytes[at + 4..at + 8].copy_from_slice(&whole.to_le_bytes());
            }
            return;
        }
        at = at
            .saturating_add(8)
            .saturating_add(length as usize)
            .saturating_add(length as usize % 2);
    }
}

/// A clip as the bytes of a WAV file.
pub fn write(clip: &Pcm, depth: Depth) -> Result<Vec<u8>> {
    let (bits_per_sample, sample_format) = match depth {
        Depth::Pcm16 => (16, SampleFormat::Int),
        Depth::Float => (32, SampleFormat::Float),
    };
    let size = clip.len() as u64 * clip.channels.len() as u64 * u64::from(bits_per_sample / 8);
    if size > u64::from(u32::MAX) - 1024 {
        return Err(Error::Limit(format!(
            "{size} bytes of samples are too many for a WAV file"
        )));
    }
    let spec = WavSpec {
        channels: clip.channels.len() as u16,
        sample_rate: clip.rate,
        bits_per_sample,
        sample_format,
    };
    let mut bytes = Cursor::new(Vec::with_capacity(size as usize + 128));
    let failed = |e: hound::Error| Error::Output(e.to_string());
    let mut writer = WavWriter::new(&mut bytes, spec).map_err(failed)?;
    for index in 0..clip.len() {
        for channel in &clip.channels {
            match depth {
                Depth::Pcm16 => writer
                    .write_sample(to_i16(channel[index]))
                    .map_err(failed)?,
                Depth::Float => writer.write_sample(channel[index]).map_err(failed)?,
            }
        }
    }
    writer.finalize().map_err(failed)?;
    Ok(bytes.into_inner())
}

/// To the nearest 16-bit integer, ties away from zero, clipped at full scale.
fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(channels: usize) -> Pcm {
        let one = |c: usize| {
            (0..100)
                .map(|i| (i as f32 - 50.0 + c as f32) / 64.0)
                .collect()
        };
        Pcm {
            rate: 22_050,
            channels: (0..channels).map(one).collect(),
        }
    }

    #[test]
    fn written_clips_read_back_unchanged() {
        for channels in [1, 2, 5] {
            let clip = ramp(channels);
            assert_eq!(read(write(&clip, Depth::Pcm16).unwrap()).unwrap(), clip);
            assert_eq!(read(write(&clip, Depth::Float).unwrap()).unwrap(), clip);
        }
    }

    #[test]
    fn pcm_is_rounded_to_nearest_and_clipped() {
        assert_eq!([0.6, -0.6, 0.4].map(|x| to_i16(x / 32_768.0)), [1, -1, 0]);
        assert_eq!(
            [1.0, 2.0, -1.0, -9.0].map(to_i16),
            [32_767, 32_767, -32_768, -32_768]
        );
    }

    #[test]
    fn a_cut_file_says_how_much_is_there() {
        let mut bytes = write(&ramp(2), Depth::Pcm16).unwrap();
        bytes.truncate(bytes.len() - 6);
        let message = read(bytes).unwrap_err().to_string();
        assert!(
            message.contains("promises 100") && message.contains("ends after 98"),
            "{message}"
        );
    }

    #[test]
    fn every_cut_is_an_error_and_never_a_panic() {
        let bytes = write(&ramp(1), Depth::Pcm16).unwrap();
        for length in 12..bytes.len() {
            assert!(
                matches!(read(bytes[..length].to_vec()), Err(Error::Input(_))),
                "{length}"
            );
        }
    }

    #[test]
    fn a_piped_file_is_as_long_as_what_came() {
        let mut bytes = write(&ramp(2), Depth::Pcm16).unwrap();
        let at = bytes.windows(4).position(|w| w == b"data").unwrap();
        bytes[at + 4..at + 8].copy_from_slice(&[0xFF; 4]);
        bytes.push(0);
        assert_eq!(read(bytes).unwrap(), ramp(2));
    }
}
