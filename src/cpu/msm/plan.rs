//! How a sum is computed: the choice of digits, by a model of its cost.
//!
//! With *buckets*, digits of `c` bits send each point to the bucket of its digit's magnitude; digits that are applied
//! to different precomputed multiples `2^(s j) P` but stand at the same place share a set of buckets. With `N` non-zero
//! digits in a set that fall in `U` different buckets, the buckets take `N - U` additions and their weighted sum (see
//! [`reduce`](super::reduce)) `2 U` more, so
//!
//! ```text
//! cost(c) = sum over sets ( N + BUCKET U ) + READ * (digits read) + SET * sets + doublings at the end,
//! ```
//!
//! where `BUCKET` is 1 if nothing but additions counts, and the rest depends on the tier ([`Costs`]). `N` is known from how many scalars have which number of bits ([`Sizes`]), so small scalars among large ones cost what
//! their own size costs. `U` is the expected number for random digits. Splitting the points in `R` ranges, for more
//! parallel tasks, replaces `U` by the sum over the ranges; where sets are no multiple of the threads, those left over may be
//! split further.
//!
//! With *multiples*, tables of `m 2^(8 j) P` for `m = 1..128`, each digit of 8 bits is an addition and nothing else.

use super::digits::{Digit, Sizes};
use super::sort::{MAX_DIGITS, MAX_WIDTH};

/// Costs in units of a batched affine addition on G1, as orders of magnitude: choices that they hardly tell apart
/// take about the same time.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// Reading, counting and sorting a digit.
    pub read: f64,
    /// A bucket that is used, all its additions in the weighted sum included, less the addition that its first point saves.
    pub bucket: f64,
    /// The fixed part of a bucket set: small batches at the end of its weighted sum.
    pub set: f64,
    /// Doubling or adding to the projective result.
    pub projective: f64,
    /// An addition whose operands come from a large table.
    pub lookup: f64,
}

impl Costs {
    /// Of the portable sums.
    pub const PORTABLE: Self = Self { read: 0.06, bucket: 1.0, set: 30.0, projective: 2.0, lookup: 1.15 };
    /// Of sums on eight lanes: additions are so much faster that what is between them counts for more.
    pub const LANES: Self = Self { read: 0.2, bucket: 2.5, set: 150.0, projective: 15.0, lookup: 1.15 };
}

/// Multiples of the bases that are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stock {
    /// `copies` lists of the bases: `2^(shift j) P` for `j < copies`.
    pub copies: usize,
    pub shift: u32,
    /// Tables of the multiples `1..=128` of `2^(8 j) P`, for `j < levels`.
    pub levels: usize,
}

/// How one sum is computed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub method: Method,
    /// In ascending order of offsets.
    pub digits: Vec<Digit>,
    /// How many sets of digits there are, and the power of two that belongs to the set `k`: `k stride`.
    pub sets: usize,
    pub stride: u32,
    /// How many ranges the scalars are split in, for the first sets and for the `rest`.
    pub ranges: usize,
    pub rest: usize,
    pub rest_ranges: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Buckets of weights with at most this many bits.
    Buckets(u32),
    /// Look-ups in the tables of multiples.
    Multiples,
}

/// Bits of digits that are looked up.
pub(super) const TABLE_WIDTH: u32 = 8;

impl Plan {
    /// The cheapest plan for scalars of the given sizes on `threads` threads. `None` if all scalars are 0.
    pub fn choose(sizes: &Sizes, stock: Stock, threads: usize, costs: &Costs) -> Option<Self> {
        let bits = sizes.bits();
        if bits == 0 {
            return None;
        }
        let at_least = sizes.at_least();
        let length = sizes.zeros + sizes.nonzero();
        let mut best: Option<(f64, Self)> = None;
        let mut consider = |plan: Self| {
            let cost = plan.cost(&at_least, length, threads, costs);
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, plan));
            }
        };
        // Narrower digits than log2(n) - 6 or wider than log2(n) + 2 are never best.
        let log = length.ilog2();
        let widths = log.saturating_sub(6).clamp(1, 10).min(bits)..=(log + 2).clamp(4, MAX_WIDTH).min(bits);
        for width in widths {
            let (digits, sets) = Self::bucket_digits(bits, width, stock);
            // As many as the sort demands, or some times as many.
            let levels = digits.iter().filter(|digit| digit.set == 0).count();
            let least = length.div_ceil(1 << (MAX_DIGITS / levels).ilog2());
            for factor in [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64] {
                let ranges = factor * least;
                if factor > threads || (factor > 1 && length / ranges < 1024) {
                    break;
                }
                let method = Method::Buckets(width);
                let plan = |rest, rest_ranges| {
                    let digits = digits.clone();
                    Self { method, digits, sets, stride: width, ranges, rest, rest_ranges }
                };
                consider(plan(0, ranges));
                // The sets that are left when each thread has had as many as the others.
                let rest = sets * ranges % threads / ranges;
                if (1..sets).contains(&rest) && length / (ranges * threads) >= 1024 {
                    consider(plan(rest, ranges * threads));
                }
            }
        }
        if stock.levels > 0 {
            let (digits, sets) = Self::table_digits(bits, stock.levels);
            let stride = TABLE_WIDTH * stock.levels as u32;
            let ranges = threads.min(length.div_ceil(1024));
            let (rest, rest_ranges) = (0, ranges);
            consider(Self { method: Method::Multiples, digits, sets, stride, ranges, rest, rest_ranges });
        }
        best.map(|(_, plan)| plan)
    }

    /// How many ranges a set's scalars are split in.
    pub fn ranges(&self, set: usize) -> usize {
        if set < self.sets - self.rest { self.ranges } else { self.rest_ranges }
    }

    /// Digits of `width` bits, from each multiple of `shift` anew.
    fn bucket_digits(bits: u32, width: u32, stock: Stock) -> (Vec<Digit>, usize) {
        let mut digits = Vec::new();
        let mut sets = 0;
        for level in 0..stock.copies {
            let start = stock.shift * level as u32;
            // The highest copy takes all bits above it.
            let end = if level + 1 < stock.copies { bits.min(start + stock.shift) } else { bits };
            for (set, offset) in (start..end).step_by(width as usize).enumerate() {
                let (width, last) = (width.min(end - offset), false);
                digits.push(Digit { offset, width, last, level, set });
                sets = sets.max(set + 1);
            }
        }
        if let Some(digit) = digits.last_mut() {
            digit.last = true;
        }
        (digits, sets)
    }

    /// Bytes; those of a block of `levels` bytes are looked up together.
    fn table_digits(bits: u32, levels: usize) -> (Vec<Digit>, usize) {
        let count = bits.div_ceil(TABLE_WIDTH);
        let digit = |k: u32| {
            let offset = k * TABLE_WIDTH;
            let (level, set) = (k as usize % levels, k as usize / levels);
            Digit { offset, width: TABLE_WIDTH.min(bits - offset), last: k + 1 == count, level, set }
        };
        ((0..count).map(digit).collect(), (count as usize).div_ceil(levels))
    }

    /// The time on `threads` threads by the model above.
    fn cost(&self, at_least: &[usize; 256], length: usize, threads: usize, costs: &Costs) -> f64 {
        let mut nonzero = [0.0; 256];
        for digit in &self.digits {
            // A digit is 0 if the scalar is below half of its place.
            let reached = at_least[digit.offset as usize] as f64;
            nonzero[digit.set] += reached * (1.0 - 0.5f64.powi(digit.width as i32));
        }
        let reads = costs.read * (self.digits.len() * length) as f64;
        let top_shift = self.stride as usize * (self.sets - 1);
        match self.method {
            Method::Multiples => {
                let work = costs.lookup * nonzero[..self.sets].iter().sum::<f64>() + reads;
                work / threads as f64 + costs.projective * (top_shift + self.sets * self.ranges) as f64
            }
            Method::Buckets(width) => {
                let buckets = 0.5 * f64::from(1u32 << width);
                let set = |(k, &n): (usize, &f64)| {
                    let ranges = self.ranges(k) as f64;
                    let n = n / ranges;
                    // buckets (1 - e^(-n / buckets)) up to 10 %, without the exponential.
                    let load = n / buckets;
                    let used = buckets * (load + 0.5 * load * load) / (1.0 + load + 0.5 * load * load);
                    ranges * (n + costs.bucket * used)
                };
                let work = nonzero[..self.sets].iter().enumerate().map(set).sum::<f64>() + reads;
                let whole = (self.sets - self.rest) * self.ranges;
                let tasks = whole + self.rest * self.rest_ranges;
                let work = work + costs.set * tasks as f64;
                // Equal tasks on threads: the last round may leave threads idle.
                let rounds = (whole.div_ceil(threads) * threads) as f64 / whole as f64;
                let terms = tasks * width as usize;
                work * rounds / threads as f64
                    + costs.projective * (top_shift + width as usize + terms) as f64
            }
        }
    }
}
