//! Segments: the symbols of about a second and their bytes (Spec §6).

mod bands;
mod bits;
mod channel;
mod check;
mod lattice;
mod number;
mod packed;
mod phases;
mod ridge;
mod runs;
mod scattered;
mod seeded;
mod uncoded;
mod waveform;
#[cfg(test)]
mod worked_example;

pub use bits::LayerBits;
pub use seeded::seeded_mask;

use crate::bytes::{put_varint, Cursor};
use crate::chunk::chunk_size;
use crate::entropy::bank::Bank;
use crate::entropy::priors::PRIORS;
use crate::entropy::range::{BitCoder, Decoder, Encoder, Meter, Null};
use crate::error::{Error, Result};
use crate::header::{Header, MaskKind};
use crate::limits::Limits;
use crate::symbols::Segment;
use alloc::vec::Vec;
use bands::{band_edges, Spread};
use bits::layer_bits;
use channel::Channel;
use uncoded::Uncoded;

/// A body read as far as the entropy coded bytes.
#[derive(Debug)]
struct Opened {
    index: u32,
    channels: Vec<Channel>,
    uncoded: Vec<Option<Uncoded>>,
    /// Where the entropy coded bytes begin.
    coded: usize,
    bits: LayerBits,
}

/// Codes the segments of one stream. Owns the state every segment starts from.
#[derive(Debug)]
pub struct SegmentCoder {
    header: Header,
    limits: Limits,
    bins: usize,
    zones: Vec<u8>,
    spread: Option<Spread>,
    start: Bank,
}

impl SegmentCoder {
    /// A coder for the segments of streams with this header.
    ///
    /// # Errors
    /// Those of [`Header::validate`].
    pub fn new(header: &Header, limits: &Limits) -> Result<Self> {
        Self::with_priors(header, limits, PRIORS)
    }

    /// The same under another table of priors, for training: its streams are not `.sparc`.
    pub(crate) fn with_priors(header: &Header, limits: &Limits, priors: &[u8]) -> Result<Self> {
        header.validate(limits)?;
        let bins = header.stft.bins();
        let edges = band_edges(16, 0, bins, header.coded.rate);
        let zones = edges
            .windows(2)
            .enumerate()
            .flat_map(|(zone, e)| core::iter::repeat_n(zone as u8, e[1] - e[0]))
            .collect();
        Ok(SegmentCoder {
            header: header.clone(),
            limits: *limits,
            bins,
            zones,
            spread: header
                .lattice
                .map(|shape| Spread::new(&header.lattice_edges(), &shape, bins)),
            start: Bank::from_priors(priors),
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
    /// [`Error::Usage`] where the symbols contradict the header or themselves,
    /// [`Error::LimitExceeded`] where there are too many.
    pub fn encode(&self, segment: &Segment) -> Result<Vec<u8>> {
        let (bytes, mut channels) = self.start_encoding(segment, &mut LayerBits::default())?;
        let mut encoder = Encoder::new(bytes);
        self.code(&mut self.start.clone(), &mut encoder, &mut channels)?;
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
        let (bytes, mut channels) = self.start_encoding(segment, &mut bits)?;
        let mut meter = Meter::new(Encoder::new(bytes));
        self.code(&mut self.start.clone(), &mut meter, &mut channels)?;
        bits.add(&layer_bits(&meter.cost));
        Ok((meter.inner.finish(), bits))
    }

    /// Checks the segment and writes its place and uncoded part (Spec §6.1).
    fn start_encoding(
        &self,
        segment: &Segment,
        bits: &mut LayerBits,
    ) -> Result<(Vec<u8>, Vec<Channel>)> {
        self.check_segment(segment)?;
        let frames = segment.frames();
        let short = frames < usize::from(self.header.segment_frames);
        let mut bytes = Vec::new();
        put_varint(&mut bytes, u64::from(segment.index) << 1 | u64::from(short));
        if short {
            put_varint(&mut bytes, frames as u64);
        }
        for image in &segment.channels {
            self.write_uncoded(image, &mut bytes, bits);
        }
        Ok((bytes, self.channels_of(segment)))
    }

    fn channels_of(&self, segment: &Segment) -> Vec<Channel> {
        let images = segment.channels.iter();
        images.map(|image| Channel::of(self, image)).collect()
    }

    /// The segment in the body of a SEGM chunk. Offsets in errors count from the body's start.
    ///
    /// # Errors
    /// [`Error::Truncated`] or [`Error::Malformed`] where the body is no segment of this stream,
    /// [`Error::LimitExceeded`] where it is too large.
    pub fn decode(&self, body: &[u8]) -> Result<Segment> {
        let mut opened = self.open(body)?;
        let mut decoder = Decoder::new(&body[opened.coded..]);
        self.code(&mut self.start.clone(), &mut decoder, &mut opened.channels)
            .map_err(|error| error.found_at(0))?;
        opened.close(&decoder, body)
    }

    /// The same, with what each layer cost.
    ///
    /// # Errors
    /// As [`SegmentCoder::decode`].
    pub fn decode_measured(&self, body: &[u8]) -> Result<(Segment, LayerBits)> {
        let mut opened = self.open(body)?;
        let mut bits = opened.bits;
        let mut meter = Meter::new(Decoder::new(&body[opened.coded..]));
        self.code(&mut self.start.clone(), &mut meter, &mut opened.channels)
            .map_err(|error| error.found_at(0))?;
        bits.add(&layer_bits(&meter.cost));
        Ok((opened.close(&meter.inner, body)?, bits))
    }

    /// Reads the place and the uncoded part.
    fn open(&self, body: &[u8]) -> Result<Opened> {
        let mut cursor = Cursor::new(body);
        let (index, frames) = self.read_place(&mut cursor)?;
        let mut bits = LayerBits::default();
        let (mut channels, mut uncoded) = (Vec::new(), Vec::new());
        for number in 0..usize::from(self.header.coded.channels) {
            let mut channel = Channel::new(self, frames);
            uncoded.push(self.read_uncoded(&mut cursor, index, number, &mut channel, &mut bits)?);
            channels.push(channel);
        }
        Ok(Opened {
            index,
            channels,
            uncoded,
            coded: cursor.at() as usize,
            bits,
        })
    }

    /// Runs the coder over a segment only to let `bank` learn from it.
    pub(crate) fn learn(&self, bank: &mut Bank, segment: &Segment) -> Result<LayerBits> {
        self.check_segment(segment)?;
        let mut meter = Meter::new(Null);
        self.code(bank, &mut meter, &mut self.channels_of(segment))?;
        Ok(layer_bits(&meter.cost))
    }

    /// The index and the number of frames of the segment in a body.
    pub(crate) fn place(&self, body: &[u8]) -> Result<(u32, usize)> {
        self.read_place(&mut Cursor::new(body))
    }

    /// The index and the number of frames at the start of a body (Spec §6.1).
    fn read_place(&self, cursor: &mut Cursor<'_>) -> Result<(u32, usize)> {
        let place = cursor.varint_up_to(u64::from(u32::MAX) << 1 | 1, "segment index")?;
        let index = (place >> 1) as u32;
        let full = usize::from(self.header.segment_frames);
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

    /// Codes everything that is entropy coded, in either direction (Spec §6.3). [`Error::Usage`] where a decoder reads
    /// what no encoder writes.
    fn code<C: BitCoder>(
        &self,
        bank: &mut Bank,
        coder: &mut C,
        channels: &mut [Channel],
    ) -> Result<()> {
        if self.header.mask == MaskKind::RunLength {
            for channel in channels.iter_mut() {
                runs::code(bank, coder, &mut channel.kept, 1)?;
            }
        }
        let frames = channels.first().map_or(0, |channel| channel.frames());
        for frame in 0..frames {
            for channel in channels.iter_mut() {
                channel.code_frame(bank, coder, self.spread.as_ref(), frame)?;
            }
        }
        Ok(())
    }
}

impl Opened {
    /// Makes a segment of what has been read, if that is all there is.
    fn close(self, decoder: &Decoder<'_>, body: &[u8]) -> Result<Segment> {
        let malformed = |what, at| Err(Error::Malformed { what, at });
        if !decoder.is_used_up() {
            return malformed("end of segment", body.len() as u64);
        }
        let mut channels = Vec::new();
        for (channel, uncoded) in self.channels.into_iter().zip(self.uncoded) {
            let mut values = None;
            if let Some(uncoded) = uncoded {
                if uncoded.count != channel.kept_count() {
                    return malformed("count of kept pixels", 0);
                }
                values = uncoded.values;
            }
            channels.push(channel.into_image(values));
        }
        Ok(Segment {
            index: self.index,
            channels,
        })
    }
}
