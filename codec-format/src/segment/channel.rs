//! What is known of a channel while it is coded, in either direction, frame by frame (Spec §6.3).

use super::bands::Spread;
use super::lattice::Lattice;
use super::phases::PhaseCoder;
use super::ridge::Ridge;
use super::scattered::ScatteredValues;
use super::store::RowMut;
use super::waveform::Waveform;
use crate::entropy::bank::Bank;
use crate::entropy::range::BitCoder;
use crate::error::{rule, Result};
use crate::header::{Header, MaskKind, PhaseKind, ValueCoding};
use crate::memory::Memory;
use crate::symbols::MAX_INDEX;

/// Assumed depth of the background below the threshold where there is no lattice, 1/8 dB (Spec §6.3).
const NO_LATTICE_DEPTH: i32 = 96;

/// What the coders of a channel's symbols know of those before.
#[derive(Debug)]
pub(super) struct Channel<M: Memory> {
    layer: KeptLayer<M>,
    lattice: Option<Lattice<M>>,
    phases: Option<PhaseCoder<M>>,
    /// Level of the background at every bin, 1/8 dB above the origin.
    background: M::Of<i32>,
}

/// What codes the kept pixels.
#[derive(Debug)]
enum KeptLayer<M: Memory> {
    Ridge {
        ridge: Ridge<M>,
        waveform: Waveform<M>,
    },
    /// Positions are known before; values too, unless they are coded by context.
    Scattered(Option<ScatteredValues<M>>),
}

/// Whether the values of kept pixels are entropy coded.
pub(super) fn values_are_coded(header: &Header) -> bool {
    matches!(header.mask, MaskKind::Ridge { .. }) || header.values == ValueCoding::Context
}

impl<M: Memory> Channel<M> {
    /// Takes the memory.
    pub(super) fn new(header: &Header, memory: &mut M) -> Result<Self> {
        let bins = header.stft.bins();
        let phases = match header.phase {
            PhaseKind::None => None,
            PhaseKind::Thresholded { bits, .. } => Some((bits, true)),
            PhaseKind::All { bits } => Some((bits, false)),
        };
        Ok(Channel {
            layer: match header.mask {
                MaskKind::Ridge { threshold_step } => KeptLayer::Ridge {
                    ridge: Ridge::new(
                        bins,
                        header.covered_bins(),
                        threshold_step,
                        header.quantiser.step,
                        memory,
                    )?,
                    waveform: Waveform::new(header.coefficients(), memory)?,
                },
                _ => KeptLayer::Scattered(
                    values_are_coded(header)
                        .then(|| ScatteredValues::new(bins, header.quantiser.step, memory))
                        .transpose()?,
                ),
            },
            lattice: header
                .lattice
                .map(|shape| Lattice::new(&shape, memory))
                .transpose()?,
            phases: phases
                .map(|(bits, positions)| PhaseCoder::new(bins, bits, positions, memory))
                .transpose()?,
            background: memory.take(bins)?,
        })
    }

    /// Begins a segment.
    pub(super) fn begin(&mut self) {
        match &mut self.layer {
            KeptLayer::Ridge { ridge, waveform } => {
                ridge.begin();
                waveform.begin();
            }
            KeptLayer::Scattered(Some(values)) => values.begin(),
            KeptLayer::Scattered(None) => {}
        }
        if let Some(lattice) = &mut self.lattice {
            lattice.begin();
        }
        if let Some(phases) = &mut self.phases {
            phases.begin();
        }
        self.background.fill(0);
    }

    /// Codes the next frame.
    pub(super) fn code_frame<C: BitCoder>(
        &mut self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        zones: &[u8],
        spread: Option<&Spread<M>>,
        row: RowMut<'_>,
    ) -> Result<()> {
        // The threshold above the origin, 1/8 dB.
        let mut floor = None;
        if let KeptLayer::Ridge { ridge, .. } = &mut self.layer {
            let threshold = ridge.code_threshold(bank, coder, row.threshold[0]);
            rule(threshold <= 255, "threshold")?;
            row.threshold[0] = threshold as u8;
            floor = Some(ridge.floor());
        }
        if let (Some(lattice), Some(spread)) = (&mut self.lattice, spread) {
            if !row.column.is_empty() {
                let largest = lattice.code_column(bank, coder, row.column, floor.unwrap_or(0));
                rule(largest <= 255, "lattice level")?;
                spread.levels(row.column, &mut self.background);
            }
        } else if let Some(floor) = floor {
            self.background.fill(floor - NO_LATTICE_DEPTH);
        }
        match &mut self.layer {
            KeptLayer::Ridge { ridge, waveform } => {
                let largest = waveform.code_frame(bank, coder, row.waveform, ridge.floor());
                rule(largest <= MAX_INDEX as u32, "waveform index")?;
                ridge.code_frame(bank, coder, row.kept, &self.background, zones);
            }
            KeptLayer::Scattered(Some(values)) => {
                let background = self.lattice.as_ref().map(|_| &self.background[..]);
                values.code_frame(bank, coder, row.kept, background);
            }
            KeptLayer::Scattered(None) => {}
        }
        rule(row.kept.iter().all(|&q| q <= 256), "value")?;
        if let Some(phases) = &mut self.phases {
            let levels = match &self.layer {
                KeptLayer::Ridge { ridge, .. } => ridge.levels(),
                KeptLayer::Scattered(_) => &self.background,
            };
            phases.code_frame(bank, coder, row.angles, row.kept, levels);
        }
        Ok(())
    }
}
