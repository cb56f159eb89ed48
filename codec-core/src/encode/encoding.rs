//! Whole clips as symbols and bytes.

use super::analysis::Analysis;
use super::policy::Policy;
use super::segment::{self, Coded};
use super::settings::Settings;
use crate::error::{Error, Result};
use alloc::vec::Vec;
use codec_format::header::{Header, ModelId};
use codec_format::limits::Limits;
use codec_format::segment::SegmentCoder;
use codec_format::symbols::Segment;
use codec_format::writer::StreamWriter;

/// A clip as symbols and bytes, and what became of it on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// The header, sample count included.
    pub header: Header,
    /// Every segment.
    pub segments: Vec<Segment>,
    /// The body of every segment's chunk.
    pub bodies: Vec<Vec<u8>>,
    /// Whether the file keeps to the rate that was its target; otherwise it has the least bytes this clip takes.
    pub met: bool,
    /// Segments that a constant rate left without all of their background.
    pub starved: u32,
    /// The candidate that was taken, by its place among them.
    pub candidate: usize,
    /// Bytes before the first segment.
    pub(super) head: u64,
}

impl Encoding {
    /// Bytes of the whole file: header, chunks and symbols, without metadata or an embedded model.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let chunk = |body: &Vec<u8>| SegmentCoder::chunk_bytes(body);
        self.head + self.bodies.iter().map(chunk).sum::<u64>()
    }

    /// `settings`, which this was encoded with, as they turned out: with the origin, layers and value step of the header,
    /// so that a stream whose beginning this is can go on with them.
    #[must_use]
    pub fn settled(&self, settings: &Settings) -> Settings {
        let Header {
            quantiser,
            lattice,
            waveform,
            ..
        } = self.header;
        Settings {
            origin: Some(quantiser.origin),
            step: quantiser.step,
            lattice,
            waveform,
            ..settings.clone()
        }
    }

    /// The segments with their bytes.
    pub(super) fn coded(self) -> Vec<Coded> {
        let all = self.segments.into_iter().zip(self.bodies);
        all.map(|(segment, body)| Coded { segment, body }).collect()
    }

    /// The file, with a model file embedded if one is given.
    ///
    /// # Errors
    /// [`Error::Format`] where a limit of the format is exceeded.
    pub fn file(&self, model: Option<&[u8]>) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut writer = StreamWriter::new(&self.header, &Limits::default(), &mut out)?;
        if let Some(model) = model {
            writer.model(model, &mut out)?;
        }
        for (segment, body) in self.segments.iter().zip(&self.bodies) {
            writer.coded(segment, body, &mut out)?;
        }
        writer.finish(self.header.total_samples.unwrap_or(0), &mut out)?;
        Ok(out)
    }
}

/// Codes one analysed clip, or piece of a stream, again and again under the same header.
pub(super) struct ClipCoder<'a> {
    pub(super) analysis: &'a Analysis,
    /// Its header is the clip's.
    pub(super) coder: SegmentCoder,
    /// Bytes before the first segment.
    pub(super) head: u64,
}

impl<'a> ClipCoder<'a> {
    /// # Errors
    /// [`Error::Settings`] for settings out of range or of another grid than the analysis.
    pub(super) fn new(
        analysis: &'a Analysis,
        settings: &Settings,
        model: Option<ModelId>,
    ) -> Result<Self> {
        settings.validate()?;
        let fail = |what| Err(Error::Settings { what });
        if (settings.rate, settings.stft) != (analysis.rate, analysis.stft) {
            return fail("analysed at another rate or with another transform");
        }
        let there = analysis.coefficients(0).map_or(0, |c| c.ncols());
        if settings
            .waveform
            .is_some_and(|w| usize::from(w.coefficients) > there)
        {
            return fail("analysed without the waveform layer's coefficients");
        }
        let origin = settings.origin.unwrap_or_else(|| analysis.origin());
        let header = settings.header(analysis.source, analysis.total_samples, origin, model);
        Ok(ClipCoder {
            head: head_bytes(&header)?,
            ..ClipCoder::piece(analysis, &header)?
        })
    }

    /// A piece of a stream with this header, which has been written.
    pub(super) fn piece(analysis: &'a Analysis, header: &Header) -> Result<Self> {
        Ok(ClipCoder {
            analysis,
            coder: SegmentCoder::new(header, &Limits::default())?,
            head: 0,
        })
    }

    pub(super) fn header(&self) -> &Header {
        self.coder.header()
    }

    /// The clip with the segments that `code` makes.
    pub(super) fn with(&self, code: impl FnMut(u32) -> Result<Coded>) -> Result<Encoding> {
        let coded = segment::indices(self.analysis, self.header())
            .map(code)
            .collect::<Result<Vec<_>>>()?;
        let (segments, bodies) = coded.into_iter().map(|c| (c.segment, c.body)).unzip();
        Ok(Encoding {
            header: self.header().clone(),
            segments,
            bodies,
            met: true,
            starved: 0,
            candidate: 0,
            head: self.head,
        })
    }

    /// The clip with the pixels that `policy` chooses.
    pub(super) fn encode(&self, policy: &Policy) -> Result<Encoding> {
        self.with(|index| {
            let segment = segment::segment(self.analysis, index, self.header(), policy);
            Coded::new(&self.coder, segment)
        })
    }
}

/// Bytes before a stream's first segment: signature and header.
pub(super) fn head_bytes(header: &Header) -> Result<u64> {
    let mut out = Vec::new();
    Ok(StreamWriter::new(header, &Limits::default(), &mut out)?.position())
}
