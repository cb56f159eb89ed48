//! Optimisation of masks: which pixels of one clip to keep, and what to store at them, for a network that is
//! given.
//!
//! [`problem::Problem`] is a clip made ready: it completes, measures and encodes masks. [`gradient`] relaxes
//! the mask to real numbers and descends, [`genetic`] breeds masks, [`seeds`] tries masks that cost eight
//! bytes. Masks are those of the format, one bit a pixel in pixel order (frame by frame, lowest bin first);
//! images are frames x bins in dB above the origin.

mod completion;
pub mod genetic;
pub mod gradient;
mod population;
pub mod problem;
pub mod sampling;
pub mod seeds;

pub use problem::{Fitness, Measures, Problem};
