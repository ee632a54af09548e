//! The number-theoretic transform on eight lanes.
//!
//! **One long transform** of `n = n1 n2` elements is the four-step method (Bailey, *FFTs in external or hierarchical memory*,
//! 1990). With `k = k1 n2 + k2` and `i = i1 + n1 i2`,
//!
//! ```text
//! y[i1 + n1 i2] = sum_k2 v^(i2 k2) ( w^(i1 k2) sum_k1 u^(i1 k1) x[k1 n2 + k2] ),   u = w^n2, v = w^n1.
//! ```
//!
//! Both sums are transforms of about `sqrt n` elements, eight of them abreast (lanes are `k2` in the first pass, `i1` in
//! the second) in a buffer that fits the second-level cache. Roots are uniform across lanes, so they are prepared constants.
//! The factors `w^(i1 k2)` differ by lane: each lane's power is carried along by a multiplication of its own. The
//! first pass leaves its results in *tiles*, `eight i1 x all k2`, so that the second reads contiguously.
//! Bit-reversed order costs nothing: in that order the same matrix lies row by row, and a pass gathers from eight rows instead of
//! one. The inverse transform is the forward one with the output index negated. Scaling by `1/n` and by the coset's powers in the
//! index that is a lane rides on the lane's powers; by the other index it is one prepared product an element.
//!
//! **Many short transforms**: lanes are transforms, and nothing but the levels remains.
//!
//! Cost, for one of `n` elements: `n/2 (log n - 4)` products by prepared constants of 81 instructions and about
//! `2 n` more instructions a level, `n` full products, `n` powers; a group of eight lanes shares each.

mod butterflies;

use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T1, _mm_prefetch};
use std::sync::Mutex;

use ark_ff::{FftField, Field};
use rayon::prelude::*;

use crate::cpu::field::ifma::*;
use crate::ntt::{Direction, Order, Transform};
use butterflies::{MAX_LEVELS, Range, first_levels, later_levels};

/// The shortest and the longest transforms this tier takes.
pub(super) const LOG_LENGTHS: std::ops::RangeInclusive<u32> = 3..=2 * MAX_LEVELS;
/// Transforms up to this length are done eight at a time, if there are as many.
const MAX_LOG_SHORT: u32 = 10;
/// Transforms up to this length may be worth more lanes than transforms.
const MIN_LOG_LONG: u32 = 6;
/// Elements from which on a pass is spread over threads.
const PARALLEL: usize = 1 << 11;

/// How many steps of the loading loop, eight elements each, its prefetches run ahead.
const AHEAD: usize = 4;

/// Two elements on their way, 256 bits each, not reduced: a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _words: [u64; 8],
}

/// Roots of unity for transforms of `2^log_n` elements of `F`, prepared.
pub struct Domain<F> {
    log_n: u32,
    /// The powers below one half of a root `u` of the longest order that a buffer needs.
    roots: Vec<Prepared<F>>,
    /// `w^k2` and `w^-k2`.
    twists: [Vec<F>; 2],
    /// Intermediate results of one long transform. Kept, because fresh pages cost more than the pass that
    /// fills them.
    scratch: Mutex<Vec<Vec<Line>>>,
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
        Some(Self { log_n, roots, twists, scratch: Mutex::default() })
    }

    /// The length of the transforms.
    pub(super) fn len(&self) -> usize {
        1 << self.log_n
    }

    /// Transforms items of the domain's length, in place.
    pub(super) fn transform(&self, _: Ifma, transform: &Transform<F>, batch: &mut [&mut [F]]) {
        let width = if self.log_n <= MAX_LOG_SHORT { 8 } else { usize::MAX };
        let (mut groups, mut rest) = (Vec::new(), batch);
        while rest.len() >= width || self.log_n < MIN_LOG_LONG && !rest.is_empty() {
            let (group, tail) = rest.split_at_mut(rest.len().min(8));
            groups.push(group);
            rest = tail;
        }
        if !groups.is_empty() {
            let scale = Scale::new(transform, self.log_n, 0);
            let group = |buffer: &mut Vec<Columns>, group: &mut &mut [&mut [F]]| {
                // SAFETY: an `Ifma` proves the features.
                unsafe { self.short(transform, &scale, group, buffer) }
            };
            if (groups.len() * 8) << self.log_n < PARALLEL {
                groups.iter_mut().fold(Vec::new(), |mut buffer, item| {
                    group(&mut buffer, item);
                    buffer
                });
            } else {
                groups.par_iter_mut().for_each_init(Vec::new, group);
            }
        }
        for item in rest {
            self.long(transform, item);
        }
    }

    /// Up to eight transforms, a lane each.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn short(
        &self,
        transform: &Transform<F>,
        scale: &Scale<F>,
        group: &mut [&mut [F]],
        buffer: &mut Vec<Columns>,
    ) {
        let n = 1 << self.log_n;
        // Lanes without a transform work on a copy of nothing.
        let mut idle = vec![F::zero(); n];
        let idle = idle.as_mut_ptr().cast::<u64>();
        let mut rows = [idle; 8];
        for (row, item) in rows.iter_mut().zip(group) {
            *row = item.as_mut_ptr().cast();
        }
        let reversed = transform.order == Order::BitReversed;
        let inverse = transform.direction == Direction::Inverse;
        let pass = Pass {
            levels: self.log_n,
            from: Place::Rows(rows),
            from_reversed: reversed && inverse,
            to: Place::Rows(rows),
            to_reversed: reversed && !inverse,
            inverse,
            roots: &self.roots,
            scale_in: scale.inputs.as_deref(),
            scale_out: scale.outputs.as_deref(),
        };
        // SAFETY: each row is `n` elements borrowed mutably for this call; idle lanes share one, whose values are
        // 0 before and after, and are not used by other threads.
        unsafe { pass.run(buffer, None) };
    }

    /// One transform on all lanes and threads.
    fn long(&self, transform: &Transform<F>, data: &mut [F]) {
        let (log1, log2) = (self.log_n.div_ceil(2), self.log_n / 2);
        let (n1, n2) = (1 << log1, 1 << log2);
        let inverse = transform.direction == Direction::Inverse;
        let reversed = transform.order == Order::BitReversed;
        let scale = Scale::new(transform, self.log_n, log2);
        let mut scratch = self.take_scratch();
        let x = Shared(data.as_mut_ptr().cast::<u64>());
        let tiles = Shared(scratch.as_mut_ptr().cast::<u64>());

        let first = |buffer: &mut Vec<Columns>, task: usize| {
            let k2 = 8 * task;
            let from = if inverse && reversed {
                Place::Rows(LANE_ORDER.map(|lane| x.element(reverse(k2 + lane, log2) * n1)))
            } else {
                Place::Columns { origin: x.element(k2), stride: n2 }
            };
            let pass = Pass {
                levels: log1,
                from,
                from_reversed: inverse && reversed,
                to: Place::Tiles { origin: tiles.element(8 * k2), stride: 8 * n2 },
                to_reversed: false,
                inverse,
                roots: &self.roots,
                scale_in: scale.inputs.as_deref(),
                scale_out: None,
            };
            let base = &self.twists[usize::from(inverse)][k2..k2 + 8];
            // SAFETY: an `Ifma` was given; `x` and `tiles` hold `n1 n2` elements, borrowed mutably for this call; a task reads
            // columns `k2..k2 + 8` of `x`, and writes rows `k2..k2 + 8` of all tiles, and no other task does.
            unsafe { pass.run(buffer, Some(&Twist::new(base, k2, &scale))) };
        };
        let second = |buffer: &mut Vec<Columns>, task: usize| {
            let i1 = 8 * task;
            let to = if !inverse && reversed {
                Place::Rows(LANE_ORDER.map(|lane| x.element(reverse(i1 + lane, log1) * n2)))
            } else {
                Place::Columns { origin: x.element(i1), stride: n1 }
            };
            let pass = Pass {
                levels: log2,
                from: Place::Columns { origin: tiles.element(i1 * n2), stride: 8 },
                from_reversed: false,
                to,
                to_reversed: !inverse && reversed,
                inverse,
                roots: &self.roots,
                scale_in: None,
                scale_out: scale.outputs.as_deref(),
            };
            // SAFETY: as in the first pass: a task reads one tile and writes what belongs to `i1..i1 + 8` of `x`.
            unsafe { pass.run(buffer, None) };
        };
        if data.len() < PARALLEL || rayon::current_num_threads() == 1 {
            let mut buffer = Vec::new();
            (0..n2 / 8).for_each(|task| first(&mut buffer, task));
            (0..n1 / 8).for_each(|task| second(&mut buffer, task));
        } else {
            (0..n2 / 8).into_par_iter().for_each_init(Vec::new, first);
            (0..n1 / 8).into_par_iter().for_each_init(Vec::new, second);
        }
        self.scratch.lock().unwrap_or_else(|e| e.into_inner()).push(scratch);
    }

    fn take_scratch(&self) -> Vec<Line> {
        let kept = self.scratch.lock().unwrap_or_else(|e| e.into_inner()).pop();
        kept.unwrap_or_else(|| vec![Line { _words: [0; 8] }; 1 << (self.log_n - 1)])
    }
}

/// A pointer that tasks on several threads write disjoint parts behind.
#[derive(Clone, Copy)]
struct Shared(*mut u64);
// SAFETY: the users argue that the parts are disjoint.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Where element `index` lies.
    fn element(self, index: usize) -> *mut u64 {
        self.0.wrapping_add(4 * index)
    }
}

/// Where element `index` of each of a pass's eight transforms lies. Lane `l` is transform `LANE_ORDER[l]`.
#[derive(Clone, Copy)]
enum Place {
    /// Transforms side by side, elements `stride` apart.
    Columns { origin: *mut u64, stride: usize },
    /// Each lane's transform contiguous, somewhere.
    Rows([*mut u64; 8]),
    /// Blocks of eight consecutive `index`es, `stride` apart; in a block, transforms eight apart.
    Tiles { origin: *mut u64, stride: usize },
}

impl Place {
    /// # Safety
    ///
    /// The eight elements can be read.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn read<F: Modulus>(&self, index: usize) -> Columns {
        let words = match *self {
            Place::Columns { origin, stride } => {
                // SAFETY: the caller's promise; `F` is four words.
                load(unsafe { &*origin.wrapping_add(4 * index * stride).cast::<[F; 8]>() })
            }
            Place::Rows(rows) => {
                // SAFETY: the caller's promise.
                unsafe { gather(&at(&rows, index)) }
            }
            Place::Tiles { .. } => unreachable!("tiles are read as columns"),
        };
        limbs_of_words(&words)
    }

    /// # Safety
    ///
    /// The eight elements can be written.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn write<F: Modulus>(&self, index: usize, limbs: &Columns) {
        let words = words_of_limbs(limbs);
        match *self {
            Place::Columns { origin, stride } => {
                // SAFETY: the caller's promise; `F` is four words.
                store(&words, unsafe { &mut *origin.wrapping_add(4 * index * stride).cast::<[F; 8]>() });
            }
            // SAFETY: the caller's promise.
            Place::Rows(rows) => unsafe { scatter(&words, &at(&rows, index)) },
            Place::Tiles { origin, stride } => {
                let origin = origin.wrapping_add(4 * (index / 8 * stride + index % 8));
                let mut to = [origin; 8];
                for (to, lane) in to.iter_mut().zip(LANE_ORDER) {
                    *to = origin.wrapping_add(4 * 8 * lane);
                }
                // SAFETY: the caller's promise.
                unsafe { scatter(&words, &to) };
            }
        }
    }
}

impl Place {
    /// Asks for the cache lines of the eight elements, or, where there are tiles, of the whole block that starts at
    /// `index`. Does nothing for an index beyond the end.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn prefetch<const HINT: i32>(&self, index: usize) {
        match *self {
            Place::Columns { origin, stride } => prefetch::<HINT, 4>(origin.wrapping_add(4 * index * stride)),
            // A line holds two elements of a row.
            Place::Rows(rows) if index.is_multiple_of(2) => {
                for row in rows {
                    prefetch::<HINT, 1>(row.wrapping_add(4 * index));
                }
            }
            Place::Tiles { origin, stride } if index.is_multiple_of(8) => {
                prefetch::<HINT, 32>(origin.wrapping_add(4 * (index / 8 * stride)));
            }
            _ => {}
        }
    }
}

/// Asks for `LINES` cache lines.
#[inline(always)]
fn prefetch<const HINT: i32, const LINES: usize>(start: *const u64) {
    for line in 0..LINES {
        // SAFETY: prefetching an address that cannot be read does nothing.
        unsafe { _mm_prefetch::<HINT>(start.wrapping_add(8 * line).cast()) };
    }
    // The last word, in case the start is not aligned.
    // SAFETY: as above.
    unsafe { _mm_prefetch::<HINT>(start.wrapping_add(8 * LINES - 1).cast()) };
}

/// Element `index` of each row.
#[inline(always)]
fn at(rows: &[*mut u64; 8], index: usize) -> [*mut u64; 8] {
    let mut elements = *rows;
    for element in &mut elements {
        *element = element.wrapping_add(4 * index);
    }
    elements
}

/// Eight transforms of `2^levels` elements.
struct Pass<'a, F> {
    levels: u32,
    from: Place,
    /// Whether element `i` lies at the reversed index.
    from_reversed: bool,
    to: Place,
    to_reversed: bool,
    inverse: bool,
    roots: &'a [Prepared<F>],
    scale_in: Option<&'a [Prepared<F>]>,
    scale_out: Option<&'a [Prepared<F>]>,
}

impl<F: Modulus + FftField> Pass<'_, F> {
    /// Runs the pass: with a twist, from canonical elements to words below `4 p`; without, from those to canonical
    /// elements.
    ///
    /// # Safety
    ///
    /// `from` can be read and `to` written at `0..2^levels`.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn run(&self, buffer: &mut Vec<Columns>, twist: Option<&Twist<F>>) {
        let n = 1usize << self.levels;
        buffer.resize(n, broadcast(&[0; 5]));
        // Canonical or just scaled inputs are below 2 p, those from tiles below 3 p.
        let range = match twist {
            Some(_) => Range::new(self.levels, 2, 0),
            None => Range::new(self.levels, 3, 1),
        };
        // SAFETY: the caller's promise.
        unsafe { self.fill(buffer, range) };
        later_levels(buffer, self.roots);
        // SAFETY: as above.
        unsafe {
            match twist {
                Some(twist) => {
                    debug_assert!(range.bound(self.levels) <= TWISTED);
                    self.drain_twisted(buffer, twist)
                }
                None => self.drain(buffer),
            }
        }
    }

    /// Reads the inputs and runs the first two levels.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn fill(&self, buffer: &mut [Columns], range: Range) {
        let quarter_root = &self.roots[self.roots.len() / 2];
        let n = buffer.len();
        for row in (0..n / 4).step_by(2) {
            // Two blocks of four; in natural order they come from neighbouring rows.
            let (blocks, indices) = if self.from_reversed {
                let r = 4 * row;
                ([row, row + 1], [r, r + 1, r + 2, r + 3, r + 4, r + 5, r + 6, r + 7])
            } else {
                let [a, b, c, d] = [row, row + n / 2, row + n / 4, row + 3 * n / 4];
                let bits = self.levels - 2;
                ([reverse(a, bits), reverse(a + 1, bits)], [a, b, c, d, a + 1, b + 1, c + 1, d + 1])
            };
            // Plain loops: what is behind a closure of another function is not inlined across target features.
            let mut x = [broadcast(&[0; 5]); 8];
            let ahead = if self.from_reversed { 8 * AHEAD } else { 2 * AHEAD };
            for (x, index) in x.iter_mut().zip(indices) {
                // Into the second level: rows are powers of two apart and share few sets of the first.
                self.from.prefetch::<_MM_HINT_T1>(index + ahead);
                // SAFETY: all indices are below `n`.
                *x = unsafe { self.from.read::<F>(index) };
                if let Some(scale) = self.scale_in {
                    let product = scale[index].mul(&Factor::<F, 1>::from_limbs(*x));
                    *x = product.reduce().into_limbs();
                }
            }
            let mut out = x;
            first_levels(&x, quarter_root, range, &mut out);
            for (block, out) in blocks.into_iter().zip(out.chunks_exact(4)) {
                buffer[4 * block..4 * block + 4].copy_from_slice(out);
            }
        }
    }

    /// Where output `i` of the transform is in the buffer: the inverse transform is the forward one at `-i`.
    #[inline]
    fn output(&self, i: usize) -> usize {
        if self.inverse { i.wrapping_neg() & ((1 << self.levels) - 1) } else { i }
    }

    #[inline]
    fn place(&self, i: usize) -> usize {
        if self.to_reversed { reverse(i, self.levels) } else { i }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn drain_twisted(&self, buffer: &[Columns], twist: &Twist<F>) {
        let mut powers = twist.powers;
        for i in (0..buffer.len()).step_by(CHAINS) {
            self.to.prefetch::<_MM_HINT_ET0>(i + 8);
            for j in (0..CHAINS).step_by(2) {
                let (i, k) = (i + j, i + j + 1);
                let a = Factor::<F, TWISTED>::from_limbs(carry_unmasked(&buffer[self.output(i)]));
                let b = Factor::<F, TWISTED>::from_limbs(carry_unmasked(&buffer[self.output(k)]));
                let (a, b) = mul_pair::<F, _, _, 3>(&a, &powers[j], &b, &powers[j + 1]);
                // SAFETY: the indices are below `n`.
                unsafe {
                    self.to.write::<F>(self.place(i), a.factor::<3>().limbs());
                    self.to.write::<F>(self.place(k), b.factor::<3>().limbs());
                }
                powers[j] = twist.step.mul(&powers[j]);
                powers[j + 1] = twist.step.mul(&powers[j + 1]);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn drain(&self, buffer: &[Columns]) {
        for i in 0..buffer.len() {
            self.to.prefetch::<_MM_HINT_ET0>(self.place(i + 8));
            let value = &buffer[self.output(i)];
            let limbs = match self.scale_out {
                Some(scale) => {
                    let value = Factor::<F, MAX_BOUND>::from_limbs(carry_unmasked(value));
                    scale[i].mul(&value).canonical().into_limbs()
                }
                None => canonical_columns::<F, true>(value),
            };
            // SAFETY: the index is below `n`.
            unsafe { self.to.write::<F>(self.place(i), &limbs) };
        }
    }
}

/// A product of a value below this multiple of `p` with a [`Twist`]'s power is below `3 p`.
const TWISTED: usize = 78;

/// The powers that the results of a first pass are multiplied by, lanes in `LANE_ORDER`.
struct Twist<F> {
    /// The first powers, one a chain.
    powers: [Factor<F, 2>; CHAINS],
    /// From one power of a chain to the next.
    step: PreparedLanes<F>,
}

impl<F: Modulus + FftField> Twist<F> {
    /// `scale.start[k2] (w^k2 scale.ratio)^i1` for the eight `k2` whose `w^k2` are given.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn new(base: &[F], k2: usize, scale: &Scale<F>) -> Self {
        let factor = |elements: &[F; 8]| -> Lazy<F, 2> {
            let one = Lazy::<F, 1>::splat(const { &relimb(power_of_two::<F>(260)) });
            Factor::<F, 16>::from_elements(&load(elements)).mul(&one)
        };
        let lanes = |values: &[F]| std::array::from_fn(|lane| values[lane]);
        let base = match scale.ratio {
            Some(ratio) => factor(&lanes(base)).mul(&factor(&[ratio; 8])),
            None => factor(&lanes(base)),
        };
        let start = match &scale.start {
            Start::Same(value) => factor(&[*value; 8]),
            Start::Each(values) => factor(&lanes(&values[k2..k2 + 8])),
        };
        let square: Lazy<F, 2> = base.square();
        let second: Lazy<F, 2> = start.mul(&base);
        let powers = [start, second, start.mul(&square), second.mul(&square)];
        let step = PreparedLanes::new(&square.square());
        Self { powers: powers.map(|power| power.wide().factor()), step }
    }
}

/// The factors of a transform that are not roots of unity, split by where they are applied.
struct Scale<F> {
    /// By the index of a first pass's inputs.
    inputs: Option<Vec<Prepared<F>>>,
    /// By `k2`.
    start: Start<F>,
    /// To the power of `i1`.
    ratio: Option<F>,
    /// By the index of the last pass's outputs.
    outputs: Option<Vec<Prepared<F>>>,
}

enum Start<F> {
    Same(F),
    Each(Vec<F>),
}

impl<F: FftField + Modulus> Scale<F> {
    /// For `n = n1 n2`, `n2 = 2^log2`; `log2 = 0` for a transform in one pass.
    fn new(transform: &Transform<F>, log_n: u32, log2: u32) -> Self {
        let (n1, n2) = (1usize << (log_n - log2), 1usize << log2);
        let prepared = |first, ratio, count| {
            Some(powers(first, ratio, count).into_iter().map(Prepared::new).collect::<Vec<_>>())
        };
        let none = Self { inputs: None, start: Start::Same(F::ONE), ratio: None, outputs: None };
        match (transform.direction, transform.coset) {
            (Direction::Forward, None) => none,
            (Direction::Forward, Some(g)) => Self {
                inputs: prepared(F::ONE, g.pow([n2 as u64]), n1),
                start: Start::Each(powers(F::ONE, g, n2)),
                ..none
            },
            (Direction::Inverse, coset) => {
                let n_inverse = F::from(1u64 << log_n).inverse().unwrap_or_else(F::zero);
                let g = coset.map(|g| g.inverse().unwrap_or_else(F::zero));
                if log2 == 0 {
                    return Self { outputs: prepared(n_inverse, g.unwrap_or(F::ONE), n1), ..none };
                }
                let outputs = g.and_then(|g| prepared(F::ONE, g.pow([n1 as u64]), n2));
                Self { start: Start::Same(n_inverse), ratio: g, outputs, ..none }
            }
        }
    }
}

/// `first ratio^i` for `i < count`.
fn powers<F: Field>(first: F, ratio: F, count: usize) -> Vec<F> {
    std::iter::successors(Some(first), |power| Some(*power * ratio)).take(count).collect()
}

/// The low `bits` bits of `i` reversed.
#[inline]
fn reverse(i: usize, bits: u32) -> usize {
    if bits == 0 { 0 } else { i.reverse_bits() >> (usize::BITS - bits) }
}

#[cfg(test)]
mod tests;
