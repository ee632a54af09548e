//! The sub-protocols, prover and verifier side by side.
//!
//! A proof is one fraction tree ([`tree`]) for all lookups, one batched matrix-product sumcheck ([`matmul`]) for all layers
//! and one opening ([`opening`]) of one row, whatever the number of layers. Each prover function mirrors the verifier function
//! below it message by message.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

pub(crate) mod matmul;
pub(crate) mod opening;
pub(crate) mod sumcheck;
pub(crate) mod tree;

/// `eq(point, x)` for all `x` of the cube, the first coordinate belonging to the top bit. One multiplication an entry.
pub(crate) fn eq_table(point: &[Fr]) -> Vec<Fr> {
    let mut table = vec![Fr::ONE];
    for z in point {
        table = table
            .iter()
            .flat_map(|t| {
                let one = *t * z;
                [*t - one, one]
            })
            .collect();
    }
    table
}

/// `eq(a, b) = prod_i (a_i b_i + (1 - a_i) (1 - b_i))` of two points.
pub(crate) fn eq(a: &[Fr], b: &[Fr]) -> Fr {
    a.iter().zip(b).map(|(a, b)| (*a * b).double() + Fr::ONE - a - b).product()
}

/// The multilinear extension of a `rows x cols` matrix, both padded by zeros (or by `fill` in the columns) to powers of two.
/// Costs a multiplication an entry.
pub(crate) fn evaluate_matrix<T: Copy + Into<i64>>(
    data: &[T],
    cols: usize,
    fill: i64,
    row_point: &[Fr],
    col_point: &[Fr],
) -> Fr {
    let (row_weights, col_weights) = (eq_table(row_point), eq_table(col_point));
    let padding: Fr = col_weights[cols..].iter().sum::<Fr>() * Fr::from(fill);
    let mut sum = Fr::ZERO;
    for (row, weight) in data.chunks_exact(cols).zip(row_weights) {
        let inner: Fr = row.iter().zip(&col_weights).map(|(x, w)| *w * Fr::from((*x).into())).sum();
        sum += weight * (inner + padding);
    }
    sum
}

/// `base^0, base^1, ..` for `n` terms.
pub(crate) fn powers(base: Fr, n: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |power| Some(*power * base)).take(n).collect()
}
