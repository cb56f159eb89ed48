//! Probabilities and their logits, in integers (Spec §5.2).
//!
//! A logit is `256 ln(p / (1 - p))`, kept within ±[`LIMIT`]. Both tables are built at compile time by
//! the recurrences the specification states, so no rounding of a platform's mathematics enters.

/// Largest logit: 11 nats.
pub(crate) const LIMIT: i32 = 2816;
/// `floor(2^32 exp(-1/256))`.
const DECAY: u64 = 4_278_222_805;

const SIDE: usize = LIMIT as usize + 1;

/// `SQUASH[x] = floor(2^48 / (2^32 + e[x]))` for x >= 0, with `e[0] = 2^32` and
/// `e[x + 1] = floor(e[x] * DECAY / 2^32)`; at most 65535.
static SQUASH: [u16; SIDE] = squash_table();
/// Logits of probabilities up to 1/2: below 2048 one entry each, above one for every 16.
static STRETCH_FINE: [i16; 2048] = stretch_table(0);
static STRETCH_COARSE: [i16; 2049] = stretch_table(4);

const fn squash_table() -> [u16; SIDE] {
    let mut table = [0; SIDE];
    let mut e: u64 = 1 << 32;
    let mut x = 0;
    while x < SIDE {
        table[x] = ((1u64 << 48) / ((1u64 << 32) + e)) as u16;
        e = (e * DECAY) >> 32;
        x += 1;
    }
    table
}

/// For every `p = i << shift` up to 1/2 the smallest logit whose squashed value reaches it.
const fn stretch_table<const N: usize>(shift: u32) -> [i16; N] {
    let squash = squash_table();
    let mut table = [0; N];
    let mut x = -LIMIT;
    let mut i = 0;
    while i < N {
        while x < 0 && 65536 - (squash[(-x) as usize] as u32) < (i as u32) << shift {
            x += 1;
        }
        table[i] = x as i16;
        i += 1;
    }
    table
}

/// The probability, in 1/65536 and within 1..=65535, of a logit.
pub(crate) fn squash(x: i32) -> u32 {
    let x = x.clamp(-LIMIT, LIMIT);
    let p = u32::from(SQUASH[x.unsigned_abs() as usize]);
    if x < 0 {
        65536 - p
    } else {
        p
    }
}

/// The logit of a probability in 1/65536.
pub(crate) fn stretch(p: u32) -> i32 {
    let small = p.min(65536 - p) as usize;
    let x = if small < 2048 {
        STRETCH_FINE[small]
    } else {
        STRETCH_COARSE[small >> 4]
    };
    if p > 32768 {
        -i32::from(x)
    } else {
        i32::from(x)
    }
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
