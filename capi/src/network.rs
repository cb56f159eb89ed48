//! Networks from files.

use crate::fault::{answer, sparc_error};
use crate::given::{free, give, handle, out, slice};
use codec::Network;
use std::sync::Arc;

/// A network that completes spectrograms, read from a `.sparcmodel` file. The built-in ones need no handle: they are always
/// at hand.
#[derive(Debug, Clone)]
pub struct sparc_network {
    pub(crate) inner: Arc<Network>,
}

/// Reads the bytes of a `.sparcmodel` file, which are copied, and gives a handle to it, or NULL if it fails. Decoders and encoders
/// that were made with it keep what they need, so that it may be freed at any time. It never changes: several threads may
/// use it at once.
///
/// SPARC_ERROR_MODEL for bytes that are no usable network, SPARC_ERROR_LIMIT for one that is too large.
#[no_mangle]
pub unsafe extern "C" fn sparc_network_read(
    file: *const u8,
    length: usize,
    network: *mut *mut sparc_network,
) -> sparc_error {
    // SAFETY: as the header asks of the caller.
    let given = unsafe { (out(network, "network"), slice(file, length, "file")) };
    answer((|| {
        let (network, file) = (given.0?, given.1);
        let read = file.and_then(|file| {
            let inner = Arc::new(Network::read(file)?);
            Ok(sparc_network { inner })
        });
        give(network, read)
    })())
}

/// Writes the 8 bytes by which streams name this network to `id`.
#[no_mangle]
pub unsafe extern "C" fn sparc_network_id(
    network: *const sparc_network,
    id: *mut u8,
) -> sparc_error {
    // SAFETY: as the header asks of the caller; it is only read.
    let given = unsafe { (handle(network.cast_mut()), out(id.cast::<[u8; 8]>(), "id")) };
    answer((|| {
        let (network, id) = (given.0?, given.1?);
        id.write(network.inner.id.0);
        Ok(())
    })())
}

/// Frees a network; NULL is none.
#[no_mangle]
pub unsafe extern "C" fn sparc_network_free(network: *mut sparc_network) {
    // SAFETY: as the header asks of the caller.
    unsafe { free(network) }
}
