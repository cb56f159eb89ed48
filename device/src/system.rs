//! The little that is asked of the system: to write, and to end. Linux's own calls, so that nothing is linked.

use core::arch::{asm, global_asm};

/// File descriptors.
pub(crate) const OUT: usize = 1;
pub(crate) const ERR: usize = 2;

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {}", sym begin);
#[cfg(target_arch = "arm")]
global_asm!(".globl _start", ".thumb_func", "_start:", "bl {}", sym begin);

extern "C" fn begin() -> ! {
    crate::start()
}

#[cfg(target_arch = "x86_64")]
fn call(number: usize, a: usize, b: usize, c: usize) -> isize {
    let result;
    // SAFETY: the calls made here touch no memory but what their arguments lend.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
            out("rcx") _, out("r11") _);
    }
    result
}

#[cfg(target_arch = "arm")]
fn call(number: usize, a: usize, b: usize, c: usize) -> isize {
    let result;
    // SAFETY: as on x86-64. Register 7, which has the number, is the frame pointer of Thumb code.
    unsafe {
        asm!("mov {saved}, r7", "mov r7, {number}", "svc 0", "mov r7, {saved}",
            saved = out(reg) _, number = in(reg) number,
            inlateout("r0") a as isize => result, in("r1") b, in("r2") c);
    }
    result
}

#[cfg(target_arch = "x86_64")]
const NUMBERS: (usize, usize) = (1, 60);
#[cfg(target_arch = "arm")]
const NUMBERS: (usize, usize) = (4, 1);

/// Writes bytes; what cannot be written is lost.
pub(crate) fn write(file: usize, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = call(NUMBERS.0, file, bytes.as_ptr() as usize, bytes.len());
        if written <= 0 {
            return;
        }
        bytes = &bytes[(written as usize).min(bytes.len())..];
    }
}

/// Ends the program.
pub(crate) fn exit(code: usize) -> ! {
    loop {
        call(NUMBERS.1, code, 0, 0);
    }
}

/// Writes a number and what it is.
pub(crate) fn report(what: &str, mut number: u64) {
    let mut digits = [b' '; 12];
    for digit in digits.iter_mut().rev().skip(1) {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    write(ERR, &digits);
    write(ERR, what.as_bytes());
    write(ERR, b"\n");
}

/// What compilers call for blocks of bytes; other targets bring it along.
#[cfg(target_arch = "x86_64")]
mod bytes {
    use core::arch::asm;

    #[no_mangle]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _);
        }
        to
    }

    #[no_mangle]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        if (to as usize).wrapping_sub(from as usize) >= count {
            // SAFETY: as the caller promises; forwards, what is read next has not been written to.
            return unsafe { memcpy(to, from, count) };
        }
        // SAFETY: likewise, backwards.
        unsafe {
            asm!("std", "rep movsb", "cld", inout("rcx") count => _,
                inout("rdi") to.add(count).sub(1) => _, inout("rsi") from.add(count).sub(1) => _);
        }
        to
    }

    #[no_mangle]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte as u8);
        }
        to
    }

    #[no_mangle]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
        for n in 0..count {
            // SAFETY: as the caller promises.
            let (a, b) = unsafe { (a.add(n).read_volatile(), b.add(n).read_volatile()) };
            if a != b {
                return i32::from(a) - i32::from(b);
            }
        }
        0
    }

    #[no_mangle]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
        // SAFETY: as the caller promises.
        unsafe { memcmp(a, b, count) }
    }
}
