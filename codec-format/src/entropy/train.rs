//! Making the table of priors from real segments (Spec §5.6).

use super::bank::{BankBuffers, Pace};
use super::layout::ALL;
use super::priors::table;
use crate::error::Result;
use crate::header::Header;
use crate::limits::Limits;
use crate::memory::Heap;
use crate::segment::{LayerBits, SegmentCoder};
use crate::symbols::Segment;
use alloc::vec::Vec;

/// Learns the start of a segment's state from segments of real streams with the ridge mask.
///
/// The first passes let the slots run over all segments without a restart, which makes each the mean
/// of its bits; the later ones restart the slots with every segment, as a decoder does, and let only
/// the mixers go on learning, ever more slowly, so that their trust suits slots still adapting.
#[derive(Debug, Default)]
pub struct PriorTrainer {
    streams: Vec<(Header, Vec<Segment>)>,
}

impl PriorTrainer {
    /// A trainer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the segments of a stream.
    ///
    /// # Errors
    /// Those of [`SegmentCoder::encode`].
    pub fn push(&mut self, header: &Header, segments: Vec<Segment>) -> Result<()> {
        let coder = SegmentCoder::with_priors(header, &Limits::default(), &[])?;
        for segment in &segments {
            coder.encode(segment)?;
        }
        self.streams.push((header.clone(), segments));
        Ok(())
    }

    /// The table: contents for `priors.bin`.
    ///
    /// # Errors
    /// None on segments that [`push`](Self::push) accepted.
    pub fn finish(&self) -> Result<Vec<u8>> {
        let mut bank = BankBuffers::of(ALL, &mut Heap::new(u64::MAX))?;
        bank.reset(&[]);
        for speed in [1000, 300] {
            bank.pace = Pace { limit: 1000, speed };
            self.pass(|coder, segment| coder.learn(&mut bank.bank(), segment))?;
        }
        for speed in [600, 300, 150] {
            let mut start = bank.clone();
            start.reset(&table(&bank));
            bank.pace = Pace {
                limit: Pace::STREAM.limit,
                speed,
            };
            self.pass(|coder, segment| {
                bank.slots.clone_from(&start.slots);
                coder.learn(&mut bank.bank(), segment)
            })?;
            bank.slots = start.slots;
        }
        Ok(table(&bank))
    }

    fn pass(
        &self,
        mut learn: impl FnMut(&SegmentCoder, &Segment) -> Result<LayerBits>,
    ) -> Result<()> {
        for (header, segments) in &self.streams {
            let coder = SegmentCoder::with_priors(header, &Limits::default(), &[])?;
            for segment in segments {
                learn(&coder, segment)?;
            }
        }
        Ok(())
    }
}

/// Bits of segments under a table other than the format's, to judge it by.
///
/// # Errors
/// Those of [`SegmentCoder::encode`].
pub fn measure(header: &Header, segments: &[Segment], priors: &[u8]) -> Result<LayerBits> {
    let coder = SegmentCoder::with_priors(header, &Limits::default(), priors)?;
    let mut sum = LayerBits::default();
    for segment in segments {
        sum.add(&coder.encode_measured(segment)?.1);
    }
    Ok(sum)
}
