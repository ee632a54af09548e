//! The permuted columns of a halo2 lookup.

use super::table::Hashed;
use super::{Cuda, Grid, Kernel, THREADS, View, ViewMut, kernel};
use crate::backend::{Len, Memory};
use crate::element::Fr;
use crate::error::Result;

const SORT_KEYS: Kernel = kernel("lookup_sort_keys");
const SORT_RUNS: Kernel = kernel("lookup_sort_runs");
const SORT_MERGE: Kernel = kernel("lookup_sort_merge");
const PERMUTE_RANKS: Kernel = kernel("lookup_permute_ranks");
const PERMUTE_FILL: Kernel = kernel("lookup_permute_fill");

/// Threads of a block that sorts.
const SORT_THREADS: u32 = 128;
/// Row numbers that each of them sorts or merges.
const SORT_ITEMS: usize = 8;
/// Those of a block: `lookup::SORTED`.
const SORTED: usize = SORT_THREADS as usize * SORT_ITEMS;

impl Cuda {
    /// [`Lookup::permute`](crate::Lookup::permute) of checked arguments that are not empty.
    ///
    /// Only the table is sorted: a column's values are those of the table, so counting them sorts them. The sort moves row
    /// numbers, and `log2(n / 1024)` passes over them read `n` keys each.
    pub(super) fn permute_rows(
        &self,
        column: View<'_, Fr>,
        table: View<'_, Fr>,
        permuted_column: &mut ViewMut<'_, Fr>,
        permuted_table: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        let n = table.len();
        let mut counts = self.scratch("row counts", n)?;
        Hashed::new(self, table)?.count(self, table, &[column], &mut Self::view_mut(&mut counts))?;

        let padded = n.next_multiple_of(SORTED);
        let keys = self.scratch::<Fr>("sort keys", padded)?;
        self.launch(SORT_KEYS, Grid::covering(padded, THREADS), &[&table, &n, &keys])?;
        let grid = Grid::covering(padded / SORT_ITEMS, SORT_THREADS);
        let mut order = self.scratch::<u32>("sorted rows", padded)?;
        let mut merged = self.scratch::<u32>("merged rows", padded)?;
        self.launch(SORT_RUNS, grid, &[&keys, &order])?;
        let mut run = SORTED;
        while run < padded {
            self.launch(SORT_MERGE, grid, &[&keys, &padded, &run, &order, &merged])?;
            std::mem::swap(&mut order, &mut merged);
            run *= 2;
        }

        // The merge's second buffer is free now.
        let (rows, starts) = (merged, self.scratch::<u32>("starts of used rows", n)?);
        let used = self.scratch::<u32>("number of used rows", 1)?;
        let work = self.scan_work::<u64>(n)?;
        self.launch(
            PERMUTE_RANKS,
            work.grid,
            &[&order, &counts, &n, &work.items, &rows, &starts, &used, &work.states, &work.partial],
        )?;
        self.launch(
            PERMUTE_FILL,
            Grid::covering(n, THREADS),
            &[&table, &n, &rows, &starts, &used, &*permuted_column, &*permuted_table],
        )
    }
}
