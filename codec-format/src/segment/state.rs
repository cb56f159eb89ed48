//! All that coding a segment needs beside the adaptive state, in either direction.

use super::bands::{band_edges, Spread};
use super::channel::Channel;
use super::runs;
use super::store::Store;
use crate::entropy::bank::Bank;
use crate::entropy::range::BitCoder;
use crate::error::Result;
use crate::header::{Header, MaskKind};
use crate::limits::MAX_CHANNELS;
use crate::memory::Memory;
use crate::symbols::Shape;

/// Zones of a frame (Spec §6.3.2).
const ZONES: usize = 16;

/// The symbols of a segment and what their coders know.
#[derive(Debug)]
pub(super) struct State<M: Memory> {
    header: Header,
    pub(super) store: Store<M>,
    channels: [Option<Channel<M>>; MAX_CHANNELS as usize],
    /// Zone (0..=15) of every bin.
    zones: M::Of<u8>,
    spread: Option<Spread<M>>,
    /// Whether the tables are written.
    prepared: bool,
}

impl<M: Memory> State<M> {
    /// Takes the memory for segments of up to `frames` frames. The header is valid.
    pub(super) fn new(header: &Header, frames: usize, memory: &mut M) -> Result<Self> {
        let shape = Shape::of(header);
        let mut channels = [const { None }; MAX_CHANNELS as usize];
        for channel in &mut channels[..shape.channels] {
            *channel = Some(Channel::new(header, memory)?);
        }
        Ok(State {
            store: Store::new(shape, frames, memory)?,
            channels,
            zones: memory.take(shape.bins)?,
            spread: header
                .lattice
                .map(|lattice| Spread::new(&lattice, shape.bins, memory))
                .transpose()?,
            header: header.clone(),
            prepared: false,
        })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Writes the tables that follow from the header.
    fn prepare(&mut self) {
        if core::mem::replace(&mut self.prepared, true) {
            return;
        }
        let edges = band_edges(ZONES, 0, self.store.shape.bins, self.header.coded.rate);
        for (zone, edge) in edges.windows(2).enumerate() {
            self.zones[edge[0]..edge[1]].fill(zone as u8);
        }
        if let Some(spread) = &mut self.spread {
            spread.lay(&self.header.lattice_edges());
        }
    }

    /// Codes everything that is entropy coded, in either direction (Spec §6.3): the symbols in the store, of which a
    /// decoder knows what the uncoded part says. [`Error::Usage`](crate::Error::Usage) where a decoder reads what no
    /// encoder writes.
    pub(super) fn code<C: BitCoder>(&mut self, bank: &mut Bank<'_>, coder: &mut C) -> Result<()> {
        self.prepare();
        let count = self.store.shape.channels;
        for (number, channel) in self.channels.iter_mut().flatten().enumerate() {
            channel.begin();
            if self.header.mask == MaskKind::RunLength {
                runs::code(bank, coder, self.store.kept_mut(number), 1)?;
            }
        }
        debug_assert_eq!(self.channels.iter().flatten().count(), count);
        for frame in 0..self.store.frames {
            for (number, channel) in self.channels.iter_mut().flatten().enumerate() {
                let row = self.store.row(number, frame);
                channel.code_frame(bank, coder, &self.zones, self.spread.as_ref(), row)?;
            }
        }
        Ok(())
    }
}
