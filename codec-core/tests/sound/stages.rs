//! The decoder's stages alone, and beginning in the midst of a stream.

use super::{residual_model, small_model, voice, with_waveform, MONO};
use codec_core::decode::completion::{network, synthesis, Completion, Imaging};
use codec_core::decode::overlap::OverlapAdd;
use codec_core::decode::phases::Blocks;
use codec_core::decode::planes::PlaneBuilder;
use codec_core::decode::{self, Decoder};
use codec_core::encode::{Encoding, Policy, Settings};
use codec_core::planes::Planes;
use codec_core::quantise::levels;
use codec_core::transform::stft::{level, Transform};
use codec_format::header::{PhaseKind, Stft};
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{Convolution, ConvolutionKind, Upsample};
use codec_format::model::Model;
use ndarray::{s, Array2};
use proptest::prelude::*;

const TOTAL: usize = 300_000;

fn encoded(settings: &Settings) -> Encoding {
    super::encode(&[voice(TOTAL)], MONO, TOTAL as u64, settings, None).unwrap()
}

/// Settings that store everything: where nothing is rebuilt, nothing depends on the past.
fn every_phase() -> Settings {
    Settings {
        policy: Policy::Energy { sparsity: 0.5 },
        phase: PhaseKind::All { bits: 8 },
        ..Settings::thesis(0.5)
    }
}

/// The rest of the stream from sample `from` on, and the first segment it took.
fn decode_from(encoded: &Encoding, model: Option<&Model>, from: u64) -> (Vec<f32>, u32) {
    let mut decoder = Decoder::new(&encoded.header, model).unwrap();
    // Something else was played before: nothing of it may be left.
    for segment in encoded.segments.iter().take(2) {
        decoder.push(segment).unwrap();
    }
    let first = decoder.seek(from);
    let mut pcm = Vec::new();
    for segment in &encoded.segments[(first as usize).min(encoded.segments.len())..] {
        pcm.extend(decoder.push(segment).unwrap().remove(0));
    }
    pcm.extend(decoder.finish().remove(0));
    (pcm, first)
}

#[test]
fn a_decoder_near_the_beginning_gives_the_straight_decode_to_the_bit() {
    let encoded = encoded(&with_waveform());
    let model = small_model(encoded.header.stft, 4);
    let whole = decode::clip(&encoded.header, Some(&model), &encoded.segments).unwrap();
    for from in [0, 1, 5_000, 16_000] {
        let (pcm, first) = decode_from(&encoded, Some(&model), from);
        assert_eq!(first, 0);
        assert!(pcm == whole[0][from as usize..], "from {from}");
    }
}

#[test]
fn where_every_phase_is_stored_a_decoder_may_begin_anywhere_to_the_bit() {
    let encoded = encoded(&every_phase());
    let model = small_model(encoded.header.stft, 1);
    for model in [None, Some(&model)] {
        let whole = decode::clip(&encoded.header, model, &encoded.segments).unwrap();
        for from in [40_000, 100_001, 250_000, TOTAL as u64 - 1] {
            let (pcm, first) = decode_from(&encoded, model, from);
            assert!(first > 0, "{from} took the whole stream");
            assert!(pcm == whole[0][from as usize..], "from {from}");
        }
    }
}

#[test]
fn beginning_at_or_beyond_the_end_gives_nothing() {
    let encoded = encoded(&Settings::speech());
    for from in [TOTAL as u64, TOTAL as u64 + 1, 1 << 39, u64::MAX] {
        assert!(decode_from(&encoded, None, from).0.is_empty(), "{from}");
    }
}

/// The dense image of one channel from segment `first` on, the levels of the waveform layer in it.
fn image_from(encoded: &Encoding, model: &Model, first: usize) -> Array2<f32> {
    let header = &encoded.header;
    let network = network(header, Some(model)).unwrap();
    let transform = synthesis(header, &network).unwrap();
    let mut imaging = Imaging::new(header, &network, &transform);
    let mut pieces: Vec<_> = encoded.segments[first..]
        .iter()
        .map(|segment| imaging.push(segment.channels[0].clone()))
        .collect();
    pieces.extend(imaging.finish());
    let bins = header.stft.bins();
    let (mut dense, mut low) = (Vec::new(), Vec::new());
    for piece in pieces {
        dense.extend(piece.dense);
        low.extend(piece.known.into_iter().flat_map(|known| known.low));
    }
    let mut image = Array2::from_shape_vec((dense.len() / bins, bins), dense).unwrap();
    let covered = header.covered_bins();
    for (at, z) in low.into_iter().enumerate() {
        let origin = levels::origin(&header.quantiser);
        image[(at / covered, at % covered)] = level(z) - origin;
    }
    image
}

/// A network that works on every fourth frame and adds what it finds to all four.
fn coarse_model(stft: Stft) -> Model {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.2
    };
    let factor = Extent { bins: 1, frames: 4 };
    let kernel = Extent { bins: 3, frames: 5 };
    let mut down = Convolution::zeros(ConvolutionKind::Plain, 1, 1, kernel);
    down.fill(&mut random);
    down.stride = factor;
    let mut graph = Graph::default();
    let coarse = graph.push(down, &[Operand::Plane(Plane::Image)]);
    graph.push(Upsample { factor }, &[coarse]);
    residual_model(stft, graph)
}

#[test]
fn from_the_sample_sought_on_the_image_is_that_of_a_straight_decode_to_the_bit() {
    // Segments of an odd number of frames, so that a coarse grid begins anew with every fourth only.
    let odd = Settings {
        segment_frames: 31,
        ..Settings::speech()
    };
    for (settings, model, up) in [
        (
            Settings::speech(),
            small_model(Settings::speech().stft, 4),
            4,
        ),
        (with_waveform(), small_model(Settings::speech().stft, 4), 4),
        (odd, coarse_model(Settings::speech().stft), 1),
    ] {
        let encoded = encoded(&settings);
        let (hop, n_fft) = (256 / up, 512);
        let whole = image_from(&encoded, &model, 0);
        for from in [60_000usize, 120_001, 200_000] {
            let mut decoder = Decoder::new(&encoded.header, Some(&model)).unwrap();
            let first = decoder.seek(from as u64) as usize;
            assert!(first > 0);
            let image = image_from(&encoded, &model, first);
            let skipped = whole.nrows() - image.nrows();
            // The first frame that reaches the sample.
            let reached = (from - n_fft / 2) / hop;
            assert!(
                whole.slice(s![reached.., ..]) == image.slice(s![reached - skipped.., ..]),
                "from {from}"
            );
        }
    }
}

/// Power of `x` over that of its difference from `y`, dB.
fn decibels(x: impl Iterator<Item = f32>, y: impl Iterator<Item = f32>) -> f64 {
    let (mut power, mut error) = (0.0, 1e-30);
    for (x, y) in x.zip(y) {
        power += f64::from(x).powi(2);
        error += f64::from(x - y).powi(2);
    }
    10.0 * (power / error).log10()
}

#[test]
fn a_sound_begun_in_the_midst_is_as_long_and_sounds_alike() {
    // Least likeness, dB: of the samples, and of the magnitudes of their spectra.
    for (settings, samples, magnitudes) in [
        (Settings::speech(), -10.0, 20.0),
        (with_waveform(), 60.0, 60.0),
    ] {
        let encoded = encoded(&settings);
        let model = small_model(encoded.header.stft, 4);
        let whole = decode::clip(&encoded.header, Some(&model), &encoded.segments).unwrap();
        let transform = Transform::new(&encoded.header.stft, 256).unwrap();
        for from in [60_000usize, 120_001, 200_000] {
            let (pcm, first) = decode_from(&encoded, Some(&model), from as u64);
            let straight = &whole[0][from..];
            assert!(first > 0);
            assert_eq!(pcm.len(), straight.len());
            let alike = decibels(straight.iter().copied(), pcm.iter().copied());
            let spectra = |pcm| transform.spectra(pcm, 0, 0, straight.len() / 256);
            let sizes = |pcm| spectra(pcm).mapv(|z| libm::hypotf(z.re, z.im));
            let loud = decibels(sizes(straight).into_iter(), sizes(&pcm).into_iter());
            assert!(
                alike > samples && loud > magnitudes,
                "from {from}: {alike:.1} dB, {loud:.1} dB"
            );
        }
    }
}

/// Cuts of a run of frames into pieces of these lengths, again and again.
fn cut(frames: usize, lengths: &[usize]) -> Vec<std::ops::Range<usize>> {
    let (mut pieces, mut at) = (Vec::new(), 0);
    for &length in lengths.iter().cycle() {
        if at == frames {
            break;
        }
        pieces.push(at..(at + length).min(frames));
        at = (at + length).min(frames);
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each stage may be given its input in other pieces than the decoder gives it.
    #[test]
    fn stages_fed_in_any_pieces_give_the_sound_of_the_whole(
        coded in prop::collection::vec(1usize..40, 1..8),
        fine in prop::collection::vec(1usize..150, 1..8),
    ) {
        let pcm = voice(50_000);
        let encoded = super::encode(&[pcm], MONO, 50_000, &with_waveform(), None).unwrap();
        let header = &encoded.header;
        let model = small_model(header.stft, 4);
        let whole = decode::clip(header, Some(&model), &encoded.segments).unwrap().remove(0);

        let network = network(header, Some(&model)).unwrap();
        let transform = synthesis(header, &network).unwrap();
        let origin = levels::origin(&header.quantiser);
        let mut builder = PlaneBuilder::new(header, &transform);
        let mut blocks = Blocks::new(&transform, origin, header.covered_bins());
        let images = encoded.segments.iter().map(|s| s.channels[0].clone());
        let mut laid: Vec<_> = images.filter_map(|image| builder.push(image)).collect();
        laid.extend(builder.finish());
        let mut planes = Planes::zeros(0, header.stft.bins());
        for laid in laid {
            planes.append(&laid.planes);
            blocks.announce(laid.known);
        }

        let mut completion = Completion::new(&network);
        let mut dense = Vec::new();
        for range in cut(planes.frames(), &coded) {
            dense.extend(completion.push(&planes.frames_of(range)));
        }
        dense.extend(completion.finish());
        let bins = header.stft.bins();
        let dense = Array2::from_shape_vec((dense.len() / bins, bins), dense).unwrap();

        let mut overlap = OverlapAdd::new(&transform);
        let mut sound = Vec::new();
        for range in cut(dense.nrows(), &fine) {
            blocks.extend(dense.slice(s![range, ..]));
            while let Some(spectra) = blocks.next(false) {
                overlap.push(&spectra, &mut sound);
            }
        }
        while let Some(spectra) = blocks.next(true) {
            overlap.push(&spectra, &mut sound);
        }
        overlap.finish(&mut sound);
        // The first samples lie before the stream.
        prop_assert!(sound[256..][..whole.len()] == whole);
    }
}
