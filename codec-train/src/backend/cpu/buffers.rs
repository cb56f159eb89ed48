//! Large buffers kept from one training step to the next. A page that the system hands out anew must be
//! cleared and mapped first, which for the outputs of convolutions took a fifth of a step.

use std::sync::Mutex;

/// Numbers kept for later at most: 1 GiB of them.
const KEPT: usize = 1 << 28;
/// Below this many numbers the allocator itself keeps memory.
const SMALL: usize = 1 << 14;

static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Numbers whose memory is used again.
#[derive(Debug)]
pub(super) struct Buffer(pub(super) Vec<f32>);

impl Buffer {
    /// `len` numbers of any value.
    pub(super) fn any(len: usize) -> Self {
        if len >= SMALL {
            if let Ok(mut free) = FREE.lock() {
                if let Some(at) = free.iter().rposition(|b| b.len() == len) {
                    return Buffer(free.remove(at));
                }
            }
        }
        Buffer(vec![0.0; len])
    }

    /// `len` zeros.
    pub(super) fn zeros(len: usize) -> Self {
        let mut buffer = Self::any(len);
        buffer.0.fill(0.0);
        buffer
    }
}

impl Drop for Buffer {
    /// The oldest are let go where too many are kept.
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
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
}
