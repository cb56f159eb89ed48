//! FLAC, MP3, Ogg Vorbis and AAC files, by symphonia.

use crate::error::{Error, Result};
use std::io::ErrorKind;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Failure;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

/// The default audio track of a file, packet by packet; the format is found from its content.
///
/// The parsers behind this meet whatever bytes they are given, and not all of them promise never to
/// panic: a panic of theirs is an unreadable input, not the end of the program.
pub(crate) struct Reader {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    /// The track, and the samples per channel that it promises.
    track: u32,
    promised: Option<u64>,
    rate: u32,
    /// Packets and samples per channel so far.
    packets: u64,
    taken: u64,
    /// Samples of the last packet, and whether they are still to be given out.
    planes: Vec<Vec<f32>>,
    waiting: bool,
}

impl Reader {
    pub(crate) fn new(media: Box<dyn MediaSource>) -> Result<Self> {
        contained(|| {
            let mut reader = Reader::open(media)?;
            // What there are of channels is known by the first packet.
            reader.waiting = reader.packet()?;
            if reader.waiting {
                Ok(reader)
            } else {
                Err(Error::Input("holds no samples".into()))
            }
        })
    }

    /// Rate and channels.
    pub(crate) fn shape(&self) -> (u32, usize) {
        (self.rate, self.planes.len())
    }

    /// Puts the next samples into `block`; none at the end.
    pub(crate) fn next(&mut self, block: &mut [Vec<f32>]) -> Result<()> {
        if self.waiting || contained(|| self.packet())? {
            self.waiting = false;
            for (out, plane) in block.iter_mut().zip(&self.planes) {
                out.extend_from_slice(plane);
            }
        }
        Ok(())
    }

    fn open(media: Box<dyn MediaSource>) -> Result<Self> {
        let stream = MediaSourceStream::new(media, Default::default());
        let format = symphonia::default::get_probe()
            .probe(
                &Hint::new(),
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
            .map_err(|e| match e {
                Failure::LimitError(_) => Error::Limit(e.to_string()),
                _ => Error::Input(
                    "is not audio of a known kind (WAV, FLAC, MP3, Ogg Vorbis, AAC)".into(),
                ),
            })?;
        let track = format
            .default_track(TrackType::Audio)
            .ok_or_else(|| Error::Input("holds no audio track".into()))?;
        let (track_id, promised) = (track.id, track.num_frames);
        let parameters = track
            .codec_params
            .as_ref()
            .and_then(|p| p.audio())
            .ok_or_else(|| Error::Input("holds audio of an unknown codec".into()))?;
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|e| {
                Error::Input(format!(
                    "holds audio of a codec that is not supported ({e})"
                ))
            })?;

        Ok(Reader {
            track: track_id,
            promised,
            format,
            decoder,
            rate: 0,
            packets: 0,
            taken: 0,
            planes: Vec::new(),
            waiting: false,
        })
    }

    /// Decodes the next packet with samples; false at the end.
    fn packet(&mut self) -> Result<bool> {
        loop {
            let packets = self.packets;
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(Failure::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => break,
                Err(Failure::ResetRequired) => {
                    return Err(Error::Input(
                        "is a chain of streams, of which only the first could be read".into(),
                    ))
                }
                Err(e) => {
                    return Err(Error::Input(format!(
                        "is damaged after packet {packets} ({e})"
                    )))
                }
            };
            if packet.track_id != self.track {
                continue;
            }
            let decoded = self
                .decoder
                .decode(&packet)
                .map_err(|e| Error::Input(format!("is damaged in packet {packets} ({e})")))?;
            self.packets += 1;
            let (rate, count) = (decoded.spec().rate(), decoded.num_planes());
            if packets > 0 && (self.rate, self.planes.len()) != (rate, count) {
                return Err(Error::Input(format!(
                    "changes to {rate} Hz and {count} channels in packet {}, which is not supported",
                    self.packets
                )));
            }
            self.rate = rate;
            self.taken += decoded.frames() as u64;
            decoded.copy_to_vecs_planar(&mut self.planes);
            if self.planes.first().is_some_and(|plane| !plane.is_empty()) {
                return Ok(true);
            }
        }
        match self.promised {
            Some(promised) if self.taken < promised => Err(Error::Input(format!(
                "is cut short: its header promises {promised} samples per channel, but it ends after {}",
                self.taken
            ))),
            _ => Ok(false),
        }
    }
}

fn contained<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    crate::panics::contained(work).unwrap_or_else(|| {
        Err(Error::Input(
            "is so damaged that its decoder gave up".into(),
        ))
    })
}
