//! Where the lattice's bands lie (Spec §6.5.1): integer arithmetic throughout.

use crate::error::Result;
use crate::header::LatticeShape;
use crate::limits::MAX_BANDS;
use crate::memory::Memory;
use core::ops::Deref;

/// Critical-band rate in 1/1000 Bark at a few frequencies in Hz, linear between them (Spec §6.5.1).
/// Computed from `13 atan(0.00076 f) + 3.5 atan((f / 7500)^2)` (Zwicker and Terhardt 1980).
const BARK: [(u64, u64); 44] = [
    (0, 0),
    (250, 2445),
    (500, 4736),
    (750, 6770),
    (1000, 8511),
    (1250, 9974),
    (1500, 11199),
    (1750, 12230),
    (2000, 13104),
    (2250, 13855),
    (2500, 14509),
    (2750, 15087),
    (3000, 15602),
    (3250, 16069),
    (3500, 16496),
    (3750, 16891),
    (4000, 17259),
    (4500, 17932),
    (5000, 18539),
    (5500, 19095),
    (6000, 19606),
    (6500, 20079),
    (7000, 20513),
    (7500, 20912),
    (8000, 21275),
    (9000, 21906),
    (10000, 22424),
    (11000, 22847),
    (12000, 23195),
    (13000, 23482),
    (14000, 23722),
    (15000, 23923),
    (16000, 24094),
    (17000, 24241),
    (18000, 24368),
    (19000, 24478),
    (20000, 24575),
    (21000, 24661),
    (22000, 24737),
    (23000, 24804),
    (24000, 24865),
    (32000, 25192),
    (48000, 25476),
    (96000, 25719),
];

/// Critical-band rate in 1/1000 Bark of `numerator / denominator` Hz; constant beyond the table.
fn bark(numerator: u64, denominator: u64) -> u64 {
    let last = BARK[BARK.len() - 1];
    if numerator >= last.0 * denominator {
        return last.1;
    }
    for pair in BARK.windows(2) {
        let ((f0, z0), (f1, z1)) = (pair[0], pair[1]);
        if numerator < f1 * denominator {
            let over = numerator - f0 * denominator;
            return z0 + (z1 - z0) * over / ((f1 - f0) * denominator);
        }
    }
    last.1
}

/// The first bin of every band and, last, the number of bins: increasing numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BandEdges {
    edges: [usize; MAX_BANDS as usize + 1],
    count: usize,
}

impl BandEdges {
    /// Those of no bands at all.
    pub(crate) const NONE: Self = BandEdges {
        edges: [0; MAX_BANDS as usize + 1],
        count: 0,
    };
}

impl Deref for BandEdges {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.edges[..self.count]
    }
}

impl LatticeShape {
    /// The first bin of every band and, last, the number of bins: `bands + 1` increasing numbers
    /// (Spec §6.5.1). Bands are equally wide in Bark between bin `first` and half of `rate` (Hz), and none
    /// is empty: where there are fewer bins than bands each bin is a band.
    #[must_use]
    pub fn edges(&self, first: usize, bins: usize, rate: u32) -> BandEdges {
        band_edges(usize::from(self.bands), first, bins, rate)
    }
}

/// [`LatticeShape::edges`] for up to [`MAX_BANDS`] bands.
pub(crate) fn band_edges(bands: usize, first: usize, bins: usize, rate: u32) -> BandEdges {
    let first = first.min(bins.saturating_sub(1));
    let bands = bands.min(bins - first).clamp(1, usize::from(MAX_BANDS));
    let denominator = 2 * (bins.max(2) as u64 - 1);
    let bottom = bark(u64::from(rate) * first as u64, denominator);
    let top = bark(u64::from(rate) * (denominator / 2), denominator).max(bottom + 1) - bottom;
    let mut edges = [first; MAX_BANDS as usize + 1];
    let mut bin = first;
    for b in 1..bands {
        // The first bin whose share of the scale reaches b / bands.
        while bin < bins
            && (bark(u64::from(rate) * bin as u64, denominator) - bottom) * (bands as u64)
                < top * b as u64
        {
            bin += 1;
        }
        edges[b] = bin.clamp(edges[b - 1] + 1, bins - (bands - b));
    }
    edges[bands] = bins;
    BandEdges {
        edges,
        count: bands + 1,
    }
}

/// The lattice spread over the bins of a frame: linear between the bands' centres, flat beyond.
#[derive(Debug)]
pub(crate) struct Spread<M: Memory> {
    /// Of every bin: the band below, and the weight of the one above in 1/256.
    bands: M::Of<u8>,
    weights: M::Of<u16>,
    step: i32,
}

impl<M: Memory> Spread<M> {
    /// Takes the memory for so many bins.
    pub(crate) fn new(shape: &LatticeShape, bins: usize, memory: &mut M) -> Result<Self> {
        Ok(Spread {
            bands: memory.take(bins)?,
            weights: memory.take(bins)?,
            step: i32::from(shape.step),
        })
    }

    /// Lays the bands between these edges over the bins.
    pub(crate) fn lay(&mut self, edges: &[usize]) {
        // Twice the centre, to stay whole.
        let centre = |band: usize| edges[band] + edges[band + 1] - 1;
        let last = edges.len().saturating_sub(2);
        let mut band = 0;
        let places = self.bands.iter_mut().zip(self.weights.iter_mut());
        for (k, place) in places.enumerate() {
            while band < last && 2 * k >= centre(band + 1) {
                band += 1;
            }
            let over = (2 * k).saturating_sub(centre(band));
            let weight = if band < last {
                over * 256 / (centre(band + 1) - centre(band))
            } else {
                0
            };
            (*place.0, *place.1) = (band as u8, weight as u16);
        }
    }

    /// Levels above the origin at every bin, in 1/8 dB, from the indices of a column.
    pub(crate) fn levels(&self, column: &[u8], levels: &mut [i32]) {
        let places = self.bands.iter().zip(self.weights.iter());
        for (level, (&band, &weight)) in levels.iter_mut().zip(places) {
            let band = usize::from(band);
            let low = i32::from(column[band]);
            let high = column.get(band + 1).map_or(low, |&q| i32::from(q));
            *level = ((low * 256 + (high - low) * i32::from(weight)) * self.step) >> 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Heap;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn no_band_is_empty_for_any_size() {
        for bins in [33, 65, 129, 257, 513, 1025, 2049, 4097] {
            for rate in [1000, 8000, 16000, 22050, 44100, 48000, 192_000] {
                for bands in 1..=64 {
                    for first in [0, 1, bins / 8, bins - 1] {
                        let edges = band_edges(bands, first, bins, rate);
                        assert_eq!((edges[0], edges[edges.len() - 1]), (first, bins));
                        assert_eq!(edges.len(), bands.min(bins - first) + 1);
                        assert!(
                            edges.windows(2).all(|e| e[0] < e[1]),
                            "{bands} {first} {bins} {rate}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn follows_the_bark_scale() {
        let bark = |f: f64| 13.0 * (0.00076 * f).atan() + 3.5 * (f / 7500.0).powi(2).atan();
        for bands in [14usize, 20] {
            let edges = band_edges(bands, 0, 257, 16000);
            for k in 0..257 {
                let exact = (bark(k as f64 * 31.25) / bark(8000.0) * bands as f64) as usize;
                let here = edges.iter().rposition(|&e| e <= k).unwrap().min(bands - 1);
                let near = |e: usize| k.abs_diff(e) <= 1;
                assert!(
                    here == exact.min(bands - 1) || edges.iter().any(|&e| near(e)),
                    "bin {k}"
                );
            }
        }
    }

    #[test]
    fn spreads_linearly_between_centres() {
        let shape = LatticeShape {
            bands: 14,
            every: 2,
            step: 32,
        };
        let mut spread = Spread::new(&shape, 257, &mut Heap::new(u64::MAX)).unwrap();
        spread.lay(&shape.edges(0, 257, 16000));
        let column: Vec<u8> = (0..14).map(|b| 3 * b).collect();
        let mut levels = vec![0; 257];
        spread.levels(&column, &mut levels);
        assert_eq!((levels[0], levels[256]), (0, 39 * 32));
        assert!(levels.windows(2).all(|l| l[0] <= l[1]));
    }
}
