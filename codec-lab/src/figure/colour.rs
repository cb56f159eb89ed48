//! Colour maps.

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// Dark to light, in even steps of lightness: night blue, violet, red, orange, pale yellow.
const LEVEL_STOPS: [Rgb; 6] = [
    [6, 6, 26],
    [52, 20, 98],
    [128, 28, 110],
    [206, 62, 74],
    [246, 148, 58],
    [252, 246, 184],
];

/// Round and back: no seam at plus or minus pi.
const PHASE_STOPS: [Rgb; 5] = [
    [38, 52, 116],
    [92, 168, 176],
    [238, 226, 206],
    [190, 96, 76],
    [38, 52, 116],
];

fn between(stops: &[Rgb], position: f32) -> Rgb {
    let scaled = position.clamp(0.0, 1.0) * (stops.len() - 1) as f32;
    let first = (scaled as usize).min(stops.len() - 2);
    let share = scaled - first as f32;
    let mix = |c: usize| {
        let (a, b) = (f32::from(stops[first][c]), f32::from(stops[first + 1][c]));
        (a + (b - a) * share).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}

/// Colour of a level: 0 is the darkest, 1 the lightest; NaN is the darkest.
pub fn level(position: f32) -> Rgb {
    between(&LEVEL_STOPS, if position.is_nan() { 0.0 } else { position })
}

/// Colour of a phase in radians.
pub fn phase(radians: f32) -> Rgb {
    let turn = radians / std::f32::consts::TAU + 0.5;
    between(&PHASE_STOPS, turn - turn.floor())
}

/// Colour of a share of kept pixels: white where there are none, black where all are kept.
pub fn share(kept: f32) -> Rgb {
    let grey = (255.0 * (1.0 - kept.clamp(0.0, 1.0).sqrt())).round() as u8;
    [grey; 3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_grow_lighter() {
        let light = |p: f32| level(p).iter().map(|&c| u32::from(c)).sum::<u32>();
        let all: Vec<u32> = (0..=20).map(|i| light(i as f32 / 20.0)).collect();
        assert!(all.windows(2).all(|w| w[0] <= w[1]), "{all:?}");
    }

    #[test]
    fn phase_has_no_seam() {
        use std::f32::consts::PI;
        assert_eq!(phase(-PI), phase(PI));
        assert_eq!(phase(0.5), phase(0.5 + 2.0 * PI));
    }
}
