//! Masks of an exact number of pixels, drawn from densities over the image.

use super::Problem;
use codec_format::symbols::Mask;
use rand::seq::index;
use rand::Rng;

/// What a density leans towards. All zero, and evenness too, is the uniform density.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tilt {
    /// Nepers a 20 dB of level above the image's mean: positive prefers loud pixels.
    pub level: f32,
    /// Exponent of the frequency: positive prefers low bins.
    pub low: f32,
    /// From 0, every pixel for itself, to 1, pixels spread as evenly as the density allows.
    pub evenness: f32,
}

impl Tilt {
    /// Every mask equally likely.
    pub const UNIFORM: Tilt = Tilt {
        level: 0.0,
        low: 0.0,
        evenness: 0.0,
    };

    /// A tilt from the range that may help.
    pub fn any(rng: &mut impl Rng) -> Self {
        Tilt {
            level: rng.gen_range(0.0..1.0),
            low: rng.gen_range(0.0..0.8),
            evenness: 1.0 - rng.gen::<f32>().powi(3),
        }
    }

    /// A tilt somewhat like this one.
    #[must_use]
    pub fn nearby(&self, rng: &mut impl Rng) -> Self {
        let mut step = || rng.gen_range(-1.0f32..1.0);
        Tilt {
            level: (self.level + 0.2 * step()).clamp(-1.0, 4.0),
            low: (self.low + 0.2 * step()).clamp(-1.0, 3.0),
            evenness: (self.evenness + 0.1 * step()).clamp(0.0, 1.0),
        }
    }
}

/// Draws masks for one image.
#[derive(Debug, Clone)]
pub struct Sampler {
    bins: usize,
    /// Level of every pixel in units of 20 dB, in pixel order.
    levels: Vec<f32>,
    /// Logarithm of the frequency of every bin.
    frequencies: Vec<f32>,
}

/// Pixels an offset of the frequency counts: below this many bins the density is nearly flat.
const LOWEST: f32 = 8.0;
/// The steps of an evenly spread sequence along frames and bins (Roberts 2018: the plastic number's powers).
const SPREAD: [f64; 2] = [0.754_877_666_246_692_7, 0.569_840_290_998_053_2];

impl Sampler {
    /// A sampler for the image of a problem.
    #[must_use]
    pub fn new(problem: &Problem) -> Self {
        let bins = problem.bins();
        Sampler {
            bins,
            levels: problem.levels().iter().map(|x| x / 20.0).collect(),
            frequencies: (0..bins).map(|bin| (bin as f32 + LOWEST).ln()).collect(),
        }
    }

    /// The logarithm of the density at a pixel, but for a constant.
    fn density(&self, tilt: &Tilt, pixel: usize) -> f32 {
        tilt.level * self.levels[pixel] - tilt.low * self.frequencies[pixel % self.bins]
    }

    /// What a pixel's chance of being kept is ranked by: its density over a number from 0 to 1.
    fn key(&self, tilt: &Tilt, frame: usize, bin: usize, offset: f64, rng: &mut impl Rng) -> f32 {
        let spread = (offset + frame as f64 * SPREAD[0] + bin as f64 * SPREAD[1]).fract() as f32;
        // Uniform for any evenness: a uniform number shifted within the circle.
        let u = (spread + (1.0 - tilt.evenness) * rng.gen::<f32>()).fract();
        self.density(tilt, frame * self.bins + bin) - u.max(1e-7).ln()
    }

    /// A mask of `kept` pixels.
    ///
    /// A pixel is kept where a number from 0 to 1, random or from an evenly spread sequence, lies below its
    /// density times a factor; the factor is that which keeps `kept`.
    pub fn draw(&self, tilt: &Tilt, kept: usize, rng: &mut impl Rng) -> Mask {
        let offset: f64 = rng.gen();
        let keys: Vec<f32> = (0..self.levels.len())
            .map(|pixel| self.key(tilt, pixel / self.bins, pixel % self.bins, offset, rng))
            .collect();
        largest(&keys, kept)
    }

    /// `mask` with the pixels of one random rectangle drawn anew, as many as it had.
    pub fn redraw(&self, mask: &Mask, tilt: &Tilt, rng: &mut impl Rng) -> Mask {
        let frames = mask.len() / self.bins;
        let span = |len: usize, least: usize, rng: &mut dyn rand::RngCore| {
            // Lengths from `least` to all, small ones as likely as large ones.
            let ratio = (len as f64 / least as f64).max(1.0);
            let size = ((least as f64 * ratio.powf(rng.gen())) as usize).clamp(1, len);
            let start = rng.gen_range(0..=len - size);
            start..start + size
        };
        let (times, band) = (span(frames, 4, rng), span(self.bins, 16, rng));
        let mut out = mask.clone();
        let mut had = 0;
        for frame in times.clone() {
            let row = frame * self.bins;
            let pixels = &mut out[row + band.start..row + band.end];
            had += pixels.count_ones();
            pixels.fill(false);
        }
        let offset = rng.gen();
        let keys: Vec<f32> = times
            .clone()
            .flat_map(|frame| band.clone().map(move |bin| (frame, bin)))
            .map(|(frame, bin)| self.key(tilt, frame, bin, offset, rng))
            .collect();
        for at in largest(&keys, had).iter_ones() {
            let (frame, bin) = (times.start + at / band.len(), band.start + at % band.len());
            out.set(frame * self.bins + bin, true);
        }
        out
    }

    /// `mask` with a share of its pixels moved to a free place nearby, up to a frame and two bins away.
    pub fn shift(&self, mask: &Mask, share: f64, rng: &mut impl Rng) -> Mask {
        let ones: Vec<usize> = mask.iter_ones().collect();
        let frames = (mask.len() / self.bins) as i64;
        let moved = ((share * ones.len() as f64).ceil() as usize).min(ones.len());
        let mut out = mask.clone();
        for at in index::sample(rng, ones.len(), moved) {
            let frame = (ones[at] / self.bins) as i64 + rng.gen_range(-1..=1);
            let bin = (ones[at] % self.bins) as i64 + rng.gen_range(-2..=2);
            if !(0..frames).contains(&frame) || !(0..self.bins as i64).contains(&bin) {
                continue;
            }
            let to = frame as usize * self.bins + bin as usize;
            if !out[to] {
                out.set(ones[at], false);
                out.set(to, true);
            }
        }
        out
    }
}

/// The mask of the `count` largest keys; of equal ones, the first.
#[must_use]
pub fn largest(keys: &[f32], count: usize) -> Mask {
    let mut mask = Mask::repeat(false, keys.len());
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    let better = |a: &u32, b: &u32| {
        keys[*b as usize]
            .total_cmp(&keys[*a as usize])
            .then(a.cmp(b))
    };
    let count = count.min(order.len());
    if count > 0 && count < order.len() {
        order.select_nth_unstable_by(count - 1, better);
    }
    for &pixel in &order[..count] {
        mask.set(pixel as usize, true);
    }
    mask
}

/// Drops or adds pixels at random until `kept` are kept.
pub fn settle_count(mask: &mut Mask, kept: usize, rng: &mut impl Rng) {
    let found = mask.count_ones();
    let (from, wanted, value) = if found > kept {
        (mask.iter_ones().collect::<Vec<_>>(), found - kept, false)
    } else {
        (mask.iter_zeros().collect::<Vec<_>>(), kept - found, true)
    };
    for at in index::sample(rng, from.len(), wanted.min(from.len())) {
        mask.set(from[at], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn sampler() -> Sampler {
        let bins = 65;
        Sampler {
            bins,
            levels: (0..bins * 40)
                .map(|p| if p % 3 == 0 { 3.0 } else { 1.0 })
                .collect(),
            frequencies: (0..bins).map(|bin| (bin as f32 + LOWEST).ln()).collect(),
        }
    }

    #[test]
    fn draws_keep_the_count_and_lean_as_told() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let sampler = sampler();
        let loud = |mask: &Mask| mask.iter_ones().filter(|p| p % 3 == 0).count();
        let low = |mask: &Mask| mask.iter_ones().filter(|p| p % 65 < 20).count();
        for evenness in [0.0, 0.7, 1.0] {
            let flat = Tilt {
                evenness,
                ..Tilt::UNIFORM
            };
            let plain = sampler.draw(&flat, 300, &mut rng);
            assert_eq!(plain.count_ones(), 300);
            assert!(loud(&plain).abs_diff(100) < 30, "{}", loud(&plain));
            let to_loud = sampler.draw(&Tilt { level: 1.0, ..flat }, 300, &mut rng);
            assert!(loud(&to_loud) > 200, "{}", loud(&to_loud));
            let to_low = sampler.draw(&Tilt { low: 2.0, ..flat }, 300, &mut rng);
            assert!(low(&to_low) > 2 * low(&plain));
        }
    }

    #[test]
    fn variations_keep_the_count_and_most_of_the_mask() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let sampler = sampler();
        let mask = sampler.draw(&Tilt::UNIFORM, 400, &mut rng);
        let gone = |other: &Mask| (mask.clone() & !other.clone()).count_ones();
        let shifted = sampler.shift(&mask, 0.1, &mut rng);
        assert_eq!(shifted.count_ones(), 400);
        assert!((20..=40).contains(&gone(&shifted)), "{}", gone(&shifted));
        let mut changed = 0;
        for _ in 0..50 {
            let other = sampler.redraw(&mask, &Tilt::UNIFORM, &mut rng);
            assert_eq!(other.count_ones(), 400);
            changed += gone(&other);
        }
        assert!((50..200 * 50).contains(&changed), "{changed}");
        let full = Mask::repeat(true, mask.len());
        assert_eq!(sampler.shift(&full, 0.5, &mut rng), full);
        assert_eq!(sampler.redraw(&full, &Tilt::UNIFORM, &mut rng), full);
    }

    #[test]
    fn the_largest_are_found_and_ties_go_to_the_first() {
        let ones = |m: Mask| m.iter_ones().collect::<Vec<_>>();
        assert_eq!(ones(largest(&[1.0, 3.0, 2.0, 3.0, 2.0], 3)), [1, 2, 3]);
        assert!(ones(largest(&[1.0], 0)).is_empty());
        assert_eq!(ones(largest(&[1.0, 2.0], 9)), [0, 1]);
    }

    #[test]
    fn counts_are_settled_from_both_sides() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for start in [10, 50, 90] {
            let mut mask = largest(&[0.0; 100], start);
            settle_count(&mut mask, 50, &mut rng);
            assert_eq!(mask.count_ones(), 50);
        }
    }
}
