//! The first stage: from the symbols of a segment to the network's input (Spec §8.1, §8.2).

use super::low_band::LowBand;
use crate::planes::Planes;
use crate::quantise::angles::{phase_bits, phase_unit};
use crate::quantise::lattice::Lattice;
use crate::quantise::levels;
use crate::transform::stft::{level, Complex32, Transform};
use alloc::vec::Vec;
use codec_format::header::{Header, MaskKind};
use codec_format::symbols::SparseImage;
use ndarray::Array2;

/// A segment of one channel, laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct Laid {
    /// The network's input, on the coded grid.
    pub planes: Planes,
    /// What need not be completed.
    pub known: Known,
}

/// What the stream itself says of the spectra of a segment, on the synthesis grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Spectra of the bins that the waveform layer covers: fine frames x covered bins.
    pub low: Array2<Complex32>,
    /// Stored phases; their frames count fine ones from the segment's first.
    pub phases: Vec<StoredPhase>,
}

/// A phase the stream stores, on the synthesis grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredPhase {
    /// Fine frame, counted from the start of what holds this.
    pub frame: usize,
    /// Bin.
    pub bin: usize,
    /// Unit vector: cosine and sine of the phase relative to the start of the frame.
    pub unit: Complex32,
}

/// Lays out one channel, segment after segment. Each comes out when its successor goes in.
#[derive(Debug, Clone)]
pub struct PlaneBuilder {
    header: Header,
    transform: Transform,
    lattice: Option<Lattice>,
    low: Option<LowBand>,
    /// Lattice of the segment before the current one.
    before: Vec<u8>,
    current: Option<SparseImage>,
}

impl PlaneBuilder {
    /// Begins a channel of a stream with this header, or begins in the midst of it: then the first segment lacks its
    /// predecessor. `transform` is that of the synthesis grid, whose hop divides the header's.
    #[must_use]
    pub fn new(header: &Header, transform: &Transform) -> Self {
        PlaneBuilder {
            header: header.clone(),
            transform: transform.clone(),
            lattice: Lattice::of(header),
            low: LowBand::of(header),
            before: Vec::new(),
            current: None,
        }
    }

    /// Takes the next segment, of the header's bins, and returns the one before it.
    pub fn push(&mut self, image: SparseImage) -> Option<Laid> {
        if let Some(low) = &mut self.low {
            low.push(&self.header, &image);
        }
        let laid = self.lay(&image.lattice);
        self.current = Some(image);
        laid
    }

    /// Ends the channel and returns its last segment.
    pub fn finish(&mut self) -> Option<Laid> {
        self.lay(&[])
    }

    /// Lays the current segment out, the next one having the lattice `after`.
    fn lay(&mut self, after: &[u8]) -> Option<Laid> {
        let image = self.current.take()?;
        let up = usize::from(self.header.stft.hop) / self.transform.hop();
        let mut planes = Planes::zeros(image.frames, image.bins);
        self.lay_background(&image, after, &mut planes);
        self.lay_kept(&image, &mut planes);
        let low = match &mut self.low {
            Some(low) => low.take(&self.transform, image.frames * up),
            None => Array2::default((image.frames * up, 0)),
        };
        self.cover(&low, up, &mut planes);
        let bits = phase_bits(self.header.phase);
        let stored = image.phases.mask.iter_ones().zip(&image.phases.angles);
        let phases = stored.map(|(pixel, &index)| StoredPhase {
            frame: pixel / image.bins * up,
            bin: pixel % image.bins,
            unit: phase_unit(index, bits),
        });
        let known = Known {
            low,
            phases: phases.collect(),
        };
        self.before = image.lattice;
        Some(Laid { planes, known })
    }

    /// The lattice, below a ridge threshold everywhere: a pixel that is not kept lies below its frame's.
    fn lay_background(&self, image: &SparseImage, after: &[u8], planes: &mut Planes) {
        if let Some(lattice) = &self.lattice {
            let background = planes.background.view_mut();
            lattice.fill(&self.before, &image.lattice, after, background);
        }
        if let MaskKind::Ridge { threshold_step } = self.header.mask {
            let rows = planes.background.outer_iter_mut();
            for (mut row, &index) in rows.zip(image.thresholds()) {
                let base = levels::threshold(threshold_step, index);
                row.mapv_inplace(|x| if x < base { x } else { base });
            }
        }
        planes.image.assign(&planes.background);
    }

    fn lay_kept(&self, image: &SparseImage, planes: &mut Planes) {
        let step = levels::threshold_step(&self.header);
        for (pixel, &index) in image.mask().iter_ones().zip(image.values()) {
            let at = (pixel / image.bins, pixel % image.bins);
            let base = match image.thresholds().get(at.0) {
                Some(&index) => levels::threshold(step, index),
                None => 0.0,
            };
            planes.keep(at, levels::ridge_value(&self.header.quantiser, base, index));
        }
    }

    /// The pixels that the waveform layer covers count as kept.
    fn cover(&self, low: &Array2<Complex32>, up: usize, planes: &mut Planes) {
        let origin = levels::origin(&self.header.quantiser);
        for ((fine, bin), &z) in low.indexed_iter() {
            if fine % up == 0 {
                let above = level(z) - origin;
                planes.keep((fine / up, bin), if above > 0.0 { above } else { 0.0 });
            }
        }
    }
}
