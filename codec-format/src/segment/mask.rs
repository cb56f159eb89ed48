//! Whether a pixel of the ridge layer is kept: contexts from all around it (Spec §6.3.2).

use super::class::{class, feature, half_class};
use super::ridge::{run, PAD};
use crate::entropy::bank::Bank;
use crate::entropy::layout::MASK;
use crate::entropy::range::BitCoder;

/// Where the ridges of the frame being coded lie so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Peaks {
    /// Bin of the largest value of the run of kept pixels begun last, and of the one before it.
    pub(super) last: usize,
    before: usize,
    /// Bins between them, at most 15.
    pub(super) spacing: usize,
    /// Value + 1 at `last`.
    height: u16,
    /// By how many bins the last ridge lies above its like in the frame before.
    pub(super) shift: i32,
}

impl Peaks {
    /// Bins between the last ridge and bin `k`, at most 15.
    #[inline]
    pub(super) fn off(&self, k: usize) -> usize {
        (k - self.last).min(15)
    }

    /// Takes note of a kept pixel of bin `k`, whose run it begins if `fresh`.
    pub(super) fn note(&mut self, k: usize, kept: u16, fresh: bool, kept_before: &[u16]) {
        if fresh {
            self.before = self.last;
            self.height = 0;
        }
        if kept > self.height {
            self.height = kept;
            self.last = k;
            self.shift = 0;
            let mut best = 0;
            for shift in [0, 1, -1, 2, -2] {
                let other = kept_before[((k + PAD) as i32 - shift) as usize];
                if other > best {
                    best = other;
                    self.shift = shift;
                }
            }
        }
        self.spacing = (self.last - self.before).min(15);
    }
}

/// The bins below the one being coded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Below {
    /// Which of the three nearest are kept: a, b and c, the nearest lowest.
    pub(super) kept: usize,
    /// Levels above the threshold of the two nearest, 1/8 dB, and their measurements.
    pub(super) levels: [i32; 2],
    pub(super) features: [i16; 2],
}

impl Below {
    /// Before the first bin, with these levels above the threshold below it.
    pub(super) fn new(levels: [i32; 2]) -> Self {
        Below {
            kept: 0,
            levels,
            features: levels.map(feature),
        }
    }

    /// Moves on by a bin, which has this level and is kept or not.
    #[inline]
    pub(super) fn push(&mut self, kept: bool, level: i32, feature: i16) {
        self.kept = self.kept << 1 & 7 | usize::from(kept);
        self.levels = [level, self.levels[0]];
        self.features = [feature, self.features[0]];
    }
}

/// What [`Below::kept`] adds to each of [`Seen::contexts`].
static BELOW: [[u16; 8]; 8] = {
    let mut table = [[0; 8]; 8];
    let mut kept = 0;
    while kept < 8 {
        let [a, b, c] = [kept & 1, kept >> 1 & 1, kept >> 2];
        table[kept as usize] = [
            a << 4 | b << 9,
            b << 9,
            a << 7 | b << 9,
            a << 8,
            a << 10,
            a << 9 | b << 10,
            a << 7 | c << 9 | b << 10,
            a,
        ];
        kept += 1;
    }
    table
};

/// What else is known at a bin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// The contexts of the inputs, and that of the first mixer, without the frame's own bins.
    pub(super) contexts: &'a [u16; 8],
    /// By how much the frame before rises from the bin below, and sixteen times what neighbours there add to a mean.
    pub(super) trends: &'a [i32; 4],
    /// Measurements of the frame before, from two bins below to two above, and of the frame before that.
    pub(super) before: &'a [i16],
    pub(super) older: i16,
    /// Those of the background, of the same place of the ridge pattern in the frame before, and of one ridge further down.
    pub(super) ground: i16,
    pub(super) aligned: i16,
    pub(super) harmonic: i16,
}

/// Codes whether bin `k` is kept.
#[inline]
pub(super) fn code_mask<C: BitCoder>(
    bank: &mut Bank<'_>,
    coder: &mut C,
    keep: bool,
    k: usize,
    seen: &Seen<'_>,
    below: &Below,
    peaks: &Peaks,
) -> bool {
    let own = &BELOW[below.kept % BELOW.len()];
    let context = |n: usize| usize::from(seen.contexts[n] | own[n]);
    let (off, spacing) = (peaks.off(k), peaks.spacing);
    let ([rise, trend, ..], [xa, _]) = (*seen.trends, below.levels);
    // Estimates of the level above the threshold.
    let (plane, blend) = (xa + rise, (6 * xa + trend) / 16);
    let fine = ((blend + 160) >> 3).clamp(0, 63) as usize;
    let place = context(0);
    let contexts = [
        place,
        context(1) | half_class(below.features[0]) << 3,
        context(2) | class(plane),
        context(3) | off | spacing << 4,
        context(4),
        context(5) | fine,
        context(6) | half_class(seen.aligned) << 4,
    ];
    // The frame before: here, above and below.
    let [before_dd, before_d, before_l, before_u, before_uu] = run(seen.before, 0);
    let features = [
        256,
        before_l,
        below.features[0],
        before_u,
        before_d,
        seen.older,
        seen.ground,
        seen.aligned,
        seen.harmonic,
        before_uu,
        before_dd,
        below.features[1],
    ];
    let sets = [
        context(7),
        place & 15 | (below.kept & 3) << 4,
        off | (spacing / 2) << 4,
    ];
    bank.code(coder, &MASK, &contexts, &features, sets, u32::from(keep)) != 0
}
