//! One channel of a segment while it is coded, in either direction, frame by frame (Spec §6.3).

use super::bands::Spread;
use super::lattice::Lattice;
use super::phases::PhaseCoder;
use super::ridge::Ridge;
use super::scattered::ScatteredValues;
use super::waveform::Waveform;
use super::SegmentCoder;
use crate::entropy::bank::Bank;
use crate::entropy::range::BitCoder;
use crate::error::{rule, Result};
use crate::header::{MaskKind, PhaseKind, ValueCoding};
use crate::symbols::{Kept, Mask, Phases, SparseImage, MAX_INDEX};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Assumed depth of the background below the threshold where there is no lattice, 1/8 dB (Spec §6.3).
const NO_LATTICE_DEPTH: i32 = 96;

/// Symbols and what their coders know of those before. Zero means "not there" in `kept` and `angles`, so that the
/// same code reads the symbols when it encodes and fills them when it decodes.
#[derive(Debug)]
pub(super) struct Channel {
    bins: usize,
    /// Value + 1 of kept pixels.
    pub(super) kept: Vec<u16>,
    layer: KeptLayer,
    lattice: Option<Lattice>,
    /// Frames a lattice step covers.
    every: usize,
    lattice_levels: Vec<u8>,
    phases: Option<PhaseCoder>,
    /// Angle + 1 of stored phases; empty without phases.
    angles: Vec<u16>,
    /// Level of the background at every bin, 1/8 dB above the origin.
    background: Vec<i32>,
}

/// What codes the kept pixels.
#[derive(Debug)]
enum KeptLayer {
    Ridge {
        ridge: Box<Ridge>,
        thresholds: Vec<u8>,
        waveform: Waveform,
        indices: Vec<i16>,
    },
    /// Positions are known before; values too, unless they are coded by context.
    Scattered(Option<ScatteredValues>),
}

impl Channel {
    /// A channel of `frames` frames whose symbols are not known yet.
    pub(super) fn new(coder: &SegmentCoder, frames: usize) -> Self {
        let (header, bins) = (&coder.header, coder.bins);
        let step = header.quantiser.step;
        let coefficients = header.coefficients();
        let phases = match header.phase {
            PhaseKind::None => None,
            PhaseKind::Thresholded { bits, .. } => Some(PhaseCoder::new(bins, bits, true)),
            PhaseKind::All { bits } => Some(PhaseCoder::new(bins, bits, false)),
        };
        Channel {
            bins,
            kept: vec![0; bins * frames],
            layer: match header.mask {
                MaskKind::Ridge { threshold_step } => KeptLayer::Ridge {
                    ridge: Box::new(Ridge::new(
                        bins,
                        header.covered_bins(),
                        coder.zones.clone(),
                        threshold_step,
                        step,
                    )),
                    thresholds: vec![0; frames],
                    waveform: Waveform::new(coefficients),
                    indices: vec![0; coefficients * frames],
                },
                _ => KeptLayer::Scattered(
                    (header.values == ValueCoding::Context)
                        .then(|| ScatteredValues::new(bins, step)),
                ),
            },
            lattice: header.lattice.map(|shape| Lattice::new(&shape)),
            every: header.lattice.map_or(1, |shape| usize::from(shape.every)),
            lattice_levels: vec![0; header.lattice.map_or(0, |shape| shape.cells(frames))],
            angles: vec![0; if phases.is_some() { bins * frames } else { 0 }],
            phases,
            background: vec![0; bins],
        }
    }

    /// A channel that holds the symbols of an image, which fits the header.
    pub(super) fn of(coder: &SegmentCoder, image: &SparseImage) -> Self {
        let mut channel = Channel::new(coder, image.frames);
        // Values of the uncoded part must not reach the contexts: the decoder has no use for them there.
        let known = !matches!(channel.layer, KeptLayer::Scattered(None));
        for (pixel, &value) in image.mask().iter_ones().zip(image.values()) {
            channel.kept[pixel] = if known { u16::from(value) + 1 } else { 1 };
        }
        if let KeptLayer::Ridge {
            thresholds,
            indices,
            ..
        } = &mut channel.layer
        {
            thresholds.copy_from_slice(image.thresholds());
            indices.copy_from_slice(image.waveform());
        }
        channel.lattice_levels.clone_from(&image.lattice);
        for (pixel, &angle) in image.phases.mask.iter_ones().zip(&image.phases.angles) {
            channel.angles[pixel] = angle + 1;
        }
        channel
    }

    /// Codes the next frame.
    pub(super) fn code_frame<C: BitCoder>(
        &mut self,
        bank: &mut Bank,
        coder: &mut C,
        spread: Option<&Spread>,
        frame: usize,
    ) -> Result<()> {
        let bins = self.bins;
        let row = &mut self.kept[frame * bins..][..bins];
        // The threshold above the origin, 1/8 dB.
        let mut floor = None;
        if let KeptLayer::Ridge {
            ridge, thresholds, ..
        } = &mut self.layer
        {
            let threshold = ridge.code_threshold(bank, coder, thresholds[frame]);
            rule(threshold <= 255, "threshold")?;
            thresholds[frame] = threshold as u8;
            floor = Some(ridge.floor());
        }
        if let (Some(lattice), Some(spread)) = (&mut self.lattice, spread) {
            if frame % self.every == 0 {
                let bands = lattice.bands();
                let column = &mut self.lattice_levels[frame / self.every * bands..][..bands];
                let largest = lattice.code_column(bank, coder, column, floor.unwrap_or(0));
                rule(largest <= 255, "lattice level")?;
                spread.levels(column, &mut self.background);
            }
        } else if let Some(floor) = floor {
            self.background.fill(floor - NO_LATTICE_DEPTH);
        }
        match &mut self.layer {
            KeptLayer::Ridge {
                ridge,
                waveform,
                indices,
                ..
            } => {
                let count = waveform.coefficients();
                let indices = &mut indices[frame * count..][..count];
                let largest = waveform.code_frame(bank, coder, indices, ridge.floor());
                rule(largest <= MAX_INDEX as u32, "waveform index")?;
                ridge.code_frame(bank, coder, row, &self.background);
            }
            KeptLayer::Scattered(Some(values)) => {
                let background = self.lattice.as_ref().map(|_| &self.background[..]);
                values.code_frame(bank, coder, row, background);
            }
            KeptLayer::Scattered(None) => {}
        }
        rule(row.iter().all(|&q| q <= 256), "value")?;
        if let Some(phases) = &mut self.phases {
            let angles = &mut self.angles[frame * bins..][..bins];
            let levels = match &self.layer {
                KeptLayer::Ridge { ridge, .. } => ridge.levels(),
                KeptLayer::Scattered(_) => &self.background,
            };
            phases.code_frame(bank, coder, angles, row, levels);
        }
        Ok(())
    }

    /// Frames.
    pub(super) fn frames(&self) -> usize {
        self.kept.len() / self.bins
    }

    /// Kept pixels.
    pub(super) fn kept_count(&self) -> usize {
        self.kept.iter().filter(|&&q| q != 0).count()
    }

    /// The image of a decoded channel; `known` are its values where the uncoded part has them.
    pub(super) fn into_image(self, known: Option<Vec<u8>>) -> SparseImage {
        let there = |symbols: &[u16]| symbols.iter().map(|&q| q != 0).collect::<Mask>();
        let mask = there(&self.kept);
        let values = known.unwrap_or_else(|| {
            let kept = self.kept.iter().filter(|&&q| q != 0);
            kept.map(|&q| (q - 1) as u8).collect()
        });
        SparseImage {
            bins: self.bins,
            frames: self.frames(),
            kept: match self.layer {
                KeptLayer::Ridge {
                    thresholds,
                    indices,
                    ..
                } => Kept::Ridge {
                    mask,
                    values,
                    thresholds,
                    waveform: indices,
                },
                KeptLayer::Scattered(_) => Kept::Scattered { mask, values },
            },
            lattice: self.lattice_levels,
            phases: Phases {
                mask: there(&self.angles),
                angles: self
                    .angles
                    .iter()
                    .filter(|&&angle| angle != 0)
                    .map(|&angle| angle - 1)
                    .collect(),
            },
        }
    }
}
