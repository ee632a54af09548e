//! Lookup tables and the multilinear extensions by which the verifier evaluates them.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

use crate::model::Activation;

/// A public lookup table. Rows are pairs `(a, b)`, `b = 0` where there is one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Table {
    /// `(j, 0)` for `j` in `0..2^bits`.
    Range {
        /// The width.
        bits: u32,
    },
    /// `(y', act(y'))` for `y'` in `-2^(bits - 1)..2^(bits - 1)`, ascending.
    Activation {
        /// The function.
        activation: Activation,
        /// The width of `y'`.
        bits: u32,
    },
}

impl Table {
    /// The binary logarithm of the number of rows.
    pub fn log_len(self) -> u32 {
        match self {
            Self::Range { bits } | Self::Activation { bits, .. } => bits,
        }
    }

    /// The multilinear extensions of both columns at a point, `point[0]` belonging to the row number's top bit.
    ///
    /// With `x_k` the coordinate of bit `k`, the row number itself is `sum_k 2^k x_k`. Let `low` be its lower seven bits, `Z` (or
    /// `O`) the product of `1 - x_k` (or `x_k`) over `k = 7..bits - 1`, all bits between those seven and the top one. ReLU is
    /// zero for a top bit of 0 (negative `y'`), else `low` where `Z` is 1 and 127 where it is 0; clamping adds, for negative
    /// `y'`, `low - 128` where `O` is 1 and -128 where it is 0.
    pub fn evaluate(self, point: &[Fr]) -> (Fr, Fr) {
        let number = |bits: &[Fr]| bits.iter().fold(Fr::ZERO, |sum, x| sum.double() + x);
        match self {
            Self::Range { .. } => (number(point), Fr::ZERO),
            Self::Activation { activation, bits } => {
                let half = Fr::from(1u64 << (bits - 1));
                let (top, rest) = (point[0], &point[1..]);
                let (middle, low) = rest.split_at(rest.len() - 7);
                let low = number(low);
                let (limit, floor) = (Fr::from(127u64), Fr::from(-128i64));
                let zeros: Fr = middle.iter().map(|x| Fr::ONE - x).product();
                let positive = top * (limit + zeros * (low - limit));
                let value = match activation {
                    Activation::Relu => positive,
                    Activation::Clamp => {
                        let ones: Fr = middle.iter().product();
                        positive + (Fr::ONE - top) * (floor + ones * low)
                    }
                };
                (number(point) - half, value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::eq_table;
    use ark_ff::UniformRand;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    /// The rows as the table's documentation defines them.
    fn rows(table: Table) -> Vec<(i64, i64)> {
        match table {
            Table::Range { bits } => (0..1 << bits).map(|j| (j, 0)).collect(),
            Table::Activation { activation, bits } => {
                let half = 1i64 << (bits - 1);
                (-half..half).map(|y| (y, activation.apply(y as i32).into())).collect()
            }
        }
    }

    #[test]
    fn closed_forms_are_the_extensions_of_the_rows() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let activations = [Activation::Relu, Activation::Clamp];
        let tables = [9, 12, 16]
            .into_iter()
            .flat_map(|bits| activations.map(|activation| Table::Activation { activation, bits }));
        for table in tables.chain([Table::Range { bits: 8 }, Table::Range { bits: 16 }]) {
            let point: Vec<Fr> = (0..table.log_len()).map(|_| Fr::rand(&mut rng)).collect();
            let (mut a, mut b) = (Fr::ZERO, Fr::ZERO);
            for (weight, (x, y)) in eq_table(&point).into_iter().zip(rows(table)) {
                a += weight * Fr::from(x);
                b += weight * Fr::from(y);
            }
            assert_eq!(table.evaluate(&point), (a, b), "{table:?}");
        }
    }
}
