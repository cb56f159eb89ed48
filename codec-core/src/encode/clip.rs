//! Whole clips: one candidate brought to a target.

use super::analysis::{Analysis, Clip};
use super::encoding::{ClipCoder, Encoding};
use super::policy::Policy;
use super::rate::{fit, margin_for, SegmentRate};
use super::segment::segment;
use super::settings::Settings;
use crate::error::{Error, Result};
use codec_format::header::ModelId;

/// What decides how much of a clip is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The policy as it is set.
    Settings,
    /// This share of the pixels dropped, 0..=1, as nearly as ridge thresholds allow.
    Sparsity(f32),
    /// At most so many bits a second over all channels, every byte of the file counted, and as near to it as the clip
    /// allows: on speech of three seconds and more within a per cent or so. Besides the ridge margin, value steps get
    /// finer and layers thinner where that is needed.
    Bitrate(u32),
    /// So many bits a second over all channels that every segment keeps to with its whole chunk, the first with the
    /// header as well; what one leaves over is not spent later.
    Constant(u32),
}

impl Clip<'_> {
    /// Encodes the clip with one candidate's settings: [`Analysis::encode`] for a clip that is encoded once.
    ///
    /// # Errors
    /// As [`Analysis::of`] and [`Analysis::encode`].
    pub fn encode(
        &self,
        target: Target,
        settings: &Settings,
        model: Option<ModelId>,
    ) -> Result<Encoding> {
        Analysis::of(self, settings)?.encode(target, settings, model)
    }
}

impl Analysis {
    /// Encodes the clip with one candidate's settings; `model` is the network that completes the images.
    ///
    /// # Errors
    /// [`Error::Settings`] for settings out of range, for a grid or a waveform layer that was not analysed, and for
    /// targets other than [`Target::Settings`] without the ridge policy; [`Error::Format`] for symbols beyond a limit of
    /// the format.
    pub fn encode(
        &self,
        target: Target,
        settings: &Settings,
        model: Option<ModelId>,
    ) -> Result<Encoding> {
        let clip = || ClipCoder::new(self, settings, model);
        match target {
            Target::Settings => clip()?.encode(&settings.policy),
            Target::Sparsity(sparsity) => {
                check_sparsity(&settings.policy, sparsity)?;
                let clip = clip()?;
                clip.encode(&margin_for(&clip, &settings.policy, sparsity))
            }
            Target::Bitrate(bits_per_second) => fit(self, bits_per_second, settings, model),
            Target::Constant(bits_per_second) => {
                let clip = clip()?;
                let (coder, header) = (&clip.coder, clip.header());
                let end = header.coded_samples(header.total_samples.unwrap_or(0));
                let mut rate = SegmentRate::new(coder, &settings.policy, bits_per_second)?;
                let encoding = clip.with(|index| {
                    rate.fit(coder, index, end, |margin| {
                        segment(self, index, header, &settings.policy.with_margin(margin))
                    })
                })?;
                Ok(Encoding {
                    starved: rate.starved,
                    ..encoding
                })
            }
        }
    }
}

/// Whether this share of pixels can be dropped by searching the policy's margin.
pub(super) fn check_sparsity(policy: &Policy, sparsity: f32) -> Result<()> {
    if matches!(policy, Policy::Ridge { .. }) && (0.0..=1.0).contains(&sparsity) {
        return Ok(());
    }
    Err(Error::Settings {
        what: "a sparsity from 0 to 1 is reached with the ridge policy",
    })
}
