//! Whole numbers, coded as a walk away from a prediction (Spec §5.7).

use crate::entropy::bank::{Bank, Site};
use crate::entropy::layout::NODES;
use crate::entropy::range::{code_fair, BitCoder};

/// Steps after which the rest of a walk is coded as fair bits.
const LONGEST_WALK: u32 = 24;

/// Codes `value`, 0..=255, around `guess`. `contexts` names the context of every input.
/// Returns what was coded; a decoder may return more than 255 on a stream no encoder writes.
#[allow(clippy::too_many_arguments)]
pub(crate) fn code_number<C: BitCoder, const N: usize, const F: usize, const I: usize>(
    bank: &mut Bank<'_>,
    coder: &mut C,
    site: &Site<N, F, I>,
    contexts: &[usize; N],
    estimates: &[Option<i32>; F],
    sets: [usize; 2],
    guess: i32,
    value: u32,
) -> u32 {
    let guess = guess.clamp(0, 255) as u32;
    // Beyond 16 bits an estimate lies as far from any border as a feature can say.
    let far = |x: i32| x.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    let (mut measured, mut there) = ([0i16; F], [0i16; F]);
    for (n, estimate) in estimates.iter().enumerate() {
        if let Some(x) = *estimate {
            (measured[n], there[n]) = (far(x), -1);
        }
    }
    let first = contexts.map(|context| context * NODES);
    let mut ask = |node: usize, at: u32, coder: &mut C, bit: bool| {
        // How far each estimate lies beyond the border between the answers; `at` is what lies below.
        let border = 16 * at as i16 + 8;
        let scale = if node >= 9 { -16 } else { 16 };
        let mut features = [0i16; F];
        for n in 0..F {
            let beyond = measured[n].saturating_sub(border).clamp(-64, 64);
            features[n] = (beyond * scale).clamp(-1023, 1023) & there[n];
        }
        let mut places = first;
        for place in &mut places {
            *place += node;
        }
        let sets = [node, sets[0], sets[1]];
        bank.code(coder, site, &places, &features, sets, u32::from(bit)) != 0
    };
    let up = guess == 0 || ask(0, guess - 1, coder, value >= guess);
    let mut at = guess;
    let mut step = 0;
    if up {
        while at < 255 {
            if step == LONGEST_WALK {
                return at + code_fair(coder, value.wrapping_sub(at), 8);
            }
            if !ask(1 + (step as usize).min(7), at, coder, value > at) {
                break;
            }
            at += 1;
            step += 1;
        }
    } else {
        at -= 1;
        while at > 0 {
            if step == LONGEST_WALK {
                return at - code_fair(coder, at.wrapping_sub(value), 8).min(at);
            }
            if !ask(9 + (step as usize).min(6), at - 1, coder, value < at) {
                break;
            }
            at -= 1;
            step += 1;
        }
    }
    at
}
