//! Lookup columns on the device. The kernels, and how they work, are in `kernels/device/lookup.cu` and
//! `kernels/block/scan.cuh`.

mod permute;
mod table;

use super::{Argument, Buffer, ByValue, Cuda, Grid, Kernel, Module, Owned, View, ViewMut};
use crate::backend::{Len, Memory};
use crate::element::{Element, Fr, Key};
use crate::error::{Result, check};
use crate::lookup::{Lookup, Scan, check_fractions, check_rows};
pub use table::Table;

const LOGUP: Kernel = kernel("lookup_logup");
const ADD_FRACTIONS: Kernel = kernel("lookup_add_fractions");
const PREFIX_PRODUCT: Kernel = kernel("lookup_prefix_product");
const PREFIX_SUM: Kernel = kernel("lookup_prefix_sum");

const fn kernel(name: &'static str) -> Kernel {
    Kernel { module: Module::Lookup, name }
}

/// Threads of a block of kernels that treat elements one by one, and of those that look up.
const THREADS: u32 = 256;
/// Threads of a block of a scan: `scan::THREADS`.
const SCAN_THREADS: u32 = 128;
/// Threads of a block of the helper columns.
const LOGUP_THREADS: u32 = 128;

/// Elements a thread scans at most. The block's own part is 2.6 combinations a thread.
const MOST_SCANNED: u64 = 16;
/// Elements a thread inverts at most. The block's inversion by one thread is as long as some 90 multiplications, or as what its warp
/// does for 30 elements each.
const MOST_INVERTED: u64 = 128;
/// Elements a thread takes at least, to share what a block does once.
const LEAST: u64 = 4;

impl Lookup for Cuda {
    type Table<T: Key> = Table<T>;

    fn table<T: Key>(&self, rows: View<'_, T>) -> Result<Table<T>> {
        check_rows("table", rows.len())?;
        self.own("table", &rows)?;
        Table::new(self, rows)
    }

    fn multiplicities<T: Key>(
        &self,
        table: &Table<T>,
        columns: &[View<'_, T>],
        counts: &mut ViewMut<'_, u32>,
    ) -> Result<()> {
        const OP: &str = "multiplicities";
        check(OP, "length of counts", table.len(), counts.len())?;
        check_rows(OP, columns.iter().map(Len::len).sum())?;
        columns.iter().try_for_each(|column| self.own(OP, column))?;
        self.own(OP, table)?;
        self.own(OP, counts)?;
        table.count(self, columns, counts)
    }

    fn logup(
        &self,
        alpha: Fr,
        column: View<'_, Fr>,
        numerator: Option<View<'_, Fr>>,
        out: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        const OP: &str = "logup";
        check(OP, "length of column", out.len(), column.len())?;
        if let Some(numerator) = &numerator {
            check(OP, "length of numerator", out.len(), numerator.len())?;
            self.own(OP, numerator)?;
        }
        self.own(OP, &column)?;
        self.own(OP, out)?;
        let n = out.len();
        if n == 0 {
            return Ok(());
        }
        let (grid, items) = self.shared_work(n, LOGUP_THREADS, MOST_INVERTED);
        self.launch(LOGUP, grid, &[&alpha, &column, &numerator, &n, &items, &*out])
    }

    fn add_fractions(
        &self,
        p: Option<View<'_, Fr>>,
        q: View<'_, Fr>,
        out_p: &mut ViewMut<'_, Fr>,
        out_q: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        const OP: &str = "add_fractions";
        check_fractions(p.as_ref().map(Len::len), q.len(), out_p.len(), out_q.len())?;
        p.iter().try_for_each(|p| self.own(OP, p))?;
        self.own(OP, &q)?;
        self.own(OP, out_p)?;
        self.own(OP, out_q)?;
        let n = out_q.len();
        if n == 0 {
            return Ok(());
        }
        self.launch(ADD_FRACTIONS, Grid::covering(n, THREADS), &[&p, &q, &n, &*out_p, &*out_q])
    }

    fn prefix_product(&self, scan: Scan, values: &mut ViewMut<'_, Fr>) -> Result<()> {
        self.own("prefix_product", values)?;
        self.prefix(PREFIX_PRODUCT, scan, values)
    }

    fn prefix_sum(&self, scan: Scan, values: &mut ViewMut<'_, Fr>) -> Result<()> {
        self.own("prefix_sum", values)?;
        self.prefix(PREFIX_SUM, scan, values)
    }

    fn permute(
        &self,
        column: View<'_, Fr>,
        table: View<'_, Fr>,
        permuted_column: &mut ViewMut<'_, Fr>,
        permuted_table: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        const OP: &str = "permute";
        let n = column.len();
        check(OP, "length of table", n, table.len())?;
        check(OP, "length of permuted column", n, permuted_column.len())?;
        check(OP, "length of permuted table", n, permuted_table.len())?;
        check_rows(OP, n)?;
        self.own(OP, &column)?;
        self.own(OP, &table)?;
        self.own(OP, permuted_column)?;
        self.own(OP, permuted_table)?;
        if n == 0 {
            return Ok(());
        }
        self.permute_rows(column, table, permuted_column, permuted_table)
    }
}

impl Cuda {
    /// A grid whose threads take `items` of `n > 0` elements each: as many as leave a few blocks for each multiprocessor,
    /// within [`LEAST`] and `most`.
    fn shared_work(&self, n: usize, threads: u32, most: u64) -> (Grid, u32) {
        let fair = n as u64 / (u64::from(threads) * 4 * u64::from(self.properties().multiprocessors));
        let items = fair.clamp(LEAST, most) as u32;
        (Grid::covering(n.div_ceil(items as usize), threads), items)
    }

    fn prefix(&self, kernel: Kernel, scan: Scan, values: &mut ViewMut<'_, Fr>) -> Result<()> {
        let n = values.len();
        if n == 0 {
            return Ok(());
        }
        let work = self.scan_work::<Fr>(n)?;
        let inclusive = u32::from(scan == Scan::Inclusive);
        self.launch(kernel, work.grid, &[&*values, &n, &work.items, &inclusive, &work.states, &work.partial])
    }

    /// The launch and the scratch memory of a scan of `n > 0` values.
    fn scan_work<T: Element>(&self, n: usize) -> Result<ScanWork<T>> {
        let (grid, items) = self.shared_work(n, SCAN_THREADS, MOST_SCANNED);
        let tiles = grid.blocks as usize;
        let mut states = self.scratch("scan states", 1 + tiles)?;
        self.clear(&mut Self::view_mut(&mut states))?;
        Ok(ScanWork { grid, items, states, partial: self.scratch("scan totals", 2 * tiles)? })
    }
}

/// What the kernels with a body `scan::run` are launched with.
struct ScanWork<T: Element> {
    grid: Grid,
    items: u32,
    states: Buffer<u32>,
    partial: Buffer<T>,
}
