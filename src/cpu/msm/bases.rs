//! Bases and their precomputed multiples.

use std::any::Any;
use std::sync::Mutex;

use ark_ec::short_weierstrass::Affine;
use ark_ff::PrimeField;
use rayon::prelude::*;

use super::add::{Entry, Operands, PortableAdder};
use super::plan::{Stock, TABLE_WIDTH};
use super::point::{CpuCurve, Point};
use crate::backend::Len;
use crate::cpu::pages::advise_large;
use crate::error::{Error, Result};

/// Points kept for sums, with as many of their multiples as a budget of bytes allows.
///
/// The budget is spent in this order, each step as far as it goes:
///
/// 1. For at most 4096 points: a table of the multiples `1..=128` of each (128 points a base). An item of one-byte
///    scalars then costs an addition for each scalar that is not 0, and nothing else. For more points it would not pay:
///    buckets cost `n + 3 * 128` additions without a table, and need not reach into it at random.
/// 2. Shifted copies `2^(s j) P`, up to 31 more a base with `s = 8`. Digits at the same place in different `s`-bit
///    blocks of a scalar then share buckets: fewer sets of buckets, wider digits, fewer doublings at the end.
/// 3. If there is a table: further ones, of the multiples of `2^(8 j) P`, up to `j = 31`.
pub struct Bases<C: CpuCurve> {
    len: usize,
    stock: Stock,
    points: Vec<Point<C::Field>>,
    multiples: Vec<Point<C::Field>>,
    scratch: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// Multiples in a table.
const TABLE: usize = 1 << (TABLE_WIDTH - 1);
/// Most bases for which tables are made.
const MAX_TABLED: usize = 4096;
/// Most shifted copies: one for every byte of a scalar.
const MAX_COPIES: usize = 32;

impl<C: CpuCurve> Len for Bases<C> {
    fn len(&self) -> usize {
        self.len
    }
}

impl<C: CpuCurve> Bases<C> {
    /// For points on the curve.
    pub(super) fn new(points: &[Affine<C>], budget: usize) -> Result<Self> {
        let len = points.len();
        if len > Entry::LIMIT {
            return Err(Error::Shape {
                op: "bases",
                what: "number of points at most",
                expected: Entry::LIMIT,
                got: len,
            });
        }
        let stock = Self::stock_for(len, budget);
        let mut kept = reserve("bases", len * stock.copies)?;
        kept.par_extend(points.par_iter().map(C::lift_point));
        for _ in 1..stock.copies {
            let mut copy = kept[kept.len() - len..].to_vec();
            double::<C>(&mut copy, stock.shift);
            kept.extend_from_slice(&copy);
        }

        let mut multiples = reserve("multiples of bases", len * stock.levels * TABLE)?;
        multiples.resize(len * stock.levels * TABLE, Point::IDENTITY);
        let mut level: Vec<_> = if stock.levels > 0 { kept[..len].to_vec() } else { Vec::new() };
        if len > 0 {
            for (j, tables) in multiples.chunks_mut(len * TABLE).enumerate() {
                if j > 0 {
                    double::<C>(&mut level, TABLE_WIDTH);
                }
                tabulate::<C>(&level, tables);
            }
        }
        Ok(Self { len, stock, points: kept, multiples, scratch: Mutex::default() })
    }

    /// The bases; what multiples there are is told by [`Self::stock`].
    pub(super) fn points(&self) -> &[Point<C::Field>] {
        &self.points
    }

    /// `(m + 1) 2^(8 j) P_i` at `(j len + i) 128 + m`.
    pub(super) fn multiples(&self) -> &[Point<C::Field>] {
        &self.multiples
    }

    /// Scratch memory that an earlier sum has left, or new. It is kept because fresh pages cost more than what is done in
    /// them.
    pub(super) fn scratch<T: Any + Send + Default>(&self) -> Lent<'_, T> {
        let mut kept = self.scratch.lock().unwrap_or_else(|e| e.into_inner());
        let found = kept.iter().position(|scratch| scratch.is::<T>());
        let scratch = found.and_then(|k| kept.swap_remove(k).downcast().ok());
        Lent { scratch: Some(scratch.unwrap_or_default()), shelf: &self.scratch }
    }

    pub(super) fn stock(&self) -> Stock {
        self.stock
    }

    /// Bytes of multiples that are kept: at most the budget.
    #[cfg(test)]
    pub(super) fn spent(&self) -> usize {
        (self.points.capacity() - self.len + self.multiples.capacity()) * size_of::<Point<C::Field>>()
    }

    fn stock_for(len: usize, budget: usize) -> Stock {
        let mut budget = budget / size_of::<Point<C::Field>>() / len.max(1);
        let bits = C::ScalarField::MODULUS_BIT_SIZE as usize;
        let bytes = bits.div_ceil(TABLE_WIDTH as usize);
        let tabled = len > 0 && len <= MAX_TABLED && budget >= TABLE;
        if tabled {
            budget -= TABLE;
        }
        let addressable = Entry::LIMIT / len.max(1);
        let copies = if len == 0 { 1 } else { (budget + 1).min(MAX_COPIES).min(addressable) };
        budget -= if len == 0 { 0 } else { copies - 1 };
        let levels = if tabled { (1 + budget / TABLE).min(bytes) } else { 0 };
        Stock { copies, shift: bits.div_ceil(copies) as u32, levels }
    }
}

/// Scratch memory that returns to its place when dropped.
pub(super) struct Lent<'a, T: Any + Send> {
    /// Always there, until it is dropped.
    scratch: Option<Box<T>>,
    shelf: &'a Mutex<Vec<Box<dyn Any + Send>>>,
}

impl<T: Any + Send + Default> Lent<'_, T> {
    pub fn get(&mut self) -> &mut T {
        self.scratch.get_or_insert_default()
    }
}

impl<T: Any + Send> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            self.shelf.lock().unwrap_or_else(|e| e.into_inner()).push(scratch);
        }
    }
}

/// A vector with room for `len` points and no more.
fn reserve<T>(label: &'static str, len: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    match vector.try_reserve_exact(len) {
        Ok(()) => {
            advise_large(&mut vector);
            Ok(vector)
        }
        Err(_) => Err(Error::OutOfMemory { label, bytes: len.saturating_mul(size_of::<T>()), free: 0 }),
    }
}

/// Points that are worth a task.
const PART: usize = 1024;

/// `P <- 2^times P`
fn double<C: CpuCurve>(points: &mut [Point<C::Field>], times: u32) {
    points.par_chunks_mut(PART).for_each_init(PortableAdder::<C::Field>::default, |adder, points| {
        let pairs: Vec<_> = (0..points.len()).map(|i| [Entry::table(i, false); 2]).collect();
        let mut doubled = vec![Point::IDENTITY; points.len()];
        for _ in 0..times {
            adder.add(Operands { table: points, sums: &[] }, &pairs, &mut doubled);
            points.copy_from_slice(&doubled);
        }
    });
}

/// Fills each point's table with its multiples 1 to 128: with those up to `k`, those up to `2k` are sums with the `k`-th.
fn tabulate<C: CpuCurve>(points: &[Point<C::Field>], tables: &mut [Point<C::Field>]) {
    const BASES: usize = 32;
    let parts = points.par_chunks(BASES).zip(tables.par_chunks_mut(BASES * TABLE));
    parts.for_each_init(PortableAdder::<C::Field>::default, |adder, (points, tables)| {
        points.iter().zip(tables.chunks_mut(TABLE)).for_each(|(point, table)| table[0] = *point);
        let mut known = 1;
        while known < TABLE {
            let pair = |i: usize, m: usize| [m, known - 1].map(|m| Entry::table(i * TABLE + m, false));
            let pairs: Vec<_> = (0..points.len()).flat_map(|i| (0..known).map(move |m| pair(i, m))).collect();
            let mut sums = vec![Point::IDENTITY; pairs.len()];
            adder.add(Operands { table: tables, sums: &[] }, &pairs, &mut sums);
            for (table, sums) in tables.chunks_mut(TABLE).zip(sums.chunks(known)) {
                table[known..2 * known].copy_from_slice(sums);
            }
            known *= 2;
        }
    });
}
