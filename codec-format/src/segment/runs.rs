//! Masks as run lengths (Spec §6.2.3).

use crate::entropy::bank::Bank;
use crate::entropy::layout::RUN;
use crate::entropy::range::{code_fair, BitCoder, Layer};
use crate::error::{rule, Result};

/// Codes the positions in `kept` (nonzero where kept) as alternating runs, a gap first (Spec §6.2.3).
/// A decoder writes `marker` where a pixel is kept.
pub(crate) fn code<C: BitCoder>(
    bank: &mut Bank<'_>,
    coder: &mut C,
    kept: &mut [u16],
    marker: u16,
) -> Result<()> {
    coder.enter(Layer::Mask);
    let mut at = 0;
    let mut keeping = false;
    // Only the first run may be empty: every later one covers a pixel at least, so that no payload runs for ever.
    let mut least = 0;
    while at < kept.len() {
        let length = kept[at..]
            .iter()
            .take_while(|&&q| (q != 0) == keeping)
            .count();
        let length = code_length(
            bank,
            coder,
            usize::from(keeping),
            length.wrapping_sub(least),
        ) + least;
        rule(length <= kept.len() - at, "run length")?;
        if keeping {
            for pixel in &mut kept[at..at + length] {
                if *pixel == 0 {
                    *pixel = marker;
                }
            }
        }
        at += length;
        keeping = !keeping;
        least = 1;
    }
    Ok(())
}

/// Exponential Golomb code of `length` with adaptive bits: how many bits follow, in unary, then
/// they, the highest with a context, the rest fair.
fn code_length<C: BitCoder>(
    bank: &mut Bank<'_>,
    coder: &mut C,
    kind: usize,
    length: usize,
) -> usize {
    let mut ask = |context: usize, coder: &mut C, bit: u32| {
        bank.code(coder, &RUN, &[kind << 8 | context], &[], [0; 3], bit)
    };
    let number = length.wrapping_add(1) as u32;
    let width = 31 - number.max(1).leading_zeros();
    let mut bits = 0;
    while bits < 27 && ask(bits as usize, coder, u32::from(width > bits)) != 0 {
        bits += 1;
    }
    let mut read = 1u32;
    for n in (0..bits).rev() {
        let bit = number >> n & 1;
        let bit = if bits - n <= 2 {
            ask(
                32 + (4 * bits + (bits - n - 1) * 2 + (read & 1)) as usize,
                coder,
                bit,
            )
        } else {
            code_fair(coder, bit, 1)
        };
        read = read << 1 | bit;
    }
    read as usize - 1
}
