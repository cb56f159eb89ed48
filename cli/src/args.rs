//! The command line.

use crate::fault::EXIT_CODES;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// A speech and audio codec: a sparse spectrogram, completed by a tiny network.
#[derive(Debug, Parser)]
#[command(name = "sparc", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Say nothing but errors, even on a terminal
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Encode audio (WAV, FLAC, MP3, Ogg Vorbis, AAC) to .sparc
    #[command(after_help = EXIT_CODES)]
    Encode(Encode),
    /// Decode .sparc to WAV, at the rate and with the channels of the source
    #[command(after_help = EXIT_CODES)]
    Decode(Decode),
    /// Show what a .sparc file (or a model file) is made of: chunks, settings, bits per layer
    #[command(after_help = EXIT_CODES)]
    Inspect(Inspect),
    /// Measure a decoded file against its original: PESQ, STOI, SNR, SI-SDR, log-spectral error
    #[command(after_help = EXIT_CODES)]
    Compare(Compare),
    /// Draw a file's waveform, spectrogram, mask and phase as a PNG
    #[command(after_help = EXIT_CODES)]
    Plot(Plot),
    /// Encode, decode, compare and plot in one go
    #[command(after_help = EXIT_CODES)]
    Roundtrip(Roundtrip),
    /// Rate against quality over a folder of clips, beside Opus where ffmpeg is there: table, CSV and plot
    #[command(after_help = EXIT_CODES)]
    Bench(Bench),
    /// Train a completion network on a folder of audio
    #[cfg(feature = "train")]
    #[command(after_help = EXIT_CODES)]
    Train(crate::commands::train::Train),
    /// Take a network's weights to and from safetensors, or store them in fewer bits
    #[cfg(feature = "train")]
    #[command(after_help = EXIT_CODES)]
    Convert(crate::commands::convert::Convert),
    /// Search for the pixels of a clip that are best kept, for one network
    #[cfg(feature = "train")]
    Optimize(crate::commands::optimize::Optimize),
    /// Run the experiments of the thesis behind this codec again and write a report of them
    #[cfg(feature = "train")]
    #[command(after_help = EXIT_CODES)]
    Reproduce(crate::commands::reproduce::Reproduce),
    /// Train the entropy coder's priors: a table built into the library, and part of the format
    #[cfg(feature = "train")]
    #[command(after_help = EXIT_CODES)]
    Priors(crate::commands::priors::PriorsArgs),
}

/// Inputs and where their outputs go.
#[derive(Debug, Args)]
pub struct Files {
    /// IN OUT, where `-` is the standard input or output; with --out-dir any number of inputs
    #[arg(required = true, value_name = "FILE")]
    pub paths: Vec<PathBuf>,
    /// Folder for the outputs, each named after its input; all cores work on them
    #[arg(short = 'd', long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
}

/// `sparc encode`.
#[derive(Debug, Args)]
pub struct Encode {
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub coding: Coding,
}

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
    /// Constant quality from 0 (smallest) to 10 (best) instead of a bitrate
    #[arg(long, value_name = "0..10", value_parser = parse_quality, conflicts_with = "sparsity")]
    pub quality: Option<f32>,
    /// Share of the spectrogram's pixels to drop, such as 0.95
    #[arg(short, long, value_name = "SHARE", value_parser = parse_sparsity)]
    pub sparsity: Option<f32>,
    /// Which pixels to keep: ridge, uniform, energy, or a PBM image (bins high, frames wide, lowest bin
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
    /// Model file that completes the image, or `none` for plain interpolation [default: the built-in one
    /// where it fits]
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
    /// Read from a PBM image.
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

/// `sparc decode`.
#[derive(Debug, Args)]
pub struct Decode {
    #[command(flatten)]
    pub files: Files,
    /// Model file, for streams that name one that is neither built in nor embedded
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Write 32-bit floats instead of 16-bit integers
    #[arg(long)]
    pub float: bool,
}

/// `sparc inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// A .sparc file or a model file, or `-`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `sparc compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The original
    #[arg(value_name = "REF")]
    pub reference: PathBuf,
    /// What became of it: audio or .sparc
    #[arg(value_name = "DEC")]
    pub decoded: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Model file, where DEC is a .sparc file that needs one
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
}

/// `sparc plot`.
#[derive(Debug, Args)]
pub struct Plot {
    /// Audio or .sparc
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The picture to write
    #[arg(value_name = "OUT.png")]
    pub out: PathBuf,
    /// Channel to draw, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub channel: usize,
    /// Model file, where FILE is a .sparc file that needs one
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
}

/// `sparc roundtrip`.
#[derive(Debug, Args)]
pub struct Roundtrip {
    /// Audio files
    #[arg(required = true, value_name = "IN")]
    pub inputs: Vec<PathBuf>,
    /// Folder for the .sparc files, decoded WAVs and pictures
    #[arg(
        short = 'd',
        long,
        value_name = "DIR",
        default_value = "sparc-roundtrip"
    )]
    pub out_dir: PathBuf,
    #[command(flatten)]
    pub coding: Coding,
}

/// `sparc bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Folder of audio files
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Targets in bits a second
    #[arg(long, value_name = "BPS,...", value_delimiter = ',', value_parser = parse_bitrate,
        default_value = "3000,4500,6000,7500,9000,12000")]
    pub rates: Vec<u32>,
    /// Measure Opus too, by ffmpeg with libopus (narrow band below about 9 kbit/s)
    #[arg(long)]
    pub opus: bool,
    /// Targets for Opus
    #[arg(long, value_name = "BPS,...", value_delimiter = ',', value_parser = parse_bitrate,
        default_value = "6000,8000,10000,12000,16000")]
    pub opus_rates: Vec<u32>,
    /// Folder for bench.csv and bench.png
    #[arg(short = 'd', long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Model file that completes the image, or `none` [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
}

/// Lowest and highest bitrate taken, bits a second.
const BITRATES: std::ops::RangeInclusive<f64> = 100.0..=2_000_000.0;

fn parse_bitrate(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1000.0),
        None => (text, 1.0),
    };
    match digits.parse::<f64>().map(|x| x * factor) {
        Ok(bps) if BITRATES.contains(&bps) => Ok(bps as u32),
        _ => Err("bits a second from 100 to 2000000, such as 6000 or 6k".into()),
    }
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

pub fn parse_sparsity(text: &str) -> Result<f32, String> {
    parse_within(text, 0.0..=1.0)
}

fn parse_origin(text: &str) -> Result<f32, String> {
    parse_within(text, -240.0..=160.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

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
    fn phases_take_a_threshold() {
        assert_eq!("threshold:60".parse(), Ok(PhaseChoice::Threshold(60.0)));
        assert_eq!("all".parse(), Ok(PhaseChoice::All));
        for bad in ["some", "threshold:", "threshold:NaN", "threshold:1e9"] {
            assert!(bad.parse::<PhaseChoice>().is_err(), "{bad}");
        }
    }
}
