//! Whole clips: their sound, and their image.

use super::completion::{self, Imaging};
use super::Decoder;
use crate::error::Result;
use crate::quantise::levels;
use crate::transform::stft::level;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::model::Model;
use codec_format::symbols::{Segment, SparseImage};
use ndarray::{concatenate, Array2, Axis};

/// The PCM of a whole clip: one vector per channel, at the coded rate.
///
/// # Errors
/// As [`Decoder::new`] and [`Decoder::push`].
pub fn clip(header: &Header, model: Option<&Model>, segments: &[Segment]) -> Result<Vec<Vec<f32>>> {
    let mut decoder = Decoder::new(header, model)?;
    let mut out = vec![Vec::new(); usize::from(header.coded.channels)];
    let mut take = |pieces: Vec<Vec<f32>>| {
        for (all, piece) in out.iter_mut().zip(pieces) {
            all.extend(piece);
        }
    };
    for segment in segments {
        take(decoder.push(segment)?);
    }
    take(decoder.finish());
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
    let transform = completion::synthesis(header, &network)?;
    let origin = levels::origin(&header.quantiser);
    let image_of = |channel: usize| {
        let images = segments.iter().filter_map(|s| s.channels.get(channel));
        dense_image(Imaging::new(header, &network, &transform), images, origin)
    };
    let channels = 0..usize::from(header.coded.channels);
    Ok((channels.map(image_of).collect(), transform.hop()))
}

fn dense_image<'a>(
    mut imaging: Imaging,
    images: impl Iterator<Item = &'a SparseImage>,
    origin: f32,
) -> Array2<f32> {
    let mut pieces: Vec<_> = images.map(|image| imaging.push(image.clone())).collect();
    pieces.extend(imaging.finish());
    let dense: Vec<_> = pieces
        .iter()
        .filter(|p| !p.dense.is_empty())
        .map(|p| p.dense.view())
        .collect();
    // All have the stream's bins, so joining them cannot fail; a stream without frames has an empty image.
    let mut dense = concatenate(Axis(0), &dense).unwrap_or_default();
    dense.mapv_inplace(|x| x + origin);
    let known = pieces.iter().filter_map(|piece| piece.known.as_ref());
    let low = known.flat_map(|known| known.low.outer_iter());
    for (mut row, low) in dense.outer_iter_mut().zip(low) {
        for (x, &z) in row.iter_mut().zip(low) {
            *x = level(z);
        }
    }
    dense
}
