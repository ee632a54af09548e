//! A pass: `8 G` transforms abreast, from memory to memory.

use ark_ff::FftField;

use super::butterflies::{Range, first_levels, later_levels};
use super::factors::{TWISTED, Twist};
use super::place::{Elements, Place, Tiles, prefetch_lines};
use super::reverse;
use crate::cpu::field::ifma::*;

/// How many steps of the loading loop, four rows each, its prefetches run ahead.
const AHEAD: usize = 8;
/// How many rows the storing loop's prefetches run ahead. Not more: with many pages between the rows, the processor would have
/// forgotten where they are.
const AHEAD_OF_STORES: usize = 8;
/// Cache lines of the tiles, and of the tables, to ask for during a multiplication. More at once would wait for each other.
const LINES: usize = 4;
/// Transforms of more levels would lose the tiles from the second-level cache before they write them; they ask for one at a time.
const MAX_EARLY: u32 = 9;
/// Just scaled elements are below this multiple of `p`.
const SCALED: usize = 2;

/// `8 G` transforms of `2^levels` elements.
pub(super) struct Pass<'a, F, P, const G: usize> {
    pub(super) levels: u32,
    pub(super) from: P,
    /// Whether element `i` lies at the reversed index.
    pub(super) from_reversed: bool,
    /// The inverse transform is the forward one with output `i` at `-i`.
    pub(super) inverse: bool,
    pub(super) roots: &'a [Prepared<F>],
    /// By input.
    pub(super) scale: Option<&'a [Prepared<F>]>,
}

/// Where the results of a last pass go.
pub(super) struct Output<'a, F, P> {
    pub(super) to: P,
    /// Whether element `i` lies at the reversed index.
    pub(super) reversed: bool,
    /// By output.
    pub(super) scale: Option<&'a [Prepared<F>]>,
}

impl<F: Modulus + FftField, P: Place<G>, const G: usize> Pass<'_, F, P, G> {
    /// To canonical elements.
    ///
    /// # Safety
    ///
    /// `from` can be read and `output.to` written at `0..2^levels`.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(super) unsafe fn run<Q: Elements<G>>(&self, buffer: &mut Vec<Columns>, output: &Output<'_, F, Q>) {
        // Canonical values are found from columns that may be negative if the value is `p` or more.
        // SAFETY: the caller's promise.
        let rows = unsafe { self.transform(buffer, 1, || {}) };
        let place = |i| if output.reversed { reverse(i, self.levels) } else { i };
        for i in 0..rows.len() {
            output.to.prefetch(place(i + AHEAD_OF_STORES));
            let row = &rows[self.output(i)];
            for (g, value) in row.iter().enumerate() {
                let limbs = match output.scale {
                    Some(scale) => {
                        let value = Factor::<F, MAX_BOUND>::from_limbs(carry_unmasked(value));
                        scale[i].mul(&value).canonical().into_limbs()
                    }
                    None => canonical_columns::<F, true>(value),
                };
                // SAFETY: the index is below `2^levels`.
                unsafe { output.to.write::<F>(place(i), g, &limbs) };
            }
        }
    }

    /// To tiles, multiplied by what `twists` say: the pass's transforms are `8 G` neighbouring `k2`, and vector `k2` of tile `i1 / 8`
    /// has the `i1` in its lanes, in `LANE_ORDER`. `to.origin` is the vector of the first `k2` in the first tile, `to.stride` from
    /// a tile to the next.
    ///
    /// # Safety
    ///
    /// `from` can be read at `0..2^levels` and the vectors of all tiles written.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(super) unsafe fn run_to_tiles(
        &self,
        buffer: &mut Vec<Columns>,
        to: Tiles,
        mut twists: [Twist<'_, F>; G],
    ) {
        const { assert!(product_bound(TWISTED, Twist::<F>::BOUND) <= <Tiles as Place<G>>::BOUND) };
        debug_assert!(self.range(0).bound(self.levels) <= TWISTED);
        let vectors = |tile: usize| to.origin.wrapping_add(tile * to.stride);
        let tables = twists.each_ref().map(|twist| match twist {
            Twist::Table(factors) => factors,
            Twist::Powers(_) => &[][..],
        });
        let early = self.levels <= MAX_EARLY;
        let mut calls = 0;
        let meanwhile = || {
            let (tile, line) = (LINES * calls / (8 * G * 5), LINES * calls % (8 * G * 5));
            if early && tile < (1 << self.levels) / 8 {
                prefetch_lines(vectors(tile).cast::<u64>().wrapping_add(8 * line), LINES);
            }
            for table in tables {
                if LINES * calls < G * 5 * table.len() {
                    let line = LINES / G * calls;
                    prefetch_lines(table.as_ptr().cast::<u64>().wrapping_add(8 * line), LINES / G);
                }
            }
            calls += 1;
        };
        // SAFETY: the caller's promise.
        let rows = unsafe { self.transform(buffer, 0, meanwhile) };
        for tile in 0..rows.len() / 8 {
            if !early {
                prefetch_lines(vectors(tile + 1).cast(), 8 * G * 5);
            }
            let vectors = vectors(tile);
            for g in 0..G {
                let mut values = [rows[0][g]; 8];
                for (value, lane) in values.iter_mut().zip(LANE_ORDER) {
                    *value = rows[self.output(8 * tile + lane)][g];
                }
                twists[g].apply(tile, &mut values);
                for limb in 0..5 {
                    let mut words = [values[0][0]; 8];
                    for (word, value) in words.iter_mut().zip(&values) {
                        *word = value[limb];
                    }
                    let words = transpose(&words);
                    for (word, lane) in words.iter().zip(LANE_ORDER) {
                        // SAFETY: the caller's promise.
                        unsafe { (*vectors.wrapping_add(8 * g + lane))[limb] = *word };
                    }
                }
            }
        }
    }

    fn range(&self, floor: usize) -> Range {
        Range::new(self.levels, P::BOUND.max(SCALED), floor)
    }

    /// Where output `i` is in the buffer.
    #[inline(always)]
    fn output(&self, i: usize) -> usize {
        if self.inverse { i.wrapping_neg() & ((1 << self.levels) - 1) } else { i }
    }

    /// All levels, in the buffer. Results are at least `floor p`.
    ///
    /// # Safety
    ///
    /// `from` can be read.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn transform<'b>(
        &self,
        buffer: &'b mut Vec<Columns>,
        floor: usize,
        mut meanwhile: impl FnMut(),
    ) -> &'b mut [[Columns; G]] {
        let n = 1 << self.levels;
        buffer.resize(buffer.len().max(n * G), broadcast(&[0; 5]));
        let rows = &mut buffer.as_chunks_mut().0[..n];
        // SAFETY: the caller's promise.
        unsafe {
            if self.scale.is_some() {
                self.fill::<true>(rows, self.range(floor));
            } else {
                self.fill::<false>(rows, self.range(floor));
            }
        }
        later_levels(rows, self.roots, &mut meanwhile);
        rows
    }

    /// Reads the inputs and runs the first two levels.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    #[allow(clippy::needless_range_loop, reason = "the vector is an index of inputs and outputs")]
    unsafe fn fill<const SCALE: bool>(&self, rows: &mut [[Columns; G]], range: Range) {
        let quarter_root = &self.roots[self.roots.len() / 2];
        let n = rows.len();
        // In natural order two blocks of four come from neighbouring rows, which may share cache lines.
        let indices = |i: usize| {
            if self.from_reversed {
                [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]
            } else {
                [i, i + n / 2, i + n / 4, i + 3 * n / 4]
            }
        };
        for i in 0..n / 4 {
            for index in indices(i + AHEAD) {
                self.from.prefetch(index);
            }
            let block = if self.from_reversed { i } else { reverse(i, self.levels - 2) };
            let to = &mut rows[4 * block..4 * block + 4];
            for g in 0..G {
                let [a, b, c, d] = indices(i);
                // SAFETY: all indices are below `n`.
                let mut x = unsafe {
                    let [a, b] = [self.from.read::<F>(a, g), self.from.read::<F>(b, g)];
                    [a, b, self.from.read::<F>(c, g), self.from.read::<F>(d, g)]
                };
                if SCALE && let Some(scale) = self.scale {
                    for (x, index) in x.iter_mut().zip(indices(i)) {
                        let product = scale[index].mul(&Factor::<F, 1>::from_limbs(*x));
                        *x = product.reduce().into_limbs();
                    }
                }
                let [a, b, c, d] = first_levels(&x, quarter_root, range);
                (to[0][g], to[1][g], to[2][g], to[3][g]) = (a, b, c, d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::butterflies::MAX_LEVELS;
    use super::*;

    /// The ranges hold up to the longest transform, which the tests of transforms do not reach.
    #[test]
    fn ranges_fit() {
        for levels in 3..=MAX_LEVELS {
            assert!(Range::new(levels, SCALED, 0).bound(levels) <= TWISTED);
            assert!(Range::new(levels, <Tiles as Place<1>>::BOUND, 1).bound(levels) <= MAX_BOUND);
        }
    }
}
