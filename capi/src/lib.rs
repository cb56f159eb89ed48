//! The C interface of the sparc codec. `include/sparc.h` is generated from what is public here, comments and all
//! (`cargo run -p sparc-header`).
//!
//! Every function takes what C gives, checks it ([`given`]), calls the library and answers with a number ([`fault`]). The
//! programs of this workspace abort on a panic, so none crosses over to C.
#![allow(non_camel_case_types)]
// A fault carries its words with it: it may be told where nothing is allocated.
#![allow(clippy::result_large_err)]

mod abi;
mod decoder;
mod decoding;
mod encoder;
mod encoding;
mod fault;
mod fixed;
mod given;
mod network;
mod pcm;
mod whole;
