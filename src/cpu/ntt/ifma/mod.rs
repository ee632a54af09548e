//! The number-theoretic transform on eight lanes.
//!
//! **One long transform** of `n = n1 n2` elements is the four-step method (Bailey, *FFTs in external or hierarchical memory*,
//! 1990). With `k = k1 n2 + k2` and `i = i1 + n1 i2`,
//!
//! ```text
//! y[i1 + n1 i2] = sum_k2 v^(i2 k2) ( w^(i1 k2) sum_k1 u^(i1 k1) x[k1 n2 + k2] ),   u = w^n2, v = w^n1.
//! ```
//!
//! Both sums are transforms of about `sqrt n` elements, sixteen of them abreast (lanes are `k2` in the first pass, `i1` in
//! the second) in a buffer that fits the second-level cache. Roots are uniform across lanes, so they are prepared constants.
//! The factors `w^(i1 k2)` differ by lane: they come from a table, or are powers computed along the way if the table would be too
//! large or has to contain a coset's powers. The first pass leaves its results, unreduced columns, in *tiles*, `eight i1 x all k2`,
//! so that the second reads contiguously. Bit-reversed order costs nothing: in that order the same matrix lies row by row, and a
//! pass gathers from as many rows as it has lanes. The inverse transform is the forward one with the output index
//! negated. Scaling by `1/n` and by the coset's powers in the index that is a lane rides on the factors; by the other index
//! it is one prepared product an element.
//!
//! **Many short transforms**: lanes are transforms, and nothing but the levels remains.
//!
//! Cost, for one of `n` elements, in instructions on eight lanes: `n/2 log n - 2 n` products by prepared constants of 70, as
//! many additions and subtractions as butterflies of 10, and for an element 17 to load, 140 for its factor and the
//! transposition, 43 to reduce and store; 83 more for a factor that is not in the table.

mod butterflies;
mod factors;
mod pass;
mod place;
mod pool;

use std::sync::OnceLock;

use ark_ff::FftField;
use rayon::prelude::*;

use crate::cpu::field::ifma::*;
use crate::cpu::pages::advise_large;
use crate::ntt::{Direction, Order, Transform};
use butterflies::MAX_LEVELS;
use factors::{Powers, Scale, Twist, powers};
use pass::{Output, Pass};
use place::{Rows, Shared, Side, Tiles};
use pool::Pool;

/// The shortest and the longest transforms this tier takes.
pub(super) const LOG_LENGTHS: std::ops::RangeInclusive<u32> = 3..=2 * MAX_LEVELS;
/// Transforms up to this length are done a lane each, if there are enough.
const MAX_LOG_SHORT: u32 = 10;
/// Transforms up to this length may be worth more lanes than transforms.
const MIN_LOG_LONG: u32 = 6;
/// Transforms up to this length have a table of factors: 40 bytes an element.
const MAX_LOG_TABLE: u32 = 16;
/// Elements from which on a pass is spread over threads.
const PARALLEL: usize = 1 << 11;
/// Longer transforms have a buffer of more than half a second-level cache of 2 MiB if wide, which does not pay.
const MAX_LOG_WIDE: u32 = 20;
/// How many vectors abreast a pass works on if there are enough transforms.
const WIDE: usize = 2;

/// Roots of unity for transforms of `2^log_n` elements of `F`, prepared.
pub struct Domain<F> {
    log_n: u32,
    /// The powers below one half of a root `u` of the longest order that a buffer needs.
    roots: Vec<Prepared<F>>,
    /// `w^k2` and `w^-k2`.
    twists: [Vec<F>; 2],
    /// The factors of forward and inverse transforms, for every eight `k2` all `i1`. Made when first needed.
    factors: [OnceLock<Vec<Columns>>; 2],
    /// The tiles of long transforms.
    tiles: Pool<Vec<Columns>>,
    buffers: Pool<Vec<Columns>>,
}

impl<F: Modulus + FftField> Domain<F> {
    /// Prepares transforms of `2^log_n` elements, or nothing if that is not in [`LOG_LENGTHS`].
    pub(super) fn new(log_n: u32) -> Option<Self> {
        let root = F::get_root_of_unity(1 << log_n).filter(|_| LOG_LENGTHS.contains(&log_n))?;
        let log_buffer = if log_n <= MAX_LOG_SHORT { log_n } else { log_n.div_ceil(2) };
        let u = root.pow([1 << (log_n - log_buffer)]);
        let roots = powers(F::ONE, u, 1 << (log_buffer - 1)).into_iter().map(Prepared::new).collect();
        let twists = if log_n < MIN_LOG_LONG {
            [vec![], vec![]]
        } else {
            let inverse = root.inverse().unwrap_or_else(F::zero);
            [root, inverse].map(|root| powers(F::ONE, root, 1 << (log_n / 2)))
        };
        let factors = [OnceLock::new(), OnceLock::new()];
        Some(Self { log_n, roots, twists, factors, tiles: Pool::new(), buffers: Pool::new() })
    }

    /// The length of the transforms.
    pub(super) fn len(&self) -> usize {
        1 << self.log_n
    }

    /// Transforms items of the domain's length, in place.
    pub(super) fn transform(&self, _: Ifma, transform: &Transform<F>, mut batch: &mut [&mut [F]]) {
        if self.log_n <= MAX_LOG_SHORT {
            let scale = Scale::new(transform, self.log_n, 0);
            let threads = rayon::current_num_threads();
            let wide = batch.len() / (8 * WIDE);
            // Whole groups, and none that keep a thread waiting.
            let wide = if wide < threads { 0 } else { wide / threads * threads };
            let (head, tail) = batch.split_at_mut(wide * 8 * WIDE);
            self.short::<WIDE>(transform, &scale, head);
            let whole = if self.log_n < MIN_LOG_LONG { tail.len() } else { tail.len() / 8 * 8 };
            let (head, tail) = tail.split_at_mut(whole);
            self.short::<1>(transform, &scale, head);
            batch = tail;
        }
        for item in batch {
            // With fewer tasks some threads would go without.
            let tasks = (1 << (self.log_n / 2)) / (8 * WIDE);
            if self.log_n <= MAX_LOG_WIDE && tasks >= 2 * rayon::current_num_threads() {
                self.long::<WIDE>(transform, item);
            } else {
                self.long::<1>(transform, item);
            }
        }
    }

    /// Transforms in groups of `8 G`, the last of which may be smaller.
    fn short<const G: usize>(&self, transform: &Transform<F>, scale: &Scale<F>, batch: &mut [&mut [F]]) {
        let group = |buffer: &mut Vec<Columns>, group: &mut [&mut [F]]| {
            // SAFETY: a transform is given an `Ifma`, which proves the features.
            unsafe { self.short_group::<G>(transform, scale, group, buffer) }
        };
        if batch.len() << self.log_n < PARALLEL {
            let mut buffers = self.buffers.take(Vec::new);
            batch.chunks_mut(8 * G).for_each(|items| group(&mut buffers, items));
        } else {
            let buffers = || self.buffers.take(Vec::new);
            batch.par_chunks_mut(8 * G).for_each_init(buffers, |buffers, items| group(buffers, items));
        }
    }

    /// Up to `8 G` transforms, a lane each.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn short_group<const G: usize>(
        &self,
        transform: &Transform<F>,
        scale: &Scale<F>,
        group: &mut [&mut [F]],
        buffer: &mut Vec<Columns>,
    ) {
        // Lanes without a transform work on a copy of nothing.
        let mut idle = vec![F::zero(); if group.len() < 8 * G { self.len() } else { 0 }];
        let mut rows = [[idle.as_mut_ptr().cast::<u64>(); 8]; G];
        for (row, item) in rows.as_flattened_mut().iter_mut().zip(group) {
            *row = item.as_mut_ptr().cast();
        }
        let reversed = transform.order == Order::BitReversed;
        let inverse = transform.direction == Direction::Inverse;
        let pass = Pass {
            levels: self.log_n,
            from: Rows(rows),
            from_reversed: reversed && inverse,
            inverse,
            roots: &self.roots,
            scale: scale.inputs.as_deref(),
        };
        let reversed = reversed && !inverse;
        let output = Output { to: Rows(rows), reversed, scale: scale.outputs.as_deref() };
        // SAFETY: each row is `n` elements borrowed mutably for this call; idle lanes share one, whose values are
        // 0 before and after, and are not used by other threads.
        unsafe { pass.run(buffer, &output) };
    }

    /// One transform on all lanes and threads.
    fn long<const G: usize>(&self, transform: &Transform<F>, data: &mut [F]) {
        let (log1, log2) = (self.log_n.div_ceil(2), self.log_n / 2);
        let (n1, n2) = (1 << log1, 1 << log2);
        let inverse = transform.direction == Direction::Inverse;
        let reversed = transform.order == Order::BitReversed;
        let scale = Scale::new(transform, self.log_n, log2);
        let table = self.table(transform, &scale);
        let mut tiles = self.tiles.take(|| {
            let mut tiles = Vec::with_capacity(n1 * n2 / 8);
            advise_large(&mut tiles);
            tiles
        });
        let tiles = Shared(tiles.as_mut_ptr());
        let x = Shared(data.as_mut_ptr().cast::<[u64; 4]>());
        let roots = &self.roots[..];

        let first = |buffer: &mut Vec<Columns>, task: usize| {
            let k2 = 8 * G * task;
            let twists = std::array::from_fn(|g| match table {
                Some(table) => Twist::Table(&table[(k2 / 8 + g) * n1..][..n1]),
                // SAFETY: a transform is given an `Ifma`, which proves the features.
                None => Twist::Powers(unsafe { self.powers(k2 + 8 * g, inverse, &scale) }),
            });
            let to = Tiles { origin: tiles.at(k2), stride: n2 };
            let (from_reversed, scale) = (inverse && reversed, scale.inputs.as_deref());
            // SAFETY: as for the features above. `x` is `n1 n2` elements borrowed mutably for this call, and the tiles have room
            // for as many; a task reads columns `k2..k2 + 8 G` of `x`, and writes these vectors of all tiles, and no other
            // task does.
            unsafe {
                if from_reversed {
                    let from = rows::<G>(|transform| x.at(reverse(k2 + transform, log2) * n1));
                    let pass = Pass { levels: log1, from, from_reversed, inverse, roots, scale };
                    pass.run_to_tiles(buffer, to, twists);
                } else {
                    let from = Side { origin: x.at(k2).cast(), stride: n2 };
                    let pass = Pass { levels: log1, from, from_reversed, inverse, roots, scale };
                    pass.run_to_tiles(buffer, to, twists);
                }
            }
        };
        let second = |buffer: &mut Vec<Columns>, task: usize| {
            let i1 = 8 * G * task;
            let from = Tiles { origin: tiles.at(i1 / 8 * n2), stride: n2 };
            let pass =
                Pass::<_, _, G> { levels: log2, from, from_reversed: false, inverse, roots, scale: None };
            let (reversed, scale) = (reversed && !inverse, scale.outputs.as_deref());
            // SAFETY: as in the first pass, which has written all tiles: a task reads `G` tiles and writes what belongs to
            // `i1..i1 + 8 G` of `x`.
            unsafe {
                if reversed {
                    let to = rows::<G>(|transform| x.at(reverse(i1 + transform, log1) * n2));
                    pass.run(buffer, &Output { to, reversed, scale });
                } else {
                    let to = Side { origin: x.at(i1).cast(), stride: n1 };
                    pass.run(buffer, &Output { to, reversed, scale });
                }
            }
        };
        let buffers = || self.buffers.take(Vec::new);
        if data.len() < PARALLEL || rayon::current_num_threads() == 1 {
            let mut buffers = buffers();
            (0..n2 / (8 * G)).for_each(|task| first(&mut buffers, task));
            (0..n1 / (8 * G)).for_each(|task| second(&mut buffers, task));
        } else {
            (0..n2 / (8 * G)).into_par_iter().for_each_init(buffers, |buffers, task| first(buffers, task));
            (0..n1 / (8 * G)).into_par_iter().for_each_init(buffers, |buffers, task| second(buffers, task));
        }
    }

    /// The factors of long transforms, if they are worth keeping.
    fn table(&self, transform: &Transform<F>, scale: &Scale<F>) -> Option<&[Columns]> {
        if transform.coset.is_some() || self.log_n > MAX_LOG_TABLE {
            return None;
        }
        let inverse = transform.direction == Direction::Inverse;
        let table = self.factors[usize::from(inverse)].get_or_init(|| {
            let n1 = 1 << self.log_n.div_ceil(2);
            let mut table = Vec::with_capacity(1 << (self.log_n - 3));
            for k2 in (0..1 << (self.log_n / 2)).step_by(8) {
                // SAFETY: a transform is given an `Ifma`, which proves the features.
                unsafe {
                    let mut powers = self.powers(k2, inverse, scale);
                    table.extend((0..n1).map(|i1| powers.next(i1 % CHAINS)));
                }
            }
            table
        });
        Some(table)
    }

    /// The factors of the eight columns from `k2` on.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn powers(&self, k2: usize, inverse: bool, scale: &Scale<F>) -> Powers<F> {
        let base: [F; 8] = std::array::from_fn(|lane| self.twists[usize::from(inverse)][k2 + lane]);
        Powers::new(&base, k2, scale)
    }
}

/// Rows that begin where the function says, by transform.
fn rows<const G: usize>(start: impl Fn(usize) -> *mut [u64; 4]) -> Rows<G> {
    Rows(std::array::from_fn(|g| LANE_ORDER.map(|lane| start(8 * g + lane).cast())))
}

/// The low `bits` bits of `i` reversed.
#[inline]
fn reverse(i: usize, bits: u32) -> usize {
    if bits == 0 { 0 } else { i.reverse_bits() >> (usize::BITS - bits) }
}

#[cfg(test)]
mod tests;
