//! Bytes in, PCM out, in pieces of any size.

use crate::decoding::{decoding, sparc_damage, sparc_decoding, sparc_info};
use crate::fault::{answer, answer_in, sparc_error, Fault, Outcome, Text};
use crate::given::{free, give, handle, out, room, slice};
use crate::pcm::{check_channels, interleave, samples, Sample};
use codec::{Decoder, Decoding, Pcm};
use core::ffi::c_char;
use core::mem::MaybeUninit;

/// A decoder of a stream that arrives in pieces.
#[derive(Debug)]
pub struct sparc_decoder {
    decoding: Decoding,
    inner: Decoder,
    /// What was decoded last, and how many samples per channel of it were given out.
    pcm: Pcm,
    given: usize,
    finished: bool,
    /// Why the stream cannot be decoded any further.
    failed: Option<Fault>,
    text: Text,
}

impl sparc_decoder {
    fn new(decoding: Decoding) -> Self {
        sparc_decoder {
            inner: Decoder::new(&decoding),
            decoding,
            pcm: Pcm::default(),
            given: 0,
            finished: false,
            failed: None,
            text: Text::EMPTY,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Outcome {
        if self.finished {
            return Err(Fault::state("bytes after the end of the stream"));
        }
        self.inner.push(bytes);
        Ok(())
    }

    /// Decodes some more, where all has been given out.
    fn fill(&mut self) -> Outcome {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        if self.given == self.pcm.len() {
            self.given = 0;
            self.pcm = match self.inner.pull() {
                Ok(pcm) => pcm.unwrap_or_default(),
                Err(error) => {
                    let fault = Fault::from(error);
                    (self.pcm, self.failed) = (Pcm::default(), Some(fault));
                    return Err(fault);
                }
            };
        }
        Ok(())
    }

    fn info(&mut self) -> Outcome<sparc_info> {
        // The header is read where sound is asked for. What is wrong behind it is another call's to say.
        let read = match self.inner.header() {
            Some(_) => Ok(()),
            None => self.fill(),
        };
        match self.inner.header() {
            Some(header) => Ok(sparc_info::of(header, !self.decoding.resample)),
            None => read.map(|()| sparc_info::NONE),
        }
    }

    fn pull<T: Sample>(&mut self, room: &mut [MaybeUninit<T>], channels: u32) -> Outcome<usize> {
        let stream = self.info()?.channels as usize;
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        if stream == 0 {
            return Ok(0);
        }
        check_channels(stream, channels)?;
        let mut frames = 0;
        while frames * stream < room.len() {
            match self.fill() {
                // What was decoded before comes first; asked again, the decoder says what is wrong.
                Err(_) if frames > 0 => break,
                filled => filled?,
            }
            let given = interleave(&self.pcm.channels, self.given, &mut room[frames * stream..]);
            if given == 0 {
                break;
            }
            self.given += given;
            frames += given;
        }
        Ok(frames)
    }
}

/// Makes a decoder and gives a handle to it, or NULL if it fails; sparc_decoder_free() frees it. options may be NULL and are
/// not kept.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_new(
    options: *const sparc_decoding,
    decoder: *mut *mut sparc_decoder,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let given = unsafe { (out(decoder, "decoder"), decoding(options)) };
    answer((|| give(given.0?, given.1.map(sparc_decoder::new)))())
}

/// Takes the next bytes of the stream: a copy, so that the caller's may go. What is pushed is held until it is pulled.
///
/// SPARC_ERROR_STATE after sparc_decoder_finish().
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_push(
    decoder: *mut sparc_decoder,
    bytes: *const u8,
    length: usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let (decoder, bytes) = unsafe { (handle(decoder), slice(bytes, length, "bytes")) };
    match decoder {
        Err(fault) => answer(Err(fault)),
        Ok(decoder) => {
            let outcome = bytes.and_then(|bytes| decoder.push(bytes));
            answer_in(&mut decoder.text, outcome)
        }
    }
}

/// Says that the stream has no more bytes. What has been pushed is yet to be pulled. Said again, it changes nothing.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_finish(decoder: *mut sparc_decoder) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let decoder = unsafe { handle(decoder) };
    answer(decoder.map(|decoder| {
        decoder.inner.finish();
        decoder.finished = true;
    }))
}

/// Rate, channels and length, once the bytes pushed so far hold the header; before, rate and channels are 0.
///
/// Errors are those of sparc_decoder_pull_i16() that come before the header.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_info(
    decoder: *mut sparc_decoder,
    info: *mut sparc_info,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let (decoder, info) = unsafe { (handle(decoder), out(info, "info")) };
    match decoder {
        Err(fault) => answer(Err(fault)),
        Ok(decoder) => {
            let outcome = info.and_then(|info| {
                info.write(sparc_info::NONE);
                info.write(decoder.info()?);
                Ok(())
            });
            answer_in(&mut decoder.text, outcome)
        }
    }
}

/// Pulls into the place for PCM, and says how many sample frames that were.
///
/// # Safety
/// As [`sparc_decoder_pull_i16`].
unsafe fn pull<T: Sample>(
    decoder: *mut sparc_decoder,
    pcm: *mut T,
    (channels, capacity): (u32, usize),
    frames: *mut usize,
) -> sparc_error {
    // SAFETY: as the caller promises.
    let (decoder, frames) = unsafe { (handle(decoder), out(frames, "frames")) };
    let decoder = match decoder {
        Err(fault) => return answer(Err(fault)),
        Ok(decoder) => decoder,
    };
    let outcome = frames.and_then(|frames| {
        frames.write(0);
        let length = samples(capacity, channels as usize)?;
        // SAFETY: likewise.
        let room = unsafe { room(pcm, length, "pcm")? };
        frames.write(decoder.pull(room, channels)?);
        Ok(())
    });
    answer_in(&mut decoder.text, outcome)
}

/// Gives out PCM as 16-bit integers, channels interleaved: as much as there is, up to `capacity` sample frames (one sample of
/// every channel), and how many they are in `frames`. None means that more bytes are needed or, after
/// sparc_decoder_finish(), that this was all.
///
/// `pcm` has room for capacity x channels samples. `channels` is what sparc_decoder_info() says, so that no stream writes more
/// than the caller expects: SPARC_ERROR_ARGUMENT if it has another number of them. While the header is not known, none are
/// given out.
///
/// Samples are rounded to the nearest, halves away from zero, and clipped at full scale. Both formats may be pulled in turns.
///
/// SPARC_ERROR_STREAM, SPARC_ERROR_LIMIT or SPARC_ERROR_MODEL where reading on is pointless, SPARC_ERROR_STREAM also for a
/// stream that is cut short: all later calls answer the same, until sparc_decoder_reset(). Damage is no error: lost segments
/// are concealed, and sparc_decoder_damage() counts them.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_pull_i16(
    decoder: *mut sparc_decoder,
    pcm: *mut i16,
    channels: u32,
    capacity: usize,
    frames: *mut usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { pull(decoder, pcm, (channels, capacity), frames) }
}

/// The same as floats: full scale is 1, and loud sound may exceed it.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_pull_float(
    decoder: *mut sparc_decoder,
    pcm: *mut f32,
    channels: u32,
    capacity: usize,
    frames: *mut usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { pull(decoder, pcm, (channels, capacity), frames) }
}

/// What was damaged or lost so far.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_damage(
    decoder: *const sparc_decoder,
    damage: *mut sparc_damage,
) -> sparc_error {
    // SAFETY: as the header asks of the caller; it is only read.
    let (decoder, damage) = unsafe { (handle(decoder.cast_mut()), out(damage, "damage")) };
    answer((|| {
        let (decoder, damage) = (decoder?, damage?);
        damage.write(sparc_damage::of(decoder.inner.damage()));
        Ok(())
    })())
}

/// Back to the start, for another stream with the same options.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_reset(decoder: *mut sparc_decoder) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let decoder = unsafe { handle(decoder) };
    answer(decoder.map(|decoder| {
        *decoder = sparc_decoder::new(decoder.decoding.clone());
    }))
}

/// What went wrong in the last call on this decoder that failed: one line in UTF-8, empty if none has. It holds until the next
/// failing call on the decoder, its reset or its end. For NULL: empty.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_message(decoder: *const sparc_decoder) -> *const c_char {
    // SAFETY: as the header asks of the caller; it is only read.
    let decoder = unsafe { handle(decoder.cast_mut()) };
    decoder.map_or(c"".as_ptr(), |decoder| decoder.text.as_ptr())
}

/// Frees a decoder; NULL is none.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoder_free(decoder: *mut sparc_decoder) {
    // SAFETY: as the header asks of the caller.
    unsafe { free(decoder) }
}
