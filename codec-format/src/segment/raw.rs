//! Planes: symbols made ready for the coder, and the part of a segment that is written plainly
//! (Spec §5.2, §5.4.1).

use super::{plain, LayerBits, Plane, RawValues, SegmentCoder};
use crate::bytes::{put_varint, Cursor};
use crate::error::{Error, Result};
use crate::header::{MaskKind, PhaseKind, ValueCoding};
use crate::seeded::seeded_mask;
use crate::symbols::{Kept, Mask, Phases, SparseImage};
use alloc::vec;
use alloc::vec::Vec;
use bitvec::order::Lsb0;
use bitvec::slice::BitSlice;

impl SegmentCoder {
    /// Positions and values that are written plainly, before everything entropy coded.
    pub(super) fn write_raw(&self, image: &SparseImage, bytes: &mut Vec<u8>, bits: &mut LayerBits) {
        let start = bytes.len();
        match self.header.mask {
            MaskKind::Ridge { .. } => return,
            // Spec §5.2.1, §5.2.3
            MaskKind::Seeded { .. } | MaskKind::RunLength => {
                put_varint(bytes, image.values().len() as u64);
            }
            // Spec §5.2.2
            MaskKind::Packed => {
                let mut mask = image.mask().clone();
                mask.set_uninitialized(false);
                bytes.extend_from_slice(mask.as_raw_slice());
            }
        }
        bits.mask += 2048 * (bytes.len() - start) as u64;
        if self.header.values == ValueCoding::Packed {
            let start = bytes.len();
            plain::write_packed(image.values(), bytes);
            bits.values += 2048 * (bytes.len() - start) as u64;
        }
    }

    /// The inverse of [`SegmentCoder::write_raw`]: a plane whose kept pixels are marked as far as
    /// they are known, and the values if they are.
    pub(super) fn read_raw(
        &self,
        cursor: &mut Cursor<'_>,
        index: u32,
        channel: usize,
        frames: usize,
        bits: &mut LayerBits,
    ) -> Result<(Plane, Option<RawValues>)> {
        let pixels = frames * self.bins;
        let shape = self.header.lattice;
        let mut plane = Plane {
            kept: vec![0; pixels],
            angles: vec![
                0;
                if self.header.phase == PhaseKind::None {
                    0
                } else {
                    pixels
                }
            ],
            thresholds: match self.header.mask {
                MaskKind::Ridge { .. } => vec![0; frames],
                _ => Vec::new(),
            },
            lattice: vec![0; shape.map_or(0, |shape| shape.cells(frames))],
            waveform: vec![0; frames * self.header.coefficients()],
        };
        let start = cursor.at();
        let count = match self.header.mask {
            MaskKind::Ridge { .. } => return Ok((plane, None)),
            MaskKind::Seeded { .. } | MaskKind::RunLength => {
                let count = cursor.varint("count of kept pixels")?;
                if count > pixels as u64 {
                    return Err(Error::Malformed {
                        what: "count of kept pixels",
                        at: start,
                    });
                }
                if let MaskKind::Seeded { seed } = self.header.mask {
                    for pixel in
                        seeded_mask(seed, index, channel, pixels, count as usize).iter_ones()
                    {
                        plane.kept[pixel] = 1;
                    }
                }
                count as usize
            }
            MaskKind::Packed => {
                let raw = cursor.take((pixels + 7) / 8, "packed mask")?;
                let mask = BitSlice::<u8, Lsb0>::from_slice(raw);
                if mask[pixels..].any() {
                    return Err(Error::Malformed {
                        what: "padding of packed mask",
                        at: start,
                    });
                }
                for pixel in mask[..pixels].iter_ones() {
                    plane.kept[pixel] = 1;
                }
                mask[..pixels].count_ones()
            }
        };
        bits.mask += 2048 * (cursor.at() - start);
        if self.header.values != ValueCoding::Packed {
            return Ok((plane, Some((count, None))));
        }
        let start = cursor.at();
        let (values, taken) =
            plain::read_packed(cursor.peek(), count).map_err(|error| error.offset_by(start))?;
        cursor.take(taken, "packed values")?;
        bits.values += 2048 * taken as u64;
        Ok((plane, Some((count, Some(values)))))
    }

    /// The plane of an image.
    pub(super) fn plane_of(&self, image: &SparseImage) -> Plane {
        let mut kept = vec![0; image.bins * image.frames];
        // Values written plainly must not reach the contexts: the decoder does not have them yet.
        let known = self.header.values == ValueCoding::Context
            || matches!(self.header.mask, MaskKind::Ridge { .. });
        for (pixel, &value) in image.mask().iter_ones().zip(image.values()) {
            kept[pixel] = if known { u16::from(value) + 1 } else { 1 };
        }
        let mut angles = vec![0; image.phases.mask.len()];
        for (pixel, &angle) in image.phases.mask.iter_ones().zip(&image.phases.angles) {
            angles[pixel] = angle + 1;
        }
        Plane {
            kept,
            angles,
            thresholds: image.thresholds().to_vec(),
            lattice: image.lattice.clone(),
            waveform: image.waveform().to_vec(),
        }
    }

    /// The image of a decoded plane; `known` are its values where they are written plainly.
    pub(super) fn image_of(
        &self,
        plane: Plane,
        frames: usize,
        known: Option<Vec<u8>>,
    ) -> SparseImage {
        let pixels = frames * self.bins;
        let values = known.unwrap_or_else(|| {
            let kept = plane.kept.iter().filter(|&&q| q != 0);
            kept.map(|&q| (q - 1) as u8).collect()
        });
        let mut mask = Mask::repeat(false, pixels);
        for (pixel, _) in plane.kept.iter().enumerate().filter(|(_, &q)| q != 0) {
            mask.set(pixel, true);
        }
        let mut phases = Phases {
            mask: Mask::repeat(false, plane.angles.len()),
            angles: plane
                .angles
                .iter()
                .filter(|&&a| a != 0)
                .map(|&a| a - 1)
                .collect(),
        };
        for (pixel, _) in plane.angles.iter().enumerate().filter(|(_, &a)| a != 0) {
            phases.mask.set(pixel, true);
        }
        SparseImage {
            bins: self.bins,
            frames,
            kept: match self.header.mask {
                MaskKind::Ridge { .. } => Kept::Ridge {
                    mask,
                    values,
                    thresholds: plane.thresholds,
                    waveform: plane.waveform,
                },
                _ => Kept::Scattered { mask, values },
            },
            lattice: plane.lattice,
            phases,
        }
    }
}
