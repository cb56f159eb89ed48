//! PCM to symbols and bytes.
//!
//! ```text
//! clip - analysis - segment (policy, lattice, waveform layer, phases) - rate - clip, stream - choose
//! ```
//!
//! [`encode`] is the door for whole clips: it analyses the clip once for every transform its candidates have, brings
//! each candidate to the target, and keeps the one that sounds nearest to the original. [`Analysis::encode`] is one
//! candidate on an analysis that is at hand. [`stream::Encoder`] takes PCM bit by bit, and brings each segment, or each piece
//! of many, to its target. All three make segments by
//! [`segment::segment`]; what they choose from, and with which constants, is [`profile`]'s business.

pub mod analysis;
pub mod choose;
pub mod clip;
pub mod distance;
mod encoding;
pub mod policy;
pub mod profile;
mod rate;
pub mod segment;
pub mod settings;
pub mod stream;

pub use analysis::{Analysis, Clip};
pub use choose::{encode, encode_with, Candidate};
pub use clip::Target;
pub use encoding::Encoding;
pub use policy::Policy;
pub use settings::Settings;
pub use stream::Encoder;
