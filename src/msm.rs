//! Multi-scalar multiplication.
//!
//! For points `P_i` of a group and scalars `s_i`: `sum_i s_i P_i`. Scalars come at their own width; an `i8` sum costs
//! what eight bits cost, zeros cost nothing, and a field element `p - 3` costs what `-3` costs.

use ark_ec::short_weierstrass::Affine;

use crate::backend::{Len, Memory};
use crate::curve::Curve;
use crate::element::{Element, Scalar};
use crate::error::{Error, Result};

/// Sums over one group `C`, [`G1`](crate::G1) or [`G2`](crate::G2).
pub trait Msm<C: Curve>: Memory {
    /// Points prepared for use as bases on this backend.
    type Bases: Len + Send + Sync;

    /// Keeps `points`, and at most `budget` bytes of their multiples, on the device. More budget makes sums faster;
    /// which multiples are kept is the backend's choice. Any points will do: the identity, repeated and opposite ones.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first point that is not on the curve (or has a coordinate that is not canonical).
    /// Membership in the subgroup of order `r` is not checked: it costs more than the sums themselves on
    /// [`G2`](crate::G2), and ark's deserialisation does it. [`Error::OutOfMemory`].
    fn bases(&self, points: &[Affine<C>], budget: usize) -> Result<Self::Bases>;

    /// `out[k] = sum_i batch[k][i] * bases[i]`, affine and so canonical. An item may be shorter than the bases: it
    /// uses the first of them. The empty sum is the identity.
    ///
    /// Batches are one piece of work: thousands of short items over one set of bases cost little more than one
    /// long item with as many entries.
    ///
    /// # Errors
    /// [`Error::Shape`] if an item is longer than the bases, or `out` is not as long as the batch.
    fn msm<S: Scalar<C::ScalarField>>(
        &self,
        bases: &Self::Bases,
        batch: &[Self::View<'_, S>],
        out: &mut Self::ViewMut<'_, Affine<C>>,
    ) -> Result<()>;
}

/// The checks of [`Msm::bases`], for backends.
pub fn check_bases<C: Curve>(points: &[Affine<C>]) -> Result<()> {
    use rayon::prelude::*;
    let bad = |point: &Affine<C>| !point.is_canonical() || !point.is_on_curve();
    match points.par_iter().position_first(bad) {
        Some(index) => Err(Error::Invalid { op: "bases", what: "point not on the curve", index }),
        None => Ok(()),
    }
}

/// The checks of [`Msm::msm`], for backends: the number of bases, the items' lengths, the length of `out`.
pub fn check_batch(bases: usize, items: impl ExactSizeIterator<Item = usize>, out: usize) -> Result<()> {
    crate::error::check("msm", "length of out", items.len(), out)?;
    for got in items {
        if got > bases {
            return Err(Error::Shape { op: "msm", what: "item length at most", expected: bases, got });
        }
    }
    Ok(())
}
