//! Sums (Spec §8.6). A concatenation is no work: its readers read the parts ([`View`]).

use crate::network::tensor::{Tensor, View};
use core::ops::Range;

/// Adds the inputs to these frames.
pub(super) fn add(inputs: &[View<'_>], frames: Range<usize>, out: &mut Tensor) {
    for input in inputs {
        let mut sums = out.at_mut(frames.clone());
        if let [part] = input.parts() {
            let terms = part.at(frames.clone());
            sums.iter_mut().zip(terms).for_each(|(y, x)| *y += x);
            continue;
        }
        for frame in frames.clone() {
            for bin in 0..input.bins() {
                for part in input.parts() {
                    let (here, after) = sums.split_at_mut(part.channels);
                    let terms = part.pixel(frame, bin);
                    here.iter_mut().zip(terms).for_each(|(y, x)| *y += x);
                    sums = after;
                }
            }
        }
    }
}
