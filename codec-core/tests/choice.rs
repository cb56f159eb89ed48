//! Choosing settings by their sound: the nearest wins, whatever the order, on short clips and long ones.

use codec_core::decode;
use codec_core::encode::distance::Reference;
use codec_core::encode::profile::Effort;
use codec_core::encode::{encode, encode_with, Candidate, Clip, Encoding, Settings, Target};
use codec_core::Error;
use codec_format::header::{LatticeShape, Signal};

const RATE: usize = 16_000;

/// Harmonics of a gliding pitch in syllables, over noise; another voice for every `pitch`.
fn voice(len: usize, pitch: f64) -> Vec<f32> {
    let (mut phase, mut seed) = (0.0f64, 7u32);
    (0..len)
        .map(|i| {
            let t = i as f64 / RATE as f64;
            phase += pitch * (1.0 + 0.3 * libm::sin(3.0 * t)) / RATE as f64;
            let envelope = libm::sin(5.0 * t).max(0.02);
            let tone: f64 = (1..20)
                .map(|h| libm::sin(core::f64::consts::TAU * phase * f64::from(h)) / f64::from(h))
                .sum();
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (0.2 * envelope * tone) as f32 + 0.002 * ((seed >> 8) as f32 / 8_388_608.0 - 1.0)
        })
        .collect()
}

fn clip(channels: &[Vec<f32>]) -> Clip<'_> {
    Clip {
        channels,
        source: Signal {
            rate: RATE as u32,
            channels: channels.len() as u8,
        },
        total_samples: channels[0].len() as u64,
    }
}

fn with_lattice(bands: u8, every: u8) -> Settings {
    Settings {
        lattice: Some(LatticeShape {
            bands,
            every,
            step: 32,
        }),
        ..Settings::speech()
    }
}

fn candidates(settings: &[Settings]) -> Vec<Candidate<'static>> {
    let candidate = |settings: &Settings| Candidate {
        settings: settings.clone(),
        model: None,
    };
    settings.iter().map(candidate).collect()
}

fn decode(encoded: &Encoding) -> Vec<Vec<f32>> {
    decode::clip(&encoded.header, None, &encoded.segments).unwrap()
}

#[test]
fn the_candidate_nearest_to_the_original_is_taken_whatever_its_place() {
    let pcm = [voice(RATE, 120.0), voice(RATE, 190.0)];
    let mut settings = vec![
        with_lattice(14, 2),
        with_lattice(20, 2),
        with_lattice(8, 16),
        with_lattice(26, 3),
    ];
    for target in [
        Target::Bitrate(9_000),
        Target::Constant(12_000),
        Target::Sparsity(0.95),
        Target::Settings,
    ] {
        let reference = Reference::new(&pcm, RATE as u32).unwrap();
        let alone = |settings| clip(&pcm).encode(target, settings, None).unwrap();
        let distances: Vec<f64> = settings
            .iter()
            .map(|settings| reference.distance(&decode(&alone(settings))))
            .collect();
        let nearest = (0..settings.len())
            .min_by(|&a, &b| distances[a].total_cmp(&distances[b]))
            .unwrap();
        let farthest = distances.iter().fold(0.0f64, |a, &b| a.max(b));
        assert!(
            distances[nearest] < 0.97 * farthest,
            "they differ: {distances:?}"
        );
        let expected = alone(&settings[nearest]);
        let best = settings[nearest].clone();
        for _ in 0..2 {
            let all = candidates(&settings);
            let chosen = encode(&clip(&pcm), target, &all).unwrap();
            assert_eq!(settings[chosen.candidate], best, "{target:?}");
            // Trials in another order, as on many threads.
            let backwards = encode_with(&clip(&pcm), target, &all, |count, run| {
                (0..count).rev().map(run).collect()
            });
            assert!(backwards.unwrap() == chosen, "{target:?}");
            let mut chosen = chosen;
            chosen.candidate = 0;
            assert!(chosen == expected, "{target:?}: {distances:?}");
            settings.rotate_left(2);
        }
    }
}

#[test]
fn a_transform_is_analysed_for_all_that_share_it() {
    // Candidates of two transforms, and with more coefficients in one place than in the other: each comes out as alone.
    let pcm = [voice(RATE, 140.0)];
    let mut longer = Settings::speech_at(6_000);
    longer.stft.n_fft = 1024;
    longer.stft.window_length = 1024;
    let settings = [
        Settings::speech_at(4_000),
        Settings::speech_at(12_000),
        longer,
        Settings::speech_at(8_000),
    ];
    let target = Target::Bitrate(8_000);
    let all = candidates(&settings);
    for (index, only) in settings.iter().enumerate() {
        let chosen = encode_with(&clip(&pcm), target, &all, |_, run| Ok(vec![run(index)?]));
        let mut expected = clip(&pcm).encode(target, only, None).unwrap();
        expected.candidate = index;
        assert!(chosen.unwrap() == expected, "{index}");
    }
}

#[test]
fn a_long_clip_is_judged_by_its_middle_and_encoded_whole() {
    // The first and the last second are not like what lies between.
    let len = 32 * RATE;
    let mut pcm = voice(len, 140.0);
    let ends = (0..RATE).chain(31 * RATE..len);
    ends.for_each(|i| pcm[i] = if i % 100 < 50 { 0.3 } else { -0.3 });
    let whole = [pcm];
    let middle = [whole[0][RATE..31 * RATE].to_vec()];
    let settings = [with_lattice(8, 16), with_lattice(14, 2)];
    let target = Target::Bitrate(4_000);
    let all = candidates(&settings);
    // What is tried on the whole is what is tried on its middle alone.
    let tried = |pcm: &[Vec<f32>]| {
        let mut tried = None;
        let chosen = encode_with(&clip(pcm), target, &all, |count, run| {
            let results = (0..count).map(run).collect::<Result<Vec<_>, _>>()?;
            tried = Some(results.clone());
            Ok(results)
        });
        (tried.unwrap(), chosen.unwrap())
    };
    let (of_whole, chosen) = tried(&whole);
    let (of_middle, nearest) = tried(&middle);
    assert!(of_whole == of_middle);
    assert_eq!(chosen.candidate, nearest.candidate);
    assert_eq!(chosen.header.total_samples, Some(len as u64));
    let share = chosen.bytes() as f64 * 8.0 / 32.0 / 4_000.0;
    assert!((0.97..=1.0).contains(&share), "{share}");
}

#[test]
fn candidates_begin_with_the_usual_settings_and_none_comes_twice() {
    for rate in [3_000, 4_500, 6_000, 9_000, 12_000] {
        let mut fewer = 0;
        for effort in [Effort::Fast, Effort::Default, Effort::Best] {
            let all = Settings::speech_candidates(rate, effort);
            assert_eq!(all[0], Settings::speech_at(rate));
            assert!(all.len() > fewer, "{effort:?} at {rate}");
            fewer = all.len();
            for (i, settings) in all.iter().enumerate() {
                settings.validate().unwrap();
                assert!(
                    !all[..i].contains(settings),
                    "{effort:?} at {rate}: {settings:?}"
                );
            }
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let pcm = [voice(8_000, 120.0)];
    let other = Settings {
        rate: 8_000,
        ..Settings::speech()
    };
    for settings in [&[][..], &[Settings::speech(), other]] {
        assert!(matches!(
            encode(&clip(&pcm), Target::Bitrate(6_000), &candidates(settings)),
            Err(Error::Settings { .. })
        ));
    }
}
