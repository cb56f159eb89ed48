//! From the bytes of a stream to its sound.

use crate::Result;
use sparc::{Decoder, Stream};
use std::fs;

/// Gives a stream to a decoder byte by byte and says when sound comes out: samples that have come after each number of
/// segments, and the most that came at once.
pub fn run(file: &str) -> Result<()> {
    let bytes = fs::read(file)?;
    let stream = Stream::read(&bytes, &sparc::Decoding::default())?;
    let hop = usize::from(stream.header.stft.hop);
    let rate = stream.header.coded.rate as f64;
    let frames: Vec<usize> = stream
        .segments
        .iter()
        .flatten()
        .map(|segment| segment.channels[0].frames)
        .collect();
    let mut decoder = Decoder::default();
    let (mut total, mut most, mut first, mut times) = (0, 0, None, Vec::new());
    for (at, byte) in bytes.iter().enumerate() {
        decoder.push(std::slice::from_ref(byte))?;
        let came = decoder.take().len();
        if came > 0 {
            first.get_or_insert(at + 1);
            times.push(at + 1);
        }
        most = most.max(came);
        total += came;
    }
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max();
    println!(
        "{{\"first_byte\": {}, \"bytes\": {}, \"segment_s\": {:.3}, \"most_at_once\": {most}, \"chunks\": {}, \
         \"longest_silence_bytes\": {}, \"samples\": {total}}}",
        first.unwrap_or(0),
        bytes.len(),
        frames.first().map_or(0.0, |&count| (count * hop) as f64 / rate),
        times.len(),
        longest.unwrap_or(0),
    );
    Ok(())
}
