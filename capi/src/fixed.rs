//! A decoder in the caller's memory.
//!
//! In one block lie, in this order: the handle, the decoder of symbols, the decoder of sound, and the words that their buffers
//! are taken from. Each refers to those behind it by pointers, so the block must not move.

use crate::decoding::sparc_info;
use crate::fault::sparc_error::*;
use crate::fault::{answer, answer_in, sparc_error, Fault, Outcome, Text};
use crate::given::{handle, out, room, slice};
use crate::network::sparc_network;
use crate::pcm::{check_channels, interleave, samples, Sample};
use codec::codec_core::decode::{completion, memory_required, Decoder, Sound};
use codec::codec_core::network::Network;
use codec::codec_format::header::{Header, ModelId};
use codec::codec_format::limits::MAX_CHANNELS;
use codec::codec_format::memory::{Block, Count, Memory};
use codec::codec_format::{Chunk, Chunks, Error as FormatError, Limits, SegmentDecoder};
use codec::models;
use core::alloc::Layout;
use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;
use std::sync::Arc;

type Words = Block<'static>;
type Symbols = SegmentDecoder<Words>;

/// A decoder that lies in memory of the caller's, of a stream that lies in memory as a whole.
#[derive(Debug)]
pub struct sparc_fixed {
    chunks: Chunks<'static>,
    header: Header,
    symbols: *mut Symbols,
    decoder: *mut Decoder<Words>,
    /// The sound of the last segment: while it is there, nothing else touches the two decoders.
    sound: Option<Sound<'static, Words>>,
    /// What has come of it, planar, and the part that was not given out.
    pcm: &'static mut [f32],
    length: usize,
    given: usize,
    total: Option<u64>,
    /// Segments that have come.
    segments: u64,
    ended: bool,
    failed: Option<Fault>,
    text: Text,
}

/// What a stream needs.
struct Needs {
    chunks: Chunks<'static>,
    header: Header,
    network: Arc<Network>,
    /// Samples that are kept between calls.
    pcm: usize,
    /// Bytes of all buffers.
    words: usize,
    places: Places,
}

/// Where everything lies, in bytes from the handle on.
struct Places {
    symbols: usize,
    decoder: usize,
    words: usize,
    /// Bytes of it all, wherever the caller's memory begins.
    size: usize,
}

fn too_large() -> Fault {
    Fault::new(SPARC_ERROR_LIMIT, "it takes more than all memory")
}

impl Places {
    fn of(words: usize) -> Outcome<Self> {
        let handle = Layout::new::<sparc_fixed>();
        let place = || {
            let (layout, symbols) = handle.extend(Layout::new::<Symbols>()).ok()?;
            let (layout, decoder) = layout.extend(Layout::new::<Decoder<Words>>()).ok()?;
            let buffers = Layout::array::<u64>(words / size_of::<u64>()).ok()?;
            let (layout, words) = layout.extend(buffers).ok()?;
            Some(Places {
                symbols,
                decoder,
                words,
                size: layout.size().checked_add(layout.align() - 1)?,
            })
        };
        place().ok_or_else(too_large)
    }
}

/// What is wrong with a stream that is being decoded, told without a heap; numbered as [`codec::Error`] is.
fn unreadable(error: FormatError) -> Fault {
    let code = match error {
        FormatError::LimitExceeded { .. } => SPARC_ERROR_LIMIT,
        FormatError::Usage { .. } => SPARC_ERROR_OTHER,
        _ => SPARC_ERROR_STREAM,
    };
    Fault::new(code, error)
}

/// An error of what is made before.
fn fault(error: impl Into<codec::Error>) -> Fault {
    Fault::from(error.into())
}

impl Needs {
    fn of(stream: &'static [u8], given: Option<&sparc_network>) -> Outcome<Self> {
        let limits = Limits::default();
        let mut chunks = Chunks::new(stream, &limits);
        let header = match chunks.next() {
            Some(Ok(Chunk::Header(header))) => header,
            Some(Err(error)) => return Err(fault(error)),
            _ => return Err(Fault::new(SPARC_ERROR_STREAM, "has no header")),
        };
        let model = match header.model {
            Some(wanted) => Some(model(wanted, given, chunks.clone())?),
            None => None,
        };
        let model = model.as_ref().map(|network| &network.model);
        let network = completion::network(&header, model).map_err(fault)?;
        let mut count = Count::default();
        SegmentDecoder::new(&header, &limits, &mut count).map_err(fault)?;
        let pcm = usize::from(header.coded.channels) * usize::from(header.stft.hop);
        count.take::<f32>(pcm).map_err(fault)?;
        let needed = memory_required(&header, &network).map_err(fault)?;
        let words = count.bytes().saturating_add(needed);
        let words = usize::try_from(words).map_err(|_| too_large())?;
        Ok(Needs {
            chunks,
            header,
            network,
            pcm,
            words,
            places: Places::of(words)?,
        })
    }
}

/// The network that a stream names: the one given, the one the stream brings along, a built-in one.
fn model(
    wanted: ModelId,
    given: Option<&sparc_network>,
    chunks: Chunks<'_>,
) -> Outcome<Arc<codec::Network>> {
    if let Some(given) = given.filter(|given| given.inner.id == wanted) {
        return Ok(given.inner.clone());
    }
    for chunk in chunks {
        match chunk {
            Ok(Chunk::Model(file)) if ModelId::of(file) == wanted => {
                return Ok(Arc::new(codec::Network::read(file)?));
            }
            Ok(Chunk::Segment { .. }) => break,
            _ => {}
        }
    }
    models::by_id(wanted).ok_or_else(|| {
        let message = format!("needs model {wanted}, which is not at hand");
        Fault::new(SPARC_ERROR_MODEL, message)
    })
}

impl sparc_fixed {
    /// Makes everything in a block, and gives the handle.
    ///
    /// # Safety
    /// Nobody else touches the `size` bytes at `memory` until [`sparc_fixed_end`].
    unsafe fn build(needs: Needs, memory: *mut c_void, size: usize) -> Outcome<*mut Self> {
        let Needs { places, .. } = &needs;
        if size < places.size {
            let message = format!("{} bytes are needed, {size} are given", places.size);
            return Err(Fault::new(SPARC_ERROR_SPACE, message));
        }
        let apart = memory.align_offset(align_of::<sparc_fixed>().max(align_of::<u64>()));
        // SAFETY: `size` has room for what alignment leaves out, and for each part behind the one before.
        let (fixed, symbols, decoder, words) = unsafe {
            let first = memory.cast::<u8>().add(apart);
            let at = |place: usize| first.add(place);
            (
                first.cast::<Self>(),
                at(places.symbols).cast::<Symbols>(),
                at(places.decoder).cast::<Decoder<Words>>(),
                at(places.words),
            )
        };
        // Words of anything: what was never written to is not to be read.
        // SAFETY: the last part of the block has room for them.
        let words = unsafe {
            words.write_bytes(0, needs.words);
            core::slice::from_raw_parts_mut(words.cast::<u64>(), needs.words / size_of::<u64>())
        };
        let mut block = Block::new(words);
        let limits = Limits::default();
        let made = SegmentDecoder::new(&needs.header, &limits, &mut block).map_err(fault)?;
        let sound = Decoder::new(&needs.header, &needs.network, &mut block).map_err(fault)?;
        let handle = sparc_fixed {
            pcm: block.take::<f32>(needs.pcm).map_err(fault)?,
            chunks: needs.chunks,
            total: needs.header.total_samples,
            header: needs.header,
            symbols,
            decoder,
            sound: None,
            length: 0,
            given: 0,
            segments: 0,
            ended: false,
            failed: None,
            text: Text::EMPTY,
        };
        // SAFETY: each has its place in the block.
        unsafe {
            symbols.write(made);
            decoder.write(sound);
            fixed.write(handle);
        }
        Ok(fixed)
    }

    /// The next samples, after which all that came before were given out; whether there are any.
    fn advance(&mut self) -> Outcome<bool> {
        loop {
            if let Some(sound) = &mut self.sound {
                if let Some(made) = sound.advance() {
                    let hop = usize::from(self.header.stft.hop);
                    for (to, channel) in self.pcm.chunks_exact_mut(hop).zip(made.channels()) {
                        to[..channel.len()].copy_from_slice(channel);
                    }
                    (self.length, self.given) = (made.len(), 0);
                    return Ok(true);
                }
                self.sound = None;
            }
            if self.ended {
                return Ok(false);
            }
            // SAFETY: they lie in the block and were made; no sound is there that would touch them, too.
            let (symbols, decoder) = unsafe { (&mut *self.symbols, &mut *self.decoder) };
            match self.chunks.next() {
                Some(chunk) => match chunk.map_err(unreadable)? {
                    Chunk::Segment { at, body } => {
                        let place = |error: FormatError| unreadable(error.offset_by(at));
                        let segment = symbols.decode(body).map_err(place)?;
                        self.sound = Some(decoder.push_view(segment).map_err(|_| {
                            Fault::new(SPARC_ERROR_STREAM, "a segment is missing or out of order")
                        })?);
                        self.segments += 1;
                    }
                    Chunk::Total(total) => {
                        self.total = Some(total);
                        decoder.set_total(total);
                    }
                    Chunk::Header(_) | Chunk::Model(_) => {}
                },
                None => {
                    let stream = |message| Fault::new(SPARC_ERROR_STREAM, message);
                    let none = || stream("ends before it tells its length");
                    let total = self.total.ok_or_else(none)?;
                    if self.segments != self.header.segments_for(total) {
                        return Err(stream(
                            "has more or fewer segments than its length asks for",
                        ));
                    }
                    self.sound = Some(decoder.finish());
                    self.ended = true;
                }
            }
        }
    }

    fn pull<T: Sample>(&mut self, room: &mut [MaybeUninit<T>], channels: u32) -> Outcome<usize> {
        let count = usize::from(self.header.coded.channels);
        check_channels(count, channels)?;
        let hop = usize::from(self.header.stft.hop);
        let mut frames = 0;
        while frames * count < room.len() {
            if self.given == self.length {
                if let Some(fault) = self.failed.filter(|_| frames == 0) {
                    return Err(fault);
                }
                match self.advance() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => {
                        self.failed = Some(fault);
                        if frames == 0 {
                            return Err(fault);
                        }
                        break;
                    }
                }
            }
            let mut rows = [&[][..]; MAX_CHANNELS as usize];
            for (row, channel) in rows.iter_mut().zip(self.pcm.chunks_exact(hop)) {
                *row = &channel[..self.length];
            }
            let room = &mut room[frames * count..];
            let given = interleave(&rows[..count], self.given, room);
            self.given += given;
            frames += given;
        }
        Ok(frames)
    }
}

/// Bytes of memory that sparc_fixed_init() takes for this stream, wherever they begin. `network` is one that the stream may
/// name, or NULL.
///
/// Errors are those of sparc_fixed_init() but SPARC_ERROR_SPACE.
#[no_mangle]
pub unsafe extern "C" fn sparc_fixed_size(
    stream: *const u8,
    length: usize,
    network: *const sparc_network,
    size: *mut usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let given = unsafe { (slice(stream, length, "stream"), out(size, "size")) };
    // SAFETY: likewise; it is only read.
    let network = (!network.is_null()).then(|| unsafe { handle(network.cast_mut()) });
    answer((|| {
        let (stream, size) = (given.0?, given.1?);
        let network = network.transpose()?;
        let needs = Needs::of(stream, network.as_deref())?;
        size.write(needs.places.size);
        Ok(())
    })())
}

/// Makes a decoder in the caller's memory, of sparc_fixed_size() bytes or more, for a stream that lies in memory as a whole, and
/// gives a handle to it, or NULL if it fails. Both memory and stream must stay where they are, untouched, until
/// sparc_fixed_end(); there is nothing else to free. What the memory holds before does not matter.
///
/// The network is prepared on the heap. From then on until sparc_fixed_end() nothing is allocated and nothing freed.
///
/// It decodes what sparc_decoder_new() with sparc_decoding::coded_rate does, to the bit, but conceals nothing: damage is an
/// error where it is met.
///
/// SPARC_ERROR_SPACE if the memory is too small, SPARC_ERROR_STREAM for bytes that are no stream, SPARC_ERROR_LIMIT for one that
/// asks for too much, SPARC_ERROR_MODEL if it names a network that is neither the one given (which may be NULL), nor within the
/// stream, nor built in.
#[no_mangle]
pub unsafe extern "C" fn sparc_fixed_init(
    memory: *mut c_void,
    size: usize,
    stream: *const u8,
    length: usize,
    network: *const sparc_network,
    fixed: *mut *mut sparc_fixed,
) -> sparc_error {
    // SAFETY: as the header asks of the caller, who leaves the stream alone until the end.
    let given = unsafe { (slice(stream, length, "stream"), out(fixed, "fixed")) };
    // SAFETY: likewise; it is only read.
    let network = (!network.is_null()).then(|| unsafe { handle(network.cast_mut()) });
    answer((|| {
        let fixed = given.1?;
        fixed.write(core::ptr::null_mut());
        if memory.is_null() {
            return Err(Fault::argument("memory is NULL"));
        }
        let network = network.transpose()?;
        let needs = Needs::of(given.0?, network.as_deref())?;
        // SAFETY: as the header asks of the caller.
        fixed.write(unsafe { sparc_fixed::build(needs, memory, size)? });
        Ok(())
    })())
}

/// Rate, channels and length of what it gives out: those that are coded.
#[no_mangle]
pub unsafe extern "C" fn sparc_fixed_info(
    fixed: *const sparc_fixed,
    info: *mut sparc_info,
) -> sparc_error {
    // SAFETY: as the header asks of the caller; it is only read.
    let (fixed, info) = unsafe { (handle(fixed.cast_mut()), out(info, "info")) };
    answer((|| {
        let (fixed, info) = (fixed?, info?);
        info.write(sparc_info::of(&fixed.header, true));
        Ok(())
    })())
}

/// Pulls into the place for PCM, and says how many sample frames that were.
///
/// # Safety
/// As [`sparc_fixed_pull_i16`].
unsafe fn pull<T: Sample>(
    fixed: *mut sparc_fixed,
    pcm: *mut T,
    (channels, capacity): (u32, usize),
    frames: *mut usize,
) -> sparc_error {
    // SAFETY: as the caller promises.
    let (fixed, frames) = unsafe { (handle(fixed), out(frames, "frames")) };
    let fixed = match fixed {
        Err(fault) => return answer(Err(fault)),
        Ok(fixed) => fixed,
    };
    let outcome = frames.and_then(|frames| {
        frames.write(0);
        let length = samples(capacity, channels as usize)?;
        // SAFETY: likewise.
        let room = unsafe { room(pcm, length, "pcm")? };
        frames.write(fixed.pull(room, channels)?);
        Ok(())
    });
    answer_in(&mut fixed.text, outcome)
}

/// Gives out the next PCM as 16-bit integers, channels interleaved: `capacity` sample frames, or fewer where the stream ends,
/// and how many they are in `frames`; none after the end. `pcm` and `channels` are as for sparc_decoder_pull_i16().
///
/// SPARC_ERROR_STREAM for a stream that is damaged, lacks a segment or is cut short: all later calls answer the same.
#[no_mangle]
pub unsafe extern "C" fn sparc_fixed_pull_i16(
    fixed: *mut sparc_fixed,
    pcm: *mut i16,
    channels: u32,
    capacity: usize,
    frames: *mut usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { pull(fixed, pcm, (channels, capacity), frames) }
}

/// The same as floats: full scale is 1, and loud sound may exceed it.
#[no_mangle]
pub unsafe extern "C" fn sparc_fixed_pull_float(
    fixed: *mut sparc_fixed,
    pcm: *mut f32,
    channels: u32,
    capacity: usize,
    frames: *mut usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    unsafe { pull(fixed, pcm, (channels, capacity), frames) }
}

/// What went wrong in the last call on this decoder that failed: as sparc_decoder_message().
#[no_mangle]
pub unsafe extern "C" fn sparc_fixed_message(fixed: *const sparc_fixed) -> *const c_char {
    // SAFETY: as the header asks of the caller; it is only read.
    let fixed = unsafe { handle(fixed.cast_mut()) };
    fixed.map_or(c"".as_ptr(), |fixed| fixed.text.as_ptr())
}

/// Lets go of the network, and of the memory, which is the caller's again. NULL is none.
#[no_mangle]
pub unsafe extern "C" fn sparc_fixed_end(fixed: *mut sparc_fixed) {
    // SAFETY: as the header asks of the caller.
    let Ok(handle) = (unsafe { handle(fixed) }) else {
        return;
    };
    // What is dropped would be decoded to its end.
    _ = handle.sound.take().map(Sound::pause);
    let (symbols, decoder) = (handle.symbols, handle.decoder);
    // SAFETY: all three were made, and nobody uses them any more.
    unsafe {
        fixed.drop_in_place();
        decoder.drop_in_place();
        symbols.drop_in_place();
    }
}
