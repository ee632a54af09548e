//! Sums of products, reduced once at the end.
//!
//! A product is 50 multiply-adds and its reduction 51. Where products are only added up, ten columns of 64 bits collect
//! their low and high halves, and the sum is reduced as if it were one product.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::constants::{Constants, LIMBS, MAX_BOUND, Modulus, product_bound};
use super::lazy::{Operand, Wide};

/// Products that a [`Sums`] can take before it must be reduced: each adds less than `10 2^52` to a column, the
/// reduction as much again and a carry.
pub(crate) const MAX_PRODUCTS: usize = 256;

/// `N` sums of products abreast, a lane each: two of them keep the multiplier busy where the chains of one would not.
#[derive(Clone, Copy)]
pub(crate) struct Sums<F, const N: usize> {
    columns: [[__m512i; 2 * LIMBS]; N],
    field: PhantomData<F>,
}

impl<F: Modulus, const N: usize> Sums<F, N> {
    /// Empty sums.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn new() -> Self {
        Self { columns: [[_mm512_setzero_si512(); 2 * LIMBS]; N], field: PhantomData }
    }

    /// `self[n] += a[n] b[n]`, at most [`MAX_PRODUCTS`] times.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn add<A: Operand<F>, B: Operand<F>>(&mut self, a: [&A; N], b: [&B; N]) {
        let t = &mut self.columns;
        for i in 0..LIMBS {
            for j in 0..LIMBS {
                for n in 0..N {
                    t[n][i + j] = _mm512_madd52lo_epu64(t[n][i + j], a[n].limbs()[i], b[n].limbs()[j]);
                }
            }
            for j in 0..LIMBS {
                for n in 0..N {
                    t[n][i + j + 1] =
                        _mm512_madd52hi_epu64(t[n][i + j + 1], a[n].limbs()[i], b[n].limbs()[j]);
                }
            }
        }
    }

    /// The sums times `2^-260`. `TOTAL` is the sum over the products of the products of their factors' bounds.
    ///
    /// The last two columns are cleared Montgomery's way, not only the last as in [`mul`](super::mul): for one
    /// multiply-add more, what reduction adds stays below `p + 2^-50 p`, so that a sum of small products is seldom `p` or more
    /// ([`subtract_seldom_pair`](super::subtract_seldom_pair)).
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    #[allow(clippy::needless_range_loop, reason = "iterators keep the vectors out of registers")]
    pub(crate) fn reduce<const TOTAL: usize, const C: usize>(self) -> [Wide<F, 0, C>; N] {
        const { assert!(C >= product_bound(TOTAL, 1) && C <= MAX_BOUND) };
        let mut t = self.columns;
        for i in 0..LIMBS - 2 {
            shift_steps::<F, N>(&mut t, i);
        }
        for i in LIMBS - 2..LIMBS {
            montgomery_steps::<F, N>(&mut t, i);
        }
        let mut wide = [Wide::new([_mm512_setzero_si512(); LIMBS]); N];
        for n in 0..N {
            wide[n] = Wide::new([t[n][5], t[n][6], t[n][7], t[n][8], t[n][9]]);
        }
        wide
    }
}

/// [`shift_step`] of several columns, interleaved.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
#[allow(clippy::needless_range_loop, reason = "iterators keep the vectors out of registers")]
fn shift_steps<F: Modulus, const N: usize>(t: &mut [[__m512i; 2 * LIMBS]; N], i: usize) {
    let () = Constants::<F>::CHECKED;
    for n in 0..N {
        t[n][i + 1] = _mm512_add_epi64(t[n][i + 1], _mm512_srli_epi64::<52>(t[n][i]));
    }
    for j in 0..LIMBS {
        let digit = _mm512_set1_epi64(Constants::<F>::SHIFT[j] as i64);
        for n in 0..N {
            t[n][i + 1 + j] = _mm512_madd52lo_epu64(t[n][i + 1 + j], t[n][i], digit);
        }
    }
    for j in 0..LIMBS {
        let digit = _mm512_set1_epi64(Constants::<F>::SHIFT[j] as i64);
        for n in 0..N {
            t[n][i + 2 + j] = _mm512_madd52hi_epu64(t[n][i + 2 + j], t[n][i], digit);
        }
    }
}

/// [`montgomery_step`] of several columns, interleaved.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
#[allow(clippy::needless_range_loop, reason = "iterators keep the vectors out of registers")]
fn montgomery_steps<F: Modulus, const N: usize>(t: &mut [[__m512i; 2 * LIMBS]; N], i: usize) {
    let factor = _mm512_set1_epi64(Constants::<F>::NEG_INV as i64);
    let mut q = [_mm512_setzero_si512(); N];
    for n in 0..N {
        q[n] = _mm512_madd52lo_epu64(q[n], t[n][i], factor);
    }
    for j in 0..LIMBS {
        let digit = _mm512_set1_epi64(Constants::<F>::P[j] as i64);
        for n in 0..N {
            t[n][i + j] = _mm512_madd52lo_epu64(t[n][i + j], q[n], digit);
        }
    }
    for j in 0..LIMBS {
        let digit = _mm512_set1_epi64(Constants::<F>::P[j] as i64);
        for n in 0..N {
            t[n][i + 1 + j] = _mm512_madd52hi_epu64(t[n][i + 1 + j], q[n], digit);
        }
    }
    for n in 0..N {
        t[n][i + 1] = _mm512_add_epi64(t[n][i + 1], _mm512_srli_epi64::<52>(t[n][i]));
    }
}
