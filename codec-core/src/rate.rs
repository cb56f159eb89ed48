//! Encoding to a rate: the finest settings whose whole file fits.

mod constant;
mod search;
mod splice;

use crate::analysis::Analysis;
use crate::encoder::{encode_analysis, encode_paced, Encoded};
use crate::error::{Error, Result};
use crate::settings::{Policy, Settings, WAVEFORM_STEP};
use alloc::vec::Vec;
use codec_format::header::{Header, LatticeShape, ModelId, Signal, WaveformShape};
use codec_format::limits::Limits;
use codec_format::segment::SegmentCoder;
use codec_format::writer::StreamWriter;
pub use constant::SegmentRate;
use search::{search, Found, Probe, MARGINS};

/// Value steps in 1/8 dB tried, from the coarsest on, where the finest margin leaves bytes over.
const STEPS: [u8; 4] = [40, 32, 24, 16];
/// Share of the budget that finer value steps are tried for: a file is to come within 3 % of its target.
const WORTH_A_STEP: f64 = 0.025;

/// A clip encoded to a rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The symbols.
    pub encoded: Encoded,
    /// Bytes of the whole file: header, chunks and symbols, without metadata or an embedded model.
    pub bytes: u64,
    /// Whether these are at most what was asked for; otherwise they are the least this clip takes.
    pub fits: bool,
}

/// The speech profile for a rate in bits a second and channel: a lattice of 26 bands in steps of 8 dB, of 6 dB above 5500;
/// above that also the lowest 12 coefficients as a waveform, 16 above 7000, 20 above 10500
/// (`docs/rate-distortion.md` has what was measured).
#[must_use]
pub fn speech_settings(bits_per_second: u32) -> Settings {
    let (lattice_step, coefficients) = match bits_per_second {
        0..=5_500 => (64, 0),
        5_501..=7_000 => (48, 12),
        7_001..=10_500 => (48, 16),
        _ => (48, 20),
    };
    Settings {
        lattice: Some(LatticeShape {
            bands: 26,
            every: 2,
            step: lattice_step,
        }),
        waveform: waveform_layer(coefficients),
        ..Settings::speech()
    }
}

/// How much time an encoder takes to find its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// [`speech_settings`] as they are.
    Fast,
    /// A few settings compared by their sound ([`crate::choice`]): still faster than real time.
    Default,
    /// All that ever won.
    Best,
}

/// The speech profile's waveform layer with so many coefficients.
fn waveform_layer(coefficients: u8) -> Option<WaveformShape> {
    let shape = WaveformShape {
        coefficients,
        step: WAVEFORM_STEP,
    };
    Some(shape).filter(|shape| shape.coefficients > 0)
}

/// Settings worth trying on speech for a rate in bits a second and channel; [`speech_settings`] are the first.
#[must_use]
pub fn speech_candidates(bits_per_second: u32, effort: Effort) -> Vec<Settings> {
    let first = speech_settings(bits_per_second);
    let usual = first.waveform.map_or(0, |shape| shape.coefficients);
    // One waveform layer larger, one smaller; where there is none, a small one.
    let (more, less) = match usual {
        0 => (10, 0),
        _ => (usual + 4, if usual > 12 { usual - 4 } else { 0 }),
    };
    // Bands, steps of the lattice and of the values in 1/8 dB, coefficients: the first few are the default effort's.
    let others = [
        (20, 48, 48, usual),
        (26, 48, 48, more),
        (26, 48, 48, less),
        (26, 48, 64, usual),
        (32, 64, 48, usual),
        (26, 64, 48, usual),
        (20, 64, 48, usual),
        (14, 48, 48, usual),
        (26, 48, 40, usual),
        (26, 48, 64, more),
        (20, 48, 48, more),
        (20, 32, 48, usual),
    ];
    let tried = match effort {
        Effort::Fast => 0,
        Effort::Default => 4,
        Effort::Best => others.len(),
    };
    let with = |&(bands, lattice_step, step, coefficients): &(u8, u8, u8, u8)| Settings {
        lattice: Some(LatticeShape {
            bands,
            every: 2,
            step: lattice_step,
        }),
        waveform: waveform_layer(coefficients),
        step,
        ..first.clone()
    };
    let mut all: Vec<Settings> = core::iter::once(first.clone())
        .chain(others[..tried].iter().map(with))
        .collect();
    let mut seen: Vec<Settings> = Vec::new();
    all.retain(|settings| {
        let new = !seen.contains(settings);
        seen.push(settings.clone());
        new
    });
    all
}

/// Bytes of the file that holds these symbols, without metadata or an embedded model.
///
/// # Errors
/// [`Error::Format`] if the symbols are not what their header says.
pub fn file_bytes(encoded: &Encoded) -> Result<u64> {
    let mut out = Vec::new();
    let mut writer = StreamWriter::new(&encoded.header, &Limits::default(), &mut out)?;
    for segment in &encoded.segments {
        writer.segment(segment, &mut out)?;
        out.clear();
    }
    Ok(writer.finish(encoded.header.total_samples.unwrap_or(0), &mut out)?)
}

/// Encodes a clip to at most `bits_per_second`, every byte of the file counted: [`fit`] for a clip that was
/// not analysed before.
///
/// # Errors
/// As [`crate::encoder::encode`]; [`Error::Settings`] if the policy is not the ridge one.
pub fn encode_to_bitrate(
    channels: &[Vec<f32>],
    source: Signal,
    total_samples: u64,
    bits_per_second: u32,
    settings: &Settings,
    model: Option<ModelId>,
) -> Result<Fitted> {
    let clip = Clip {
        analysis: &Analysis::of(channels, settings)?,
        source,
        total_samples,
        model,
    };
    fit(&clip, bits_per_second, settings)
}

/// A clip that was analysed, and what its header says beside the settings.
#[derive(Debug, Clone, Copy)]
pub struct Clip<'a> {
    /// The analysis.
    pub analysis: &'a Analysis,
    /// The source's rate and channels.
    pub source: Signal,
    /// Samples per channel of the source.
    pub total_samples: u64,
    /// The model that completes the images.
    pub model: Option<ModelId>,
}

/// Encodes an analysed clip to at most `bits_per_second`, every byte of the file counted, and as near to it as the
/// clip allows: on speech of three seconds and more within a per cent or so.
///
/// Searched is the ridge margin; where a step in the signal leaves none that comes near, the first frames have a
/// finer one than the rest. Where even the finest margin leaves much over, values get finer steps; where even an
/// empty mask is too much, the waveform layer goes and the lattice is thinned.
///
/// # Errors
/// As [`encode_analysis`]; [`Error::Settings`] if the policy is not the ridge one.
pub fn fit(clip: &Clip<'_>, bits_per_second: u32, settings: &Settings) -> Result<Fitted> {
    if !matches!(settings.policy, Policy::Ridge { .. }) {
        return Err(Error::Settings {
            what: "a bitrate needs the ridge policy",
        });
    }
    let start = usual_margin(bits_per_second / u32::from(clip.source.channels.max(1)));
    let budget = (u128::from(clip.total_samples) * u128::from(bits_per_second)
        / (8 * u128::from(clip.source.rate.max(1)))) as u64;
    let mut settings = settings.clone();
    loop {
        match clip.search(&settings, start, budget)? {
            Found::Fits(probe) => return clip.finer(probe, &settings, budget),
            Found::Between { fine, coarse } => {
                return Ok(fitted(spliced(fine.what, coarse.what, budget)?, true))
            }
            // No waveform layer, fewer bands, then fewer steps in time.
            Found::Over(_) if settings.waveform.is_some() => settings.waveform = None,
            Found::Over(probe) => match &mut settings.lattice {
                Some(lattice) if lattice.bands > 8 => lattice.bands = 8.max(lattice.bands * 2 / 3),
                Some(lattice) if lattice.every < 8 => lattice.every *= 2,
                _ => return Ok(fitted(probe.what, false)),
            },
        }
    }
}

/// A clip encoded at a constant rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// The symbols.
    pub encoded: Encoded,
    /// Segments whose background had to be held or silenced.
    pub starved: u32,
}

/// Encodes an analysed clip at a constant rate: each segment, whole chunk, within its own share of `bits_per_second`,
/// the header within that of the first (see [`SegmentRate`]).
///
/// # Errors
/// As [`encode_analysis`] and [`SegmentRate::new`].
pub fn encode_constant(
    clip: &Clip<'_>,
    bits_per_second: u32,
    settings: &Settings,
) -> Result<Constant> {
    let (encoded, starved) = encode_paced(
        clip.analysis,
        clip.source,
        clip.total_samples,
        settings,
        clip.model,
        Some(bits_per_second),
    )?;
    Ok(Constant { encoded, starved })
}

/// The ridge margin that speech takes about `bits_per_second` a channel with: where searches start, dB.
fn usual_margin(bits_per_second: u32) -> f32 {
    22.0 - 20.0 * libm::logf(bits_per_second.max(1) as f32 / 6_000.0)
}

fn fitted(sized: Sized, fits: bool) -> Fitted {
    Fitted {
        bytes: sized.bytes(),
        encoded: sized.encoded,
        fits,
    }
}

impl Clip<'_> {
    fn search(&self, settings: &Settings, start: f32, budget: u64) -> Result<Found<Sized>> {
        search(start, budget, |margin| {
            let settings = Settings {
                policy: settings.policy.with_margin(margin),
                ..settings.clone()
            };
            let encoded = encode_analysis(
                self.analysis,
                self.source,
                self.total_samples,
                &settings,
                self.model,
            )?;
            let sized = Sized::new(encoded)?;
            let bytes = sized.bytes();
            Ok((sized, bytes))
        })
    }

    /// What fits, unless finer value steps fill the budget better.
    fn finer(&self, coarse: Probe<Sized>, settings: &Settings, budget: u64) -> Result<Fitted> {
        let wanted = (budget as f64 * (1.0 - WORTH_A_STEP)) as u64;
        let mut best = coarse.what;
        if coarse.margin > MARGINS.0 || best.bytes() >= wanted {
            return Ok(fitted(best, true));
        }
        for &step in STEPS.iter().filter(|&&step| step < settings.step) {
            let settings = Settings {
                step,
                ..settings.clone()
            };
            match self.search(&settings, MARGINS.0, budget)? {
                Found::Fits(probe) => {
                    let enough = probe.bytes >= wanted;
                    if probe.bytes > best.bytes() {
                        best = probe.what;
                    }
                    if enough {
                        break;
                    }
                }
                Found::Between { fine, coarse } => {
                    best = spliced(fine.what, coarse.what, budget)?;
                    break;
                }
                Found::Over(_) => break,
            }
        }
        Ok(fitted(best, true))
    }
}

/// A clip as symbols, and what they take.
#[derive(Debug, Clone)]
struct Sized {
    encoded: Encoded,
    /// Bytes of the signature and the header's chunk.
    head: u64,
    /// Bytes of each segment's chunk.
    segments: Vec<u64>,
}

impl Sized {
    fn new(encoded: Encoded) -> Result<Self> {
        let head = head_bytes(&encoded.header)?;
        let coder = SegmentCoder::new(&encoded.header, &Limits::default())?;
        let segments = encoded
            .segments
            .iter()
            .map(|segment| coder.chunk_bytes(segment))
            .collect::<codec_format::Result<_>>()?;
        Ok(Sized {
            encoded,
            head,
            segments,
        })
    }

    /// Bytes of the file: what [`file_bytes`] finds, as these headers know their sample count.
    fn bytes(&self) -> u64 {
        self.head + self.segments.iter().sum::<u64>()
    }
}

/// Bytes before a stream's first segment: signature and header.
fn head_bytes(header: &Header) -> Result<u64> {
    let mut out = Vec::new();
    Ok(StreamWriter::new(header, &Limits::default(), &mut out)?.position())
}

/// `fine`, which is over the budget, for as many frames as it allows, then `coarse`.
fn spliced(fine: Sized, coarse: Sized, budget: u64) -> Result<Sized> {
    let mut out = coarse;
    let mut total = out.bytes();
    let coder = SegmentCoder::new(&out.encoded.header, &Limits::default())?;
    let finer = fine.encoded.segments.into_iter().zip(fine.segments);
    let kept = out.encoded.segments.iter_mut().zip(&mut out.segments);
    for ((segment, bytes), (finer, finer_bytes)) in kept.zip(finer) {
        let others = total - *bytes;
        if others + finer_bytes > budget {
            let coarse = (segment.clone(), *bytes);
            let (joined, size) = splice::spliced_segment(&coder, &finer, coarse, budget - others)?;
            *segment = joined;
            *bytes = size;
            break;
        }
        total = others + finer_bytes;
        *segment = finer;
        *bytes = finer_bytes;
    }
    Ok(out)
}
