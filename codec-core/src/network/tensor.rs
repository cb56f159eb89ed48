//! What flows between layers: values, and which pixels were observed.

use crate::planes::Planes;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::{Normalisation, Plane};
use ndarray::Array2;

/// Values of frames x bins x channels, the channel fastest.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub bins: usize,
    pub channels: usize,
    pub data: Vec<f32>,
    pub observed: Observed,
}

impl Tensor {
    pub fn zeros(frames: usize, bins: usize, channels: usize) -> Self {
        Tensor { bins, channels, data: vec![0.0; frames * bins * channels], observed: Observed::All }
    }

    /// The channels of one pixel.
    pub fn at(&self, frame: usize, bin: usize) -> &[f32] {
        &self.data[(frame * self.bins + bin) * self.channels..][..self.channels]
    }
}

/// Which pixels of a tensor carry information.
#[derive(Debug, Clone)]
pub(super) enum Observed {
    /// All of them.
    All,
    /// Those with a one: frames x bins, flat.
    Some(Vec<u8>),
}

impl Observed {
    fn is(&self, pixel: usize) -> bool {
        match self {
            Observed::All => true,
            Observed::Some(mask) => mask[pixel] != 0,
        }
    }

    /// Observed pixels in the kernel's window around every pixel, counted inside the image only.
    fn counts(&self, frames: usize, bins: usize, kb: usize, kf: usize) -> Vec<u16> {
        // Sums along frames, then along bins: the window is a rectangle.
        let mut columns = vec![0u16; frames * bins];
        for frame in 0..frames {
            let window = frame.saturating_sub(kf / 2)..(frame + kf / 2 + 1).min(frames);
            for other in window {
                for bin in 0..bins {
                    columns[frame * bins + bin] += u16::from(self.is(other * bins + bin));
                }
            }
        }
        let mut out = vec![0u16; frames * bins];
        for (row, sums) in columns.chunks_exact(bins).zip(out.chunks_exact_mut(bins)) {
            for (bin, sum) in sums.iter_mut().enumerate() {
                *sum = row[bin.saturating_sub(kb / 2)..(bin + kb / 2 + 1).min(bins)].iter().sum();
            }
        }
        out
    }

    /// Factor of a sparse convolution for every pixel: kernel area over observed count, zero where nothing
    /// is observed (Uhrig et al. 2017, eq. 2, scaled by the area).
    pub fn normaliser(&self, frames: usize, bins: usize, kb: usize, kf: usize) -> Vec<f32> {
        let area = (kb * kf) as f32;
        self.counts(frames, bins, kb, kf)
            .into_iter()
            .map(|count| if count == 0 { 0.0 } else { area / f32::from(count) })
            .collect()
    }

    /// The mask after a sparse layer: max pooling by the kernel, then the union over the sources
    /// (Uhrig et al. 2017, eq. 3).
    pub fn spread<'a>(
        sources: impl Iterator<Item = &'a Observed>,
        frames: usize,
        bins: usize,
        kb: usize,
        kf: usize,
    ) -> Observed {
        let mut union = vec![0u8; frames * bins];
        for source in sources {
            if let Observed::All = source {
                return Observed::All;
            }
            for (u, count) in union.iter_mut().zip(source.counts(frames, bins, kb, kf)) {
                *u |= u8::from(count > 0);
            }
        }
        if union.iter().all(|&u| u == 1) {
            Observed::All
        } else {
            Observed::Some(union)
        }
    }
}

/// One source of a layer.
pub(super) enum Input<'a> {
    Plane { values: &'a Array2<f32>, plane: Plane, normalisation: Normalisation, observed: Observed },
    Layer(Option<&'a Tensor>),
}

static ALL: Observed = Observed::All;

impl<'a> Input<'a> {
    pub fn plane(planes: &'a Planes, plane: Plane, normalisation: &Normalisation) -> Self {
        let observed = match plane {
            Plane::Values => Observed::Some(planes.mask.iter().map(|&m| u8::from(m != 0.0)).collect()),
            _ => Observed::All,
        };
        Input::Plane { values: planes.get(plane), plane, normalisation: *normalisation, observed }
    }

    pub fn layer(tensor: Option<&'a Tensor>) -> Self {
        Input::Layer(tensor)
    }

    pub fn observed(&self) -> &Observed {
        match self {
            Input::Plane { observed, .. } => observed,
            Input::Layer(tensor) => tensor.map_or(&ALL, |t| &t.observed),
        }
    }

    fn channels(&self) -> usize {
        match self {
            Input::Plane { .. } => 1,
            Input::Layer(tensor) => tensor.map_or(0, |t| t.channels),
        }
    }

    /// Writes the pixel's channels to the start of `out`.
    fn copy(&self, frame: usize, bin: usize, out: &mut [f32]) {
        match self {
            Input::Plane { values, plane, normalisation, observed } => {
                let value = values[(frame, bin)];
                out[0] = match plane {
                    Plane::Mask => value,
                    // Unobserved pixels are zero in the network's units, not in dB.
                    _ if !observed.is(frame * values.ncols() + bin) => 0.0,
                    _ => (value - normalisation.offset) / normalisation.scale,
                };
            }
            Input::Layer(Some(tensor)) => out[..tensor.channels].copy_from_slice(tensor.at(frame, bin)),
            Input::Layer(None) => {}
        }
    }
}

/// A zero-padded image, frames x bins x channels.
pub struct Padded {
    pub(super) row: usize,
    pub(super) channels: usize,
    pub(super) data: Vec<f32>,
}

/// Concatenates inputs along the channels, with half a kernel of zeros around; with `observed_only`,
/// pixels that were not observed become zero.
pub(super) fn pad(
    inputs: &[&Input<'_>],
    frames: usize,
    bins: usize,
    kb: usize,
    kf: usize,
    observed_only: bool,
) -> Padded {
    let channels: usize = inputs.iter().map(|i| i.channels()).sum();
    let row = (bins + kb - 1) * channels;
    let mut data = vec![0.0; (frames + kf - 1) * row];
    for frame in 0..frames {
        let out = &mut data[(frame + kf / 2) * row + kb / 2 * channels..][..bins * channels];
        for (bin, pixel) in out.chunks_exact_mut(channels).enumerate() {
            let mut first = 0;
            for input in inputs {
                if !observed_only || input.observed().is(frame * bins + bin) {
                    input.copy(frame, bin, &mut pixel[first..]);
                }
                first += input.channels();
            }
        }
    }
    Padded { row, channels, data }
}
