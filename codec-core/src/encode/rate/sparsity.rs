//! A share of pixels to drop.

use super::super::encoding::ClipCoder;
use super::super::policy::Policy;
use super::super::segment::kept;

/// Ridge margins searched, dB: beyond them every pixel of any clip is kept, or none.
const MARGINS: (f32, f32) = (-80.0, 160.0);
/// Halvings of these: to 0.01 dB, finer than any threshold step.
const HALVINGS: usize = 15;

/// The policy with the ridge margin that drops `sparsity` of the pixels, as nearly as thresholds allow.
pub(crate) fn margin_for(clip: &ClipCoder<'_>, policy: &Policy, sparsity: f32) -> Policy {
    let wanted = 1.0 - f64::from(sparsity);
    let (mut low, mut high) = MARGINS;
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if kept(clip.analysis, clip.header(), &policy.with_margin(middle)) > wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    policy.with_margin(high)
}
