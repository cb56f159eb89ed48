//! Encoding to a rate: how near to it whole files come, and that none exceeds it.

use codec_core::encode::segment::Coded;
use codec_core::encode::{Analysis, Clip, Encoder, Encoding, Settings, Target};
use codec_core::Error;
use codec_format::header::{Header, PhaseKind, Signal};
use codec_format::symbols::Segment;
use codec_format::{Limits, StreamWriter};

const RATE: usize = 16_000;
const MONO: Signal = Signal {
    rate: RATE as u32,
    channels: 1,
};
/// Samples of a whole segment of the speech profile.
const SEGMENT: usize = 64 * 256;

fn noise(seed: &mut u32) -> f32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*seed >> 8) as f32 / 8_388_608.0 - 1.0
}

/// Harmonics of a gliding pitch in syllables, over a little noise; from integer arithmetic and libm alone.
fn voice(len: usize) -> Vec<f32> {
    let (mut phase, mut seed) = (0.0f64, 7);
    (0..len)
        .map(|i| {
            let t = i as f64 / RATE as f64;
            phase += 120.0 * (1.0 + 0.3 * libm::sin(3.0 * t)) / RATE as f64;
            let envelope = libm::sin(5.0 * t).max(0.02);
            let tone: f64 = (1..30)
                .map(|h| libm::sin(core::f64::consts::TAU * phase * f64::from(h)) / f64::from(h))
                .sum();
            (0.2 * envelope * tone) as f32 + 0.002 * noise(&mut seed)
        })
        .collect()
}

/// A tone that sweeps from 100 Hz to 7 kHz and back, over a little noise.
fn sweep(len: usize) -> Vec<f32> {
    let (mut phase, mut seed) = (0.0f64, 3);
    (0..len)
        .map(|i| {
            let t = i as f64 / RATE as f64;
            phase += (3_550.0 - 3_450.0 * libm::cos(2.0 * t)) / RATE as f64;
            let tone = libm::sin(core::f64::consts::TAU * phase) as f32;
            0.3 * tone + 0.01 * noise(&mut seed)
        })
        .collect()
}

fn white(len: usize) -> Vec<f32> {
    let mut seed = 1;
    (0..len).map(|_| 0.1 * noise(&mut seed)).collect()
}

fn to(target: Target, channels: &[Vec<f32>], settings: &Settings) -> Encoding {
    let clip = Clip {
        channels,
        source: Signal {
            rate: RATE as u32,
            channels: channels.len() as u8,
        },
        total_samples: channels[0].len() as u64,
    };
    clip.encode(target, settings, None).unwrap()
}

fn encoded(channels: &[Vec<f32>], bits_per_second: u32) -> Encoding {
    let settings = Settings::speech_at(bits_per_second / channels.len() as u32);
    to(Target::Bitrate(bits_per_second), channels, &settings)
}

/// Bytes of the file as a writer makes it of the symbols.
fn file_bytes(encoding: &Encoding) -> u64 {
    let mut out = Vec::new();
    let mut writer = StreamWriter::new(&encoding.header, &Limits::default(), &mut out).unwrap();
    for segment in &encoding.segments {
        writer.segment(segment, &mut out).unwrap();
    }
    let total = encoding.header.total_samples.unwrap();
    writer.finish(total, &mut out).unwrap();
    assert!(
        out == encoding.file(None).unwrap(),
        "the search's bytes are those of its symbols"
    );
    out.len() as u64
}

/// The file's rate as a share of the target.
fn share(fitted: &Encoding, samples: usize, bits_per_second: u32) -> f64 {
    let seconds = samples as f64 / RATE as f64;
    fitted.bytes() as f64 * 8.0 / seconds / f64::from(bits_per_second)
}

#[test]
fn files_of_three_seconds_come_within_three_percent_and_never_exceed_the_rate() {
    let len = 3 * RATE + 77;
    // In noise every frame's threshold takes its step at nearly the same margin: only a splice comes near.
    for (name, pcm) in [
        ("voice", voice(len)),
        ("sweep", sweep(len)),
        ("white noise", white(len)),
    ] {
        for rate in [3_000, 4_500, 6_000, 9_000, 12_000, 16_000] {
            let fitted = encoded(std::slice::from_ref(&pcm), rate);
            assert!(fitted.met, "{name} at {rate}");
            assert_eq!(fitted.bytes(), file_bytes(&fitted));
            let share = share(&fitted, len, rate);
            assert!((0.97..=1.0).contains(&share), "{name} at {rate}: {share}");
        }
    }
}

#[test]
fn two_channels_share_a_rate() {
    let len = 4 * RATE;
    let fitted = encoded(&[voice(len), sweep(len)], 12_000);
    let share = share(&fitted, len, 12_000);
    assert!(fitted.met && (0.97..=1.0).contains(&share), "{share}");
}

#[test]
fn a_sparsity_is_reached_as_nearly_as_thresholds_allow() {
    let pcm = [voice(3 * RATE)];
    for sparsity in [0.5f32, 0.9, 0.97, 1.0] {
        let encoding = to(Target::Sparsity(sparsity), &pcm, &Settings::speech());
        let masks = || encoding.segments.iter().map(|s| s.channels[0].mask());
        let kept: usize = masks().map(|mask| mask.count_ones()).sum();
        let pixels: usize = masks().map(|mask| mask.len()).sum();
        let share = kept as f32 / pixels as f32;
        assert!(share <= 1.0 - sparsity, "{sparsity}: {share} kept");
        assert!(share >= 0.98 * (1.0 - sparsity), "{sparsity}: {share} kept");
        assert_eq!(encoding.bytes(), file_bytes(&encoding));
    }
    let clip = Clip {
        channels: &pcm,
        source: MONO,
        total_samples: 3 * RATE as u64,
    };
    for (target, settings) in [
        (Target::Sparsity(1.5), Settings::speech()),
        (Target::Sparsity(0.9), Settings::thesis(0.9)),
        (Target::Bitrate(6_000), Settings::thesis(0.9)),
        (Target::Constant(60_000), Settings::thesis(0.9)),
    ] {
        let refused = clip.encode(target, &settings, None);
        assert!(matches!(refused, Err(Error::Settings { .. })), "{target:?}");
    }
}

#[test]
fn an_analysis_serves_only_the_settings_of_its_grid() {
    let pcm = [voice(RATE)];
    let clip = Clip {
        channels: &pcm,
        source: MONO,
        total_samples: RATE as u64,
    };
    let analysis = Analysis::of(&clip, &Settings::speech_at(6_000)).unwrap();
    let encoded = |settings: &Settings| analysis.encode(Target::Settings, settings, None);
    assert!(encoded(&Settings::speech_at(3_000)).is_ok());
    let mut elsewhere = Settings::speech();
    elsewhere.rate = 8_000;
    for other in [
        Settings::speech_at(12_000),
        Settings::thesis(0.9),
        elsewhere,
    ] {
        assert!(matches!(encoded(&other), Err(Error::Settings { .. })));
    }
    let two = Clip {
        source: Signal {
            channels: 2,
            ..MONO
        },
        ..clip
    };
    assert!(Analysis::of(&two, &Settings::speech()).is_err());
}

#[test]
fn what_has_nothing_more_to_say_stays_below_the_rate() {
    for (name, pcm) in [
        ("silence", vec![0.0; 3 * RATE]),
        ("a constant", vec![0.25; 3 * RATE]),
    ] {
        for rate in [1_500, 6_000, 60_000] {
            let fitted = encoded(std::slice::from_ref(&pcm), rate);
            assert!(fitted.met, "{name} at {rate}: {} bytes", fitted.bytes());
            assert!(share(&fitted, 3 * RATE, rate) <= 1.0);
        }
    }
}

#[test]
fn a_clip_that_cannot_fit_says_so_with_the_least_it_takes() {
    let fitted = encoded(&[voice(400)], 3_000);
    assert!(!fitted.met);
    assert_eq!(fitted.bytes(), file_bytes(&fitted));
    // Empty masks over the thinnest lattice.
    assert!(fitted.segments[0].channels[0].mask().not_any());
    assert_eq!(fitted.header.lattice.unwrap().bands, 8);
}

fn constant(pcm: &[f32], bits_per_second: u32) -> Encoding {
    let settings = Settings::speech_at(bits_per_second);
    to(
        Target::Constant(bits_per_second),
        &[pcm.to_vec()],
        &settings,
    )
}

fn symbols(encoding: &Encoding) -> (&Header, &[Segment]) {
    (&encoding.header, &encoding.segments)
}

/// Bytes of what is written first and of every segment's chunk.
fn chunks(header: &Header, segments: &[Segment]) -> (usize, Vec<usize>) {
    let mut out = Vec::new();
    let mut writer = StreamWriter::new(header, &Limits::default(), &mut out).unwrap();
    let head = out.len();
    let chunk = |segment: &Segment| {
        out.clear();
        writer.segment(segment, &mut out).unwrap();
        out.len()
    };
    (head, segments.iter().map(chunk).collect())
}

/// Asserts that every chunk keeps to its share, the first with the header; returns the share used by all but the last.
fn assert_constant(
    name: &str,
    (header, segments): (&Header, &[Segment]),
    samples: usize,
    bits_per_second: u32,
) -> f64 {
    let (head, sizes) = chunks(header, segments);
    let budget = bits_per_second as usize * SEGMENT / (8 * RATE);
    let last = sizes.len() - 1;
    for (index, &size) in sizes.iter().enumerate() {
        let size = if index == 0 { size + head } else { size };
        assert!(
            size <= budget,
            "{name} at {bits_per_second}, segment {index}: {size} bytes of {budget}"
        );
    }
    // What there is of the last one takes its own share, unless its empty mask is too much already.
    let own = bits_per_second as usize * (samples - last * SEGMENT) / (8 * RATE);
    let empty = segments[last].channels[0].mask().not_any();
    assert!(
        sizes[last] <= own || empty,
        "{name} at {bits_per_second}: {} bytes of {own}",
        sizes[last]
    );
    (head + sizes[..last].iter().sum::<usize>()) as f64 / (last * budget) as f64
}

#[test]
fn at_a_constant_rate_every_chunk_keeps_to_its_share_and_uses_most_of_it() {
    let len = 5 * SEGMENT + 6_000;
    // Half silence, half voice: what the first leaves over is not for the second.
    let mut late = vec![0.0; 3 * SEGMENT];
    late.extend(voice(len - late.len()));
    for (name, pcm, least) in [
        ("voice", voice(len), 0.95),
        ("sweep", sweep(len), 0.95),
        ("white noise", white(len), 0.95),
        ("voice after silence", late, 0.0),
        ("silence", vec![0.0; len], 0.0),
    ] {
        for rate in [3_000, 6_000, 12_000] {
            let constant = constant(&pcm, rate);
            let used = assert_constant(name, symbols(&constant), len, rate);
            assert!(used >= least, "{name} at {rate}: {used} of the budget used");
            assert_eq!(constant.starved, 0, "{name} at {rate}");
        }
    }
}

#[test]
fn the_shortest_last_segment_keeps_its_background() {
    // One frame that stands for no sample, after a segment that is full.
    let constant = constant(&voice(SEGMENT), 3_000);
    assert_constant("voice", symbols(&constant), SEGMENT, 3_000);
    let last = &constant.segments[1].channels[0];
    assert_eq!((last.frames, constant.starved), (1, 0));
    assert!(last.lattice.iter().any(|&level| level > 0));
}

#[test]
fn a_constant_rate_does_not_depend_on_how_the_pcm_is_cut() {
    let mut pcm = voice(2 * SEGMENT);
    pcm.extend(white(SEGMENT + 999));
    let stream = |size: usize| {
        let mut encoder = Encoder::with_rate(MONO, Settings::speech(), None, 4_000).unwrap();
        let header = encoder.header().clone();
        let mut coded: Vec<Coded> = Vec::new();
        for piece in pcm.chunks(size) {
            coded.extend(encoder.push(&[piece]).unwrap());
        }
        assert_eq!(encoder.starved(), 0);
        coded.extend(encoder.finish().unwrap());
        (header, coded)
    };
    let whole = stream(pcm.len());
    let symbols: Vec<Segment> = whole.1.iter().map(|c| c.segment.clone()).collect();
    let used = assert_constant("stream", (&whole.0, &symbols), pcm.len(), 4_000);
    assert!(used >= 0.95, "{used}");
    for size in [1, 77, 4_096] {
        assert!(stream(size) == whole, "pieces of {size}");
    }
}

#[test]
fn a_rate_below_the_background_holds_it_and_counts_that() {
    let pcm = white(3 * SEGMENT);
    let rate = 800;
    let constant = constant(&pcm, rate);
    assert_constant("white noise", symbols(&constant), pcm.len(), rate);
    assert_eq!(constant.starved, 3);
    for segment in &constant.segments[..3] {
        let image = &segment.channels[0];
        assert!(image.mask().not_any() && image.lattice.iter().all(|&level| level > 0));
    }
}

#[test]
fn constant_rates_that_cannot_be_kept_are_refused() {
    let every_phase = Settings {
        phase: PhaseKind::All { bits: 3 },
        ..Settings::speech()
    };
    for (settings, rate, text) in [
        (Settings::speech(), 300, "even for a segment of silence"),
        (Settings::thesis(0.9), 60_000, "needs the ridge policy"),
        (every_phase, 600_000, "cannot hold every phase"),
    ] {
        match Encoder::with_rate(MONO, settings, None, rate) {
            Err(Error::Settings { what }) => assert!(what.contains(text), "{what}"),
            other => panic!("{other:?}"),
        }
    }
}
