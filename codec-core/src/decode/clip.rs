//! Whole clips: their sound, and their image.

use super::{completion, planes, Decoder};
use crate::error::Result;
use crate::network::{Completion, Network};
use crate::planes::PlaneRow;
use crate::quantise::levels;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::memory::Heap;
use codec_format::model::Model;
use codec_format::symbols::{Segment, SparseImage};
use ndarray::Array2;

/// The PCM of a whole clip: one vector per channel, at the coded rate.
///
/// # Errors
/// As [`Decoder::new`] and [`Decoder::push`].
pub fn clip(header: &Header, model: Option<&Model>, segments: &[Segment]) -> Result<Vec<Vec<f32>>> {
    let mut decoder = Decoder::with_limit(header, model, u64::MAX)?;
    let mut out = vec![Vec::new(); usize::from(header.coded.channels)];
    let mut take = |pieces: Vec<Vec<f32>>| {
        for (all, piece) in out.iter_mut().zip(pieces) {
            all.extend(piece);
        }
    };
    for segment in segments {
        take(decoder.push(segment)?.collect());
    }
    take(decoder.finish().collect());
    Ok(out)
}

/// The dense image of a whole stream, per channel: fine frames x bins in dB (Spec §8), and the hop in
/// samples between its frames.
///
/// # Errors
/// As [`Decoder::new`].
pub fn dense_images(
    header: &Header,
    model: Option<&Model>,
    segments: &[Segment],
) -> Result<(Vec<Array2<f32>>, usize)> {
    let network = completion::network(header, model)?;
    let hop = completion::synthesis_hop(header, &network)?;
    let image_of = |channel: usize| {
        let images = segments.iter().filter_map(|s| s.channels.get(channel));
        dense_image(header, &network, images)
    };
    let channels = 0..usize::from(header.coded.channels);
    Ok((channels.map(image_of).collect::<Result<_>>()?, hop))
}

fn dense_image<'a>(
    header: &Header,
    network: &Arc<Network>,
    images: impl Iterator<Item = &'a SparseImage>,
) -> Result<Array2<f32>> {
    let memory = &mut Heap::new(u64::MAX);
    let bins = header.stft.bins();
    let mut completion = Completion::new(network, bins, memory)?;
    completion.reset();
    let origin = levels::origin_level(&header.quantiser);
    // The waveform layer's levels, which the completion does not decide, and the completed ones.
    let (mut low, mut dense) = (Vec::new(), Vec::new());
    let decibels = |level: i32| levels::decibels(level + origin);
    let mut take = |completion: &mut Completion<Heap>| {
        while let Some(row) = completion.pop() {
            dense.extend(row.iter().map(|&level| decibels(i32::from(level))));
        }
    };
    let row = |row: &PlaneRow<'_>| {
        completion.push(row);
        take(&mut completion);
    };
    planes::lay(header, network.upsampling(), images, row, |known| {
        let level = |[re, im]: &[f32; 2]| levels::of_power(re * re + im * im);
        low.extend(known.low.iter().map(|z| levels::decibels(level(z))));
    })?;
    completion.finish();
    take(&mut completion);
    // A stream without frames has an empty image.
    let mut dense = Array2::from_shape_vec((dense.len() / bins, bins), dense).unwrap_or_default();
    let covered = header.covered_bins();
    for (mut row, low) in dense.outer_iter_mut().zip(low.chunks(covered.max(1))) {
        row.iter_mut().zip(low).for_each(|(x, &level)| *x = level);
    }
    Ok(dense)
}
