//! The tiers' arithmetic.

pub(crate) mod wide;
