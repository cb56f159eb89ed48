//! From the arguments of `encode` to the settings of the encoder.

use crate::args::{Coding, Effort, MaskChoice, PhaseChoice, Profile};
use crate::fault::{Failure, Fault};
use codec_audio::file::reason;
use codec_core::encode::{profile, Policy, Settings, Target};
use codec_format::header::PhaseKind;
use codec_format::symbols::Mask;
use std::path::Path;

/// Bitrate where nothing else is asked for, bits a second and channel.
pub const DEFAULT_BITRATE: u32 = 6_000;

/// Sparsity of a profile or mask where none is asked for: the thesis' most studied.
const DEFAULT_SPARSITY: f32 = 0.95;

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
            let mask = std::fs::read(path)
                .map_err(|e| Fault::Input(reason(&e)))
                .and_then(|bytes| mask_image(&bytes, settings.stft.bins()))
                .map_err(|fault| fault.of(path.display()))?;
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
            apply_quality(&mut settings, quality);
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
    Ok((settings, target))
}

/// The settings to choose from for a target: `settings`, and what else the effort asks for.
pub fn candidates(
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

/// Sets the ridge margin and the layers for a quality of 0..=10.
fn apply_quality(settings: &mut Settings, quality: f32) {
    if let Policy::Ridge { .. } = settings.policy {
        let usual = Settings::speech_of_quality(quality);
        settings.policy = usual.policy;
        settings.lattice = usual.lattice;
        settings.waveform = usual.waveform;
    }
}

/// A mask from a PBM image (P1 or P4): one column a frame, one row a bin, the lowest bin at the bottom,
/// black where the pixel is kept.
fn mask_image(bytes: &[u8], bins: usize) -> Result<Mask, Fault> {
    let bad = |text: String| Fault::Input(format!("is not a mask image: {text}"));
    let mut at = 0;
    let mut word = || -> Option<&[u8]> {
        loop {
            while bytes.get(at)?.is_ascii_whitespace() {
                at += 1;
            }
            if bytes[at] != b'#' {
                break;
            }
            while *bytes.get(at)? != b'\n' {
                at += 1;
            }
        }
        let first = at;
        while bytes.get(at).is_some_and(|b| !b.is_ascii_whitespace()) {
            at += 1;
        }
        Some(&bytes[first..at])
    };
    let kind = match word() {
        Some(b"P1") => 1,
        Some(b"P4") => 4,
        _ => return Err(bad("it does not begin as a PBM file (P1 or P4)".into())),
    };
    let mut number = || std::str::from_utf8(word()?).ok()?.parse::<usize>().ok();
    let (Some(width), Some(height)) = (number(), number()) else {
        return Err(bad("its width or height is missing".into()));
    };
    if height != bins {
        return Err(bad(format!(
            "it is {height} pixels high, but a frame has {bins} bins"
        )));
    }
    let body = bytes.get(at + 1..).unwrap_or_default();
    let stride = width.div_ceil(8);
    let cells: Vec<u8> = match kind {
        1 => body
            .iter()
            .copied()
            .filter(|b| matches!(b, b'0' | b'1'))
            .collect(),
        _ => body.to_vec(),
    };
    let wanted = if kind == 1 {
        width.checked_mul(height)
    } else {
        stride.checked_mul(height)
    };
    if wanted.is_none_or(|wanted| cells.len() < wanted) {
        return Err(bad(format!("it ends before {width} x {height} pixels")));
    }
    let kept = |x: usize, y: usize| match kind {
        1 => cells[y * width + x] == b'1',
        _ => cells[y * stride + x / 8] >> (7 - x % 8) & 1 == 1,
    };
    Ok((0..width)
        .flat_map(|frame| (0..bins).map(move |bin| (frame, bin)))
        .map(|(x, bin)| kept(x, bins - 1 - bin))
        .collect())
}

/// Whether this is the word for "no model" rather than a file.
pub fn is_none(path: &Path) -> bool {
    path.as_os_str() == "none"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
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

    #[test]
    fn mask_images_have_the_lowest_bin_at_the_bottom() {
        let text = mask_image(b"P1\n# a comment\n2 3\n1 0\n0 0\n0 1\n", 3).unwrap();
        assert_eq!(
            text.iter().by_vals().collect::<Vec<_>>(),
            [false, false, true, true, false, false]
        );
        let packed = mask_image(b"P4 2 3\n\x80\x00\x40", 3).unwrap();
        assert_eq!(text, packed);
    }

    #[test]
    fn bad_mask_images_are_named() {
        for bad in [
            &b""[..],
            b"P4",
            b"P4 2 3\n\x80",
            b"P1 2 3\n1 0",
            b"P4 2 99\n",
            b"P4 18446744073709551615 3\n",
        ] {
            assert!(
                matches!(mask_image(bad, 3), Err(Fault::Input(_))),
                "{bad:?}"
            );
        }
    }
}
