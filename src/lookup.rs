//! Lookup arguments: the columns that logUp, logUp-GKR, Plookup and halo2 commit to.
//!
//! A lookup claims that every row of some columns occurs in a table. logUp (Haboeck, ePrint 2022/1530) proves
//!
//! ```text
//! sum_i 1 / (alpha - column[i]) = sum_j count[j] / (alpha - table[j])
//! ```
//!
//! with `count[j]` the multiplicity of table row `j`. logUp-GKR (Papini and Haboeck, ePrint 2023/1284) sums these
//! fractions in a binary tree. Rows of several columns become one by a random linear combination first
//! ([`Vector::linear_combination`](crate::Vector::linear_combination)).

use ark_ff::PrimeField;

use crate::backend::Memory;
use crate::element::{Element, Fr, Key};
use crate::error::{Result, check};

/// Whether a running product or sum at `i` includes element `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scan {
    /// `out[i]` covers elements `0..=i`.
    Inclusive,
    /// `out[i]` covers elements `0..i`; `out[0]` is the neutral element.
    Exclusive,
}

/// The columns of lookup arguments over `F`.
pub trait Lookup<F: PrimeField + Element = Fr>: Memory {
    /// A table whose rows can be found.
    type Table<T: Key>: Send + Sync;

    /// Prepares the rows of a table for [`multiplicities`](Lookup::multiplicities). Equal rows count as one, the
    /// first of them. *May wait.*
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for more than `2^32 - 1` rows; [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    fn table<T: Key>(&self, rows: Self::View<'_, T>) -> Result<Self::Table<T>>;

    /// `counts[j]` = how often row `j` of the table occurs in all the columns together. *Waits.*
    ///
    /// # Errors
    /// [`Error::NotInTable`](crate::Error::NotInTable) names the first stranger, by column, then row: `counts` is
    /// unspecified then. [`Error::Shape`](crate::Error::Shape) unless `counts` is as long as the table, or if the columns
    /// have more than `2^32 - 1` rows in all.
    fn multiplicities<T: Key>(
        &self,
        table: &Self::Table<T>,
        columns: &[Self::View<'_, T>],
        counts: &mut Self::ViewMut<'_, u32>,
    ) -> Result<()>;

    /// `out[i] = numerator[i] / (alpha - column[i])`, logUp's helper column; no numerator means ones, and a pole gives 0.
    /// Three multiplications an element, four with a numerator.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless all have the same length.
    fn logup(
        &self,
        alpha: F,
        column: Self::View<'_, F>,
        numerator: Option<Self::View<'_, F>>,
        out: &mut Self::ViewMut<'_, F>,
    ) -> Result<()>;

    /// One layer of the fraction tree, from `2 n` fractions to `n`: fraction `i` and fraction `i + n` become
    /// `(p0, q0) + (p1, q1) = (p0 q1 + p1 q0, q0 q1)`. No numerator means ones. Three multiplications a pair, one with
    /// numerators of one.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless `p` and `q` are twice as long as the outputs.
    fn add_fractions(
        &self,
        p: Option<Self::View<'_, F>>,
        q: Self::View<'_, F>,
        out_p: &mut Self::ViewMut<'_, F>,
        out_q: &mut Self::ViewMut<'_, F>,
    ) -> Result<()>;

    /// The running product of the values, in place: the grand product of permutation and Plookup arguments.
    ///
    /// # Errors
    /// Those of a launch.
    fn prefix_product(&self, scan: Scan, values: &mut Self::ViewMut<'_, F>) -> Result<()>;

    /// The running sum of the values, in place: logUp's accumulator.
    ///
    /// # Errors
    /// Those of a launch.
    fn prefix_sum(&self, scan: Scan, values: &mut Self::ViewMut<'_, F>) -> Result<()>;

    /// The permuted columns `(A', S')` of a halo2 lookup: `A'` is the column sorted (ascending as integers); `S'` is the
    /// table permuted so that wherever `A'` shows a value for the first time `S'` has the same one. The remaining rows
    /// of `S'`, from the top, take the table's unused rows in ascending order. *Waits.*
    ///
    /// # Errors
    /// [`Error::NotInTable`](crate::Error::NotInTable) names the first row of the column (column 0) that the table lacks;
    /// [`Error::Shape`](crate::Error::Shape) unless all have the same length.
    fn permute(
        &self,
        column: Self::View<'_, F>,
        table: Self::View<'_, F>,
        permuted_column: &mut Self::ViewMut<'_, F>,
        permuted_table: &mut Self::ViewMut<'_, F>,
    ) -> Result<()>;
}

/// The checks of [`Lookup::add_fractions`], for backends.
pub fn check_fractions(p: Option<usize>, q: usize, out_p: usize, out_q: usize) -> Result<()> {
    const OP: &str = "add_fractions";
    check(OP, "length of out_p", out_q, out_p)?;
    check(OP, "length of q", 2 * out_q, q)?;
    p.map_or(Ok(()), |p| check(OP, "length of p", q, p))
}

/// The check of a table's or of all columns' number of rows, which must fit `u32` counts.
pub fn check_rows(op: &'static str, rows: usize) -> Result<()> {
    let most = u32::MAX as usize;
    if rows > most {
        return Err(crate::Error::Shape { op, what: "number of rows at most", expected: most, got: rows });
    }
    Ok(())
}
