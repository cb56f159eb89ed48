//! How to encode: options, and what they come to.

use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::models::{self, Network};
use crate::pcm::Pcm;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_core::encode::{self, Candidate, Clip, Encoding, Settings, Target};
use codec_format::{Limits, Metadata, StreamWriter};

pub use codec_core::encode::profile::Effort;

/// Bits a second and channel where nothing else is asked for.
pub const DEFAULT_BITRATE: u32 = 6_000;

/// Seconds of sound that are a clip, of one or two channels, and encoded as a whole; what is longer is encoded in pieces of
/// this length. Long enough that a search over more finds nothing better: a bitrate is met within a per cent on three
/// seconds, and settings are compared on thirty.
pub const PIECE: f32 = 60.0;

/// The same for so many channels: memory is for two.
#[must_use]
pub fn piece(channels: usize) -> f32 {
    PIECE * 2.0 / channels.max(2) as f32
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// [`DEFAULT_BITRATE`] for every channel; a clip so short that it takes more is no error.
    Default,
    /// At most so many bits a second for the whole file, all channels together, and as near to it as the clip allows.
    /// What is longer than [`Options::delay`] keeps to it piece by piece, with what one leaves over for those that follow.
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
    /// How much time may go into finding the settings that sound best: of a stream in pieces, for the first of them.
    pub effort: Effort,
    /// Which network completes the images.
    pub completion: Completion,
    /// Whether the network's file travels within the stream, on top of the rate.
    pub embed: bool,
    /// Comments.
    pub metadata: Option<Metadata>,
    /// Whether an index of the segments ends the stream: twelve bits or so for each.
    pub seek_index: bool,
    /// Seconds of sound that an [`Encoder`] may hold before it gives out their bytes, see there. `None` for [`piece`]
    /// with a bitrate, and for nothing with a constant rate or quality.
    pub delay: Option<f32>,
    /// Seconds of a segment, what is lost at once where a stream is damaged, and an encoder's delay at a constant rate;
    /// `None` for the profile's, 1.024.
    pub segment: Option<f32>,
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
            delay: None,
            segment: None,
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
        let mut candidates = match (target, self.rate) {
            (Target::Bitrate(bits) | Target::Constant(bits), _) => {
                Settings::speech_candidates(bits / channels, self.effort)
            }
            (_, Rate::Quality(quality)) => vec![Settings::speech_of_quality(quality)],
            _ => vec![Settings::speech()],
        };
        if let Some(seconds) = self.segment {
            for settings in &mut candidates {
                *settings = settings.clone().with_segments_of(seconds);
            }
        }
        let usual = match target {
            Target::Bitrate(_) => piece(channels as usize),
            _ => 0.0,
        };
        Ok(Plan {
            delay: self.delay.unwrap_or(usual),
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
    /// The settings to choose from by their sound; all of one rate.
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
    /// Seconds of sound that an [`Encoder`] may hold.
    pub delay: f32,
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
    /// Encodes a whole clip: in one piece, if it is no longer than [`piece`] says or than the plan's delay, or else as an
    /// [`Encoder`] does.
    ///
    /// # Errors
    /// [`Error::Audio`] for PCM that cannot be encoded, [`Error::Options`] for a plan that cannot be kept (a bitrate that is
    /// too low for the clip among them), [`Error::Limit`] for more than a stream can hold.
    pub fn encode(&self, pcm: &Pcm) -> Result<Encoded> {
        pcm.check()?;
        let channels: Vec<&[f32]> = pcm.channels.iter().map(Vec::as_slice).collect();
        let plan = Plan {
            delay: self.delay.max(piece(channels.len())),
            ..self.clone()
        };
        let mut encoder = Encoder::of(pcm.rate, channels.len(), plan)?;
        let mut bytes = encoder.push(&channels)?;
        bytes.extend(encoder.finish()?);
        Ok(Encoded {
            bytes,
            starved: encoder.starved(),
            candidate: encoder.candidate(),
        })
    }

    /// Encodes a clip at the coded rate.
    pub(crate) fn encode_clip(&self, clip: &Clip<'_>) -> Result<Encoding> {
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
        let encoding = encode::encode_with(clip, self.target, &candidates, |count, run| {
            use rayon::prelude::*;
            (0..count).into_par_iter().map(run).collect()
        })?;
        #[cfg(not(feature = "parallel"))]
        let encoding = encode::encode(clip, self.target, &candidates)?;
        if let (true, Target::Bitrate(bitrate), false) = (self.strict, self.target, encoding.met) {
            let seconds = clip.total_samples as f64 / f64::from(clip.source.rate);
            let least = (encoding.bytes() as f64 * 8.0 / seconds) as u64 + 1;
            return Err(Error::Options(format!(
                "{bitrate} bit/s are too few: this clip takes at least {least}"
            )));
        }
        Ok(encoding)
    }

    pub(crate) fn first(&self) -> Result<&Settings> {
        let none = || Error::Options("there are no settings to encode with".into());
        self.candidates.first().ok_or_else(none)
    }

    /// What comes before the segments.
    pub(crate) fn start(
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
    pub(crate) fn end(
        &self,
        mut writer: StreamWriter,
        total: u64,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if self.seek_index {
            writer.seek_index(out)?;
        }
        writer.finish(total, out)?;
        Ok(())
    }
}
