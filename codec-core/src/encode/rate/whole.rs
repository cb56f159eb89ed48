//! A rate of the whole file: the finest settings that fit.

use super::super::analysis::Analysis;
use super::super::encoding::{ClipCoder, Encoding};
use super::super::policy::Policy;
use super::super::profile::FINER_STEPS;
use super::super::settings::Settings;
use super::search::{search, Found, Probe, MARGINS};
use super::splice::splice;
use crate::error::{Error, Result};
use codec_format::header::ModelId;
use codec_format::segment::SegmentCoder;

/// Share of the budget that finer value steps are tried for: a file is to come within 3 % of its target.
const WORTH_A_STEP: f64 = 0.025;

/// An analysed clip in at most `bits_per_second`, every byte of the file counted, and as near to it as the clip allows:
/// on speech of three seconds and more within a per cent or so.
///
/// Searched is the ridge margin, from that of the settings on; where a step in the signal leaves none that comes near,
/// the first frames have a finer one than the rest. Where even the finest margin leaves much over, values get finer
/// steps; where even an empty mask is too much, the layers are thinned.
pub(crate) fn fit(
    analysis: &Analysis,
    bits_per_second: u32,
    settings: &Settings,
    model: Option<ModelId>,
) -> Result<Encoding> {
    let Policy::Ridge { margin: start, .. } = settings.policy else {
        return Err(Error::Settings {
            what: "a bitrate needs the ridge policy",
        });
    };
    let samples = analysis.total_samples.unwrap_or(0);
    let budget = (u128::from(samples) * u128::from(bits_per_second)
        / (8 * u128::from(analysis.source.rate.max(1)))) as u64;
    let mut settings = settings.clone();
    loop {
        let clip = ClipCoder::new(analysis, &settings, model)?;
        match margins(&clip, &settings.policy, start, budget)? {
            Found::Fits(probe) => return finer(probe, analysis, &settings, budget),
            Found::Between { fine, coarse } => {
                return between(&clip, fine.what, coarse.what, budget)
            }
            Found::Over(probe) => match settings.thinner() {
                Some(thinner) => settings = thinner,
                None => {
                    return Ok(Encoding {
                        met: false,
                        ..probe.what
                    })
                }
            },
        }
    }
}

/// Searches the margin from `start` on.
pub(super) fn margins(
    clip: &ClipCoder<'_>,
    policy: &Policy,
    start: f32,
    budget: u64,
) -> Result<Found<Encoding>> {
    search(start, budget, |margin| {
        let encoding = clip.encode(&policy.with_margin(margin))?;
        let bytes = encoding.bytes();
        Ok((encoding, bytes))
    })
}

/// What fits, unless finer value steps fill the budget better.
fn finer(
    coarse: Probe<Encoding>,
    analysis: &Analysis,
    settings: &Settings,
    budget: u64,
) -> Result<Encoding> {
    let wanted = (budget as f64 * (1.0 - WORTH_A_STEP)) as u64;
    let mut best = coarse.what;
    if coarse.margin > MARGINS.0 || best.bytes() >= wanted {
        return Ok(best);
    }
    for &step in FINER_STEPS.iter().filter(|&&step| step < settings.step) {
        let settings = Settings {
            step,
            ..settings.clone()
        };
        let clip = ClipCoder::new(analysis, &settings, best.header.model)?;
        match margins(&clip, &settings.policy, MARGINS.0, budget)? {
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
                return between(&clip, fine.what, coarse.what, budget)
            }
            Found::Over(_) => break,
        }
    }
    Ok(best)
}

/// `fine`, which is over the budget, for as many frames as it allows, then `coarse`.
pub(super) fn between(
    clip: &ClipCoder<'_>,
    fine: Encoding,
    coarse: Encoding,
    budget: u64,
) -> Result<Encoding> {
    let mut out = coarse;
    let mut total = out.bytes();
    let kept = out.segments.iter_mut().zip(&mut out.bodies);
    for ((segment, body), finer) in kept.zip(fine.coded()) {
        let others = total - SegmentCoder::chunk_bytes(body);
        if others + finer.bytes() <= budget {
            total = others + finer.bytes();
            (*segment, *body) = (finer.segment, finer.body);
            continue;
        }
        if let Some(spliced) = splice(&clip.coder, &finer.segment, segment, budget - others)? {
            (*segment, *body) = (spliced.segment, spliced.body);
        }
        break;
    }
    Ok(out)
}
