//! Choosing settings by their sound: several are encoded to the same rate and decoded, the nearest is taken.

use crate::analysis::Analysis;
use crate::decoder::decode;
use crate::distance::Reference;
use crate::encoder::Encoded;
use crate::error::{Error, Result};
use crate::rate::{encode_constant, fit, Clip, Constant, Fitted};
use crate::settings::Settings;
use alloc::vec::Vec;
use codec_format::header::{ModelId, Signal};
use codec_format::model::Model;
use codec_format::Limits;

/// Seconds of a clip that candidates are compared on; of a longer one, those in its middle.
const SECONDS: usize = 30;

/// What every candidate is to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Bits a second of the whole file: [`fit`].
    Whole(u32),
    /// Bits a second of every segment: [`encode_constant`].
    Constant(u32),
}

/// A clip to be encoded: planar PCM at the coded rate, one vector per channel, all equally long.
#[derive(Debug, Clone, Copy)]
pub struct Sound<'a> {
    /// The PCM.
    pub channels: &'a [Vec<f32>],
    /// The source's rate and channels.
    pub source: Signal,
    /// Samples per channel of the source.
    pub total_samples: u64,
    /// The network that completes the images, and its id.
    pub model: Option<(&'a Model, ModelId)>,
}

/// A clip as symbols, and what became of it on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Paced {
    /// The symbols.
    pub encoded: Encoded,
    /// Bytes of the whole file where [`Rate::Whole`] exceeds its rate: the least this clip takes.
    pub too_much: Option<u64>,
    /// Segments that [`Rate::Constant`] left without all of their background.
    pub starved: u32,
}

impl From<Fitted> for Paced {
    fn from(fitted: Fitted) -> Self {
        Paced {
            too_much: if fitted.fits {
                None
            } else {
                Some(fitted.bytes)
            },
            encoded: fitted.encoded,
            starved: 0,
        }
    }
}

impl From<Constant> for Paced {
    fn from(constant: Constant) -> Self {
        Paced {
            encoded: constant.encoded,
            too_much: None,
            starved: constant.starved,
        }
    }
}

impl Sound<'_> {
    /// Encodes to a rate.
    ///
    /// # Errors
    /// As [`fit`] and [`encode_constant`].
    pub fn encode(&self, rate: Rate, settings: &Settings) -> Result<Paced> {
        let clip = Clip {
            analysis: &Analysis::of(self.channels, settings)?,
            source: self.source,
            total_samples: self.total_samples,
            model: self.model.map(|(_, id)| id),
        };
        Ok(match rate {
            Rate::Whole(bits) => fit(&clip, bits, settings)?.into(),
            Rate::Constant(bits) => encode_constant(&clip, bits, settings)?.into(),
        })
    }
}

/// A candidate as it turned out.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// Its place among the candidates.
    pub index: usize,
    /// Its symbols, of the whole clip or of the part compared.
    pub paced: Paced,
    /// Its distance from the original ([`Reference::distance`]).
    pub distance: f64,
}

impl Tried {
    /// The better of two: one that keeps to its rate, or exceeds it by less; then the nearer one, then the earlier one.
    #[must_use]
    pub fn or(self, other: Tried) -> Tried {
        let rank = |tried: &Tried| (tried.paced.too_much, tried.paced.starved);
        let order = rank(&self)
            .cmp(&rank(&other))
            .then(self.distance.total_cmp(&other.distance))
            .then(self.index.cmp(&other.index));
        if order.is_le() {
            self
        } else {
            other
        }
    }
}

/// Tries candidates on a clip, or on the middle of a long one. Candidates may be tried in any order, on many threads.
#[derive(Debug)]
pub struct Trials<'a> {
    sound: Sound<'a>,
    rate: Rate,
    /// The part compared, where that is not the whole clip.
    part: Option<Vec<Vec<f32>>>,
    coded_rate: u32,
    reference: Reference,
}

impl<'a> Trials<'a> {
    /// Trials of a clip whose PCM has `coded_rate` Hz, that of all candidates.
    ///
    /// # Errors
    /// [`Error::Settings`] for a rate below 1000 Hz.
    pub fn new(sound: Sound<'a>, rate: Rate, coded_rate: u32) -> Result<Self> {
        Limits::default()
            .check_rate(coded_rate)
            .map_err(Error::setting)?;
        let len = sound.channels.first().map_or(0, Vec::len);
        let most = SECONDS * coded_rate as usize;
        let part: Option<Vec<Vec<f32>>> = if len > most {
            let first = (len - most) / 2;
            let cut = |pcm: &Vec<f32>| {
                pcm.get(first..first + most)
                    .map_or(Vec::new(), <[f32]>::to_vec)
            };
            Some(sound.channels.iter().map(cut).collect())
        } else {
            None
        };
        let compared = part.as_deref().unwrap_or(sound.channels);
        Ok(Trials {
            sound,
            rate,
            coded_rate,
            reference: Reference::new(compared, coded_rate)?,
            part,
        })
    }

    /// Tries candidate `index`.
    ///
    /// # Errors
    /// As [`Sound::encode`] and [`decode`]; [`Error::Settings`] for settings with another coded rate.
    pub fn try_settings(&self, index: usize, settings: &Settings) -> Result<Tried> {
        if settings.rate != self.coded_rate {
            return Err(Error::Settings {
                what: "candidates must share the coded sample rate",
            });
        }
        let paced = match &self.part {
            None => self.sound.encode(self.rate, settings)?,
            Some(part) => Sound {
                channels: part,
                source: Signal {
                    rate: self.coded_rate,
                    ..self.sound.source
                },
                total_samples: part.first().map_or(0, Vec::len) as u64,
                model: self.sound.model,
            }
            .encode(self.rate, settings)?,
        };
        let Encoded { header, segments } = &paced.encoded;
        let model = self.sound.model.map(|(model, _)| model);
        let decoded = decode(header, model, segments)?;
        Ok(Tried {
            index,
            paced,
            distance: self.reference.distance(&decoded),
        })
    }

    /// The whole clip with the candidate that was chosen.
    ///
    /// # Errors
    /// As [`Sound::encode`].
    pub fn finish(&self, chosen: Tried, settings: &Settings) -> Result<Paced> {
        match self.part {
            None => Ok(chosen.paced),
            Some(_) => self.sound.encode(self.rate, settings),
        }
    }
}

/// Encodes a clip with the one of `candidates` whose decoded sound is nearest to the original, one after the other;
/// a single one is taken without a trial.
///
/// # Errors
/// As [`Trials::try_settings`]; [`Error::Settings`] without candidates.
pub fn encode_nearest(sound: Sound<'_>, rate: Rate, candidates: &[Settings]) -> Result<Paced> {
    let first = match candidates {
        [] => {
            return Err(Error::Settings {
                what: "there must be settings to choose from",
            })
        }
        [only] => return sound.encode(rate, only),
        [first, ..] => first,
    };
    let trials = Trials::new(sound, rate, first.rate)?;
    let mut best = trials.try_settings(0, first)?;
    for (index, settings) in candidates.iter().enumerate().skip(1) {
        best = best.or(trials.try_settings(index, settings)?);
    }
    let settings = &candidates[best.index];
    trials.finish(best, settings)
}
