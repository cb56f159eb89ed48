//! The numbers of the specification's worked example (Spec §12), from its stream's bytes to samples.

use codec_core::decode::planes::of_clip;
use codec_core::decode::{completion, Decoder};
use codec_format::symbols::SparseImage;
use codec_format::{Event, Limits, StreamReader};

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
    let images: Vec<SparseImage> = images.into_iter().cloned().collect();
    let dense = network
        .run(&of_clip(&header, &images).unwrap())
        .mapv(|x| 16.0 * x);
    assert_eq!(
        numbers("dense levels"),
        dense.row(FRAME).as_slice().unwrap()[..12]
    );

    let mut decoder = Decoder::with_limit(&header, None, u64::MAX).unwrap();
    let mut pcm = Vec::new();
    for segment in &segments {
        pcm.extend(decoder.push(segment).unwrap().collect().remove(0));
    }
    pcm.extend(decoder.finish().collect().remove(0));
    let shown = numbers("samples 96 to");
    assert_eq!((pcm.len(), shown.len()), (200, 12));
    assert_eq!(pcm[96..108], shown);
}
