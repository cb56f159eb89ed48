//! The library as programs use it: clips, streams in pieces, parts, damage.

use sparc::codec_core::encode::{Settings, Target};
use sparc::{
    Completion, Decoder, Decoding, Encoder, Error, Networks, Options, Pcm, Plan, Rate, Stream,
};

/// A sample clip at another rate, its channels copies in different strength.
fn voice(rate: u32, channels: usize, seconds: f32) -> Pcm {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/speech-low.wav");
    let mut reader = hound::WavReader::open(path).expect("a sample");
    assert_eq!(reader.spec().sample_rate, 16_000);
    let samples = reader.samples::<i16>();
    let mono: Vec<f32> = samples
        .map(|x| f32::from(x.expect("sound")) / 32_768.0)
        .collect();
    let pcm = Pcm::from_mono(16_000, mono)
        .resampled(rate)
        .expect("a rate");
    let samples = &pcm.channels[0][..(rate as f32 * seconds) as usize];
    let channel = |c: usize| samples.iter().map(|x| x / (1 + c) as f32).collect();
    Pcm {
        rate,
        channels: (0..channels).map(channel).collect(),
    }
}

fn fast(rate: Rate) -> Options {
    Options {
        rate,
        effort: sparc::Effort::Fast,
        ..Options::default()
    }
}

/// Every phase stored: what comes out does not depend on where a decoder begins.
fn exact() -> Plan {
    Plan {
        candidates: vec![Settings::thesis(0.8)],
        target: Target::Settings,
        network: None,
        ..fast(Rate::Default).plan(1).expect("a plan")
    }
}

fn append(all: &mut Vec<Vec<f32>>, piece: Pcm) {
    all.resize(all.len().max(piece.channels.len()), Vec::new());
    for (all, piece) in all.iter_mut().zip(piece.channels) {
        all.extend(piece);
    }
}

fn decode_in_pieces(bytes: &[u8], size: usize) -> Vec<Vec<f32>> {
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    for piece in bytes.chunks(size) {
        decoder.push(piece);
        while let Some(pcm) = decoder.pull().expect("sound bytes") {
            append(&mut all, pcm);
        }
    }
    decoder.finish();
    while let Some(pcm) = decoder.pull().expect("a whole stream") {
        append(&mut all, pcm);
    }
    all
}

#[test]
fn a_clip_comes_back_at_its_rate_with_its_channels_and_length() {
    for (rate, channels) in [(16_000, 1), (44_100, 2), (8_000, 1)] {
        let pcm = voice(rate, channels, 2.1);
        let bytes = sparc::encode(&pcm, &fast(Rate::Bitrate(5_000))).expect("encodes");
        assert!(bytes.len() as f64 * 8.0 <= 5_000.0 * pcm.seconds());
        let decoded = sparc::decode(&bytes).expect("decodes");
        assert_eq!((decoded.rate, decoded.len()), (rate, pcm.len()));
        assert_eq!(decoded.channels.len(), channels);
        // It is the same sound: nothing is louder or softer than it was by much.
        let power = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>();
        for (was, is) in pcm.channels.iter().zip(&decoded.channels) {
            let ratio = power(is) / power(was);
            assert!((0.5..2.0).contains(&ratio), "{rate} Hz: {ratio}");
        }
    }
}

#[test]
fn pieces_of_a_stream_give_what_the_whole_gives() {
    let pcm = voice(22_050, 2, 2.5);
    let bytes = sparc::encode(&pcm, &fast(Rate::Quality(4.0))).expect("encodes");
    let whole = sparc::decode(&bytes).expect("decodes").channels;
    for size in [1, 100, 1 << 20] {
        assert_eq!(decode_in_pieces(&bytes, size), whole, "pieces of {size}");
    }
}

#[test]
fn pcm_in_pieces_gives_the_same_bytes_however_it_is_cut() {
    let pcm = voice(48_000, 1, 3.0);
    let code = |size: usize| {
        let mut encoder = Encoder::new(48_000, 1, &fast(Rate::Constant(6_000))).expect("a rate");
        let mut bytes = Vec::new();
        for piece in pcm.channels[0].chunks(size) {
            bytes.extend(encoder.push(&[piece]).expect("sound"));
        }
        bytes.extend(encoder.finish().expect("an end"));
        bytes
    };
    let once = code(usize::MAX);
    assert_eq!(code(997), once);
    let decoded = sparc::decode(&once).expect("decodes");
    assert_eq!((decoded.rate, decoded.len()), (48_000, pcm.len()));
}

#[test]
fn a_part_is_that_of_the_whole_where_the_stream_says_all() {
    for rate in [16_000, 44_100] {
        let pcm = voice(rate, 1, 4.0);
        let bytes = exact().encode(&pcm).expect("encodes").bytes;
        let whole = sparc::decode(&bytes).expect("decodes").channels.remove(0);
        let total = whole.len() as u64;
        for (from, to) in [
            (0, 1_000),
            (total / 2, total / 2 + 5_000),
            (total - 100, total + 9),
            (total + 1, total + 2),
            (7, 3),
        ] {
            let part =
                sparc::decode_range(&bytes, from..to, &Decoding::default()).expect("decodes");
            assert!(part.damage.is_none());
            assert_eq!(part.pcm.rate, rate);
            let part = &part.pcm.channels[0];
            let wanted =
                &whole[from.min(total) as usize..to.clamp(from.min(total), total) as usize];
            assert_eq!(part.len(), wanted.len(), "{from}..{to} at {rate} Hz");
            let worst = part
                .iter()
                .zip(wanted)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            // The resampler's blocks begin elsewhere.
            let allowed = if rate == 16_000 { 0.0 } else { 1e-5 };
            assert!(
                worst <= allowed,
                "{from}..{to} at {rate} Hz: off by {worst}"
            );
            let mut decoder =
                Decoder::starting_at(&bytes, from, &Decoding::default()).expect("begins");
            let mut rest = Vec::new();
            while let Some(pcm) = decoder.pull().expect("decodes") {
                rest.extend_from_slice(&pcm.channels[0]);
            }
            assert_eq!(rest.len() as u64, total.saturating_sub(from));
            assert_eq!(&rest[..part.len()], part, "from {from} at {rate} Hz");
        }
    }
}

#[test]
fn a_part_of_speech_is_as_loud_as_it_is_in_the_whole() {
    let pcm = voice(16_000, 1, 4.3);
    let bytes = sparc::encode(&pcm, &fast(Rate::Bitrate(6_000))).expect("encodes");
    let whole = sparc::decode(&bytes).expect("decodes").channels.remove(0);
    let part = sparc::decode_range(&bytes, 40_000..56_000, &Decoding::default()).expect("decodes");
    let part = &part.pcm.channels[0];
    for (a, b) in part.chunks(2_000).zip(whole[40_000..56_000].chunks(2_000)) {
        let power = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>() + 1e-4;
        let ratio = power(a) / power(b);
        assert!((0.7..1.4).contains(&ratio), "{ratio}");
    }
}

#[test]
fn lost_segments_are_concealed_and_told_of() {
    let pcm = voice(16_000, 1, 4.3);
    let mut bytes = sparc::encode(&pcm, &fast(Rate::Bitrate(6_000))).expect("encodes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    let decoded = sparc::decode_with(&bytes, &Decoding::default()).expect("decodes");
    assert_eq!(decoded.pcm.len(), pcm.len());
    assert_eq!((decoded.damage.concealed, decoded.damage.places), (1, 1));
    assert!(
        decoded.damage.to_string().contains("1 of 5 segments"),
        "{}",
        decoded.damage
    );
    let stream = Stream::read(&bytes, &Decoding::default()).expect("reads");
    let lost = stream
        .segments
        .iter()
        .filter(|segment| segment.is_none())
        .count();
    assert_eq!((lost, stream.segments.len()), (1, 5));
}

#[test]
fn what_came_before_a_cut_is_not_lost() {
    let bytes =
        sparc::encode(&voice(16_000, 1, 4.3), &fast(Rate::Bitrate(6_000))).expect("encodes");
    let cut = &bytes[..bytes.len() - 20];
    assert!(matches!(sparc::decode(cut), Err(Error::Stream(_))));
    let mut decoder = Decoder::default();
    decoder.push(cut);
    let mut all = 0;
    while let Some(pcm) = decoder.pull().expect("so far, so good") {
        all += pcm.len();
    }
    decoder.finish();
    assert!(matches!(decoder.pull(), Err(Error::Stream(_))));
    assert!(all > 16_000, "{all}");
}

#[test]
fn a_stream_without_its_network_is_refused_or_interpolated() {
    let pcm = voice(16_000, 1, 1.5);
    let plain = Options {
        completion: Completion::Interpolation,
        ..fast(Rate::Bitrate(6_000))
    };
    let bytes = sparc::encode(&pcm, &plain).expect("encodes");
    assert!(Stream::read(&bytes, &Decoding::default())
        .expect("reads")
        .network
        .is_none());
    let bytes = sparc::encode(&pcm, &fast(Rate::Bitrate(6_000))).expect("encodes");
    let stream = Stream::read(&bytes, &Decoding::default()).expect("reads");
    assert_eq!(
        sparc::models::name_of(stream.network.expect("speech's").id),
        Some("speech")
    );
    let without = Decoding {
        networks: Networks::none(),
        ..Decoding::default()
    };
    let interpolated = sparc::decode_with(&bytes, &without).expect("decodes").pcm;
    assert_eq!(interpolated.len(), pcm.len());
    assert_ne!(interpolated, sparc::decode(&bytes).expect("decodes"));
}

#[test]
fn memory_is_told_and_kept_to() {
    let bytes = sparc::encode(&voice(44_100, 1, 1.0), &fast(Rate::Default)).expect("encodes");
    let needed = sparc::memory_required(&bytes[..100], &Decoding::default()).expect("a header");
    let with = |memory: u64| Decoding {
        memory,
        ..Decoding::default()
    };
    assert!(sparc::decode_with(&bytes, &with(needed)).is_ok());
    match sparc::decode_with(&bytes, &with(needed - 1)) {
        Err(Error::Limit(text)) => assert!(text.contains(&needed.to_string()), "{text}"),
        other => panic!("{other:?}"),
    }
    assert!(sparc::memory_required(&bytes[..9], &Decoding::default()).is_err());
}

#[test]
fn a_clip_longer_than_the_delay_goes_in_pieces_however_it_is_cut() {
    let pcm = voice(16_000, 1, 4.3);
    let code = |size: usize, delay: f32| {
        let options = Options {
            delay: Some(delay),
            ..fast(Rate::Bitrate(5_000))
        };
        let mut encoder = Encoder::new(16_000, 1, &options).expect("a rate");
        let mut bytes = Vec::new();
        for piece in pcm.channels[0].chunks(size) {
            bytes.extend(encoder.push(&[piece]).expect("sound"));
        }
        bytes.extend(encoder.finish().expect("an end"));
        bytes
    };
    let whole = sparc::encode(&pcm, &fast(Rate::Bitrate(5_000))).expect("encodes");
    assert!(code(1_000, 5.0) == whole);
    let pieces = code(1_000, 1.5);
    assert!(pieces != whole && pieces == code(usize::MAX, 1.5));
    assert!(pieces.len() as f64 * 8.0 <= 5_000.0 * pcm.seconds());
    assert_eq!(sparc::decode(&pieces).expect("decodes").len(), pcm.len());
}

#[test]
fn options_that_cannot_be_kept_are_named() {
    let pcm = voice(16_000, 1, 1.0);
    let refused = |options: Options| {
        sparc::encode(&pcm, &options)
            .expect_err("refused")
            .to_string()
    };
    assert!(
        refused(Options::bitrate(100)).contains("at least"),
        "{}",
        refused(Options::bitrate(100))
    );
    assert!(refused(fast(Rate::Quality(11.0))).contains("from 0 to 10"));
    let wrong = Completion::Network(sparc::models::by_name("thesis-90").expect("built in"));
    let misfit = Options {
        completion: wrong,
        ..Options::default()
    };
    assert!(matches!(sparc::encode(&pcm, &misfit), Err(Error::Model(_))));
    assert!(matches!(
        sparc::encode(&Pcm::from_mono(16_000, vec![f32::NAN]), &Options::default()),
        Err(Error::Audio(_))
    ));
    let crowd = Pcm {
        rate: 16_000,
        channels: vec![vec![0.0; 9]; 9],
    };
    assert!(matches!(
        sparc::encode(&crowd, &Options::default()),
        Err(Error::Limit(_))
    ));
    let tight = Decoding {
        samples: 1_000,
        ..Decoding::default()
    };
    let bytes = sparc::encode(&pcm, &fast(Rate::Default)).expect("encodes");
    assert!(matches!(
        sparc::decode_with(&bytes, &tight),
        Err(Error::Limit(_))
    ));
    assert_eq!(
        sparc::decode_range(&bytes, 500..1_500, &tight)
            .expect("decodes")
            .pcm
            .len(),
        1_000
    );
}
