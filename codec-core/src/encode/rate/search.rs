//! The search for the ridge margin whose bytes come closest to a budget from below.

use crate::error::Result;

/// Ridge margins searched, dB: from every pixel above the image's floor to none.
pub(super) const MARGINS: (f32, f32) = (-40.0, 60.0);
/// Share of the budget that may stay unused where the signal allows better.
const SPARE: f32 = 0.006;
/// Bytes by the margin on ordinary speech: this many nepers a dB, until two probes tell.
const SLOPE: f32 = -0.05;
/// Most dB from one probe to the next while only one side of the budget is known.
const REACH: f32 = 16.0;
/// Margins nearer than this, dB, differ by less than the thresholds' step does.
const NARROW: f32 = 0.1;
/// Probes after which the search takes what it has: enough for halving the whole range to [`NARROW`].
const PROBES: usize = 16;

/// Something encoded with a margin.
#[derive(Debug, Clone)]
pub(super) struct Probe<T> {
    /// The margin, dB.
    pub(super) margin: f32,
    /// Bytes it takes.
    pub(super) bytes: u64,
    /// What was encoded.
    pub(super) what: T,
}

/// How a search ended.
#[derive(Debug, Clone)]
pub(super) enum Found<T> {
    /// Within the budget, and near it or the most there is to keep.
    Fits(Probe<T>),
    /// Two neighbours on either side of the budget with a step between them: `fine` exceeds it.
    Between {
        /// Over the budget.
        fine: Probe<T>,
        /// Within it.
        coarse: Probe<T>,
    },
    /// Even the coarsest margin is over the budget.
    Over(Probe<T>),
}

/// Searches from the margin `start` on; `encode` gives what a margin makes and its bytes, which are taken to fall
/// with the margin.
///
/// The logarithm of the bytes is nearly straight in the margin, so each probe aims by a line through the two nearest
/// ones on either side; where a step in the signal defeats that, the range is halved.
pub(super) fn search<T>(
    start: f32,
    budget: u64,
    mut encode: impl FnMut(f32) -> Result<(T, u64)>,
) -> Result<Found<T>> {
    let (mut fine, mut coarse): (Option<Probe<T>>, Option<Probe<T>>) = (None, None);
    let enough = (budget as f32 * (1.0 - SPARE)) as u64;
    // Aimed at the middle of what is near enough.
    let aim = libm::logf((budget as f32 * (1.0 - 0.5 * SPARE)).max(1.0));
    let mut margin = start.clamp(MARGINS.0, MARGINS.1);
    let mut slope = SLOPE;
    for probe in 0..PROBES {
        let (what, bytes) = encode(margin)?;
        let this = Probe {
            margin,
            bytes,
            what,
        };
        let before = if bytes <= budget {
            if bytes >= enough || margin <= MARGINS.0 {
                return Ok(Found::Fits(this));
            }
            coarse.replace(this)
        } else {
            if margin >= MARGINS.1 {
                return Ok(Found::Over(this));
            }
            fine.replace(this)
        };
        margin = match (&fine, &coarse) {
            (Some(f), Some(c)) => {
                let width = c.margin - f.margin;
                if width <= NARROW {
                    break;
                }
                let (high, low) = (log(f.bytes), log(c.bytes));
                let share = (high - aim) / (high - low).max(1e-6);
                // A line that keeps missing on the same side meets a step: then halve.
                let share = if probe < 6 { share } else { 0.5 };
                f.margin + width * share.clamp(0.05, 0.95)
            }
            (Some(one), None) | (None, Some(one)) => {
                if let Some(before) = before {
                    let seen = (log(one.bytes) - log(before.bytes)) / (one.margin - before.margin);
                    // Not flatter, which is noise, nor steeper than anything seen.
                    slope = seen.clamp(-0.2, -0.01);
                }
                let step = (aim - log(one.bytes)) / slope;
                // A little too far rather than too near, as the other side of the budget is wanted too; and ever
                // further, where nothing changes.
                let least = 0.1 * (1 << probe) as f32;
                let step = libm::fabsf(1.1 * step).max(least).min(REACH);
                let step = if one.bytes > budget { step } else { -step };
                (one.margin + step).clamp(MARGINS.0, MARGINS.1)
            }
            (None, None) => margin,
        };
    }
    Ok(match (fine, coarse) {
        (Some(fine), Some(coarse)) => Found::Between { fine, coarse },
        (None, Some(one)) => Found::Fits(one),
        (Some(one), None) => Found::Over(one),
        // Not reached: there is at least one probe.
        (None, None) => {
            let (what, bytes) = encode(MARGINS.1)?;
            Found::Over(Probe {
                margin: MARGINS.1,
                bytes,
                what,
            })
        }
    })
}

fn log(bytes: u64) -> f32 {
    libm::logf((bytes as f32).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a curve; gives the outcome and the number of probes.
    fn on(budget: u64, curve: impl Fn(f32) -> u64) -> (Found<()>, usize) {
        let mut probes = 0;
        let found = search(20.0, budget, |margin| {
            probes += 1;
            Ok(((), curve(margin)))
        });
        (found.unwrap(), probes)
    }

    #[test]
    fn a_smooth_curve_is_met_within_a_percent_in_few_probes() {
        // Any slope and curvature that speech shows, any budget.
        for slope in [0.02f32, 0.05, 0.12] {
            for base in [0.0f32, 800.0] {
                let curve =
                    |margin: f32| (base + 3_000.0 * libm::expf(-slope * (margin - 20.0))) as u64;
                for budget in [1_200, 2_000, 5_000, 9_000] {
                    if curve(MARGINS.0) <= budget || curve(MARGINS.1) > budget {
                        continue;
                    }
                    let (found, probes) = on(budget, curve);
                    match found {
                        Found::Fits(p) => {
                            assert!(p.bytes <= budget && p.bytes * 100 >= budget * 99)
                        }
                        other => panic!("{slope} {base} {budget}: {other:?}"),
                    }
                    assert!(probes <= 7, "{slope} {base} {budget}: {probes} probes");
                }
            }
        }
    }

    #[test]
    fn a_step_is_found_from_both_sides() {
        let (found, probes) = on(1_000, |margin| if margin < 13.37 { 1_500 } else { 600 });
        match found {
            Found::Between { fine, coarse } => {
                assert!(fine.margin < 13.37 && coarse.margin >= 13.37);
                assert!(coarse.margin - fine.margin <= NARROW);
            }
            other => panic!("{other:?}"),
        }
        assert!(probes <= PROBES);
    }

    #[test]
    fn the_ends_of_the_range_are_told_apart() {
        assert!(matches!(on(1_000, |_| 900).0, Found::Fits(p) if p.margin == MARGINS.0));
        assert!(matches!(on(1_000, |_| 1_001).0, Found::Over(p) if p.margin == MARGINS.1));
    }
}
