//! The functions that JavaScript sees. Every one that can fail returns a number of 0 or more, or a [`Failure`]'s code with
//! its text as the answer.
// A name that is not mangled counts as unsafe, since two things could have it.
#![allow(unsafe_code)]

use crate::objects::{read_wav, write_wav, Objects, Wishes};
use crate::{picture, report, Answer, Failure};
use std::cell::RefCell;

/// What calls share.
#[derive(Debug, Default)]
struct Shared {
    bytes: Vec<u8>,
    samples: Vec<f32>,
    answer: Answer,
    objects: Objects,
}

thread_local! {
    static SHARED: RefCell<Shared> = RefCell::default();
}

/// Runs a call, whose answer is kept.
fn call(run: impl FnOnce(&mut Shared) -> Result<(i32, Answer), Failure>) -> i32 {
    SHARED.with_borrow_mut(|shared| {
        let (code, answer) = run(shared).unwrap_or_else(|failure| {
            let Failure { code, text } = failure;
            (code, Answer::Bytes(text.into_bytes()))
        });
        shared.answer = answer;
        code
    })
}

/// The same for calls whose number says nothing.
fn answering(run: impl FnOnce(&mut Shared) -> Result<Answer, Failure>) -> i32 {
    call(|shared| Ok((0, run(shared)?)))
}

/// Where to write the next call's bytes, as many as this.
#[no_mangle]
pub extern "C" fn bytes_in(len: usize) -> *mut u8 {
    SHARED.with_borrow_mut(|shared| {
        shared.bytes.resize(len, 0);
        shared.bytes.as_mut_ptr()
    })
}

/// Where to write the next call's samples, as many as this.
#[no_mangle]
pub extern "C" fn samples_in(len: usize) -> *mut f32 {
    SHARED.with_borrow_mut(|shared| {
        shared.samples.resize(len, 0.0);
        shared.samples.as_mut_ptr()
    })
}

/// Where the last call's answer lies.
#[no_mangle]
pub extern "C" fn answer_at() -> *const u8 {
    SHARED.with_borrow(|shared| match &shared.answer {
        Answer::Bytes(bytes) => bytes.as_ptr(),
        Answer::Numbers(numbers) => numbers.as_ptr().cast(),
    })
}

/// How many bytes or numbers it has.
#[no_mangle]
pub extern "C" fn answer_len() -> usize {
    SHARED.with_borrow(|shared| match &shared.answer {
        Answer::Bytes(bytes) => bytes.len(),
        Answer::Numbers(numbers) => numbers.len(),
    })
}

/// Gives the memory of bytes in, samples in and answer back.
#[no_mangle]
pub extern "C" fn tidy() {
    SHARED.with_borrow_mut(|shared| {
        shared.bytes = Vec::new();
        shared.samples = Vec::new();
        shared.answer = Answer::default();
    });
}

/// Has the network whose file is in at hand, besides that of speech.
#[no_mangle]
pub extern "C" fn network_add() -> i32 {
    answering(|shared| {
        shared.objects.add_network(&shared.bytes)?;
        Ok(Answer::default())
    })
}

/// A decoder of a stream that arrives: its number. With `resample` 0 its sound has the coded rate.
#[no_mangle]
pub extern "C" fn decoder_new(resample: u32) -> i32 {
    call(|shared| Ok((shared.objects.new_decoder(resample != 0), Answer::default())))
}

/// A decoder of the stream that is in, from a sample (per channel) on: its number.
#[no_mangle]
pub extern "C" fn decoder_at(sample: f64) -> i32 {
    call(|shared| {
        let number = shared
            .objects
            .new_decoder_at(&shared.bytes, sample.max(0.0) as u64)?;
        Ok((number, Answer::default()))
    })
}

/// Takes the bytes that are in.
#[no_mangle]
pub extern "C" fn decoder_push(decoder: i32) -> i32 {
    call(|shared| {
        let code = shared.objects.push_bytes(decoder, &shared.bytes)?;
        Ok((code, Answer::default()))
    })
}

/// Says that there are no more bytes.
#[no_mangle]
pub extern "C" fn decoder_finish(decoder: i32) -> i32 {
    call(|shared| Ok((shared.objects.finish_bytes(decoder)?, Answer::default())))
}

/// The samples per channel that are the answer, planar; 0 while more bytes are needed, and at the end.
#[no_mangle]
pub extern "C" fn decoder_pull(decoder: i32) -> i32 {
    call(|shared| shared.objects.pull(decoder))
}

/// Rate, channels, segments so far and how many of them were concealed, as four numbers.
#[no_mangle]
pub extern "C" fn decoder_describe(decoder: i32) -> i32 {
    answering(|shared| shared.objects.describe(decoder))
}

/// An encoder: its number. `bitrate` 0 for the usual, `effort` 0 to 2, `delay` below 0 for the usual.
#[no_mangle]
pub extern "C" fn encoder_new(
    rate: u32,
    channels: u32,
    bitrate: u32,
    effort: u32,
    delay: f32,
    seek_index: u32,
) -> i32 {
    call(|shared| {
        let wishes = Wishes {
            rate,
            channels,
            bitrate,
            effort,
            delay,
            seek_index: seek_index != 0,
        };
        Ok((shared.objects.new_encoder(&wishes)?, Answer::default()))
    })
}

/// Takes the samples that are in, planar; the bytes they complete are the answer.
#[no_mangle]
pub extern "C" fn encoder_push(encoder: i32) -> i32 {
    answering(|shared| shared.objects.push_samples(encoder, &shared.samples))
}

/// Ends a stream; the rest of it is the answer.
#[no_mangle]
pub extern "C" fn encoder_finish(encoder: i32) -> i32 {
    answering(|shared| shared.objects.finish_samples(encoder))
}

/// Closes a decoder or encoder.
#[no_mangle]
pub extern "C" fn close(number: i32) {
    SHARED.with_borrow_mut(|shared| shared.objects.close(number));
}

/// What the stream that is in is made of, as JSON.
#[no_mangle]
pub extern "C" fn inspect() -> i32 {
    answering(|shared| report::of_stream(&shared.bytes, &shared.objects.decoding(true)))
}

/// The images of a channel of the stream that is in: frames, bins, hop, rate, completed levels, kept levels.
#[no_mangle]
pub extern "C" fn picture_of_stream(channel: u32) -> i32 {
    answering(|shared| {
        let decoding = shared.objects.decoding(true);
        picture::of_stream(&shared.bytes, channel as usize, &decoding)
    })
}

/// The image of the samples that are in: frames, bins, hop, rate, levels.
#[no_mangle]
pub extern "C" fn picture_of_sound(rate: u32) -> i32 {
    answering(|shared| picture::of_sound(rate, &shared.samples))
}

/// Rate, channels and planar samples of the WAV file that is in.
#[no_mangle]
pub extern "C" fn wav_read() -> i32 {
    answering(|shared| read_wav(&shared.bytes))
}

/// The samples that are in, planar, as a WAV file.
#[no_mangle]
pub extern "C" fn wav_write(rate: u32, channels: u32) -> i32 {
    answering(|shared| write_wav(rate, channels, &shared.samples))
}
