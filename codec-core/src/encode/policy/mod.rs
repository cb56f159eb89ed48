//! Mask policies: from a log-power image to the sparse image that is coded.

mod energy;
mod explicit;
mod ridge;
mod uniform;

use crate::error::{Error, Result};
use crate::quantise::lattice::Lattice;
use crate::quantise::levels;
use alloc::vec::Vec;
use codec_format::header::{Header, MaskKind};
use codec_format::symbols::{Kept, Mask, SparseImage};
use ndarray::{Array2, ArrayView2};

/// How the kept pixels are chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// Pixels above a threshold per frame: half the frame's peak (in dB above the origin) plus `margin`, and what `rise`
    /// adds towards high frequencies. A smaller margin keeps more.
    Ridge {
        /// dB added to half the peak.
        margin: f32,
        /// Step of the thresholds in 1/8 dB, at least 1.
        threshold_step: u8,
        /// How far a pixel must reach above its frame's threshold.
        rise: Rise,
    },
    /// Uniform random, the thesis' baseline: exactly `round((1 - sparsity) * pixels)` of a segment.
    Uniform {
        /// Share of pixels dropped, 0..=1.
        sparsity: f32,
        /// Seed of the generator; it is written to the header.
        seed: u64,
    },
    /// The strongest pixels of each frame.
    Energy {
        /// Share of each frame's pixels dropped, 0..=1.
        sparsity: f32,
    },
    /// The caller's mask over the whole clip (first channel's frames; every channel uses it), and, where
    /// it was optimised, what to store at the kept pixels.
    Explicit {
        /// Bins x frames in pixel order; frames past its end keep nothing.
        mask: Mask,
        /// Levels in dB above the origin, frames x bins of the whole clip, stored at the kept pixels in
        /// place of the signal's own. Pixels past its end have the signal's.
        levels: Option<Array2<f32>>,
    },
}

/// dB by which a pixel must exceed its frame's ridge threshold to be kept: none up to a frequency, then more with each
/// kilohertz. The stream does not tell it; values count from the threshold itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rise {
    /// Where it begins, Hz.
    pub from: f32,
    /// dB for each kilohertz above, not negative.
    pub per_kilohertz: f32,
}

impl Rise {
    /// None at any frequency.
    pub const NONE: Rise = Rise {
        from: 0.0,
        per_kilohertz: 0.0,
    };

    /// dB at a frequency in Hz.
    fn at(self, hertz: f32) -> f32 {
        (0.001 * self.per_kilohertz * (hertz - self.from)).max(0.0)
    }
}

impl Policy {
    /// The same with another ridge margin, dB; other policies as they are.
    #[must_use]
    pub fn with_margin(&self, margin: f32) -> Self {
        match *self {
            Policy::Ridge {
                threshold_step,
                rise,
                ..
            } => Policy::Ridge {
                margin,
                threshold_step,
                rise,
            },
            _ => self.clone(),
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Settings`] naming the first rule broken.
    pub fn validate(&self) -> Result<()> {
        let fail = |what| Err(Error::Settings { what });
        match self {
            Policy::Ridge { margin, rise, .. }
                if ![*margin, rise.from, rise.per_kilohertz]
                    .iter()
                    .all(|x| x.is_finite()) =>
            {
                fail("ridge margin and rise must be finite")
            }
            Policy::Ridge { rise, .. } if rise.per_kilohertz < 0.0 => {
                fail("the ridge threshold must not fall towards high frequencies")
            }
            Policy::Ridge {
                threshold_step: 0, ..
            } => fail("threshold step must be at least 1/8 dB"),
            Policy::Uniform { sparsity, .. } | Policy::Energy { sparsity }
                if !(0.0..=1.0).contains(sparsity) =>
            {
                fail("sparsity must be from 0 to 1")
            }
            Policy::Explicit { levels, .. } if levels.iter().flatten().any(|x| !x.is_finite()) => {
                fail("levels to store must be finite")
            }
            _ => Ok(()),
        }
    }

    /// Chooses the kept pixels of segment `segment` of a channel, which both seed random masks. `image` is frames x
    /// bins in dB above the origin.
    pub(crate) fn choose(
        &self,
        image: ArrayView2<'_, f32>,
        header: &Header,
        segment: u32,
        channel: u8,
    ) -> Choice {
        let (pixels, bins) = (image.len(), image.ncols());
        match self {
            Policy::Ridge { margin, rise, .. } => ridge::choose(image, header, *margin, *rise),
            Policy::Uniform { sparsity, seed } => {
                uniform::choose(pixels, *sparsity, *seed, segment, channel)
            }
            Policy::Energy { sparsity } => energy::choose(image, *sparsity),
            Policy::Explicit { mask, .. } => {
                explicit::choose(mask, first_frame(header, segment) * bins, pixels)
            }
        }
    }

    /// What to store at a kept pixel of the clip's frame `frame` in place of its own level, dB above the origin.
    fn stored(&self, frame: usize, bin: usize) -> Option<f32> {
        match self {
            Policy::Explicit { levels, .. } => levels.as_ref()?.get((frame, bin)).copied(),
            _ => None,
        }
    }
}

/// The pixels a policy chose.
pub(crate) struct Choice {
    /// In pixel order.
    pub(crate) mask: Mask,
    /// A ridge threshold for every frame; empty for other policies.
    pub(crate) thresholds: Vec<u8>,
}

impl From<Mask> for Choice {
    fn from(mask: Mask) -> Self {
        Choice {
            mask,
            thresholds: Vec::new(),
        }
    }
}

/// Chooses the kept pixels of segment `segment` of one channel and quantises them and the background.
///
/// `image` is frames x bins in dB above the origin. Phases and waveform layer are left empty.
#[must_use]
pub fn sparsify(
    image: ArrayView2<'_, f32>,
    header: &Header,
    policy: &Policy,
    segment: u32,
    channel: u8,
) -> SparseImage {
    let (frames, bins) = image.dim();
    let Choice { mask, thresholds } = policy.choose(image, header, segment, channel);
    let (first, step) = (first_frame(header, segment), levels::threshold_step(header));
    let values = mask
        .iter_ones()
        .map(|pixel| {
            let (frame, bin) = (pixel / bins, pixel % bins);
            let base = thresholds
                .get(frame)
                .map_or(0, |&index| levels::threshold(step, index));
            let base = levels::decibels(base);
            let stored = policy.stored(first + frame, bin);
            let level = stored.unwrap_or_else(|| image[(frame, bin)]);
            levels::floor_index(level - base, header.quantiser.step)
        })
        .collect();
    let lattice = Lattice::of(header).map_or_else(Vec::new, |lattice| lattice.sample(image, &mask));
    SparseImage {
        bins,
        frames,
        kept: match header.mask {
            MaskKind::Ridge { .. } => Kept::Ridge {
                mask,
                values,
                thresholds,
                waveform: Vec::new(),
            },
            _ => Kept::Scattered { mask, values },
        },
        lattice,
        phases: Default::default(),
    }
}

/// The clip's frame at which a segment begins.
fn first_frame(header: &Header, segment: u32) -> usize {
    segment as usize * usize::from(header.segment_frames)
}

/// Pixels kept of `pixels` at a sparsity.
fn kept_of(pixels: usize, sparsity: f32) -> usize {
    let kept = libm::round((1.0 - f64::from(sparsity)) * pixels as f64);
    (kept as usize).min(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Settings;
    use alloc::vec;
    use codec_format::header::Signal;

    const MONO: Signal = Signal {
        rate: 16_000,
        channels: 1,
    };

    #[test]
    fn an_explicit_mask_stores_the_levels_it_is_given() {
        let mut header = Settings::thesis(0.95).header(MONO, None, 0, None);
        header.quantiser.step = 8;
        let image = Array2::from_elem((2, 3), 10.2f32);
        let mask: Mask = [true, false, true, false, true, true].into_iter().collect();
        let policy = |levels| Policy::Explicit {
            mask: mask.clone(),
            levels,
        };
        let own = sparsify(image.view(), &header, &policy(None), 0, 0);
        assert_eq!(own.values(), vec![10; 4]);
        let given = Array2::from_shape_fn((1, 3), |(_, bin)| 20.0 + bin as f32);
        let stored = sparsify(image.view(), &header, &policy(Some(given.clone())), 0, 0);
        assert_eq!(
            stored.values(),
            [20, 22, 10, 10],
            "frames past the end have the signal's own"
        );
        header.segment_frames = 1;
        let later = sparsify(image.view(), &header, &policy(Some(given)), 1, 0);
        assert_eq!(later.values(), [10, 10], "the mask ends too");
    }

    #[test]
    fn a_ridge_must_rise_further_towards_high_frequencies() {
        let mut settings = Settings::speech();
        let kept = |settings: &Settings| -> Vec<usize> {
            let header = settings.header(MONO, None, 0, None);
            // A frame with its peak in the first bin and everything else just at its threshold.
            let mut image = Array2::from_elem((1, 257), 50.0f32);
            image[(0, 0)] = 60.0;
            let mask = settings.policy.choose(image.view(), &header, 0, 0).mask;
            mask.iter_ones().collect()
        };
        let ridge = |per_kilohertz| Policy::Ridge {
            margin: 20.0,
            threshold_step: 8,
            rise: Rise {
                from: 2_000.0,
                per_kilohertz,
            },
        };
        settings.policy = ridge(0.0);
        assert_eq!(kept(&settings).len(), 257);
        settings.policy = ridge(1.0);
        // Bin 64 is at 2 kHz.
        assert_eq!(kept(&settings), (0..=64).collect::<Vec<_>>());
        settings.policy = ridge(-1.0);
        assert!(settings.validate().is_err());
    }
}
