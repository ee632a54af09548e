//! Proofs of quantised neural-network inference on the `zkmill` kernels.

pub mod bases;
pub mod channel;
mod circuit;
mod column;
mod commitment;
mod encoding;
mod error;
pub mod hash_to_curve;
mod key;
pub mod model;
mod protocol;
mod prover;
mod statement;
mod tables;
mod verifier;
mod witness;

pub use circuit::{Circuit, LayerShape, Limbs, MAX_LOG_LEAVES, Params};
pub use error::{EncodingError, Error, Rejection, VerifyError};
pub use key::{ProvingKey, VerifyingKey, Weights, setup};
pub use prover::{Phase, Visibility, prove, prove_with};
pub use statement::{Input, Output, Proof, Statement};
pub use tables::Table;
pub use verifier::verify;
