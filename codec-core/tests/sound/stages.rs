//! The decoder's stages alone, and beginning in the midst of a stream.

use super::{residual_model, small_model, voice, with_waveform, MONO};
use codec_core::decode::{self, Decoder};
use codec_core::encode::{Encoding, Policy, Settings};
use codec_core::transform::stft::Transform;
use codec_format::header::{Header, MaskKind, PhaseKind, Stft};
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{Convolution, ConvolutionKind, Upsample};
use codec_format::model::Model;
use codec_format::symbols::{Kept, Mask, Phases, Segment, SparseImage, MAX_INDEX};
use ndarray::{s, Array2};

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
    let mut decoder = Decoder::with_limit(&encoded.header, model, u64::MAX).unwrap();
    // Something else was played before: nothing of it may be left.
    for segment in encoded.segments.iter().take(2) {
        decoder.push(segment).unwrap();
    }
    let first = decoder.seek(from);
    let mut pcm = Vec::new();
    for segment in &encoded.segments[(first as usize).min(encoded.segments.len())..] {
        pcm.extend(decoder.push(segment).unwrap().collect().remove(0));
    }
    pcm.extend(decoder.finish().collect().remove(0));
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
    let segments = &encoded.segments[first..];
    let images = decode::dense_images(&encoded.header, Some(model), segments);
    images.unwrap().0.remove(0)
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
            let mut decoder = Decoder::with_limit(&encoded.header, Some(&model), u64::MAX).unwrap();
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
        (with_waveform(), 40.0, 50.0),
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

/// The same symbols in segments of `length` frames.
fn recut(encoded: &Encoding, length: usize) -> (Header, Vec<Segment>) {
    let header = Header {
        segment_frames: length as u16,
        ..encoded.header.clone()
    };
    let all = |part: &dyn Fn(&SparseImage) -> Vec<u8>| -> Vec<u8> {
        let images = encoded.segments.iter().map(|s| &s.channels[0]);
        images.flat_map(part).collect()
    };
    let images = || encoded.segments.iter().map(|s| &s.channels[0]);
    let mask: Mask = images().flat_map(|i| i.mask().iter().by_vals()).collect();
    let (values, thresholds) = (
        all(&|i| i.values().to_vec()),
        all(&|i| i.thresholds().to_vec()),
    );
    let lattice = all(&|i| i.lattice.clone());
    let waveform: Vec<i16> = images().flat_map(|i| i.waveform().to_vec()).collect();
    let (bins, count) = (header.stft.bins(), header.coefficients());
    let shape = header.lattice.unwrap();
    let (bands, every) = (usize::from(shape.bands), usize::from(shape.every));
    let frames = thresholds.len();
    let cut = (0..frames)
        .step_by(length)
        .enumerate()
        .map(|(index, from)| {
            let to = (from + length).min(frames);
            let before = mask[..from * bins].count_ones();
            let mask = mask[from * bins..to * bins].to_bitvec();
            let image = SparseImage {
                bins,
                frames: to - from,
                kept: Kept::Ridge {
                    values: values[before..before + mask.count_ones()].to_vec(),
                    mask,
                    thresholds: thresholds[from..to].to_vec(),
                    waveform: waveform[from * count..to * count].to_vec(),
                },
                lattice: lattice[from / every * bands..to.div_ceil(every) * bands].to_vec(),
                phases: Phases::default(),
            };
            Segment {
                index: index as u32,
                channels: vec![image],
            }
        });
    let segments = cut.collect();
    (header, segments)
}

#[test]
fn where_segments_end_is_not_heard() {
    let encoded = encoded(&with_waveform());
    let model = small_model(encoded.header.stft, 4);
    let whole = decode::clip(&encoded.header, Some(&model), &encoded.segments).unwrap();
    for length in [2, 14, 32, 256] {
        let (header, segments) = recut(&encoded, length);
        let pcm = decode::clip(&header, Some(&model), &segments).unwrap();
        assert!(pcm == whole, "segments of {length} frames");
    }
}

#[test]
fn symbols_that_no_encoder_writes_give_finite_samples() {
    let encoded = encoded(&with_waveform());
    let model = small_model(encoded.header.stft, 4);
    for (origin, step) in [(i16::MAX, i8::MAX), (i16::MIN, i8::MIN), (-400, i8::MAX)] {
        let mut header = encoded.header.clone();
        (header.quantiser.origin, header.quantiser.step) = (origin, 255);
        header.mask = MaskKind::Ridge {
            threshold_step: 255,
        };
        header.waveform.as_mut().unwrap().step = step;
        header.lattice.as_mut().unwrap().step = 255;
        let mut segment = encoded.segments[0].clone();
        let image = &mut segment.channels[0];
        let Kept::Ridge {
            values,
            thresholds,
            waveform,
            ..
        } = &mut image.kept
        else {
            panic!("a ridge mask");
        };
        for (at, value) in values.iter_mut().enumerate() {
            *value = (at % 3 * 127) as u8;
        }
        thresholds.iter_mut().step_by(2).for_each(|t| *t = 255);
        waveform.iter_mut().step_by(3).for_each(|q| *q = MAX_INDEX);
        image.lattice.iter_mut().step_by(2).for_each(|q| *q = 255);
        for model in [None, Some(&model)] {
            let pcm = decode::clip(&header, model, std::slice::from_ref(&segment)).unwrap();
            assert!(pcm[0].len() > 10_000 && pcm[0].iter().all(|x| x.is_finite()));
        }
    }
}
