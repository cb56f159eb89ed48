//! Uniform random masks, the thesis' baseline.

use super::{kept_of, Choice};
use codec_format::seeded_mask;

/// Exactly [`kept_of`] the `pixels` of a segment's channel, wherever the generator puts them.
pub(super) fn choose(pixels: usize, sparsity: f32, seed: u64, segment: u32, channel: u8) -> Choice {
    let count = kept_of(pixels, sparsity);
    seeded_mask(seed, segment, usize::from(channel), pixels, count).into()
}
