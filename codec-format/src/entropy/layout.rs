//! Where every decision of a segment finds its slots and weights (Spec §6.5).
//!
//! Sites follow one another; the first [`TRAINED_SLOTS`] slots and [`TRAINED_WEIGHTS`] weights have
//! priors, the rest start ignorant.

use super::bank::Site;

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
    ($( $(#[$doc:meta])* $name:ident $module:ident after $before:ident: $n:literal inputs of $sizes:expr,
        sets $sets:expr, limit $limit:expr, speed $speed:expr; )*) => {
        $(
            mod $module {
                use super::*;
                const SIZES: [usize; $n] = $sizes;
                const SETS: [usize; 2] = $sets;
                const SLOTS: [usize; $n] = place(super::$before::END_SLOT, SIZES);
                pub(super) const END_SLOT: usize = end(SLOTS, SIZES);
                pub(super) const END_WEIGHT: usize =
                    super::$before::END_WEIGHT + (SETS[0] + SETS[1]) * $n;
                pub(super) const SITE: Site<$n> = Site {
                    slots: SLOTS,
                    sets: [super::$before::END_WEIGHT, super::$before::END_WEIGHT + SETS[0] * $n],
                    limit: $limit,
                    speed: $speed,
                };
                /// Inputs of each mixer set, to give untrained weights their start.
                pub(super) const INPUTS: usize = $n;
            }
            $(#[$doc])*
            pub(crate) const $name: Site<{ $module::INPUTS }> = $module::SITE;
        )*
        /// (first weight, first weight of the next site, inputs) of every site.
        pub(crate) const WEIGHT_RUNS: &[(usize, usize, usize)] =
            &[$( ($module::SITE.sets[0], $module::END_WEIGHT, $module::INPUTS) ),*];
    };
}

mod start {
    pub(super) const END_SLOT: usize = 0;
    pub(super) const END_WEIGHT: usize = 0;
}

sites! {
    /// Is this pixel of the ridge layer kept?
    MASK mask after start: 12 inputs of [1024, 2048, 4096, 4096, 4096, 2048, 4096, 2048, 4096, 2048, 4096, 4096],
        sets [64, 64], limit 255, speed 300;
    /// The steps above the threshold of a kept pixel of the ridge layer.
    VALUE value after mask: 6 inputs of [256 * NODES, 256 * NODES, 256 * NODES, 256 * NODES, 256 * NODES, 256 * NODES],
        sets [NODES, 16], limit 255, speed 300;
    /// A level of the lattice.
    LATTICE lattice after value: 6 inputs of [256 * NODES, 256 * NODES, 256 * NODES, 256 * NODES, 256 * NODES, 256 * NODES],
        sets [NODES, 16], limit 255, speed 300;
    /// The threshold of a frame.
    THRESHOLD threshold after lattice: 3 inputs of [64 * NODES, 64 * NODES, 64 * NODES],
        sets [NODES, 1], limit 255, speed 300;
    /// Values of the masks without thresholds.
    PLAIN_VALUE plain_value after threshold: 3 inputs of [64 * NODES, 64 * NODES, 64 * NODES],
        sets [NODES, 1], limit 60, speed 300;
    /// Bits of a run length.
    RUN run after plain_value: 1 inputs of [1024], sets [1, 1], limit 60, speed 0;
    /// Is the phase of this pixel stored?
    PHASE phase after run: 3 inputs of [256, 256, 256], sets [16, 1], limit 60, speed 300;
}

/// Slots of a segment's state.
pub(crate) const SLOTS: usize = phase::END_SLOT;
/// Weights of a segment's state.
pub(crate) const WEIGHTS: usize = phase::END_WEIGHT;
/// Slots that start from the priors.
pub(crate) const TRAINED_SLOTS: usize = threshold::END_SLOT;
/// Weights that start from the priors.
pub(crate) const TRAINED_WEIGHTS: usize = threshold::END_WEIGHT;
