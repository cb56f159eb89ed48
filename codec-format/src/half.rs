//! binary16 <-> binary32 (Spec §7.7): exact one way, round to nearest, ties to even, the other.

/// The binary16 nearest to `value`; infinity beyond its range.
pub(crate) fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    let exponent = (magnitude >> 23) as i32 - 127;
    if exponent > 15 {
        return sign | 0x7c00;
    }
    // A normal half keeps 10 bits below the leading one; a subnormal one less for each step below.
    let (significand, drop) = if exponent >= -14 {
        ((((exponent + 15) as u32) << 23) | magnitude & 0x7f_ffff, 13)
    } else if exponent >= -25 {
        (
            magnitude & 0x7f_ffff | 0x80_0000,
            13 + (-14 - exponent) as u32,
        )
    } else {
        return sign;
    };
    let kept = significand >> drop;
    let half_way = 1 << (drop - 1);
    let rest = significand & ((1 << drop) - 1);
    let up = rest > half_way || rest == half_way && kept & 1 == 1;
    // A carry out of the mantissa rightly moves the exponent, up to infinity.
    sign | (kept + u32::from(up)) as u16
}

/// The value of a binary16.
pub(crate) fn from_half(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10 & 31);
    let mantissa = u32::from(half & 0x3ff);
    let bits = match (exponent, mantissa) {
        (0, 0) => 0,
        (0, _) => {
            // The leading one of a subnormal moves to where a binary32 hides it.
            let shift = mantissa.leading_zeros() - 21;
            (113 - shift) << 23 | (mantissa << (shift + 13)) & 0x7f_ffff
        }
        (31, _) => 0x7f80_0000 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_returns() {
        for half in 0..=u16::MAX {
            let value = from_half(half);
            if value.is_nan() {
                assert!(from_half(to_half(value)).is_nan());
            } else {
                assert_eq!(to_half(value), half, "{value}");
            }
        }
    }

    #[test]
    fn rounds_to_the_nearest_and_ties_to_even() {
        for half in 0..0x7bffu16 {
            let (low, high) = (f64::from(from_half(half)), f64::from(from_half(half + 1)));
            let middle = ((low + high) / 2.0) as f32;
            let even = half + (half & 1);
            assert_eq!(to_half(middle), even);
            assert_eq!(to_half(f32::from_bits(middle.to_bits() - 1)), half);
            assert_eq!(to_half(f32::from_bits(middle.to_bits() + 1)), half + 1);
        }
        assert_eq!(from_half(0x3c00), 1.0);
        assert_eq!(from_half(0x0001), 2f32.powi(-24));
        assert_eq!(to_half(65520.0), 0x7c00);
        assert_eq!(to_half(-65519.0), 0xfbff);
    }
}
