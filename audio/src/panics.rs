//! Panics: one line and an exit code where they are our own fault, contained where they are a parser's.

use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Makes a panic print one line in the form of every other error, unless it is [`contained`].
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        if CONTAINED.get() {
            return;
        }
        let what = info.payload();
        let what = what
            .downcast_ref::<&str>()
            .copied()
            .or(what.downcast_ref::<String>().map(String::as_str));
        let place = info
            .location()
            .map_or(String::new(), |l| format!(" at {}:{}", l.file(), l.line()));
        eprintln!(
            "sparc: internal error: {}{place}; please report it",
            what.unwrap_or("unknown")
        );
    }));
}

/// The result of `work`, or `None` if it panicked.
pub fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_contained_panic_is_none() {
        super::install();
        assert_eq!(super::contained(|| 3), Some(3));
        let empty: [u8; 0] = [];
        assert_eq!(super::contained(|| empty[std::hint::black_box(0)]), None);
    }
}
