//! Complex transforms of the lengths a stream may have ([`Stft::validate`]), and the packing of two real ones into
//! one.
//!
//! [`Stft::validate`]: codec_format::header::Stft::validate

use microfft::{complex, inverse, Complex32};

macro_rules! by_length {
    ($buffer:expr, $module:ident, $($len:literal => $name:ident),*) => {
        match $buffer.len() {
            $($len => {
                if let Ok(array) = <&mut [Complex32; $len]>::try_from($buffer) {
                    let _ = $module::$name(array);
                }
            })*
            other => debug_assert!(false, "unsupported transform length {other}"),
        }
    };
}

/// Forward transform in place, unnormalised. The length is a power of two from 64 to 4096.
pub(crate) fn forward(buffer: &mut [Complex32]) {
    by_length!(buffer, complex, 64 => cfft_64, 128 => cfft_128, 256 => cfft_256, 512 => cfft_512,
        1024 => cfft_1024, 2048 => cfft_2048, 4096 => cfft_4096);
}

/// Inverse transform in place, divided by the length. The length is a power of two from 64 to 4096.
pub(crate) fn backward(buffer: &mut [Complex32]) {
    by_length!(buffer, inverse, 64 => ifft_64, 128 => ifft_128, 256 => ifft_256, 512 => ifft_512,
        1024 => ifft_1024, 2048 => ifft_2048, 4096 => ifft_4096);
}

/// Splits the transform of `a + i b` into the half spectra of the real signals `a` and `b`.
///
/// `packed` has `n` values, `first` and `second` `n / 2 + 1`.
pub(crate) fn split_pair(packed: &[Complex32], first: &mut [Complex32], second: &mut [Complex32]) {
    let n = packed.len();
    for k in 0..=n / 2 {
        let z = packed[k];
        let m = packed[(n - k) % n];
        first[k] = Complex32::new(0.5 * (z.re + m.re), 0.5 * (z.im - m.im));
        second[k] = Complex32::new(0.5 * (z.im + m.im), 0.5 * (m.re - z.re));
    }
}

/// The inverse of [`split_pair`]: the full spectrum of `a + i b` from the half spectra of `a` and `b`.
/// Imaginary parts at 0 and the Nyquist frequency are ignored, as no real signal has them; an empty
/// `second` stands for silence.
pub(crate) fn join_pair(first: &[Complex32], second: &[Complex32], packed: &mut [Complex32]) {
    let n = packed.len();
    for k in 1..n / 2 {
        let (a, b) = (first[k], second.get(k).copied().unwrap_or_default());
        packed[k] = Complex32::new(a.re - b.im, a.im + b.re);
        packed[n - k] = Complex32::new(a.re + b.im, b.re - a.im);
    }
    for k in [0, n / 2] {
        packed[k] = Complex32::new(first[k].re, second.get(k).map_or(0.0, |b| b.re));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn noise(n: usize, mut state: u32) -> Vec<f32> {
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn pairs_survive_the_round_trip_at_every_length() {
        for n in [64, 128, 256, 512, 1024, 2048, 4096] {
            let (a, b) = (noise(n, 1), noise(n, 2));
            let mut packed: Vec<_> = a
                .iter()
                .zip(&b)
                .map(|(&x, &y)| Complex32::new(x, y))
                .collect();
            forward(&mut packed);
            let zero = Complex32::default();
            let (mut first, mut second) = (vec![zero; n / 2 + 1], vec![zero; n / 2 + 1]);
            split_pair(&packed, &mut first, &mut second);
            // A half spectrum is that of the real signal alone: check one bin against the definition.
            let k = n / 8 + 1;
            let (mut re, mut im) = (0.0f64, 0.0f64);
            for (i, &x) in a.iter().enumerate() {
                let angle = -core::f64::consts::TAU * (k * i % n) as f64 / n as f64;
                re += f64::from(x) * libm::cos(angle);
                im += f64::from(x) * libm::sin(angle);
            }
            assert!(
                (f64::from(first[k].re) - re).abs() < 1e-3
                    && (f64::from(first[k].im) - im).abs() < 1e-3
            );
            join_pair(&first, &second, &mut packed);
            backward(&mut packed);
            for i in 0..n {
                assert!(
                    (packed[i].re - a[i]).abs() < 1e-5 && (packed[i].im - b[i]).abs() < 1e-5,
                    "length {n}"
                );
            }
        }
    }
}
