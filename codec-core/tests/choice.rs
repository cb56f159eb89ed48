//! Choosing settings by their sound: the nearest wins, whatever the order, on short clips and long ones.

use codec_core::choice::{encode_nearest, Rate, Sound, Trials};
use codec_core::decoder;
use codec_core::distance::Reference;
use codec_core::encoder::Encoded;
use codec_core::rate::{file_bytes, speech_candidates, speech_settings, Effort};
use codec_core::settings::Settings;
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

fn sound(channels: &[Vec<f32>]) -> Sound<'_> {
    Sound {
        channels,
        source: Signal {
            rate: RATE as u32,
            channels: channels.len() as u8,
        },
        total_samples: channels[0].len() as u64,
        model: None,
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

fn decode(encoded: &Encoded) -> Vec<Vec<f32>> {
    decoder::decode(&encoded.header, None, &encoded.segments).unwrap()
}

#[test]
fn the_candidate_nearest_to_the_original_is_taken_whatever_its_place() {
    let pcm = [voice(2 * RATE, 120.0), voice(2 * RATE, 190.0)];
    let mut candidates = vec![
        with_lattice(14, 2),
        with_lattice(20, 2),
        with_lattice(8, 16),
        with_lattice(26, 3),
    ];
    for rate in [Rate::Whole(9_000), Rate::Constant(12_000)] {
        let reference = Reference::new(&pcm, RATE as u32).unwrap();
        let distances: Vec<f64> = candidates
            .iter()
            .map(|settings| {
                let paced = sound(&pcm).encode(rate, settings).unwrap();
                reference.distance(&decode(&paced.encoded))
            })
            .collect();
        let nearest = (0..candidates.len())
            .min_by(|&a, &b| distances[a].total_cmp(&distances[b]))
            .unwrap();
        let farthest = distances.iter().fold(0.0f64, |a, &b| a.max(b));
        assert!(
            distances[nearest] < 0.97 * farthest,
            "they differ: {distances:?}"
        );
        let expected = sound(&pcm).encode(rate, &candidates[nearest]).unwrap();
        for _ in 0..2 {
            let chosen = encode_nearest(sound(&pcm), rate, &candidates).unwrap();
            assert!(chosen == expected, "{rate:?}: {distances:?}");
            candidates.rotate_left(2);
        }
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
    let candidates = [with_lattice(8, 16), with_lattice(14, 2)];
    let rate = Rate::Whole(4_000);
    let trials = Trials::new(sound(&whole), rate, RATE as u32).unwrap();
    let tried = [0, 1].map(|index| trials.try_settings(index, &candidates[index]).unwrap());
    let alone = Trials::new(sound(&middle), rate, RATE as u32).unwrap();
    assert_eq!(tried[1], alone.try_settings(1, &candidates[1]).unwrap());
    let nearest = usize::from(tried[1].distance < tried[0].distance);
    let chosen = encode_nearest(sound(&whole), rate, &candidates).unwrap();
    assert_eq!(chosen.encoded.header.lattice, candidates[nearest].lattice);
    assert_eq!(chosen.encoded.header.total_samples, Some(len as u64));
    let share = file_bytes(&chosen.encoded).unwrap() as f64 * 8.0 / 32.0 / 4_000.0;
    assert!((0.97..=1.0).contains(&share), "{share}");
}

#[test]
fn what_keeps_to_the_rate_beats_what_sounds_better() {
    // A tenth of a second: only the thinnest background fits, and the others say so.
    let pcm = [voice(RATE / 10, 120.0)];
    let trials = Trials::new(sound(&pcm), Rate::Whole(8_000), RATE as u32).unwrap();
    let mut fits = trials.try_settings(1, &with_lattice(8, 8)).unwrap();
    assert_eq!(fits.paced.too_much, None);
    fits.distance = 9.0;
    let mut over = fits.clone();
    (over.index, over.distance, over.paced.too_much) = (0, 0.1, Some(1_000));
    assert_eq!(over.clone().or(fits.clone()), fits);
    assert_eq!(fits.clone().or(over.clone()), fits);
    // Where none does, the one that takes least.
    let mut more = over.clone();
    (more.distance, more.paced.too_much) = (0.0, Some(1_001));
    assert_eq!(more.or(over.clone()), over);
    // Equal ones: the first of the list, whichever comes first here.
    let mut same = fits.clone();
    same.index = 0;
    assert_eq!(fits.clone().or(same.clone()), same);
    assert_eq!(same.clone().or(fits), same);
}

#[test]
fn candidates_begin_with_the_usual_settings_and_none_comes_twice() {
    for rate in [3_000, 4_500, 6_000, 9_000, 12_000] {
        let mut fewer = 0;
        for effort in [Effort::Fast, Effort::Default, Effort::Best] {
            let all = speech_candidates(rate, effort);
            assert_eq!(all[0], speech_settings(rate));
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
    for candidates in [&[][..], &[Settings::speech(), other]] {
        assert!(matches!(
            encode_nearest(sound(&pcm), Rate::Whole(6_000), candidates),
            Err(Error::Settings { .. })
        ));
    }
}
