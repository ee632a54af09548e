//! Integer matrix times field vector, from either side.

use std::ops::Range;

use rayon::prelude::*;

use super::digits::{Planes, SAFE, Sums, assemble, panel};
use super::tile::{COLS, Isa, Pair, ROWS, Strides, Tile};
use crate::cpu::field::wide::Montgomery;
use crate::element::Element;

/// Outputs that one job works on: a cache line of `i8` columns, or rows enough that the weights' digits are read from
/// the second-level cache seldom.
const BLOCK: usize = 64;

/// Pairs in a step of the summed dimension.
const STEP: usize = SAFE / 2;

/// `out[c] = sum_r weight[r] * m[r][c]`.
///
/// A step packs [`SAFE`] rows of [`BLOCK`] columns as pairs of neighbouring rows. Cost an entry and plane: packing, and
/// sixteen multiply-adds; an output costs an [`assemble`].
pub(super) fn bind_rows<F: Montgomery, T: Element>(
    isa: Isa,
    planes: Planes<impl Fn(T) -> i128 + Copy + Sync>,
    m: &[T],
    weight: &[F],
    out: &mut [F],
) {
    let (rows, cols) = (weight.len(), out.len());
    bind(isa, &Rows { m, rows, cols, planes }, weight, out);
}

/// `out[r] = sum_c m[r][c] * weight[c]`.
///
/// Like [`bind_rows`], but pairs are neighbours in memory, so packing is a widening copy of rows.
pub(super) fn bind_cols<F: Montgomery, T: Element>(
    isa: Isa,
    planes: Planes<impl Fn(T) -> i128 + Copy + Sync>,
    m: &[T],
    weight: &[F],
    out: &mut [F],
) {
    let (rows, cols) = (out.len(), weight.len());
    bind(isa, &Cols { m, rows, cols, planes }, weight, out);
}

/// How a matrix is packed for the tiles.
trait Pack: Sync {
    /// The number of planes of an entry.
    const PLANES: usize;
    /// How the pairs of an output lie in the packed block.
    const STRIDES: Strides;
    /// Packs plane `K` of the pairs `steps` of the outputs from `first` on, at most [`BLOCK`].
    fn pack<const K: usize>(&self, first: usize, steps: Range<usize>, packed: &mut [Pair]);

    /// The same with the plane as a value.
    fn pack_plane(&self, plane: usize, first: usize, steps: Range<usize>, packed: &mut [Pair]) {
        match plane {
            0 => self.pack::<0>(first, steps, packed),
            1 => self.pack::<1>(first, steps, packed),
            2 => self.pack::<2>(first, steps, packed),
            3 => self.pack::<3>(first, steps, packed),
            4 => self.pack::<4>(first, steps, packed),
            5 => self.pack::<5>(first, steps, packed),
            6 => self.pack::<6>(first, steps, packed),
            _ => self.pack::<7>(first, steps, packed),
        }
    }
}

/// A matrix whose rows are summed.
struct Rows<'a, T, V> {
    m: &'a [T],
    rows: usize,
    cols: usize,
    planes: Planes<V>,
}

impl<T: Element, V: Fn(T) -> i128 + Copy + Sync> Pack for Rows<'_, T, V> {
    const PLANES: usize = size_of::<T>();
    const STRIDES: Strides = Strides { row: 1, pair: BLOCK };

    fn pack<const K: usize>(&self, first: usize, steps: Range<usize>, packed: &mut [Pair]) {
        let width = BLOCK.min(self.cols - first);
        let row = |r: usize| &self.m[r * self.cols + first..][..width];
        for (k, packed) in steps.zip(packed.chunks_exact_mut(BLOCK)) {
            let even = row(2 * k);
            if 2 * k + 1 < self.rows {
                for ((pair, &even), &odd) in packed.iter_mut().zip(even).zip(row(2 * k + 1)) {
                    *pair = [self.planes.plane::<K, T>(even), self.planes.plane::<K, T>(odd)];
                }
            } else {
                for (pair, &even) in packed.iter_mut().zip(even) {
                    *pair = [self.planes.plane::<K, T>(even), 0];
                }
            }
        }
    }
}

/// A matrix whose columns are summed.
struct Cols<'a, T, V> {
    m: &'a [T],
    rows: usize,
    cols: usize,
    planes: Planes<V>,
}

impl<T: Element, V: Fn(T) -> i128 + Copy + Sync> Pack for Cols<'_, T, V> {
    const PLANES: usize = size_of::<T>();
    const STRIDES: Strides = Strides { row: STEP, pair: 1 };

    fn pack<const K: usize>(&self, first: usize, steps: Range<usize>, packed: &mut [Pair]) {
        let from = 2 * steps.start;
        let width = (2 * steps.end).min(self.cols) - from;
        for (r, packed) in (first..self.rows).zip(packed.chunks_exact_mut(STEP)) {
            let packed = packed.as_flattened_mut();
            let row = &self.m[r * self.cols + from..][..width];
            for (packed, &entry) in packed.iter_mut().zip(row) {
                *packed = self.planes.plane::<K, T>(entry);
            }
            packed[width..].fill(0);
        }
    }
}

/// The products of a matrix with the digits of `weight`, put together.
fn bind<F: Montgomery, M: Pack>(isa: Isa, m: &M, weight: &[F], out: &mut [F]) {
    let digits = panel(weight);
    // Jobs split the outputs; if that gives too few, also the sums.
    let blocks = out.len().div_ceil(BLOCK);
    let jobs = (4 * rayon::current_num_threads()).div_ceil(blocks.max(1));
    let share = digits.len().div_ceil(jobs).next_multiple_of(STEP).max(STEP);

    let partial = |first: usize, count: usize, share: usize, digits: &[[Pair; COLS]]| {
        let mut sums: Vec<Sums> = vec![[0; COLS]; count * M::PLANES];
        let mut packed = vec![[0; 2]; BLOCK * STEP];
        for (step, digits) in digits.chunks(STEP).enumerate() {
            let from = share + step * STEP;
            for plane in 0..M::PLANES {
                m.pack_plane(plane, first, from..from + digits.len(), &mut packed);
                for (k, sums) in sums.chunks_mut(ROWS * M::PLANES).enumerate() {
                    let tile = isa.tile(&packed[k * ROWS * M::STRIDES.row..], M::STRIDES, digits);
                    add_tile(sums.iter_mut().skip(plane).step_by(M::PLANES), &tile);
                }
            }
        }
        sums
    };
    out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
        let zero = || vec![[0; COLS]; out.len() * M::PLANES];
        let shares = digits.par_chunks(share).enumerate();
        let sums = shares.map(|(k, digits)| partial(block * BLOCK, out.len(), k * share, digits));
        let sums = sums.reduce(zero, |mut a, b| {
            a.as_flattened_mut().iter_mut().zip(b.as_flattened()).for_each(|(a, b)| *a += b);
            a
        });
        out.iter_mut().zip(sums.chunks(M::PLANES)).for_each(|(out, sums)| *out = assemble(sums));
    });
}

/// Adds the first rows of a tile to wider sums.
fn add_tile<'a>(sums: impl Iterator<Item = &'a mut Sums>, tile: &Tile) {
    for (sums, tile) in sums.zip(tile) {
        sums.iter_mut().zip(tile).for_each(|(sum, &tile)| *sum += i64::from(tile));
    }
}

#[cfg(test)]
mod tests {
    use super::super::digits::int_planes;
    use super::*;
    use crate::element::{Fr, Int};
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    fn check<I: Int>(
        isa: Isa,
        rows: usize,
        cols: usize,
        entry: impl FnMut() -> I,
        weight: impl FnMut() -> Fr,
    ) {
        let (mut entry, mut weight) = (entry, weight);
        let m: Vec<I> = (0..rows * cols).map(|_| entry()).collect();
        let field = |r: usize, c: usize| -> Fr { m[r * cols + c].to_field() };
        let left: Vec<Fr> = (0..rows).map(|_| weight()).collect();
        let right: Vec<Fr> = (0..cols).map(|_| weight()).collect();
        // Garbage that must be overwritten.
        let (mut by_rows, mut by_cols) = (vec![Fr::ONE; cols], vec![Fr::ONE; rows]);
        bind_rows(isa, int_planes(), &m, &left, &mut by_rows);
        bind_cols(isa, int_planes(), &m, &right, &mut by_cols);
        for (c, out) in by_rows.into_iter().enumerate() {
            assert_eq!(
                out,
                (0..rows).map(|r| left[r] * field(r, c)).sum(),
                "{isa:?} {rows} x {cols}, column {c}"
            );
        }
        for (r, out) in by_cols.into_iter().enumerate() {
            assert_eq!(
                out,
                (0..cols).map(|c| right[c] * field(r, c)).sum(),
                "{isa:?} {rows} x {cols}, row {r}"
            );
        }
    }

    /// The weight whose digits are all as negative as they get, so that sums are as large as they get.
    fn extreme() -> Fr {
        Fr::from_limbs([
            0x7fff_7fff_7fff_8000,
            0x7fff_7fff_7fff_7fff,
            0x7fff_7fff_7fff_7fff,
            0x1fff_7fff_7fff_7fff,
        ])
    }

    #[test]
    fn every_shape_is_the_definition() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let mut words = rng.clone();
        for isa in Isa::available() {
            for (rows, cols) in
                [(0, 0), (0, 3), (3, 0), (1, 1), (2, 1), (1, 2), (3, 5), (8, 16), (9, 65), (64, 64)]
            {
                check(isa, rows, cols, || words.next_u32() as i8, || Fr::rand(&mut rng));
            }
            for (rows, cols) in [(257, 3), (3, 257), (300, 70), (70, 513), (2000, 1), (1, 2000)] {
                check(isa, rows, cols, || words.next_u32() as i8, || Fr::rand(&mut rng));
                check(isa, rows, cols, || words.next_u32() as i32, || Fr::rand(&mut rng));
            }
        }
    }

    #[test]
    fn extremes_neither_wrap_nor_lose_signs() {
        for isa in Isa::available() {
            for weight in [extreme(), -Fr::ONE, Fr::ZERO, -Fr::from_limbs([1, 0, 0, 0])] {
                for (rows, cols) in [(515, 3), (3, 515)] {
                    check(isa, rows, cols, || i8::MIN, || weight);
                    check(isa, rows, cols, || u8::MAX, || weight);
                    check(isa, rows, cols, || i16::MIN, || weight);
                    check(isa, rows, cols, || u16::MAX, || weight);
                    check(isa, rows, cols, || i32::MIN, || weight);
                    check(isa, rows, cols, || u32::MAX, || weight);
                    check(isa, rows, cols, || i64::MIN, || weight);
                    check(isa, rows, cols, || u64::MAX, || weight);
                    check(isa, rows, cols, || -1i32, || weight);
                }
            }
        }
    }

    #[test]
    fn every_number_of_threads_gives_the_same() {
        for threads in [1, 2, 3, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut rng = ChaCha20Rng::seed_from_u64(5);
                let mut words = rng.clone();
                check(Isa::detect(), 1500, 70, || words.next_u32() as i16, || Fr::rand(&mut rng));
                check(Isa::detect(), 70, 1500, || words.next_u32() as u8, || Fr::rand(&mut rng));
            });
        }
    }
}
