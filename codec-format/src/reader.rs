//! Streams in, pushed in pieces of any size (Spec §3.8).

use crate::bytes::Cursor;
use crate::chunk::{
    describe, frame_at, Frame, ANCILLARY, HEAD, META, MODL, SEEK, SEGM, SIGNATURE, TAIL,
};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::limits::{check, Limits};
use crate::metadata::Metadata;
use crate::segment::SegmentCoder;
use crate::symbols::Segment;
use crate::writer::SeekPoint;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What a stream tells, in its order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The header: always first.
    Header(Box<Header>),
    /// Comments.
    Metadata(Metadata),
    /// An embedded model file, not yet looked into.
    Model(Vec<u8>),
    /// A segment. Its index exceeds the one before by more than one where segments were lost.
    Segment(Segment),
    /// Something between the segments before and after could not be used. Reading goes on.
    DamagedSegment {
        /// Index of the segment that was expected here.
        index: u32,
        /// Byte offset where the damage begins.
        at: u64,
        /// What is wrong.
        error: Error,
    },
    /// The seek index. Its offsets are only as good as the file: check what lies there.
    SeekIndex(Vec<SeekPoint>),
    /// The stream is complete.
    End {
        /// Samples per channel at the source's rate.
        total: u64,
    },
}

/// Longest body believed while looking for the next sound chunk after damage.
const RESYNC_BODY: usize = 64 << 10;

/// A push parser: bytes in, events out.
///
/// Call [`push`](Self::push) with whatever arrives and [`next_event`](Self::next_event) until it has
/// none; after the last byte [`finish`](Self::finish) and `next_event` again, until
/// [`Event::End`] or an error. Memory is bounded by the pushed bytes not yet consumed and one chunk
/// within the limits; nothing is reserved for a declared length.
#[derive(Debug)]
pub struct StreamReader {
    limits: Limits,
    buffer: Vec<u8>,
    /// First byte of the buffer not consumed yet.
    start: usize,
    /// Offset of the buffer's first byte in the stream.
    base: u64,
    signature_seen: bool,
    coder: Option<SegmentCoder>,
    next: u32,
    short: bool,
    total: Option<u64>,
    /// While looking for the next sound chunk: where the search has come to, from `start`, and why.
    searching: Option<(usize, Error)>,
    /// Bytes the search may still hash.
    search_budget: u64,
    finished: bool,
    ended: bool,
    failed: Option<Error>,
}

impl StreamReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        StreamReader {
            limits: *limits,
            buffer: Vec::new(),
            start: 0,
            base: 0,
            signature_seen: false,
            coder: None,
            next: 0,
            short: false,
            total: None,
            searching: None,
            search_budget: limits.resync_bytes,
            finished: false,
            ended: false,
            failed: None,
        }
    }

    /// Takes the next bytes of the stream; none count after [`finish`](Self::finish).
    pub fn push(&mut self, bytes: &[u8]) {
        if self.finished || self.failed.is_some() {
            return;
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.base += self.start as u64;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that the stream has no more bytes.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The header, once it has been read.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.coder.as_ref().map(SegmentCoder::header)
    }

    /// The next event; `None` while more bytes are needed, and after [`Event::End`].
    ///
    /// # Errors
    /// Whatever makes reading on pointless; it is returned again by every later call. Damage behind
    /// the header is reported as an event instead.
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.ended {
            return Ok(None);
        }
        let event = self.step();
        match event {
            Ok(Some(Event::End { .. })) => self.ended = true,
            Err(error) => {
                self.failed = Some(error);
                self.buffer = Vec::new();
                self.start = 0;
            }
            _ => {}
        }
        event
    }

    /// Offset in the stream of the first byte not consumed.
    fn at(&self) -> u64 {
        self.base + self.start as u64
    }

    fn step(&mut self) -> Result<Option<Event>> {
        if !self.signature_seen {
            // Spec §3.1. A wrong byte is known before all eight are there.
            let there = self.buffer.len().min(SIGNATURE.len());
            if self.buffer[..there] != SIGNATURE[..there] {
                return Err(Error::Malformed {
                    what: "signature",
                    at: 0,
                });
            }
            if there < SIGNATURE.len() {
                return self.starved("signature");
            }
            self.signature_seen = true;
            self.start = there;
        }
        loop {
            if let Some((from, error)) = self.searching {
                return self.search(from, error);
            }
            let at = self.at();
            let limits = self.limits;
            let unread = &self.buffer[self.start..];
            if self.finished && unread.is_empty() {
                return self.end().map(Some);
            }
            // Spec §3.2
            let frame = match frame_at(unread, |kind| longest_body(kind, &limits)) {
                Ok(Some(frame)) if frame.size() <= unread.len() => frame,
                Ok(frame) => {
                    if self.finished && self.coder.is_some() {
                        // Cut short, or a damaged length that points beyond the end.
                        let what = frame.map_or("chunk", |frame| describe(frame.kind).0);
                        let at = self.base + self.buffer.len() as u64;
                        self.searching = Some((1, Error::Truncated { what, at }));
                        continue;
                    }
                    return self.starved(frame.map_or("chunk", |frame| describe(frame.kind).0));
                }
                Err(error) => {
                    self.damage(error.offset_by(at))?;
                    continue;
                }
            };
            let name = describe(frame.kind).0;
            if !frame.is_sound(unread) {
                self.damage(Error::Corrupt { what: name, at })?;
                continue;
            }
            let body_at = at + frame.body as u64;
            let body = frame.body_in(unread);
            let event = self.read_chunk(frame, body.to_vec(), at, body_at)?;
            self.start += frame.size();
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Before the header nothing can be saved; behind it, look for the next sound chunk.
    fn damage(&mut self, error: Error) -> Result<()> {
        if self.coder.is_none() {
            return Err(error);
        }
        self.searching = Some((1, error));
        Ok(())
    }

    fn starved(&self, what: &'static str) -> Result<Option<Event>> {
        if self.finished {
            return Err(Error::Truncated {
                what,
                at: self.base + self.buffer.len() as u64,
            });
        }
        Ok(None)
    }

    /// Looks for the next sound chunk of a known type, from `from` bytes behind the damage.
    fn search(&mut self, mut from: usize, error: Error) -> Result<Option<Event>> {
        let limits = self.limits;
        loop {
            let unread = &self.buffer[self.start..];
            let rest = unread.get(from..).unwrap_or(&[]);
            if rest.is_empty() {
                if self.finished {
                    return self.lost_to_the_end(error);
                }
                self.searching = Some((from, error));
                return Ok(None);
            }
            let known = matches!(rest[0], SEGM | META | MODL | SEEK | TAIL);
            let frame = if known {
                frame_at(rest, |kind| longest_body(kind, &limits).min(RESYNC_BODY))
            } else {
                Ok(Some(Frame {
                    kind: 0,
                    body: usize::MAX / 2,
                    length: 0,
                }))
            };
            match frame {
                Ok(Some(frame)) if frame.size() <= rest.len() => {
                    let cost = frame.size() as u64;
                    if cost > self.search_budget {
                        return Err(error);
                    }
                    self.search_budget -= cost;
                    if frame.is_sound(rest) {
                        let at = self.at();
                        self.start += from;
                        self.searching = None;
                        return Ok(Some(Event::DamagedSegment {
                            index: self.next,
                            at,
                            error,
                        }));
                    }
                }
                // It may yet turn out sound.
                Ok(frame) if known && !self.finished => {
                    let _ = frame;
                    self.searching = Some((from, error));
                    return Ok(None);
                }
                _ => {}
            }
            from += 1;
        }
    }

    /// Nothing sound follows the damage.
    fn lost_to_the_end(&mut self, error: Error) -> Result<Option<Event>> {
        self.searching = None;
        self.start = self.buffer.len();
        if let Error::Truncated { .. } = error {
            return Err(error);
        }
        Ok(Some(Event::DamagedSegment {
            index: self.next,
            at: self.at(),
            error,
        }))
    }

    /// The end of the input: is everything there?
    fn end(&mut self) -> Result<Event> {
        let at = self.at();
        let truncated = |what| Err(Error::Truncated { what, at });
        let coder = match &self.coder {
            Some(coder) => coder,
            None => return truncated("HEAD"),
        };
        let total = match coder.header().total_samples.or(self.total) {
            Some(total) => total,
            None => return truncated("TAIL"),
        };
        if u64::from(self.next) < coder.header().segments_for(total) {
            return truncated("segments");
        }
        Ok(Event::End { total })
    }

    fn read_chunk(
        &mut self,
        frame: Frame,
        body: Vec<u8>,
        at: u64,
        body_at: u64,
    ) -> Result<Option<Event>> {
        let place = |error: Error| error.offset_by(body_at);
        let kind = frame.kind;
        if (kind == HEAD) != self.coder.is_none() {
            return Err(Error::Malformed {
                what: "place of the header",
                at,
            });
        }
        match kind {
            HEAD => {
                let header = Header::read(&body, &self.limits).map_err(place)?;
                self.coder = Some(SegmentCoder::new(&header, &self.limits)?);
                Ok(Some(Event::Header(Box::new(header))))
            }
            META => Ok(match Metadata::read(&body, &self.limits) {
                Ok(metadata) => Some(Event::Metadata(metadata)),
                // Nothing that is heard depends on it.
                Err(_) => None,
            }),
            MODL => Ok(Some(Event::Model(body))),
            SEEK => Ok(read_seek_index(&body, &self.limits)
                .ok()
                .map(Event::SeekIndex)),
            SEGM => Ok(self.read_segment(&body, at, body_at)),
            TAIL => {
                let mut cursor = Cursor::new(&body);
                let total = cursor.varint("total samples").map_err(place)?;
                cursor.end("end of trailer").map_err(place)?;
                check("total samples", total, self.limits.total_samples)?;
                let known = self
                    .header()
                    .and_then(|header| header.total_samples)
                    .or(self.total);
                if known.map_or(false, |known| known != total) {
                    return Err(Error::Malformed {
                        what: "total samples",
                        at,
                    });
                }
                if self.header().map_or(0, |header| header.segments_for(total))
                    < u64::from(self.next)
                {
                    return Err(Error::Malformed {
                        what: "total samples",
                        at,
                    });
                }
                self.total = Some(total);
                Ok(None)
            }
            _ if kind & ANCILLARY != 0 => Ok(None),
            _ => Err(Error::Unsupported {
                what: "critical chunk",
                value: u64::from(kind),
                at,
            }),
        }
    }

    fn read_segment(&mut self, body: &[u8], at: u64, body_at: u64) -> Option<Event> {
        let coder = self.coder.as_ref()?;
        let header = coder.header();
        let expected = self.next;
        let damaged = |error| {
            Some(Event::DamagedSegment {
                index: expected,
                at,
                error,
            })
        };
        let segment = match coder.decode(body) {
            Ok(segment) => segment,
            Err(error) => return damaged(error.offset_by(body_at)),
        };
        let malformed = |what| damaged(Error::Malformed { what, at: body_at });
        let index = segment.index;
        if index < self.next || index == u32::MAX || self.short {
            return malformed("segment index");
        }
        let frames = segment.channels.first().map_or(0, |image| image.frames) as u64;
        let length = u64::from(header.segment_frames);
        if let Some(total) = header.total_samples.or(self.total) {
            let left = header
                .frames_for(total)
                .saturating_sub(u64::from(index) * length);
            if left == 0 {
                return malformed("segment index");
            }
            if frames != left.min(length) {
                return malformed("segment frames");
            }
        }
        self.short = frames < length;
        self.next = index + 1;
        Some(Event::Segment(segment))
    }
}

/// Longest body of a chunk type. A header is short; unknown types are skipped but not without end.
fn longest_body(kind: u8, limits: &Limits) -> usize {
    match kind {
        HEAD => 256,
        META => limits.metadata_bytes,
        SEGM => limits.segment_bytes,
        SEEK => 1 + limits.seek_entries.saturating_mul(20),
        MODL => limits.model_bytes,
        TAIL => 16,
        _ => limits.skipped_bytes,
    }
}

/// Spec §3.5
fn read_seek_index(body: &[u8], limits: &Limits) -> Result<Vec<SeekPoint>> {
    let mut cursor = Cursor::new(body);
    let count = cursor.varint("seek entries")?;
    check("seek entries", count, limits.seek_entries as u64)?;
    let mut points = Vec::new();
    let (mut segment, mut offset) = (0u64, 0u64);
    for _ in 0..count {
        let at = cursor.at();
        segment = segment.saturating_add(cursor.varint("seek segment")?);
        offset = offset.saturating_add(cursor.varint("seek offset")?);
        let segment = u32::try_from(segment).map_err(|_| Error::Malformed {
            what: "seek segment",
            at,
        })?;
        points.push(SeekPoint { segment, offset });
    }
    cursor.end("end of seek index")?;
    Ok(points)
}
