//! Lawful headers and segments for property tests: the fuzzer's own generators, driven by bytes that proptest shrinks.
#![allow(dead_code)]

#[path = "../../../fuzz/src/draws.rs"]
pub mod draws;
#[path = "../../../fuzz/src/symbols.rs"]
pub mod symbols;

pub mod graphs;

use proptest::prelude::*;

/// What the generators draw from. Fewer and smaller bytes make simpler headers and segments.
pub fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..400)
}

/// A small generator: tests need variety, not quality.
pub struct Draws(pub u64);

impl Draws {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}
