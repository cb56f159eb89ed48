//! Replays the streams that pin the format (Spec §13): what a decoder makes of each, held against their manifest.
//!
//! It stands on the front door alone, so that it runs wherever the decoder does: `tests/portable.sh` builds the command
//! `sparc-replay` for one kind of processor after another.

use sha2::{Digest, Sha256};
use sparc::codec_format::header::{Header, PhaseKind};
use sparc::codec_format::symbols::{Mask, Segment};
use sparc::codec_format::{self, Event, Limits, StreamReader};
use sparc::{Decoding, Networks};
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// What a decoder makes of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Of the symbols before the first fatal fault, by `serialised`.
    pub symbols: String,
    /// SHA-256 of the PCM at the coded rate, binary32, interleaved; or the number of the fault (Spec §3.9).
    pub sound: Result<String, u8>,
}

/// What this decoder makes of a stream.
#[must_use]
pub fn outcome(bytes: &[u8], networks: &Networks) -> Outcome {
    let mut reader = StreamReader::new(&Limits::default());
    reader.push(bytes);
    reader.finish();
    let mut segments = Vec::new();
    let fault = loop {
        match reader.next_event() {
            Ok(Some(Event::Segment(segment))) => segments.push(segment),
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(error) => break Some(number(&error)),
        }
    };
    let symbols = reader
        .header()
        .map_or_else(Vec::new, |header| serialised(header, &segments));
    let decoding = Decoding {
        networks: networks.clone(),
        resample: false,
        ..Decoding::default()
    };
    let sound = match (fault, sparc::decode_with(bytes, &decoding)) {
        (Some(number), _) => Err(number),
        (None, Ok(decoded)) => {
            let samples = decoded.pcm.interleaved();
            let bytes: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
            Ok(hex(&Sha256::digest(bytes)))
        }
        (None, Err(sparc::Error::Model(_))) => Err(6),
        (None, Err(sparc::Error::Limit(_))) => Err(5),
        (None, Err(_)) => Err(4),
    };
    Outcome {
        symbols: hex(&Sha256::digest(symbols)),
        sound,
    }
}

/// The number of an error (Spec §3.9).
fn number(error: &codec_format::Error) -> u8 {
    use codec_format::Error;
    match error {
        Error::Truncated { .. } => 1,
        Error::Corrupt { .. } => 3,
        Error::Unsupported { .. } => 4,
        Error::LimitExceeded { .. } => 5,
        _ => 2,
    }
}

/// The symbols of a stream's segments as bytes (Spec §13).
fn serialised(header: &Header, segments: &[Segment]) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in segments {
        out.extend(segment.index.to_le_bytes());
        let frames = segment.channels.first().map_or(0, |image| image.frames);
        out.extend((frames as u32).to_le_bytes());
        for image in &segment.channels {
            let bits = |mask: &Mask| {
                let mut mask = mask.clone();
                mask.set_uninitialized(false);
                mask.into_vec()
            };
            out.extend(bits(image.mask()));
            out.extend(image.values());
            out.extend(image.thresholds());
            out.extend(&image.lattice);
            out.extend(image.waveform().iter().flat_map(|q| q.to_le_bytes()));
            if header.phase != PhaseKind::None {
                out.extend(bits(&image.phases.mask));
                out.extend(image.phases.angles.iter().flat_map(|a| a.to_le_bytes()));
            }
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A line of the manifest: what a stream is, and what is to come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file, below the manifest's folder.
    pub file: String,
    /// SHA-256 of the file.
    pub hash: String,
    /// The section of the specification that it is about.
    pub section: String,
    /// What is to come of it.
    pub outcome: Outcome,
}

/// The manifest's name.
pub const MANIFEST: &str = "MANIFEST.tsv";

/// First line of a manifest.
const COLUMNS: &str = "file\tSHA-256\tsection\tsymbols\tsound";

impl Entry {
    /// The line for the stream of a file.
    #[must_use]
    pub fn of(file: &str, section: &str, bytes: &[u8], networks: &Networks) -> Self {
        Entry {
            file: file.into(),
            hash: hex(&Sha256::digest(bytes)),
            section: section.into(),
            outcome: outcome(bytes, networks),
        }
    }

    /// What is wrong with these bytes for this line, if anything is.
    #[must_use]
    pub fn fault(&self, bytes: &[u8], networks: &Networks) -> Option<&'static str> {
        if hex(&Sha256::digest(bytes)) != self.hash {
            return Some("is another file than the manifest's");
        }
        let found = outcome(bytes, networks);
        if found.symbols != self.outcome.symbols {
            return Some("gives other symbols");
        }
        match (&self.outcome.sound, &found.sound) {
            (wanted, found) if wanted == found => None,
            (Ok(_), Ok(_)) => Some("gives other sound"),
            (Ok(_), Err(_)) => Some("is not decoded"),
            (Err(_), Ok(_)) => Some("is decoded, for all its fault"),
            (Err(_), Err(_)) => Some("is refused for another fault"),
        }
    }
}

/// Replays the streams of a folder: how many there are, and what is wrong with which.
///
/// # Errors
/// Those of reading files; [`io::ErrorKind::InvalidData`] for a manifest that is none.
pub fn verify(
    folder: &Path,
    networks: &Networks,
) -> io::Result<(usize, Vec<(String, &'static str)>)> {
    let text = fs::read_to_string(folder.join(MANIFEST))?;
    let lines = entries(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "is no manifest"))?;
    let mut wrong = Vec::new();
    for line in &lines {
        let bytes = fs::read(folder.join(&line.file))?;
        if let Some(fault) = line.fault(&bytes, networks) {
            wrong.push((line.file.clone(), fault));
        }
    }
    Ok((lines.len(), wrong))
}

/// A manifest's text.
#[must_use]
pub fn manifest(entries: &[Entry]) -> String {
    let mut text = format!("{COLUMNS}\n");
    for Entry {
        file,
        hash,
        section,
        outcome,
    } in entries
    {
        let sound = match &outcome.sound {
            Ok(hash) => hash.clone(),
            Err(number) => format!("error {number}"),
        };
        let _ = writeln!(
            text,
            "{file}\t{hash}\t{section}\t{}\t{sound}",
            outcome.symbols
        );
    }
    text
}

/// The lines of a manifest; `None` if it is none.
#[must_use]
pub fn entries(manifest: &str) -> Option<Vec<Entry>> {
    let rows = manifest
        .strip_prefix(COLUMNS)?
        .lines()
        .filter(|row| !row.is_empty());
    rows.map(|row| {
        let mut cells = row.split('\t').map(String::from);
        Some(Entry {
            file: cells.next()?,
            hash: cells.next()?,
            section: cells.next()?,
            outcome: Outcome {
                symbols: cells.next()?,
                sound: match cells.next()? {
                    sound if sound.starts_with("error ") => Err(sound[6..].parse().ok()?),
                    sound => Ok(sound),
                },
            },
        })
    })
    .collect()
}
