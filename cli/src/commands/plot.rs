//! `sparc plot`.

use crate::batch;
use crate::fault::{Failure, Fault, OfFile};
use crate::models;
use crate::output;
use crate::progress::Progress;
use clap::Args;
use codec_audio::{file, resample, Pcm};
use codec_core::encode::{self, Analysis, Settings, Target};
use codec_format::header::{PhaseKind, Signal};
use codec_format::symbols::Segment;
use codec_lab::figure::{self, Figure};
use ndarray::Array2;
use sparc::{Damage, Decoding, Stream};
use std::path::PathBuf;

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

/// Range of the level scale in dB, below the loudest pixel.
const RANGE: f32 = 80.0;
/// Phases are drawn where the level comes this near the loudest pixel, dB: below, they are noise.
const PHASE_RANGE: f32 = 60.0;

/// Draws the picture.
pub fn run(args: &Plot, quiet: bool) -> Vec<Failure> {
    let progress = Progress::spinner(quiet, "drawing");
    let name = batch::name(&args.file);
    let draw = || -> Result<(), Failure> {
        let decoding = models::given(args.model.as_deref())?.decoding();
        let bytes = file::bytes(&args.file).of(&name)?;
        let (png, damage) = if file::is_sparc(&bytes) {
            of_stream(&bytes, &decoding, args.channel, &name).of(&name)?
        } else {
            let clip = file::clip(bytes).of(&name)?;
            let png = of_clip(&clip, args.channel, &name).of(&name)?;
            (png, Damage::default())
        };
        output::write(&args.out, &png).of(batch::name_of_output(&args.out))?;
        Fault::concealed(&damage).of(&name)
    };
    let result = draw();
    drop(progress);
    result.err().into_iter().collect()
}

/// A clip as the encoder sees it: its log-power image on the coded grid and the ridges it would keep.
pub fn of_clip(clip: &Pcm, channel: usize, name: &str) -> Result<Vec<u8>, Fault> {
    let settings = Settings::speech();
    let samples = pick(&clip.channels, channel)?;
    let wanted = resample::length(samples.len() as u64, clip.rate, settings.rate) as usize;
    let wave = resample::channel(samples, clip.rate, settings.rate, wanted)?;
    let analysis = analysed(&wave, clip.rate, clip.len() as u64, &settings)?;
    let encoded = analysis.encode(Target::Settings, &settings, None)?;
    let (mask, kept) = mask_of(encoded.segments.iter(), 0, settings.stft.bins());
    let levels = analysis.levels(0).to_owned();
    Ok(figure::draw(&Figure {
        title: title(name, clip.rate, clip.channels.len(), clip.seconds(), None),
        floor: peak(&levels) - RANGE,
        phase: ("phase".into(), phases(&analysis, 0)),
        levels: ("log-power spectrogram".into(), levels),
        mask: Some((format!("ridge mask at its default: {kept}"), mask)),
        wave: (wave, settings.rate),
    })?)
}

/// A stream as the decoder completes it: the dense image, the kept pixels, the phase of the result; and what of it was
/// damaged.
pub fn of_stream(
    bytes: &[u8],
    decoding: &Decoding,
    channel: usize,
    name: &str,
) -> Result<(Vec<u8>, Damage), Fault> {
    let decoding = Decoding {
        resample: false,
        ..decoding.clone()
    };
    let pcm = sparc::decode_with(bytes, &decoding)?.pcm;
    let stream = Stream::read(bytes, &decoding)?;
    let header = &stream.header;
    let wave = pick(&pcm.channels, channel)?.clone();
    let segments: Vec<Segment> = stream.segments.into_iter().flatten().collect();
    let model = stream.network.as_ref().map(|network| &network.model);
    let (mut dense, _) = codec_core::decode::dense_images(header, model, &segments)?;
    let (mask, kept) = mask_of(segments.iter(), channel, header.stft.bins());
    let settings = Settings {
        rate: header.coded.rate,
        stft: header.stft,
        lattice: None,
        ..Settings::speech()
    };
    let analysis = analysed(&wave, settings.rate, wave.len() as u64, &settings)?;
    let levels = dense.swap_remove(channel);
    let phase = match header.phase {
        PhaseKind::None => "phase, rebuilt from the levels".to_string(),
        PhaseKind::All { bits } => format!("phase, stored with {bits} bits"),
        PhaseKind::Thresholded { bits, threshold } => {
            format!(
                "phase, stored with {bits} bits from {} dB up",
                f32::from(threshold) / 8.0
            )
        }
    };
    // Where the waveform layer ends: below, nothing is masked and nothing rebuilt.
    let low = match header.covered_bins() {
        0 => String::new(),
        bins => {
            let hertz = bins as f64 * f64::from(header.coded.rate) / f64::from(header.stft.n_fft);
            format!("; below {hertz:.0} Hz a stored waveform")
        }
    };
    let seconds = wave.len() as f64 / f64::from(header.coded.rate);
    let source = header.source;
    let png = figure::draw(&Figure {
        title: title(
            name,
            source.rate,
            source.channels.into(),
            seconds,
            Some(bytes.len()),
        ),
        floor: peak(&levels) - RANGE,
        phase: (phase + &low, phases(&analysis, 0)),
        levels: ("levels, completed by the decoder".into(), levels),
        mask: Some((format!("mask: {kept}{low}"), mask)),
        wave: (wave, header.coded.rate),
    })?;
    Ok((png, stream.damage))
}

fn analysed(
    wave: &Vec<f32>,
    rate: u32,
    total: u64,
    settings: &Settings,
) -> Result<Analysis, Fault> {
    let clip = encode::Clip {
        channels: std::slice::from_ref(wave),
        source: Signal { rate, channels: 1 },
        total_samples: total,
    };
    Ok(Analysis::of(&clip, settings)?)
}

fn pick(channels: &[Vec<f32>], channel: usize) -> Result<&Vec<f32>, Fault> {
    channels.get(channel).ok_or_else(|| {
        Fault::Arguments(format!(
            "has {} channels; there is no channel {channel} (they count from 0)",
            channels.len()
        ))
    })
}

fn title(name: &str, rate: u32, channels: usize, seconds: f64, size: Option<usize>) -> String {
    let file = std::path::Path::new(name)
        .file_name()
        .map_or(name.into(), |n| n.to_string_lossy());
    let kilohertz = f64::from(rate) / 1000.0;
    let plural = if channels == 1 { "" } else { "s" };
    let size = size.map_or(String::new(), |size| {
        format!(
            " \u{b7} {size} bytes \u{b7} {:.2} kbit/s",
            codec_lab::kilobits(size, seconds)
        )
    });
    format!("{file} \u{b7} {seconds:.2} s \u{b7} {kilohertz} kHz \u{b7} {channels} channel{plural}{size}")
}

fn peak(levels: &Array2<f32>) -> f32 {
    levels.iter().copied().fold(f32::MIN, f32::max)
}

/// Phases in radians, NaN where the level is far below the peak.
fn phases(analysis: &Analysis, channel: usize) -> Array2<f32> {
    let levels = analysis.levels(channel);
    let floor = levels.iter().copied().fold(f32::MIN, f32::max) - PHASE_RANGE;
    let mut phases = analysis.spectra(channel).mapv(|z| z.im.atan2(z.re));
    phases.zip_mut_with(&levels, |phase, &level| {
        if level < floor {
            *phase = f32::NAN;
        }
    });
    phases
}

/// The mask of a channel over all segments, frames x bins, and how much it keeps in words.
fn mask_of<'a>(
    segments: impl Iterator<Item = &'a Segment>,
    channel: usize,
    bins: usize,
) -> (Array2<f32>, String) {
    let mut pixels = Vec::new();
    for image in segments.filter_map(|s| s.channels.get(channel)) {
        pixels.extend(
            image
                .mask()
                .iter()
                .by_vals()
                .map(|kept| f32::from(u8::from(kept))),
        );
    }
    let kept = pixels.iter().filter(|&&x| x > 0.0).count();
    let share = 100.0 * kept as f64 / pixels.len().max(1) as f64;
    let frames = pixels.len() / bins.max(1);
    pixels.truncate(frames * bins);
    let mask =
        Array2::from_shape_vec((frames, bins), pixels).unwrap_or_else(|_| Array2::zeros((0, bins)));
    (mask, format!("{share:.1} % of the pixels kept"))
}
