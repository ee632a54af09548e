//! Eight transforms of one length abreast, in a buffer of unreduced columns.
//!
//! Decimation in time: input in bit-reversed order, output in natural order, a level of butterflies
//! `(a, b) -> (a + w b, a - w b)` for every half-length `h = 1, 2, 4, ...`, the first two levels fused when the buffer is
//! filled and the others in pairs (radix 4).
//!
//! Nothing is reduced on the way. A product by a prepared constant lies in `0..6 p`; started at `-3 p` it is
//! `t` in `-3 p..3 p`, so a level widens the range of values by `3 p` both ways. The values carry an offset `lift p` from the
//! second level on, taken so large that none is negative; the butterfly's sum and difference keep that of `a`, and
//! that of `b`, a multiple of `p`, vanishes in the product. Columns are carried only where they are
//! about to be multiplied. Cost of a butterfly: 61 multiply-adds, 10 additions for the carries, 10 for sum and difference.

use std::arch::x86_64::*;

use crate::cpu::field::ifma::{
    Columns, Constants, MAX_BOUND, Modulus, Prepared, add, broadcast, mul_prepared_pair, sub,
};

/// Transforms in the buffer have at most this length, `2^12`.
pub(super) const MAX_LEVELS: u32 = 12;

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

/// The first two levels, on two blocks of four inputs in bit-reversed order. `quarter` is the root of order four.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(super) fn first_levels<F: Modulus>(
    x: &[Columns; 8],
    quarter: &Prepared<F>,
    range: Range,
    out: &mut [Columns; 8],
) {
    let input = broadcast(&Constants::<F>::MULTIPLES[range.input]);
    let lift = broadcast(&Constants::<F>::MULTIPLES[range.lift]);
    let start = start::<F>();
    let (b, d) = (sub(&add(&x[2], &input), &x[3]), sub(&add(&x[6], &input), &x[7]));
    let (t, u) = mul_prepared_pair(&b, quarter, &d, quarter, &start);
    for (block, t) in [(0, t), (4, u)] {
        let x = &x[block..block + 4];
        let out = &mut out[block..block + 4];
        let sum = add(&add(&x[0], &x[1]), &lift);
        let difference = add(&sub(&x[0], &x[1]), &lift);
        let other = add(&x[2], &x[3]);
        out[0] = add(&sum, &other);
        out[1] = add(&difference, &t);
        out[2] = sub(&sum, &other);
        out[3] = sub(&difference, &t);
    }
}

/// The levels after the first two. `roots` are the powers below one half of a root of unity of order `2 roots.len()`, a
/// multiple of the buffer's length.
///
/// Recursive: quarters first, so that what fits a cache level stays there.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(super) fn later_levels<F: Modulus>(buffer: &mut [Columns], roots: &[Prepared<F>]) {
    match buffer.len() {
        0..=4 => {}
        8 => radix_2(buffer, roots),
        n => {
            for quarter in buffer.chunks_exact_mut(n / 4) {
                later_levels(quarter, roots);
            }
            radix_4(buffer, roots);
        }
    }
}

/// The last level of a transform of the buffer's length.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn radix_2<F: Modulus>(buffer: &mut [Columns], roots: &[Prepared<F>]) {
    let half = buffer.len() / 2;
    let step = roots.len() / half;
    let start = start::<F>();
    let (low, high) = buffer.split_at_mut(half);
    for k in (0..half).step_by(2) {
        let (v, w) = (&roots[k * step], &roots[(k + 1) * step]);
        let (t, u) = mul_prepared_pair(&high[k], v, &high[k + 1], w, &start);
        (low[k], high[k]) = (add(&low[k], &t), sub(&low[k], &t));
        (low[k + 1], high[k + 1]) = (add(&low[k + 1], &u), sub(&low[k + 1], &u));
    }
}

/// The last two levels of a transform of the buffer's length.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn radix_4<F: Modulus>(buffer: &mut [Columns], roots: &[Prepared<F>]) {
    let quarter = buffer.len() / 4;
    let step = roots.len() / (2 * quarter);
    let start = start::<F>();
    let (low, high) = buffer.split_at_mut(2 * quarter);
    let (a, b) = low.split_at_mut(quarter);
    let (c, d) = high.split_at_mut(quarter);
    for k in 0..quarter {
        let inner = &roots[2 * k * step];
        let (t, u) = mul_prepared_pair(&b[k], inner, &d[k], inner, &start);
        let (e, f) = (add(&c[k], &u), sub(&c[k], &u));
        let (v, w) = mul_prepared_pair(&e, &roots[k * step], &f, &roots[(k + quarter) * step], &start);
        let (g, h) = (add(&a[k], &t), sub(&a[k], &t));
        a[k] = add(&g, &v);
        c[k] = sub(&g, &v);
        b[k] = add(&h, &w);
        d[k] = sub(&h, &w);
    }
}

/// `-3 p`, where products start.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn start<F: Modulus>() -> Columns {
    sub(&[_mm512_setzero_si512(); 5], &broadcast(&Constants::<F>::MULTIPLES[3]))
}
