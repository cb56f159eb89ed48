//! A whole stream taken apart: for what looks at symbols rather than listens.

use crate::decoding::{Damage, Decoding};
use crate::error::{Error, Result};
use crate::intake::{Intake, Step};
use crate::models::Network;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::symbols::{Segment, SparseImage};

/// A whole stream as symbols.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Its header.
    pub header: Header,
    /// Samples per channel at the source's rate.
    pub total: u64,
    /// The network that completes it: the one its header asks for, if any.
    pub network: Option<Arc<Network>>,
    /// Its segments in order; a lost one is `None`.
    pub segments: Vec<Option<Segment>>,
    /// What was damaged or lost.
    pub damage: Damage,
}

impl Stream {
    /// Takes a stream held in memory apart.
    ///
    /// # Errors
    /// As [`decode_with`](crate::decode_with); [`Error::Limit`] for more symbols than [`Decoding::memory`] holds.
    pub fn read(stream: &[u8], decoding: &Decoding) -> Result<Self> {
        let (mut segments, mut bytes) = (Vec::new(), 0);
        let keep = |segment: Option<Segment>| {
            let images = segment.iter().flat_map(|segment| &segment.channels);
            bytes += size_of::<Option<Segment>>() + images.map(size).sum::<usize>();
            segments.push(segment);
            if bytes as u64 <= decoding.memory {
                return Ok(());
            }
            let allowed = decoding.memory;
            Err(Error::Limit(format!(
                "has symbols that take more than the {allowed} bytes of memory that are allowed"
            )))
        };
        let (intake, total) = walk(stream, decoding, keep)?;
        Ok(Stream {
            network: intake.network()?,
            header: header(&intake)?,
            total,
            segments,
            damage: intake.damage().clone(),
        })
    }

    /// Reads a stream held in memory to its end, and says how long it is and what of it is damaged; nothing is kept.
    ///
    /// # Errors
    /// As [`decode_with`](crate::decode_with), but for what the network and the sound would take.
    pub fn survey(stream: &[u8], decoding: &Decoding) -> Result<(Header, u64, Damage)> {
        let (intake, total) = walk(stream, decoding, |_| Ok(()))?;
        Ok((header(&intake)?, total, intake.damage().clone()))
    }
}

/// Gives `take` every segment of a stream, lost ones as `None`; returns what is known of it then, and its length.
fn walk(
    stream: &[u8],
    decoding: &Decoding,
    mut take: impl FnMut(Option<Segment>) -> Result<()>,
) -> Result<(Intake, u64)> {
    let mut intake = Intake::new(decoding, decoding.samples);
    intake.push(stream);
    intake.finish();
    loop {
        match intake.step()? {
            Some(Step::Segment(segment)) => take(Some(segment))?,
            Some(Step::Lost { .. }) => take(None)?,
            Some(Step::End { total }) => return Ok((intake, total)),
            None => return Err(Error::Stream("ends before it tells its length".into())),
        }
    }
}

fn header(intake: &Intake) -> Result<Header> {
    let none = || Error::Stream("has no header".into());
    intake.header().cloned().ok_or_else(none)
}

/// Bytes of an image's symbols.
fn size(image: &SparseImage) -> usize {
    let bits = image.mask().len() + image.phases.mask.len();
    let bytes = image.values().len() + image.thresholds().len() + image.lattice.len();
    let words = size_of_val(image.waveform()) + size_of_val(&image.phases.angles[..]);
    bits / 8 + bytes + words + size_of::<SparseImage>()
}
