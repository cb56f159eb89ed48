//! Whole numbers, coded as a walk away from a prediction (Spec §6.7).

use crate::entropy::bank::{Bank, Site};
use crate::entropy::layout::NODES;
use crate::entropy::range::{code_plain, BitCoder};

/// Steps after which the rest of a walk is written plainly.
const LONGEST_WALK: u32 = 24;

/// Codes `value`, 0..=255, around `guess`. `contexts` names the context of every input.
/// Returns what was coded; a decoder may return more than 255 on a stream no encoder writes.
pub(crate) fn code_number<C: BitCoder, const N: usize>(
    bank: &mut Bank,
    coder: &mut C,
    site: &Site<N>,
    contexts: &[usize; N],
    set: usize,
    guess: i32,
    value: u32,
) -> u32 {
    let guess = guess.clamp(0, 255) as u32;
    let mut ask = |node: usize, coder: &mut C, bit: bool| {
        let mut at = *contexts;
        for context in &mut at {
            *context = *context * NODES + node;
        }
        bank.code(coder, site, &at, [node, set], u32::from(bit)) != 0
    };
    let up = guess == 0 || ask(0, coder, value >= guess);
    let mut at = guess;
    let mut step = 0;
    if up {
        while at < 255 {
            if step == LONGEST_WALK {
                return at + code_plain(coder, value.wrapping_sub(at), 8);
            }
            if !ask(1 + (step as usize).min(7), coder, value > at) {
                break;
            }
            at += 1;
            step += 1;
        }
    } else {
        at -= 1;
        while at > 0 {
            if step == LONGEST_WALK {
                return at - code_plain(coder, at.wrapping_sub(value), 8).min(at);
            }
            if !ask(9 + (step as usize).min(6), coder, value < at) {
                break;
            }
            at -= 1;
            step += 1;
        }
    }
    at
}
