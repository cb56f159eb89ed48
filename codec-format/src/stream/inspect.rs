//! What lies where in a stream, for people: nothing here is needed to decode.

use crate::chunk::{describe, span_at, ANCILLARY, HEAD, SEGM, SIGNATURE};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::limits::Limits;
use crate::segment::{LayerBits, SegmentCoder};
use alloc::vec::Vec;

/// One chunk of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Name of its type in the specification.
    pub name: &'static str,
    /// The section of the specification that describes it.
    pub section: &'static str,
    /// Its type byte.
    pub kind: u8,
    /// Byte offset of the chunk in the stream.
    pub offset: u64,
    /// Bytes of the whole chunk: type, length, body and checksum.
    pub size: u64,
    /// Whether its checksum is right.
    pub sound: bool,
    /// Of a SEGM chunk that decodes: what is inside.
    pub segment: Option<SegmentInfo>,
}

impl ChunkInfo {
    /// Whether a reader that does not know the type must give up.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.kind & ANCILLARY == 0
    }
}

/// The inside of a SEGM chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Position in the stream, from 0.
    pub index: u32,
    /// Frames.
    pub frames: usize,
    /// Kept pixels over all channels.
    pub kept: usize,
    /// Pixels over all channels.
    pub pixels: usize,
    /// What each layer costs.
    pub bits: LayerBits,
}

/// The chunks of a whole stream held in memory, up to its end or the first length that cannot be.
/// The signature counts as an entry of its own.
///
/// # Errors
/// [`Error::Malformed`] where `stream` is no `.sparc` stream, and the header's own errors.
pub fn layout(stream: &[u8], limits: &Limits) -> Result<Vec<ChunkInfo>> {
    if !stream.starts_with(&SIGNATURE) {
        return Err(Error::Malformed {
            what: "signature",
            at: 0,
        });
    }
    let mut chunks = Vec::new();
    chunks.push(ChunkInfo {
        name: "signature",
        section: "3.1",
        kind: SIGNATURE[0],
        offset: 0,
        size: SIGNATURE.len() as u64,
        sound: true,
        segment: None,
    });
    let mut at = SIGNATURE.len();
    let mut coder: Option<SegmentCoder> = None;
    while let Ok(Some(span)) = span_at(&stream[at..], |_| usize::MAX / 2) {
        let rest = &stream[at..];
        if span.size() > rest.len() {
            break;
        }
        let sound = span.is_sound(rest);
        let body = span.body_in(rest);
        if span.kind == HEAD && sound && coder.is_none() {
            let header =
                Header::read(body, limits).map_err(|e| e.offset_by((at + span.body) as u64))?;
            coder = Some(SegmentCoder::new(&header, limits)?);
        }
        let segment = match &coder {
            Some(coder) if span.kind == SEGM && sound => coder.decode_measured(body).ok(),
            _ => None,
        };
        let (name, section) = describe(span.kind);
        chunks.push(ChunkInfo {
            name,
            section,
            kind: span.kind,
            offset: at as u64,
            size: span.size() as u64,
            sound,
            segment: segment.map(|(segment, bits)| SegmentInfo {
                index: segment.index,
                frames: segment.frames(),
                kept: segment
                    .channels
                    .iter()
                    .map(|image| image.values().len())
                    .sum(),
                pixels: segment
                    .channels
                    .iter()
                    .map(|image| image.mask().len())
                    .sum(),
                bits,
            }),
        });
        at += span.size();
    }
    Ok(chunks)
}
