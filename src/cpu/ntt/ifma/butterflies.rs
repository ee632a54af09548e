//! `8 G` transforms of one length abreast, in a buffer of unreduced columns.
//!
//! Decimation in time: input in bit-reversed order, output in natural order, a level of butterflies
//! `(a, b) -> (a + w b, a - w b)` for every half-length `h = 1, 2, 4, ...`, the first two levels fused when the buffer is
//! filled. Where `w` is 1 the product is a reduction. A row is `G` vectors, all multiplied by the same `w`: a limb of `w` is
//! loaded once for all of them, since even loads take a part of the multiplier's time. For the same reason levels are not
//! paired (radix 4): the eight products in flight would spill registers, which costs more than the levels' own
//! loads and stores.
//!
//! Nothing is reduced on the way. A product by a prepared constant lies in `0..6 p`; started at `-3 p` it is
//! `t` in `-3 p..3 p`, so a level widens the range of values by `3 p` both ways. The values carry an offset `lift p` from the
//! second level on, taken so large that none is negative; the butterfly's sum and difference keep that of `a`, and
//! that of `b`, a multiple of `p`, vanishes in the product. Columns are carried only where they are
//! about to be multiplied. Cost of a butterfly: 60 multiply-adds, 10 instructions for the carries, 10 for sum and difference.

use crate::cpu::field::ifma::{
    Columns, Constants, MAX_BOUND, Modulus, Prepared, add, broadcast, mul_centred, reduce_columns, sub,
};

/// Transforms in the buffer have at most this length, `2^12`.
pub(super) const MAX_LEVELS: u32 = 12;
/// Blocks of this many rows stay in the first-level cache.
const CACHED: usize = 64;

/// What one pair of levels fused into the loading assumes of the values, and what that makes of the results.
#[derive(Clone, Copy)]
pub(super) struct Range {
    /// Inputs are below `input p`.
    input: usize,
    /// The offset of the values, in multiples of `p`.
    lift: usize,
}

impl Range {
    /// The offset for a transform of `2^levels` inputs below `input p`, with results of at least `floor p`.
    ///
    /// The two first levels leave sums `+-2 input`, `4 input` and, with one product, `+-(input + 3)`.
    pub(super) fn new(levels: u32, input: usize, floor: usize) -> Self {
        debug_assert!((2..=MAX_LEVELS).contains(&levels));
        let later = 3 * (levels as usize - 2);
        let lift = (2 * input).max(input + 3) + later + floor;
        assert!(lift + 4 * input + later <= MAX_BOUND, "values outgrow their limbs");
        Self { input, lift }
    }

    /// Results are below `bound() p`.
    pub(super) fn bound(&self, levels: u32) -> usize {
        self.lift + 4 * self.input + 3 * (levels as usize - 2)
    }
}

/// The first two levels, on four inputs in bit-reversed order. `quarter` is the root of order four.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(super) fn first_levels<F: Modulus>(
    x: &[Columns; 4],
    quarter: &Prepared<F>,
    range: Range,
) -> [Columns; 4] {
    let input = broadcast(&Constants::<F>::MULTIPLES[range.input]);
    let [t] = mul_centred(&[sub(&add(&x[2], &input), &x[3])], quarter);
    let other = add(&x[2], &x[3]);
    let lifted = add(&x[0], &broadcast(&Constants::<F>::MULTIPLES[range.lift]));
    let (sum, difference) = (add(&lifted, &x[1]), sub(&lifted, &x[1]));
    [add(&sum, &other), add(&difference, &t), sub(&sum, &other), sub(&difference, &t)]
}

/// The levels after the first two. `roots` are the powers below one half of a root of unity of order `2 roots.len()`, a
/// multiple of the buffer's length. Calls `meanwhile` once a multiplication.
///
/// Halves first, so that what fits a cache level stays there.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(super) fn later_levels<F: Modulus, const G: usize>(
    buffer: &mut [[Columns; G]],
    roots: &[Prepared<F>],
    meanwhile: &mut impl FnMut(),
) {
    let n = buffer.len();
    let mut length = 8;
    if n > CACHED {
        for half in buffer.chunks_exact_mut(n / 2) {
            later_levels(half, roots, meanwhile);
        }
        length = n;
    }
    while length <= n {
        for block in buffer.chunks_exact_mut(length) {
            level(block, roots, meanwhile);
        }
        length *= 2;
    }
}

/// The last level of a transform of the buffer's length.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn level<F: Modulus, const G: usize>(
    buffer: &mut [[Columns; G]],
    roots: &[Prepared<F>],
    meanwhile: &mut impl FnMut(),
) {
    let half = buffer.len() / 2;
    let step = roots.len() / half;
    let (low, high) = buffer.split_at_mut(half);
    for (a, b) in low[0].iter_mut().zip(&mut high[0]) {
        let product = reduce_columns::<F, true>(b);
        (*a, *b) = (add(a, &product), sub(a, &product));
    }
    for ((a, b), w) in low.iter_mut().zip(high).zip(roots.iter().step_by(step)).skip(1) {
        meanwhile();
        let product = mul_centred(b, w);
        for g in 0..G {
            (a[g], b[g]) = (add(&a[g], &product[g]), sub(&a[g], &product[g]));
        }
    }
}
