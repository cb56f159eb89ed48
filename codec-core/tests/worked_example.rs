//! The numbers of the specification's worked example (Spec §12), from its stream's bytes to samples.

use codec_core::decode::completion::{self, Imaging};
use codec_core::decode::phases::{rebuild_by, Block, Method};
use codec_core::decode::planes::StoredPhase;
use codec_core::decode::Decoder;
use codec_core::quantise::levels;
use codec_core::transform::stft::Complex32;
use codec_format::symbols::SparseImage;
use codec_format::{Event, Limits, StreamReader};
use ndarray::{concatenate, Array2, Axis};

const STREAM: &[u8] = include_bytes!("../../spec/vectors/baseline/example.sparc");
const TEXT: &str = include_str!("../../spec/sparc.md");
/// The fine frame that is shown.
const FRAME: usize = 5;

/// The words of §12 below the line that begins so.
fn words(title: &str) -> Vec<&'static str> {
    let (_, example) = TEXT.split_once("\n## 12 ").unwrap();
    let (_, listed) = example.split_once(&format!("\n    {title}")).unwrap();
    let (_, listed) = listed.split_once('\n').unwrap();
    let (listed, _) = listed.split_once("\n\n").unwrap();
    listed.split_whitespace().collect()
}

fn numbers(title: &str) -> Vec<f32> {
    let words = words(title);
    words.iter().map(|word| word.parse().unwrap()).collect()
}

fn joined<T: Clone>(pieces: &[Array2<T>]) -> Array2<T> {
    let views: Vec<_> = pieces.iter().map(Array2::view).collect();
    concatenate(Axis(0), &views).unwrap()
}

#[test]
fn every_number_is_what_this_decoder_finds() {
    let bytes: Vec<u8> = words("the stream,")
        .iter()
        .map(|word| u8::from_str_radix(word, 16).unwrap())
        .collect();
    assert_eq!(bytes, STREAM);

    let mut reader = StreamReader::new(&Limits::default());
    reader.push(STREAM);
    reader.finish();
    let (mut header, mut segments) = (None, Vec::new());
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::Header(found) => header = Some(*found),
            Event::Segment(segment) => segments.push(segment),
            _ => {}
        }
    }
    let header = header.unwrap();
    let bins = header.stft.bins();
    let images: Vec<&SparseImage> = segments.iter().map(|s| &s.channels[0]).collect();

    let first = images[0];
    let kept = first.mask().iter_ones().zip(first.values());
    let kept: Vec<String> = kept
        .filter(|(pixel, _)| pixel / bins == 1)
        .map(|(pixel, value)| format!("{}: {value}", pixel % bins))
        .collect();
    let count = header.coefficients();
    let coefficients: Vec<String> = first.waveform()[count..2 * count]
        .iter()
        .map(i16::to_string)
        .collect();
    let found = format!(
        "{}; {}; {}",
        first.thresholds()[1],
        coefficients.join(" "),
        kept.join(", ")
    );
    assert_eq!(words("frame 1:").join(" "), found);
    let bands = usize::from(header.lattice.unwrap().bands);
    let columns: Vec<String> = first
        .lattice
        .chunks(bands)
        .map(|column| {
            column
                .iter()
                .map(u8::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(words("the lattice's").join(" "), columns.join("; "));

    let network = completion::network(&header, None).unwrap();
    let transform = completion::synthesis(&header, &network).unwrap();
    let mut imaging = Imaging::new(&header, &network, &transform);
    let mut imaged: Vec<_> = images.iter().map(|&i| imaging.push(i.clone())).collect();
    imaged.extend(imaging.finish());
    let low: Vec<_> = imaged
        .iter()
        .filter_map(|i| i.known.as_ref())
        .map(|k| k.low.clone())
        .collect();
    let dense: Vec<_> = imaged
        .into_iter()
        .map(|i| i.dense)
        .filter(|d| !d.is_empty())
        .collect();
    let (dense, low) = (joined(&dense), joined(&low));
    let shown = numbers("dense levels");
    assert_eq!(shown.len(), 12);
    assert_eq!(dense.row(FRAME).as_slice().unwrap()[..12], shown);

    // The first block has no known frames and sees all of the stream.
    let origin = levels::origin(&header.quantiser);
    let mut magnitudes = dense.mapv(|level| libm::expf((level + origin) * 0.115_129_255));
    let mut stored = Vec::new();
    for ((frame, bin), z) in low.indexed_iter() {
        let size = libm::sqrtf(z.re * z.re + z.im * z.im);
        magnitudes[(frame, bin)] = size;
        let unit = Complex32::new(z.re / size, z.im / size);
        stored.push(StoredPhase { frame, bin, unit });
    }
    let block = Block {
        magnitudes: magnitudes.view(),
        known: &[],
        stored: &stored,
        first_frame: 0,
    };
    for (steps, title) in [
        (0, "phases of"),
        (1, "of S after step 1"),
        (8, "of S after step 8"),
    ] {
        let method = Method {
            steps,
            ..Method::DECODER
        };
        let spectra = rebuild_by(&transform, &block, &method);
        let row = &spectra[FRAME * bins..];
        let angles: Vec<f32> = row[..12].iter().map(|z| libm::atan2f(z.im, z.re)).collect();
        assert_eq!(numbers(title), angles, "{title}");
    }

    let mut decoder = Decoder::new(&header, None).unwrap();
    let mut pcm = Vec::new();
    for segment in &segments {
        pcm.extend(decoder.push(segment).unwrap().remove(0));
    }
    pcm.extend(decoder.finish().remove(0));
    let shown = numbers("samples 96 to");
    assert_eq!((pcm.len(), shown.len()), (200, 12));
    assert_eq!(pcm[96..108], shown);
}
