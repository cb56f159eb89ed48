//! How deep the stack grows: what lies below is painted, and looked at afterwards.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes painted.
const DEPTH: usize = 256 << 10;
const PAINT: u8 = 0xa5;

/// Where the paint ends: about where the stack stood.
static TOP: AtomicUsize = AtomicUsize::new(0);

/// Paints what lies below the caller's frame.
#[inline(never)]
pub(crate) fn paint() {
    let here = 0u8;
    // Some bytes below, that this very function's frame is left alone.
    let top = core::ptr::addr_of!(here) as usize - 256;
    TOP.store(top, Relaxed);
    for at in (top - DEPTH..top).rev() {
        // SAFETY: the stack has more room than this.
        unsafe { (at as *mut u8).write_volatile(PAINT) };
    }
}

/// Bytes below where [`paint`] was called that have been written to since.
#[inline(never)]
pub(crate) fn used() -> u64 {
    let top = TOP.load(Relaxed);
    let mut at = top - DEPTH;
    // SAFETY: as above.
    while at < top && unsafe { (at as *const u8).read_volatile() } == PAINT {
        at += 1;
    }
    (top - at) as u64 + 256
}
