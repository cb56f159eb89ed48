//! Choices made by the fuzzer's bytes.

/// Reads choices off the front of the input; behind its end a small generator goes on, so that short inputs
/// still describe whole streams.
pub struct Draws<'a> {
    bytes: &'a [u8],
    state: u64,
}

impl<'a> Draws<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Draws {
            bytes,
            state: 0x9e37_79b9_7f4a_7c15 ^ bytes.len() as u64,
        }
    }

    pub fn byte(&mut self) -> u8 {
        if let Some((&first, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            self.state ^= u64::from(first);
            return first;
        }
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 56) as u8
    }

    /// A number below `n`, which is at least 1; takes as many bytes as `n` needs.
    pub fn below(&mut self, n: u32) -> u32 {
        let (mut value, mut left) = (0u32, n.max(1) - 1);
        while left > 0 {
            value = value << 8 | u32::from(self.byte());
            left >>= 8;
        }
        value % n.max(1)
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    pub fn chance(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Everything not drawn yet.
    pub fn rest(self) -> &'a [u8] {
        self.bytes
    }
}
