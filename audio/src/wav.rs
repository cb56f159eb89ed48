//! WAV files, read by hound.

use crate::error::{Error, Result};
use crate::file::reason;
use crate::source::{Bytes, BLOCK};
use crate::Pcm;
use hound::{SampleFormat, WavReader, WavSpec};
use std::io::{Cursor, ErrorKind, Read};

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

/// Length of samples from which on a header does not know it: a WAV file written to a pipe cannot go back to fill it in.
/// ffmpeg leaves 0xFFFFFFFF, sox 0x7FFFF000 or so.
const UNKNOWN: u32 = 0x7FFF_0000;
/// Longest `fmt ` chunk that is read, bytes: those in use have 40.
const MAX_FMT: u64 = 1024;

/// A WAV file, block by block: integers of 8 to 32 bits or 32-bit floats.
pub(crate) struct Reader {
    /// `None` while one is made of another.
    inner: Option<WavReader<Bytes>>,
    /// What comes before the samples.
    head: Head,
    spec: WavSpec,
    /// Samples per channel so far.
    taken: u64,
}

impl Reader {
    pub(crate) fn new(mut bytes: Bytes) -> Result<Self> {
        let head = Head::read(&mut bytes).map_err(|e| Error::Input(reason(&e)))?;
        let inner = head.before(bytes)?;
        Ok(Reader {
            spec: inner.spec(),
            inner: Some(inner),
            head,
            taken: 0,
        })
    }

    /// Rate and channels.
    pub(crate) fn shape(&self) -> (u32, usize) {
        (self.spec.sample_rate, self.spec.channels.into())
    }

    /// Puts the next samples into `block`; none at the end.
    pub(crate) fn next(&mut self, block: &mut [Vec<f32>]) -> Result<()> {
        loop {
            let Some(inner) = &mut self.inner else {
                return Ok(());
            };
            let bits = self.spec.bits_per_sample;
            let read = match self.spec.sample_format {
                SampleFormat::Int => {
                    let scale = 1.0 / (1u64 << (bits - 1)) as f32;
                    let samples = inner.samples::<i32>();
                    deal(samples.map(|s| s.map(|s| s as f32 * scale)), block)
                }
                SampleFormat::Float => deal(inner.samples::<f32>(), block),
            };
            // What is left of the samples of one moment is dropped.
            let len = block.last().map_or(0, Vec::len);
            block.iter_mut().for_each(|channel| channel.truncate(len));
            self.taken += len as u64;
            match read {
                Err(hound::Error::IoError(e)) if e.kind() == ErrorKind::Other => {
                    // Hound's word for an end that comes too soon.
                    if self.head.open {
                        self.inner = None;
                        return Ok(());
                    }
                    let promised = inner.duration();
                    return Err(Error::Input(format!(
                        "is cut short: its header promises {promised} samples per channel, but it ends after {}",
                        self.taken
                    )));
                }
                Err(error) => return Err(unreadable(&error, "its samples")),
                Ok(()) if len > 0 || !self.head.open => return Ok(()),
                // So many samples that their number has no place in a header.
                Ok(()) => {
                    let bytes = self.inner.take().map(WavReader::into_inner);
                    self.inner = bytes.map(|bytes| self.head.before(bytes)).transpose()?;
                }
            }
        }
    }
}

/// Deals interleaved samples out to their channels, a block of them.
fn deal(
    samples: impl Iterator<Item = hound::Result<f32>>,
    channels: &mut [Vec<f32>],
) -> hound::Result<()> {
    let count = channels.len();
    for (index, sample) in samples.take(count * BLOCK).enumerate() {
        channels[index % count].push(sample?);
    }
    Ok(())
}

/// What comes before the samples, without what has no meaning for them.
struct Head {
    bytes: Vec<u8>,
    /// Whether the samples end where the bytes do.
    open: bool,
}

impl Head {
    /// Reads up to the first sample. Where the end comes before that, the head is short.
    fn read(from: &mut Bytes) -> std::io::Result<Self> {
        let mut head = Head {
            bytes: Vec::new(),
            open: false,
        };
        from.take(12).read_to_end(&mut head.bytes)?;
        let mut block = 1;
        loop {
            let mut chunk = Vec::new();
            if from.take(8).read_to_end(&mut chunk)? < 8 {
                head.bytes.extend(chunk);
                return Ok(head);
            }
            let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
            let padded = u64::from(length) + u64::from(length % 2);
            if chunk.starts_with(b"data") {
                head.open = length >= UNKNOWN;
                let most = if head.open { u32::MAX } else { length };
                let length = if head.open {
                    most - most % block
                } else {
                    length
                };
                head.bytes.extend_from_slice(b"data");
                head.bytes.extend(length.to_le_bytes());
                return Ok(head);
            }
            if !chunk.starts_with(b"fmt ") {
                std::io::copy(&mut from.take(padded), &mut std::io::sink())?;
                continue;
            }
            from.take(padded.min(MAX_FMT)).read_to_end(&mut chunk)?;
            if let Some(&[low, high]) = chunk.get(20..22) {
                block = u32::from(u16::from_le_bytes([low, high])).max(1);
            }
            head.bytes.extend(chunk);
        }
    }

    /// A reader of samples that come after this head.
    fn before(&self, samples: Bytes) -> Result<WavReader<Bytes>> {
        let bytes: Bytes = Box::new(Cursor::new(self.bytes.clone()).chain(samples));
        WavReader::new(bytes).map_err(|e| unreadable(&e, "its header"))
    }
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

/// Bytes a sample takes.
fn width(depth: Depth) -> usize {
    match depth {
        Depth::Pcm16 => 2,
        Depth::Float => 4,
    }
}

/// What comes before the samples of a WAV file of so many samples per channel. Without their number it says what others
/// say who do not know it; so it does in a stream (`endless`) of more than fit.
///
/// # Errors
/// [`Error::Limit`] for more than fit into a WAV file.
pub fn header(
    rate: u32,
    channels: usize,
    depth: Depth,
    samples: Option<u64>,
    endless: bool,
) -> Result<Vec<u8>> {
    let block = width(depth) * channels;
    let size = samples.map(|samples| samples.saturating_mul(block as u64));
    let too_many = size.filter(|&size| size > u64::from(u32::MAX) - 1024);
    if let (Some(size), false) = (too_many, endless) {
        return Err(Error::Limit(format!(
            "{size} bytes of samples are too many for a WAV file"
        )));
    }
    let known = size.filter(|_| too_many.is_none());
    // The older form where it is allowed: more programs read it.
    let extended = channels > 2 || depth != Depth::Pcm16;
    let tag: u16 = match depth {
        Depth::Pcm16 => 1,
        Depth::Float => 3,
    };
    let bits = 8 * width(depth) as u16;
    let mut bytes = b"RIFF".to_vec();
    let head: u32 = if extended { 60 } else { 36 };
    let riff = known.map_or(u32::MAX, |size| size as u32 + head);
    bytes.extend(riff.to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend((head - 20).to_le_bytes());
    bytes.extend(if extended { 0xFFFE } else { tag }.to_le_bytes());
    bytes.extend((channels as u16).to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate.saturating_mul(block as u32)).to_le_bytes());
    bytes.extend((block as u16).to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    if extended {
        let speakers = (1u32 << channels.min(18)) - 1;
        bytes.extend(22u16.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(speakers.to_le_bytes());
        bytes.extend(tag.to_le_bytes());
        bytes.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
    }
    bytes.extend_from_slice(b"data");
    let data = known.map_or(u32::MAX - u32::MAX % block.max(1) as u32, |size| {
        size as u32
    });
    bytes.extend(data.to_le_bytes());
    Ok(bytes)
}

/// Samples as they lie in a WAV file.
pub fn samples(channels: &[Vec<f32>], depth: Depth) -> Vec<u8> {
    let len = channels.first().map_or(0, Vec::len);
    let mut bytes = Vec::with_capacity(len * channels.len() * width(depth));
    for index in 0..len {
        for channel in channels {
            match depth {
                Depth::Pcm16 => bytes.extend(to_i16(channel[index]).to_le_bytes()),
                Depth::Float => bytes.extend(channel[index].to_le_bytes()),
            }
        }
    }
    bytes
}

/// A clip as the bytes of a WAV file.
///
/// # Errors
/// As [`header`].
pub fn write(clip: &Pcm, depth: Depth) -> Result<Vec<u8>> {
    let length = Some(clip.len() as u64);
    let mut bytes = header(clip.rate, clip.channels.len(), depth, length, false)?;
    bytes.extend(samples(&clip.channels, depth));
    Ok(bytes)
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

    fn read(bytes: Vec<u8>) -> Result<Pcm> {
        crate::Source::of(bytes)?.collect()
    }

    #[test]
    fn headers_are_those_that_others_write() {
        for (channels, depth) in [
            (1, Depth::Pcm16),
            (2, Depth::Pcm16),
            (5, Depth::Pcm16),
            (1, Depth::Float),
        ] {
            let clip = ramp(channels);
            let spec = WavSpec {
                channels: channels as u16,
                sample_rate: clip.rate,
                bits_per_sample: 8 * width(depth) as u16,
                sample_format: match depth {
                    Depth::Pcm16 => SampleFormat::Int,
                    Depth::Float => SampleFormat::Float,
                },
            };
            let mut bytes = Cursor::new(Vec::new());
            let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
            for index in 0..clip.len() {
                for channel in &clip.channels {
                    match depth {
                        Depth::Pcm16 => writer.write_sample(to_i16(channel[index])).unwrap(),
                        Depth::Float => writer.write_sample(channel[index]).unwrap(),
                    }
                }
            }
            writer.finalize().unwrap();
            assert!(
                bytes.into_inner() == write(&clip, depth).unwrap(),
                "{channels} {depth:?}"
            );
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
