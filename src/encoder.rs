//! PCM in, bytes out: a whole clip, or a stream that is cut anywhere.

use crate::error::{Error, Result};
use crate::models::{self, Network};
use crate::pcm::{check_rate, check_samples, Pcm};
#[cfg(feature = "std")]
use crate::resample::{self, Resampler};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_core::encode::segment::Coded;
use codec_core::encode::{self, Candidate, Clip, Policy, Settings, Target};
use codec_format::header::Signal;
use codec_format::{Limits, Metadata, StreamWriter};

pub use codec_core::encode::profile::Effort;

/// Bits a second and channel where nothing else is asked for.
pub const DEFAULT_BITRATE: u32 = 6_000;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// [`DEFAULT_BITRATE`] for every channel; a clip so short that it takes more is no error.
    Default,
    /// At most so many bits a second for the whole file, all channels together, and as near to it as the clip allows. A
    /// stream, whose end nobody knows, keeps to it as to [`Rate::Constant`].
    Bitrate(u32),
    /// So many bits a second that every segment, about a second of sound, keeps to.
    Constant(u32),
    /// A constant quality, from 0 (smallest) to 10 (best).
    Quality(f32),
}

/// Which network completes the images.
#[derive(Debug, Clone, Default)]
pub enum Completion {
    /// The built-in one that fits.
    #[default]
    BuiltIn,
    /// None: plain interpolation.
    Interpolation,
    /// This one.
    Network(Arc<Network>),
}

/// How to encode speech.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much is kept.
    pub rate: Rate,
    /// How much time may go into finding the settings that sound best; streams take the usual ones.
    pub effort: Effort,
    /// Which network completes the images.
    pub completion: Completion,
    /// Whether the network's file travels within the stream, on top of the rate.
    pub embed: bool,
    /// Comments.
    pub metadata: Option<Metadata>,
    /// Whether an index of the segments ends the stream: twelve bits or so for each.
    pub seek_index: bool,
}

impl Default for Options {
    /// 6 kbit/s a channel, the default effort, the built-in network, nothing else.
    fn default() -> Self {
        Options {
            rate: Rate::Default,
            effort: Effort::Default,
            completion: Completion::BuiltIn,
            embed: false,
            metadata: None,
            seek_index: false,
        }
    }
}

impl Options {
    /// The default options at a bitrate for the whole file, all channels together.
    #[must_use]
    pub fn bitrate(bits_per_second: u32) -> Self {
        Options {
            rate: Rate::Bitrate(bits_per_second),
            ..Options::default()
        }
    }

    /// What these options come to for so many channels.
    ///
    /// # Errors
    /// [`Error::Options`] for a quality that is not from 0 to 10, [`Error::Model`] for a network that does not fit.
    pub fn plan(&self, channels: usize) -> Result<Plan> {
        let channels = u32::try_from(channels).unwrap_or(u32::MAX).max(1);
        let target = match self.rate {
            Rate::Default => Target::Bitrate(DEFAULT_BITRATE.saturating_mul(channels)),
            Rate::Bitrate(bits) => Target::Bitrate(bits),
            Rate::Constant(bits) => Target::Constant(bits),
            Rate::Quality(quality) if (0.0..=10.0).contains(&quality) => Target::Settings,
            Rate::Quality(quality) => {
                let text = format!("quality {quality} is not from 0 to 10");
                return Err(Error::Options(text));
            }
        };
        let candidates = match (target, self.rate) {
            (Target::Bitrate(bits) | Target::Constant(bits), _) => {
                Settings::speech_candidates(bits / channels, self.effort)
            }
            (_, Rate::Quality(quality)) => vec![Settings::speech_of_quality(quality)],
            _ => vec![Settings::speech()],
        };
        Ok(Plan {
            network: network_for(&self.completion, &candidates[0])?,
            candidates,
            target,
            strict: self.rate != Rate::Default,
            embed: self.embed,
            metadata: self.metadata.clone(),
            seek_index: self.seek_index,
        })
    }
}

/// The network that completes images with these settings, if any: a given one must fit, a built-in one is taken where it
/// does (of several the one trained nearest to the settings' sparsity).
///
/// # Errors
/// [`Error::Model`] if the given one was made for something else.
pub fn network_for(completion: &Completion, settings: &Settings) -> Result<Option<Arc<Network>>> {
    match completion {
        Completion::Interpolation => Ok(None),
        Completion::BuiltIn => Ok(models::built_in_for(settings)),
        Completion::Network(network) if network.fits(settings) => Ok(Some(network.clone())),
        Completion::Network(network) => {
            let (rate, stft) = (network.model.rate, network.model.stft);
            Err(Error::Model(format!(
                "was made for {rate} Hz and windows of {} every {} samples, which is not what is to be coded",
                stft.n_fft, stft.hop
            )))
        }
    }
}

/// Exactly how to encode: for those to whom [`Options`] say too little.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The settings to choose from by their sound, the first alone for streams; all of one rate.
    pub candidates: Vec<Settings>,
    /// What decides how much is kept.
    pub target: Target,
    /// Whether a clip that takes more than its bitrate, being very short, is an error.
    pub strict: bool,
    /// The network that completes the images; without one they are interpolated.
    pub network: Option<Arc<Network>>,
    /// Whether its file travels within the stream, on top of the rate.
    pub embed: bool,
    /// Comments.
    pub metadata: Option<Metadata>,
    /// Whether an index of the segments ends the stream.
    pub seek_index: bool,
}

/// An encoded clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The whole stream.
    pub bytes: Vec<u8>,
    /// Segments that a constant rate left without all of their background.
    pub starved: u32,
    /// Which of the candidates was taken.
    pub candidate: usize,
}

impl Plan {
    /// Encodes a whole clip.
    ///
    /// # Errors
    /// [`Error::Audio`] for PCM that cannot be encoded, [`Error::Options`] for a plan that cannot be kept (a bitrate that is
    /// too low for the clip among them), [`Error::Limit`] for more than a stream can hold.
    pub fn encode(&self, pcm: &Pcm) -> Result<Encoded> {
        pcm.check()?;
        let first = self.first()?;
        let source = signal(pcm.rate, pcm.channels.len())?;
        let coded = at_rate(pcm, first.rate)?;
        let clip = Clip {
            channels: &coded.channels,
            source,
            total_samples: pcm.len() as u64,
        };
        let model = self
            .network
            .as_ref()
            .map(|network| (network.id, &network.model));
        let candidate = |settings: &Settings| Candidate {
            settings: settings.clone(),
            model,
        };
        let candidates: Vec<Candidate<'_>> = self.candidates.iter().map(candidate).collect();
        #[cfg(feature = "parallel")]
        let encoding = encode::encode_with(&clip, self.target, &candidates, |count, run| {
            use rayon::prelude::*;
            (0..count).into_par_iter().map(run).collect()
        })?;
        #[cfg(not(feature = "parallel"))]
        let encoding = encode::encode(&clip, self.target, &candidates)?;
        if let (true, Target::Bitrate(bitrate), false) = (self.strict, self.target, encoding.met) {
            let least = (encoding.bytes() as f64 * 8.0 / pcm.seconds()) as u64 + 1;
            return Err(Error::Options(format!(
                "{bitrate} bit/s are too few: this clip takes at least {least}"
            )));
        }
        let mut bytes = Vec::new();
        let mut writer = self.start(&encoding.header, &mut bytes)?;
        for (segment, body) in encoding.segments.iter().zip(&encoding.bodies) {
            writer.coded(segment, body, &mut bytes)?;
        }
        self.end(writer, pcm.len() as u64, &mut bytes)?;
        Ok(Encoded {
            bytes,
            starved: encoding.starved,
            candidate: encoding.candidate,
        })
    }

    fn first(&self) -> Result<&Settings> {
        let none = || Error::Options("there are no settings to encode with".into());
        self.candidates.first().ok_or_else(none)
    }

    /// What comes before the segments.
    fn start(
        &self,
        header: &codec_format::header::Header,
        out: &mut Vec<u8>,
    ) -> Result<StreamWriter> {
        let mut writer = StreamWriter::new(header, &Limits::default(), out)?;
        if let Some(metadata) = &self.metadata {
            writer.metadata(metadata, out)?;
        }
        if let (true, Some(network)) = (self.embed, &self.network) {
            writer.model(&network.file, out)?;
        }
        Ok(writer)
    }

    /// What comes after them.
    fn end(&self, mut writer: StreamWriter, total: u64, out: &mut Vec<u8>) -> Result<()> {
        if self.seek_index {
            writer.seek_index(out)?;
        }
        writer.finish(total, out)?;
        Ok(())
    }
}

/// Encodes a whole clip to a `.sparc` stream: PCM of any rate and up to eight channels.
///
/// # Errors
/// As [`Options::plan`] and [`Plan::encode`].
pub fn encode(pcm: &Pcm, options: &Options) -> Result<Vec<u8>> {
    Ok(options.plan(pcm.channels.len())?.encode(pcm)?.bytes)
}

/// An encoder of PCM that arrives in pieces: bytes come out as segments fill up.
///
/// The same PCM gives the same bytes however it is cut. Memory holds one segment.
#[derive(Debug)]
pub struct Encoder {
    plan: Plan,
    /// The source's rate.
    #[cfg(feature = "std")]
    rate: u32,
    encoder: encode::Encoder,
    writer: StreamWriter,
    #[cfg(feature = "std")]
    resampler: Resampler,
    /// Samples per channel taken so far.
    taken: u64,
    /// Bytes made and not yet given out.
    ready: Vec<u8>,
}

impl Encoder {
    /// An encoder for PCM at `rate` Hz.
    ///
    /// # Errors
    /// As [`Options::plan`] and [`Encoder::of`].
    pub fn new(rate: u32, channels: usize, options: &Options) -> Result<Self> {
        Encoder::of(rate, channels, options.plan(channels)?)
    }

    /// The same by a plan, of whose candidates the first is taken; a bitrate is kept segment by segment.
    ///
    /// # Errors
    /// [`Error::Options`] for settings out of range or masks that need the whole clip, [`Error::Limit`] for too many channels,
    /// [`Error::Audio`] for a rate that cannot be coded.
    pub fn of(rate: u32, channels: usize, plan: Plan) -> Result<Self> {
        check_rate(rate)?;
        let source = signal(rate, channels)?;
        let settings = plan.first()?.clone();
        let coded_rate = settings.rate;
        if matches!(settings.policy, Policy::Explicit { .. }) {
            return Err(Error::Options(
                "a mask of a whole clip needs the whole clip".into(),
            ));
        }
        let id = plan.network.as_ref().map(|network| network.id);
        let encoder = match plan.target {
            Target::Bitrate(bits) | Target::Constant(bits) => {
                encode::Encoder::with_rate(source, settings, id, bits)?
            }
            Target::Settings => encode::Encoder::new(source, settings, id)?,
            Target::Sparsity(_) => {
                return Err(Error::Options("a sparsity needs the whole clip".into()));
            }
        };
        #[cfg(not(feature = "std"))]
        if rate != coded_rate {
            return Err(Error::Audio(format!(
                "has {rate} Hz; without std only {coded_rate} Hz are taken"
            )));
        }
        let mut ready = Vec::new();
        Ok(Encoder {
            writer: plan.start(encoder.header(), &mut ready)?,
            #[cfg(feature = "std")]
            resampler: Resampler::new(rate, coded_rate, channels)?,
            plan,
            #[cfg(feature = "std")]
            rate,
            encoder,
            taken: 0,
            ready,
        })
    }

    /// Segments so far that a constant rate left without all of their background.
    #[must_use]
    pub fn starved(&self) -> u32 {
        self.encoder.starved()
    }

    /// Takes PCM, one slice per channel, all equally long, and returns the bytes it completes: perhaps none.
    ///
    /// # Errors
    /// [`Error::Audio`] for samples that are no numbers or far beyond full scale, [`Error::Options`] for slices that differ in
    /// number or length; nothing is taken then.
    pub fn push(&mut self, pcm: &[&[f32]]) -> Result<Vec<u8>> {
        for (channel, samples) in pcm.iter().enumerate() {
            check_samples(samples, channel, self.taken)?;
        }
        #[cfg(feature = "std")]
        let resampled = self.resampler.push(pcm)?;
        #[cfg(feature = "std")]
        let pcm = &resampled.iter().map(Vec::as_slice).collect::<Vec<_>>()[..];
        #[cfg(feature = "std")]
        let len = self.resampler.taken();
        #[cfg(not(feature = "std"))]
        let len = self.taken + pcm.first().map_or(0, |channel| channel.len()) as u64;
        let segments = self.encoder.push(pcm)?;
        self.taken = len;
        self.write(segments)
    }

    /// Ends the stream: the remaining bytes.
    ///
    /// # Errors
    /// [`Error::Limit`] for a stream that is too long.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        #[cfg(feature = "std")]
        {
            let coded_rate = self.encoder.header().coded.rate;
            let wanted = resample::length(self.taken, self.rate, coded_rate);
            let none = Resampler::new(1, 1, 0)?;
            let rest = core::mem::replace(&mut self.resampler, none).finish(wanted)?;
            let rest: Vec<&[f32]> = rest.iter().map(Vec::as_slice).collect();
            let segments = self.encoder.push(&rest)?;
            let bytes = self.write(segments)?;
            self.ready = bytes;
        }
        for coded in self.encoder.finish()? {
            self.writer
                .coded(&coded.segment, &coded.body, &mut self.ready)?;
        }
        self.plan.end(self.writer, self.taken, &mut self.ready)?;
        Ok(self.ready)
    }

    fn write(&mut self, segments: Vec<Coded>) -> Result<Vec<u8>> {
        for coded in segments {
            self.writer
                .coded(&coded.segment, &coded.body, &mut self.ready)?;
        }
        Ok(core::mem::take(&mut self.ready))
    }
}

/// Rate and channels of a source, within the limits.
fn signal(rate: u32, channels: usize) -> Result<Signal> {
    let limit = Limits::default().channels;
    match u8::try_from(channels) {
        Ok(count) if (1..=limit).contains(&count) => Ok(Signal {
            rate,
            channels: count,
        }),
        Ok(0) => Err(Error::Audio("has no channels".into())),
        _ => Err(Error::Limit(format!(
            "has {channels} channels; at most {limit} are taken"
        ))),
    }
}

/// The PCM at the coded rate.
#[cfg(feature = "std")]
fn at_rate(pcm: &Pcm, rate: u32) -> Result<Pcm> {
    pcm.resampled(rate)
}

#[cfg(not(feature = "std"))]
fn at_rate(pcm: &Pcm, rate: u32) -> Result<Pcm> {
    if pcm.rate == rate {
        return Ok(pcm.clone());
    }
    Err(Error::Audio(format!(
        "has {} Hz; without std only {rate} Hz are taken",
        pcm.rate
    )))
}
