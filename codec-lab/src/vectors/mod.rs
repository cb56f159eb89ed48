//! Streams by which a decoder can be tested (Spec §13): every coding, every size at its border, every fault, in as few
//! bytes as will do. The files are kept with the specification; what is here wrote them.

mod faulty;
mod lawful;
mod pieces;
mod scene;

use codec_core::{decode::Decoder, error};
use codec_format::header::{Header, ModelId, PhaseKind};
use codec_format::model::Model;
use codec_format::symbols::{Mask, Segment};
use codec_format::{Error, Event, Limits, StreamReader};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A stream of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// Its place in the set: `baseline`, `uncommon` or `faulty`, and the file.
    pub file: String,
    /// The section of the specification that it is about.
    pub section: &'static str,
    /// The stream.
    pub bytes: Vec<u8>,
}

/// All of them, in the manifest's order.
///
/// # Errors
/// None but those of a bug here: a stream that the writer does not take.
pub fn all() -> codec_format::Result<Vec<Vector>> {
    let mut all = lawful::streams()?;
    all.extend(faulty::streams()?);
    Ok(all)
}

/// What a decoder makes of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Of the symbols before the first fatal fault, by [`serialised`].
    pub symbols: String,
    /// SHA-256 of the PCM at the coded rate, binary32, interleaved; or the number of the fault (Spec §3.9).
    pub sound: Result<String, u8>,
}

/// Decodes a stream. `model` finds the files of models that are not within it.
pub fn outcome(bytes: &[u8], model: impl Fn(ModelId) -> Option<Vec<u8>>) -> Outcome {
    let mut reader = StreamReader::new(&Limits::default());
    reader.push(bytes);
    reader.finish();
    let (mut segments, mut files) = (Vec::new(), Vec::new());
    let read = read(&mut reader, &mut segments, &mut files);
    let header = reader.header().cloned();
    let symbols = header
        .as_ref()
        .map_or_else(Vec::new, |h| serialised(h, &segments));
    let sound = read.and_then(|total| {
        let header = header.ok_or(2)?;
        let model = match header.model {
            None => None,
            Some(id) => {
                let named = files.into_iter().find(|file| ModelId::of(file) == id);
                let file = named.or_else(|| model(id)).ok_or(6)?;
                Some(Model::read(&file, &Limits::default()).map_err(|_| 6)?)
            }
        };
        let pcm =
            decode(&header, model.as_ref(), total, segments).map_err(|error| match error {
                error::Error::Model { .. } => 6,
                _ => 4,
            })?;
        Ok(hex(&Sha256::digest(pcm)))
    });
    Outcome {
        symbols: hex(&Sha256::digest(symbols)),
        sound,
    }
}

/// Reads a stream to its end: the source samples it has, or the number of its fault.
fn read(
    reader: &mut StreamReader,
    segments: &mut Vec<Segment>,
    models: &mut Vec<Vec<u8>>,
) -> Result<u64, u8> {
    loop {
        match reader.next_event() {
            Ok(Some(Event::Segment(segment))) => segments.push(segment),
            Ok(Some(Event::Model(file))) => models.push(file),
            Ok(Some(Event::End { total })) => return Ok(total),
            Ok(Some(_)) => {}
            Ok(None) => return Err(1),
            Err(error) => return Err(number(&error)),
        }
    }
}

/// The number of an error (Spec §3.9).
fn number(error: &Error) -> u8 {
    match error {
        Error::Truncated { .. } => 1,
        Error::Corrupt { .. } => 3,
        Error::Unsupported { .. } => 4,
        Error::LimitExceeded { .. } => 5,
        _ => 2,
    }
}

/// The PCM of a whole stream as bytes, lost segments concealed.
fn decode(
    header: &Header,
    model: Option<&Model>,
    total: u64,
    segments: Vec<Segment>,
) -> error::Result<Vec<u8>> {
    let mut decoder = Decoder::new(header, model)?;
    decoder.set_total(total);
    let mut channels = vec![Vec::new(); usize::from(header.coded.channels)];
    let mut take = |pieces: Vec<Vec<f32>>| {
        for (all, piece) in channels.iter_mut().zip(pieces) {
            all.extend(piece);
        }
    };
    let mut segments = segments.into_iter().peekable();
    let mut left = header.frames_for(total);
    let mut index = 0;
    while left > 0 {
        let frames = left.min(u64::from(header.segment_frames));
        take(match segments.next_if(|segment| segment.index == index) {
            Some(segment) => decoder.push(&segment)?,
            None => decoder.conceal(frames as usize)?,
        });
        left -= frames;
        index += 1;
    }
    take(decoder.finish());
    let samples = channels.first().map_or(0, Vec::len);
    Ok((0..samples)
        .flat_map(|n| {
            channels
                .iter()
                .flat_map(move |channel| channel[n].to_le_bytes())
        })
        .collect())
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

/// First line of a manifest.
const COLUMNS: &str = "file\tSHA-256\tsection\tsymbols\tsound";

impl Entry {
    /// The line for a stream.
    pub fn of(vector: &Vector, model: impl Fn(ModelId) -> Option<Vec<u8>>) -> Self {
        Entry {
            file: vector.file.clone(),
            hash: hex(&Sha256::digest(&vector.bytes)),
            section: vector.section.into(),
            outcome: outcome(&vector.bytes, model),
        }
    }

    /// What is wrong with these bytes for this line, if anything is.
    pub fn differs(
        &self,
        bytes: &[u8],
        model: impl Fn(ModelId) -> Option<Vec<u8>>,
    ) -> Option<&'static str> {
        if hex(&Sha256::digest(bytes)) != self.hash {
            return Some("is another file than the manifest's");
        }
        let found = outcome(bytes, model);
        match (found.symbols == self.outcome.symbols, found.sound == self.outcome.sound) {
            (false, _) => Some("gives other symbols"),
            (true, false) if found.sound.is_ok() && self.outcome.sound.is_ok() => Some("gives other sound"),
            (true, false) => Some("ends otherwise: sound instead of a fault, a fault instead of sound, or another fault"),
            (true, true) => None,
        }
    }
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
