//! How to encode.

use crate::fault::sparc_error::SPARC_ERROR_OPTIONS;
use crate::fault::{answer, sparc_error, Fault, Outcome};
use crate::given::{check_size, handle, options, out, slice};
use crate::network::sparc_network;
use codec::codec_format::Metadata;
use codec::{Completion, Effort, Options, Rate};
use core::ffi::{c_char, CStr};

/// What decides how much is kept.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum sparc_rate {
    /// 6000 bits a second for every channel; sound so short that it takes more is no error.
    SPARC_RATE_DEFAULT = 0,
    /// sparc_encoding::bitrate for the whole stream: at most that, and as near to it as the sound allows.
    SPARC_RATE_BITRATE = 1,
    /// sparc_encoding::bitrate for every segment, about a second of sound.
    SPARC_RATE_CONSTANT = 2,
    /// sparc_encoding::quality throughout.
    SPARC_RATE_QUALITY = 3,
}
use sparc_rate::*;

const RATES: [sparc_rate; 4] = [
    SPARC_RATE_DEFAULT,
    SPARC_RATE_BITRATE,
    SPARC_RATE_CONSTANT,
    SPARC_RATE_QUALITY,
];

/// How much time may go into finding the settings that sound best.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum sparc_effort {
    /// One setting is tried.
    SPARC_EFFORT_FAST = 0,
    /// A few, each decoded and compared.
    SPARC_EFFORT_DEFAULT = 1,
    /// More.
    SPARC_EFFORT_BEST = 2,
}

const EFFORTS: [(sparc_effort, Effort); 3] = [
    (sparc_effort::SPARC_EFFORT_FAST, Effort::Fast),
    (sparc_effort::SPARC_EFFORT_DEFAULT, Effort::Default),
    (sparc_effort::SPARC_EFFORT_BEST, Effort::Best),
];

/// How to encode. sparc_encoding_init() writes the defaults; then change what should be otherwise. What the pointers lead to is
/// read during the call that takes these options and not kept.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sparc_encoding {
    /// Size of this struct in bytes: leave it as sparc_encoding_init() wrote it.
    pub size: usize,
    /// One of sparc_rate: SPARC_RATE_DEFAULT by default.
    pub rate: u32,
    /// Bits a second, of all channels together, for SPARC_RATE_BITRATE and SPARC_RATE_CONSTANT.
    pub bitrate: u32,
    /// From 0, the smallest, to 10, the best, for SPARC_RATE_QUALITY.
    pub quality: f32,
    /// One of sparc_effort: SPARC_EFFORT_DEFAULT by default.
    pub effort: u32,
    /// Seconds of sound that an encoder may hold before it gives out their bytes; 0 for each segment as soon as it is there.
    /// Less than 0, the default: 60 (of more than two channels less) with a bitrate, nothing with a constant rate or quality.
    pub delay: f32,
    /// Seconds of a segment, what is lost at once where a stream is damaged, and the delay at a constant rate. 0, the default:
    /// 1.024.
    pub segment: f32,
    /// Not 0: no network completes the sound. 0 by default.
    pub interpolate: u32,
    /// Not 0: the network's file travels within the stream, on top of the rate. 0 by default.
    pub embed_network: u32,
    /// Not 0: an index of the segments ends the stream, twelve bits or so for each. 0 by default.
    pub seek_index: u32,
    /// The network that completes the sound; NULL, the default, for the built-in one that fits.
    pub network: *const sparc_network,
    /// The program that writes the stream, for its comments: UTF-8; NULL, the default, for none.
    pub vendor: *const c_char,
    /// Comments: as many texts "KEY=value" in UTF-8 as comment_count says. NULL by default.
    pub comments: *const *const c_char,
    /// How many they are: 0 by default.
    pub comment_count: usize,
}

impl Default for sparc_encoding {
    fn default() -> Self {
        sparc_encoding {
            size: size_of::<sparc_encoding>(),
            rate: SPARC_RATE_DEFAULT as u32,
            bitrate: codec::plan::DEFAULT_BITRATE,
            quality: 5.0,
            effort: sparc_effort::SPARC_EFFORT_DEFAULT as u32,
            delay: -1.0,
            segment: 0.0,
            interpolate: 0,
            embed_network: 0,
            seek_index: 0,
            network: core::ptr::null(),
            vendor: core::ptr::null(),
            comments: core::ptr::null(),
            comment_count: 0,
        }
    }
}

/// A text of C's.
///
/// # Safety
/// `at` is NULL, or a zero ends what it leads to.
unsafe fn text<'a>(at: *const c_char, what: &str) -> Outcome<&'a str> {
    if at.is_null() {
        return Err(Fault::argument(format_args!("{what} is NULL")));
    }
    // SAFETY: as the caller promises.
    let text = unsafe { CStr::from_ptr(at) };
    text.to_str()
        .map_err(|_| Fault::new(SPARC_ERROR_OPTIONS, format_args!("{what} is not UTF-8")))
}

/// The comments, if there are any.
///
/// # Safety
/// The texts are as many as the options say, and a zero ends each.
unsafe fn metadata(options: &sparc_encoding) -> Outcome<Option<Metadata>> {
    // SAFETY: as the caller promises.
    let given = unsafe { slice(options.comments, options.comment_count, "comments")? };
    if given.is_empty() && options.vendor.is_null() {
        return Ok(None);
    }
    let mut metadata = Metadata::default();
    if !options.vendor.is_null() {
        // SAFETY: likewise.
        metadata.vendor = unsafe { text(options.vendor, "vendor")? }.into();
    }
    for &comment in given {
        // SAFETY: likewise.
        let comment = unsafe { text(comment, "a comment")? };
        let Some((key, value)) = comment.split_once('=') else {
            let message = format!("the comment \"{comment}\" lacks a =");
            return Err(Fault::new(SPARC_ERROR_OPTIONS, message));
        };
        metadata.comments.push((key.into(), value.into()));
    }
    Ok(Some(metadata))
}

/// What the options at `at` come to.
///
/// # Safety
/// `at` is NULL or options, whose pointers lead to what they should.
pub(crate) unsafe fn encoding(at: *const sparc_encoding) -> Outcome<Options> {
    // SAFETY: as the caller promises.
    let options = unsafe { options(at, sparc_encoding::default())? };
    let completion = if options.interpolate != 0 {
        Completion::Interpolation
    } else if options.network.is_null() {
        Completion::BuiltIn
    } else {
        // SAFETY: likewise; it is only read.
        let network = unsafe { handle(options.network.cast_mut())? };
        Completion::Network(network.inner.clone())
    };
    let unknown = |what: &str, value: u32| {
        Fault::new(
            SPARC_ERROR_OPTIONS,
            format_args!("there is no {what} {value}"),
        )
    };
    // Any number may come from C, so the enumerations themselves are no types of fields.
    let rate = RATES.into_iter().find(|&rate| rate as u32 == options.rate);
    let rate = match rate.ok_or_else(|| unknown("kind of rate", options.rate))? {
        SPARC_RATE_DEFAULT => Rate::Default,
        SPARC_RATE_BITRATE => Rate::Bitrate(options.bitrate),
        SPARC_RATE_CONSTANT => Rate::Constant(options.bitrate),
        SPARC_RATE_QUALITY => Rate::Quality(options.quality),
    };
    let mut efforts = EFFORTS.into_iter();
    let effort = efforts.find(|(number, _)| *number as u32 == options.effort);
    let (_, effort) = effort.ok_or_else(|| unknown("effort", options.effort))?;
    let (delay, segment) = (options.delay, options.segment);
    if delay.is_nan() || segment.is_nan() || segment < 0.0 {
        let message = "delay and segment are seconds";
        return Err(Fault::new(SPARC_ERROR_OPTIONS, message));
    }
    Ok(Options {
        rate,
        effort,
        completion,
        embed: options.embed_network != 0,
        // SAFETY: likewise.
        metadata: unsafe { metadata(&options)? },
        seek_index: options.seek_index != 0,
        delay: (delay >= 0.0).then_some(delay),
        segment: (segment > 0.0).then_some(segment),
    })
}

/// Writes the default options. `size` is sizeof(sparc_encoding), by which the library knows which version of the struct the
/// program was compiled with; SPARC_ERROR_ARGUMENT for one it does not know.
#[no_mangle]
pub unsafe extern "C" fn sparc_encoding_init(
    options: *mut sparc_encoding,
    size: usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let options = unsafe { out(options, "options") };
    answer((|| {
        check_size::<sparc_encoding>(size)?;
        options?.write(sparc_encoding::default());
        Ok(())
    })())
}
