//! What the caller gives, checked as far as it can be: NULL, alignment, sizes.

use crate::fault::{Fault, Outcome};
use core::mem::{size_of, MaybeUninit};

/// Refuses a place where `len` elements cannot lie.
fn check<T>(at: *const T, len: usize, what: &str) -> Outcome {
    if at.is_null() {
        return Err(Fault::argument(format_args!("{what} is NULL")));
    }
    if !at.is_aligned() {
        return Err(Fault::argument(format_args!("{what} is not aligned")));
    }
    // No object of C is larger.
    let bytes = len.checked_mul(size_of::<T>());
    if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Fault::argument(format_args!(
            "{what} cannot hold {len} elements"
        )));
    }
    Ok(())
}

/// Elements to read; with a length of 0 the place does not matter.
///
/// # Safety
/// There are `len` elements, which nobody writes to for as long as `'a`.
pub(crate) unsafe fn slice<'a, T: Copy>(at: *const T, len: usize, what: &str) -> Outcome<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    check(at, len, what)?;
    // SAFETY: checked here, and as the caller promises.
    Ok(unsafe { core::slice::from_raw_parts(at, len) })
}

/// Elements to write; with a length of 0 the place does not matter.
///
/// # Safety
/// There is room for `len` elements, which nobody else touches for as long as `'a`.
pub(crate) unsafe fn room<'a, T: Copy>(
    at: *mut T,
    len: usize,
    what: &str,
) -> Outcome<&'a mut [MaybeUninit<T>]> {
    if len == 0 {
        return Ok(&mut []);
    }
    check(at, len, what)?;
    // SAFETY: checked here, and as the caller promises; elements that are perhaps not written to ask for nothing else.
    Ok(unsafe { core::slice::from_raw_parts_mut(at.cast(), len) })
}

/// Where a result goes.
///
/// # Safety
/// There is room for one, which nobody else touches for as long as `'a`.
pub(crate) unsafe fn out<'a, T>(at: *mut T, what: &str) -> Outcome<&'a mut MaybeUninit<T>> {
    check(at, 1, what)?;
    // SAFETY: checked here, and as the caller promises.
    Ok(unsafe { &mut *at.cast() })
}

/// What a handle stands for.
///
/// # Safety
/// It is NULL, or was given out and not freed, and no other thread uses it.
pub(crate) unsafe fn handle<'a, T>(at: *mut T) -> Outcome<&'a mut T> {
    check(at, 1, "the handle")?;
    // SAFETY: as the caller promises.
    Ok(unsafe { &mut *at })
}

/// Frees a handle; NULL is none.
///
/// # Safety
/// It is NULL, or was given out by [`give`] and not freed.
pub(crate) unsafe fn free<T>(at: *mut T) {
    if !at.is_null() {
        // SAFETY: it was made of a box, which the caller gives back.
        drop(unsafe { Box::from_raw(at) });
    }
}

/// Gives out a handle; NULL where there is none to give.
pub(crate) fn give<T>(to: &mut MaybeUninit<*mut T>, made: Outcome<T>) -> Outcome {
    let (handle, outcome) = match made {
        Ok(made) => (Box::into_raw(Box::new(made)), Ok(())),
        Err(fault) => (core::ptr::null_mut(), Err(fault)),
    };
    to.write(handle);
    outcome
}

/// Options, which begin with their size; the defaults for NULL.
///
/// # Safety
/// `at` is NULL, or there are options of the size they say.
pub(crate) unsafe fn options<T: Copy>(at: *const T, defaults: T) -> Outcome<T> {
    if at.is_null() {
        return Ok(defaults);
    }
    check(at, 1, "the place of the options")?;
    // SAFETY: every kind of options begins with its size.
    let size = unsafe { at.cast::<usize>().read() };
    check_size::<T>(size)?;
    // SAFETY: so large they are, and any bits are numbers and pointers.
    Ok(unsafe { at.read() })
}

/// Refuses options of another version.
pub(crate) fn check_size<T>(size: usize) -> Outcome {
    if size == size_of::<T>() {
        return Ok(());
    }
    Err(Fault::argument(format_args!(
        "options of {size} bytes, where this version has {}; were they initialised?",
        size_of::<T>()
    )))
}
