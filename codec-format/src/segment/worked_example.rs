//! The decisions of the specification's worked example (Spec §12).

use super::decoder::Opened;
use super::state::State;
use crate::chunk::SEGM;
use crate::entropy::bank::BankBuffers;
use crate::entropy::priors::PRIORS;
use crate::entropy::range::{BitCoder, Decoder};
use crate::memory::Heap;
use crate::{Event, Limits, StreamReader};
use alloc::vec::Vec;

/// A decoder that notes the probability of every bit, and the bit.
struct Noting<'a> {
    decoder: Decoder<'a>,
    bits: Vec<(u32, u32)>,
}

impl BitCoder for Noting<'_> {
    fn code(&mut self, bit: u32, p: u32) -> u32 {
        let bit = self.decoder.code(bit, p);
        self.bits.push((p, bit));
        bit
    }
}

#[test]
fn the_first_decisions_are_those_the_spec_lists() {
    let stream = include_bytes!("../../../spec/vectors/baseline/example.sparc");
    let mut reader = StreamReader::new(&Limits::default());
    reader.push(stream);
    let Ok(Some(Event::Header(header))) = reader.next_event() else {
        panic!("no header");
    };
    // The segment's chunk follows that of the header, whose length is the tenth byte.
    let chunk = &stream[10 + usize::from(stream[9]) + 4..];
    assert_eq!(chunk[0], SEGM);
    let body = &chunk[2..2 + usize::from(chunk[1])];

    let heap = &mut Heap::new(u64::MAX);
    let mut state = State::new(&header, usize::from(header.segment_frames), heap).unwrap();
    let opened = Opened::new(&mut state, body).unwrap();
    let mut noting = Noting {
        decoder: Decoder::new(opened.coded),
        bits: Vec::new(),
    };
    let mut bank = BankBuffers::new(&header, heap).unwrap();
    bank.reset(PRIORS);
    state.code(&mut bank.bank(), &mut noting).unwrap();

    let text = include_str!("../../../spec/sparc.md");
    let (_, listed) = text.split_once("    first decisions").unwrap();
    let (_, listed) = listed.split_once('\n').unwrap();
    let (listed, _) = listed.split_once("\n\n").unwrap();
    let numbers: Vec<u32> = listed
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let listed: Vec<(u32, u32)> = numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    assert_eq!(listed.len(), 20);
    assert_eq!(noting.bits[..20], listed);
}
