//! Streams: chunks, the header, and what reads and writes them (Spec §3, §4).

pub(crate) mod chunk;
pub mod header;
pub mod inspect;
pub mod metadata;
pub mod reader;
pub(crate) mod seek;
pub(crate) mod walk;
pub mod writer;
