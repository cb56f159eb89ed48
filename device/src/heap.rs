//! The memory that a model is read into: given out from one end of a block, and no more once it is closed.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Bytes for a model and what reading it needs.
const BYTES: usize = 4 << 20;

#[repr(align(16))]
struct Bump {
    bytes: UnsafeCell<[u8; BYTES]>,
    next: AtomicUsize,
    live: AtomicUsize,
    closed: AtomicBool,
}

// SAFETY: the program has one thread.
unsafe impl Sync for Bump {}

// SAFETY: blocks do not overlap, lie within `bytes`, and are aligned.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.closed.load(Relaxed) {
            return core::ptr::null_mut();
        }
        let first = self.next.load(Relaxed).next_multiple_of(layout.align());
        if first + layout.size() > BYTES {
            return core::ptr::null_mut();
        }
        self.next.store(first + layout.size(), Relaxed);
        self.live.fetch_add(layout.size(), Relaxed);
        unsafe { self.bytes.get().cast::<u8>().add(first) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.live.fetch_sub(layout.size(), Relaxed);
        // The block given out last is given out again.
        let first = block as usize - self.bytes.get() as usize;
        if first + layout.size() == self.next.load(Relaxed) {
            self.next.store(first, Relaxed);
        }
    }
}

#[global_allocator]
static HEAP: Bump = Bump {
    bytes: UnsafeCell::new([0; BYTES]),
    next: AtomicUsize::new(0),
    live: AtomicUsize::new(0),
    closed: AtomicBool::new(false),
};

/// From now on there is no more.
pub(crate) fn close() {
    HEAP.closed.store(true, Relaxed);
}

/// Bytes in use.
pub(crate) fn used() -> u64 {
    HEAP.live.load(Relaxed) as u64
}

/// Bytes given out, with those that were given back between others.
pub(crate) fn most() -> u64 {
    HEAP.next.load(Relaxed) as u64
}
