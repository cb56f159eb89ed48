//! A completion network in our engine.

use crate::{print, timed, Result};
use codec_core::network::Network;
use codec_core::planes::Planes;
use std::fs;
use std::sync::Arc;

/// Levels in 1/16 dB of frames x bins: values, image and background, and the mask.
struct Images {
    frames: usize,
    bins: usize,
    planes: Vec<Vec<i16>>,
}

/// Reads what `peers.py` wrote: frames and bins (u32), then the planes one behind the other (i16), all lowest byte first.
fn read(path: &str) -> Result<Images> {
    let bytes = fs::read(path)?;
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i])) as usize;
    let (frames, bins) = (number(0), number(4));
    let levels: Vec<i16> = bytes[8..]
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let planes = levels.chunks_exact(frames * bins).map(<[_]>::to_vec);
    Ok(Images {
        frames,
        bins,
        planes: planes.collect(),
    })
}

/// Writes numbers as binary32.
fn write(path: &str, numbers: impl Iterator<Item = f32>) -> Result<()> {
    let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
    Ok(fs::write(path, bytes)?)
}

/// Completes the planes of a file so many times; writes the dense levels, dB.
pub fn run(model: &str, planes: &str, out: &str, runs: usize) -> Result<()> {
    let network = sparc::Network::read(&fs::read(model)?)?;
    let network = Arc::new(Network::of(&network.model));
    let images = read(planes)?;
    let mut planes = Planes::zeros(images.frames, images.bins);
    let all = [
        &mut planes.values,
        &mut planes.image,
        &mut planes.background,
    ];
    for (plane, levels) in all.into_iter().zip(&images.planes) {
        for (x, &level) in plane.iter_mut().zip(levels) {
            *x = f32::from(level) / 16.0;
        }
    }
    for (x, &kept) in planes.mask.iter_mut().zip(&images.planes[3]) {
        *x = f32::from(kept);
    }
    write(out, network.run(&planes).into_iter())?;
    print("sparc", &timed(runs, || Ok(network.run(&planes)))?);
    Ok(())
}
