//! The `.sparc` container: bytes to symbols and back.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bytes;
mod chunk;
mod entropy;
pub mod error;
mod half;
pub mod header;
mod header_bytes;
pub mod inspect;
mod lattice_grid;
pub mod limits;
pub mod metadata;
pub mod model;
pub mod model_file;
pub mod reader;
mod seeded;
pub mod segment;
pub mod symbols;
pub mod writer;

pub use chunk::{MODEL_SIGNATURE, SIGNATURE};
pub use entropy::priors::{PRIORS, PRIORS_LENGTH};
pub use entropy::train;
pub use error::{Error, Result};
pub use limits::Limits;
pub use metadata::Metadata;
pub use reader::{Event, StreamReader};
pub use seeded::seeded_mask;
pub use segment::{LayerBits, SegmentCoder};
pub use writer::{SeekPoint, StreamWriter};
