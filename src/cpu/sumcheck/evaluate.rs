//! Multilinear evaluation.

use rayon::prelude::*;

use super::SERIAL;
use super::eq::SplitEq;
use crate::cpu::field::wide::{Montgomery, Sum};
use crate::element::Scalar;

/// The value at `point` of the multilinear polynomial with the given `2^point.len()` values: with `eq` as an outer
/// product, an inner product a row and one of the rows' results. Half a multiplication an element; for narrow
/// integers one of the matrix kernels' multiply-adds.
pub(super) fn evaluate<F: Montgomery, T: Scalar<F>>(table: &[T], point: &[F]) -> F {
    let eq = SplitEq::new(point);
    let rows = eq.rows.par_iter().zip(table.par_chunks(eq.cols.len()));
    let rows = rows.with_min_len((SERIAL / eq.cols.len()).max(1));
    let sum = rows.map(|(weight, row)| {
        let mut inner = Sum::ZERO;
        row.iter().zip(&eq.cols).for_each(|(value, eq)| inner.add_product(value.to_field(), *eq));
        let mut sum = Sum::ZERO;
        sum.add_product(*weight, inner.reduce());
        sum
    });
    let sum = sum.reduce(|| Sum::ZERO, |mut a, b| {
        a.add(&b);
        a
    });
    sum.reduce()
}
