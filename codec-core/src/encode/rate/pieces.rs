//! A rate of a whole stream whose end nobody knows yet: one search for every piece of it.

use super::super::encoding::{head_bytes, ClipCoder};
use super::super::policy::Policy;
use super::super::segment::Coded;
use super::constant::starve;
use super::search::Found;
use super::whole::{between, margins};
use crate::error::{Error, Result};
use alloc::vec::Vec;
use codec_format::header::Header;

/// Bytes kept back until the last piece: the trailer's chunk, and a last segment of one frame, which has no samples of
/// its own that would pay for it.
const RESERVE: u64 = 64;
/// Bytes of the longest trailer's chunk.
const TRAILER: u64 = 12;
/// A piece gets so many times its own share at most, however much was left over before: a voice after minutes of silence
/// sounds no better for all the bits of these.
const MOST_SHARES: u64 = 2;

/// Rate control of one stream in pieces.
///
/// All pieces up to any one take at most `bits_per_second` together, signature, header and trailer counted. A piece gets
/// the finest ridge margin that its own share and what was left over before allow, as a clip does.
#[derive(Debug)]
pub(crate) struct PieceRate {
    bits_per_second: u32,
    policy: Policy,
    /// The margin of the piece before, dB.
    margin: f32,
    /// Bytes of everything so far, and coded samples that they stand for.
    spent: u64,
    paid: u64,
    /// Segments so far whose background had to be held or silenced.
    pub(crate) starved: u32,
}

impl PieceRate {
    /// Rate control of the stream with this header.
    ///
    /// # Errors
    /// [`Error::Settings`] without the ridge policy.
    pub(crate) fn new(header: &Header, policy: &Policy, bits_per_second: u32) -> Result<Self> {
        let Policy::Ridge { margin, .. } = *policy else {
            return Err(Error::Settings {
                what: "a bitrate needs the ridge policy",
            });
        };
        Ok(PieceRate {
            bits_per_second,
            policy: policy.clone(),
            margin,
            spent: head_bytes(header)?,
            paid: 0,
            starved: 0,
        })
    }

    /// The next piece, whose last frame ends the stream if `last`; its sound ends with coded sample `end`.
    pub(crate) fn fit(&mut self, clip: &ClipCoder<'_>, end: u64, last: bool) -> Result<Vec<Coded>> {
        let header = clip.header();
        let bytes = |samples: u64| {
            let bits = u128::from(samples) * u128::from(self.bits_per_second);
            u64::try_from(bits / (8 * u128::from(header.coded.rate.max(1)))).unwrap_or(u64::MAX)
        };
        let kept_back = if last { TRAILER } else { RESERVE };
        let most = MOST_SHARES * bytes(end.saturating_sub(self.paid)) + RESERVE;
        let budget = bytes(end)
            .saturating_sub(self.spent.saturating_add(kept_back))
            .min(most);
        let made = match margins(clip, &self.policy, self.margin, budget)? {
            Found::Fits(probe) => {
                self.margin = probe.margin;
                probe.what.coded()
            }
            Found::Between { fine, coarse } => {
                self.margin = coarse.margin;
                between(clip, fine.what, coarse.what, budget)?.coded()
            }
            Found::Over(probe) => {
                self.margin = probe.margin;
                self.starve(clip, probe.what.coded(), budget)?
            }
        };
        self.spent += made.iter().map(Coded::bytes).sum::<u64>();
        self.paid = end;
        Ok(made)
    }

    /// A piece whose empty masks are still too much: what is left of the budget is shared by the segments that are left.
    fn starve(
        &mut self,
        clip: &ClipCoder<'_>,
        made: Vec<Coded>,
        budget: u64,
    ) -> Result<Vec<Coded>> {
        let (mut left, mut waiting) = (budget, made.len() as u64);
        let fed = |coded: Coded| {
            let share = left / waiting.max(1);
            waiting -= 1;
            let coded = if coded.bytes() <= share {
                coded
            } else {
                self.starved += 1;
                starve(&clip.coder, &coded.segment, share)?
            };
            left = left.saturating_sub(coded.bytes());
            Ok(coded)
        };
        made.into_iter().map(fed).collect()
    }
}
