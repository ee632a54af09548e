//! Additions of vectors of eight points, in place, with one inversion for all.
//!
//! The formulas and the sharing of the inversion are those of [`add`](super::super::add), in four chains of vectors, so
//! 32 products that are inverted together. This processor's vector instructions of all kinds compete for the same ports, so
//! the aim is few of them:
//!
//! - A point is kept as columns that are neither reduced nor carried. A sum is *minus* `P + Q`, for
//!   `-y = l (x - x_P) + y_P` is a product that starts at `y_P`, without a subtraction; callers choose the leaves'
//!   signs such that a tree's root comes out right. A level adds at most `5 p` to the range of `y`.
//! - `x = l^2 - x_P - x_Q` multiplies its range. It is reduced only if an operand is a sum that was not ([`Mark::raw`]). The
//!   square's columns start at `6 p` instead of 0, so that most differences are not negative.
//! - The main path looks for no exceptions. A pair with equal `x` makes a chain's product 0, which is seen
//!   before the inversion; identities are known from the [`Mark`]s. Only then is the forward pass done again, carefully:
//!   denominators are replaced in the lanes that need it, still eight at a time, so exceptions cost little even where they
//!   are the rule.
//!
//! Products divide by `2^260` where points have a factor `2^256`. Nothing is converted for that; the factor is followed
//! instead: a denominator `d` is stored as `d 2^256`, so it is `d / 16` to this tier, the inverses are made to come out
//! as `2^262 / d`, slopes are then `l 2^258`, their squares `l^2 2^256`, and `l 2^258` times `4 (x - x_P) 2^256` has the
//! points' factor again.
//!
//! Cost of eight additions on G1: 586 multiply-adds for five products and a square, 124 instructions for their
//! carries, 40 for sums and differences; 26 more where `x` is reduced.

use std::arch::x86_64::*;

use ark_bn254::Fq;

use super::super::point::Point;
use crate::cpu::field::ifma::*;

/// Levels of additions: no sum may be of more than `2^DEPTH` leaves.
pub(super) const DEPTH: usize = 5;

/// The range of `x`, in multiples of `p`: a sum of operands in `0..2`, plus 6. No value is negative, but columns are.
type X<const D: usize> = Ext<Fq, D, 1, 8>;
/// The range of `y`: of a leaf, and [`DEPTH`] times a product more.
type Y<const D: usize> = Ext<Fq, D, 1, { 2 + 5 * DEPTH }>;

/// Eight points.
#[derive(Clone, Copy)]
struct Slot<const D: usize> {
    x: X<D>,
    y: Y<D>,
}

/// Eight points to be loaded into a slot.
pub(super) struct Row {
    /// Their indices in the table.
    pub points: [u32; 8],
    pub slot: u32,
    /// The lanes to be negated.
    pub negated: u8,
    /// The lanes that are the identity, whatever their index.
    pub missing: u8,
}

/// What is known of a slot's points.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// The lanes that hold the identity; their coordinates mean nothing.
    identity: u8,
    /// Whether `x` uses its whole range rather than `0..2`.
    raw: bool,
}

/// What the forward pass leaves to the backward pass of a step, by chain.
#[derive(Clone, Copy)]
struct Forward<const D: usize> {
    denominators: [ExtFactor<Fq, D, 18>; CHAINS],
    /// The products of the denominators before these.
    prefixes: [ExtFactor<Fq, D, 2>; CHAINS],
}

/// The lanes of a pair to which the formula for `P != +-Q` does not apply.
#[derive(Clone, Copy, Default)]
struct Special {
    /// `P = Q`
    double: u8,
    /// `P = -Q`
    cancel: u8,
    /// `Q` is the identity.
    first: u8,
    /// `P` is the identity, and `Q` is not.
    second: u8,
}

impl Special {
    fn any(self) -> bool {
        self.double | self.cancel | self.first | self.second != 0
    }
}

/// Vectors of points, by number, and what adds them.
pub(super) struct Slots<const D: usize> {
    slots: Vec<Slot<D>>,
    marks: Vec<Mark>,
    steps: Vec<Forward<D>>,
    /// By pair; empty if there are none.
    special: Vec<Special>,
}

impl<const D: usize> Default for Slots<D> {
    fn default() -> Self {
        Self { slots: Vec::new(), marks: Vec::new(), steps: Vec::new(), special: Vec::new() }
    }
}

/// How many rows ahead points are asked for again, from the second-level cache.
const NEAR: usize = 4;
/// Slots that stand for what is missing in the last step: operands that are written, and one that is not.
const PADS: usize = CHAINS;

impl<const D: usize> Slots<D> {
    /// Makes room for `count` slots of the caller's and returns the number of the first. Keeps nothing.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub fn reset(&mut self, count: usize) -> usize {
        let zero = Slot { x: Ext::new([Wide::new(zero()); D]), y: Ext::new([Wide::new(zero()); D]) };
        self.slots.resize(PADS + count, zero);
        self.marks.resize(PADS + count, Mark::default());
        PADS
    }

    /// Fills the rows' slots with points of a table.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub fn load<F>(&mut self, table: &[Point<F>], rows: &[Row]) {
        const { assert!(size_of::<Point<F>>() == 64 * D && align_of::<Point<F>>() == 64) };
        for (k, row) in rows.iter().enumerate() {
            if let Some(row) = rows.get(k + NEAR) {
                prefetch::<_MM_HINT_T0, F>(table, row);
            }
            let points = row.points.map(|index| (&raw const table[index as usize]).cast());
            // SAFETY: the pointers are to points of `64 D` bytes, aligned to 64.
            unsafe { self.load_row(row, &points) };
        }
    }

    /// # Safety
    /// The pointers are to points of `64 D` bytes, aligned to 64.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn load_row(&mut self, row: &Row, points: &[*const u64; 8]) {
        let &Row { slot, negated, missing, .. } = row;
        let mut lines = [[_mm512_setzero_si512(); 8]; D];
        for (d, line) in lines.iter_mut().enumerate() {
            for (word, point) in line.iter_mut().zip(points) {
                // SAFETY: the caller's promise.
                *word = unsafe { _mm512_load_si512(point.wrapping_add(8 * d).cast()) };
            }
            *line = transpose(line);
        }
        let mut identity = missing | _mm512_testn_epi64_mask(lines[0][0], lines[0][0]);
        if identity != 0 {
            for word in lines.as_flattened() {
                identity &= missing | _mm512_testn_epi64_mask(*word, *word);
            }
        }
        let mut x = [Wide::new(zero()); D];
        let mut y = [Wide::new(zero()); D];
        for d in 0..D {
            x[d] = Lazy::<Fq, 2>::from_lazy_words(&coefficient(&lines, d)).wide();
            y[d] = Lazy::<Fq, 2>::from_lazy_words(&coefficient(&lines, D + d)).negate_lanes(negated);
        }
        self.slots[slot as usize] = Slot { x: Ext::new(x).widen(), y: Ext::new(y).widen() };
        self.marks[slot as usize] = Mark { identity, raw: false };
    }

    /// Writes a slot's points to the given places.
    ///
    /// # Safety
    /// The pointers are to different places for points of `64 D` bytes, aligned to 64.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub unsafe fn store(&self, slot: usize, points: &[*mut u64]) {
        let Slot { x, y } = &self.slots[slot];
        let coordinates = [x.into_words(), y.into_words()];
        let identity = self.marks[slot].identity;
        for d in 0..D {
            let (low, high) =
                (coordinates[2 * d / D][2 * d % D], coordinates[(2 * d + 1) / D][(2 * d + 1) % D]);
            let line = transpose(&[low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]]);
            for (lane, (point, words)) in points.iter().zip(line).enumerate() {
                let words = if identity >> lane & 1 == 1 { _mm512_setzero_si512() } else { words };
                // SAFETY: the caller's promise.
                unsafe { _mm512_store_si512(point.wrapping_add(8 * d).cast(), words) };
            }
        }
    }

    /// Replaces `P`, in the slot that a pair names first, by `-(P + Q)`, for all pairs. No slot may be in two pairs.
    /// Asks for the points of the rows that are loaded next.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub fn add<F>(&mut self, pairs: &mut Vec<[u32; 2]>, table: &[Point<F>], next: &[Row]) {
        let mut ahead = Ahead::new(table, next, pairs.len().div_ceil(CHAINS));
        if pairs.is_empty() {
            return;
        }
        self.pad(pairs);
        let careful = pairs.iter().flatten().any(|&slot| self.marks[slot as usize].identity != 0);
        let mut products = self.forward(pairs, careful, &mut ahead);
        let mut norms = norms(&products);
        if !careful && norms.iter().any(|norm| norm.maybe_zero_lanes() != 0) {
            products = self.forward(pairs, true, &mut ahead);
            norms = self::norms(&products);
        }
        // With the stored denominators a sixteenth, 2^258 here is 2^262.
        let inverse_norms = invert_chains::<Fq, 258>(&norms);
        let mut inverses = products;
        for chain in 0..CHAINS {
            inverses[chain] = products[chain].inverse(&inverse_norms[chain]);
        }
        let steps = pairs.as_chunks::<CHAINS>().0;
        for (step, pairs) in steps.iter().enumerate().rev() {
            let before = step.saturating_sub(1);
            self.backward(step, pairs, (before, &steps[before]), &mut inverses, &mut ahead);
        }
    }

    /// Fills the last step with pairs of some points with different `x`.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn pad(&mut self, pairs: &mut Vec<[u32; 2]>) {
        for pad in 0..PADS {
            let x = Lazy::<Fq, 1>::splat(&[(pad == PADS - 1) as u64, 0, 0, 0, 0]).wide();
            self.slots[pad].x = Ext::new([x.widen(); D]);
            self.slots[pad].y = Ext::new([x.widen(); D]);
            self.marks[pad] = Mark::default();
        }
        for pad in 0..pairs.len().next_multiple_of(CHAINS) - pairs.len() {
            pairs.push([pad as u32, PADS as u32 - 1]);
        }
    }

    /// The denominators and their products.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn forward<F>(
        &mut self,
        pairs: &[[u32; 2]],
        careful: bool,
        ahead: &mut Ahead<'_, F>,
    ) -> [ExtFactor<Fq, D, 2>; CHAINS] {
        let one = ExtFactor::<Fq, D, 2>::splat(const { &relimb(power_of_two::<Fq>(260)) });
        self.special.clear();
        let pairs = pairs.as_chunks::<CHAINS>().0;
        if self.steps.len() < pairs.len() + 1 {
            let empty = Forward { denominators: [one.widen(); CHAINS], prefixes: [one; CHAINS] };
            self.steps.resize(pairs.len() + 1, empty);
        }
        self.steps[0].prefixes = [one; CHAINS];
        for (index, step) in pairs.iter().enumerate() {
            ahead.prefetch();
            if let Some(next) = pairs.get(index + 1) {
                for &slot in next.as_flattened() {
                    fetch(&self.slots[slot as usize].x);
                }
            }
            let mut denominators = [
                self.denominator(step[0]),
                self.denominator(step[1]),
                self.denominator(step[2]),
                self.denominator(step[3]),
            ];
            if careful {
                for chain in 0..CHAINS {
                    self.classify(step[chain], &mut denominators[chain]);
                }
            }
            let (steps, next) = self.steps.split_at_mut(index + 1);
            steps[index].denominators = denominators;
            next[0].prefixes = products(&denominators, &steps[index].prefixes);
        }
        self.steps[pairs.len()].prefixes
    }

    /// `x_Q - x_P`
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn denominator(&self, [p, q]: [u32; 2]) -> ExtFactor<Fq, D, 18> {
        let difference: Ext<Fq, D, 9, 9> = self.slots[q as usize].x.sub(self.slots[p as usize].x);
        difference.factor()
    }

    /// `y_Q - y_P`
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn rise(&self, [p, q]: [u32; 2]) -> ExtFactor<Fq, D, 56> {
        let difference: Ext<Fq, D, 28, 28> = self.slots[q as usize].y.sub(self.slots[p as usize].y);
        difference.factor()
    }

    /// Notes the lanes of a pair that need another formula, and replaces their denominators.
    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn classify(&mut self, [first, second]: [u32; 2], denominator: &mut ExtFactor<Fq, D, 18>) {
        let (p, q) = (&self.slots[first as usize], &self.slots[second as usize]);
        let [at_p, at_q] = [first, second].map(|slot| self.marks[slot as usize].identity);
        let finite = !(at_p | at_q);
        let difference: Ext<Fq, D, 9, 9> = q.x.sub(p.x);
        let equal = difference.zero_lanes() & finite;
        let mut double = 0;
        if equal != 0 {
            let difference: Ext<Fq, D, 28, 28> = q.y.sub(p.y);
            double = equal & difference.zero_lanes();
            let y = p.y.reduce();
            let twice: Ext<Fq, D, 0, 4> = y.add(y);
            *denominator = denominator.select(double, twice.factor());
        }
        let special = Special { double, cancel: equal & !double, first: at_q, second: at_p & !at_q };
        let one = ExtFactor::splat(const { &relimb(power_of_two::<Fq>(260)) });
        *denominator = denominator.select(special.cancel | at_p | at_q, one);
        self.special.push(special);
    }

    /// The sums of a step. `inverses` are those of the chains' products up to the step's end, then those before it.
    ///
    /// Every operation is done for all chains before the next one: one addition is a long chain of dependent
    /// instructions, and four of one kind fit into the processor's window.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn backward<F>(
        &mut self,
        step: usize,
        pairs: &[[u32; 2]; CHAINS],
        next: (usize, &[[u32; 2]; CHAINS]),
        inverses: &mut [ExtFactor<Fq, D, 2>; CHAINS],
        ahead: &mut Ahead<'_, F>,
    ) {
        self.fetch(next, 0);
        ahead.prefetch();
        let Forward { denominators, prefixes } = &self.steps[step];
        let inverse: [ExtFactor<Fq, D, 2>; CHAINS] = products(prefixes, inverses);
        *inverses = products(denominators, inverses);
        self.fetch(next, 1);
        ahead.prefetch();
        let mut rise = [self.rise(pairs[0]), self.rise(pairs[1]), self.rise(pairs[2]), self.rise(pairs[3])];
        let special = self.special.as_chunks::<CHAINS>().0.get(step).copied();
        let special = special.filter(|special| special.iter().any(|special| special.any()));
        let mut exception = None;
        if let Some(special) = special {
            self.tangents(pairs, &special, &mut rise);
            exception = Some((special, self.operands(pairs)));
        }
        let slope: [ExtFactor<Fq, D, 4>; CHAINS] = products(&rise, &inverse);
        self.fetch(next, 2);
        ahead.prefetch();
        // Six multiples more than the square, for no difference to be negative.
        let [s0, s1] = ExtFactor::square_pair::<3, 8>(&slope[0], &slope[1]);
        let [s2, s3] = ExtFactor::square_pair::<3, 8>(&slope[2], &slope[3]);
        let run = [
            self.abscissa(pairs[0], s0),
            self.abscissa(pairs[1], s1),
            self.abscissa(pairs[2], s2),
            self.abscissa(pairs[3], s3),
        ];
        self.fetch(next, 3);
        ahead.prefetch();
        for chain in (0..CHAINS).step_by(2) {
            let [first, second] = [pairs[chain][0] as usize, pairs[chain + 1][0] as usize];
            let [a, b]: [Ext<Fq, D, 1, { 2 + 5 * DEPTH + 5 }>; 2] = ExtFactor::mul_add_pair(
                [&self.slots[first].y, &self.slots[second].y],
                [&slope[chain], &slope[chain + 1]],
                [&run[chain], &run[chain + 1]],
            );
            // After `k` levels `y` is below `(2 + 5 k) p`, and there are at most `DEPTH`.
            self.slots[first].y = a.narrow();
            self.slots[second].y = b.narrow();
        }
        if let Some((special, operands)) = &exception {
            self.resolve(pairs, operands, special);
        }
    }

    /// Asks for what the backward pass needs of a chain in a step.
    #[inline(always)]
    fn fetch(&self, (step, pairs): (usize, &[[u32; 2]; CHAINS]), chain: usize) {
        fetch(&self.steps[step].denominators[chain]);
        fetch(&self.steps[step].prefixes[chain]);
        fetch(&self.slots[pairs[chain][0] as usize]);
        fetch(&self.slots[pairs[chain][1] as usize]);
    }

    /// Writes a sum's `x`, the given square of the slope less the operands', over that of `P`; returns `4 (x - x_P)`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn abscissa(&mut self, [first, second]: [u32; 2], square: Ext<Fq, D, 0, 8>) -> ExtFactor<Fq, D, 40> {
        let [first, second] = [first as usize, second as usize];
        if self.marks[first].raw | self.marks[second].raw {
            return self.reduced_abscissa([first, second], square);
        }
        // Reduced: below `2 p`.
        let [p, q] = [self.slots[first].x.narrow::<0, 2>(), self.slots[second].x.narrow::<0, 2>()];
        let both: Ext<Fq, D, 0, 4> = p.add(q);
        let x: Ext<Fq, D, 4, 8> = square.sub(both);
        let difference: Ext<Fq, D, 6, 8> = x.sub(p);
        self.slots[first].x = x.narrow();
        self.marks[first].raw = true;
        difference.quadruple::<24, 32>().nonnegative_factor()
    }

    /// As [`Self::abscissa`], for operands that are not reduced; the sum is.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn reduced_abscissa(
        &mut self,
        [first, second]: [usize; 2],
        square: Ext<Fq, D, 0, 8>,
    ) -> ExtFactor<Fq, D, 40> {
        let [p, q] = [self.slots[first].x, self.slots[second].x];
        let both: Ext<Fq, D, 2, 16> = p.add(q);
        let difference: Ext<Fq, D, 16, 10> = square.sub(both);
        let x = difference.reduce();
        self.slots[first].x = x.widen();
        self.marks[first].raw = false;
        let difference: Ext<Fq, D, 8, 2> = x.sub(p.narrow::<0, 8>());
        difference.quadruple::<32, 8>().factor()
    }

    /// The slots of a step's pairs, before they are overwritten.
    #[cold]
    #[inline(never)]
    fn operands(&self, pairs: &[[u32; 2]; CHAINS]) -> [[(Slot<D>, Mark); 2]; CHAINS] {
        pairs.map(|pair| pair.map(|slot| (self.slots[slot as usize], self.marks[slot as usize])))
    }

    /// Replaces the rises where points are doubled.
    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn tangents(
        &self,
        pairs: &[[u32; 2]; CHAINS],
        special: &[Special; CHAINS],
        rise: &mut [ExtFactor<Fq, D, 56>; CHAINS],
    ) {
        for chain in 0..CHAINS {
            rise[chain] = rise[chain].select(special[chain].double, self.tangent(pairs[chain][0]));
        }
    }

    /// `3 x^2 2^256`, reduced.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn tangent(&self, slot: u32) -> ExtFactor<Fq, D, 56> {
        let x: ExtFactor<Fq, D, 2> = self.slots[slot as usize].x.reduce().factor();
        // x^2 2^252
        let square: Ext<Fq, D, 0, 2> = x.square();
        let twice: Ext<Fq, D, 0, 4> = square.add(square);
        let three: Ext<Fq, D, 0, 6> = twice.add(square);
        three.reduce().quadruple::<0, 8>().quadruple::<0, 32>().factor()
    }

    /// Corrects the lanes of a step's sums in which an operand or the sum is the identity.
    #[cold]
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn resolve(
        &mut self,
        pairs: &[[u32; 2]; CHAINS],
        operands: &[[(Slot<D>, Mark); 2]; CHAINS],
        special: &[Special; CHAINS],
    ) {
        let nothing = Ext::<Fq, D, 0, 0>::new([Wide::new(zero()); D]);
        for chain in 0..CHAINS {
            let (to, special) = (pairs[chain][0] as usize, special[chain]);
            let [(p, at_p), (q, at_q)] = operands[chain];
            let sum = &mut self.slots[to];
            for (operand, lanes) in [(p, special.first), (q, special.second)] {
                let negative: Ext<Fq, D, { 2 + 5 * DEPTH }, 1> = nothing.sub(operand.y);
                sum.x = sum.x.select(lanes, operand.x.reduce().widen());
                sum.y = sum.y.select(lanes, negative.reduce().widen());
            }
            self.marks[to].identity = special.cancel | at_p.identity & at_q.identity;
        }
    }
}

/// The products of the chains' values.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn products<const D: usize, const A: usize, const B: usize, const C: usize>(
    a: &[ExtFactor<Fq, D, A>; CHAINS],
    b: &[ExtFactor<Fq, D, B>; CHAINS],
) -> [ExtFactor<Fq, D, C>; CHAINS] {
    let [p0, p1] = ExtFactor::mul_pair([&a[0], &a[1]], [&b[0], &b[1]]);
    let [p2, p3] = ExtFactor::mul_pair([&a[2], &a[3]], [&b[2], &b[3]]);
    [p0, p1, p2, p3]
}

/// Coefficient `i` of points given as lines of memory, a line holding two: `x` and `y`, or those of `x` and then those
/// of `y`.
#[inline(always)]
fn coefficient<const D: usize>(lines: &[[__m512i; 8]; D], i: usize) -> Words {
    let [a, b, c, d, e, f, g, h] = lines[i / 2];
    if i.is_multiple_of(2) { [a, b, c, d] } else { [e, f, g, h] }
}

/// Rows that are loaded next, whose points are asked for a few at a time, four times a step: a core can wait for some
/// dozen lines at once, and stands still when there are more.
struct Ahead<'a, F> {
    table: &'a [Point<F>],
    rows: std::slice::Chunks<'a, Row>,
}

impl<'a, F> Ahead<'a, F> {
    fn new(table: &'a [Point<F>], rows: &'a [Row], steps: usize) -> Self {
        Self { table, rows: rows.chunks(rows.len().div_ceil(4 * steps.max(1)).max(1)) }
    }

    /// Asks for some points, into the second-level cache: a batch's are more than the first holds.
    #[inline(always)]
    fn prefetch(&mut self) {
        for row in self.rows.next().unwrap_or_default() {
            prefetch::<_MM_HINT_T1, F>(self.table, row);
        }
    }
}

/// Asks for what the next step needs, which lies in the second-level cache: a step is longer than the processor's
/// window, which alone would not reach it.
#[inline(always)]
fn fetch<T>(value: &T) {
    for line in 0..size_of::<T>() / 64 {
        // SAFETY: a prefetch is a hint; it reads nothing and cannot fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const *value).cast::<i8>().wrapping_add(64 * line)) };
    }
}

/// Asks for the points of a row.
#[inline(always)]
fn prefetch<const HINT: i32, F>(table: &[Point<F>], row: &Row) {
    for index in row.points {
        let point = table.as_ptr().wrapping_add(index as usize).cast::<i8>();
        for line in 0..size_of::<Point<F>>() / 64 {
            // SAFETY: a prefetch is a hint; it reads nothing and cannot fault.
            unsafe { _mm_prefetch::<HINT>(point.wrapping_add(64 * line)) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn norms<const D: usize>(products: &[ExtFactor<Fq, D, 2>; CHAINS]) -> [Lazy<Fq, 2>; CHAINS] {
    let mut norms = [Lazy::splat(&[0; 5]); CHAINS];
    for (norm, product) in norms.iter_mut().zip(products) {
        *norm = product.norm();
    }
    norms
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn zero() -> Columns {
    [_mm512_setzero_si512(); 5]
}
