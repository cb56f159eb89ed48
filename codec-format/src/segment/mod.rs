//! Segments: the symbols of about a second and their bytes (Spec §6).

mod bands;
mod bits;
mod channel;
mod check;
mod class;
mod decoder;
mod lattice;
mod mask;
mod number;
mod packed;
mod past;
mod phases;
mod ridge;
mod runs;
mod scattered;
mod seeded;
mod state;
mod store;
mod uncoded;
mod waveform;
#[cfg(test)]
mod worked_example;

pub use bands::BandEdges;
pub use bits::LayerBits;
pub use decoder::SegmentDecoder;
pub use seeded::seeded_mask;

use crate::bytes::{put_varint, Cursor};
use crate::chunk::chunk_size;
use crate::entropy::bank::{Bank, BankBuffers};
use crate::entropy::priors::PRIORS;
use crate::entropy::range::{Encoder, Meter, Null};
use crate::error::Result;
use crate::header::Header;
use crate::limits::Limits;
use crate::memory::Heap;
use crate::symbols::Segment;
use alloc::vec::Vec;
use bits::layer_bits;
use channel::values_are_coded;
use state::State;

/// Codes the segments of one stream on the heap, as far as it reaches. Owns the state every segment starts from.
#[derive(Debug)]
pub struct SegmentCoder {
    header: Header,
    limits: Limits,
    bins: usize,
    start: BankBuffers<Heap>,
}

impl SegmentCoder {
    /// A coder for the segments of streams with this header.
    ///
    /// # Errors
    /// Those of [`Header::validate`].
    pub fn new(header: &Header, limits: &Limits) -> Result<Self> {
        Self::with_priors(header, limits, PRIORS)
    }

    /// The same under another table of priors, for training: its streams are not `.sparc`, and it only encodes.
    pub(crate) fn with_priors(header: &Header, limits: &Limits, priors: &[u8]) -> Result<Self> {
        header.validate(limits)?;
        let mut start = BankBuffers::new(header, &mut Heap::new(u64::MAX))?;
        start.reset(priors);
        Ok(SegmentCoder {
            header: header.clone(),
            limits: *limits,
            bins: header.stft.bins(),
            start,
        })
    }

    /// The header this coder works for.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The body of the segment's SEGM chunk.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) where the symbols contradict the header or themselves,
    /// [`Error::LimitExceeded`](crate::Error::LimitExceeded) where there are too many.
    pub fn encode(&self, segment: &Segment) -> Result<Vec<u8>> {
        let (bytes, mut state) = self.start_encoding(segment, &mut LayerBits::default())?;
        let mut encoder = Encoder::new(bytes);
        state.code(&mut self.start.clone().bank(), &mut encoder)?;
        Ok(encoder.finish())
    }

    /// Bytes of the whole SEGM chunk with this body: type, length, body and CRC (Spec §3.2).
    #[must_use]
    pub fn chunk_bytes(body: &[u8]) -> u64 {
        chunk_size(body.len()) as u64
    }

    /// The body, with what each layer cost.
    ///
    /// # Errors
    /// As [`SegmentCoder::encode`].
    pub fn encode_measured(&self, segment: &Segment) -> Result<(Vec<u8>, LayerBits)> {
        let mut bits = LayerBits::default();
        let (bytes, mut state) = self.start_encoding(segment, &mut bits)?;
        let mut meter = Meter::new(Encoder::new(bytes));
        state.code(&mut self.start.clone().bank(), &mut meter)?;
        bits.add(&layer_bits(&meter.cost));
        Ok((meter.inner.finish(), bits))
    }

    /// Checks the segment and writes its place and uncoded part (Spec §6.1).
    fn start_encoding(
        &self,
        segment: &Segment,
        bits: &mut LayerBits,
    ) -> Result<(Vec<u8>, State<Heap>)> {
        let state = self.state_of(segment)?;
        let frames = segment.frames();
        let short = frames < usize::from(self.header.segment_frames);
        let mut bytes = Vec::new();
        put_varint(&mut bytes, u64::from(segment.index) << 1 | u64::from(short));
        if short {
            put_varint(&mut bytes, frames as u64);
        }
        for image in &segment.channels {
            uncoded::write(&self.header, image, &mut bytes, bits);
        }
        Ok((bytes, state))
    }

    /// Checks the segment and lays its symbols out.
    fn state_of(&self, segment: &Segment) -> Result<State<Heap>> {
        self.check_segment(segment)?;
        let mut state = State::new(&self.header, segment.frames(), &mut Heap::new(u64::MAX))?;
        state.store.fill(segment, values_are_coded(&self.header));
        Ok(state)
    }

    /// The segment in the body of a SEGM chunk. Offsets in errors count from the body's start. [`SegmentDecoder`] does the
    /// same without taking memory for every segment.
    ///
    /// # Errors
    /// [`Error::Truncated`](crate::Error::Truncated) or [`Error::Malformed`](crate::Error::Malformed) where the body is no
    /// segment of this stream.
    pub fn decode(&self, body: &[u8]) -> Result<Segment> {
        Ok(self.decoder()?.decode(body)?.to_segment())
    }

    /// The same, with what each layer cost.
    ///
    /// # Errors
    /// As [`SegmentCoder::decode`].
    pub fn decode_measured(&self, body: &[u8]) -> Result<(Segment, LayerBits)> {
        let mut decoder = self.decoder()?;
        let (view, bits) = decoder.decode_measured(body)?;
        Ok((view.to_segment(), bits))
    }

    fn decoder(&self) -> Result<SegmentDecoder<Heap>> {
        SegmentDecoder::new(&self.header, &self.limits, &mut Heap::new(u64::MAX))
    }

    /// Runs the coder over a segment only to let `bank` learn from it.
    pub(crate) fn learn(&self, bank: &mut Bank<'_>, segment: &Segment) -> Result<LayerBits> {
        let mut meter = Meter::new(Null);
        self.state_of(segment)?.code(bank, &mut meter)?;
        Ok(layer_bits(&meter.cost))
    }

    /// The index and the number of frames of the segment in a body.
    pub(crate) fn place(&self, body: &[u8]) -> Result<(u32, usize)> {
        decoder::read_place(&self.header, &mut Cursor::new(body))
    }
}
