//! The stream header: everything a decoder must know before the first segment (Spec §4).

use crate::bytes::{put_signed, put_varint, Cursor};
use crate::error::{rule, Error, Result};
use crate::limits::{self, Limits};
pub use crate::segment::BandEdges;
pub use crate::stft::{Stft, WindowKind};
use alloc::vec;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// Major version written by this crate; a reader rejects any other (Spec §2).
pub const VERSION_MAJOR: u8 = 1;
/// Minor version written by this crate; a reader accepts any (Spec §2).
pub const VERSION_MINOR: u8 = 0;

// Bits of the flag byte (Spec §4.1).
const SOURCE: u8 = 1 << 0;
const TOTAL: u8 = 1 << 1;
const PRE_SKIP: u8 = 1 << 2;
const MODEL: u8 = 1 << 3;
const LATTICE: u8 = 1 << 4;
/// 0 in this version.
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

/// The header of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What went into the encoder and what comes out of the decoder.
    pub source: Signal,
    /// What is coded: the sample rate and channel count of the images.
    pub coded: Signal,
    /// Samples per channel of the source at the source's rate; `None` while unknown (a stream being
    /// written), then the trailer has it.
    pub total_samples: Option<u64>,
    /// Coded samples per channel to drop from the decoder's output before the first one that counts.
    pub pre_skip: u32,
    /// The transform on which the image is coded.
    pub stft: Stft,
    /// Frames in every segment but the last, which may have fewer.
    pub segment_frames: u16,
    /// The model that completes the image; `None` asks for plain interpolation of the lattice.
    pub model: Option<ModelId>,
    /// How values become levels.
    pub quantiser: Quantiser,
    /// How positions are coded.
    pub mask: MaskKind,
    /// How kept values are coded (the ridge mask always codes them by context).
    pub values: ValueCoding,
    /// The background lattice, if there is one.
    pub lattice: Option<LatticeShape>,
    /// Which phases are stored.
    pub phase: PhaseKind,
    /// The lowest band as a waveform, if it is stored so; only with the ridge mask.
    pub waveform: Option<WaveformShape>,
}

/// Sample rate and channel count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Samples a second, Hz.
    pub rate: u32,
    /// Channels, at least one.
    pub channels: u8,
}

/// First 8 bytes of the SHA-256 of a model file (Spec §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub [u8; 8]);

impl ModelId {
    /// The name of a model file: the first 8 bytes of the SHA-256 of all its bytes.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        let digest = Sha256::digest(file);
        ModelId(core::array::from_fn(|n| digest[n]))
    }
}

impl core::fmt::Display for ModelId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Uniform quantiser of levels, in units of 1/8 dB.
///
/// Levels are `10 log10 |X|^2` of the unnormalised transform of samples in -1..1. Index `q` stands
/// for `origin + (q + 1/2) * step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiser {
    /// Level of the image's floor, in 1/8 dB.
    pub origin: i16,
    /// Width of a step, in 1/8 dB, at least 1.
    pub step: u8,
}

/// Mask codings (Spec §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskKind {
    /// Uniform random, computed from a seed; only the count of kept pixels is written.
    Seeded {
        /// Seed of the stream's generator.
        seed: u64,
    },
    /// One bit a pixel.
    Packed,
    /// Run lengths.
    RunLength,
    /// Pixels above a threshold per frame, coded jointly with their values by context.
    Ridge {
        /// Step of the thresholds, in 1/8 dB, at least 1.
        threshold_step: u8,
    },
}

/// Codings of kept values of masks other than ridge (Spec §6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueCoding {
    /// The fewest whole bits that hold the segment's largest index.
    Packed,
    /// Adaptive, by context.
    Context,
}

/// Shape of the background lattice (Spec §6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatticeShape {
    /// Bands over the whole spectrum, narrow below and wide above (Spec §6.5 gives the edges).
    pub bands: u8,
    /// Frames a lattice step covers.
    pub every: u8,
    /// Step of the levels in 1/8 dB, at least 1: index `q` stands for `origin + q * step`.
    pub step: u8,
}

/// Which phases are stored, and how finely (Spec §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseKind {
    /// None: the decoder rebuilds them from the magnitudes.
    None,
    /// Those of a stored subset of pixels (the thesis: where the power reaches a threshold).
    Thresholded {
        /// Bits of a phase, 1..=12.
        bits: u8,
        /// The encoder's threshold in 1/8 dB, for the record: positions are written explicitly.
        threshold: i16,
    },
    /// That of every pixel.
    All {
        /// Bits of a phase, 1..=12.
        bits: u8,
    },
}

/// Shape of the waveform layer: the lowest band as transform coefficients (Spec §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaveformShape {
    /// Coefficients a frame, each half of `coded rate / hop` wide, from 0 Hz up; 1 to `hop` and to
    /// [`MAX_COEFFICIENTS`](crate::limits::MAX_COEFFICIENTS).
    pub coefficients: u8,
    /// Level of the quantiser's step less the frame's threshold, 1/8 dB.
    pub step: i8,
}

impl WaveformShape {
    /// Bins from 0 up whose pixels follow from this layer on the grid of `stft` (Spec §6.7).
    #[must_use]
    pub fn covered_bins(&self, stft: &Stft) -> usize {
        let below = usize::from(self.coefficients).saturating_sub(1);
        let covered = below * usize::from(stft.n_fft) / (2 * usize::from(stft.hop.max(1)));
        covered.min(stft.bins() - 1)
    }
}

impl LatticeShape {
    /// Level indices of a segment of `frames` frames: `bands * ceil(frames / every)`.
    #[must_use]
    pub fn cells(&self, frames: usize) -> usize {
        usize::from(self.bands) * frames.div_ceil(usize::from(self.every).max(1))
    }
}

impl Quantiser {
    /// The level of an index in 1/8 dB, rounded down: `origin + index * step + step / 2`.
    #[must_use]
    pub fn level(&self, index: u8) -> i32 {
        i32::from(self.origin) + i32::from(index) * i32::from(self.step) + i32::from(self.step) / 2
    }

    /// The index of a level in 1/8 dB; levels beyond the range get the nearest index.
    #[must_use]
    pub fn index(&self, level: i32) -> u8 {
        let steps = level
            .saturating_sub(i32::from(self.origin))
            .div_euclid(i32::from(self.step.max(1)));
        steps.clamp(0, 255) as u8
    }
}

impl Header {
    /// Coded samples per channel of a source of `total` samples (Spec §4.3):
    /// `pre_skip + ceil(total * coded rate / source rate)`.
    #[must_use]
    pub fn coded_samples(&self, total: u64) -> u64 {
        let source = u128::from(self.source.rate.max(1));
        let scaled = (u128::from(total) * u128::from(self.coded.rate)).div_ceil(source);
        u64::try_from(scaled)
            .unwrap_or(u64::MAX)
            .saturating_add(u64::from(self.pre_skip))
    }

    /// Frames of a stream of `total` source samples (Spec §4.3): [`Stft::frames_for`] its coded samples; an empty source
    /// has none.
    #[must_use]
    pub fn frames_for(&self, total: u64) -> u64 {
        match total {
            0 => 0,
            _ => self.stft.frames_for(self.coded_samples(total)),
        }
    }

    /// Segments of a stream of `total` source samples: `ceil(frames / segment_frames)` (Spec §4.3).
    #[must_use]
    pub fn segments_for(&self, total: u64) -> u64 {
        let length = u64::from(self.segment_frames.max(1));
        self.frames_for(total).div_ceil(length)
    }

    /// Bins from 0 up whose pixels follow from the waveform layer, so that no other layer has them: those
    /// that lie a bin or more below the end of its band; none without the layer (Spec §6.7).
    #[must_use]
    pub fn covered_bins(&self) -> usize {
        self.waveform
            .map_or(0, |shape| shape.covered_bins(&self.stft))
    }

    /// Coefficients of the waveform layer in a frame; none without the layer.
    #[must_use]
    pub fn coefficients(&self) -> usize {
        self.waveform
            .map_or(0, |shape| usize::from(shape.coefficients))
    }

    /// The first bin of every band of the lattice and, last, the number of bins (Spec §6.5.1); empty without a
    /// lattice.
    #[must_use]
    pub fn lattice_edges(&self) -> BandEdges {
        self.lattice.map_or(BandEdges::NONE, |shape| {
            shape.edges(self.covered_bins(), self.stft.bins(), self.coded.rate)
        })
    }

    /// Work that a frame is, in multiply-adds (Spec §10), with a network of so many a pixel that makes `upsampling` fine
    /// frames of it.
    #[must_use]
    pub fn work_per_frame(&self, macs_per_pixel: u64, upsampling: usize) -> u64 {
        let pixels = self.stft.bins() as u64 * u64::from(self.coded.channels);
        let synthesis = limits::SYNTHESIS_WORK.saturating_mul(upsampling as u64);
        pixels.saturating_mul(macs_per_pixel.saturating_add(synthesis))
    }

    /// Checks the header against the rules of Spec §4 and the limits.
    ///
    /// # Errors
    /// [`Error::Usage`] names the field that breaks a rule, [`Error::LimitExceeded`] one that is too large.
    pub fn validate(&self, limits: &Limits) -> Result<()> {
        for signal in [self.source, self.coded] {
            limits.check_rate(signal.rate)?;
            rule(signal.channels > 0, "no channels")?;
            limits::check(
                "channels",
                u64::from(signal.channels),
                u64::from(limits.channels.min(limits::MAX_CHANNELS)),
            )?;
        }
        limits::check(
            "source rate over coded rate",
            u64::from(self.source.rate.div_ceil(self.coded.rate)),
            u64::from(limits.rate_ratio),
        )?;
        self.stft.validate(limits)?;
        rule(self.segment_frames > 0, "segment frames")?;
        let pixels = self.stft.bins() as u64
            * u64::from(self.segment_frames)
            * u64::from(self.coded.channels);
        limits::check("segment pixels", pixels, limits.segment_pixels as u64)?;
        if let Some(total) = self.total_samples {
            limits::check("total samples", total, limits.total_samples)?;
        }
        rule(self.quantiser.step > 0, "quantiser step")?;
        if let MaskKind::Ridge { threshold_step } = self.mask {
            rule(threshold_step > 0, "threshold step")?;
        }
        if let Some(LatticeShape { bands, every, step }) = self.lattice {
            rule(every > 0 && step > 0 && bands > 0, "lattice")?;
            rule(
                usize::from(bands) <= self.stft.bins() - self.covered_bins(),
                "lattice with more bands than bins",
            )?;
            limits::check(
                "lattice bands",
                u64::from(bands),
                u64::from(limits::MAX_BANDS),
            )?;
        }
        if let Some(WaveformShape { coefficients, .. }) = self.waveform {
            let ridge = matches!(self.mask, MaskKind::Ridge { .. });
            rule(ridge, "waveform layer without the ridge mask")?;
            rule(coefficients > 0, "waveform layer without coefficients")?;
            rule(
                u16::from(coefficients) <= self.stft.hop,
                "waveform coefficients",
            )?;
            limits::check(
                "waveform coefficients",
                u64::from(coefficients),
                u64::from(limits::MAX_COEFFICIENTS),
            )?;
        }
        match self.phase {
            PhaseKind::None => Ok(()),
            PhaseKind::Thresholded { bits, .. } | PhaseKind::All { bits } => {
                rule(bits > 0 && bits <= limits::MAX_PHASE_BITS, "phase bits")
            }
        }
    }

    /// The body of a HEAD chunk (Spec §4.1).
    pub(crate) fn write(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.source != self.coded, SOURCE)
            | flag(self.total_samples.is_some(), TOTAL)
            | flag(self.pre_skip != 0, PRE_SKIP)
            | flag(self.model.is_some(), MODEL)
            | flag(self.lattice.is_some(), LATTICE)
            | flag(self.values == ValueCoding::Context, CONTEXT_VALUES)
            | flag(self.waveform.is_some(), WAVEFORM);
        let mut bytes = vec![VERSION_MAJOR << 4 | VERSION_MINOR, flags];
        self.coded.write(&mut bytes);
        if self.source != self.coded {
            self.source.write(&mut bytes);
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
        let mask = match self.mask {
            MaskKind::Seeded { .. } => MASK_SEEDED,
            MaskKind::Packed => MASK_PACKED,
            MaskKind::RunLength => MASK_RUN_LENGTH,
            MaskKind::Ridge { .. } => MASK_RIDGE,
        };
        let phase = match self.phase {
            PhaseKind::None => PHASE_NONE,
            PhaseKind::Thresholded { .. } => PHASE_THRESHOLDED,
            PhaseKind::All { .. } => PHASE_ALL,
        };
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
        let cursor = &mut cursor;
        let unsupported = |what, value: u8, at| Error::Unsupported {
            what,
            value: u64::from(value),
            at,
        };
        let version = cursor.byte("version")?;
        if version >> 4 != VERSION_MAJOR {
            return Err(unsupported("major version", version >> 4, 0));
        }
        let flags = cursor.byte("header flags")?;
        if version & 15 == VERSION_MINOR && flags & RESERVED != 0 {
            return Err(Error::Malformed {
                what: "header flags",
                at: 1,
            });
        }
        let has = |flag: u8| flags & flag != 0;
        let coded = Signal::read(cursor)?;
        let source = if has(SOURCE) {
            Signal::read(cursor)?
        } else {
            coded
        };
        let total_samples = has(TOTAL)
            .then(|| cursor.varint("total samples"))
            .transpose()?;
        let pre_skip = if has(PRE_SKIP) {
            cursor.varint_up_to(u64::from(u32::MAX), "pre-skip")? as u32
        } else {
            0
        };
        let stft = Stft::read(cursor)?;
        let segment_frames = cursor.varint_up_to(u64::from(u16::MAX), "segment frames")? as u16;
        let model = has(MODEL)
            .then(|| cursor.array("model id").map(ModelId))
            .transpose()?;
        let quantiser = Quantiser {
            origin: cursor.short("quantiser origin")?,
            step: cursor.byte("quantiser step")?,
        };
        let at = cursor.at();
        let kinds = cursor.byte("mask and phase kinds")?;
        let mask = match kinds & 15 {
            MASK_SEEDED => MaskKind::Seeded {
                seed: u64::from_le_bytes(cursor.array("mask seed")?),
            },
            MASK_PACKED => MaskKind::Packed,
            MASK_RUN_LENGTH => MaskKind::RunLength,
            MASK_RIDGE => MaskKind::Ridge {
                threshold_step: cursor.byte("threshold step")?,
            },
            kind => return Err(unsupported("mask kind", kind, at)),
        };
        let lattice = has(LATTICE)
            .then(|| cursor.array("lattice"))
            .transpose()?
            .map(|[bands, every, step]| LatticeShape { bands, every, step });
        let phase = match kinds >> 4 {
            PHASE_NONE => PhaseKind::None,
            PHASE_THRESHOLDED => PhaseKind::Thresholded {
                bits: cursor.byte("phase bits")?,
                threshold: cursor.short("phase threshold")?,
            },
            PHASE_ALL => PhaseKind::All {
                bits: cursor.byte("phase bits")?,
            },
            kind => return Err(unsupported("phase kind", kind, at)),
        };
        let waveform = has(WAVEFORM)
            .then(|| cursor.array("waveform layer"))
            .transpose()?
            .map(|[coefficients, step]| WaveformShape {
                coefficients,
                step: step as i8,
            });
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
            values: if has(CONTEXT_VALUES) {
                ValueCoding::Context
            } else {
                ValueCoding::Packed
            },
            lattice,
            phase,
            waveform,
        };
        header.validate(limits).map_err(|error| error.found_at(0))?;
        Ok(header)
    }
}

impl Signal {
    fn write(&self, bytes: &mut Vec<u8>) {
        put_varint(bytes, u64::from(self.rate));
        bytes.push(self.channels);
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        Ok(Signal {
            rate: cursor.varint_up_to(u64::from(u32::MAX), "sample rate")? as u32,
            channels: cursor.byte("channels")?,
        })
    }
}
