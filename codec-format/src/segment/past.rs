//! What the frames before say about a frame of the ridge layer before any of it is known (Spec §6.3.2).

use super::ridge::{class, PAD};
use crate::error::Result;
use crate::memory::Memory;

/// Of every bin what its contexts and measurements take from the frames before and from the background.
#[derive(Debug)]
pub(super) struct Past<M: Memory> {
    /// Zone, and which neighbours are kept: the context of the first input without the frame's own bins.
    pub(super) places: M::Of<u16>,
    /// Classes of the mean over the neighbours in the frame before and of the background, and the threshold's change.
    pub(super) times: M::Of<u16>,
    /// Class of the mean over the neighbours in both frames.
    pub(super) fars: M::Of<u8>,
    /// Half the class of the background.
    pub(super) grounds: M::Of<u8>,
    /// Half the class of the frame before, padded.
    pub(super) halves: M::Of<u8>,
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
    /// The frame's threshold above the origin, 1/8 dB, and the class of its change.
    pub(super) floor: i32,
    pub(super) change: usize,
}

/// A level difference in 1/8 dB as a measurement: in 1/32 dB, within those of a logit.
#[inline]
pub(super) fn feature(x: i32) -> i16 {
    (x * 4).clamp(-1023, 1023) as i16
}

impl<M: Memory> Past<M> {
    pub(super) fn new(bins: usize, memory: &mut M) -> Result<Self> {
        Ok(Past {
            places: memory.take(bins)?,
            times: memory.take(bins)?,
            fars: memory.take(bins)?,
            grounds: memory.take(bins)?,
            halves: memory.take(bins + 2 * PAD)?,
            before: memory.take(bins + 2 * PAD)?,
            older: memory.take(bins)?,
            ground: memory.take(bins)?,
        })
    }

    /// Looks at the frames before.
    pub(super) fn look(&mut self, known: Known<'_>) {
        let Known { floor, change, .. } = known;
        let [before, older] = known.level;
        for (feature_of, &level) in self.before.iter_mut().zip(before) {
            *feature_of = feature(level - floor);
        }
        for (half, &level) in self.halves.iter_mut().zip(before) {
            *half = (class(level - floor) / 2) as u8;
        }
        for (feature_of, &level) in self.older.iter_mut().zip(&older[PAD..]) {
            *feature_of = feature(level - floor);
        }
        for (feature_of, &level) in self.ground.iter_mut().zip(known.background) {
            *feature_of = feature(level - floor);
        }
        for (half, &level) in self.grounds.iter_mut().zip(known.background) {
            *half = (class(level - floor) / 2) as u8;
        }
        let near = before[PAD - 1..].windows(3);
        let far = older[PAD - 1..].windows(3);
        let places = self.times.iter_mut().zip(self.fars.iter_mut());
        for (((time, far), ground), (x, y)) in places.zip(self.grounds.iter()).zip(near.zip(far)) {
            // Four times the one mean, and as much of the other frame's.
            let here = 2 * x[1] + x[2] + x[0] - 4 * floor;
            let there = 2 * y[1] + y[2] + y[0] - 4 * floor;
            *time = (class(here / 4) | usize::from(*ground) << 4 | change << 7) as u16;
            *far = class((here + there) / 8) as u8;
        }
        let [before, older] = known.kept;
        let near = before[PAD - 1..].windows(3).zip(&older[PAD..]);
        for ((place, &zone), (x, &ll)) in self.places.iter_mut().zip(known.zones).zip(near) {
            let flag = |kept: u16| u16::from(kept != 0);
            let (l, u, d, ll) = (flag(x[1]), flag(x[2]), flag(x[0]), flag(ll));
            *place = u16::from(zone) | l << 5 | u << 6 | d << 7 | ll << 8;
        }
    }
}
