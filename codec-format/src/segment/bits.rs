//! What a segment's layers cost.

use crate::entropy::range::Layer;

/// Bits of a segment by layer: ideal code lengths from the coder's probabilities, and whole bits of
/// the uncoded part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerBits {
    /// Positions, in 1/256 bit.
    pub mask: u64,
    /// Values, in 1/256 bit.
    pub values: u64,
    /// Thresholds of the ridge mask, in 1/256 bit.
    pub thresholds: u64,
    /// The background lattice, in 1/256 bit.
    pub lattice: u64,
    /// Stored phases and their positions, in 1/256 bit.
    pub phases: u64,
    /// The waveform layer, in 1/256 bit.
    pub waveform: u64,
}

impl LayerBits {
    /// The sum over the layers, in 1/256 bit.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.mask + self.values + self.thresholds + self.lattice + self.phases + self.waveform
    }

    /// Adds another segment's bits.
    pub fn add(&mut self, other: &LayerBits) {
        self.mask += other.mask;
        self.values += other.values;
        self.thresholds += other.thresholds;
        self.lattice += other.lattice;
        self.phases += other.phases;
        self.waveform += other.waveform;
    }
}

/// From the sums of a meter.
pub(super) fn layer_bits(cost: &[u64; 6]) -> LayerBits {
    let of = |layer: Layer| (cost[layer as usize] + 128) >> 8;
    LayerBits {
        mask: of(Layer::Mask),
        values: of(Layer::Values),
        thresholds: of(Layer::Thresholds),
        lattice: of(Layer::Lattice),
        phases: of(Layer::Phases),
        waveform: of(Layer::Waveform),
    }
}
