//! What a call answers, and the words for it.

use core::cell::RefCell;
use core::ffi::{c_char, CStr};
use core::fmt::{Display, Write};

/// What a call answers. The numbers stay what they are; up to 6 they are the exit codes of the command `sparc`, and later
/// versions may add others.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum sparc_error {
    /// All went well.
    SPARC_OK = 0,
    /// Something went wrong that none of the others names.
    SPARC_ERROR_OTHER = 1,
    /// Options are out of range, or at odds with one another or with the sound.
    SPARC_ERROR_OPTIONS = 2,
    /// The PCM cannot be encoded: no number, far beyond full scale, none at all, a sample rate that is not taken.
    SPARC_ERROR_AUDIO = 3,
    /// The bytes are no sparc stream, break the format, or end too early.
    SPARC_ERROR_STREAM = 4,
    /// A size exceeds a limit; nothing was allocated for it.
    SPARC_ERROR_LIMIT = 5,
    /// A network is missing, damaged, or does not fit.
    SPARC_ERROR_MODEL = 6,
    /// The caller's memory is too small.
    SPARC_ERROR_SPACE = 7,
    /// An argument is NULL, not aligned, or has no meaning.
    SPARC_ERROR_ARGUMENT = 9,
    /// The call may not be made now: bytes after the end, for example.
    SPARC_ERROR_STATE = 10,
}
use sparc_error::*;

/// Bytes of a message, its end included.
const LENGTH: usize = 256;

/// A message as C takes it: as much of it as there is room for. It takes no memory, so that whatever decodes without a heap
/// can explain itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    /// Ends with a zero.
    bytes: [u8; LENGTH],
    length: usize,
}

impl Text {
    pub(crate) const EMPTY: Text = Text {
        bytes: [0; LENGTH],
        length: 0,
    };

    fn of(message: impl Display) -> Self {
        let mut text = Text::EMPTY;
        // What has no room is left out.
        let _ = write!(text, "{message}");
        text
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> core::fmt::Result {
        // No character is cut, and none ends the text.
        for character in part.chars().filter(|&c| c != '\0') {
            let to = self.length + character.len_utf8();
            if to >= LENGTH {
                return Err(core::fmt::Error);
            }
            character.encode_utf8(&mut self.bytes[self.length..to]);
            self.length = to;
        }
        Ok(())
    }
}

/// Why a call failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) code: sparc_error,
    pub(crate) text: Text,
}

pub(crate) type Outcome<T = ()> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(code: sparc_error, message: impl Display) -> Self {
        Fault {
            code,
            text: Text::of(message),
        }
    }

    pub(crate) fn argument(message: impl Display) -> Self {
        Fault::new(SPARC_ERROR_ARGUMENT, message)
    }

    pub(crate) fn state(message: impl Display) -> Self {
        Fault::new(SPARC_ERROR_STATE, message)
    }
}

impl From<codec::Error> for Fault {
    fn from(error: codec::Error) -> Self {
        let code = match &error {
            codec::Error::Stream(_) => SPARC_ERROR_STREAM,
            codec::Error::Limit(_) => SPARC_ERROR_LIMIT,
            codec::Error::Model(_) => SPARC_ERROR_MODEL,
            codec::Error::Audio(_) => SPARC_ERROR_AUDIO,
            codec::Error::Options(_) => SPARC_ERROR_OPTIONS,
            _ => SPARC_ERROR_OTHER,
        };
        Fault::new(code, error)
    }
}

thread_local! {
    /// What went wrong last.
    static LAST: RefCell<Text> = const { RefCell::new(Text::EMPTY) };
}

/// The number of an outcome; remembers the words.
pub(crate) fn answer(outcome: Outcome) -> sparc_error {
    match outcome {
        Ok(()) => SPARC_OK,
        Err(fault) => {
            LAST.with(|last| *last.borrow_mut() = fault.text);
            fault.code
        }
    }
}

/// The same for a call on a handle, which has a place for the words.
pub(crate) fn answer_in(text: &mut Text, outcome: Outcome) -> sparc_error {
    if let Err(fault) = &outcome {
        *text = fault.text;
    }
    answer(outcome)
}

const fn words(code: i32) -> &'static CStr {
    match code {
        0 => c"no error",
        1 => c"something went wrong",
        2 => c"options out of range or at odds",
        3 => c"sound that cannot be encoded",
        4 => c"a stream that is malformed or cut short",
        5 => c"a size exceeds a limit",
        6 => c"a network is missing, damaged or does not fit",
        7 => c"the memory given is too small",
        9 => c"an argument is NULL or has no meaning",
        10 => c"a call that may not be made now",
        _ => c"unknown error",
    }
}

/// The words for an error number, in English; for a number that is none: "unknown error". Never NULL, never freed.
#[no_mangle]
pub extern "C" fn sparc_error_text(code: i32) -> *const c_char {
    words(code).as_ptr()
}

/// What went wrong in the last call that failed on this thread, whatever it was called with: one line in UTF-8 that names
/// what and where, cut to 255 bytes. Empty if none has failed. Never NULL; it holds until the next failing call of this
/// thread.
#[no_mangle]
pub extern "C" fn sparc_last_message() -> *const c_char {
    LAST.with(|last| last.as_ptr().cast_const().cast())
}

/// The library's version, as "0.1.0". Never freed.
#[no_mangle]
pub extern "C" fn sparc_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The number of the library's binary interface: SPARC_ABI, or the program was compiled with another header.
#[no_mangle]
pub extern "C" fn sparc_abi() -> u32 {
    crate::abi::SPARC_ABI
}
