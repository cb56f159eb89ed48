//! Choosing settings by their sound: each candidate is encoded to the target and decoded, the nearest is taken.

use super::analysis::{Analysis, Clip};
use super::clip::Target;
use super::distance::Reference;
use super::encoding::Encoding;
use super::settings::Settings;
use crate::decode;
use crate::error::{Error, Result};
use alloc::vec::Vec;
use codec_format::header::{ModelId, Signal};
use codec_format::model::Model;

/// Seconds of a clip that candidates are compared on; of a longer one, those in its middle.
const SECONDS: usize = 30;

/// One way to encode a clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate<'a> {
    /// The settings.
    pub settings: Settings,
    /// The network that completes the images, and its id.
    pub model: Option<(ModelId, &'a Model)>,
}

impl Candidate<'_> {
    fn id(&self) -> Option<ModelId> {
        self.model.map(|(id, _)| id)
    }
}

/// A candidate as it turned out.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The clip, or the part of it that is compared.
    encoding: Encoding,
    /// Its distance from the original ([`Reference::distance`]).
    distance: f64,
}

impl Tried {
    /// The better of two: one that keeps to its rate, or exceeds it by less; then the nearer one, then the earlier one.
    fn or(self, other: Tried) -> Tried {
        let rank = |Tried { encoding, .. }: &Tried| {
            let too_much = (!encoding.met).then(|| encoding.bytes());
            (too_much, encoding.starved)
        };
        let order = rank(&self)
            .cmp(&rank(&other))
            .then(self.distance.total_cmp(&other.distance))
            .then(self.encoding.candidate.cmp(&other.encoding.candidate));
        if order.is_le() {
            self
        } else {
            other
        }
    }
}

/// Encodes a clip to the target with the one of `candidates` whose decoded sound is nearest to the original; a single one
/// is taken without a trial. Of a clip of more than 30 s its middle is compared.
///
/// # Errors
/// [`Error::Settings`] without candidates, or where they differ in their coded rate; as [`Analysis::of`],
/// [`Analysis::encode`] and [`decode::clip`].
pub fn encode(clip: &Clip<'_>, target: Target, candidates: &[Candidate<'_>]) -> Result<Encoding> {
    encode_with(clip, target, candidates, |count, run| {
        (0..count).map(run).collect()
    })
}

/// The same, where `all` runs the trials: given their number and the function that runs one of them by its index, it
/// returns what that gave, in any order, and may use many threads. The choice does not depend on it.
///
/// # Errors
/// As [`encode`].
pub fn encode_with(
    clip: &Clip<'_>,
    target: Target,
    candidates: &[Candidate<'_>],
    all: impl FnOnce(usize, &(dyn Fn(usize) -> Result<Tried> + Sync)) -> Result<Vec<Tried>>,
) -> Result<Encoding> {
    let fail = |what| Err(Error::Settings { what });
    let whole = |index: usize| {
        let candidate = &candidates[index];
        let encoding = clip.encode(target, &candidate.settings, candidate.id())?;
        Ok(Encoding {
            candidate: index,
            ..encoding
        })
    };
    let rate = match candidates {
        [] => return fail("there must be settings to choose from"),
        [_] => return whole(0),
        [first, ..] => first.settings.rate,
    };
    if candidates.iter().any(|c| c.settings.rate != rate) {
        return fail("candidates must share the coded sample rate");
    }
    candidates[0].settings.validate()?;
    let middle = middle(clip, rate);
    let part = middle.as_ref().map_or(*clip, |channels| Clip {
        channels,
        source: Signal {
            rate,
            ..clip.source
        },
        total_samples: channels.first().map_or(0, Vec::len) as u64,
    });
    let analyses = analyses(&part, candidates)?;
    let reference = Reference::new(part.channels, rate)?;
    let run = |index: usize| -> Result<Tried> {
        let candidate = &candidates[index];
        let Candidate { settings, model } = candidate;
        let analysis = analyses.iter().find(|a| a.stft == settings.stft);
        let analysis = analysis.ok_or(Error::Settings {
            what: "a candidate was not analysed",
        })?;
        let encoding = analysis.encode(target, settings, candidate.id())?;
        let model = model.map(|(_, model)| model);
        let decoded = decode::clip(&encoding.header, model, &encoding.segments)?;
        Ok(Tried {
            distance: reference.distance(&decoded),
            encoding: Encoding {
                candidate: index,
                ..encoding
            },
        })
    };
    let tried = all(candidates.len(), &run)?;
    match tried.into_iter().reduce(Tried::or) {
        Some(best) if middle.is_none() => Ok(best.encoding),
        Some(best) => whole(best.encoding.candidate),
        None => fail("no candidate was tried"),
    }
}

/// One analysis for every transform of the candidates, with the most coefficients that any of them has.
fn analyses(clip: &Clip<'_>, candidates: &[Candidate<'_>]) -> Result<Vec<Analysis>> {
    let mut widest: Vec<&Settings> = Vec::new();
    for Candidate { settings, .. } in candidates {
        let coefficients = |s: &Settings| s.waveform.map_or(0, |w| w.coefficients);
        match widest.iter_mut().find(|w| w.stft == settings.stft) {
            None => widest.push(settings),
            Some(w) if coefficients(w) < coefficients(settings) => *w = settings,
            Some(_) => {}
        }
    }
    widest.into_iter().map(|w| Analysis::of(clip, w)).collect()
}

/// The middle of a clip's channels, if that is not all of them.
fn middle(clip: &Clip<'_>, rate: u32) -> Option<Vec<Vec<f32>>> {
    let len = clip.channels.first().map_or(0, Vec::len);
    let most = SECONDS * rate as usize;
    let first = len.checked_sub(most).filter(|&left| left > 0)? / 2;
    let cut = |pcm: &Vec<f32>| {
        pcm.get(first..first + most)
            .map_or(Vec::new(), <[f32]>::to_vec)
    };
    Some(clip.channels.iter().map(cut).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_to_the_rate_beats_what_sounds_better() {
        let pcm = [(0..1_600)
            .map(|i| 0.3 * libm::sinf(i as f32 * 0.1))
            .collect::<Vec<f32>>()];
        let clip = Clip {
            channels: &pcm,
            source: Signal {
                rate: 16_000,
                channels: 1,
            },
            total_samples: 1_600,
        };
        let settings = Settings::speech();
        let analysis = Analysis::of(&clip, &settings).unwrap();
        let tried = |target, distance, candidate| Tried {
            encoding: Encoding {
                candidate,
                ..analysis.encode(target, &settings, None).unwrap()
            },
            distance,
        };
        let fits = tried(Target::Bitrate(100_000), 9.0, 1);
        let over = tried(Target::Bitrate(1), 0.1, 0);
        assert!(fits.encoding.met && !over.encoding.met);
        assert_eq!(over.clone().or(fits.clone()), fits);
        assert_eq!(fits.clone().or(over.clone()), fits);
        let mut starved = fits.clone();
        (starved.encoding.starved, starved.distance) = (1, 0.0);
        assert_eq!(starved.clone().or(fits.clone()), fits);
        assert_eq!(over.clone().or(starved.clone()), starved);
        // Where none does, the one that takes least.
        let mut more = over.clone();
        more.distance = 0.0;
        more.encoding.bodies.push(Vec::new());
        assert_eq!(more.or(over.clone()), over);
        // Equal ones: the first of the list, whichever comes first here.
        let mut same = fits.clone();
        same.encoding.candidate = 0;
        assert_eq!(fits.clone().or(same.clone()), same);
        assert_eq!(same.clone().or(fits), same);
    }
}
