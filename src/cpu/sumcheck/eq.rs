//! Tables of the equality polynomial.

use rayon::prelude::*;

use super::SERIAL;
use crate::cpu::field::wide::Montgomery;

/// `out[x] = scale * eq(point, x)`; `out` has `2^point.len()` elements.
///
/// The table of the last `k + 1` coordinates is two copies of that of the last `k`, the upper one times the new
/// coordinate, the lower one times one minus it: one multiplication an element of the result.
pub(crate) fn eq_table<F: Montgomery>(point: &[F], scale: F, out: &mut [F]) {
    out[0] = scale;
    for (k, &coordinate) in point.iter().rev().enumerate() {
        let (low, high) = out[..2 << k].split_at_mut(1 << k);
        low.par_iter_mut().with_min_len(SERIAL).zip(high).for_each(|(low, high)| {
            *high = low.times(coordinate);
            *low = low.minus(*high);
        });
    }
}

/// `eq(point, .)` as an outer product of two tables of about the square root of its size (Dao and Thaler, ePrint
/// 2024/1210): `eq(point, (x, y)) = rows[x] * cols[y]`.
pub(crate) struct SplitEq<F> {
    /// Over the first coordinates.
    pub(crate) rows: Vec<F>,
    /// Over the last coordinates, half of them rounded up.
    pub(crate) cols: Vec<F>,
}

impl<F: Montgomery> SplitEq<F> {
    /// The tables of a point.
    pub(crate) fn new(point: &[F]) -> Self {
        let (rows, cols) = point.split_at(point.len() / 2);
        let table = |point: &[F]| {
            let mut table = vec![F::ZERO; 1 << point.len()];
            eq_table(point, F::ONE, &mut table);
            table
        };
        Self { rows: table(rows), cols: table(cols) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Fr;
    use ark_ff::{AdditiveGroup, Field};

    #[test]
    fn tables_are_the_definition() {
        let point: Vec<Fr> = (0..13u64).map(|k| Fr::from(k * k + 5).inverse().unwrap()).collect();
        for n in [0, 1, 2, 5, 12, 13] {
            let point = &point[..n];
            let expected = |x: usize| -> Fr {
                let bit = |k: usize| x >> (n - 1 - k) & 1 == 1;
                (0..n).map(|k| if bit(k) { point[k] } else { Fr::ONE - point[k] }).product()
            };
            let scale = Fr::from(77u64);
            let mut table = vec![Fr::ZERO; 1 << n];
            eq_table(point, scale, &mut table);
            let split = SplitEq::new(point);
            assert_eq!(split.rows.len() * split.cols.len(), 1 << n);
            for (x, &value) in table.iter().enumerate() {
                assert_eq!(value, scale * expected(x));
                let (row, col) = (x / split.cols.len(), x % split.cols.len());
                assert_eq!(split.rows[row] * split.cols[col], expected(x));
            }
        }
    }
}
