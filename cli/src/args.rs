//! How to encode: the arguments that `encode` and `roundtrip` share.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// How to encode.
#[derive(Debug, Clone, Args)]
pub struct Coding {
    /// Target for the whole file in bits a second (6000 or 6k), all channels together: never exceeded, and on
    /// clips of three seconds and more met within 3 % where there is that much to say; a model embedded
    /// comes on top [default: 6000 a channel, unless quality or sparsity are given]
    #[arg(short, long, value_name = "BPS", value_parser = parse_bitrate, conflicts_with_all = ["quality", "sparsity"])]
    pub bitrate: Option<u32>,
    /// With --bitrate: a constant rate. Every segment (about a second of sound) keeps to its own share, what
    /// it leaves over is not spent later, and the header comes out of the first one's share
    #[arg(long, requires = "bitrate")]
    pub cbr: bool,
    /// Time to spend on a bitrate with the speech profile: `fast` takes the settings that usually serve it best;
    /// `default` and `best` try more of them, decode each, and keep those that sound nearest to the original
    #[arg(long, value_enum, default_value_t = Effort::Default)]
    pub effort: Effort,
    /// Seconds of sound that may be held before their bytes are written: clips no longer than this are searched as a whole
    /// for a bitrate and for the settings that sound best; longer ones in pieces of it, the settings by the first. 0 is
    /// for live sound: the usual settings, and every segment written as soon as it is full [default: 60, with more than
    /// two channels 120 over their number]
    #[arg(long, value_name = "SECONDS", value_parser = parse_delay)]
    pub delay: Option<f32>,
    /// Length of a segment in milliseconds: what one damaged byte costs, and how far live sound lies behind. 250 take
    /// 5 % more bits at 6 kbit/s [default: 1024 with the speech profile]
    #[arg(long, value_name = "MS", value_parser = parse_segment)]
    pub segment: Option<f32>,
    /// Constant quality from 0 (smallest) to 10 (best) instead of a bitrate
    #[arg(long, value_name = "0..10", value_parser = parse_quality, conflicts_with = "sparsity")]
    pub quality: Option<f32>,
    /// Share of the spectrogram's pixels to drop, such as 0.95
    #[arg(short, long, value_name = "SHARE", value_parser = parse_sparsity)]
    pub sparsity: Option<f32>,
    /// Which pixels to keep: ridge, uniform, energy, or a PNG image (bins high, frames wide, lowest bin
    /// at the bottom, black is kept) [default: as the profile]
    #[arg(short, long, value_name = "KIND|FILE")]
    pub mask: Option<MaskChoice>,
    /// Seed of a uniform mask
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Which phases to store: none, all, or threshold:DB [default: as the profile]
    #[arg(long, value_name = "KIND")]
    pub phases: Option<PhaseChoice>,
    /// Bits of a stored phase
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=12))]
    pub phase_bits: u8,
    /// Level of the image's floor in dB [default: 80 dB below the loudest pixel]
    #[arg(long, value_name = "DB", allow_hyphen_values = true, value_parser = parse_origin)]
    pub origin: Option<f32>,
    /// Model file that completes the image, a built-in one's name (`speech-lite` for small
    /// decoders), or `none` for interpolation [default: the built-in one that fits]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Put the model into the file, so that it decodes anywhere; its bytes come on top of the bitrate
    #[arg(long)]
    pub embed_model: bool,
    /// Transform, mask and layers to start from
    #[arg(short, long, value_enum, default_value_t = Profile::Speech)]
    pub profile: Profile,
}

/// `--effort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Effort {
    /// One search, many times faster than real time
    Fast,
    /// A few settings, faster than real time on one core
    Default,
    /// Every setting that is ever worth trying
    Best,
}

/// Sets of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// 16 kHz, 512-sample windows, ridges over a background, the lowest band as a waveform: 6 kbit/s or what --bitrate says
    Speech,
    /// 16 kHz, 2048-sample windows, uniform random mask, every phase stored
    Thesis,
}

/// `--mask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskChoice {
    /// Pixels above a threshold per frame.
    Ridge,
    /// Uniform random.
    Uniform,
    /// The strongest of each frame.
    Energy,
    /// Read from a PNG image.
    File(PathBuf),
}

impl FromStr for MaskChoice {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "ridge" => MaskChoice::Ridge,
            "uniform" => MaskChoice::Uniform,
            "energy" => MaskChoice::Energy,
            path => MaskChoice::File(path.into()),
        })
    }
}

/// `--phases`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PhaseChoice {
    /// None.
    None,
    /// All.
    All,
    /// Where the level reaches so many dB.
    Threshold(f32),
}

impl FromStr for PhaseChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(PhaseChoice::None),
            "all" => Ok(PhaseChoice::All),
            _ => text
                .strip_prefix("threshold:")
                .and_then(|db| db.parse::<f32>().ok())
                .filter(|db| db.abs() <= 200.0)
                .map(PhaseChoice::Threshold)
                .ok_or_else(|| "none, all or threshold:DB (such as threshold:60)".into()),
        }
    }
}

/// Lowest and highest bitrate taken, bits a second.
const BITRATES: std::ops::RangeInclusive<f64> = 100.0..=2_000_000.0;

/// Bits a second, with or without a k.
pub fn parse_bitrate(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1000.0),
        None => (text, 1.0),
    };
    match digits.parse::<f64>().map(|x| x * factor) {
        Ok(bps) if BITRATES.contains(&bps) => Ok(bps as u32),
        _ => Err("bits a second from 100 to 2000000, such as 6000 or 6k".into()),
    }
}

/// Bytes, with or without a k, M or G of 1024s.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let units = [('k', 10), ('K', 10), ('M', 20), ('G', 30)];
    let found = units.iter().find(|(unit, _)| text.ends_with(*unit));
    let (digits, shift) = found.map_or((text, 0), |(_, shift)| (&text[..text.len() - 1], *shift));
    let bytes = digits.parse::<u64>().ok();
    let bytes = bytes.and_then(|bytes| bytes.checked_mul(1 << shift));
    bytes.ok_or_else(|| "bytes, such as 1000000, 900k or 64M".into())
}

fn parse_within(text: &str, range: std::ops::RangeInclusive<f32>) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(x) if range.contains(&x) => Ok(x),
        _ => Err(format!(
            "a number from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

fn parse_quality(text: &str) -> Result<f32, String> {
    parse_within(text, 0.0..=10.0)
}

fn parse_delay(text: &str) -> Result<f32, String> {
    parse_within(text, 0.0..=600.0)
}

fn parse_segment(text: &str) -> Result<f32, String> {
    parse_within(text, 20.0..=4_000.0)
}

/// A share of pixels.
pub fn parse_sparsity(text: &str) -> Result<f32, String> {
    parse_within(text, 0.0..=1.0)
}

fn parse_origin(text: &str) -> Result<f32, String> {
    parse_within(text, -240.0..=160.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitrates_take_a_k() {
        assert_eq!(parse_bitrate("6k"), Ok(6000));
        assert_eq!(parse_bitrate("4.5k"), Ok(4500));
        assert_eq!(parse_bitrate("6000"), Ok(6000));
        for bad in ["", "k", "-1", "NaN", "1e99", "99"] {
            assert!(parse_bitrate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_take_a_unit() {
        assert_eq!(parse_bytes("64M"), Ok(64 << 20));
        assert_eq!(parse_bytes("3k"), Ok(3 << 10));
        assert_eq!(parse_bytes("77"), Ok(77));
        for bad in ["", "M", "-1", "1.5M", "99999999999G"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn phases_take_a_threshold() {
        assert_eq!("threshold:60".parse(), Ok(PhaseChoice::Threshold(60.0)));
        assert_eq!("all".parse(), Ok(PhaseChoice::All));
        for bad in ["some", "threshold:", "threshold:NaN", "threshold:1e9"] {
            assert!(bad.parse::<PhaseChoice>().is_err(), "{bad}");
        }
    }
}
