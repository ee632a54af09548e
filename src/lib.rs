//! Proving kernels for matrix-heavy zero-knowledge machine learning over BN254.
//!
//! A prover is written once over `B:` [`Backend`] and never sees which backend runs. A backend is a *value*: one device, its
//! memory, and one ordered queue of work. It is the sum of small traits, each in a module with its mathematics:
//!
//! | trait | module | what it computes |
//! |---|---|---|
//! | [`Memory`] | | typed buffers and views; only [`upload`](Memory::upload) and [`download`](Memory::download) cross between host and device |
//! | [`Msm`] | [`msm`] | multi-scalar multiplication in [`G1`] and [`G2`], scalars at their own width |
//! | [`Ntt`] | [`ntt`] | the number-theoretic transform |
//! | [`Lookup`] | [`lookup`] | the columns of logUp, logUp-GKR, Plookup and halo2 lookups |
//! | [`Sumcheck`] | [`sumcheck`] | round polynomials, `eq` tables, multilinear evaluation |
//! | [`Matrix`] | [`matrix`] | integer matrices against field vectors and each other |
//! | [`Vector`] | [`vector`] | element-wise operations between kernels |
//!
//! | backend | |
//! |---|---|
//! | [`Cpu`] | the host's processor, on all of its cores, in one of several [`Tier`]s |
//! | [`Cuda`] | an NVIDIA GPU (feature `cuda`) |
//! | [`Reference`] | the naive oracle |
//! | [`Any`] | one of these, chosen at run time |
//! | [`Checked`] | two in lockstep, compared after every operation |
//! | [`Timed`] | another one, counted and timed |
//!
//! Every backend and tier gives the same results, bit for bit, and refuses the same arguments, with one [`Error`] type. Whether
//! one does is what the suite in `conformance` (a feature of that name) tests. There is no silent fallback from a backend to
//! another.
//!
//! Field elements and points are [ark-bn254](https://docs.rs/ark-bn254)'s own. The kernels' time and memory depend on their
//! inputs, secret ones included.
//!
//! ```
//! use zkmill::sumcheck::{Form, Term};
//! use zkmill::{Any, Backend, Fr, Sumcheck};
//!
//! /// The first round of a sumcheck over the product of two tables: its polynomial at 0, 1 and 2.
//! fn first_round<B: Backend>(backend: &B, a: &[Fr], b: &[Fr]) -> zkmill::Result<Vec<Fr>> {
//!     let mut a = backend.upload("a", a)?;
//!     let mut b = backend.upload("b", b)?;
//!     let product = Term { coefficient: Fr::from(1u64), factors: vec![0, 1] };
//!     let mut form = Form::new(2, vec![product]);
//!     backend.sumcheck_round(&mut form, &mut [B::view_mut(&mut a), B::view_mut(&mut b)], None)
//! }
//!
//! let a = [1u64, 2, 3, 4].map(Fr::from);
//! let b = [5u64, 6, 7, 8].map(Fr::from);
//! let round = first_round(&Any::best(), &a, &b)?;
//! // s(0) + s(1) is the sum of all products.
//! assert_eq!(round[0] + round[1], Fr::from(5u64 + 12 + 21 + 32));
//! assert_eq!(round.len(), 3);
//! # Ok::<(), zkmill::Error>(())
//! ```
#![warn(missing_docs)]

mod any;
mod backend;
#[cfg(test)]
mod broken;
mod checked;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(not(feature = "cuda"))]
#[path = "cuda/absent.rs"]
mod cuda;
mod curve;
mod delegate;
mod element;
mod error;
mod host;
pub mod lookup;
pub mod matrix;
pub mod msm;
pub mod ntt;
mod reference;
pub mod sumcheck;
mod timed;
pub mod vector;

pub use any::{Any, OneOf};
pub use backend::{Backend, Halves, Len, Memory};
pub use checked::{Checked, Pair};
pub use cpu::{Cpu, Tier};
pub use cuda::Cuda;
pub use curve::{Curve, G1, G1Affine, G2, G2Affine};
pub use element::{Element, Fq, Fq2, Fr, Int, Key, Scalar, Signed};
pub use error::{Error, Result};
pub use host::Host;
pub use lookup::Lookup;
pub use matrix::Matrix;
pub use msm::Msm;
pub use ntt::Ntt;
pub use reference::Reference;
pub use sumcheck::Sumcheck;
pub use timed::{Timed, Timing};
pub use vector::Vector;

/// Its examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
