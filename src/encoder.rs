//! PCM in, bytes out: a whole clip, or a stream that is cut anywhere.

use crate::error::{Error, Result};
use crate::pcm::{check_rate, check_samples, Pcm, MAX_SAMPLES};
use crate::plan::{Options, Plan};
#[cfg(feature = "std")]
use crate::resample::{self, Resampler};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use codec_core::encode::analysis::origin_below;
use codec_core::encode::segment::Coded;
use codec_core::encode::{self, Clip, Policy, Settings, Target};
use codec_format::header::Signal;
use codec_format::{Limits, StreamWriter};

/// Encodes a whole clip to a `.sparc` stream: PCM of any rate and up to eight channels.
///
/// # Errors
/// As [`Options::plan`] and [`Plan::encode`].
pub fn encode(pcm: &Pcm, options: &Options) -> Result<Vec<u8>> {
    Ok(options.plan(pcm.channels.len())?.encode(pcm)?.bytes)
}

/// An encoder of PCM that arrives in pieces: bytes come out as segments fill up.
///
/// The same PCM gives the same bytes however it is cut, and, where it is no longer than the delay, the bytes that
/// [`encode()`] gives. What is longer is not held: it is encoded in pieces as long as the delay. The settings are those that
/// serve the first piece best, each piece is searched for the ridge margin that its share of a bitrate, and what was left
/// of it before, allows.
///
/// # Delay and memory
///
/// From the first sample of a piece to its bytes it takes as much sound as [`Options::delay`] says, a segment less at
/// least; without a delay, where every segment keeps to a bitrate by itself as to [`Rate::Constant`](crate::plan::Rate::Constant) and the usual settings
/// are taken, a segment (1.024 s, or [`Options::segment`]). Change of rate adds two of the resampler's blocks, which are
/// 1024 source samples or a little more. Memory holds the sound of a piece and its spectra: some 25 MB for 60 s of mono,
/// less than 1 MB without a delay.
#[derive(Debug)]
pub struct Encoder {
    plan: Plan,
    source: Signal,
    #[cfg(feature = "std")]
    resampler: Resampler,
    stage: Stage,
    /// Samples per channel that a clip has at most, at the coded rate.
    clip: usize,
    /// Which of the candidates was taken.
    candidate: usize,
    /// Samples per channel taken so far.
    taken: u64,
    /// Bytes made and not yet given out.
    ready: Vec<u8>,
}

/// How far an encoder has come.
#[derive(Debug)]
enum Stage {
    /// Nothing is decided: the sound so far, at the coded rate.
    Beginning(Vec<Vec<f32>>),
    /// The header is written.
    Running(Box<(encode::Encoder, StreamWriter)>),
    /// All is written; segments that were starved.
    Ended(u32),
}

/// Samples per channel that are taken at once.
const BLOCK: usize = 1 << 14;
/// Level of the loudest pixel that the sound after the first piece is taken to reach at least, dB: of a voice at -56 dB re
/// full scale.
const QUIET_PEAK: f32 = 0.0;

impl Encoder {
    /// An encoder for PCM at `rate` Hz.
    ///
    /// # Errors
    /// As [`Options::plan`] and [`Encoder::of`].
    pub fn new(rate: u32, channels: usize, options: &Options) -> Result<Self> {
        Encoder::of(rate, channels, options.plan(channels)?)
    }

    /// The same by a plan. A mask of a whole clip ([`Policy::Explicit`]) holds the sound to its end, whatever the delay.
    ///
    /// # Errors
    /// [`Error::Options`] for settings out of range or, without a delay, a sparsity; [`Error::Limit`] for too many channels,
    /// [`Error::Audio`] for a rate that cannot be coded.
    pub fn of(rate: u32, channels: usize, plan: Plan) -> Result<Self> {
        check_rate(rate)?;
        let source = signal(rate, channels)?;
        let settings = plan.first()?.clone();
        settings.validate()?;
        #[cfg(not(feature = "std"))]
        if rate != settings.rate {
            return Err(Error::Audio(format!(
                "has {rate} Hz; without std only {} Hz are taken",
                settings.rate
            )));
        }
        let whole = matches!(settings.policy, Policy::Explicit { .. });
        let mut encoder = Encoder {
            clip: match whole {
                true => usize::MAX,
                false => (plan.delay.max(0.0) * settings.rate as f32) as usize,
            },
            plan,
            source,
            #[cfg(feature = "std")]
            resampler: Resampler::new(rate, settings.rate, channels)?,
            stage: Stage::Beginning(vec![Vec::new(); channels]),
            candidate: 0,
            taken: 0,
            ready: Vec::new(),
        };
        if encoder.clip == 0 {
            let target = match encoder.plan.target {
                Target::Bitrate(bits) => Target::Constant(bits),
                Target::Sparsity(_) => {
                    return Err(Error::Options("a sparsity needs a delay".into()));
                }
                other => other,
            };
            encoder.begin(settings, target)?;
        }
        Ok(encoder)
    }

    /// Segments so far that the rate left without all of their background.
    #[must_use]
    pub fn starved(&self) -> u32 {
        match &self.stage {
            Stage::Beginning(_) => 0,
            Stage::Running(running) => running.0.starved(),
            Stage::Ended(starved) => *starved,
        }
    }

    /// Which of the plan's candidates was taken: known once there are bytes.
    #[must_use]
    pub fn candidate(&self) -> usize {
        self.candidate
    }

    /// Takes PCM, one slice per channel, all equally long, and returns the bytes it completes: perhaps none.
    ///
    /// # Errors
    /// [`Error::Audio`] for samples that are no numbers or far beyond full scale, [`Error::Options`] for slices that differ in
    /// number or length, and nothing is taken then; [`Error::Options`] for a bitrate that is too low, once a piece is there.
    pub fn push(&mut self, pcm: &[&[f32]]) -> Result<Vec<u8>> {
        let len = pcm.first().map_or(0, |channel| channel.len());
        if pcm.len() != usize::from(self.source.channels) || pcm.iter().any(|c| c.len() != len) {
            let text = "pieces need one equally long slice per channel";
            return Err(Error::Options(text.into()));
        }
        for (channel, samples) in pcm.iter().enumerate() {
            check_samples(samples, channel, self.taken)?;
        }
        for from in (0..len).step_by(BLOCK) {
            let to = len.min(from + BLOCK);
            let block: Vec<&[f32]> = pcm.iter().map(|channel| &channel[from..to]).collect();
            self.taken += (to - from) as u64;
            #[cfg(feature = "std")]
            let resampled = self.resampler.push(&block)?;
            #[cfg(feature = "std")]
            let block: Vec<&[f32]> = resampled.iter().map(Vec::as_slice).collect();
            self.code(&block)?;
        }
        Ok(core::mem::take(&mut self.ready))
    }

    /// Ends the stream: the remaining bytes. What is pushed afterwards is not taken.
    ///
    /// # Errors
    /// [`Error::Limit`] for a stream that is too long; [`Error::Audio`] for a clip without samples; [`Error::Options`] as
    /// [`Encoder::push`].
    pub fn finish(&mut self) -> Result<Vec<u8>> {
        #[cfg(feature = "std")]
        {
            let coded_rate = self.plan.first()?.rate;
            let wanted = resample::length(self.taken, self.source.rate, coded_rate);
            let none = Resampler::new(1, 1, 0)?;
            let rest = core::mem::replace(&mut self.resampler, none).finish(wanted)?;
            let rest: Vec<&[f32]> = rest.iter().map(Vec::as_slice).collect();
            self.code(&rest)?;
        }
        let stage = core::mem::replace(&mut self.stage, Stage::Ended(0));
        let (writer, starved) = match stage {
            Stage::Beginning(channels) => {
                if self.taken == 0 {
                    return Err(Error::Audio("holds no samples".into()));
                }
                let encoding = self.plan.encode_clip(&Clip {
                    channels: &channels,
                    source: self.source,
                    total_samples: self.taken,
                })?;
                let mut writer = self.plan.start(&encoding.header, &mut self.ready)?;
                for (segment, body) in encoding.segments.iter().zip(&encoding.bodies) {
                    writer.coded(segment, body, &mut self.ready)?;
                }
                self.candidate = encoding.candidate;
                (writer, encoding.starved)
            }
            Stage::Running(running) => {
                let (mut encoder, mut writer) = *running;
                let rest = encoder.finish()?;
                write(&mut writer, rest, &mut self.ready)?;
                (writer, encoder.starved())
            }
            Stage::Ended(_) => return Ok(Vec::new()),
        };
        self.stage = Stage::Ended(starved);
        self.plan.end(writer, self.taken, &mut self.ready)?;
        Ok(core::mem::take(&mut self.ready))
    }

    /// Takes PCM at the coded rate.
    fn code(&mut self, pcm: &[&[f32]]) -> Result<()> {
        match &mut self.stage {
            Stage::Beginning(channels) => {
                for (channel, pcm) in channels.iter_mut().zip(pcm) {
                    channel.extend_from_slice(pcm);
                }
                let len = channels.first().map_or(0, Vec::len);
                if len > self.clip {
                    return self.settle();
                }
                let all = (len as u64).saturating_mul(channels.len() as u64);
                if all > MAX_SAMPLES {
                    return Err(Error::Limit(format!(
                        "holds more than {MAX_SAMPLES} samples, which is too long to be encoded as a whole"
                    )));
                }
                Ok(())
            }
            Stage::Running(running) => {
                let (encoder, writer) = &mut **running;
                let segments = encoder.push(pcm)?;
                write(writer, segments, &mut self.ready)
            }
            Stage::Ended(_) => Ok(()),
        }
    }

    /// Decides the settings by what is there, now that it is longer than a clip, and begins with it.
    fn settle(&mut self) -> Result<()> {
        let stage = core::mem::replace(&mut self.stage, Stage::Ended(0));
        let Stage::Beginning(mut first) = stage else {
            return Ok(());
        };
        // What the settings are does not depend on how the sound was cut.
        let rest: Vec<Vec<f32>> = first.iter_mut().map(|c| c.split_off(self.clip)).collect();
        let rate = self.plan.first()?.rate;
        let encoding = self.plan.encode_clip(&Clip {
            channels: &first,
            source: Signal {
                rate,
                ..self.source
            },
            total_samples: self.clip as u64,
        })?;
        self.candidate = encoding.candidate;
        let mut settings = encoding.settled(&self.plan.candidates[encoding.candidate]);
        drop(encoding);
        // A quiet beginning says nothing of what follows.
        settings.origin = settings.origin.max(Some(origin_below(QUIET_PEAK)));
        self.begin(settings, self.plan.target)?;
        for pcm in [first, rest] {
            let pcm: Vec<&[f32]> = pcm.iter().map(Vec::as_slice).collect();
            self.code(&pcm)?;
        }
        Ok(())
    }

    /// Writes the header and goes on with these settings.
    fn begin(&mut self, settings: Settings, target: Target) -> Result<()> {
        let segment = usize::from(settings.segment_frames) * usize::from(settings.stft.hop);
        let segments = u32::try_from(self.clip / segment.max(1)).unwrap_or(u32::MAX);
        let id = self.plan.network.as_ref().map(|network| network.id);
        let encoder = encode::Encoder::in_pieces(self.source, settings, id, target, segments)?;
        let writer = self.plan.start(encoder.header(), &mut self.ready)?;
        self.stage = Stage::Running(Box::new((encoder, writer)));
        Ok(())
    }
}

fn write(writer: &mut StreamWriter, segments: Vec<Coded>, out: &mut Vec<u8>) -> Result<()> {
    for coded in segments {
        writer.coded(&coded.segment, &coded.body, out)?;
    }
    Ok(())
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
