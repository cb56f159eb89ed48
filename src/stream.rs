//! A whole stream taken apart: for what looks at symbols rather than listens.

use crate::decoding::{Damage, Decoding};
use crate::error::{Error, Result};
use crate::intake::{Intake, Step};
use crate::models::Network;
use alloc::sync::Arc;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::symbols::Segment;

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
    /// As [`decode_with`](crate::decode_with).
    pub fn read(stream: &[u8], decoding: &Decoding) -> Result<Self> {
        let mut intake = Intake::new(decoding, decoding.samples);
        intake.push(stream);
        intake.finish();
        let mut segments = Vec::new();
        let total = loop {
            match intake.step()? {
                Some(Step::Segment(segment)) => segments.push(Some(segment)),
                Some(Step::Lost { .. }) => segments.push(None),
                Some(Step::End { total }) => break total,
                None => return Err(Error::Stream("ends before it tells its length".into())),
            }
        };
        let Some(header) = intake.header().cloned() else {
            return Err(Error::Stream("has no header".into()));
        };
        Ok(Stream {
            network: intake.network()?,
            header,
            total,
            segments,
            damage: intake.damage().clone(),
        })
    }
}
