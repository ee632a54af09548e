//! How a multi-scalar multiplication is cut: into multiples of the bases, digits, passes over items and parts of scalars.
//!
//! Costs are in multiplications of the points' coordinates: a mixed addition is 10, a full one 14, a doubling 9.

use std::ops::Range;

/// The sizes that the kernels are compiled with, as `kernels/tuning/msm.cuh` has them.
pub(super) mod tuning {
    pub const DIGIT_THREADS: u32 = 256;
    pub const SORT_BITS: u32 = 8;
    pub const SORT_THREADS: u32 = 256;
    pub const SORT_TILE: usize = 4096;
    pub const ACCUMULATE_THREADS: u32 = 128;
    pub const COMBINE_BYTES: usize = 32768;
    pub const POINT_THREADS: u32 = 64;
}
use tuning::*;

/// No scalar of the group's order has a magnitude above this power of two: the nearest representative is below `r / 2`.
pub(super) const ORDER_BITS: u32 = 253;

/// The widest digit: its buckets are memory, and more do not pay.
const MAX_BITS: u32 = 22;

/// The most tables of multiples.
const MAX_SLICES: u32 = 64;

/// The fewest entries a thread adds up. Each thread leaves two points behind to combine, but fewer threads leave multiprocessors
/// idle.
pub(super) const MIN_SHARE: usize = 8;

/// Parts of fewer scalars than this are not worth the memory they save.
const MIN_PART: usize = 1024;

/// Budgets below this are not worth another try.
pub(super) const MIN_BUDGET: usize = 1 << 16;

/// Which multiples of the bases there are: `2^(slice_bits j) P_i` for `j < slices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tables {
    pub len: usize,
    pub slices: u32,
    pub slice_bits: u32,
}

impl Tables {
    /// The bases alone.
    pub fn single(len: usize) -> Self {
        Self::sliced(len, 1)
    }

    fn sliced(len: usize, slices: u32) -> Self {
        Self { len, slices, slice_bits: (ORDER_BITS + 1).div_ceil(slices) }
    }

    /// What makes sums of full-width scalars cheapest, within `budget` bytes of multiples.
    pub fn choose(len: usize, point_bytes: usize, budget: usize) -> Self {
        let kept = 1 + budget / (len * point_bytes).max(1);
        let addressable = (1 << 31) / len.max(1);
        let most = kept.min(addressable).clamp(1, MAX_SLICES as usize) as u32;
        let cost = |tables: &Self| Digits::choose(ORDER_BITS, *tables, 1, len, usize::MAX).1;
        // The first of equals, which has the fewest tables.
        let mut best = Self::single(len);
        for slices in 2..=most {
            let tables = Self::sliced(len, slices);
            if cost(&tables) < cost(&best) {
                best = tables;
            }
        }
        best
    }

    /// Half as many multiples.
    pub fn halved(&self) -> Self {
        Self::sliced(self.len, self.slices.div_ceil(2))
    }
}

/// How magnitudes are cut into signed digits of `bits` bits: `windows` of them from each of `slices` slices of `slice_bits` bits,
/// the last of a slice being shorter if need be. Slices differ in the multiples they belong to, and share buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    pub bits: u32,
    pub windows: u32,
    pub slice_bits: u32,
    pub slices: u32,
}

impl Digits {
    /// For scalars of magnitude at most `2^magnitude`. The last digit has room for the carry: it has at most
    /// `magnitude + 1` bits above it.
    fn new(magnitude: u32, tables: Tables, bits: u32) -> Self {
        let all = magnitude + 1;
        let slices = all.div_ceil(tables.slice_bits);
        debug_assert!(slices <= tables.slices);
        let slice_bits = tables.slice_bits.min(all);
        let bits = bits.min(slice_bits);
        Self { bits, windows: slice_bits.div_ceil(bits), slice_bits, slices }
    }

    /// The cheapest digits, and their cost, whose buckets of one item take no more than `buckets` buckets if there are such.
    fn choose(magnitude: u32, tables: Tables, items: usize, scalars: usize, buckets: usize) -> (Self, f64) {
        let candidates = (1..=MAX_BITS).map(|bits| Self::new(magnitude, tables, bits));
        let costs = candidates
            .filter(|digits| digits.bits == 1 || digits.buckets() <= buckets)
            .map(|digits| (digits, digits.cost(items, scalars)));
        costs.fold((Self::new(magnitude, tables, 1), f64::INFINITY), |best, next| {
            if next.1 < best.1 { next } else { best }
        })
    }

    /// Digits of one scalar.
    pub fn per_scalar(&self) -> usize {
        (self.slices * self.windows) as usize
    }

    /// Buckets of one item.
    pub fn buckets(&self) -> usize {
        (self.windows as usize) << (self.bits - 1)
    }

    fn cost(&self, items: usize, scalars: usize) -> f64 {
        let (items, windows) = (items as f64, f64::from(self.windows));
        let entries = scalars as f64 * self.per_scalar() as f64;
        // Sorting costs little, but a short digit in place of a long one is not free.
        let additions = 10.5 * entries;
        let buckets = items * self.buckets() as f64;
        let filled = buckets * -f64::exp_m1(-entries / buckets.max(1.0));
        let reduction = 14.0 * (filled + 1.2 * buckets);
        let horner = items * windows * (14.0 + 9.0 * f64::from(self.bits));
        additions + reduction + horner
    }
}

/// One pass: some items of the batch with all their buckets, and their scalars part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    pub digits: Digits,
    /// Of the batch.
    pub items: Range<usize>,
    /// The sum of the items' lengths.
    pub scalars: usize,
    /// Scalars that are cut into digits and sorted at a time.
    pub part: usize,
    /// How many threads the device runs at a time.
    threads: usize,
    /// The most threads that add entries up: no more than there is memory for what they leave behind.
    adders: usize,
    /// Bytes of a point in XYZZ coordinates.
    point_bytes: usize,
}

impl Pass {
    /// The pass over the first of the items from `start` on, with `budget` bytes of memory or, where that is not enough for
    /// anything, as little as can be. `threads` is how many the device runs at a time.
    pub fn plan(
        magnitude: u32,
        tables: Tables,
        lengths: &[usize],
        start: usize,
        budget: usize,
        threads: usize,
        point_bytes: usize,
    ) -> Self {
        let rest = &lengths[start..];
        let scalars: usize = rest.iter().sum();
        // Half for the buckets and what they are reduced to, half for entries and what threads leave of them.
        let half = budget / 2;
        let bucket_bytes = 3 * point_bytes;
        let (digits, _) =
            Digits::choose(magnitude, tables, rest.len(), scalars, (half / bucket_bytes).min(1 << 31));
        let keys = (u32::MAX as usize - 1) / digits.buckets();
        let items = (half / bucket_bytes / digits.buckets()).min(keys).clamp(1, rest.len());
        let scalars: usize = rest[..items].iter().sum();
        let part = (half / 18 / digits.per_scalar()).max(MIN_PART);
        let part = part.min((1 << 31) / digits.per_scalar()).min(scalars);
        let slot_bytes = point_bytes + size_of::<u32>();
        let adders = threads.min(half / 8 / (2 * slot_bytes)).max(ACCUMULATE_THREADS as usize);
        Self { digits, items: start..start + items, scalars, part, threads, adders, point_bytes }
    }

    pub fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (part, scalars) = (self.part, self.scalars);
        (0..scalars).step_by(part.max(1)).map(move |first| first..scalars.min(first + part))
    }

    /// Bytes of a point in XYZZ coordinates.
    pub fn point_bytes(&self) -> usize {
        self.point_bytes
    }

    /// The key of no bucket.
    pub fn none(&self) -> u32 {
        self.buckets() as u32
    }

    pub fn buckets(&self) -> usize {
        self.items.len() * self.digits.buckets()
    }

    /// Sums of windows.
    pub fn windows(&self) -> usize {
        self.items.len() * self.digits.windows as usize
    }

    /// Entries of a part of so many scalars.
    pub fn entries(&self, scalars: usize) -> usize {
        scalars * self.digits.per_scalar()
    }

    /// The sort's digits: shift and bits.
    pub fn sort_passes(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let key = 32 - self.none().leading_zeros();
        let passes = key.div_ceil(SORT_BITS);
        let bits = key.div_ceil(passes);
        (0..passes).map(move |pass| (pass * bits, bits))
    }

    /// Blocks that add up so many entries.
    pub fn accumulate_blocks(&self, entries: usize) -> u32 {
        let threads = entries.div_ceil(MIN_SHARE).min(self.adders);
        threads.div_ceil(ACCUMULATE_THREADS as usize).max(1) as u32
    }

    /// The fewest entries a thread is given.
    pub fn share(&self) -> u32 {
        MIN_SHARE as u32
    }

    /// Slots that so many entries leave behind.
    pub fn slots(&self, entries: usize) -> usize {
        2 * (self.accumulate_blocks(entries) * ACCUMULATE_THREADS) as usize
    }

    /// Threads of a block that combines slots.
    pub fn combine_threads(&self) -> u32 {
        (COMBINE_BYTES / self.point_bytes) as u32
    }

    /// How the buckets are reduced: the logarithms of the number of inputs of a node, level by level.
    ///
    /// The first level costs two additions a bucket, the others three a node: so many buckets a node as leave the device enough
    /// threads. Later levels are short of threads anyway, and few inputs keep them short.
    pub fn levels(&self) -> Vec<u32> {
        let mut left = self.digits.bits - 1;
        let mut levels = Vec::new();
        let spare = (self.buckets() / self.threads.max(1)).checked_ilog2().unwrap_or(0);
        let first = left.min(spare.clamp(3, 5));
        levels.push(first);
        left -= first;
        while left > 0 {
            let next = left.min(2);
            levels.push(next);
            left -= next;
        }
        levels
    }

    /// Nodes that the first level of the reduction leaves.
    pub fn nodes(&self) -> usize {
        self.buckets() >> self.levels()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G1: usize = 128;

    fn pass(magnitude: u32, tables: Tables, lengths: &[usize], budget: usize) -> Pass {
        Pass::plan(magnitude, tables, lengths, 0, budget, 1 << 16, G1)
    }

    #[test]
    fn digits_hold_every_magnitude_and_its_carry() {
        for slices in 1..=MAX_SLICES {
            let tables = Tables::sliced(1, slices);
            assert!(tables.slices * tables.slice_bits > ORDER_BITS);
            for magnitude in [7, 8, 15, 16, 31, 32, 63, 64, ORDER_BITS] {
                for bits in 1..=MAX_BITS {
                    let digits = Digits::new(magnitude, tables, bits);
                    assert!(digits.slices <= tables.slices, "{digits:?}");
                    assert!(digits.slices * digits.slice_bits > magnitude, "{digits:?}");
                    assert!(digits.windows * digits.bits >= digits.slice_bits, "{digits:?}");
                    assert!((digits.windows - 1) * digits.bits < digits.slice_bits, "{digits:?}");
                    assert!(digits.slices == 1 || digits.slice_bits == tables.slice_bits, "{digits:?}");
                }
            }
        }
    }

    #[test]
    fn narrow_scalars_cost_their_width() {
        let long = pass(7, Tables::single(1 << 20), &[1 << 20], usize::MAX);
        assert_eq!((long.digits.windows, long.digits.slices), (1, 1));
        assert!(long.digits.bits <= 8);
        let full = pass(ORDER_BITS, Tables::single(1 << 20), &[1 << 20], usize::MAX);
        assert!(full.digits.per_scalar() >= 12 * long.digits.per_scalar());
    }

    #[test]
    fn more_budget_means_fewer_digits() {
        let digits = |budget| {
            let tables = Tables::choose(1 << 16, 64, budget);
            assert!((tables.slices as usize - 1) * tables.len * 64 <= budget);
            pass(ORDER_BITS, tables, &[1 << 16], usize::MAX).digits
        };
        let (none, some, all) = (digits(0), digits(3 << 22), digits(usize::MAX));
        assert_eq!(none.slices, 1);
        assert!(some.windows < none.windows && some.bits >= none.bits);
        assert_eq!(all.windows, 1, "{all:?}");
    }

    #[test]
    fn passes_cover_the_batch_within_the_budget() {
        let lengths: Vec<usize> = (0..300).map(|k| k * 37 % 2000).collect();
        for budget in [0, 1 << 16, 1 << 22, 1 << 26, usize::MAX] {
            let mut next = 0;
            while next < lengths.len() {
                let pass = Pass::plan(ORDER_BITS, Tables::single(2000), &lengths, next, budget, 1 << 16, G1);
                assert_eq!(pass.items.start, next);
                assert!(pass.items.end > next);
                next = pass.items.end;
                assert_eq!(pass.scalars, lengths[pass.items.clone()].iter().sum::<usize>());
                let covered = pass.parts().fold(0, |end, part| {
                    assert_eq!(part.start, end);
                    assert!(part.end > end && part.len() <= pass.part);
                    part.end
                });
                assert_eq!(covered, pass.scalars);
                assert_eq!(pass.levels().iter().sum::<u32>(), pass.digits.bits - 1);
                if budget >= 1 << 22 {
                    assert!(pass.buckets().saturating_mul(3 * G1) <= budget / 2);
                    assert!(pass.slots(pass.entries(pass.part)) * G1 <= budget / 8);
                }
                let (shift, bits) = pass.sort_passes().last().unwrap_or_default();
                assert!(bits <= SORT_BITS && shift + bits <= 32 && pass.none() >> shift >> (bits - 1) <= 1);
            }
        }
    }
}
