//! PCM in, bytes out, in pieces of any size.

use crate::encoding::{encoding, sparc_encoding};
use crate::fault::{answer, answer_in, sparc_error, Fault, Outcome, Text};
use crate::given::{free, give, handle, out, room, slice};
use crate::pcm::{planar, samples, Sample};
use codec::{Encoder, Options};
use core::ffi::c_char;
use core::mem::MaybeUninit;

/// An encoder of PCM that arrives in pieces.
#[derive(Debug)]
pub struct sparc_encoder {
    rate: u32,
    channels: usize,
    options: Options,
    inner: Encoder,
    /// Bytes that were made, and how many of them were given out.
    ready: Vec<u8>,
    given: usize,
    finished: bool,
    /// Why nothing more can be encoded.
    failed: Option<Fault>,
    text: Text,
}

impl sparc_encoder {
    fn new(rate: u32, channels: u32, options: Options) -> Outcome<Self> {
        let channels = channels as usize;
        Ok(sparc_encoder {
            inner: Encoder::new(rate, channels, &options)?,
            rate,
            channels,
            options,
            ready: Vec::new(),
            given: 0,
            finished: false,
            failed: None,
            text: Text::EMPTY,
        })
    }

    fn check(&self) -> Outcome {
        match self.failed {
            Some(fault) => Err(fault),
            None if self.finished => Err(Fault::state("the stream has ended")),
            None => Ok(()),
        }
    }

    fn push<T: Sample>(&mut self, pcm: &[T]) -> Outcome {
        self.check()?;
        let pcm = planar(self.rate, self.channels, pcm);
        let channels: Vec<&[f32]> = pcm.channels.iter().map(Vec::as_slice).collect();
        let coded = self.inner.push(&channels);
        // Samples that are refused are not taken, and others may follow.
        let ends = !matches!(coded, Err(codec::Error::Audio(_)));
        self.take(coded, ends)
    }

    fn finish(&mut self) -> Outcome {
        self.check()?;
        self.finished = true;
        let coded = self.inner.finish();
        self.take(coded, true)
    }

    /// Takes the bytes that were made, or an error that perhaps ends all.
    fn take(&mut self, coded: codec::Result<Vec<u8>>, ends: bool) -> Outcome {
        match coded {
            Ok(bytes) => {
                self.ready.drain(..self.given);
                self.given = 0;
                self.ready.extend_from_slice(&bytes);
                Ok(())
            }
            Err(error) => {
                let fault = Fault::from(error);
                self.failed = ends.then_some(fault);
                Err(fault)
            }
        }
    }

    fn give(&mut self, room: &mut [MaybeUninit<u8>]) -> usize {
        let ready = &self.ready[self.given..];
        let count = ready.len().min(room.len());
        for (to, &byte) in room.iter_mut().zip(ready) {
            to.write(byte);
        }
        self.given += count;
        count
    }
}

/// Makes an encoder for PCM of `rate` Hz (1000 to 192000) and 1 to 8 channels and gives a handle to it, or NULL if it fails;
/// sparc_encoder_free() frees it. options may be NULL and are not kept.
///
/// SPARC_ERROR_AUDIO for a rate or number of channels that cannot be coded, SPARC_ERROR_LIMIT for too many channels,
/// SPARC_ERROR_OPTIONS for options out of range, SPARC_ERROR_MODEL for a network that does not fit.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_new(
    rate: u32,
    channels: u32,
    options: *const sparc_encoding,
    encoder: *mut *mut sparc_encoder,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let given = unsafe { (out(encoder, "encoder"), encoding(options)) };
    answer((|| {
        let made = given.1.and_then(|o| sparc_encoder::new(rate, channels, o));
        give(given.0?, made)
    })())
}

/// Takes interleaved PCM.
///
/// # Safety
/// As [`sparc_encoder_push_i16`].
unsafe fn push<T: Sample>(
    encoder: *mut sparc_encoder,
    pcm: *const T,
    frames: usize,
) -> sparc_error {
    // SAFETY: as the caller promises.
    let encoder = match unsafe { handle(encoder) } {
        Err(fault) => return answer(Err(fault)),
        Ok(encoder) => encoder,
    };
    let outcome = samples(frames, encoder.channels).and_then(|length| {
        // SAFETY: likewise.
        let pcm = unsafe { slice(pcm, length, "pcm")? };
        encoder.push(pcm)
    });
    answer_in(&mut encoder.text, outcome)
}

/// Takes the next `frames` sample frames (one sample of every channel) of 16-bit integers, channels interleaved: a copy. How
/// sound is cut into pushes changes no byte of the stream.
///
/// SPARC_ERROR_OPTIONS for a bitrate that is too low, after which there is nothing but sparc_encoder_reset() or the end;
/// SPARC_ERROR_STATE after sparc_encoder_finish().
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_push_i16(
    encoder: *mut sparc_encoder,
    pcm: *const i16,
    frames: usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { push(encoder, pcm, frames) }
}

/// The same for floats, full scale 1. SPARC_ERROR_AUDIO for samples that are no numbers or beyond +-16: none of this push is
/// taken then, and others may follow.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_push_float(
    encoder: *mut sparc_encoder,
    pcm: *const f32,
    frames: usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { push(encoder, pcm, frames) }
}

/// Ends the stream. Its last bytes are yet to be taken; with the default delay, of a clip up to a minute long these are all, and
/// all the work is done here.
///
/// SPARC_ERROR_AUDIO if there was no sound, SPARC_ERROR_OPTIONS as sparc_encoder_push_i16(), SPARC_ERROR_STATE if it has ended
/// before.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_finish(encoder: *mut sparc_encoder) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    match unsafe { handle(encoder) } {
        Err(fault) => answer(Err(fault)),
        Ok(encoder) => {
            let outcome = encoder.finish();
            answer_in(&mut encoder.text, outcome)
        }
    }
}

/// How many bytes are ready to be taken; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_ready(encoder: *const sparc_encoder) -> usize {
    // SAFETY: as the header asks of the caller; it is only read.
    let encoder = unsafe { handle(encoder.cast_mut()) };
    encoder.map_or(0, |encoder| encoder.ready.len() - encoder.given)
}

/// Gives out encoded bytes in their order: as many as are ready, up to `capacity`, and how many they are in `length`. None
/// means that more sound is needed or, after sparc_encoder_finish(), that this was all.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_take(
    encoder: *mut sparc_encoder,
    bytes: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let given = unsafe { (out(length, "length"), room(bytes, capacity, "bytes")) };
    // SAFETY: likewise.
    match unsafe { handle(encoder) } {
        Err(fault) => answer(Err(fault)),
        Ok(encoder) => {
            let outcome = given.0.and_then(|length| {
                length.write(0);
                length.write(encoder.give(given.1?));
                Ok(())
            });
            answer_in(&mut encoder.text, outcome)
        }
    }
}

/// Segments so far that a constant rate left without all of their background; 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_starved(encoder: *const sparc_encoder) -> u32 {
    // SAFETY: as the header asks of the caller; it is only read.
    let encoder = unsafe { handle(encoder.cast_mut()) };
    encoder.map_or(0, |encoder| encoder.inner.starved())
}

/// Back to the start, for other sound with the same rate, channels and options. Bytes not taken are lost.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_reset(encoder: *mut sparc_encoder) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let encoder = unsafe { handle(encoder) };
    answer((|| {
        let encoder = encoder?;
        let channels = encoder.channels as u32;
        *encoder = sparc_encoder::new(encoder.rate, channels, encoder.options.clone())?;
        Ok(())
    })())
}

/// What went wrong in the last call on this encoder that failed: one line in UTF-8, empty if none has. It holds until the next
/// failing call on the encoder, its reset or its end. For NULL: empty.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_message(encoder: *const sparc_encoder) -> *const c_char {
    // SAFETY: as the header asks of the caller; it is only read.
    let encoder = unsafe { handle(encoder.cast_mut()) };
    encoder.map_or(c"".as_ptr(), |encoder| encoder.text.as_ptr())
}

/// Frees an encoder; NULL is none.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoder_free(encoder: *mut sparc_encoder) {
    // SAFETY: as the header asks of the caller.
    unsafe { free(encoder) }
}
