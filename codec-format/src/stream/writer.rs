//! Streams out (Spec §3).

use crate::bytes::put_varint;
use crate::chunk::{put_chunk, HEAD, META, MODL, SEEK, SEGM, SIGNATURE, TAIL};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::limits::{check, Limits};
use crate::metadata::Metadata;
use crate::segment::{LayerBits, SegmentCoder};
use crate::stream::seek::{self, SeekPoint};
use crate::symbols::Segment;
use alloc::vec::Vec;

/// Writes one stream from front to back, never seeking: every method appends to the vector it is
/// given, which the caller may drain in between.
#[derive(Debug)]
pub struct StreamWriter {
    coder: SegmentCoder,
    limits: Limits,
    /// Bytes written so far.
    position: u64,
    points: Vec<SeekPoint>,
    next: u32,
    /// Frames of all segments so far.
    frames: u64,
    short: bool,
}

impl StreamWriter {
    /// Starts a stream: signature and header.
    ///
    /// # Errors
    /// Those of [`Header::validate`].
    pub fn new(header: &Header, limits: &Limits, out: &mut Vec<u8>) -> Result<Self> {
        let coder = SegmentCoder::new(header, limits)?;
        let mut writer = StreamWriter {
            coder,
            limits: *limits,
            position: 0,
            points: Vec::new(),
            next: 0,
            frames: 0,
            short: false,
        };
        out.extend_from_slice(&SIGNATURE);
        writer.position += SIGNATURE.len() as u64;
        writer.chunk(HEAD, &header.write(), out);
        Ok(writer)
    }

    fn chunk(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        put_chunk(out, kind, body);
        self.position += (out.len() - start) as u64;
    }

    /// Writes comments. A stream may carry several sets, the first one counts.
    ///
    /// # Errors
    /// [`Error::Usage`] for a key that is not printable ASCII, [`Error::LimitExceeded`].
    pub fn metadata(&mut self, metadata: &Metadata, out: &mut Vec<u8>) -> Result<()> {
        let body = metadata.write(&self.limits)?;
        self.chunk(META, &body, out);
        Ok(())
    }

    /// Embeds a model file.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for one that is too long.
    pub fn model(&mut self, file: &[u8], out: &mut Vec<u8>) -> Result<()> {
        check(
            "model bytes",
            file.len() as u64,
            self.limits.model_bytes as u64,
        )?;
        self.chunk(MODL, file, out);
        Ok(())
    }

    /// Writes the next segment; says what each layer cost.
    ///
    /// # Errors
    /// Those of [`SegmentCoder::encode`]; [`Error::Usage`] where segments come out of order, after a
    /// short one, or beyond the header's sample count.
    pub fn segment(&mut self, segment: &Segment, out: &mut Vec<u8>) -> Result<LayerBits> {
        let (body, bits) = self.coder.encode_measured(segment)?;
        self.coded(segment, &body, out)?;
        Ok(bits)
    }

    /// Writes the next segment, whose body [`SegmentCoder::encode`] gave for this header before.
    ///
    /// # Errors
    /// As [`StreamWriter::segment`].
    pub fn coded(&mut self, segment: &Segment, body: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if segment.index != self.next {
            return Err(Error::Usage {
                what: "segments out of order",
            });
        }
        if self.short {
            return Err(Error::Usage {
                what: "segment after a short one",
            });
        }
        check(
            "segment bytes",
            body.len() as u64,
            self.limits.segment_bytes as u64,
        )?;
        let header = self.coder.header();
        let frames = segment.frames();
        if let Some(total) = header.total_samples {
            let left = header.frames_for(total).saturating_sub(self.frames);
            if frames as u64 != left.min(u64::from(header.segment_frames)) {
                return Err(Error::Usage {
                    what: "segment frames do not follow from the sample count",
                });
            }
        }
        self.short = frames < usize::from(header.segment_frames);
        self.frames += frames as u64;
        self.points.push(SeekPoint {
            segment: self.next,
            offset: self.position,
        });
        self.next += 1;
        self.chunk(SEGM, body, out);
        Ok(())
    }

    /// Writes an index of the segments written so far.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more segments than a reader takes.
    pub fn seek_index(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let body = seek::write(&self.points, &self.limits)?;
        self.chunk(SEEK, &body, out);
        Ok(())
    }

    /// Bytes written so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Ends the stream. `total` is the number of source samples per channel; where the header left
    /// it open, the trailer gets it. Returns the length of the stream in bytes.
    ///
    /// # Errors
    /// [`Error::Usage`] where `total` is not the header's or the segments written are not those it takes.
    pub fn finish(mut self, total: u64, out: &mut Vec<u8>) -> Result<u64> {
        check("total samples", total, self.limits.total_samples)?;
        let header = self.coder.header();
        if header.total_samples.is_some_and(|known| known != total) {
            return Err(Error::Usage {
                what: "sample count differs from the header's",
            });
        }
        if header.frames_for(total) != self.frames {
            return Err(Error::Usage {
                what: "segments do not cover the sample count",
            });
        }
        if header.total_samples.is_none() {
            let mut body = Vec::new();
            put_varint(&mut body, total);
            self.chunk(TAIL, &body, out);
        }
        Ok(self.position)
    }
}
