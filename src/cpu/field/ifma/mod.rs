//! Arithmetic on eight field elements at a time, in radix `2^52`, with AVX-512 IFMA.
//!
//! An element is five 52-bit limbs, a vector each; a lane is one element. `vpmadd52luq` and `vpmadd52huq` multiply
//! the low 52 bits of two lanes and add the low or high half of the product to a 64-bit lane, so that sums of many
//! products need no carries until the end. Five limbs hold `84 p`: additions and subtractions are not reduced, and
//! bounds are types: a [`Lazy<F, B>`] is below `B p`, and an operation whose result might not fit its type does not
//! compile.
//!
//! Montgomery products divide by `2^260` where ark's divide by `2^256`. Linear maps (number-theoretic transforms,
//! folds by constants) work on ark's representation as it is, with constants prepared accordingly; products of two variables shift
//! one operand by four bits ([`Factor::from_elements`]).
//!
//! All functions are safe functions with the target features of the tier; they can be called only where the features
//! are known to be present, which is the one `unsafe` call at the top of an operation, backed by an [`Ifma`].

mod batch;
mod constants;
mod extension;
mod layout;
mod lazy;
mod pair;
mod prepared;
mod slices;
mod sum;

pub(crate) use batch::{CHAINS, invert_chains};
pub(crate) use constants::{Constants, MAX_BOUND, Modulus, power_of_two, product_bound, relimb};
pub(crate) use extension::{Ext, ExtFactor};
pub(crate) use layout::*;
pub(crate) use lazy::*;
pub(crate) use prepared::{MAX_TERMS, Prepared, PreparedLanes, PreparedSums, mul_centred};
pub(crate) use slices::{AHEAD, load_at, prefetch, store_at};
pub(crate) use sum::{MAX_PRODUCTS, Sums};

/// Proof that this processor, and the operating system, have the tier's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ifma(());

impl Ifma {
    /// Asks the processor.
    pub fn new() -> Option<Self> {
        let present = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("avx512vbmi2");
        present.then_some(Self(()))
    }
}

#[cfg(test)]
mod tests;
