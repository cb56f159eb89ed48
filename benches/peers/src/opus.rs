//! libopus, the version bundled with `opusic-sys`, in this process.

use crate::{print, timed, Result};
use opusic_sys::*;
use std::ffi::CStr;

/// Samples of a packet: 20 ms.
const FRAME: usize = 320;

/// A clip (mono, 16 kHz, 16 bits) coded once, then decoded so many times, without and with the neural enhancers, which
/// libopus switches on by the decoder's complexity.
pub fn run(clip: &str, bitrate: i32, runs: usize) -> Result<()> {
    let mut reader = hound::WavReader::open(clip)?;
    let spec = reader.spec();
    if (spec.sample_rate, spec.channels, spec.bits_per_sample) != (16_000, 1, 16) {
        return Err("the clip is not mono at 16 kHz with 16 bits".into());
    }
    let pcm = reader
        .samples()
        .collect::<std::result::Result<Vec<i16>, _>>()?;
    let packets = encode(&pcm, bitrate)?;
    let bytes: usize = packets.iter().map(Vec::len).sum();
    let seconds = pcm.len() as f64 / 16_000.0;
    // SAFETY: the version is a static string.
    let version = unsafe { CStr::from_ptr(opus_get_version_string()) }.to_string_lossy();
    println!(
        "{{\"version\": \"{version}\", \"kbps\": {:.2}}}",
        bytes as f64 * 8e-3 / seconds
    );
    for (name, complexity) in [("plain", 0), ("LACE", 6), ("NoLACE", 7)] {
        print(name, &timed(runs, || decode(&packets, complexity))?);
    }
    Ok(())
}

fn checked(code: i32) -> Result<i32> {
    match code {
        0.. => Ok(code),
        _ => Err(format!("libopus says {code}").into()),
    }
}

fn encode(pcm: &[i16], bitrate: i32) -> Result<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    let mut code = 0;
    // SAFETY: every buffer is as long as libopus is told, and the encoder is used until it is destroyed.
    unsafe {
        let encoder = opus_encoder_create(16_000, 1, OPUS_APPLICATION_VOIP as i32, &mut code);
        checked(code)?;
        checked(opus_encoder_ctl(encoder, OPUS_SET_BITRATE_REQUEST, bitrate))?;
        checked(opus_encoder_ctl(
            encoder,
            OPUS_SET_COMPLEXITY_REQUEST,
            10i32,
        ))?;
        for frame in pcm.chunks_exact(FRAME) {
            let mut packet = vec![0; 1_500];
            let room = packet.len() as i32;
            let size = opus_encode(
                encoder,
                frame.as_ptr(),
                FRAME as i32,
                packet.as_mut_ptr(),
                room,
            );
            packet.truncate(checked(size)? as usize);
            packets.push(packet);
        }
        opus_encoder_destroy(encoder);
    }
    Ok(packets)
}

fn decode(packets: &[Vec<u8>], complexity: i32) -> Result<Vec<i16>> {
    let mut out = Vec::new();
    let mut frame = [0i16; FRAME];
    let mut code = 0;
    // SAFETY: as in `encode`.
    unsafe {
        let decoder = opus_decoder_create(16_000, 1, &mut code);
        checked(code)?;
        checked(opus_decoder_ctl(
            decoder,
            OPUS_SET_COMPLEXITY_REQUEST,
            complexity,
        ))?;
        for packet in packets {
            let size = packet.len() as i32;
            let count = opus_decode(
                decoder,
                packet.as_ptr(),
                size,
                frame.as_mut_ptr(),
                FRAME as i32,
                0,
            );
            out.extend_from_slice(&frame[..checked(count)? as usize]);
        }
        opus_decoder_destroy(decoder);
    }
    Ok(out)
}
