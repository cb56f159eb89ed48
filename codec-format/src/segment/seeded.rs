//! Masks computed from a seed (Spec §6.2.1).

use crate::symbols::Mask;

/// SplitMix64 (Steele, Lea and Flood 2014), all arithmetic modulo 2^64.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The mask of a segment of one channel under [`MaskKind::Seeded`](crate::header::MaskKind::Seeded):
/// `count` of `pixels` pixels (all of them where `count` is larger), every choice equally likely.
///
/// Selection sampling (Knuth, TAOCP vol. 2, algorithm 3.4.2 S) in integers, so that every machine
/// draws the same mask; Spec §6.2.1 gives the generator and the comparison.
#[must_use]
pub fn seeded_mask(seed: u64, segment: u32, channel: usize, pixels: usize, count: usize) -> Mask {
    let mut mask = Mask::repeat(false, pixels);
    for pixel in seeded_pixels(seed, segment, channel, pixels, count) {
        mask.set(pixel, true);
    }
    mask
}

/// The pixels of [`seeded_mask`], one after the other.
pub(super) fn seeded_pixels(
    seed: u64,
    segment: u32,
    channel: usize,
    pixels: usize,
    count: usize,
) -> impl Iterator<Item = usize> {
    let place = u64::from(segment) << 8 | channel as u64 & 0xff;
    // One draw spreads the place over the state, so that neighbouring segments share no sequence.
    let mut draws = SplitMix(SplitMix(seed ^ place.wrapping_mul(0xd6e8_feb8_6659_fd93)).next());
    let mut wanted = count.min(pixels) as u64;
    (0..pixels).filter(move |pixel| {
        // Kept with probability wanted / left: the upper half of a draw, scaled to 0..left.
        let left = (pixels - pixel) as u64;
        let kept = wanted > 0 && ((draws.next() >> 32) * left) >> 32 < wanted;
        wanted -= u64::from(kept);
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_exactly_the_count() {
        for (pixels, count) in [(0, 0), (1, 1), (10, 0), (10, 10), (16448, 822), (7, 9)] {
            assert_eq!(
                seeded_mask(5, 1, 0, pixels, count).count_ones(),
                count.min(pixels)
            );
        }
    }

    #[test]
    fn differs_by_seed_segment_and_channel() {
        let one = seeded_mask(1, 0, 0, 1000, 100);
        assert_eq!(one, seeded_mask(1, 0, 0, 1000, 100));
        assert_ne!(one, seeded_mask(2, 0, 0, 1000, 100));
        assert_ne!(one, seeded_mask(1, 1, 0, 1000, 100));
        assert_ne!(one, seeded_mask(1, 0, 1, 1000, 100));
    }

    #[test]
    fn is_uniform() {
        let mut hits = [0u32; 20];
        for seed in 0..20_000 {
            for pixel in seeded_mask(seed, 3, 0, 20, 5).iter_ones() {
                hits[pixel] += 1;
            }
        }
        // 5000 expected, standard deviation 61.
        assert!(hits.iter().all(|&n| n.abs_diff(5000) < 300), "{hits:?}");
    }
}
