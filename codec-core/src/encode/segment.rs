//! From the frames of an analysis to a segment: the one place where symbols are made.

use super::analysis::Analysis;
use super::policy::{sparsify, Policy};
use crate::error::Result;
use crate::quantise::angles::{phase_bits, phase_index};
use crate::quantise::coefficients::quantise;
use crate::quantise::levels;
use alloc::vec::Vec;
use codec_format::header::{Header, PhaseKind};
use codec_format::segment::SegmentCoder;
use codec_format::symbols::{Kept, Mask, Phases, Segment};
use core::ops::Range;
use ndarray::{s, Array2};

/// A segment, and the bytes it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// The symbols.
    pub segment: Segment,
    /// The body of the segment's chunk, for [`StreamWriter::coded`](codec_format::writer::StreamWriter::coded).
    pub body: Vec<u8>,
}

impl Coded {
    /// Codes a segment.
    ///
    /// # Errors
    /// As [`SegmentCoder::encode`].
    pub fn new(coder: &SegmentCoder, segment: Segment) -> Result<Self> {
        let body = coder.encode(&segment)?;
        Ok(Coded { segment, body })
    }

    /// Bytes of the whole chunk.
    pub(super) fn bytes(&self) -> u64 {
        SegmentCoder::chunk_bytes(&self.body)
    }
}

/// Segment `index` of the stream: from its frames, as many as the analysis has of them, with the pixels that `policy`
/// chooses. None of its frames may lie before the analysis.
#[must_use]
pub fn segment(analysis: &Analysis, index: u32, header: &Header, policy: &Policy) -> Segment {
    let range = frames(analysis, index, header);
    let channels = (0..analysis.channels())
        .map(|channel| {
            let image = image(analysis, channel, range.clone(), header);
            let mut sparse = sparsify(image.view(), header, policy, index, channel as u8);
            sparse.phases = phases(analysis, channel, range.clone(), header.phase);
            if let Some(coefficients) = analysis.coefficients(channel) {
                let coefficients = coefficients.slice_move(s![range.clone(), ..]);
                if let Kept::Ridge {
                    thresholds,
                    waveform,
                    ..
                } = &mut sparse.kept
                {
                    *waveform = quantise(header, coefficients, thresholds);
                }
            }
            sparse
        })
        .collect();
    Segment { index, channels }
}

/// The share of an analysed clip's pixels that `policy` keeps.
pub(super) fn kept(analysis: &Analysis, header: &Header, policy: &Policy) -> f64 {
    let (mut kept, mut pixels) = (0, 0);
    for index in indices(analysis, header) {
        for channel in 0..analysis.channels() {
            let range = frames(analysis, index, header);
            let image = image(analysis, channel, range, header);
            let mask = policy
                .choose(image.view(), header, index, channel as u8)
                .mask;
            kept += mask.count_ones();
            pixels += mask.len();
        }
    }
    kept as f64 / pixels.max(1) as f64
}

/// The segments that an analysis has the frames of; the first of them must begin with its first frame.
pub(super) fn indices(analysis: &Analysis, header: &Header) -> Range<u32> {
    let step = usize::from(header.segment_frames);
    let end = (analysis.first + analysis.frames()).div_ceil(step);
    (analysis.first / step) as u32..end as u32
}

/// The frames of segment `index` within the analysis.
pub(super) fn frames(analysis: &Analysis, index: u32, header: &Header) -> Range<usize> {
    let step = usize::from(header.segment_frames);
    let first = index as usize * step - analysis.first;
    first..(first + step).min(analysis.frames())
}

/// A channel's levels above the origin, dB.
fn image(analysis: &Analysis, channel: usize, range: Range<usize>, header: &Header) -> Array2<f32> {
    let origin = levels::origin(&header.quantiser);
    let above = |x| if x > origin { x - origin } else { 0.0 };
    analysis
        .levels(channel)
        .slice_move(s![range, ..])
        .mapv(above)
}

fn phases(analysis: &Analysis, channel: usize, range: Range<usize>, kind: PhaseKind) -> Phases {
    let bits = phase_bits(kind);
    let levels = analysis.levels(channel).slice_move(s![range.clone(), ..]);
    let mask: Mask = match kind {
        PhaseKind::None => return Phases::default(),
        PhaseKind::All { .. } => Mask::repeat(true, levels.len()),
        PhaseKind::Thresholded { threshold, .. } => levels
            .iter()
            .map(|&x| x >= f32::from(threshold) * levels::UNIT)
            .collect(),
    };
    let spectra = analysis.spectra(channel).slice_move(s![range, ..]);
    let angles = spectra
        .iter()
        .zip(mask.iter().by_vals())
        .filter(|&(_, kept)| kept)
        .map(|(&z, _)| phase_index(z, bits))
        .collect();
    Phases { mask, angles }
}
