//! Level differences as contexts and measurements have them (Spec §6.3.2).

/// Sixteen classes of a level difference in 1/8 dB (Spec §6.3.2): by how many edges it does not lie below.
#[inline]
pub(super) const fn class(x: i32) -> usize {
    class_at(class_place(x))
}

/// One below the first edge, whose class is 0, and the last edge.
const LEAST: i32 = -129;
const MOST: i32 = 176;

/// Where [`class_at`] finds the class of a difference.
#[inline]
pub(super) const fn class_place(x: i32) -> i32 {
    // Not `clamp`, which is no constant function.
    let x = if x < LEAST { LEAST } else { x };
    (if x > MOST { MOST } else { x }) - LEAST
}

/// The class at a [`class_place`].
#[inline]
pub(super) const fn class_at(place: i32) -> usize {
    CLASSES[place as usize % CLASSES.len()] as usize
}

/// The class of every difference from [`LEAST`] to [`MOST`], filled up to a power of two.
static CLASSES: [u8; 512] = {
    const EDGES: [i32; 15] = [
        -128, -96, -72, -48, -32, -16, -4, 8, 20, 32, 48, 72, 96, 128, MOST,
    ];
    let mut classes = [0; 512];
    let (mut n, mut class) = (0, 0);
    while n < classes.len() {
        while class < EDGES.len() && n as i32 + LEAST >= EDGES[class] {
            class += 1;
        }
        classes[n] = class as u8;
        n += 1;
    }
    classes
};

/// A level difference in 1/8 dB as a measurement: in 1/32 dB, within those of a logit.
#[inline]
pub(super) fn feature(x: i32) -> i16 {
    (x * 4).clamp(-1023, 1023) as i16
}

/// Half the class of a level difference, from its measurement, which reaches beyond the outermost classes.
#[inline]
pub(super) fn half_class(feature: i16) -> usize {
    usize::from(HALVES[(i32::from(feature >> 2) + 256) as usize % HALVES.len()])
}

/// Half the class of every difference from -256 to 255.
static HALVES: [u8; 512] = {
    let mut halves = [0; 512];
    let mut n = 0;
    while n < halves.len() {
        halves[n] = class(n as i32 - 256) as u8 / 2;
        n += 1;
    }
    halves
};
