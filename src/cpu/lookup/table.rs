//! Finding rows of a table, and counting them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hasher;

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::SERIAL;
use crate::element::Key;
use crate::error::{Error, Result};

/// Rows of a column that are looked up in one go.
const JOB: usize = 1 << 12;

/// A table whose rows can be found.
#[derive(Clone, Debug)]
pub struct Table<T> {
    rows: Vec<T>,
    index: Index<T>,
}

/// The number of the first of several equal rows.
#[derive(Clone, Debug)]
enum Index<T> {
    /// By the row's [`code`] less `first`, for integers that lie close together, as those of range tables do.
    /// [`EMPTY`] where there is no row.
    Dense { first: i64, numbers: Vec<u32> },
    /// By a hash that is keyed by the process, so that nobody can choose rows that collide.
    Hashed(HashMap<T, u32, RandomState>),
}

/// A number that no row has.
const EMPTY: u32 = u32::MAX;

/// A dense index has at most this many times as many entries as rows, or as many as there are 16-bit integers.
const SPARSITY: u64 = 8;

impl<T: Key> Table<T> {
    /// Of at most `2^32 - 1` rows.
    pub(super) fn new(rows: &[T]) -> Self {
        let index = Index::dense(rows).unwrap_or_else(|| Index::hashed(rows));
        Self { rows: rows.to_vec(), index }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The number of the first row equal to `value`.
    #[inline]
    fn find(&self, value: &T) -> Option<usize> {
        match &self.index {
            Index::Dense { first, numbers } => {
                let offset = code(value)?.wrapping_sub(*first) as u64;
                let number = *numbers.get(usize::try_from(offset).ok()?)?;
                // No two unequal rows share a code, but a stranger may have a row's.
                (number != EMPTY && self.rows[number as usize] == *value).then_some(number as usize)
            }
            Index::Hashed(numbers) => numbers.get(value).map(|&number| number as usize),
        }
    }

    /// `counts[j]` = how often row `j` occurs in all columns, of at most `2^32 - 1` rows together.
    pub(super) fn count(&self, columns: &[&[T]], counts: &mut [u32]) -> Result<()> {
        // In the order of the error to report: by column, then by row.
        let mut jobs = Vec::new();
        for (column, rows) in columns.iter().enumerate() {
            jobs.extend(rows.chunks(JOB).enumerate().map(|(k, rows)| (column, k * JOB, rows)));
        }
        // A table's favourite rows are everybody's, so each thread counts on its own, unless that means more work on
        // counts than on columns.
        let total: usize = columns.iter().map(|column| column.len()).sum();
        let histograms = (total / self.len().max(SERIAL)).clamp(1, rayon::current_num_threads());
        let share = jobs.len().div_ceil(histograms).max(1);
        let partial: Vec<_> = jobs.par_chunks(share).map(|jobs| self.histogram(jobs)).collect();
        counts.fill(0);
        for partial in partial {
            counts.iter_mut().zip(partial?).for_each(|(count, more)| *count += more);
        }
        Ok(())
    }

    /// The counts of some rows of some columns, given with the column's number and the first row's.
    fn histogram(&self, jobs: &[(usize, usize, &[T])]) -> Result<Vec<u32>> {
        let mut counts = vec![0; self.len()];
        for &(column, first, rows) in jobs {
            for (k, value) in rows.iter().enumerate() {
                let found = self.find(value).ok_or(Error::NotInTable { column, row: first + k })?;
                counts[found] += 1;
            }
        }
        Ok(counts)
    }
}

impl<T: Key> Index<T> {
    /// Nothing if the rows have no codes, share them, or lie too far apart.
    fn dense(rows: &[T]) -> Option<Self> {
        let first = code(rows.first()?)?;
        let (mut least, mut most) = (first, first);
        for row in rows {
            let code = code(row)?;
            (least, most) = (least.min(code), most.max(code));
        }
        let span = most.wrapping_sub(least) as u64;
        if span >= (SPARSITY * rows.len() as u64).max(1 << 16) {
            return None;
        }
        let mut numbers = vec![EMPTY; usize::try_from(span).ok()? + 1];
        for (number, row) in (0u32..).zip(rows) {
            let entry = &mut numbers[code(row)?.wrapping_sub(least) as usize];
            if *entry == EMPTY {
                *entry = number;
            } else if rows[*entry as usize] != *row {
                return None;
            }
        }
        Some(Self::Dense { first: least, numbers })
    }

    fn hashed(rows: &[T]) -> Self {
        let mut numbers = HashMap::with_capacity_and_hasher(rows.len(), RandomState::default());
        for (number, &row) in (0u32..).zip(rows) {
            if let Entry::Vacant(entry) = numbers.entry(row) {
                entry.insert(number);
            }
        }
        Self::Hashed(numbers)
    }
}

/// A machine integer's value, modulo `2^64`; nothing for any other type. Equal values have equal codes.
#[inline(always)]
fn code<T: Key>(value: &T) -> Option<i64> {
    let mut capture = Capture::Nothing;
    value.hash(&mut capture);
    match capture {
        Capture::Integer(code) => Some(code),
        _ => None,
    }
}

/// A hasher that keeps the one integer it is fed: how a generic [`Key`] shows that it is an integer.
enum Capture {
    Nothing,
    Integer(i64),
    More,
}

impl Capture {
    #[inline(always)]
    fn integer(&mut self, code: i64) {
        *self = match self {
            Self::Nothing => Self::Integer(code),
            _ => Self::More,
        };
    }
}

/// Methods of [`Hasher`] that capture an integer.
macro_rules! capture {
    ($($method:ident($int:ty)),*) => {$(
        #[inline(always)]
        fn $method(&mut self, value: $int) {
            self.integer(value as i64);
        }
    )*};
}

impl Hasher for Capture {
    capture!(write_u8(u8), write_u16(u16), write_u32(u32), write_u64(u64));
    capture!(write_i8(i8), write_i16(i16), write_i32(i32), write_i64(i64));

    #[inline(always)]
    fn write(&mut self, _: &[u8]) {
        *self = Self::More;
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::{Fr, Int};

    fn is_dense<T: Key>(table: &Table<T>) -> bool {
        matches!(table.index, Index::Dense { .. })
    }

    /// Counts by search, also the first stranger.
    fn by_definition<T: Key>(rows: &[T], columns: &[&[T]]) -> Result<Vec<u32>> {
        let mut counts = vec![0; rows.len()];
        for (column, values) in columns.iter().enumerate() {
            for (row, value) in values.iter().enumerate() {
                let found = rows.iter().position(|entry| entry == value);
                counts[found.ok_or(Error::NotInTable { column, row })?] += 1;
            }
        }
        Ok(counts)
    }

    fn check<T: Key>(rows: &[T], columns: &[&[T]]) {
        let expected = by_definition(rows, columns);
        for index in [Index::dense(rows), Some(Index::hashed(rows))].into_iter().flatten() {
            let table = Table { rows: rows.to_vec(), index };
            for threads in [1, 2, 5] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut counts = vec![9; rows.len()];
                let result = pool.install(|| table.count(columns, &mut counts));
                assert_eq!(result.map(|()| counts), expected);
            }
        }
    }

    fn mix(k: usize) -> u64 {
        (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
    }

    fn check_integers<I: Int>(least: i128, size: usize, convert: impl Fn(i128) -> I) {
        let rows: Vec<I> = (0..size).map(|k| convert(least + k as i128)).collect();
        let pick =
            |seed: usize| -> Vec<I> { (0..9000).map(|k| rows[mix(k + seed) as usize % size]).collect() };
        let (a, b) = (pick(0), pick(77));
        assert!(is_dense(&Table::new(&rows)));
        check(&rows, &[]);
        check(&rows, &[&[], &a[..0]]);
        check(&rows, &[&a, &[], &b]);
        // The first and last rows are missing, then the middle one; the others repeat.
        for missing in [0, size - 1, size / 2] {
            let mut fewer = rows.clone();
            fewer.remove(missing);
            fewer.extend_from_within(..);
            check(&fewer, &[&a, &b]);
        }
        // As field elements.
        let field = |values: &[I]| -> Vec<Fr> { values.iter().map(|value| value.to_field()).collect() };
        check(&field(&rows), &[&field(&a), &field(&b)]);
        assert!(!is_dense(&Table::new(&field(&rows))));
    }

    #[test]
    fn counts_are_those_of_a_search() {
        check_integers(-128, 200, |x| x as i8);
        check_integers(0, 256, |x| x as u8);
        check_integers(-300, 700, |x| x as i16);
        check_integers(65000, 500, |x| x as u16);
        check_integers(i128::from(i32::MIN), 300, |x| x as i32);
        check_integers(i128::from(u32::MAX) - 299, 300, |x| x as u32);
        check_integers(i128::from(i64::MAX) - 299, 300, |x| x as i64);
        check_integers(i128::from(u64::MAX) - 299, 300, |x| x as u64);
        // Around the sign bit, where codes wrap; still right, if not dense.
        check(&[(1u64 << 63) - 1, 1 << 63], &[&[1 << 63, (1 << 63) - 1, 1 << 63]]);
    }

    #[test]
    fn sparse_tables_are_hashed() {
        let rows = [5i64, i64::MIN, i64::MAX, -1, 5, 1 << 40];
        assert!(!is_dense(&Table::new(&rows)));
        check(&rows, &[&[5, 5, 1 << 40, i64::MIN]]);
        check(&rows, &[&[5, 5], &[-1, 6, 7]]);
        check::<i32>(&[], &[&[]]);
        check::<i32>(&[], &[&[], &[1]]);
    }

    #[test]
    fn strangers_are_reported_by_column_then_row() {
        let rows: Vec<u16> = (0..1000).collect();
        let good: Vec<u16> = (0..50_000u32).map(|k| (k % 1000) as u16).collect();
        let mut bad = good.clone();
        (bad[40_001], bad[40_000]) = (2000, 3000);
        let mut worse = good.clone();
        worse[0] = 1000;
        check(&rows, &[&good, &bad, &worse]);
        check(&rows, &[&worse, &bad]);
    }
}
