//! Panics of parsers that meet whatever bytes they are given: contained, and silent.

use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread will be contained: a panic hook should then say nothing.
pub fn are_contained() -> bool {
    CONTAINED.get()
}

/// The result of `work`, or `None` if it panicked.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contained_panic_is_none() {
        assert_eq!(contained(are_contained), Some(true));
        let empty: [u8; 0] = [];
        assert_eq!(contained(|| empty[std::hint::black_box(0)]), None);
        assert!(!are_contained());
    }
}
