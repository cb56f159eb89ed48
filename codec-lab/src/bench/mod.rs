//! Rate against quality over clips, beside Opus.

pub mod opus;

use crate::figure::chart::{sheet, Line, Lines, Panel};
use crate::{figure, kilobits};
use codec_metrics::{Comparison, Measure};
use rayon::prelude::*;
use serde::Serialize;
use sparc::{Completion, Decoding, Options, Pcm, Plan};
use std::fmt::Write;

/// Shorthand for results of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a clip could not be taken through a codec. The message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The codec refused it.
    #[error(transparent)]
    Codec(#[from] sparc::Error),
    /// It could not be written for another program, or read back.
    #[error(transparent)]
    Audio(#[from] codec_audio::Error),
    /// What came out cannot be compared with it.
    #[error(transparent)]
    Measure(#[from] codec_metrics::Error),
    /// A program that is needed is not there.
    #[error("{0}")]
    Missing(String),
    /// A program failed.
    #[error("{0}")]
    Program(String),
}

/// A codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// This one, with the speech profile.
    Sparc,
    /// Opus, by ffmpeg.
    Opus,
}

impl Codec {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Sparc => "sparc",
            Codec::Opus => "opus",
        }
    }
}

/// One codec at one rate, over all clips: a line of the table, a point of the picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// The codec.
    pub codec: Codec,
    /// The rate asked for, bits a second.
    #[serde(rename = "target_bps")]
    pub target: u32,
    /// The rate that it took, thousand bits a second.
    #[serde(rename = "kbps")]
    pub kilobits: f64,
    /// Mean wide-band PESQ.
    pub pesq_wb: f64,
    /// Mean narrow-band PESQ.
    pub pesq_nb: f64,
    /// Mean STOI.
    pub stoi: f64,
    /// Clips for which every measure is defined: the means are over those.
    pub clips: usize,
}

/// What a clip became.
struct Coded {
    kilobits: f64,
    measures: Comparison,
}

/// Takes clips through a codec at a target rate (bits a second), on all cores: the means, if any clip has all measures,
/// and the clips, by their places, that failed. `step` is called after each.
pub fn point(
    clips: &[Pcm],
    codec: Codec,
    target: u32,
    completion: &Completion,
    step: &(dyn Fn() + Sync),
) -> (Option<Point>, Vec<(usize, Error)>) {
    let one = |clip: &Pcm| -> Result<Coded> {
        let (bytes, decoded) = match codec {
            Codec::Sparc => sparc(clip, target, completion)?,
            Codec::Opus => opus::code(clip, target)?,
        };
        Ok(Coded {
            kilobits: kilobits(bytes, clip.seconds()),
            measures: codec_metrics::compare(clip, &decoded, &MEASURES)?,
        })
    };
    let results: Vec<Result<Coded>> = clips
        .par_iter()
        .map(|clip| {
            let coded = one(clip);
            step();
            coded
        })
        .collect();
    let (mut coded, mut failed) = (Vec::new(), Vec::new());
    for (at, result) in results.into_iter().enumerate() {
        match result {
            Ok(one) => coded.push(one),
            Err(error) => failed.push((at, error)),
        }
    }
    (mean(codec, target, &coded), failed)
}

/// The measures shown.
const MEASURES: [Measure; 3] = [Measure::PesqWb, Measure::PesqNb, Measure::Stoi];

/// A clip through the codec: the bytes of the whole file, and what comes out. A clip that takes more than the rate, being
/// very short, is taken all the same.
fn sparc(clip: &Pcm, bitrate: u32, completion: &Completion) -> Result<(usize, Pcm)> {
    let options = Options {
        completion: completion.clone(),
        ..Options::bitrate(bitrate)
    };
    let plan = Plan {
        strict: false,
        ..options.plan(clip.channels.len())?
    };
    let bytes = plan.encode(clip)?.bytes;
    let networks = match plan.network {
        Some(network) => sparc::Networks::default().with(network),
        None => sparc::Networks::none(),
    };
    let decoding = Decoding {
        networks,
        ..Decoding::default()
    };
    Ok((bytes.len(), sparc::decode_with(&bytes, &decoding)?.pcm))
}

/// The means over the clips for which every measure is defined (PESQ and STOI are not for silence).
fn mean(codec: Codec, target: u32, coded: &[Coded]) -> Option<Point> {
    let defined: Vec<[f64; 4]> = coded
        .iter()
        .filter_map(|one| {
            let [wide, narrow, stoi] = MEASURES.map(|measure| one.measures.get(measure));
            Some([one.kilobits, wide?, narrow?, stoi?])
        })
        .collect();
    let of = |at: usize| defined.iter().map(|one| one[at]).sum::<f64>() / defined.len() as f64;
    (!defined.is_empty()).then(|| Point {
        codec,
        target,
        kilobits: of(0),
        pesq_wb: of(1),
        pesq_nb: of(2),
        stoi: of(3),
        clips: defined.len(),
    })
}

/// The first line of the table.
#[must_use]
pub fn heading() -> &'static str {
    "codec  target  kbit/s  PESQ-WB  PESQ-NB     STOI  clips\n"
}

/// A line of the table.
#[must_use]
pub fn line(point: &Point) -> String {
    let Point {
        codec,
        target,
        kilobits,
        pesq_wb,
        pesq_nb,
        stoi,
        clips,
    } = point;
    let codec = codec.name();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{codec:<6} {target:>6}  {kilobits:>6.2}  {pesq_wb:>7.3}  {pesq_nb:>7.3}  {stoi:>7.4}  {clips:>5}"
    );
    text
}

/// The points as CSV.
///
/// # Errors
/// None that a writer in memory has: they are passed on nevertheless.
pub fn csv(points: &[Point]) -> csv::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for point in points {
        out.serialize(point)?;
    }
    out.into_inner().map_err(|e| e.into_error().into())
}

/// Both wide-band PESQ and STOI against the rate, as a PNG.
///
/// # Errors
/// If it cannot be drawn.
pub fn picture(points: &[Point]) -> figure::Result<Vec<u8>> {
    let panel = |title: &str, y: &str, measure: fn(&Point) -> f64| {
        let lines = [Codec::Sparc, Codec::Opus]
            .into_iter()
            .map(|codec| {
                let of = points.iter().filter(|point| point.codec == codec);
                let mut points: Vec<(f64, f64)> = of.map(|p| (p.kilobits, measure(p))).collect();
                points.sort_by(|a, b| a.0.total_cmp(&b.0));
                Line {
                    label: codec.name().into(),
                    points,
                    dots: true,
                }
            })
            .filter(|line| !line.points.is_empty())
            .collect();
        Panel::Lines(Lines {
            title: title.into(),
            x: "kbit/s (whole files; of Opus the packets)".into(),
            y: y.into(),
            lines,
            log: false,
        })
    };
    let clips = points.iter().map(|point| point.clips).max().unwrap_or(0);
    sheet(
        &format!("rate and quality, mean of {clips} clips"),
        &[
            panel("wide-band PESQ (P.862.2)", "MOS-LQO", |p| p.pesq_wb),
            panel("STOI", "STOI", |p| p.stoi),
        ],
        2,
        (620, 460),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(kilobits: f64, pesq: Option<f64>) -> Coded {
        let undefined = codec_metrics::Error::NoSpeech { measure: "PESQ" };
        Coded {
            kilobits,
            measures: Comparison {
                samples: 1,
                difference: 0,
                values: vec![
                    (Measure::PesqWb, pesq.ok_or(undefined)),
                    (Measure::PesqNb, Ok(3.0)),
                    (Measure::Stoi, Ok(0.9)),
                ],
            },
        }
    }

    #[test]
    fn clips_without_a_measure_count_for_nothing() {
        let all = [(5.0, Some(2.0)), (100.0, None), (6.0, Some(3.0))];
        let all = all.map(|(kilobits, pesq)| coded(kilobits, pesq));
        let point = mean(Codec::Sparc, 6000, &all).expect("two clips");
        assert_eq!((point.clips, point.kilobits), (2, 5.5));
        assert_eq!(point.pesq_wb, 2.5);
        assert_eq!(mean(Codec::Sparc, 6000, &[coded(1.0, None)]), None);
    }

    #[test]
    fn a_line_stands_under_its_heading_and_csv_has_the_numbers() {
        let point = mean(Codec::Opus, 12_000, &[coded(11.5, Some(3.76))]).expect("a clip");
        assert_eq!(heading().trim_end().len(), line(&point).trim_end().len());
        let text = String::from_utf8(csv(&[point]).unwrap()).unwrap();
        assert_eq!(
            text,
            "codec,target_bps,kbps,pesq_wb,pesq_nb,stoi,clips\nopus,12000,11.5,3.76,3.0,0.9,1\n"
        );
    }

    #[test]
    fn more_bits_sound_better_and_a_clip_that_fails_is_named() {
        let voice = |i: usize| {
            let t = i as f32 / 16_000.0;
            let pitch: f32 = (1..20)
                .map(|h| (h as f32 * 900.0 * t).sin() / h as f32)
                .sum();
            0.2 * pitch * (9.0 * t).sin().max(0.0)
        };
        let clips = [
            Pcm::from_mono(16_000, (0..32_000).map(voice).collect()),
            Pcm::from_mono(16_000, vec![f32::NAN; 8_000]),
        ];
        let at = |target| {
            let (point, failed) = point(
                &clips,
                Codec::Sparc,
                target,
                &Completion::Interpolation,
                &|| {},
            );
            assert!(matches!(failed[..], [(1, Error::Codec(_))]), "{failed:?}");
            point.expect("one clip")
        };
        let (low, high) = (at(3_000), at(12_000));
        assert!(low.kilobits <= 3.0 && high.kilobits <= 12.0 && high.kilobits > 6.0);
        assert!(low.pesq_wb < high.pesq_wb && low.stoi < high.stoi);
    }
}
