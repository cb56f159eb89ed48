//! Streams and clips that lie in memory as a whole.

use crate::decoding::{decoding, sparc_damage, sparc_decoding, sparc_info};
use crate::encoding::{encoding, sparc_encoding};
use crate::fault::sparc_error::SPARC_ERROR_LIMIT;
use crate::fault::{answer, sparc_error, Fault, Outcome};
use crate::given::{out, slice};
use crate::pcm::{interleave, planar, samples, Sample};
use codec::{decode_range, decode_with, Decoded, Decoding};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use std::alloc::{alloc, dealloc, Layout};

/// Bytes before a block that is given out, which say how many they are with it. Any number may begin behind them.
const HEAD: usize = 16;

/// A block for the caller, who frees it.
fn block<T: Copy>(length: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Outcome<*mut T> {
    let bytes = length.checked_mul(size_of::<T>());
    let bytes = bytes.and_then(|bytes| bytes.checked_add(HEAD));
    let layout = bytes.and_then(|bytes| Layout::from_size_align(bytes, HEAD).ok());
    let none = || Fault::new(SPARC_ERROR_LIMIT, "there is no memory for the result");
    let layout = layout.ok_or_else(none)?;
    // SAFETY: its size is not 0.
    let head = unsafe { alloc(layout) };
    if head.is_null() {
        return Err(none());
    }
    // SAFETY: the block has room for the head and, behind it, for the elements; it is aligned to 16 bytes.
    let room = unsafe {
        head.cast::<usize>().write(layout.size());
        core::slice::from_raw_parts_mut(head.add(HEAD).cast(), length)
    };
    fill(room);
    Ok(room.as_mut_ptr().cast())
}

/// Frees what sparc_decode_i16(), sparc_encode_i16() and their like gave; NULL is nothing.
#[no_mangle]
pub unsafe extern "C" fn sparc_free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    // SAFETY: the caller gives back what `block` gave out, which has its head before it.
    unsafe {
        let head = memory.cast::<u8>().sub(HEAD);
        let size = head.cast::<usize>().read();
        dealloc(head, Layout::from_size_align_unchecked(size, HEAD));
    }
}

/// Decodes to a block of the caller's.
///
/// # Safety
/// As [`sparc_decode_i16`].
unsafe fn decode<T: Sample>(
    (stream, length): (*const u8, usize),
    options: *const sparc_decoding,
    decoded: impl FnOnce(&[u8], &Decoding) -> codec::Result<Decoded>,
    (pcm, info, damage): (*mut *mut T, *mut sparc_info, *mut sparc_damage),
) -> sparc_error {
    // SAFETY: as the caller promises.
    let (stream, decoding) = unsafe { (slice(stream, length, "stream"), decoding(options)) };
    // SAFETY: likewise.
    let (pcm, info) = unsafe { (out(pcm, "pcm"), out(info, "info")) };
    // SAFETY: likewise; who does not ask for it gives no place.
    let damage = (!damage.is_null()).then(|| unsafe { out(damage, "damage") });
    answer((|| {
        let (pcm, info, damage) = (pcm?, info?, damage.transpose()?);
        pcm.write(core::ptr::null_mut());
        info.write(sparc_info::NONE);
        let decoded = decoded(stream?, &decoding?)?;
        let Decoded { pcm: sound, .. } = &decoded;
        let length = samples(sound.len(), sound.channels.len())?;
        pcm.write(block(length, |room| {
            interleave(&sound.channels, 0, room);
        })?);
        info.write(sparc_info {
            rate: sound.rate,
            channels: sound.channels.len() as u32,
            samples: sound.len() as u64,
        });
        if let Some(damage) = damage {
            damage.write(sparc_damage::of(&decoded.damage));
        }
        Ok(())
    })())
}

/// Decodes a whole stream: 16-bit integers, channels interleaved, in memory that sparc_free() frees, or NULL if it fails; their
/// rate, channels and samples per channel in `info`; what was concealed in `damage`, which may be NULL, as may options.
///
/// SPARC_ERROR_STREAM for bytes that are no stream or are cut short, SPARC_ERROR_LIMIT for one that asks for too much,
/// SPARC_ERROR_MODEL if it needs a network that is not at hand.
#[no_mangle]
pub unsafe extern "C" fn sparc_decode_i16(
    stream: *const u8,
    length: usize,
    options: *const sparc_decoding,
    pcm: *mut *mut i16,
    info: *mut sparc_info,
    damage: *mut sparc_damage,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { decode((stream, length), options, decode_with, (pcm, info, damage)) }
}

/// The same as floats: full scale is 1, and loud sound may exceed it.
#[no_mangle]
pub unsafe extern "C" fn sparc_decode_float(
    stream: *const u8,
    length: usize,
    options: *const sparc_decoding,
    pcm: *mut *mut f32,
    info: *mut sparc_info,
    damage: *mut sparc_damage,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { decode((stream, length), options, decode_with, (pcm, info, damage)) }
}

/// The samples of every channel from `first` on, `count` of them or as many as the stream has, without decoding what comes
/// before; otherwise as sparc_decode_float(). They lie where they do in the whole, and sound as good, but are not the same
/// numbers: phases that a stream does not hold are rebuilt from those before.
#[no_mangle]
pub unsafe extern "C" fn sparc_decode_range_float(
    stream: *const u8,
    length: usize,
    first: u64,
    count: u64,
    options: *const sparc_decoding,
    pcm: *mut *mut f32,
    info: *mut sparc_info,
    damage: *mut sparc_damage,
) -> sparc_error {
    let range = first..first.saturating_add(count);
    let part = |stream: &[u8], decoding: &Decoding| decode_range(stream, range, decoding);
    // SAFETY: as the header asks of the caller.
    unsafe { decode((stream, length), options, part, (pcm, info, damage)) }
}

/// Encodes to a block of the caller's.
///
/// # Safety
/// As [`sparc_encode_i16`].
unsafe fn encode<T: Sample>(
    (pcm, frames): (*const T, usize),
    (rate, channels): (u32, u32),
    options: *const sparc_encoding,
    (stream, length): (*mut *mut u8, *mut usize),
) -> sparc_error {
    // SAFETY: as the caller promises.
    let (stream, length) = unsafe { (out(stream, "stream"), out(length, "length")) };
    // SAFETY: likewise.
    let options = unsafe { encoding(options) };
    answer((|| {
        let (stream, length) = (stream?, length?);
        stream.write(core::ptr::null_mut());
        length.write(0);
        let channels = channels as usize;
        let count = samples(frames, channels)?;
        // SAFETY: likewise.
        let pcm = unsafe { slice(pcm, count, "pcm")? };
        // More channels than this are refused below, before so many vectors are made.
        let plan = options?.plan(channels)?;
        if channels > usize::from(codec::codec_format::limits::MAX_CHANNELS) {
            codec::Encoder::of(rate, channels, plan)?;
            return Ok(());
        }
        let bytes = plan.encode(&planar(rate, channels, pcm))?.bytes;
        let given = block(bytes.len(), |room| {
            for (to, &byte) in room.iter_mut().zip(&bytes) {
                to.write(byte);
            }
        })?;
        stream.write(given);
        length.write(bytes.len());
        Ok(())
    })())
}

/// Encodes a whole clip of `frames` sample frames (one sample of every channel) of 16-bit integers, channels interleaved, at
/// `rate` Hz: the stream in memory that sparc_free() frees, or NULL if it fails, and its length in bytes. options may be NULL.
///
/// Errors are those of sparc_encoder_new(), sparc_encoder_push_float() and sparc_encoder_finish().
#[no_mangle]
pub unsafe extern "C" fn sparc_encode_i16(
    pcm: *const i16,
    frames: usize,
    rate: u32,
    channels: u32,
    options: *const sparc_encoding,
    stream: *mut *mut u8,
    length: *mut usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { encode((pcm, frames), (rate, channels), options, (stream, length)) }
}

/// The same of floats, full scale 1.
#[no_mangle]
pub unsafe extern "C" fn sparc_encode_float(
    pcm: *const f32,
    frames: usize,
    rate: u32,
    channels: u32,
    options: *const sparc_encoding,
    stream: *mut *mut u8,
    length: *mut usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { encode((pcm, frames), (rate, channels), options, (stream, length)) }
}
