//! Decodes the stream that is built in, as a device would: everything a decoder holds lies in one static block, counted
//! beforehand; an allocator serves the model's reading alone, and none is there while sound is made.
//!
//! Writes PCM (16 bits, little-endian, channels side by side) to the standard output and what it took to the standard
//! error. On x86-64 and ARM under Linux it asks the kernel itself and links nothing; the same code without an operating
//! system would write elsewhere.
#![no_std]
#![no_main]

extern crate alloc;

mod heap;
mod stack;
mod system;

use codec_core::decode::completion::network;
use codec_core::decode::{memory_required, Decoder};
use codec_format::memory::{Block, Count};
use codec_format::model::Model;
use codec_format::{Chunk, Chunks, Limits, SegmentDecoder};
use system::{exit, report, write, OUT};

static STREAM: &[u8] = include_bytes!(env!("SPARC_STREAM"));
static MODEL: &[u8] = include_bytes!(env!("SPARC_MODEL"));

/// Words of a block that every profile's decoder finds room in.
const WORDS: usize = 1 << 18;
static mut BLOCK: [u64; WORDS] = [0; WORDS];

/// Where it stopped, if it did.
type Outcome = Result<(), &'static str>;

/// Decodes the stream and says what that took.
#[inline(never)]
pub(crate) fn run() -> Outcome {
    stack::paint();
    let outcome = decode();
    report("bytes of stack to decode, beside them", stack::used());
    outcome
}

#[inline(never)]
fn decode() -> Outcome {
    let limits = Limits::default();
    let mut chunks = Chunks::new(STREAM, &limits);
    let Some(Ok(Chunk::Header(header))) = chunks.next() else {
        return Err("no header");
    };
    let network = {
        let model = Model::read(MODEL, &limits).map_err(|_| "the model is broken")?;
        network(&header, Some(&model)).map_err(|_| "the model does not fit")?
    };
    heap::close();
    report("bytes of the network", heap::used());
    report("bytes allocated to read the model", heap::most());

    let mut count = Count::default();
    SegmentDecoder::new(&header, &limits, &mut count).map_err(|_| "the header is broken")?;
    report("bytes of symbols and their coder", count.bytes());
    let needed = memory_required(&header, &network).map_err(|_| "the header is not supported")?;
    report("bytes of the decoder", needed);

    // SAFETY: nobody else touches the block, and this function runs once.
    let words = unsafe { &mut *core::ptr::addr_of_mut!(BLOCK) };
    let words = words
        .get_mut(..(count.bytes() + needed) as usize / 8)
        .ok_or("the block is too small")?;
    let memory = &mut Block::new(words);
    let mut symbols = SegmentDecoder::new(&header, &limits, memory).map_err(|_| "no memory")?;
    // One channel: what the built-in stream has.
    let mut decoder = Decoder::<_, 1>::new(&header, &network, memory).map_err(|_| "no memory")?;

    report("bytes of stack to build them", stack::used());
    let held = size_of_val(&symbols) + size_of_val(&decoder);
    report("bytes of them on the stack", held as u64);
    // From here on what is below counts anew.
    stack::paint();
    let mut samples = 0;
    for chunk in chunks {
        match chunk.map_err(|_| "the stream is damaged")? {
            Chunk::Segment { body, .. } => {
                let segment = symbols.decode(body).map_err(|_| "a segment is broken")?;
                let mut sound = decoder
                    .push_view(segment)
                    .map_err(|_| "a segment is lost")?;
                while let Some(pcm) = sound.advance() {
                    samples += put(&pcm);
                }
            }
            Chunk::Total(total) => decoder.set_total(total),
            Chunk::Header(_) | Chunk::Model(_) => {}
        }
    }
    let mut rest = decoder.finish();
    while let Some(pcm) = rest.advance() {
        samples += put(&pcm);
    }
    report("samples a channel", samples);
    report("samples a second", u64::from(header.coded.rate));
    Ok(())
}

/// Writes samples; returns how many each channel has.
fn put(pcm: &codec_core::decode::Pcm<'_>) -> u64 {
    let mut bytes = [0; 512];
    let mut filled = 0;
    for n in 0..pcm.len() {
        for channel in pcm.channels() {
            let sample = (channel[n] * 32768.0).clamp(-32768.0, 32767.0);
            // Halves away from zero, as the command rounds.
            let whole = (sample + if sample < 0.0 { -0.5 } else { 0.5 }) as i16;
            bytes[filled..filled + 2].copy_from_slice(&whole.to_le_bytes());
            filled += 2;
            if filled == bytes.len() {
                write(OUT, &bytes);
                filled = 0;
            }
        }
    }
    write(OUT, &bytes[..filled]);
    pcm.len() as u64
}

/// After the system has begun: runs, and ends the program.
pub(crate) fn start() -> ! {
    match run() {
        Ok(()) => exit(0),
        Err(what) => {
            write(system::ERR, what.as_bytes());
            write(system::ERR, b"\n");
            exit(1)
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    write(system::ERR, b"panicked\n");
    exit(2)
}
