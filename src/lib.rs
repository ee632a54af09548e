//! Proving kernels for matrix-heavy zero-knowledge machine learning over BN254.
