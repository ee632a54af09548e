//! Proofs of quantised neural-network inference on the `zkmill` kernels.
