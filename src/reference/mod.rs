//! The oracle: every operation as its definition says, one element after the other.
//!
//! Slow and obvious on purpose. It shares no arithmetic with the other backends beyond arkworks' field and point
//! operators, and is what the conformance suite compares them with. It is a backend itself, so whole provers run on it.

use crate::host::Host;

mod lookup;
mod matrix;
mod msm;
mod ntt;
mod sumcheck;
mod vector;

/// The naive backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

impl Host for Reference {
    fn host_name(&self) -> &str {
        "reference"
    }

    fn host_join<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        (a(), b())
    }
}
