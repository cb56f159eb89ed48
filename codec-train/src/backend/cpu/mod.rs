//! The processor: this crate's own kernels on all cores.
//!
//! Sums are made in the order of samples and bins, whatever the number of threads.

mod buffers;
mod convolution;
pub mod kernel;
mod pixels;

use super::{Backend, Dims, Filter, Mean, Wanted, Window};
use crate::error::Result;
use buffers::Buffer;
use codec_format::model::graph::Extent;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// The processor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

/// Numbers in memory.
#[derive(Debug, Clone)]
pub struct Image {
    dims: Dims,
    data: Arc<Buffer>,
}

impl Image {
    fn new(data: Buffer, dims: Dims) -> Self {
        assert_eq!(data.0.len(), dims.numbers(), "numbers that fill no image");
        Image {
            dims,
            data: Arc::new(data),
        }
    }

    fn numbers(&self) -> &[f32] {
        &self.data.0
    }

    /// The image of a sample, all channels.
    fn sample(&self, n: usize) -> &[f32] {
        let size = self.dims.channels * self.dims.pixels();
        &self.numbers()[n * size..(n + 1) * size]
    }

    /// The numbers to change, copied if anybody else reads them.
    fn into_buffer(self) -> Buffer {
        Arc::try_unwrap(self.data).unwrap_or_else(|shared| {
            let mut copy = Buffer::any(shared.0.len());
            copy.0.copy_from_slice(&shared.0);
            copy
        })
    }
}

impl Backend for Cpu {
    type Tensor = Image;

    fn upload(&self, numbers: Vec<f32>, dims: Dims) -> Result<Image> {
        Ok(Image::new(Buffer(numbers), dims))
    }

    fn numbers<'a>(&self, x: &'a Image) -> Result<Cow<'a, [f32]>> {
        Ok(Cow::Borrowed(x.numbers()))
    }

    fn dims(&self, x: &Image) -> Dims {
        x.dims
    }

    fn convolve(
        &self,
        x: &Image,
        filter: &Filter<'_>,
        bias: Option<&[f32]>,
        out: Dims,
    ) -> Result<Image> {
        Ok(convolution::forward(x, filter, bias, out))
    }

    fn convolve_gradients(
        &self,
        x: &Image,
        filter: &Filter<'_>,
        g: &Image,
        wanted: Wanted,
    ) -> Result<(Option<Image>, Vec<f32>)> {
        Ok(convolution::gradients(x, filter, g, wanted))
    }

    fn totals(&self, g: &Image) -> Result<Vec<f32>> {
        Ok(pixels::totals(g))
    }

    fn activate(&self, x: &Image, slopes: &[f32]) -> Result<Image> {
        Ok(pixels::activate(x, slopes))
    }

    fn activate_gradients(&self, x: &Image, slopes: &[f32], g: Image) -> Result<(Image, Vec<f32>)> {
        Ok(pixels::activate_gradients(x, slopes, g))
    }

    fn add(&self, a: Image, b: &Image) -> Result<Image> {
        Ok(pixels::add(a, b))
    }

    fn concatenate(&self, parts: &[&Image]) -> Result<Image> {
        Ok(pixels::concatenate(parts))
    }

    fn channels(&self, x: &Image, range: Range<usize>) -> Result<Image> {
        Ok(pixels::channels(x, range))
    }

    fn gate(&self, x: &Image, mask: &Image) -> Result<Image> {
        Ok(pixels::gate(x, mask))
    }

    fn gate_gradient(&self, x: &Image, g: &Image) -> Result<Image> {
        Ok(pixels::gate_gradient(x, g))
    }

    fn mean(&self, sums: &Image, counts: &Image, bias: &[f32], mean: Mean) -> Result<Image> {
        Ok(pixels::mean(sums, counts, bias, mean))
    }

    fn mean_gradients(
        &self,
        sums: &Image,
        counts: &Image,
        g: &Image,
        mean: Mean,
        wanted: bool,
    ) -> Result<(Image, Option<Image>)> {
        Ok(pixels::mean_gradients(sums, counts, g, mean, wanted))
    }

    fn sums(&self, x: &Image, window: &Window, out: Dims) -> Result<Image> {
        Ok(pixels::sums(x, window, out))
    }

    fn spread(&self, x: &Image, window: &Window, out: Dims) -> Result<Image> {
        Ok(pixels::spread(x, window, out))
    }

    fn shuffle(&self, x: &Image, factor: Extent, out: Dims) -> Result<Image> {
        Ok(pixels::shuffle(x, factor, out))
    }

    fn unshuffle(&self, x: &Image, factor: Extent, out: Dims) -> Result<Image> {
        Ok(pixels::unshuffle(x, factor, out))
    }
}
