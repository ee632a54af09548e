//! The permuted columns of a halo2 lookup.

use rayon::prelude::*;

use super::table::Table;
use crate::cpu::field::wide::Montgomery;
use crate::element::Element;
use crate::error::Result;

/// `column` sorted, and `table` permuted so that the first of equal values in the sorted column stands beside its like
/// and the rest of the table, ascending, fills what remains. All slices have the same length, below `2^32`.
///
/// Only the table is sorted: a column's values are those of the table, so counting them sorts them.
pub(super) fn permute<F: Montgomery + Element>(
    column: &[F],
    table: &[F],
    permuted_column: &mut [F],
    permuted_table: &mut [F],
) -> Result<()> {
    let mut counts = vec![0; table.len()];
    Table::new(table).count(&[column], &mut counts)?;

    let mut ascending: Vec<(F::BigInt, u32)> = table
        .par_iter()
        .zip(0u32..table.len() as u32)
        .map(|(row, number)| (row.into_bigint(), number))
        .collect();
    ascending.par_sort_unstable();
    // Of equal rows the first has the count, and the others are unused.
    let rows =
        ascending.into_iter().map(|(_, number)| (table[number as usize], counts[number as usize] as usize));
    let (used, unused): (Vec<_>, Vec<_>) = rows.partition(|&(_, count)| count > 0);

    let mut unused = unused.into_iter().map(|(row, _)| row);
    let mut at = 0;
    for (row, count) in used {
        permuted_column[at..at + count].fill(row);
        permuted_table[at] = row;
        permuted_table[at + 1..at + count].iter_mut().zip(&mut unused).for_each(|(place, row)| *place = row);
        at += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Fr;
    use crate::error::Error;
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    #[test]
    fn permuted_columns_pass_halo2s_check() {
        let mut rng = ChaCha20Rng::seed_from_u64(12);
        for (n, distinct) in [(0, 1), (1, 1), (2, 1), (2, 2), (100, 7), (1000, 1000), (5000, 3000)] {
            let mut values: Vec<Fr> = (0..distinct).map(|_| Fr::rand(&mut rng)).collect();
            (values[0], values[distinct - 1]) = (-Fr::ONE, Fr::ZERO);
            let mut pick = |n: usize| values[rng.next_u32() as usize % n];
            // Rows repeat in the table; the column uses some of them.
            let table: Vec<Fr> = (0..n).map(|_| pick(distinct)).collect();
            let column: Vec<Fr> = (0..n).map(|i| table[(i * i + 1) % n]).collect();
            let (mut a, mut s) = (vec![Fr::ONE; n], vec![Fr::ONE; n]);
            permute(&column, &table, &mut a, &mut s).unwrap();
            for i in 0..n {
                assert!(a[i] == s[i] || a[i] == a[i - 1]);
            }
            let sorted = |values: &[Fr]| {
                let mut values = values.to_vec();
                values.sort();
                values
            };
            assert_eq!(a, sorted(&column));
            assert_eq!(sorted(&s), sorted(&table));
            // What is not the first of its like in `a` is ascending in `s`.
            let rest: Vec<Fr> = (1..n).filter(|&i| a[i] == a[i - 1]).map(|i| s[i]).collect();
            assert_eq!(rest, sorted(&rest));
        }
    }

    #[test]
    fn a_stranger_is_named() {
        let table: Vec<Fr> = (0..4u64).map(Fr::from).collect();
        let column: Vec<Fr> = [3u64, 3, 4, 5].map(Fr::from).to_vec();
        let (mut a, mut s) = (table.clone(), table.clone());
        let result = permute(&column, &table, &mut a, &mut s);
        assert_eq!(result, Err(Error::NotInTable { column: 0, row: 2 }));
    }
}
