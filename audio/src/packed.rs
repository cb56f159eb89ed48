//! FLAC, MP3, Ogg Vorbis and AAC files, by symphonia.

use crate::error::{Error, Result};
use crate::{check_size, Pcm};
use std::io::{Cursor, ErrorKind};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error as Failure;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

/// Reads the default audio track of a file; the format is found from its content.
///
/// The parsers behind this meet whatever bytes they are given, and not all of them promise never to
/// panic: a panic of theirs is an unreadable input, not the end of the program.
pub fn read(bytes: Vec<u8>) -> Result<Pcm> {
    crate::panics::contained(|| read_track(bytes)).unwrap_or_else(|| {
        Err(Error::Input(
            "is so damaged that its decoder gave up".into(),
        ))
    })
}

fn read_track(bytes: Vec<u8>) -> Result<Pcm> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut format = symphonia::default::get_probe()
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
    let (id, promised) = (track.id, track.num_frames);
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|p| p.audio())
        .ok_or_else(|| Error::Input("holds audio of an unknown codec".into()))?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|e| {
            Error::Input(format!(
                "holds audio of a codec that is not supported ({e})"
            ))
        })?;

    let mut clip = Pcm {
        rate: 0,
        channels: Vec::new(),
    };
    let (mut packets, mut planes) = (0u64, Vec::<Vec<f32>>::new());
    loop {
        let packet = match format.next_packet() {
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
        if packet.track_id != id {
            continue;
        }
        let decoded = decoder
            .decode(&packet)
            .map_err(|e| Error::Input(format!("is damaged in packet {packets} ({e})")))?;
        packets += 1;
        let (rate, count) = (decoded.spec().rate(), decoded.num_planes());
        if clip.channels.is_empty() {
            sparc::pcm::check_rate(rate)?;
            clip = Pcm {
                rate,
                channels: vec![Vec::new(); count],
            };
        } else if (clip.rate, clip.channels.len()) != (rate, count) {
            return Err(Error::Input(format!(
                "changes to {rate} Hz and {count} channels in packet {packets}, which is not supported"
            )));
        }
        check_size((clip.len() + decoded.frames()) as u64, count)?;
        decoded.copy_to_vecs_planar(&mut planes);
        for (channel, plane) in clip.channels.iter_mut().zip(&planes) {
            channel.extend_from_slice(plane);
        }
    }
    match promised {
        Some(promised) if (clip.len() as u64) < promised => Err(Error::Input(format!(
            "is cut short: its header promises {promised} samples per channel, but it ends after {}",
            clip.len()
        ))),
        _ if clip.channels.is_empty() => Err(Error::Input("holds no samples".into())),
        _ => Ok(clip),
    }
}
