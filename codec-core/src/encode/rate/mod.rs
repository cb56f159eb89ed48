//! Keeping to a target: the ridge margin, and what else gives way, that a number of bytes or pixels allows.

mod constant;
mod pieces;
mod search;
mod sparsity;
mod splice;
mod whole;

pub(super) use constant::SegmentRate;
pub(super) use pieces::PieceRate;
pub(super) use sparsity::margin_for;
pub(super) use whole::fit;
