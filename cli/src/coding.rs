//! From the arguments of `encode` to the plan of the encoder.

use crate::args::{Coding, Effort, MaskChoice, PhaseChoice, Profile};
use crate::fault::{Failure, Fault, OfFile};
use crate::mask;
use crate::progress::Progress;
use codec_audio::{file, Pcm};
use codec_core::encode::{profile, Policy, Settings, Target};
use codec_format::header::PhaseKind;
use sparc::plan::{piece, DEFAULT_BITRATE};
use sparc::{Encoded, Network, Plan};
use std::sync::Arc;

/// Sparsity of a profile or mask where none is asked for: the thesis' most studied.
const DEFAULT_SPARSITY: f32 = 0.95;

/// Encodes a clip as the arguments say, with a network that fits them; warns, unless told to be quiet, of what a rate did
/// to the clip `name`.
pub fn encode(
    pcm: &Pcm,
    coding: &Coding,
    network: Option<Arc<Network>>,
    (name, quiet, progress): (&str, bool, &Progress),
) -> Result<Vec<u8>, Failure> {
    let plan = plan(coding, network, pcm.channels.len())?;
    let Encoded { bytes, starved, .. } = plan.encode(pcm).of(name)?;
    warn_of(starved, (name, quiet, progress));
    Ok(bytes)
}

/// What the arguments come to for sound of so many channels.
pub fn plan(
    coding: &Coding,
    network: Option<Arc<Network>>,
    channels: usize,
) -> Result<Plan, Failure> {
    let (settings, target) = settings(coding, channels)?;
    Ok(Plan {
        candidates: candidates(coding, &settings, target, channels),
        target,
        strict: coding.bitrate.is_some(),
        network,
        embed: coding.embed_model,
        metadata: None,
        seek_index: false,
        delay: coding.delay.unwrap_or_else(|| piece(channels)),
    })
}

/// Warns of segments that a rate left without all of their background.
pub fn warn_of(starved: u32, (name, quiet, progress): (&str, bool, &Progress)) {
    if starved > 0 && !quiet {
        progress.warn(&format!(
            "sparc: warning: {name}: {starved} segments take more than their share even without ridges; their \
             background is held or silent"
        ));
    }
}

/// Settings and target that the arguments ask for, for a clip of so many channels.
pub fn settings(coding: &Coding, channels: usize) -> Result<(Settings, Target), Failure> {
    let channels = u32::try_from(channels).unwrap_or(u32::MAX).clamp(1, 255);
    let arguments = |text: &str| Fault::Arguments(text.into()).of("arguments");
    let sparsity = coding.sparsity.unwrap_or(DEFAULT_SPARSITY);
    let mut settings = match coding.profile {
        Profile::Speech => Settings::speech(),
        Profile::Thesis => Settings::thesis(sparsity),
    };
    match &coding.mask {
        None => {}
        Some(MaskChoice::Ridge) => settings.policy = Settings::speech().policy,
        Some(MaskChoice::Uniform) => {
            settings.policy = Policy::Uniform {
                sparsity,
                seed: coding.seed,
            }
        }
        Some(MaskChoice::Energy) => settings.policy = Policy::Energy { sparsity },
        Some(MaskChoice::File(path)) => {
            let mask = file::bytes(path)
                .map_err(Fault::from)
                .and_then(|bytes| mask::read(&bytes, settings.stft.bins()))
                .of(path.display())?;
            settings.policy = Policy::Explicit { mask, levels: None };
        }
    }
    if let Policy::Uniform { seed, .. } = &mut settings.policy {
        *seed = coding.seed;
    }
    let bits = coding.phase_bits;
    settings.phase = match coding.phases {
        None => match settings.phase {
            PhaseKind::All { .. } => PhaseKind::All { bits },
            other => other,
        },
        Some(PhaseChoice::None) => PhaseKind::None,
        Some(PhaseChoice::All) => PhaseKind::All { bits },
        Some(PhaseChoice::Threshold(db)) => PhaseKind::Thresholded {
            bits,
            threshold: (db * 8.0).round() as i16,
        },
    };
    if let Some(origin) = coding.origin {
        settings.origin = Some((origin * 8.0).round() as i16);
    }
    let ridge = matches!(settings.policy, Policy::Ridge { .. });
    let target = match (coding.bitrate, coding.quality, coding.sparsity) {
        (Some(_), _, _) | (_, Some(_), _) if !ridge => {
            return Err(arguments(
                "--bitrate and --quality need the ridge mask; give --sparsity with other masks",
            ));
        }
        (Some(bitrate), _, _) if coding.cbr => Target::Constant(bitrate),
        (Some(bitrate), _, _) => Target::Bitrate(bitrate),
        (_, Some(quality), _) => {
            let usual = Settings::speech_of_quality(quality);
            settings = Settings {
                policy: usual.policy,
                lattice: usual.lattice,
                waveform: usual.waveform,
                ..settings
            };
            Target::Settings
        }
        (_, _, Some(sparsity)) if ridge => Target::Sparsity(sparsity),
        (_, _, Some(_)) if matches!(settings.policy, Policy::Explicit { .. }) => {
            return Err(arguments(
                "--sparsity has no meaning with a mask from a file",
            ));
        }
        (None, None, None) if ridge && coding.profile == Profile::Speech => {
            Target::Bitrate(DEFAULT_BITRATE * channels)
        }
        _ => Target::Settings,
    };
    if let Target::Bitrate(bitrate) | Target::Constant(bitrate) = target {
        let usual = Settings::speech_at(bitrate / channels);
        if coding.profile == Profile::Speech {
            settings = with_layers(&settings, &usual);
        }
        settings.policy = usual.policy;
    }
    if let Some(milliseconds) = coding.segment {
        settings = settings.with_segments_of(milliseconds / 1000.0);
    }
    Ok((settings, target))
}

/// The settings to choose from for a target: `settings`, and what else the effort asks for.
fn candidates(
    coding: &Coding,
    settings: &Settings,
    target: Target,
    channels: usize,
) -> Vec<Settings> {
    let effort = match coding.effort {
        Effort::Fast => profile::Effort::Fast,
        Effort::Default => profile::Effort::Default,
        Effort::Best => profile::Effort::Best,
    };
    match (coding.profile, target) {
        (Profile::Speech, Target::Bitrate(bitrate) | Target::Constant(bitrate)) => {
            let channels = u32::try_from(channels).unwrap_or(u32::MAX).max(1);
            Settings::speech_candidates(bitrate / channels, effort)
                .iter()
                .map(|candidate| with_layers(settings, candidate))
                .collect()
        }
        _ => vec![settings.clone()],
    }
}

/// `settings` with the layers of a candidate; what the arguments say stays.
fn with_layers(settings: &Settings, candidate: &Settings) -> Settings {
    Settings {
        lattice: candidate.lattice,
        waveform: candidate.waveform,
        step: candidate.step,
        ..settings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cli, Command};
    use clap::Parser;

    fn parsed(arguments: &str) -> Result<(Settings, Target), Failure> {
        let words = ["sparc", "encode", "a", "b"]
            .into_iter()
            .chain(arguments.split_whitespace());
        match Cli::parse_from(words).command {
            Command::Encode(args) => settings(&args.coding, 1),
            _ => unreachable!("encode was asked for"),
        }
    }

    #[test]
    fn nothing_asked_for_is_speech_at_the_default_bitrate() {
        let (settings, target) = parsed("").unwrap();
        assert_eq!(settings, Settings::speech_at(DEFAULT_BITRATE));
        assert_eq!(target, Target::Bitrate(DEFAULT_BITRATE));
    }

    #[test]
    fn the_thesis_profile_keeps_its_mask_and_phases() {
        let (settings, target) =
            parsed("--profile thesis --sparsity 0.9 --seed 7 --phase-bits 4").unwrap();
        assert_eq!(
            settings.policy,
            Policy::Uniform {
                sparsity: 0.9,
                seed: 7
            }
        );
        assert_eq!(settings.phase, PhaseKind::All { bits: 4 });
        assert_eq!(target, Target::Settings);
    }

    #[test]
    fn a_constant_rate_is_a_bitrate_with_a_condition() {
        let (settings, target) = parsed("--bitrate 9k --cbr").unwrap();
        assert_eq!(target, Target::Constant(9_000));
        assert_eq!(settings, Settings::speech_at(9_000));
    }

    #[test]
    fn effort_widens_the_choice_and_keeps_what_the_arguments_say() {
        let chosen = |arguments: &str| {
            let words = format!("sparc encode a b {arguments}");
            match Cli::parse_from(words.split_whitespace()).command {
                Command::Encode(args) => {
                    let (settings, target) = settings(&args.coding, 1).unwrap();
                    let all = candidates(&args.coding, &settings, target, 1);
                    assert_eq!(all[0], settings, "{arguments}");
                    all
                }
                _ => unreachable!("encode was asked for"),
            }
        };
        let counts = ["fast", "default", "best"]
            .map(|effort| chosen(&format!("--origin -40 --effort {effort}")).len());
        assert!(counts[0] == 1 && counts[0] < counts[1] && counts[1] < counts[2]);
        assert!(chosen("--origin -40")
            .iter()
            .all(|s| s.origin == Some(-320)));
        assert_eq!(chosen("-b 9k --cbr").len(), counts[1]);
        for alone in ["--quality 3", "--sparsity 0.9", "--profile thesis"] {
            assert_eq!(chosen(alone).len(), 1, "{alone}");
        }
    }

    #[test]
    fn ridge_and_sparsity_search_for_the_margin() {
        assert_eq!(parsed("--sparsity 0.9").unwrap().1, Target::Sparsity(0.9));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for bad in [
            "--mask uniform --bitrate 6000",
            "--mask energy --quality 3",
            "--profile thesis --bitrate 6k",
        ] {
            assert_eq!(parsed(bad).unwrap_err().fault.code(), 2, "{bad}");
        }
    }

    #[test]
    fn better_quality_keeps_more() {
        let margin = |quality: &str| match parsed(&format!("--quality {quality}")).unwrap().0.policy
        {
            Policy::Ridge { margin, .. } => margin,
            other => panic!("{other:?}"),
        };
        assert!(margin("0") > margin("5") && margin("5") > margin("10"));
    }
}
