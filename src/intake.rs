//! From bytes to segments in order, lost ones included: what every way to decode begins with.

use crate::decoding::{Damage, Decoding};
use crate::error::{Error, Result};
use crate::models::Network;
use alloc::format;
use alloc::sync::Arc;
use codec_format::header::Header;
use codec_format::symbols::Segment;
use codec_format::{Event, StreamReader};

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next segment.
    Segment(Segment),
    /// A lost segment of so many frames.
    Lost {
        /// Its frames.
        frames: usize,
    },
    /// Nothing: so many samples per channel of the source are complete.
    End {
        /// Samples per channel at the source's rate.
        total: u64,
    },
}

/// A stream on its way from bytes to segments.
#[derive(Debug)]
pub(crate) struct Intake {
    reader: StreamReader,
    decoding: Decoding,
    /// Most samples over all channels.
    samples: u64,
    embedded: Option<Arc<Network>>,
    /// A segment that waits for lost ones before it.
    waiting: Option<Segment>,
    /// The number of samples, at the end.
    total: Option<u64>,
    /// Index of the next segment.
    next: u32,
    damage: Damage,
    /// Bytes so far.
    received: u64,
}

impl Intake {
    /// At the start of a stream of at most `samples` samples over all channels.
    pub(crate) fn new(decoding: &Decoding, samples: u64) -> Self {
        Intake {
            reader: StreamReader::new(&decoding.limits),
            decoding: Decoding {
                resample: decoding.resample && cfg!(feature = "std"),
                ..decoding.clone()
            },
            samples,
            embedded: None,
            waiting: None,
            total: None,
            next: 0,
            damage: Damage::default(),
            received: 0,
        }
    }

    /// Bytes so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn decoding(&self) -> &Decoding {
        &self.decoding
    }

    /// Leaves out the segments before `first`.
    pub(crate) fn skip_to(&mut self, first: u32) {
        self.reader.skip_to(first);
        self.next = first;
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        self.reader.push(bytes);
    }

    pub(crate) fn finish(&mut self) {
        self.reader.finish();
    }

    pub(crate) fn header(&self) -> Option<&Header> {
        self.reader.header()
    }

    pub(crate) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// The network that the header asks for; `None` where the image is to be interpolated.
    pub(crate) fn network(&self) -> Result<Option<Arc<Network>>> {
        let networks = &self.decoding.networks;
        let Some(wanted) = self.header().and_then(|header| header.model) else {
            return Ok(None);
        };
        if networks.interpolate {
            return Ok(None);
        }
        match networks.find(wanted, self.embedded.as_ref()) {
            Some(network) => Ok(Some(network)),
            None => Err(Error::Model(format!(
                "needs model {wanted}, which is not at hand"
            ))),
        }
    }

    /// The next step; `None` while more bytes are needed, and after the end.
    pub(crate) fn step(&mut self) -> Result<Option<Step>> {
        loop {
            if let Some(segment) = self.waiting.take() {
                if segment.index == self.next {
                    self.next += 1;
                    self.damage.segments += 1;
                    return Ok(Some(Step::Segment(segment)));
                }
                self.waiting = Some(segment);
                return self.lost(None).map(Some);
            }
            if let Some(total) = self.total {
                let wanted = self.header().map_or(0, |header| header.segments_for(total));
                if u64::from(self.next) < wanted {
                    return self.lost(Some(total)).map(Some);
                }
                // Asked again, the reader has nothing more.
                self.total = None;
                return Ok(Some(Step::End { total }));
            }
            match self.reader.next_event()? {
                None => return Ok(None),
                Some(Event::Header(header)) => {
                    if let Some(total) = header.total_samples {
                        self.check_length(&header, total)?;
                    }
                }
                Some(Event::Model(file)) => {
                    self.embedded = Some(Arc::new(Network::read(&file)?));
                }
                Some(Event::Segment(segment)) => {
                    // What was left out must not come back.
                    if segment.index >= self.next {
                        self.waiting = Some(segment);
                    }
                }
                Some(Event::DamagedSegment { error, .. }) => {
                    self.damage.places += 1;
                    self.damage.first.get_or_insert(error);
                }
                Some(Event::End { total }) => {
                    if let Some(header) = self.header().cloned() {
                        self.check_length(&header, total)?;
                    }
                    self.total = Some(total);
                }
                Some(_) => {}
            }
        }
    }

    /// Notes that the next segment is lost.
    fn lost(&mut self, total: Option<u64>) -> Result<Step> {
        let frames = self.header().map_or(0, |header| {
            let length = u64::from(header.segment_frames);
            let left = total.map_or(length, |total| {
                let before = u64::from(self.next) * length;
                header.frames_for(total).saturating_sub(before)
            });
            left.min(length) as usize
        });
        self.next += 1;
        self.damage.segments += 1;
        self.damage.concealed += 1;
        Ok(Step::Lost { frames })
    }

    fn check_length(&self, header: &Header, total: u64) -> Result<()> {
        let samples = total.saturating_mul(u64::from(header.source.channels));
        let most = samples.max(header.coded_samples(total));
        if most > self.samples {
            let limit = self.samples;
            return Err(Error::Limit(format!(
                "{most} samples exceed the limit of {limit}"
            )));
        }
        Ok(())
    }
}
