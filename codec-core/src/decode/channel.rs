//! One channel on its way from symbols to sound: the stages one after the other.

use super::planes::PlaneBuilder;
use super::synthesis::Synthesis;
use crate::error::Result;
use crate::network::{Completion, Network};
use alloc::sync::Arc;
use codec_format::header::Header;
use codec_format::memory::Memory;
use codec_format::symbols::Row;

/// The stages of one channel.
#[derive(Debug)]
pub(super) struct Channel<M: Memory> {
    planes: PlaneBuilder<M>,
    completion: Completion<M>,
    synthesis: Synthesis<M>,
    /// The next dense frame, counted from the start of the stream.
    fine: usize,
    up: usize,
    end: End,
}

/// How far the end of the stream has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// There may be more symbols.
    Open,
    /// All of them have gone in.
    Symbols,
    /// All planes have gone in.
    Planes,
}

impl<M: Memory> Channel<M> {
    /// Takes what a channel holds whose fine frames are `hop` samples apart. [`reset`](Self::reset) comes first.
    pub fn new(
        header: &Header,
        network: &Arc<Network>,
        hop: usize,
        memory: &mut M,
    ) -> Result<Self> {
        let up = network.upsampling();
        let completion = Completion::new(network, header.stft.bins(), memory)?;
        Ok(Channel {
            planes: PlaneBuilder::new(header, up, completion.delay(), memory)?,
            completion,
            synthesis: Synthesis::new(header, hop, memory)?,
            fine: 0,
            up,
            end: End::Open,
        })
    }

    /// Begins with coded frame `start`, as if nothing came before. `header` is the one it was made for.
    pub fn reset(&mut self, header: &Header, start: usize) {
        self.planes.reset(header, start);
        self.completion.reset();
        self.fine = start.saturating_mul(self.up);
        self.synthesis.reset(self.fine as u64);
        self.end = End::Open;
    }

    /// Samples that the sound lags behind the symbols ([`Decoder::delay`](super::Decoder::delay)).
    pub fn delay(&self, header: &Header) -> usize {
        let coded = self.planes.delay() + self.completion.delay();
        let fine = self.synthesis.delay() * self.synthesis.hop();
        coded * usize::from(header.stft.hop) + fine + usize::from(header.stft.n_fft / 2)
    }

    /// Takes the next frame. [`next`](Self::next) must have given all it can before.
    pub fn push(&mut self, row: &Row<'_>) {
        self.planes.push(row, self.synthesis.transform());
    }

    /// Ends the channel: [`next`](Self::next) gives the rest.
    pub fn end(&mut self) {
        if self.end == End::Open {
            self.planes.end(self.synthesis.transform());
            self.end = End::Symbols;
        }
    }

    /// Writes the samples that are there to `out`, a hop of fine frames at a time, while there is room. Returns the
    /// position of the first and how many they are; nothing if there are none until the next symbols.
    pub fn next(&mut self, out: &mut [f32]) -> Option<(i64, usize)> {
        let (mut position, mut filled) = (0, 0);
        while filled + self.synthesis.hop() <= out.len() {
            let at = self.synthesis.position();
            let Some(pcm) = self.step() else { break };
            if filled == 0 {
                position = at;
            }
            out[filled..filled + pcm.len()].copy_from_slice(pcm);
            filled += pcm.len();
        }
        (filled > 0).then_some((position, filled))
    }

    /// The samples of one more fine frame, perhaps none yet.
    fn step(&mut self) -> Option<&[f32]> {
        loop {
            if let Some(levels) = self.completion.pop() {
                let known = self.planes.known(self.fine);
                self.fine += 1;
                return Some(self.synthesis.push(levels, known));
            }
            if let Some(row) = self.planes.advance() {
                self.completion.push(&row);
                continue;
            }
            match self.end {
                End::Open => return None,
                End::Symbols => self.completion.finish(),
                End::Planes => return self.synthesis.drain(),
            }
            self.end = End::Planes;
        }
    }
}
