//! What a decoder takes: as much as it says beforehand, and nothing after; and how far it lags behind.

use codec_core::decode::{completion, memory_required, Decoder};
use codec_core::encode::{Clip, Encoding, Settings, Target};
use codec_format::header::{PhaseKind, Signal, Stft, WaveformShape};
use codec_format::memory::{Block, Heap, Memory};
use codec_format::model::graph::{Extent, Graph, Operand, Plane};
use codec_format::model::op::{
    Activation, Combine, Convolution, ConvolutionKind, Numbers, Shuffle,
};
use codec_format::model::{Arithmetic, Model, Normalisation, Parts};
use codec_format::segment::SegmentDecoder;
use codec_format::Limits;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count of what this thread asks of it.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.with(|asked| asked.set(asked.get() + 1));
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        System.dealloc(at, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn asked() -> u64 {
    ASKED.with(Cell::get)
}

const TOTAL: usize = 60_000;

fn encoded(settings: &Settings) -> Encoding {
    let pcm = (0..TOTAL).map(|i| {
        let t = i as f32 / 16_000.0;
        let envelope = (3.0 * t).sin().max(0.0);
        0.2 * envelope * (800.0 * t + (7.0 * t).sin()).sin() + 0.1 * (2_500.0 * t).sin()
    });
    let clip = Clip {
        channels: &[pcm.collect()],
        source: Signal {
            rate: 16_000,
            channels: 1,
        },
        total_samples: TOTAL as u64,
    };
    clip.encode(Target::Settings, settings, None).unwrap()
}

/// A network of whole numbers with every kind of operation that the built-in ones have, and sparse convolutions.
fn whole_model(stft: Stft) -> Model {
    let mut state = 1u32;
    let mut random = |most: i32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as i32 % (2 * most + 1) - most
    };
    let mut convolution = |kind, inputs: u16, outputs: u16, groups: u16, kernel| {
        let mut op = Convolution::zeros(kind, inputs, outputs, kernel);
        op.groups = groups;
        op.numbers = Numbers::Whole {
            weights: (0..op.weight_count()).map(|_| random(127) as i16).collect(),
            shifts: vec![10; usize::from(outputs)],
            bias: (0..outputs).map(|_| random(10_000)).collect(),
        };
        op
    };
    let (plain, sparse) = (ConvolutionKind::Plain, ConvolutionKind::Sparse);
    let three = Extent { bins: 3, frames: 3 };
    let mut graph = Graph::default();
    let seen = graph.push(
        convolution(sparse, 1, 8, 1, three),
        &[Operand::Plane(Plane::Values)],
    );
    let under = graph.push(
        convolution(plain, 1, 8, 1, three),
        &[Operand::Plane(Plane::Image)],
    );
    let sum = graph.push(Combine::Add, &[seen, under]);
    let wide = Extent { bins: 7, frames: 5 };
    let deep = graph.push(convolution(plain, 8, 8, 8, wide), &[sum]);
    let mixed = graph.push(convolution(plain, 8, 8, 1, Extent::ONE), &[deep]);
    let active = graph.push(Activation::WholePrelu(vec![8_192; 8]), &[mixed]);
    let all = graph.push(Combine::Add, &[sum, active]);
    let last = graph.push(convolution(plain, 8, 4, 1, three), &[all]);
    let factor = Extent { bins: 1, frames: 4 };
    graph.push(Shuffle { factor }, &[last]);
    let model = Model::new(Parts {
        rate: 16_000,
        stft,
        arithmetic: Arithmetic::Whole,
        normalisation: Normalisation::of_whole(640, 320),
        residual: true,
        completion: graph,
        analysis: None,
        metadata: Vec::new(),
    });
    model.expect("the model is valid")
}

/// Streams of all kinds: as they come, with a waveform layer, with some phases stored and with all.
fn all_settings() -> Vec<Settings> {
    let speech = Settings::speech;
    let with = |phase| Settings { phase, ..speech() };
    vec![
        speech(),
        Settings {
            waveform: Some(WaveformShape {
                coefficients: 20,
                step: -40,
            }),
            ..speech()
        },
        with(PhaseKind::Thresholded {
            bits: 6,
            threshold: 0,
        }),
        with(PhaseKind::All { bits: 4 }),
    ]
}

/// The sound of a stream, read and decoded in memory that is taken once; nothing is allocated meanwhile.
fn decode<M: Memory>(encoded: &Encoding, model: Option<&Model>, memory: &mut M) -> Vec<f32> {
    let header = &encoded.header;
    let network = completion::network(header, model).unwrap();
    let limits = &Limits::default();
    // The symbols may take what they like here.
    let mut symbols = SegmentDecoder::new(header, limits, &mut Heap::new(u64::MAX)).unwrap();
    let mut decoder: Decoder<M> = Decoder::new(header, &network, memory).unwrap();
    let mut all = Vec::with_capacity(TOTAL);
    let before = asked();
    for body in &encoded.bodies {
        let mut sound = decoder.push_view(symbols.decode(body).unwrap()).unwrap();
        while let Some(pcm) = sound.advance() {
            all.extend(pcm.channels().flatten());
        }
    }
    let mut sound = decoder.finish();
    while let Some(pcm) = sound.advance() {
        all.extend(pcm.channels().flatten());
    }
    drop(sound);
    assert_eq!(asked(), before, "something was allocated");
    assert_eq!(all.len(), TOTAL);
    all
}

#[test]
fn a_decoder_takes_what_it_says_and_nothing_after() {
    for settings in all_settings() {
        let encoded = encoded(&settings);
        let model = whole_model(settings.stft);
        for model in [None, Some(&model)] {
            let network = completion::network(&encoded.header, model).unwrap();
            let needed = memory_required(&encoded.header, &network).unwrap();
            assert!(needed < 1 << 20, "{needed} bytes");
            let heap = decode(&encoded, model, &mut Heap::new(needed));
            let mut words = vec![u64::MAX; needed as usize / 8];
            let block = decode(&encoded, model, &mut Block::new(&mut words));
            assert!(heap == block);
            let less = &mut words[1..];
            let refused = Decoder::<_>::new(&encoded.header, &network, &mut Block::new(less));
            assert!(refused.is_err());
            assert!(Decoder::with_limit(&encoded.header, model, needed - 1).is_err());
            let owned =
                codec_core::decode::clip(&encoded.header, model, &encoded.segments).unwrap();
            assert!(owned[0] == heap);
        }
    }
}

#[test]
fn a_decoder_itself_is_small() {
    let size = size_of::<Decoder<Block<'_>>>();
    assert!(size <= 12 << 10, "{size} bytes beside what it takes");
}

#[test]
fn a_decoder_of_one_channel_is_smaller_and_takes_no_more_of_them() {
    assert!(size_of::<Decoder<Block<'_>, 1>>() * 4 < size_of::<Decoder<Block<'_>>>());
    let header = encoded(&Settings::speech()).header;
    let network = completion::network(&header, None).unwrap();
    let refused = |header| {
        let memory = &mut Heap::new(u64::MAX);
        Decoder::<Heap, 1>::new(header, &network, memory).is_err()
    };
    assert!(!refused(&header));
    let mut stereo = header.clone();
    stereo.coded.channels = 2;
    stereo.source.channels = 2;
    assert!(refused(&stereo));
    assert!(Decoder::with_limit(&stereo, None, u64::MAX).is_ok());
}

#[test]
fn the_sound_lags_as_far_behind_as_is_said() {
    for settings in all_settings() {
        let settings = Settings {
            segment_frames: 2,
            ..settings
        };
        let encoded = encoded(&settings);
        let model = whole_model(settings.stft);
        for model in [None, Some(&model)] {
            let mut decoder = Decoder::with_limit(&encoded.header, model, u64::MAX).unwrap();
            let delay = decoder.delay();
            let (mut frames, mut samples, mut least) = (0, 0, usize::MAX);
            for segment in &encoded.segments {
                frames += segment.frames();
                samples += decoder.push(segment).unwrap().collect()[0].len();
                assert!(samples + delay >= frames * 256);
                if samples > 0 {
                    least = least.min(samples + delay - frames * 256);
                }
            }
            // A frame where the lattice's column ends with the segment.
            assert!(least <= 256, "{least} samples less than {delay}");
        }
    }
}
