//! Every cap in one place, with its reason. Checked before anything is allocated (Spec §10).

use crate::error::{Error, Result};

/// What a reader or writer accepts. The default is safe for files from strangers; a program that
/// knows better may raise or lower single fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Transform length, samples: 4096 at 48 kHz is 85 ms, beyond which nothing stays in place.
    pub n_fft: u16,
    /// Sample rate, Hz: the highest in use for sound.
    pub rate: u32,
    /// Channels of source and coded signal: 7.1 surround.
    pub channels: u8,
    /// Pixels of a segment over all channels: 128 frames of 2049 bins in 8 channels. Bounds the memory
    /// (about ten bytes a pixel) and time a segment takes.
    pub segment_pixels: usize,
    /// Samples per channel of a stream: a month at 192 kHz.
    pub total_samples: u64,
    /// Bytes of a SEGM chunk's body: more than the segment's largest coding of ordinary symbols.
    pub segment_bytes: usize,
    /// Bytes of a META chunk's body: room for texts, none for pictures.
    pub metadata_bytes: usize,
    /// Comments of a META chunk.
    pub metadata_entries: usize,
    /// Bytes of a model file: the weights in binary32 and what surrounds them.
    pub model_bytes: usize,
    /// Weights of a model: five times the largest that was ever worth its time here.
    pub model_weights: usize,
    /// Multiply-adds a pixel of a model: what a desktop core still runs in real time.
    pub model_macs_per_pixel: u64,
    /// Nodes of a network, and inputs of a node.
    pub model_nodes: usize,
    /// Numbers a network holds for each bin while it runs on a stream (Spec §7.9): 256 MiB where there are 2049 bins.
    pub model_held: u64,
    /// Channels of a node's input or output.
    pub model_channels: u16,
    /// Kernel height and width: an odd number.
    pub model_kernel: u8,
    /// Entries of a SEEK chunk: a second each, twelve days.
    pub seek_entries: usize,
    /// Body bytes of a chunk of unknown type, which is held until its CRC is known and then skipped.
    pub skipped_bytes: usize,
    /// Segments lost of a stream, beside ten for each that is sound: what a decoder must make up. A few bytes must
    /// not claim hours.
    pub lost_segments: u64,
    /// The source's rate over the coded one, at most: the highest there is over 6 kHz. What a decoder gives out grows with it.
    pub rate_ratio: u32,
    /// Work for a second of sound ([`Header::work_per_frame`](crate::header::Header::work_per_frame)): ten times that of the
    /// speech profile, four times the thesis'; two seconds or so of a desktop core.
    pub work_per_second: u64,
    /// Samples of all channels that a decoder gives out: a second of silence takes a dozen bytes or more, at 48 kHz in
    /// stereo 8000 samples for each.
    pub output: Allowance,
    /// Work of a decoder. A core does 2^32 in a second or so.
    pub work: Allowance,
    /// Bytes hashed in search of sound chunks after damage, over a whole stream: a forged stream could
    /// otherwise have every byte hashed thousands of times.
    pub resync_bytes: u64,
}

/// How much a stream may ask for by the bytes that have come: lost segments and silence take none or few, and must not
/// claim hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// So much whatever has come.
    pub base: u64,
    /// So much for each byte.
    pub per_byte: u64,
}

impl Allowance {
    /// Checks what a stream asks for of which so many bytes have come.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`].
    pub fn check(&self, what: &'static str, requested: u64, bytes: u64) -> Result<()> {
        let more = bytes.saturating_mul(self.per_byte);
        check(what, requested, self.base.saturating_add(more))
    }
}

/// Work of rebuilding phases, for each pixel of the fine grid: as long as so many multiply-adds of a network take. Eight
/// steps, each a transform there and one back; measured are 600 to 1300 where all frames on their way fit into a core's
/// cache, and up to 3700 where they do not, as with 64 frames of 4096 samples in eight channels.
pub const SYNTHESIS_WORK: u64 = 2500;
/// Most channels: a decoder without a heap has a place for each.
pub const MAX_CHANNELS: u8 = 8;
/// Smallest transform length, samples.
pub const MIN_N_FFT: u16 = 64;
/// Most frames that may begin within one transform length: what a stream can ask of a decoder is bounded by it.
pub const MAX_OVERLAP: u16 = 64;
/// Smallest sample rate, Hz: below, the band edges lose their meaning.
pub const MIN_RATE: u32 = 1000;
/// Most bands of a lattice.
pub const MAX_BANDS: u8 = 64;
/// Most coefficients a frame of the waveform layer.
pub const MAX_COEFFICIENTS: u8 = 128;
/// Most bits of a stored phase.
pub const MAX_PHASE_BITS: u8 = 12;
/// Most frames of a segment, as `Header::segment_frames` holds it.
pub const MAX_SEGMENT_FRAMES: u16 = u16::MAX;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            n_fft: 4096,
            rate: 192_000,
            channels: MAX_CHANNELS,
            segment_pixels: 8 * 128 * 2049,
            total_samples: 1 << 39,
            segment_bytes: 8 << 20,
            metadata_bytes: 64 << 10,
            metadata_entries: 256,
            model_bytes: 8 << 20,
            model_weights: 1 << 20,
            model_macs_per_pixel: 1 << 20,
            model_nodes: 64,
            model_held: 1 << 15,
            model_channels: 256,
            model_kernel: 15,
            seek_entries: 1 << 20,
            skipped_bytes: 1 << 20,
            lost_segments: 600,
            resync_bytes: 1 << 30,
            rate_ratio: 32,
            work_per_second: 1 << 33,
            output: Allowance {
                base: 1 << 22,
                per_byte: 1 << 15,
            },
            work: Allowance {
                base: 1 << 34,
                per_byte: 1 << 28,
            },
        }
    }
}

impl Limits {
    /// Checks a sample rate, Hz.
    ///
    /// # Errors
    /// [`Error::Usage`] below [`MIN_RATE`], [`Error::LimitExceeded`] above [`rate`](Self::rate).
    pub fn check_rate(&self, rate: u32) -> Result<()> {
        if rate < MIN_RATE {
            return Err(Error::Usage {
                what: "sample rate below 1000 Hz",
            });
        }
        check("sample rate", u64::from(rate), u64::from(self.rate))
    }
}

/// An error that names the limit `what`, unless `requested <= max`.
pub(crate) fn check(what: &'static str, requested: u64, max: u64) -> Result<()> {
    if requested > max {
        return Err(Error::LimitExceeded {
            what,
            requested,
            max,
            at: None,
        });
    }
    Ok(())
}
