//! Multilinear evaluation.

use rayon::prelude::*;

use super::SERIAL;
use super::eq::SplitEq;
use crate::cpu::field::wide::{Montgomery, Sum};
use crate::cpu::matrix::bind_cols_of_scalars;
use crate::element::Scalar;

/// The value at `point` of the multilinear polynomial with the given `2^point.len()` values: with `eq` as an outer
/// product, an inner product a row and one of the rows' results. Half a multiplication an element; for narrow
/// integers the matrix kernels' few instructions.
pub(super) fn evaluate<F: Montgomery + Scalar<F>, T: Scalar<F>>(table: &[T], point: &[F]) -> F {
    let eq = SplitEq::new(point);
    let mut rows = vec![F::ZERO; eq.rows.len()];
    if table.len() < NARROW_PAYS || !bind_cols_of_scalars(table, &eq.cols, &mut rows) {
        let chunks = rows.par_iter_mut().zip(table.par_chunks(eq.cols.len()));
        let chunks = chunks.with_min_len((SERIAL / eq.cols.len()).max(1));
        chunks.for_each(|(out, row)| *out = inner_product(row, &eq.cols));
    }
    inner_product(&rows, &eq.rows)
}

/// Elements from which cutting the weights into digits pays.
const NARROW_PAYS: usize = 1 << 8;

/// One reduction in all.
fn inner_product<F: Montgomery, T: Scalar<F>>(values: &[T], weights: &[F]) -> F {
    let mut sum = Sum::ZERO;
    values.iter().zip(weights).for_each(|(value, weight)| sum.add_product(value.to_field(), *weight));
    sum.reduce()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Fr;
    use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField};

    fn check<T: Scalar>(entry: impl Fn(u64) -> T) {
        for n in [0, 1, 2, 5, 7, 8, 9, 11] {
            let table: Vec<T> = (0..1u64 << n).map(&entry).collect();
            let point: Vec<Fr> = (1..=n as u64).map(|k| -Fr::from(k).inverse().unwrap_or(Fr::ZERO)).collect();
            // Bind one variable after the other.
            let mut values: Vec<Fr> = table.iter().map(|value| value.to_field()).collect();
            for r in &point {
                let half = values.len() / 2;
                values = (0..half).map(|i| values[i] + *r * (values[i + half] - values[i])).collect();
            }
            assert_eq!(evaluate(&table, &point), values[0]);
        }
    }

    #[test]
    fn values_are_those_of_binding() {
        let mix = |k: u64| (k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        check(|k| mix(k) as i8);
        check(|k| mix(k) as u8);
        check(|k| if k % 3 == 0 { i16::MIN } else { mix(k) as i16 });
        check(|k| mix(k) as u16);
        check(|k| if k % 3 == 0 { i32::MIN } else { mix(k) as i32 });
        check(|k| mix(k) as u32);
        check(|k| if k % 3 == 0 { i64::MIN } else { mix(k) as i64 });
        check(|k| if k % 3 == 0 { u64::MAX } else { mix(k) });
        check(|k| -Fr::from(mix(k)).square());
        check(|k| if k % 3 == 0 { BigInt([u64::MAX; 4]) } else { Fr::from(mix(k)).square().into_bigint() });
    }
}
