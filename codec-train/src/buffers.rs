//! Large buffers kept from one training step to the next. A page that the system hands out anew must be
//! cleared and mapped first, which for layers' outputs took a fifth of a step.

use std::sync::Mutex;

/// Numbers kept for later at most: 1 GiB of them.
const KEPT: usize = 1 << 28;
/// Below this many numbers the allocator itself keeps memory.
const SMALL: usize = 1 << 14;

static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer of `len` numbers of any value.
#[must_use]
pub fn take(len: usize) -> Vec<f32> {
    if len >= SMALL {
        if let Ok(mut free) = FREE.lock() {
            if let Some(at) = free.iter().rposition(|b| b.len() == len) {
                return free.remove(at);
            }
        }
    }
    vec![0.0; len]
}

/// Hands back a buffer that is no longer needed. The oldest are let go where too many are kept.
pub fn give(buffer: Vec<f32>) {
    if buffer.len() < SMALL {
        return;
    }
    if let Ok(mut free) = FREE.lock() {
        let mut kept: usize = buffer.len() + free.iter().map(Vec::len).sum::<usize>();
        while kept > KEPT && !free.is_empty() {
            kept -= free.remove(0).len();
        }
        if kept <= KEPT {
            free.push(buffer);
        }
    }
}

/// [`give`] for a shared buffer, if nobody else holds it.
pub fn give_shared(buffer: std::sync::Arc<Vec<f32>>) {
    if let Ok(buffer) = std::sync::Arc::try_unwrap(buffer) {
        give(buffer);
    }
}
