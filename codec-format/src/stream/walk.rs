//! Streams that lie in memory as a whole, read without a heap.

use crate::bytes::Cursor;
use crate::error::{Error, Result};
use crate::limits::{check, Limits};
use crate::stream::chunk::{
    describe, span_at, ChunkSpan, ANCILLARY, HEAD, META, MODL, SEEK, SEGM, SIGNATURE, TAIL,
};
use crate::stream::header::Header;
use crate::stream::reader::{longest_body, RESYNC_BODY};

/// What sound needs of a stream's chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// The header: always first.
    Header(Header),
    /// An embedded model file, the one the header names or another, not yet looked into.
    Model(&'a [u8]),
    /// The body of a segment's chunk, for [`SegmentDecoder::decode`](crate::SegmentDecoder::decode).
    Segment {
        /// Byte offset of the body in the stream.
        at: u64,
        /// The body.
        body: &'a [u8],
    },
    /// What the trailer says: samples per channel at the source's rate.
    Total(u64),
}

/// The chunks of a stream that lies in memory, one after the other (Spec §3). Takes no memory.
///
/// An error before the header is the last item. Behind it, an error says that something was damaged, and the next item is
/// the next sound chunk, as [`StreamReader`](crate::StreamReader) finds it. What lies between chunks is the caller's: that
/// segments come in order, and that none is missing.
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    limits: Limits,
    stream: &'a [u8],
    /// Where the next chunk begins.
    next: usize,
    /// The header's count of samples, once it has been read.
    header: Option<Option<u64>>,
    /// Damage was met, so that the next sound chunk has yet to be found.
    lost: bool,
    ended: bool,
    /// Bytes the search may still hash.
    budget: u64,
}

impl<'a> Chunks<'a> {
    /// The chunks of this stream.
    #[must_use]
    pub fn new(stream: &'a [u8], limits: &Limits) -> Self {
        Chunks {
            limits: *limits,
            stream,
            next: 0,
            header: None,
            lost: false,
            ended: false,
            budget: limits.resync_bytes,
        }
    }

    /// What comes next; nothing at the end.
    fn step(&mut self) -> Result<Option<Chunk<'a>>> {
        if self.next == 0 {
            let there = self.stream.len().min(SIGNATURE.len());
            if self.stream[..there] != SIGNATURE[..there] {
                return Err(Error::Malformed {
                    what: "signature",
                    at: 0,
                });
            }
            if there < SIGNATURE.len() {
                return Err(self.truncated("signature"));
            }
            self.next = there;
        }
        if core::mem::take(&mut self.lost) {
            self.find_sound();
        }
        loop {
            let (at, rest) = (self.next as u64, &self.stream[self.next..]);
            if rest.is_empty() {
                return match self.header {
                    Some(_) => Ok(None),
                    None => Err(self.truncated("HEAD")),
                };
            }
            // Only what is wrong with a chunk as such is damage; what a sound one says may be past help.
            self.lost = self.header.is_some();
            let span = self.span(rest).map_err(|error| error.offset_by(at))?;
            self.lost = false;
            self.next += span.size();
            if let Some(chunk) = self.read(span, span.body_in(rest), at)? {
                return Ok(Some(chunk));
            }
        }
    }

    /// The sound chunk at the start of `rest`; offsets in errors count from there.
    fn span(&self, rest: &[u8]) -> Result<ChunkSpan> {
        let found = span_at(rest, |kind| longest_body(kind, &self.limits))?;
        let what = found.map_or("chunk", |span| describe(span.kind).0);
        let at = rest.len() as u64;
        let whole = found.filter(|span| span.size() <= rest.len());
        let span = whole.ok_or(Error::Truncated { what, at })?;
        if span.is_sound(rest) {
            Ok(span)
        } else {
            Err(Error::Corrupt { what, at: 0 })
        }
    }

    fn truncated(&self, what: &'static str) -> Error {
        let at = self.stream.len() as u64;
        Error::Truncated { what, at }
    }

    /// What is in a sound chunk, if it is any of the caller's business.
    fn read(&mut self, span: ChunkSpan, body: &'a [u8], at: u64) -> Result<Option<Chunk<'a>>> {
        let body_at = at + span.body as u64;
        let place = |error: Error| error.offset_by(body_at);
        if (span.kind == HEAD) == self.header.is_some() {
            return Err(Error::Malformed {
                what: "place of the header",
                at,
            });
        }
        match span.kind {
            HEAD => {
                let header = Header::read(body, &self.limits).map_err(place)?;
                self.header = Some(header.total_samples);
                Ok(Some(Chunk::Header(header)))
            }
            MODL => Ok(Some(Chunk::Model(body))),
            SEGM => Ok(Some(Chunk::Segment { at: body_at, body })),
            TAIL => {
                let mut cursor = Cursor::new(body);
                let total = cursor.varint("total samples").map_err(place)?;
                cursor.end("end of trailer").map_err(place)?;
                check("total samples", total, self.limits.total_samples)
                    .map_err(|error| error.found_at(body_at))?;
                if self.header.flatten().is_some_and(|known| known != total) {
                    return Err(Error::Malformed {
                        what: "total samples",
                        at: body_at,
                    });
                }
                Ok(Some(Chunk::Total(total)))
            }
            kind if kind & ANCILLARY != 0 => Ok(None),
            kind => Err(Error::Unsupported {
                what: "critical chunk",
                value: u64::from(kind),
                at,
            }),
        }
    }

    /// Goes on to the next sound chunk of a known type behind the damage, or to the end.
    fn find_sound(&mut self) {
        for next in self.next + 1..self.stream.len() {
            let rest = &self.stream[next..];
            if !matches!(rest[0], SEGM | META | MODL | SEEK | TAIL) {
                continue;
            }
            let longest = |kind| longest_body(kind, &self.limits).min(RESYNC_BODY);
            if let Ok(Some(span)) = span_at(rest, longest) {
                if span.size() > rest.len() {
                    continue;
                }
                let cost = span.size() as u64;
                if cost > self.budget {
                    break;
                }
                self.budget -= cost;
                if span.is_sound(rest) {
                    self.next = next;
                    return;
                }
            }
        }
        self.next = self.stream.len();
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let found = self.step();
        self.ended = matches!(found, Ok(None)) || found.is_err() && !self.lost;
        found.transpose()
    }
}
