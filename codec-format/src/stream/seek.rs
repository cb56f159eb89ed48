//! The seek index: where segments begin (Spec §3.5).

use crate::bytes::{put_varint, Cursor};
use crate::error::{Error, Result};
use crate::limits::{check, Limits};
use alloc::vec::Vec;

/// Where a segment's chunk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeekPoint {
    /// The segment.
    pub segment: u32,
    /// Byte offset of its chunk in the stream.
    pub offset: u64,
}

/// The body of a SEEK chunk.
pub(crate) fn write(points: &[SeekPoint], limits: &Limits) -> Result<Vec<u8>> {
    check(
        "seek entries",
        points.len() as u64,
        limits.seek_entries as u64,
    )?;
    let mut body = Vec::new();
    put_varint(&mut body, points.len() as u64);
    let (mut segment, mut offset) = (0, 0);
    for point in points {
        put_varint(&mut body, u64::from(point.segment - segment));
        put_varint(&mut body, point.offset - offset);
        (segment, offset) = (point.segment, point.offset);
    }
    Ok(body)
}

/// Reads what [`write`] wrote. Offsets in errors count from the body's start.
pub(crate) fn read(body: &[u8], limits: &Limits) -> Result<Vec<SeekPoint>> {
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
