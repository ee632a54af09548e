//! Proofs of quantised neural-network inference on the `zkmill` kernels.
//!
//! "The network committed to in this key gives these answers to these inputs." Everything is an integer, so the proof is about
//! exactly what [`Model::infer`](model::Model::infer) computes. Prover and verifier are generic over a
//! [`zkmill::Backend`].
//!
//! 1. [`setup`] commits to a network and makes the keys; there is no trusted setup, all [`bases`] are hashes.
//! 2. [`prove`] runs the network on a batch of inputs and proves the answers. One logUp-GKR tree ([ePrint 2023/1284]) covers all
//!    range checks and activations, one sumcheck all matrix products (Thaler, CRYPTO 2013), one Hyrax opening
//!    ([ePrint 2017/1132]) all commitments, whatever the depth of the network.
//! 3. [`verify`] checks the proof's bytes against a [`Statement`].
//!
//! | module | |
//! |---|---|
//! | [`model`] | quantised networks, their exact inference and files |
//! | [`channel`] | the transcript: what is sent is absorbed, and challenges depend on all of it |
//! | [`bases`], [`hash_to_curve`] | the commitments' bases, derived from public strings |
//!
//! The proofs are sound, not yet zero-knowledge: commitments are blinded, the messages between them are not. Nor is a
//! [private network](Weights::Private) proven to consist of small integers. The README lists all limits.
//!
//! ```
//! use ark_std::rand::SeedableRng;
//! use ark_std::rand::rngs::OsRng;
//! use rand_chacha::ChaCha20Rng;
//! use zkmill::Any;
//! use zkmill_circuits::model::{Activation, Layer, Model, Requantise, Tensor};
//! use zkmill_circuits::{Output, Params, Visibility, Weights, prove, setup, verify};
//!
//! let hidden = Layer {
//!     weights: Tensor::new(2, 3, vec![1, -2, 3, 4, 5, -6])?,
//!     bias: vec![10, 0, -10],
//!     requantise: Some(Requantise::new(1 << 15, Activation::Relu)?), // halves the accumulators
//! };
//! let last = Layer { weights: Tensor::new(3, 1, vec![1, 1, 1])?, bias: vec![0], requantise: None };
//! let model = Model::new(vec![hidden, last])?;
//!
//! let backend = Any::best();
//! let mut rng = ChaCha20Rng::from_rng(OsRng)?;
//! let key = setup(&backend, &model, Params::for_batch(&model, 1), Weights::Public, &mut rng)?;
//!
//! let input = Tensor::new(1, 2, vec![1, 2])?;
//! let (statement, proof) = prove(&backend, &key, &input, Visibility::Public, b"example", &mut rng)?;
//! assert_eq!(statement.output, Output::Accumulators(Tensor::new(1, 1, vec![14])?));
//! verify(&backend, key.verifying_key(), &statement, &proof.to_bytes())?;
//!
//! let mut wrong = statement.clone();
//! wrong.output = Output::Accumulators(Tensor::new(1, 1, vec![15])?);
//! assert!(verify(&backend, key.verifying_key(), &wrong, &proof.to_bytes()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [ePrint 2023/1284]: https://eprint.iacr.org/2023/1284
//! [ePrint 2017/1132]: https://eprint.iacr.org/2017/1132

#[cfg(test)]
mod attacks;
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
