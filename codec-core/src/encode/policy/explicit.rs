//! The caller's mask.

use super::Choice;
use codec_format::symbols::Mask;

/// The `pixels` pixels from pixel `start` on of a mask over the whole clip; past its end nothing is kept.
pub(super) fn choose(whole: &Mask, start: usize, pixels: usize) -> Choice {
    let start = start.min(whole.len());
    let mut mask: Mask = whole[start..(start + pixels).min(whole.len())].to_bitvec();
    mask.resize(pixels, false);
    mask.into()
}
