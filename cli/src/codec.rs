//! Between clips and the bytes of a `.sparc` file.

use crate::fault::Fault;
use crate::models::{self, Given, Loaded};
use crate::progress::Progress;
use codec_audio::{resample, Pcm, MAX_SAMPLES};
use codec_core::decode::Decoder;
use codec_core::encode::{encode_with, Candidate, Settings, Target};
use codec_format::header::{Header, Signal};
use codec_format::model::Model;
use codec_format::symbols::Segment;
use codec_format::{Error, Event, Limits, StreamReader};
use rayon::prelude::*;

/// Thousand bits a second of `bytes` bytes over `seconds` seconds.
pub fn kilobits(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 * 8.0 / seconds.max(1e-9) / 1000.0
}

/// An encoded clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Segments that the rate left without all of their background.
    pub starved: u32,
}

impl Coded {
    /// Warns of what the rate did to the clip `name`, if it did anything.
    pub fn warn(&self, name: &str, progress: &Progress) {
        if self.starved > 0 {
            progress.warn(&format!(
                "sparc: warning: {name}: {} segments take more than their share even without ridges; their \
                 background is held or silent",
                self.starved
            ));
        }
    }
}

/// Encodes a clip of any rate to a whole file, with the one of `candidates` whose sound comes nearest; they are tried on
/// all cores. `strict` refuses a clip that takes more than the bitrate, being very short.
pub fn encode(
    clip: &Pcm,
    candidates: &[Settings],
    target: Target,
    strict: bool,
    model: Option<&Loaded>,
    embed: bool,
) -> Result<Coded, Fault> {
    let Some(settings) = candidates.first() else {
        return Err(Fault::Other("no settings to encode with".into()));
    };
    let limit = Limits::default().channels;
    let channels = u8::try_from(clip.channels.len())
        .ok()
        .filter(|&channels| channels <= limit)
        .ok_or_else(|| {
            Fault::Limit(format!(
                "has {} channels; at most {limit} are taken",
                clip.channels.len()
            ))
        })?;
    let total = clip.len() as u64;
    let wanted = resample::length(total, clip.rate, settings.rate) as usize;
    let pcm = clip
        .channels
        .iter()
        .map(|channel| resample::channel(channel, clip.rate, settings.rate, wanted))
        .collect::<Result<Vec<_>, _>>()?;
    let coded = codec_core::encode::Clip {
        channels: &pcm,
        source: Signal {
            rate: clip.rate,
            channels,
        },
        total_samples: total,
    };
    let candidate = |settings: &Settings| Candidate {
        settings: settings.clone(),
        model: model.map(|loaded| (loaded.id, &loaded.model)),
    };
    let candidates: Vec<_> = candidates.iter().map(candidate).collect();
    let encoding = encode_with(&coded, target, &candidates, |count, run| {
        (0..count).into_par_iter().map(run).collect()
    })?;
    if let (true, Target::Bitrate(bitrate), false) = (strict, target, encoding.met) {
        let least = (encoding.bytes() as f64 * 8.0 / clip.seconds()).ceil();
        return Err(Fault::Arguments(format!(
            "{bitrate} bit/s are too few: this clip takes at least {least}"
        )));
    }
    // An embedded model comes on top: it is a constant that no choice of pixels can make up for.
    let embedded = model.filter(|_| embed).map(|loaded| &loaded.file[..]);
    Ok(Coded {
        bytes: encoding.file(embedded)?,
        starved: encoding.starved,
    })
}

/// A `.sparc` file taken apart.
#[derive(Debug)]
pub struct Stream {
    /// Its header.
    pub header: Header,
    /// Samples per channel of the source.
    pub total: u64,
    /// The model within it.
    pub embedded: Option<Loaded>,
    /// Bytes of the file.
    pub size: usize,
    /// The segments by index; `None` where one was lost.
    pub parts: Vec<Option<Segment>>,
    /// What is damaged, and where.
    pub damage: Vec<Error>,
}

/// Lost segments that are concealed whatever the rest of the file is like.
const CONCEALED_ANYWAY: usize = 60;

/// Takes a file apart. Damage behind the header is noted, not an error, as long as the length is known.
pub fn read(bytes: &[u8]) -> Result<Stream, Fault> {
    let mut reader = StreamReader::new(&Limits::default());
    reader.push(bytes);
    reader.finish();
    let (mut header, mut total, mut embedded) = (None, None, None);
    let (mut segments, mut damage) = (Vec::<Segment>::new(), Vec::new());
    // Whether damage came after the last sound segment.
    let mut tail_damaged = false;
    loop {
        match reader.next_event() {
            Ok(Some(Event::Header(found))) => header = Some(*found),
            Ok(Some(Event::Model(file))) => embedded = Some(models::parse(file)?),
            Ok(Some(Event::Segment(segment))) => {
                segments.push(segment);
                tail_damaged = false;
            }
            Ok(Some(Event::DamagedSegment { error, .. })) => {
                damage.push(error);
                tail_damaged = true;
            }
            Ok(Some(Event::End { total: found })) => total = Some(found),
            Ok(Some(_)) => {}
            Ok(None) => break,
            // The last segments are there, but damaged.
            Err(Error::Truncated {
                what: "segments", ..
            }) if tail_damaged => {
                total = header
                    .as_ref()
                    .and_then(|header: &Header| header.total_samples);
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let (Some(header), Some(total)) = (header, total) else {
        return Err(Fault::Stream("ends before it tells its length".into()));
    };
    let samples = total.saturating_mul(u64::from(header.source.channels));
    if samples.max(header.coded_samples(total)) > MAX_SAMPLES {
        return Err(Fault::Limit(format!(
            "{samples} samples exceed the limit of {MAX_SAMPLES}"
        )));
    }
    // A few bytes must not claim hours that they do not hold.
    let wanted = usize::try_from(header.segments_for(total)).unwrap_or(usize::MAX);
    let lost = wanted.saturating_sub(segments.len());
    if lost > CONCEALED_ANYWAY + 10 * segments.len() {
        return Err(Fault::Stream(format!(
            "{lost} of its {wanted} segments are missing"
        )));
    }
    let mut stream = Stream {
        header,
        total,
        embedded,
        size: bytes.len(),
        parts: vec![None; wanted],
        damage,
    };
    for segment in segments {
        let index = segment.index as usize;
        let frames = segment.channels.first().map_or(0, |image| image.frames);
        if index < wanted && frames == stream.frames_in(index) {
            stream.parts[index] = Some(segment);
        }
    }
    Ok(stream)
}

impl Stream {
    /// What was lost, in words, if anything was.
    pub fn concealed(&self) -> Option<String> {
        let lost = self.parts.iter().filter(|part| part.is_none()).count();
        let where_ = self
            .damage
            .first()
            .map_or(String::new(), |error| format!(" ({error})"));
        match (lost, self.damage.len()) {
            (0, 0) => None,
            (0, _) => Some(format!("is damaged, though no segment is lost{where_}")),
            _ => Some(format!(
                "{lost} of {} segments are damaged and were concealed{where_}",
                self.parts.len()
            )),
        }
    }

    /// Frames of segment `index`.
    fn frames_in(&self, index: usize) -> usize {
        let length = u64::from(self.header.segment_frames);
        let left = self
            .header
            .frames_for(self.total)
            .saturating_sub(index as u64 * length);
        left.min(length) as usize
    }
}

/// The model a stream asks for: within it, given, or built in. `None` if it asks for none.
pub fn model_for<'a>(stream: &'a Stream, given: &'a Given) -> Result<Option<&'a Model>, Fault> {
    let Some(wanted) = stream.header.model else {
        return Ok(None);
    };
    let by_argument = match given {
        Given::File(loaded) if loaded.id != wanted => {
            return Err(Fault::Model(format!(
                "needs model {wanted}, but --model gives {}",
                loaded.id
            )));
        }
        Given::File(loaded) => Some(&**loaded),
        Given::None => return Ok(None),
        Given::Default => None,
    };
    [by_argument, stream.embedded.as_ref(), models::by_id(wanted)]
        .into_iter()
        .flatten()
        .find(|loaded| loaded.id == wanted)
        .map(|loaded| Some(&loaded.model))
        .ok_or_else(|| Fault::Model(format!("needs model {wanted}; give its file with --model")))
}

/// Decodes to planar PCM at the coded rate, lost segments concealed.
pub fn decode_coded(stream: &Stream, model: Option<&Model>) -> Result<Vec<Vec<f32>>, Fault> {
    let mut decoder = Decoder::new(&stream.header, model)?;
    decoder.set_total(stream.total);
    let mut pcm = vec![Vec::new(); usize::from(stream.header.coded.channels)];
    let mut take = |piece: Vec<Vec<f32>>| {
        for (channel, piece) in pcm.iter_mut().zip(piece) {
            channel.extend(piece);
        }
    };
    for (index, part) in stream.parts.iter().enumerate() {
        take(match part {
            Some(segment) => decoder.push(segment)?,
            None => decoder.conceal(stream.frames_in(index))?,
        });
    }
    take(decoder.finish());
    Ok(pcm)
}

/// Decodes to the rate, the channels and the exact length of the source.
pub fn decode(stream: &Stream, given: &Given) -> Result<Pcm, Fault> {
    let header = &stream.header;
    if header.source.channels != header.coded.channels {
        return Err(Fault::Stream(format!(
            "codes {} channels for a source of {}, which this version cannot turn back",
            header.coded.channels, header.source.channels
        )));
    }
    let pcm = decode_coded(stream, model_for(stream, given)?)?;
    let (from, to) = (header.coded.rate, header.source.rate);
    let channels = pcm
        .iter()
        .map(|channel| resample::channel(channel, from, to, stream.total as usize))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Pcm { rate: to, channels })
}
