//! Bytes to symbols, in memory that is taken once.

use super::bits::{layer_bits, LayerBits};
use super::state::State;
use super::uncoded::{self, Uncoded};
use crate::bytes::Cursor;
use crate::entropy::bank::BankBuffers;
use crate::entropy::priors::PRIORS;
use crate::entropy::range::{BitCoder, Decoder, Meter};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::limits::{Limits, MAX_CHANNELS};
use crate::memory::Memory;
use crate::symbols::SegmentView;

/// Decodes the segments of one stream. All memory is taken when it is made.
#[derive(Debug)]
pub struct SegmentDecoder<M: Memory> {
    state: State<M>,
    bank: BankBuffers<M>,
}

impl<M: Memory> SegmentDecoder<M> {
    /// A decoder for the segments of streams with this header.
    ///
    /// # Errors
    /// Those of [`Header::validate`] and of [`Memory::take`].
    pub fn new(header: &Header, limits: &Limits, memory: &mut M) -> Result<Self> {
        header.validate(limits)?;
        Ok(SegmentDecoder {
            state: State::new(header, usize::from(header.segment_frames), memory)?,
            bank: BankBuffers::new(header, memory)?,
        })
    }

    /// The header this decoder works for.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.state.header()
    }

    /// The segment in the body of a SEGM chunk. Offsets in errors count from the body's start.
    ///
    /// # Errors
    /// [`Error::Truncated`] or [`Error::Malformed`] where the body is no segment of this stream.
    pub fn decode(&mut self, body: &[u8]) -> Result<SegmentView<'_>> {
        let opened = Opened::new(&mut self.state, body)?;
        let mut decoder = Decoder::new(opened.coded);
        self.code(&mut decoder)?;
        opened.close(&mut self.state, &decoder, body)?;
        Ok(self.state.store.view(opened.index))
    }

    /// The same, with what each layer cost.
    ///
    /// # Errors
    /// As [`SegmentDecoder::decode`].
    pub fn decode_measured(&mut self, body: &[u8]) -> Result<(SegmentView<'_>, LayerBits)> {
        let mut opened = Opened::new(&mut self.state, body)?;
        let mut meter = Meter::new(Decoder::new(opened.coded));
        self.code(&mut meter)?;
        opened.bits.add(&layer_bits(&meter.cost));
        opened.close(&mut self.state, &meter.inner, body)?;
        Ok((self.state.store.view(opened.index), opened.bits))
    }

    fn code<C: BitCoder>(&mut self, coder: &mut C) -> Result<()> {
        self.bank.reset(PRIORS);
        let coded = self.state.code(&mut self.bank.bank(), coder);
        coded.map_err(|error| error.found_at(0))
    }
}

/// The index and the number of frames at the start of a body (Spec §6.1).
pub(super) fn read_place(header: &Header, cursor: &mut Cursor<'_>) -> Result<(u32, usize)> {
    let place = cursor.varint_up_to(u64::from(u32::MAX) << 1 | 1, "segment index")?;
    let index = (place >> 1) as u32;
    let full = usize::from(header.segment_frames);
    if place & 1 == 0 {
        return Ok((index, full));
    }
    let at = cursor.at();
    let frames = cursor.varint("segment frames")?;
    if frames == 0 || frames >= full as u64 {
        return Err(Error::Malformed {
            what: "segment frames",
            at,
        });
    }
    Ok((index, frames as usize))
}

/// A body read as far as the entropy coded bytes.
pub(super) struct Opened<'b> {
    pub(super) index: u32,
    uncoded: [Uncoded<'b>; MAX_CHANNELS as usize],
    /// The entropy coded bytes.
    pub(super) coded: &'b [u8],
    bits: LayerBits,
}

impl<'b> Opened<'b> {
    /// Reads the place and the uncoded part, and begins the segment.
    pub(super) fn new<M: Memory>(state: &mut State<M>, body: &'b [u8]) -> Result<Self> {
        let mut cursor = Cursor::new(body);
        let (index, frames) = read_place(state.header(), &mut cursor)?;
        state.store.begin(frames);
        let mut bits = LayerBits::default();
        let mut all = [Uncoded::default(); MAX_CHANNELS as usize];
        for (channel, uncoded) in all[..state.store.shape.channels].iter_mut().enumerate() {
            *uncoded = uncoded::read(state, &mut cursor, index, channel, &mut bits)?;
        }
        Ok(Opened {
            index,
            uncoded: all,
            coded: cursor.peek(),
            bits,
        })
    }

    /// Completes the segment, if what has been read is all there is.
    fn close<M: Memory>(
        &self,
        state: &mut State<M>,
        decoder: &Decoder<'_>,
        body: &[u8],
    ) -> Result<()> {
        let malformed = |what, at| Err(Error::Malformed { what, at });
        if !decoder.is_used_up() {
            return malformed("end of segment", body.len() as u64);
        }
        for (channel, uncoded) in self.uncoded[..state.store.shape.channels]
            .iter()
            .enumerate()
        {
            if !uncoded.complete(state.store.kept_mut(channel)) {
                return malformed("count of kept pixels", 0);
            }
        }
        Ok(())
    }
}
