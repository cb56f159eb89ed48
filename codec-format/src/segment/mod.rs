//! Segments: the symbols of about a second and their bytes (Spec §5).

mod bits;
mod check;
mod lattice;
mod number;
mod phases;
mod plain;
mod raw;
mod ridge;
mod waveform;

pub use bits::LayerBits;

use crate::bytes::{put_varint, Cursor};
use crate::chunk::chunk_size;
use crate::entropy::bank::Bank;
use crate::entropy::priors::PRIORS;
use crate::entropy::range::{BitCoder, Decoder, Encoder, Meter, Null};
use crate::error::{Error, Result};
use crate::header::{Header, MaskKind, PhaseKind, ValueCoding};
use crate::lattice_grid::{band_edges, Spread};
use crate::limits::Limits;
use crate::symbols::{Segment, MAX_INDEX};
use alloc::vec;
use alloc::vec::Vec;
use bits::layer_bits;

/// One channel while it is coded. Zero means "not there" in `kept` and `angles`, so that the same
/// code reads the planes when it encodes and fills them when it decodes.
#[derive(Debug)]
struct Plane {
    /// Value + 1 of kept pixels.
    kept: Vec<u16>,
    /// Angle + 1 of stored phases; empty without phases.
    angles: Vec<u16>,
    thresholds: Vec<u8>,
    lattice: Vec<u8>,
    waveform: Vec<i16>,
}

/// The declared count of kept pixels, and their values if they are written plainly.
type RawValues = (usize, Option<Vec<u8>>);

/// A body read as far as the entropy coded bytes.
#[derive(Debug)]
struct Opened {
    index: u32,
    frames: usize,
    planes: Vec<Plane>,
    values: Vec<Option<RawValues>>,
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
            .flat_map(|(zone, e)| core::iter::repeat(zone as u8).take(e[1] - e[0]))
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
        let mut bits = LayerBits::default();
        let (frames, bytes, mut planes) = self.start_encoding(segment, &mut bits)?;
        let mut encoder = Encoder::new(bytes);
        self.code(&mut self.start.clone(), &mut encoder, frames, &mut planes)?;
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
        let (frames, bytes, mut planes) = self.start_encoding(segment, &mut bits)?;
        let mut meter = Meter::new(Encoder::new(bytes));
        self.code(&mut self.start.clone(), &mut meter, frames, &mut planes)?;
        bits.add(&layer_bits(&meter.cost));
        Ok((meter.inner.finish(), bits))
    }

    /// Checks the segment and writes what stands before the entropy coded bytes.
    fn start_encoding(
        &self,
        segment: &Segment,
        bits: &mut LayerBits,
    ) -> Result<(usize, Vec<u8>, Vec<Plane>)> {
        let frames = self.check_segment(segment)?;
        let mut bytes = Vec::new();
        // Spec §5.1
        let short = frames != usize::from(self.header.segment_frames);
        put_varint(&mut bytes, u64::from(segment.index) << 1 | u64::from(short));
        if short {
            put_varint(&mut bytes, frames as u64);
        }
        for image in &segment.channels {
            self.write_raw(image, &mut bytes, bits);
        }
        let planes = segment
            .channels
            .iter()
            .map(|image| self.plane_of(image))
            .collect();
        Ok((frames, bytes, planes))
    }

    /// The segment in the body of a SEGM chunk. Offsets in errors count from the body's start.
    ///
    /// # Errors
    /// [`Error::Truncated`] or [`Error::Malformed`] where the body is no segment of this stream,
    /// [`Error::LimitExceeded`] where it is too large.
    pub fn decode(&self, body: &[u8]) -> Result<Segment> {
        let mut opened = self.open(body)?;
        let mut decoder = Decoder::new(&body[opened.coded..]);
        self.code(
            &mut self.start.clone(),
            &mut decoder,
            opened.frames,
            &mut opened.planes,
        )?;
        self.close(opened, &decoder, body)
    }

    /// The same, with what each layer cost.
    ///
    /// # Errors
    /// As [`SegmentCoder::decode`].
    pub fn decode_measured(&self, body: &[u8]) -> Result<(Segment, LayerBits)> {
        let mut opened = self.open(body)?;
        let mut bits = opened.bits;
        let mut meter = Meter::new(Decoder::new(&body[opened.coded..]));
        self.code(
            &mut self.start.clone(),
            &mut meter,
            opened.frames,
            &mut opened.planes,
        )?;
        bits.add(&layer_bits(&meter.cost));
        Ok((self.close(opened, &meter.inner, body)?, bits))
    }

    /// Reads what stands before the entropy coded bytes.
    fn open(&self, body: &[u8]) -> Result<Opened> {
        let mut cursor = Cursor::new(body);
        let (index, frames) = self.read_place(&mut cursor)?;
        let mut bits = LayerBits::default();
        let mut planes = Vec::new();
        let mut values = Vec::new();
        for channel in 0..usize::from(self.header.coded.channels) {
            let raw = self.read_raw(&mut cursor, index, channel, frames, &mut bits)?;
            planes.push(raw.0);
            values.push(raw.1);
        }
        Ok(Opened {
            index,
            frames,
            planes,
            values,
            coded: cursor.at() as usize,
            bits,
        })
    }

    /// Makes a segment of what has been read, if that is all there is.
    fn close(&self, opened: Opened, decoder: &Decoder<'_>, body: &[u8]) -> Result<Segment> {
        if !decoder.is_used_up() {
            return Err(Error::Malformed {
                what: "end of segment",
                at: body.len() as u64,
            });
        }
        let mut channels = Vec::new();
        for (plane, raw) in opened.planes.into_iter().zip(opened.values) {
            let (count, values) = raw.unzip();
            if count.is_some_and(|count| count != plane.kept.iter().filter(|&&q| q != 0).count()) {
                return Err(Error::Malformed {
                    what: "count of kept pixels",
                    at: 0,
                });
            }
            channels.push(self.image_of(plane, opened.frames, values.flatten()));
        }
        Ok(Segment {
            index: opened.index,
            channels,
        })
    }

    /// Runs the coder over a segment only to let `bank` learn from it.
    pub(crate) fn learn(&self, bank: &mut Bank, segment: &Segment) -> Result<LayerBits> {
        let frames = self.check_segment(segment)?;
        let mut planes: Vec<Plane> = segment
            .channels
            .iter()
            .map(|image| self.plane_of(image))
            .collect();
        let mut meter = Meter::new(Null);
        self.code(bank, &mut meter, frames, &mut planes)?;
        Ok(layer_bits(&meter.cost))
    }

    /// The index and the number of frames at the start of a body (Spec §5.1).
    fn read_place(&self, cursor: &mut Cursor<'_>) -> Result<(u32, usize)> {
        let at = cursor.at();
        let place = cursor.varint("segment index")?;
        let index = u32::try_from(place >> 1).map_err(|_| Error::Malformed {
            what: "segment index",
            at,
        })?;
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

    /// Codes everything that is entropy coded, in either direction (Spec §5.3).
    fn code<C: BitCoder>(
        &self,
        bank: &mut Bank,
        coder: &mut C,
        frames: usize,
        planes: &mut [Plane],
    ) -> Result<()> {
        let header = &self.header;
        let bins = self.bins;
        let malformed = |what| Err(Error::Malformed { what, at: 0 });
        if header.mask == MaskKind::RunLength {
            for plane in planes.iter_mut() {
                plain::code_runs(bank, coder, &mut plane.kept, 1)?;
            }
        }
        let mut channels: Vec<Channel> = planes.iter().map(|_| Channel::new(self)).collect();
        let every = header.lattice.map_or(1, |shape| usize::from(shape.every));
        for frame in 0..frames {
            for (channel, plane) in channels.iter_mut().zip(planes.iter_mut()) {
                let row = &mut plane.kept[frame * bins..(frame + 1) * bins];
                if let Some(ridge) = &mut channel.ridge {
                    let threshold = ridge.code_threshold(bank, coder, plane.thresholds[frame]);
                    if threshold > 255 {
                        return malformed("threshold");
                    }
                    plane.thresholds[frame] = threshold as u8;
                }
                if let (Some(lattice), Some(spread)) = (&mut channel.lattice, &self.spread) {
                    if frame % every == 0 {
                        let step = frame / every;
                        let bands = lattice.bands();
                        let column = &mut plane.lattice[step * bands..(step + 1) * bands];
                        let level = channel.ridge.as_ref().map_or(0, ridge::Ridge::floor);
                        if lattice.code_column(bank, coder, column, level) > 255 {
                            return malformed("lattice level");
                        }
                        spread.levels(column, &mut channel.background);
                    }
                } else if let Some(ridge) = &channel.ridge {
                    let level = ridge.floor() - NO_LATTICE_DEPTH;
                    for background in &mut channel.background {
                        *background = level;
                    }
                }
                if let (Some(waveform), Some(ridge)) = (&mut channel.waveform, &channel.ridge) {
                    let count = waveform.coefficients();
                    let row = &mut plane.waveform[frame * count..(frame + 1) * count];
                    if waveform.code_frame(bank, coder, row, ridge.floor()) > MAX_INDEX as u32 {
                        return malformed("waveform index");
                    }
                }
                if let Some(ridge) = &mut channel.ridge {
                    ridge.code_frame(bank, coder, row, &channel.background);
                } else if header.values == ValueCoding::Context {
                    let background = self.spread.as_ref().map(|_| &channel.background[..]);
                    channel.values.code_frame(bank, coder, row, background);
                }
                if row.iter().any(|&q| q > 256) {
                    return malformed("value");
                }
                if let Some(phases) = &mut channel.phases {
                    let angles = &mut plane.angles[frame * bins..(frame + 1) * bins];
                    // Packed values are not known to the coder, so no value is used here for them.
                    match &channel.ridge {
                        Some(ridge) => phases.code_frame(bank, coder, angles, row, ridge.levels()),
                        None => phases.code_frame(bank, coder, angles, row, &channel.background),
                    }
                }
            }
        }
        Ok(())
    }
}

/// Assumed depth of the background below the threshold where there is no lattice, 1/8 dB (Spec §5.3).
const NO_LATTICE_DEPTH: i32 = 96;

/// The state of one channel while a segment is coded.
#[derive(Debug)]
struct Channel {
    ridge: Option<ridge::Ridge>,
    values: plain::PlainValues,
    lattice: Option<lattice::Lattice>,
    waveform: Option<waveform::Waveform>,
    phases: Option<phases::PhaseCoder>,
    /// Level of the background at every bin, 1/8 dB above the origin.
    background: Vec<i32>,
}

impl Channel {
    fn new(coder: &SegmentCoder) -> Self {
        let (header, bins) = (&coder.header, coder.bins);
        let step = header.quantiser.step;
        Channel {
            ridge: match header.mask {
                MaskKind::Ridge { threshold_step } => Some(ridge::Ridge::new(
                    bins,
                    header.covered_bins(),
                    coder.zones.clone(),
                    threshold_step,
                    step,
                )),
                _ => None,
            },
            values: plain::PlainValues::new(bins, step),
            lattice: header.lattice.map(|shape| lattice::Lattice::new(&shape)),
            waveform: header
                .waveform
                .map(|shape| waveform::Waveform::new(usize::from(shape.coefficients))),
            phases: match header.phase {
                PhaseKind::None => None,
                PhaseKind::Thresholded { bits, .. } => {
                    Some(phases::PhaseCoder::new(bins, bits, true))
                }
                PhaseKind::All { bits } => Some(phases::PhaseCoder::new(bins, bits, false)),
            },
            background: vec![0; bins],
        }
    }
}
