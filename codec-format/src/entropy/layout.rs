//! Where every decision of a segment finds its slots and weights (Spec §5.5).
//!
//! Sites follow one another; the first [`TRAINED_SLOTS`] slots and [`TRAINED_WEIGHTS`] weights have
//! priors, the rest start ignorant.

use super::bank::{Site, MIXERS};
use crate::header::{Header, MaskKind, PhaseKind};

/// First slots of inputs of the given sizes, one after another.
const fn place<const N: usize>(mut first: usize, sizes: [usize; N]) -> [usize; N] {
    let mut slots = [0; N];
    let mut n = 0;
    while n < N {
        slots[n] = first;
        first += sizes[n];
        n += 1;
    }
    slots
}

/// The slot after the last one of a site.
const fn end<const N: usize>(slots: [usize; N], sizes: [usize; N]) -> usize {
    slots[N - 1] + sizes[N - 1]
}

/// Nodes of the tree by which a whole number is coded around its prediction.
pub(crate) const NODES: usize = 16;

macro_rules! sites {
    ($( $(#[$doc:meta])* $name:ident $module:ident after $before:ident: slots $n:literal of $sizes:expr,
        features $f:literal, sets $sets:expr; )*) => {
        $(
            mod $module {
                use super::*;
                const SIZES: [usize; $n] = $sizes;
                const SETS: [usize; MIXERS] = $sets;
                const FIRST: usize = super::$before::END_WEIGHT;
                pub(super) const INPUTS: usize = ($n as usize + $f).next_multiple_of(4);
                pub(super) const SITE: Site<$n, $f, INPUTS> = Site {
                    slots: place(super::$before::END_SLOT, SIZES),
                    sets: [FIRST, FIRST + SETS[0] * INPUTS, FIRST + (SETS[0] + SETS[1]) * INPUTS],
                };
                pub(super) const END_SLOT: usize = end(SITE.slots, SIZES);
                pub(super) const END_WEIGHT: usize = SITE.sets[2] + SETS[2] * INPUTS;
            }
            $(#[$doc])*
            pub(crate) const $name: Site<$n, $f, { $module::INPUTS }> = $module::SITE;
        )*
        /// The weights of every site.
        pub(crate) const WEIGHT_RUNS: &[WeightRun] = &[$( WeightRun {
            first: $module::SITE.sets[0],
            end: $module::END_WEIGHT,
            slots: $n,
            used: $n + $f,
            inputs: $module::INPUTS,
        } ),*];
    };
}

/// The weights of a site, one set after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WeightRun {
    /// The first, and the first of the next site.
    pub(crate) first: usize,
    pub(crate) end: usize,
    /// Inputs that are slots, those and features, and with what fills up a set.
    pub(crate) slots: usize,
    pub(crate) used: usize,
    pub(crate) inputs: usize,
}

mod start {
    pub(super) const END_SLOT: usize = 0;
    pub(super) const END_WEIGHT: usize = 0;
}

sites! {
    /// Is this pixel of the ridge layer kept?
    MASK mask after start: slots 7 of [1024, 1024, 1024, 2048, 2048, 2048, 2048], features 12,
        sets [64, 64, 128];
    /// The steps above the threshold of a kept pixel of the ridge layer.
    VALUE value after mask: slots 3 of [128 * NODES, 128 * NODES, 128 * NODES], features 9,
        sets [NODES, 16, 16];
    /// A level of the lattice.
    LATTICE lattice after value: slots 4 of [128 * NODES, 128 * NODES, 64 * NODES, 80 * NODES], features 10,
        sets [NODES, 16, 16];
    /// The threshold of a frame.
    THRESHOLD threshold after lattice: slots 3 of [64 * NODES, 64 * NODES, 64 * NODES], features 2,
        sets [NODES, 1, 1];
    /// The magnitude of a coefficient of the waveform layer.
    COEFFICIENT coefficient after threshold: slots 4 of [128 * NODES, 128 * NODES, 128 * NODES, 64 * NODES],
        features 4, sets [NODES, 16, 16];
    /// Values of the masks without thresholds.
    SCATTERED_VALUE scattered_value after coefficient: slots 3 of [64 * NODES, 64 * NODES, 64 * NODES], features 0,
        sets [NODES, 1, 1];
    /// Bits of a run length.
    RUN run after scattered_value: slots 1 of [512], features 0, sets [1, 1, 1];
    /// Is the phase of this pixel stored?
    PHASE phase after run: slots 3 of [64, 256, 128], features 0, sets [8, 1, 1];
}

/// Slots and weights that streams with this header need.
pub(crate) fn extent(header: &Header) -> (usize, usize) {
    let ridge = matches!(header.mask, MaskKind::Ridge { .. });
    match (ridge && header.phase == PhaseKind::None, header.waveform) {
        (true, None) => (threshold::END_SLOT, threshold::END_WEIGHT),
        (true, Some(_)) => (coefficient::END_SLOT, coefficient::END_WEIGHT),
        _ => (phase::END_SLOT, phase::END_WEIGHT),
    }
}

/// Slots that start from the priors.
pub(crate) const TRAINED_SLOTS: usize = coefficient::END_SLOT;
/// Sites whose slots and weights start from the priors, the first ones.
pub(crate) const TRAINED_SITES: usize = 5;
/// Weights that start from the priors.
pub(crate) const TRAINED_WEIGHTS: usize = {
    let (mut count, mut site) = (0, 0);
    while site < TRAINED_SITES {
        let run = WEIGHT_RUNS[site];
        count += (run.end - run.first) / run.inputs * run.used;
        site += 1;
    }
    count
};
/// Slots and weights of all sites.
pub(crate) const ALL: (usize, usize) = (phase::END_SLOT, phase::END_WEIGHT);
