//! The transform of the coded grid: its rules and its bytes, for headers, model files and settings alike (Spec §4.1,
//! §4.2).

use crate::bytes::{put_varint, Cursor};
use crate::error::{rule, Error, Result};
use crate::limits::{check, Limits, MAX_OVERLAP, MIN_N_FFT};
use alloc::vec::Vec;

/// Short-time Fourier transform of the coded grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stft {
    /// Transform length in samples, a power of two.
    pub n_fft: u16,
    /// Window length in samples, 2 to `n_fft`.
    pub window_length: u16,
    /// Window shape.
    pub window: WindowKind,
    /// Samples from one coded frame to the next, at most half the window and at least a 64th of `n_fft`.
    pub hop: u16,
}

/// Window shapes, all periodic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// `0.5 - 0.5 cos(2 pi n / N)`.
    Hann,
    /// The square root of Hann: `sin(pi n / N)`.
    Sine,
}

/// Set in the transform byte where the window is as long as the transform.
const FULL_WINDOW: u8 = 1 << 7;

impl Stft {
    /// Bins of a frame: `n_fft / 2 + 1`.
    #[must_use]
    pub fn bins(&self) -> usize {
        usize::from(self.n_fft) / 2 + 1
    }

    /// Frames of `samples` coded samples (Spec §4.3). Frame `t` is centred on sample `t * hop`; `1 + ceil(samples / hop)`
    /// frames surround every sample, and none needs none.
    #[must_use]
    pub fn frames_for(&self, samples: u64) -> u64 {
        match samples {
            0 => 0,
            _ => 1 + samples.div_ceil(u64::from(self.hop.max(1))),
        }
    }

    /// Checks the rules of Spec §4.2.
    ///
    /// # Errors
    /// [`Error::Usage`] names the rule that is broken, [`Error::LimitExceeded`] a transform that is too long.
    pub fn validate(&self, limits: &Limits) -> Result<()> {
        let n_fft = self.n_fft;
        rule(
            n_fft >= MIN_N_FFT && n_fft.is_power_of_two(),
            "transform length: not a power of two from 64",
        )?;
        check(
            "transform length",
            u64::from(n_fft),
            u64::from(limits.n_fft),
        )?;
        rule(
            (2..=n_fft).contains(&self.window_length),
            "window length: not from 2 to the transform's",
        )?;
        rule(
            (1..=self.window_length / 2).contains(&self.hop),
            "hop: not from 1 to half the window",
        )?;
        rule(
            u32::from(self.hop) * u32::from(MAX_OVERLAP) >= u32::from(n_fft),
            "hop: less than a 64th of the transform",
        )
    }

    /// Appends the bytes of Spec §4.1.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        let window = match self.window {
            WindowKind::Hann => 0,
            WindowKind::Sine => 1,
        };
        let full = self.window_length == self.n_fft;
        bytes.push(
            self.n_fft.trailing_zeros() as u8 | window << 4 | if full { FULL_WINDOW } else { 0 },
        );
        if !full {
            put_varint(bytes, u64::from(self.window_length));
        }
        put_varint(bytes, u64::from(self.hop));
    }

    /// Reads what [`write`](Self::write) wrote; the rules are the caller's to check.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let at = cursor.at();
        let transform = cursor.byte("transform")?;
        let n_fft = 1 << (transform & 15);
        let window = match transform >> 4 & 7 {
            0 => WindowKind::Hann,
            1 => WindowKind::Sine,
            kind => {
                return Err(Error::Unsupported {
                    what: "window kind",
                    value: u64::from(kind),
                    at,
                })
            }
        };
        let most = u64::from(u16::MAX);
        let window_length = if transform & FULL_WINDOW != 0 {
            n_fft
        } else {
            cursor.varint_up_to(most, "window length")? as u16
        };
        Ok(Stft {
            n_fft,
            window_length,
            window,
            hop: cursor.varint_up_to(most, "hop")? as u16,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_return_and_rules_bound_them() {
        let lawful = Stft {
            n_fft: 512,
            window_length: 400,
            window: WindowKind::Sine,
            hop: 200,
        };
        let limits = Limits::default();
        for (stft, holds) in [
            (lawful, true),
            (
                Stft {
                    n_fft: 4096,
                    ..lawful
                },
                true,
            ),
            (
                Stft {
                    n_fft: 8192,
                    ..lawful
                },
                false,
            ),
            (
                Stft {
                    n_fft: 500,
                    ..lawful
                },
                false,
            ),
            (
                Stft {
                    n_fft: 32,
                    window_length: 32,
                    hop: 8,
                    ..lawful
                },
                false,
            ),
            (
                Stft {
                    window_length: 512,
                    ..lawful
                },
                true,
            ),
            (
                Stft {
                    window_length: 513,
                    ..lawful
                },
                false,
            ),
            (
                Stft {
                    window_length: 1,
                    hop: 0,
                    ..lawful
                },
                false,
            ),
            (Stft { hop: 201, ..lawful }, false),
            (Stft { hop: 8, ..lawful }, true),
            (Stft { hop: 7, ..lawful }, false),
        ] {
            assert_eq!(stft.validate(&limits).is_ok(), holds, "{stft:?}");
            if stft.n_fft.is_power_of_two() {
                let mut bytes = Vec::new();
                stft.write(&mut bytes);
                let mut cursor = Cursor::new(&bytes);
                assert_eq!(Stft::read(&mut cursor), Ok(stft));
                assert_eq!(cursor.end("the end"), Ok(()));
            }
        }
    }
}
