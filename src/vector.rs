//! Element-wise operations on field vectors, so that data stays on the device between kernels.

use ark_ff::PrimeField;

use crate::backend::Memory;
use crate::element::{Element, Fr, Scalar};
use crate::error::Result;

/// Element-wise operations over `F`. Every operation is linear in the length.
pub trait Vector<F: PrimeField + Element + Scalar<F> = Fr>: Memory {
    /// `out[i] = value`.
    ///
    /// # Errors
    /// Those of a launch.
    fn fill(&self, value: F, out: &mut Self::ViewMut<'_, F>) -> Result<()>;

    /// `out[i] = sum_k terms[k].0 * terms[k].1[i]`. Narrow integers cost less than field elements; no terms give zero.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless every vector is as long as `out`.
    fn linear_combination<T: Scalar<F>>(
        &self,
        terms: &[(F, Self::View<'_, T>)],
        out: &mut Self::ViewMut<'_, F>,
    ) -> Result<()>;

    /// `out[i] += coefficient * vector[i]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless both have the same length.
    fn add_scaled<T: Scalar<F>>(
        &self,
        coefficient: F,
        vector: Self::View<'_, T>,
        out: &mut Self::ViewMut<'_, F>,
    ) -> Result<()>;

    /// `out[i] = a[i] * b[i]`, the Hadamard product.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless all have the same length.
    fn hadamard(
        &self,
        a: Self::View<'_, F>,
        b: Self::View<'_, F>,
        out: &mut Self::ViewMut<'_, F>,
    ) -> Result<()>;

    /// Replaces every element by its inverse and leaves zeros zero. Three multiplications an element and an
    /// inversion a block (Montgomery's trick).
    ///
    /// # Errors
    /// Those of a launch.
    fn batch_inverse(&self, values: &mut Self::ViewMut<'_, F>) -> Result<()>;

    /// `out[i] = scale * base^i`.
    ///
    /// # Errors
    /// Those of a launch.
    fn powers(&self, scale: F, base: F, out: &mut Self::ViewMut<'_, F>) -> Result<()>;
}
