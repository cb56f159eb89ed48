//! Comments, as Vorbis has them: a vendor and `KEY=value` pairs (Spec §3.4).

use crate::bytes::{put_varint, Cursor};
use crate::error::{Error, Result};
use crate::limits::{check, Limits};
use alloc::string::String;
use alloc::vec::Vec;

/// The comments of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// The program that wrote the stream.
    pub vendor: String,
    /// Keys and values. A key is printable ASCII without `=`, its case does not matter, and it may
    /// occur more than once.
    pub comments: Vec<(String, String)>,
}

impl Metadata {
    /// The first value of a key, whatever its case.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut found = self
            .comments
            .iter()
            .filter(|(k, _)| k.eq_ignore_ascii_case(key));
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn write(&self, limits: &Limits) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        put_text(&mut bytes, &[&self.vendor]);
        write_pairs(&mut bytes, &self.comments, limits)?;
        check(
            "metadata bytes",
            bytes.len() as u64,
            limits.metadata_bytes as u64,
        )?;
        Ok(bytes)
    }

    pub(crate) fn read(body: &[u8], limits: &Limits) -> Result<Self> {
        let mut cursor = Cursor::new(body);
        let vendor = read_text(&mut cursor, "vendor")?;
        let comments = read_pairs(&mut cursor, limits)?;
        cursor.end("end of metadata")?;
        Ok(Metadata {
            vendor: String::from(vendor),
            comments,
        })
    }
}

fn put_text(bytes: &mut Vec<u8>, parts: &[&str]) {
    put_varint(bytes, parts.iter().map(|part| part.len() as u64).sum());
    for part in parts {
        bytes.extend_from_slice(part.as_bytes());
    }
}

/// Appends a count and that many `KEY=value` texts.
pub(crate) fn write_pairs(
    bytes: &mut Vec<u8>,
    pairs: &[(String, String)],
    limits: &Limits,
) -> Result<()> {
    check(
        "metadata entries",
        pairs.len() as u64,
        limits.metadata_entries as u64,
    )?;
    put_varint(bytes, pairs.len() as u64);
    for (key, value) in pairs {
        if !is_key(key) {
            return Err(Error::Usage {
                what: "metadata key that is not printable ASCII without '='",
            });
        }
        put_text(bytes, &[key, "=", value]);
    }
    Ok(())
}

/// Reads what [`write_pairs`] wrote.
pub(crate) fn read_pairs(
    cursor: &mut Cursor<'_>,
    limits: &Limits,
) -> Result<Vec<(String, String)>> {
    let count = cursor.varint("count of comments")?;
    check("metadata entries", count, limits.metadata_entries as u64)?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        let at = cursor.at();
        let text = read_text(cursor, "comment")?;
        match text.split_once('=') {
            Some((key, value)) if is_key(key) => {
                pairs.push((String::from(key), String::from(value)))
            }
            _ => {
                return Err(Error::Malformed {
                    what: "comment key",
                    at,
                })
            }
        }
    }
    Ok(pairs)
}

fn read_text<'a>(cursor: &mut Cursor<'a>, what: &'static str) -> Result<&'a str> {
    let length = cursor.varint(what)?;
    let at = cursor.at();
    let bytes = cursor.take(usize::try_from(length).unwrap_or(usize::MAX), what)?;
    core::str::from_utf8(bytes).map_err(|_| Error::Malformed { what, at })
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| (0x20..=0x7d).contains(&b) && b != b'=')
}
