//! Proofs of quantised neural-network inference on the `zkmill` kernels.

pub mod bases;
pub mod channel;
pub mod hash_to_curve;
pub mod model;
