//! What a decoder accepts, and what it says of a stream.

use crate::fault::{answer, sparc_error, Fault, Outcome};
use crate::given::{check_size, handle, options, out, slice};
use crate::network::sparc_network;
use codec::codec_format::header::Header;
use codec::{Damage, Decoding, Networks};

/// What sparc_info::samples says of a stream that does not tell its length beforehand.
pub const SPARC_UNKNOWN: u64 = u64::MAX;

/// How to decode. sparc_decoding_init() writes the defaults; then change what should be otherwise.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sparc_decoding {
    /// Size of this struct in bytes: leave it as sparc_decoding_init() wrote it.
    pub size: usize,
    /// Most bytes that a decoder may take, without its network: 64 MiB by default. A stream that needs more is refused with
    /// SPARC_ERROR_LIMIT before anything is taken.
    pub memory: u64,
    /// Most samples, of all channels together, that sparc_decode_i16() and its like give out: 2^29 by default.
    pub samples: u64,
    /// Not 0: PCM at the rate it is coded at, the same to the bit on every machine. 0, the default: at the source's rate.
    pub coded_rate: u32,
    /// Not 0: no network at all, whatever the stream asks for; what is missing is interpolated. 0 by default.
    pub interpolate: u32,
    /// Networks at hand, beside those built in and those that streams bring along: as many handles as network_count says.
    /// Read during the call that takes these options and not kept. NULL by default.
    pub networks: *const *const sparc_network,
    /// How many they are: 0 by default.
    pub network_count: usize,
}

/// What a stream's header says.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sparc_info {
    /// Rate of the PCM given out, Hz, from 1000 to 192000; 0 while the header is not known.
    pub rate: u32,
    /// Channels, from 1 to 8; 0 while the header is not known.
    pub channels: u32,
    /// Samples per channel of the whole stream at this rate; SPARC_UNKNOWN if it only tells at its end.
    pub samples: u64,
}

/// What was damaged or lost of a stream so far.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct sparc_damage {
    /// Places that could not be used: 0 for a stream that is whole.
    pub places: u32,
    /// Segments that were lost and concealed.
    pub concealed: u32,
    /// Segments decoded or concealed.
    pub segments: u32,
    /// What is wrong at the first place, as the specification numbers it (section 3.9); 0 for nothing.
    pub first: u32,
}

impl sparc_damage {
    pub(crate) fn of(damage: &Damage) -> Self {
        sparc_damage {
            places: damage.places,
            concealed: damage.concealed,
            segments: damage.segments,
            first: damage.first.map_or(0, |error| error.number().into()),
        }
    }
}

impl sparc_info {
    pub(crate) const NONE: sparc_info = sparc_info {
        rate: 0,
        channels: 0,
        samples: SPARC_UNKNOWN,
    };

    /// Of a stream with this header, given out at the source's rate or as it is coded.
    pub(crate) fn of(header: &Header, coded_rate: bool) -> Self {
        let signal = if coded_rate {
            header.coded
        } else {
            header.source
        };
        let samples = header.total_samples.map(|total| match coded_rate {
            true => header.coded_samples(total) - u64::from(header.pre_skip),
            false => total,
        });
        sparc_info {
            rate: signal.rate,
            channels: signal.channels.into(),
            samples: samples.unwrap_or(SPARC_UNKNOWN),
        }
    }
}

impl Default for sparc_decoding {
    fn default() -> Self {
        let usual = Decoding::default();
        sparc_decoding {
            size: size_of::<sparc_decoding>(),
            memory: usual.memory,
            samples: usual.samples,
            coded_rate: 0,
            interpolate: 0,
            networks: core::ptr::null(),
            network_count: 0,
        }
    }
}

/// What the options at `at` come to.
///
/// # Safety
/// `at` is NULL or options, whose networks are as many as they say.
pub(crate) unsafe fn decoding(at: *const sparc_decoding) -> Outcome<Decoding> {
    // SAFETY: as the caller promises.
    let options = unsafe { options(at, sparc_decoding::default())? };
    // SAFETY: likewise.
    let given = unsafe { slice(options.networks, options.network_count, "networks")? };
    let mut networks = match options.interpolate {
        0 => Networks::default(),
        _ => Networks::none(),
    };
    for network in given {
        // SAFETY: likewise; it is only read.
        let network = unsafe { handle(network.cast_mut())? };
        networks = networks.with(network.inner.clone());
    }
    Ok(Decoding {
        networks,
        samples: options.samples,
        memory: options.memory,
        resample: options.coded_rate == 0,
        ..Decoding::default()
    })
}

/// Writes the default options. `size` is sizeof(sparc_decoding), by which the library knows which version of the struct the
/// program was compiled with; SPARC_ERROR_ARGUMENT for one it does not know.
#[no_mangle]
pub unsafe extern "C" fn sparc_decoding_init(
    options: *mut sparc_decoding,
    size: usize,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let options = unsafe { out(options, "options") };
    answer((|| {
        check_size::<sparc_decoding>(size)?;
        options?.write(sparc_decoding::default());
        Ok(())
    })())
}

/// Bytes that a decoder takes for a stream that begins with these bytes, without its network and the bytes pushed to it;
/// nothing is taken. What is needed of the stream are its header and, if it brings one along, its network: some hundred
/// bytes, or all that comes before the first segment. options may be NULL.
///
/// SPARC_ERROR_STREAM if the header is not among the bytes, SPARC_ERROR_MODEL if the network is not at hand,
/// SPARC_ERROR_LIMIT for a stream that no memory would be enough for.
#[no_mangle]
pub unsafe extern "C" fn sparc_memory_required(
    beginning: *const u8,
    length: usize,
    options: *const sparc_decoding,
    bytes: *mut u64,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let given = unsafe {
        (
            slice(beginning, length, "beginning"),
            decoding(options),
            out(bytes, "bytes"),
        )
    };
    answer((|| {
        let (beginning, decoding, bytes) = (given.0?, given.1?, given.2?);
        let needed = codec::memory_required(beginning, &decoding).map_err(Fault::from)?;
        bytes.write(needed);
        Ok(())
    })())
}
