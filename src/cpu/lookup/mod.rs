//! Lookup columns on the host.

mod fraction;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod permute;
mod scan;
mod table;

use super::Cpu;
use crate::element::{Fr, Key};
use crate::error::{Result, check};
use crate::lookup::{Lookup, Scan, check_fractions, check_rows};
pub use table::Table;

/// Elements below which splitting work over threads costs more than it gains.
const SERIAL: usize = 1 << 10;

impl Lookup for Cpu {
    type Table<T: Key> = Table<T>;

    fn table<T: Key>(&self, rows: &[T]) -> Result<Table<T>> {
        check_rows("table", rows.len())?;
        Ok(Table::new(rows))
    }

    fn multiplicities<T: Key>(
        &self,
        table: &Table<T>,
        columns: &[&[T]],
        counts: &mut &mut [u32],
    ) -> Result<()> {
        check("multiplicities", "length of counts", table.len(), counts.len())?;
        check_rows("multiplicities", columns.iter().map(|column| column.len()).sum())?;
        self.install(|| table.count(columns, counts))
    }

    fn logup(&self, alpha: Fr, column: &[Fr], numerator: Option<&[Fr]>, out: &mut &mut [Fr]) -> Result<()> {
        check("logup", "length of column", out.len(), column.len())?;
        if let Some(numerator) = numerator {
            check("logup", "length of numerator", out.len(), numerator.len())?;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(out.len(), || ifma::logup(token, alpha, column, numerator, out));
            return Ok(());
        }
        self.install_unless_short(out.len(), || fraction::logup(alpha, column, numerator, out));
        Ok(())
    }

    fn add_fractions(
        &self,
        p: Option<&[Fr]>,
        q: &[Fr],
        out_p: &mut &mut [Fr],
        out_q: &mut &mut [Fr],
    ) -> Result<()> {
        check_fractions(p.map(<[Fr]>::len), q.len(), out_p.len(), out_q.len())?;
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(q.len(), || ifma::add_fractions(token, p, q, out_p, out_q));
            return Ok(());
        }
        self.install_unless_short(q.len(), || fraction::add_fractions(p, q, out_p, out_q));
        Ok(())
    }

    fn prefix_product(&self, scan: Scan, values: &mut &mut [Fr]) -> Result<()> {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install(|| ifma::product(token, scan, values));
            return Ok(());
        }
        self.install(|| scan::product(scan, values));
        Ok(())
    }

    fn prefix_sum(&self, scan: Scan, values: &mut &mut [Fr]) -> Result<()> {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install(|| ifma::sum(token, scan, values));
            return Ok(());
        }
        self.install(|| scan::sum(scan, values));
        Ok(())
    }

    fn permute(
        &self,
        column: &[Fr],
        table: &[Fr],
        permuted_column: &mut &mut [Fr],
        permuted_table: &mut &mut [Fr],
    ) -> Result<()> {
        let n = column.len();
        check("permute", "length of table", n, table.len())?;
        check("permute", "length of permuted column", n, permuted_column.len())?;
        check("permute", "length of permuted table", n, permuted_table.len())?;
        check_rows("permute", n)?;
        self.install(|| permute::permute(column, table, permuted_column, permuted_table))
    }
}
