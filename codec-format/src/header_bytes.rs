//! The HEAD chunk's body (Spec §4.1).

use crate::bytes::{put_signed, put_varint, Cursor};
use crate::error::{Error, Result};
use crate::header::*;
use crate::limits::Limits;
use alloc::vec::Vec;

// Bits of the flag byte (Spec §4.1).
const SOURCE: u8 = 1 << 0;
const TOTAL: u8 = 1 << 1;
const PRE_SKIP: u8 = 1 << 2;
const MODEL: u8 = 1 << 3;
const LATTICE: u8 = 1 << 4;
// 5 is free: 0 in this version.
const RESERVED: u8 = 1 << 5;
const CONTEXT_VALUES: u8 = 1 << 6;
const WAVEFORM: u8 = 1 << 7;

// Mask and phase kinds (Spec §4.1).
const MASK_SEEDED: u8 = 0;
const MASK_PACKED: u8 = 1;
const MASK_RUN_LENGTH: u8 = 2;
const MASK_RIDGE: u8 = 3;
const PHASE_NONE: u8 = 0;
const PHASE_THRESHOLDED: u8 = 1;
const PHASE_ALL: u8 = 2;

impl Header {
    /// The body of a HEAD chunk.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(48);
        bytes.push(VERSION_MAJOR << 4 | VERSION_MINOR);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        bytes.push(
            flag(self.source != self.coded, SOURCE)
                | flag(self.total_samples.is_some(), TOTAL)
                | flag(self.pre_skip != 0, PRE_SKIP)
                | flag(self.model.is_some(), MODEL)
                | flag(self.lattice.is_some(), LATTICE)
                | flag(self.values == ValueCoding::Context, CONTEXT_VALUES)
                | flag(self.waveform.is_some(), WAVEFORM),
        );
        put_varint(&mut bytes, u64::from(self.coded.rate));
        bytes.push(self.coded.channels);
        if self.source != self.coded {
            put_varint(&mut bytes, u64::from(self.source.rate));
            bytes.push(self.source.channels);
        }
        if let Some(total) = self.total_samples {
            put_varint(&mut bytes, total);
        }
        if self.pre_skip != 0 {
            put_varint(&mut bytes, u64::from(self.pre_skip));
        }
        self.stft.write(&mut bytes);
        put_varint(&mut bytes, u64::from(self.segment_frames));
        if let Some(ModelId(id)) = self.model {
            bytes.extend_from_slice(&id);
        }
        put_signed(&mut bytes, i32::from(self.quantiser.origin));
        bytes.push(self.quantiser.step);
        let (mask, phase) = (
            match self.mask {
                MaskKind::Seeded { .. } => MASK_SEEDED,
                MaskKind::Packed => MASK_PACKED,
                MaskKind::RunLength => MASK_RUN_LENGTH,
                MaskKind::Ridge { .. } => MASK_RIDGE,
            },
            match self.phase {
                PhaseKind::None => PHASE_NONE,
                PhaseKind::Thresholded { .. } => PHASE_THRESHOLDED,
                PhaseKind::All { .. } => PHASE_ALL,
            },
        );
        bytes.push(mask | phase << 4);
        match self.mask {
            MaskKind::Seeded { seed } => bytes.extend_from_slice(&seed.to_le_bytes()),
            MaskKind::Ridge { threshold_step } => bytes.push(threshold_step),
            MaskKind::Packed | MaskKind::RunLength => {}
        }
        if let Some(LatticeShape { bands, every, step }) = self.lattice {
            bytes.extend_from_slice(&[bands, every, step]);
        }
        match self.phase {
            PhaseKind::None => {}
            PhaseKind::Thresholded { bits, threshold } => {
                bytes.push(bits);
                put_signed(&mut bytes, i32::from(threshold));
            }
            PhaseKind::All { bits } => bytes.push(bits),
        }
        if let Some(WaveformShape { coefficients, step }) = self.waveform {
            bytes.extend_from_slice(&[coefficients, step as u8]);
        }
        bytes
    }

    /// Reads the body of a HEAD chunk and validates it. Offsets in errors count from the body.
    pub(crate) fn read(body: &[u8], limits: &Limits) -> Result<Self> {
        let mut cursor = Cursor::new(body);
        let version = cursor.byte("version")?;
        if version >> 4 != VERSION_MAJOR {
            let value = u64::from(version >> 4);
            return Err(Error::Unsupported {
                what: "major version",
                value,
                at: 0,
            });
        }
        let flags = cursor.byte("header flags")?;
        if version & 15 == VERSION_MINOR && flags & RESERVED != 0 {
            return Err(Error::Malformed {
                what: "header flags",
                at: 1,
            });
        }
        let narrow = |cursor: &mut Cursor<'_>, max: u64, what| cursor.varint_up_to(max, what);
        let word = u64::from(u32::MAX);
        let half = u64::from(u16::MAX);
        let coded = Signal {
            rate: narrow(&mut cursor, word, "coded sample rate")? as u32,
            channels: cursor.byte("coded channels")?,
        };
        let source = if flags & SOURCE != 0 {
            Signal {
                rate: narrow(&mut cursor, word, "source sample rate")? as u32,
                channels: cursor.byte("source channels")?,
            }
        } else {
            coded
        };
        let total_samples = if flags & TOTAL != 0 {
            Some(cursor.varint("total samples")?)
        } else {
            None
        };
        let pre_skip = if flags & PRE_SKIP != 0 {
            narrow(&mut cursor, word, "pre-skip")? as u32
        } else {
            0
        };
        let stft = Stft::read(&mut cursor)?;
        let segment_frames = narrow(&mut cursor, half, "segment frames")? as u16;
        let model = if flags & MODEL != 0 {
            let mut id = [0; 8];
            id.copy_from_slice(cursor.take(8, "model id")?);
            Some(ModelId(id))
        } else {
            None
        };
        let origin = short(&mut cursor, "quantiser origin")?;
        let quantiser = Quantiser {
            origin,
            step: cursor.byte("quantiser step")?,
        };
        let at = cursor.at();
        let kinds = cursor.byte("mask and phase kinds")?;
        let mask = match kinds & 15 {
            MASK_SEEDED => {
                let mut seed = [0; 8];
                seed.copy_from_slice(cursor.take(8, "mask seed")?);
                MaskKind::Seeded {
                    seed: u64::from_le_bytes(seed),
                }
            }
            MASK_PACKED => MaskKind::Packed,
            MASK_RUN_LENGTH => MaskKind::RunLength,
            MASK_RIDGE => MaskKind::Ridge {
                threshold_step: cursor.byte("threshold step")?,
            },
            kind => {
                return Err(Error::Unsupported {
                    what: "mask kind",
                    value: u64::from(kind),
                    at,
                })
            }
        };
        let values = if flags & CONTEXT_VALUES != 0 {
            ValueCoding::Context
        } else {
            ValueCoding::Packed
        };
        let lattice = if flags & LATTICE != 0 {
            let shape = cursor.take(3, "lattice")?;
            Some(LatticeShape {
                bands: shape[0],
                every: shape[1],
                step: shape[2],
            })
        } else {
            None
        };
        let phase = match kinds >> 4 {
            PHASE_NONE => PhaseKind::None,
            PHASE_THRESHOLDED => PhaseKind::Thresholded {
                bits: cursor.byte("phase bits")?,
                threshold: short(&mut cursor, "phase threshold")?,
            },
            PHASE_ALL => PhaseKind::All {
                bits: cursor.byte("phase bits")?,
            },
            kind => {
                return Err(Error::Unsupported {
                    what: "phase kind",
                    value: u64::from(kind),
                    at,
                })
            }
        };
        let waveform = if flags & WAVEFORM != 0 {
            let shape = cursor.take(2, "waveform layer")?;
            Some(WaveformShape {
                coefficients: shape[0],
                step: shape[1] as i8,
            })
        } else {
            None
        };
        // A later minor version may append fields (Spec §2).
        if version & 15 == VERSION_MINOR {
            cursor.end("end of header")?;
        }
        let header = Header {
            source,
            coded,
            total_samples,
            pre_skip,
            stft,
            segment_frames,
            model,
            quantiser,
            mask,
            values,
            lattice,
            phase,
            waveform,
        };
        header.validate(limits).map_err(|error| match error {
            Error::Usage { what } => Error::Malformed { what, at: 0 },
            other => other,
        })?;
        Ok(header)
    }
}

/// A signed number of 16 bits.
fn short(cursor: &mut Cursor<'_>, what: &'static str) -> Result<i16> {
    let at = cursor.at();
    cursor
        .signed(what)?
        .try_into()
        .map_err(|_| Error::Malformed { what, at })
}
