//! The `.sparc` container: bytes to symbols and back.
//!
//! A `.sparc` stream holds, for every channel, a *sparse image*: the few pixels of a log-power
//! spectrogram that an encoder chose to keep, a coarse lattice of background levels, perhaps some phases,
//! and perhaps the lowest band as a waveform. This crate knows how such images become bytes; it never
//! computes a sample. What the symbols mean, and how sound is made of them, is the business of
//! `codec-core`. The format itself is laid down in `spec/sparc.md`, whose sections the code cites.
//!
//! # Writing and reading
//!
//! ```
//! use codec_format::header::*;
//! use codec_format::symbols::*;
//! use codec_format::{Event, Limits, StreamReader, StreamWriter};
//!
//! # fn main() -> codec_format::Result<()> {
//! let signal = Signal { rate: 16_000, channels: 1 };
//! let header = Header {
//!     source: signal,
//!     coded: signal,
//!     total_samples: Some(512),
//!     pre_skip: 0,
//!     stft: Stft { n_fft: 512, window_length: 512, window: WindowKind::Hann, hop: 256 },
//!     segment_frames: 64,
//!     model: None,
//!     quantiser: Quantiser { origin: -320, step: 48 },
//!     mask: MaskKind::Ridge { threshold_step: 16 },
//!     values: ValueCoding::Context,
//!     lattice: Some(LatticeShape { bands: 14, every: 2, step: 32 }),
//!     phase: PhaseKind::None,
//!     waveform: None,
//! };
//! // 512 samples take three frames, centred on samples 0, 256 and 512: one short segment.
//! assert_eq!((header.frames_for(512), header.segments_for(512)), (3, 1));
//! let (bins, frames) = (header.stft.bins(), 3);
//! let mut mask = Mask::repeat(false, bins * frames);
//! mask.set(bins + 20, true);
//! let image = SparseImage {
//!     bins,
//!     frames,
//!     kept: Kept::Ridge { mask, values: vec![2], thresholds: vec![24; frames], waveform: Vec::new() },
//!     lattice: vec![9; 2 * 14],
//!     phases: Phases::default(),
//! };
//! let segment = Segment { index: 0, channels: vec![image] };
//!
//! let mut stream = Vec::new();
//! let mut writer = StreamWriter::new(&header, &Limits::default(), &mut stream)?;
//! writer.segment(&segment, &mut stream)?;
//! writer.finish(512, &mut stream)?;
//!
//! let mut reader = StreamReader::new(&Limits::default());
//! reader.push(&stream); // In pieces of any size.
//! reader.finish();
//! let mut read = Vec::new();
//! while let Some(event) = reader.next_event()? {
//!     if let Event::Segment(segment) = event {
//!         read.push(segment);
//!     }
//! }
//! assert_eq!(read, [segment]);
//! # Ok(())
//! # }
//! ```
//!
//! # Without a heap
//!
//! A stream that lies in memory is read by [`Chunks`] and a [`SegmentDecoder`] over a block of words ([`memory::Block`]),
//! which lends every segment's symbols frame by frame ([`symbols::SegmentView`]):
//!
//! ```
//! use codec_format::memory::Block;
//! use codec_format::{Chunk, Chunks, Limits, Result, SegmentDecoder};
//!
//! /// Kept pixels of the first channel of a stream.
//! fn kept(stream: &[u8], words: &mut [u64]) -> Result<usize> {
//!     let limits = Limits::default();
//!     let mut memory = Block::new(words);
//!     let (mut decoder, mut kept) = (None, 0);
//!     for chunk in Chunks::new(stream, &limits) {
//!         match (chunk?, &mut decoder) {
//!             (Chunk::Header(header), _) => {
//!                 decoder = Some(SegmentDecoder::new(&header, &limits, &mut memory)?);
//!             }
//!             (Chunk::Segment { body, .. }, Some(decoder)) => {
//!                 let segment = decoder.decode(body)?;
//!                 for frame in 0..segment.frames() {
//!                     let row = segment.row(0, frame);
//!                     kept += row.kept.iter().filter(|&&q| q != 0).count();
//!                 }
//!             }
//!             _ => {}
//!         }
//!     }
//!     Ok(kept)
//! }
//! # let stream = include_bytes!("../../spec/vectors/baseline/ridge.sparc");
//! # assert!(kept(stream, &mut vec![0; 1 << 15])? > 0);
//! # Ok::<(), codec_format::Error>(())
//! ```
//!
//! # The way through the crate
//!
//! [`header`] and [`symbols`] name what is coded. [`SegmentCoder`] turns one segment into bytes and
//! back: an adaptive binary range coder whose probabilities are mixed from contexts and start from a
//! trained table ([`PRIORS`], made by [`train`]). [`StreamWriter`] and [`StreamReader`] wrap segments in
//! checked chunks; [`inspect`] shows what lies where. [`model`] holds the networks that
//! complete the images.
//!
//! # Hostile input
//!
//! No bytes make this crate panic, allocate by a declared length, or work without bound: every size is
//! held against [`Limits`] first, and [`Error`] says who is at fault and where. Damage behind the
//! header costs the segments it hits and no others. Everything is integer arithmetic, so symbols are
//! the same on every machine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
extern crate alloc;

mod bytes;
mod entropy;
pub mod error;
pub mod limits;
pub mod memory;
pub mod model;
pub mod segment;
mod stft;
mod stream;
pub mod symbols;

pub use entropy::priors::{PRIORS, PRIORS_LENGTH};
pub use entropy::train;
pub use error::{Error, Result};
pub use limits::Limits;
pub use segment::{seeded_mask, LayerBits, SegmentCoder, SegmentDecoder};
use stream::chunk;
pub use stream::chunk::{MODEL_SIGNATURE, SIGNATURE};
pub use stream::metadata::Metadata;
pub use stream::reader::{Event, StreamReader};
pub use stream::seek::SeekPoint;
pub use stream::walk::{Chunk, Chunks};
pub use stream::writer::StreamWriter;
pub use stream::{header, inspect, metadata, reader, writer};
