//! What the frames before say about a frame of the ridge layer before any of it is known (Spec §6.3.2).

use super::class::{class_at, class_place, feature, half_class};
use super::ridge::PAD;
use crate::error::Result;
use crate::memory::Memory;

/// Of every bin what its contexts and measurements take from the frames before and from the background.
#[derive(Debug)]
pub(super) struct Past<M: Memory> {
    /// The contexts of the mask's inputs, and that of its first mixer, without the frame's own bins.
    pub(super) contexts: M::Of<[u16; 8]>,
    /// By how much the frame before rises from the bin below, and of levels above the threshold sixteen times what
    /// neighbours there add to a mean, in 1/8 dB; then the places of the classes of their own mean and of both frames'.
    pub(super) trends: M::Of<[i32; 4]>,
    /// Which neighbours were kept.
    around: M::Of<u16>,
    /// Measurements of the frame before (padded), the one before that, and the background.
    pub(super) before: M::Of<i16>,
    pub(super) older: M::Of<i16>,
    pub(super) ground: M::Of<i16>,
}

/// The frames before, padded, and what else is known of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// Value + 1 of kept pixels, else 0, of the frame before and the one before that.
    pub(super) kept: [&'a [u16]; 2],
    /// Likewise levels above the origin, 1/8 dB.
    pub(super) level: [&'a [i32]; 2],
    /// The background's, not padded.
    pub(super) background: &'a [i32],
    pub(super) zones: &'a [u8],
    /// The frame's threshold above the origin, 1/8 dB.
    pub(super) floor: i32,
    /// By how many steps it rose, within three, or nothing in a segment's first frame.
    pub(super) change: Option<i32>,
}

fn measure(features: &mut [i16], levels: &[i32], floor: i32) {
    for (feature_of, &level) in features.iter_mut().zip(levels) {
        *feature_of = feature(level - floor);
    }
}

impl<M: Memory> Past<M> {
    pub(super) fn new(bins: usize, memory: &mut M) -> Result<Self> {
        Ok(Past {
            contexts: memory.take(bins)?,
            trends: memory.take(bins)?,
            around: memory.take(bins)?,
            before: memory.take(bins + 2 * PAD)?,
            older: memory.take(bins)?,
            ground: memory.take(bins)?,
        })
    }

    /// Looks at the frames before.
    pub(super) fn look(&mut self, known: Known<'_>) {
        let Known { floor, .. } = known;
        let [before, older] = known.level;
        measure(&mut self.before, before, floor);
        measure(&mut self.older, &older[PAD..], floor);
        measure(&mut self.ground, known.background, floor);
        let from = PAD - 1;
        let levels = before[from..].windows(3).zip(older[from..].windows(3));
        for (trend, (x, y)) in self.trends.iter_mut().zip(levels) {
            // Four times the mean over the neighbours in one frame, and as much of the other's.
            let near = 2 * x[1] + x[2] + x[0] - 4 * floor;
            let far = 2 * y[1] + y[2] + y[0] - 4 * floor;
            *trend = [
                x[1] - x[0],
                near + 2 * x[1] + 2 * x[2] + x[0] + y[1] - 6 * floor,
                class_place(near / 4),
                class_place((near + far) / 8),
            ];
        }
        let [before, older] = known.kept;
        let kept = before[from..].windows(3).zip(&older[PAD..]);
        for (around, (kept, &ll)) in self.around.iter_mut().zip(kept) {
            let flag = |kept: u16| u16::from(kept != 0);
            *around = flag(kept[1]) | flag(kept[2]) << 1 | flag(kept[0]) << 2 | flag(ll) << 3;
        }
        let first = u16::from(known.change.is_none());
        let change = known.change.map_or(7, |change| (change + 3) as u16);
        let measured = self.before[PAD..].iter().zip(self.ground.iter());
        let seen = self.contexts.iter_mut().zip(self.trends.iter());
        let seen = seen.zip(self.around.iter().zip(known.zones));
        for (((contexts, trend), (&around, &zone)), (&here, &ground)) in seen.zip(measured) {
            let (here, ground) = (half_class(here) as u16, half_class(ground) as u16);
            let [near, both] = [trend[2], trend[3]].map(|place| class_at(place) as u16);
            let around = &AROUND[usize::from(around) % AROUND.len()];
            *contexts = [
                around[0] | u16::from(zone),
                around[1] | here,
                around[2] | ground << 4,
                around[3],
                near | ground << 4 | change << 7,
                ground << 6,
                around[6] | both,
                around[7] | first << 5,
            ];
        }
    }
}

/// What kept neighbours, as in [`Past::around`], say in each of [`Past::contexts`].
static AROUND: [[u16; 8]; 16] = {
    let mut table = [[0; 8]; 16];
    let mut around = 0;
    while around < 16 {
        let [l, u, d, ll] = [around & 1, around >> 1 & 1, around >> 2 & 1, around >> 3];
        let ahead = u << 6 | d << 7 | ll << 8;
        let (upper, edge) = (l << 8, l << 9 | (u | d) << 10);
        let all = l << 1 | u << 2 | d << 3 | ll << 4;
        table[around as usize] = [l << 5 | ahead, ahead, upper, edge, 0, 0, upper, all];
        around += 1;
    }
    table
};
