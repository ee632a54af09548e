//! Linear searches and running sums.

use ark_ff::PrimeField;

use crate::element::{Element, Key, Scalar};
use crate::error::{Error, Result, check};
use crate::lookup::{Lookup, Scan, check_fractions, check_rows};
use crate::reference::Reference;

impl<F: PrimeField + Element + Scalar<F>> Lookup<F> for Reference {
    type Table<T: Key> = Vec<T>;

    fn table<T: Key>(&self, rows: &[T]) -> Result<Vec<T>> {
        check_rows("table", rows.len())?;
        Ok(rows.to_vec())
    }

    fn multiplicities<T: Key>(
        &self,
        table: &Vec<T>,
        columns: &[&[T]],
        counts: &mut &mut [u32],
    ) -> Result<()> {
        check("multiplicities", "length of counts", table.len(), counts.len())?;
        check_rows("multiplicities", columns.iter().map(|column| column.len()).sum())?;
        counts.fill(0);
        for (column, rows) in columns.iter().enumerate() {
            for (row, value) in rows.iter().enumerate() {
                let found = table.iter().position(|entry| entry == value);
                counts[found.ok_or(Error::NotInTable { column, row })?] += 1;
            }
        }
        Ok(())
    }

    fn logup(&self, alpha: F, column: &[F], numerator: Option<&[F]>, out: &mut &mut [F]) -> Result<()> {
        check("logup", "length of column", out.len(), column.len())?;
        if let Some(numerator) = numerator {
            check("logup", "length of numerator", out.len(), numerator.len())?;
        }
        for i in 0..out.len() {
            let inverse = (alpha - column[i]).inverse().unwrap_or(F::ZERO);
            out[i] = numerator.map_or(F::ONE, |numerator| numerator[i]) * inverse;
        }
        Ok(())
    }

    fn add_fractions(
        &self,
        p: Option<&[F]>,
        q: &[F],
        out_p: &mut &mut [F],
        out_q: &mut &mut [F],
    ) -> Result<()> {
        check_fractions(p.map(<[F]>::len), q.len(), out_p.len(), out_q.len())?;
        let n = out_q.len();
        let p = |i: usize| p.map_or(F::ONE, |p| p[i]);
        for i in 0..n {
            out_p[i] = p(i) * q[i + n] + p(i + n) * q[i];
            out_q[i] = q[i] * q[i + n];
        }
        Ok(())
    }

    fn prefix_product(&self, scan: Scan, values: &mut &mut [F]) -> Result<()> {
        running(scan, values, F::ONE, |a, b| a * b);
        Ok(())
    }

    fn prefix_sum(&self, scan: Scan, values: &mut &mut [F]) -> Result<()> {
        running(scan, values, F::ZERO, |a, b| a + b);
        Ok(())
    }

    fn permute(
        &self,
        column: &[F],
        table: &[F],
        permuted_column: &mut &mut [F],
        permuted_table: &mut &mut [F],
    ) -> Result<()> {
        let n = column.len();
        check("permute", "length of table", n, table.len())?;
        check("permute", "length of permuted column", n, permuted_column.len())?;
        check("permute", "length of permuted table", n, permuted_table.len())?;
        if let Some(row) = column.iter().position(|value| !table.contains(value)) {
            return Err(Error::NotInTable { column: 0, row });
        }
        permuted_column.copy_from_slice(column);
        permuted_column.sort();
        let mut unused = table.to_vec();
        unused.sort();
        let first: Vec<bool> =
            (0..n).map(|i| i == 0 || permuted_column[i] != permuted_column[i - 1]).collect();
        for i in (0..n).filter(|&i| first[i]) {
            permuted_table[i] = permuted_column[i];
            if let Some(used) = unused.iter().position(|value| *value == permuted_column[i]) {
                unused.remove(used);
            }
        }
        for (i, value) in (0..n).filter(|&i| !first[i]).zip(unused) {
            permuted_table[i] = value;
        }
        Ok(())
    }
}

fn running<F: Copy>(scan: Scan, values: &mut [F], neutral: F, combine: impl Fn(F, F) -> F) {
    let mut total = neutral;
    for value in values {
        let before = total;
        total = combine(total, *value);
        *value = match scan {
            Scan::Inclusive => total,
            Scan::Exclusive => before,
        };
    }
}
