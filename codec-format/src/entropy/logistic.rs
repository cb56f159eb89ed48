//! Probabilities and their logits, in integers (Spec §5.2).
//!
//! A logit is `256 ln(p / (1 - p))`, kept within ±[`LIMIT`]. Both tables are built at compile time by
//! the recurrences the specification states, so no rounding of a platform's mathematics enters.

/// Largest logit: 11 nats.
pub(crate) const LIMIT: i32 = 2816;
/// `floor(2^32 exp(-1/256))`.
const DECAY: u64 = 4_278_222_805;

/// Logits from -[`LIMIT`] to [`LIMIT`].
pub(crate) const LOGITS: usize = 2 * LIMIT as usize + 1;

/// The probability of every logit, the lowest first. For x >= 0 it is `floor(2^48 / (2^32 + e[x]))` with `e[0] = 2^32` and
/// `e[x + 1] = floor(e[x] * DECAY / 2^32)`, at most 65535; for others what that of `-x` leaves of 65536.
static SQUASH: [u16; LOGITS] = squash_table();

/// Probabilities below are told apart one by one, the others by 16.
const FINE: u16 = 2048;
/// Entries for probabilities up to 1/2, a power of two of which `FINE + (32768 - FINE) / 16 + 1` count.
const STRETCHES: u16 = 4096;
/// Logits of probabilities up to 1/2, below [`FINE`] one entry each, above one for every 16; then those of what is left of
/// 65536, with the other sign.
static STRETCH: [i16; 2 * STRETCHES as usize] = stretch_table();

const fn squash_table() -> [u16; LOGITS] {
    let mut table = [0; LOGITS];
    let mut e: u64 = 1 << 32;
    let mut x = 0;
    while x <= LIMIT as usize {
        let p = (1u64 << 48) / ((1u64 << 32) + e);
        table[LIMIT as usize + x] = p as u16;
        table[LIMIT as usize - x] = (65536 - p) as u16;
        e = (e * DECAY) >> 32;
        x += 1;
    }
    table
}

/// For every probability that has an entry the smallest logit whose squashed value reaches it.
const fn stretch_table() -> [i16; 2 * STRETCHES as usize] {
    let squash = squash_table();
    let half = STRETCHES as usize;
    let mut table = [0; 2 * STRETCHES as usize];
    let (mut x, mut i) = (0, 0);
    while i < half {
        let fine = FINE as usize;
        let p = if i < fine { i } else { fine + (i - fine) * 16 };
        while x < LIMIT as usize && (squash[x] as usize) < p {
            x += 1;
        }
        table[i] = (x as i32 - LIMIT) as i16;
        table[half + i] = -table[i];
        i += 1;
    }
    table
}

/// The probability, in 1/65536 and within 1..=65535, of a logit.
#[inline]
pub(crate) fn squash(x: i32) -> u32 {
    probability((x + LIMIT).clamp(0, 2 * LIMIT) as usize)
}

/// The same of a logit counted from the least, below [`LOGITS`].
#[inline]
pub(crate) fn probability(logit: usize) -> u32 {
    u32::from(SQUASH[logit])
}

/// The logit of a probability in 1/65536, below one; none is as the least.
#[inline]
pub(crate) fn stretch(p: u32) -> i32 {
    i32::from(logit_at(places([p as u16; SIDE])[0]))
}

/// Probabilities that [`places`] takes.
pub(crate) const SIDE: usize = 8;

/// Where [`logit_at`] finds [`stretch`] of each of these probabilities. Side by side, which within a larger function
/// compilers do not see.
#[inline(never)]
pub(crate) fn places(chances: [u16; SIDE]) -> [u16; SIDE] {
    chances.map(|p| {
        // Logits of p and 1 - p differ in their sign alone: all ones for the latter.
        let sign = (p as i16 >> 15) as u16;
        let small = (p ^ sign).wrapping_sub(sign);
        // The lesser of the two is the one that counts.
        let coarse = FINE - FINE / 16 + small / 16;
        small.min(coarse) & (STRETCHES - 1) | sign & STRETCHES
    })
}

/// The logit at one of the [`places`].
#[inline]
pub(crate) fn logit_at(place: u16) -> i16 {
    STRETCH[usize::from(place) % STRETCH.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squash_is_the_logistic_function() {
        for x in -LIMIT..=LIMIT {
            let exact = 65536.0 / (1.0 + (-f64::from(x) / 256.0).exp());
            assert!((f64::from(squash(x)) - exact).abs() < 1.1, "at {x}");
        }
    }

    #[test]
    fn stretch_undoes_squash() {
        for p in 1..65536u32 {
            let back = squash(stretch(p));
            assert!(
                back.abs_diff(p) <= 16 + p.min(65536 - p) / 128,
                "{p} came back as {back}"
            );
            assert_eq!(stretch(65536 - p), if p == 32768 { 0 } else { -stretch(p) });
        }
    }
}
