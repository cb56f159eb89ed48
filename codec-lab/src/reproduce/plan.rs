//! Which rows the report has, in their order, and what the thesis says of each.

use super::phases::Method;
use codec_core::encode::{Policy, Settings};
use codec_format::header::PhaseKind;

/// Bits of a stored phase: finer than anybody hears.
pub const PHASE_BITS: u8 = 6;
/// The sparsity most of the thesis' experiments share.
pub const SPARSITY: f32 = 0.95;
/// The sparsities the thesis trained networks for.
pub const SPARSITIES: [f32; 4] = [0.80, 0.85, 0.90, 0.95];
/// The thesis' thresholds for phases, dB on its own scale.
pub const THRESHOLDS: [f32; 4] = [60.0, 65.0, 70.0, 75.0];
/// Rate of the speech profile's row, bits a second.
pub const SPEECH_RATE: u32 = 6_000;

/// A part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// How much can be dropped.
    Sparsity,
    /// How many phases are needed.
    Phases,
    /// Phases found from magnitudes alone.
    NoPhases,
    /// Masks searched for.
    Masks,
    /// The masks of the deep-prior paper.
    DeepPrior,
    /// The codec as it is meant to be used.
    Scale,
}

impl Section {
    /// All, in the order of the report.
    pub const ALL: [Section; 6] = [
        Section::Sparsity,
        Section::Phases,
        Section::NoPhases,
        Section::Masks,
        Section::DeepPrior,
        Section::Scale,
    ];

    /// Its heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Section::Sparsity => "Sparsity: uniform random masks, every phase stored",
            Section::Phases => "Phases: all, or those of loud pixels",
            Section::NoPhases => "No phase at all",
            Section::Masks => "Masks at 95 % sparsity, every phase stored",
            Section::DeepPrior => "Random against strongest-per-frame masks",
            Section::Scale => "For scale: this codec's speech profile",
        }
    }
}

/// What the thesis says of a row, as far as it is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// MSE of the completed image.
    pub mse: Option<&'static str>,
    /// PESQ; which of its two bands, and which version, the thesis leaves open.
    pub pesq: Option<&'static str>,
    /// Share of the phases kept.
    pub phases: Option<&'static str>,
}

/// The search for a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Search {
    /// The relaxed mask of the gradient method, every value between 0 and 1: no file can hold it.
    GradientReal,
    /// The same, made binary by keeping the largest.
    GradientLargest,
    /// Made binary by annealing the relaxation's steepness.
    GradientAnnealed,
    /// Straight-through gradients on the exact binary mask.
    StraightThrough,
    /// The best of these three binary masks, with the kept values optimised after it.
    OptimisedValues,
    /// The thesis' genetic search for the least MSE.
    GeneticMse,
    /// The thesis' genetic search for the best PESQ.
    GeneticPesq,
    /// The same without reproduction: the best and new ones.
    GeneticNoReproduction,
    /// Genetic with new individuals drawn from what is known of the image.
    GeneticInformed,
    /// The best of many seeds, at the file size of the informed genetic mask.
    Seeds,
}

/// What a row asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// A file with these settings, completed by the network of this sparsity.
    File {
        /// How it is encoded.
        settings: Settings,
        /// Sparsity of the network.
        network: f32,
    },
    /// All of [`SPARSITY`]'s settings but for the phases: those at this level or above, on the scale of 16-bit
    /// samples of a clip that reaches full scale.
    Threshold(f32),
    /// Phases by a method, over the completed image of a file without phases or over the true one.
    Rebuilt {
        /// The way to phases.
        method: Method,
        /// Whether the magnitudes are the clip's own: no file then.
        truth: bool,
    },
    /// A searched mask.
    Mask(Search),
    /// The speech profile at [`SPEECH_RATE`].
    Speech,
}

/// A row to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Short and unique, for tables read by programs.
    pub id: String,
    /// Its part of the report.
    pub section: Section,
    /// What it is, in words.
    pub label: String,
    /// What the thesis says.
    pub known: Known,
    /// What to do.
    pub job: Job,
}

/// The thesis profile without phases.
#[must_use]
pub fn without_phases(sparsity: f32) -> Settings {
    Settings {
        phase: PhaseKind::None,
        ..Settings::thesis(sparsity)
    }
}

/// The rows. `griffin_lim` is the number of steps of the rows that rely on them alone.
#[must_use]
pub fn rows(griffin_lim: usize) -> Vec<Planned> {
    let mut rows = Vec::new();
    let mut add = |section, id: String, label: String, known: Known, job: Job| {
        rows.push(Planned {
            id,
            section,
            label,
            known,
            job,
        });
    };
    let none = Known::default();
    let percent = |share: f32| (share * 100.0).round() as u32;

    for sparsity in SPARSITIES {
        let known = if sparsity == SPARSITY {
            Known {
                mse: Some("35.2"),
                pesq: Some("2.48"),
                ..none
            }
        } else {
            none
        };
        let job = Job::File {
            settings: Settings::thesis(sparsity),
            network: sparsity,
        };
        let percent = percent(sparsity);
        add(
            Section::Sparsity,
            format!("sparsity-{percent}"),
            format!("{percent} % dropped"),
            known,
            job,
        );
    }

    let every = || Job::File {
        settings: Settings::thesis(SPARSITY),
        network: SPARSITY,
    };
    let at_95 = Known {
        pesq: Some("2.48"),
        ..none
    };
    add(
        Section::Phases,
        "phases-all".into(),
        "all phases".into(),
        at_95,
        every(),
    );
    for threshold in THRESHOLDS {
        let known = Known {
            phases: Some("56 to 74 %"),
            ..none
        };
        add(
            Section::Phases,
            format!("phases-{threshold}"),
            format!("phases from {threshold} dB up"),
            known,
            Job::Threshold(threshold),
        );
    }

    let method = |random| Method::GriffinLim {
        steps: griffin_lim,
        random,
    };
    let methods = [
        ("pghi", "PGHI alone".to_owned(), Method::Gradient),
        (
            "gl-random",
            format!("Griffin-Lim, {griffin_lim} steps from random phases"),
            method(true),
        ),
        (
            "gl-zero",
            format!("Griffin-Lim, {griffin_lim} steps from zero phases"),
            method(false),
        ),
        (
            "decoder",
            format!(
                "PGHI, then {} fast Griffin-Lim steps: the decoder's",
                Method::Decoder.steps()
            ),
            Method::Decoder,
        ),
    ];
    for truth in [false, true] {
        for (id, label, method) in &methods {
            let (prefix, of) = if truth {
                ("true", "true magnitudes")
            } else {
                ("completed", "completed image")
            };
            add(
                Section::NoPhases,
                format!("{prefix}-{id}"),
                format!("{of}: {label}"),
                none,
                Job::Rebuilt {
                    method: *method,
                    truth,
                },
            );
        }
    }

    add(
        Section::Masks,
        "mask-random".into(),
        "random".into(),
        at_95,
        every(),
    );
    let pesq = |text| Known {
        pesq: Some(text),
        ..none
    };
    let genetic = pesq("3.30 to 3.35");
    let searches = [
        (
            Search::GradientReal,
            "gradient-real",
            "gradient, real-valued (no file holds it; bytes: every pixel kept)",
            pesq("2.889"),
        ),
        (
            Search::GradientLargest,
            "gradient-largest",
            "gradient, the largest kept",
            pesq("2.36"),
        ),
        (
            Search::GradientAnnealed,
            "gradient-annealed",
            "gradient, steepness annealed",
            none,
        ),
        (
            Search::StraightThrough,
            "straight-through",
            "gradient, straight through the binary mask",
            none,
        ),
        (
            Search::OptimisedValues,
            "optimised-values",
            "the best of these three, kept values optimised",
            none,
        ),
        (
            Search::GeneticMse,
            "genetic-mse",
            "genetic, fitness MSE",
            none,
        ),
        (
            Search::GeneticPesq,
            "genetic-pesq",
            "genetic, fitness PESQ",
            genetic,
        ),
        (
            Search::GeneticNoReproduction,
            "genetic-no-reproduction",
            "genetic, fitness PESQ, no reproduction",
            none,
        ),
        (
            Search::GeneticInformed,
            "genetic-informed",
            "genetic, fitness PESQ, informed",
            none,
        ),
        (
            Search::Seeds,
            "seeds",
            "best seed, at the file size of the row above",
            none,
        ),
    ];
    for (search, id, label, known) in searches {
        add(
            Section::Masks,
            id.into(),
            label.into(),
            known,
            Job::Mask(search),
        );
    }

    let energy = |phase| {
        let settings = Settings {
            policy: Policy::Energy { sparsity: SPARSITY },
            phase,
            ..Settings::thesis(SPARSITY)
        };
        Job::File {
            settings,
            network: SPARSITY,
        }
    };
    let all = PhaseKind::All { bits: PHASE_BITS };
    let silent = Job::File {
        settings: without_phases(SPARSITY),
        network: SPARSITY,
    };
    add(
        Section::DeepPrior,
        "prior-random".into(),
        "random, all phases".into(),
        at_95,
        every(),
    );
    add(
        Section::DeepPrior,
        "prior-strongest".into(),
        "strongest of each frame, all phases".into(),
        none,
        energy(all),
    );
    add(
        Section::DeepPrior,
        "prior-random-no-phases".into(),
        "random, no phases".into(),
        none,
        silent,
    );
    add(
        Section::DeepPrior,
        "prior-strongest-no-phases".into(),
        "strongest of each frame, no phases".into(),
        none,
        energy(PhaseKind::None),
    );

    add(
        Section::Scale,
        "speech-6k".into(),
        format!("speech profile, {} kbit/s", SPEECH_RATE / 1000),
        none,
        Job::Speech,
    );
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sections_come_in_order() {
        let rows = rows(32);
        let ids: std::collections::HashSet<&str> = rows.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(ids.len(), rows.len());
        assert!(rows.windows(2).all(|w| w[0].section <= w[1].section));
        for section in Section::ALL {
            assert!(rows.iter().any(|r| r.section == section), "{section:?}");
        }
    }

    #[test]
    fn settings_are_all_valid() {
        for row in rows(32) {
            if let Job::File { settings, .. } = row.job {
                assert_eq!(settings.validate(), Ok(()), "{}", row.id);
            }
        }
    }
}
