//! Proving kernels for matrix-heavy zero-knowledge machine learning over BN254.
#![warn(missing_docs)]

mod any;
mod backend;
#[cfg(test)]
mod broken;
mod checked;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cpu;
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
