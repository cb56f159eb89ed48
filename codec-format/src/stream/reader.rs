//! Streams in, pushed in pieces of any size (Spec §3.8).

use crate::bytes::Cursor;
use crate::error::{rule, Error, Result};
use crate::limits::{check, Limits};
use crate::segment::SegmentCoder;
use crate::stream::chunk::{
    describe, span_at, ANCILLARY, HEAD, META, MODL, SEEK, SEGM, SIGNATURE, TAIL,
};
use crate::stream::header::{Header, ModelId};
use crate::stream::metadata::Metadata;
use crate::stream::seek::{self, SeekPoint};
use crate::symbols::Segment;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What a stream tells, in its order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The header: always first.
    Header(Box<Header>),
    /// Comments: of several sets the first.
    Metadata(Metadata),
    /// The embedded model file that the header names, not yet looked into. Any other is ignored.
    Model(Vec<u8>),
    /// A segment. Its index exceeds the one before by more than one where segments were lost.
    Segment(Segment),
    /// Something between the segments before and after, or behind the last one, could not be used. Reading goes on.
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
    /// The stream is complete. Segments from the last one seen to the last that `total` takes
    /// ([`Header::segments_for`]) are lost; a [`DamagedSegment`](Event::DamagedSegment) told of them before.
    End {
        /// Samples per channel at the source's rate.
        total: u64,
    },
}

/// Longest body believed while looking for the next sound chunk after damage.
pub(super) const RESYNC_BODY: usize = 64 << 10;

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
    /// What has been seen that counts but once.
    metadata_seen: bool,
    model_seen: bool,
    /// Segments before are left out.
    first: u32,
    /// Index behind the last sound segment, sound segments so far, and frames up to the last one's end.
    next: u32,
    found: u64,
    frames: u64,
    /// The last sound segment was short, so that none may follow.
    short: bool,
    /// Damage was reported since the last sound segment.
    damaged: bool,
    /// What TAIL says.
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
            metadata_seen: false,
            model_seen: false,
            first: 0,
            next: 0,
            found: 0,
            frames: 0,
            short: false,
            damaged: false,
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

    /// Leaves out the segments before `first`: their bytes and their places are checked, but no event is made of them, and
    /// no time is spent on their symbols.
    pub fn skip_to(&mut self, first: u32) {
        self.first = first;
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
            Ok(Some(Event::DamagedSegment { .. })) => self.damaged = true,
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
            let span = match span_at(unread, |kind| longest_body(kind, &limits)) {
                Ok(Some(span)) if span.size() <= unread.len() => span,
                Ok(span) => {
                    let what = span.map_or("chunk", |span| describe(span.kind).0);
                    if self.finished && self.coder.is_some() {
                        // Cut short, or a damaged length that points beyond the end.
                        let at = self.base + self.buffer.len() as u64;
                        self.searching = Some((1, Error::Truncated { what, at }));
                        continue;
                    }
                    return self.starved(what);
                }
                Err(error) => {
                    self.damage(error.offset_by(at))?;
                    continue;
                }
            };
            if !span.is_sound(unread) {
                let what = describe(span.kind).0;
                self.damage(Error::Corrupt { what, at })?;
                continue;
            }
            let body = span.body_in(unread).to_vec();
            let event = self.read_chunk(span.kind, body, at, at + span.body as u64)?;
            self.start += span.size();
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
            if matches!(rest[0], SEGM | META | MODL | SEEK | TAIL) {
                match span_at(rest, |kind| longest_body(kind, &limits).min(RESYNC_BODY)) {
                    Ok(Some(span)) if span.size() <= rest.len() => {
                        let cost = span.size() as u64;
                        if cost > self.search_budget {
                            return Err(error);
                        }
                        self.search_budget -= cost;
                        if span.is_sound(rest) {
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
                    Ok(_) if !self.finished => {
                        self.searching = Some((from, error));
                        return Ok(None);
                    }
                    _ => {}
                }
            }
            from += 1;
        }
    }

    /// Nothing sound follows the damage.
    fn lost_to_the_end(&mut self, error: Error) -> Result<Option<Event>> {
        let at = self.at();
        self.searching = None;
        self.start = self.buffer.len();
        if let Error::Truncated { .. } = error {
            return Err(error);
        }
        Ok(Some(Event::DamagedSegment {
            index: self.next,
            at,
            error,
        }))
    }

    /// The end of the input: is everything there?
    fn end(&mut self) -> Result<Event> {
        let at = self.at();
        let Some(coder) = &self.coder else {
            return Err(Error::Truncated { what: "HEAD", at });
        };
        let header = coder.header();
        let Some(total) = header.total_samples.or(self.total) else {
            return Err(Error::Truncated { what: "TAIL", at });
        };
        let segments = header.segments_for(total);
        let missing = Error::Truncated {
            what: "segments",
            at,
        };
        match segments.saturating_sub(u64::from(self.next)) {
            0 => Ok(Event::End { total }),
            _ if self.damaged => {
                self.check_lost(segments)
                    .map_err(|error| error.found_at(at))?;
                Ok(Event::End { total })
            }
            // TAIL ends the stream, so that nothing was cut off behind it.
            _ if self.total.is_some() => Ok(Event::DamagedSegment {
                index: self.next,
                at,
                error: missing,
            }),
            _ => Err(missing),
        }
    }

    /// Holds the segments lost of the first `segments` against the limit: a few bytes must not claim hours.
    fn check_lost(&self, segments: u64) -> Result<()> {
        check(
            "lost segments",
            segments - self.found,
            self.limits.lost_segments.saturating_add(10 * self.found),
        )
    }

    fn read_chunk(
        &mut self,
        kind: u8,
        body: Vec<u8>,
        at: u64,
        body_at: u64,
    ) -> Result<Option<Event>> {
        let place = |error: Error| error.offset_by(body_at);
        let Some(coder) = &self.coder else {
            if kind != HEAD {
                return Err(Error::Malformed {
                    what: "place of the header",
                    at,
                });
            }
            let header = Header::read(&body, &self.limits).map_err(place)?;
            self.coder = Some(SegmentCoder::new(&header, &self.limits)?);
            return Ok(Some(Event::Header(Box::new(header))));
        };
        let header = coder.header();
        match kind {
            HEAD => Err(Error::Malformed {
                what: "place of the header",
                at,
            }),
            // Nothing that is heard depends on META and SEEK: broken ones are ignored.
            META if !self.metadata_seen => {
                let metadata = Metadata::read(&body, &self.limits).ok();
                self.metadata_seen = metadata.is_some();
                Ok(metadata.map(Event::Metadata))
            }
            SEEK => Ok(seek::read(&body, &self.limits).ok().map(Event::SeekIndex)),
            MODL => {
                let wanted = !self.model_seen && self.found == 0;
                self.model_seen |= wanted && header.model == Some(ModelId::of(&body));
                Ok((wanted && self.model_seen).then_some(Event::Model(body)))
            }
            SEGM => Ok(self.read_segment(&body, at, body_at)),
            TAIL => {
                let mut cursor = Cursor::new(&body);
                let total = cursor.varint("total samples").map_err(place)?;
                cursor.end("end of trailer").map_err(place)?;
                check("total samples", total, self.limits.total_samples)
                    .map_err(|error| error.found_at(body_at))?;
                let known = header.total_samples.or(self.total);
                let frames = header.frames_for(total);
                if known.is_some_and(|known| known != total)
                    || frames < self.frames
                    || self.short && frames > self.frames
                {
                    return Err(Error::Malformed {
                        what: "total samples",
                        at: body_at,
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

    /// The segment in a sound SEGM chunk, or what is wrong with it; nothing if it is to be left out.
    fn read_segment(&mut self, body: &[u8], at: u64, body_at: u64) -> Option<Event> {
        let index = self.next;
        match self.accept(body) {
            Ok(segment) => segment.map(Event::Segment),
            Err(error) => Some(Event::DamagedSegment {
                index,
                at,
                error: error.found_at(0).offset_by(body_at),
            }),
        }
    }

    /// Checks a segment's place in the stream (Spec §4.3) and decodes it.
    fn accept(&mut self, body: &[u8]) -> Result<Option<Segment>> {
        let Some(coder) = &self.coder else {
            return Ok(None);
        };
        let header = coder.header();
        let (index, frames) = coder.place(body)?;
        rule(
            index >= self.next && index < u32::MAX && !self.short,
            "segment index",
        )?;
        let length = u64::from(header.segment_frames);
        let (first, frames) = (u64::from(index) * length, frames as u64);
        if let Some(total) = header.total_samples.or(self.total) {
            let left = header.frames_for(total).saturating_sub(first);
            rule(left > 0, "segment index")?;
            rule(frames == left.min(length), "segment frames")?;
        }
        self.check_lost(u64::from(index))?;
        let segment = (index >= self.first)
            .then(|| coder.decode(body))
            .transpose()?;
        self.short = frames < length;
        self.next = index + 1;
        self.found += 1;
        self.frames = first + frames;
        self.damaged = false;
        Ok(segment)
    }
}

/// Longest body of a chunk type. A header is short; unknown types are skipped but not without end.
pub(super) fn longest_body(kind: u8, limits: &Limits) -> usize {
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
