//! Integer matrices against field vectors, and against each other.
//!
//! Matrices are dense and row-major. Their shapes follow from the lengths of the vectors.

use ark_ff::PrimeField;

use crate::backend::Memory;
use crate::element::{Element, Fr, Int};
use crate::error::{Error, Result, check};

/// The largest inner dimension of [`Matrix::gemm`]: the sum of `2^16` products of `i8` pairs is at most
/// `2^16 * 2^14 = 2^30` in magnitude, so it never wraps an `i32`.
pub const MAX_INNER: usize = 1 << 16;

/// Products of integer matrices with vectors over `F`: what makes the circuits matrix-heavy.
pub trait Matrix<F: PrimeField + Element = Fr>: Memory {
    /// `out[c] = sum_r weight[r] * m[r][c]`: the rows bound by a vector from the left. `m` has `weight.len()` rows and
    /// `out.len()` columns. One multiply-add an entry and one reduction a column.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `m.len() = weight.len() * out.len()`.
    fn bind_rows<I: Int>(
        &self,
        m: Self::View<'_, I>,
        weight: Self::View<'_, F>,
        out: &mut Self::ViewMut<'_, F>,
    ) -> Result<()>;

    /// `out[r] = sum_c m[r][c] * weight[c]`: the columns bound by a vector from the right. `m` has `out.len()` rows and
    /// `weight.len()` columns.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `m.len() = out.len() * weight.len()`.
    fn bind_cols<I: Int>(
        &self,
        m: Self::View<'_, I>,
        weight: Self::View<'_, F>,
        out: &mut Self::ViewMut<'_, F>,
    ) -> Result<()>;

    /// The exact integer product `out[r][c] = sum_k a[r][k] * b[k][c]` of an `a` with rows of `inner` entries and a `b` of
    /// `inner` rows.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `inner` divides both lengths, `out` has one entry a row of `a` and column of `b`, and
    /// `inner` is at most [`MAX_INNER`], so that no sum wraps.
    fn gemm(
        &self,
        inner: usize,
        a: Self::View<'_, i8>,
        b: Self::View<'_, i8>,
        out: &mut Self::ViewMut<'_, i32>,
    ) -> Result<()>;
}

/// The check of [`Matrix::bind_rows`] and [`Matrix::bind_cols`], for backends.
pub fn check_bind(op: &'static str, m: usize, rows: usize, cols: usize) -> Result<()> {
    check(op, "matrix length", rows.saturating_mul(cols), m)
}

/// The checks of [`Matrix::gemm`], for backends; returns the numbers of rows and columns of the product.
pub fn check_gemm(inner: usize, a: usize, b: usize, out: usize) -> Result<(usize, usize)> {
    if inner > MAX_INNER {
        return Err(Error::Shape {
            op: "gemm",
            what: "inner dimension at most",
            expected: MAX_INNER,
            got: inner,
        });
    }
    if inner == 0 {
        // An empty inner dimension leaves the outer ones unknown; only the empty product is unambiguous.
        check("gemm", "length of a", 0, a)?;
        check("gemm", "length of b", 0, b)?;
        check("gemm", "length of out", 0, out)?;
        return Ok((0, 0));
    }
    check("gemm", "length of a modulo inner", 0, a % inner)?;
    check("gemm", "length of b modulo inner", 0, b % inner)?;
    let (rows, cols) = (a / inner, b / inner);
    check("gemm", "length of out", rows.saturating_mul(cols), out)?;
    Ok((rows, cols))
}
