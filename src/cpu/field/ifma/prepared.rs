//! Multiplication by a constant known beforehand, for little more than half the price.
//!
//! For a constant `w` the five residues `W_i = w 2^(52 i) 2^52 mod p` are stored. Then
//! `a w = 2^-52 sum_i a_i W_i`, a sum of 309 bits instead of 520, and one reduction step leaves 260: `50 + 11`
//! multiply-adds instead of 101. The result is below `6 p` whatever the five limbs `a_i` are.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::constants::{Constants, LIMBS, MASK, MAX_BOUND, Modulus, power_of_two, relimb};
use super::lazy::{
    Columns, Factor, Lazy, Operand, Wide, broadcast, carry_unmasked, montgomery_step, shift_step, sub,
};

/// One constant for all lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepared<F> {
    residues: [[u64; LIMBS]; LIMBS],
    field: PhantomData<F>,
}

/// Eight constants, a lane each, each applied with a reduction step more, so that products are below `2 p`.
#[derive(Clone, Copy)]
pub(crate) struct PreparedLanes<F> {
    residues: [Columns; LIMBS],
    field: PhantomData<F>,
}

impl<F: Modulus> Prepared<F> {
    /// The constant as a multiplier: products of integers `a` are `a constant mod p`.
    pub(crate) fn new(constant: F) -> Self {
        let step = F::from(1u64 << 52);
        let mut residue = constant * step;
        let residues = std::array::from_fn(|_| {
            let limbs = relimb(residue.into_bigint().0);
            residue *= step;
            limbs
        });
        Self { residues, field: PhantomData }
    }

    /// `a w`, not carried.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn mul<A: Operand<F>>(&self, a: &A) -> Wide<F, 0, 6> {
        let mut t = [_mm512_setzero_si512(); LIMBS + 1];
        for i in 0..LIMBS {
            for j in 0..LIMBS {
                let w = _mm512_set1_epi64(self.residues[i][j] as i64);
                t[j] = _mm512_madd52lo_epu64(t[j], a.limbs()[i], w);
                t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], a.limbs()[i], w);
            }
        }
        montgomery_step::<F>(&mut t, 0);
        Wide::new([t[1], t[2], t[3], t[4], t[5]])
    }
}

/// Terms of a [`PreparedSums`].
pub(crate) const MAX_TERMS: usize = 15;

/// `N` sums of products by constants abreast, with one reduction step in all.
#[derive(Clone, Copy)]
pub(crate) struct PreparedSums<F, const N: usize> {
    columns: [[__m512i; LIMBS + 1]; N],
    field: PhantomData<F>,
}

impl<F: Modulus, const N: usize> PreparedSums<F, N> {
    /// Sums that start with values below `p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn new(start: &[Columns; N]) -> Self {
        let mut columns = [[_mm512_setzero_si512(); LIMBS + 1]; N];
        for n in 0..N {
            for j in 0..LIMBS {
                columns[n][j + 1] = start[n][j];
            }
        }
        Self { columns, field: PhantomData }
    }

    /// `self[n] += a[n] constant`, at most [`MAX_TERMS`] times; `a[n]` has `L` limbs, of which the low 52 bits count.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    #[allow(clippy::needless_range_loop, reason = "iterators keep the vectors out of registers")]
    pub(crate) fn add<const L: usize>(&mut self, a: &[[__m512i; L]; N], constant: &Prepared<F>) {
        for i in 0..L {
            for j in 0..LIMBS {
                let w = _mm512_set1_epi64(constant.residues[i][j] as i64);
                for n in 0..N {
                    let t = &mut self.columns[n];
                    t[j] = _mm512_madd52lo_epu64(t[j], a[n][i], w);
                }
                for n in 0..N {
                    let t = &mut self.columns[n];
                    t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], a[n][i], w);
                }
            }
        }
    }

    /// The sums, below `p` for the start, `5 p` a term and `p` for the reduction.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    #[allow(clippy::needless_range_loop, reason = "iterators keep the vectors out of registers")]
    pub(crate) fn reduce<const TERMS: usize, const C: usize>(self) -> [Wide<F, 0, C>; N] {
        const { assert!(TERMS <= MAX_TERMS && C >= LIMBS * TERMS + 2 && C <= MAX_BOUND) };
        let mut t = self.columns;
        for n in 0..N {
            montgomery_step::<F>(&mut t[n], 0);
        }
        let mut wide = [Wide::new([_mm512_setzero_si512(); LIMBS]); N];
        for n in 0..N {
            wide[n] = Wide::new([t[n][1], t[n][2], t[n][3], t[n][4], t[n][5]]);
        }
        wide
    }
}

/// `a[n] w - 3 p` for each of the signed columns `a[n]`, values in `0..2^260`: values in `-3 p..3 p`, not carried.
///
/// A limb of `w` is loaded once for all the `a[n]`. The reduction adds `q p` for the `q` that makes the lowest column a multiple of
/// `2^52`; what the column then carries is known without adding: its own value divided by `2^52`, rounded up. So it starts at
/// `2^52 - 1`, and the multiplication that finds `q` makes up for it.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
#[allow(clippy::needless_range_loop, reason = "iterators keep the vectors out of registers")]
pub(crate) fn mul_centred<F: Modulus, const N: usize>(a: &[Columns; N], w: &Prepared<F>) -> [Columns; N] {
    let mut a = *a;
    let start = sub(&[_mm512_setzero_si512(); 5], &broadcast(&Constants::<F>::MULTIPLES[3]));
    let round_up = _mm512_set1_epi64(MASK as i64);
    let mut t = [[round_up, start[0], start[1], start[2], start[3], start[4]]; N];
    for n in 0..N {
        a[n] = carry_unmasked(&a[n]);
    }
    for i in 0..LIMBS {
        for j in 0..LIMBS {
            let w = _mm512_set1_epi64(w.residues[i][j] as i64);
            for n in 0..N {
                t[n][j] = _mm512_madd52lo_epu64(t[n][j], a[n][i], w);
            }
            for n in 0..N {
                t[n][j + 1] = _mm512_madd52hi_epu64(t[n][j + 1], a[n][i], w);
            }
        }
    }
    let m = _mm512_set1_epi64(Constants::<F>::NEG_INV as i64);
    let mut q = [m; N];
    for n in 0..N {
        q[n] = _mm512_madd52lo_epu64(m, t[n][0], m);
    }
    for j in 0..LIMBS {
        let p = _mm512_set1_epi64(Constants::<F>::P[j] as i64);
        for n in 0..N {
            if j > 0 {
                t[n][j] = _mm512_madd52lo_epu64(t[n][j], q[n], p);
            }
            t[n][j + 1] = _mm512_madd52hi_epu64(t[n][j + 1], q[n], p);
        }
    }
    for n in 0..N {
        let t = &t[n];
        let first = _mm512_add_epi64(t[1], _mm512_srli_epi64::<52>(t[0]));
        a[n] = [first, t[2], t[3], t[4], t[5]];
    }
    a
}

impl<F: Modulus> PreparedLanes<F> {
    /// Prepares eight constants given as factors, `w 2^260`. They are kept as `w 2^(52 i) 2^104` modulo `p`, below
    /// `2 p`, for two reduction steps.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn new(factors: &Lazy<F, 2>) -> Self {
        let powers = const {
            [
                relimb(power_of_two::<F>(104)),
                relimb(power_of_two::<F>(156)),
                relimb(power_of_two::<F>(208)),
                relimb(power_of_two::<F>(260)),
                relimb(power_of_two::<F>(312)),
            ]
        };
        let residues = powers.map(|power| factors.mul::<_, 2>(&Lazy::<F, 1>::splat(&power)).into_limbs());
        Self { residues, field: PhantomData }
    }

    /// `a w`, for multiplication only.
    ///
    /// The first reduction step is that of [`mul`](super::lazy::mul)'s, the second Montgomery's:
    /// `(5 2^52 2 p + n 2^104 p) / 2^104 + p < 2 p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn mul<A: Operand<F>>(&self, a: &A) -> Factor<F, 2> {
        let mut t = [_mm512_setzero_si512(); LIMBS + 2];
        for i in 0..LIMBS {
            for j in 0..LIMBS {
                t[j] = _mm512_madd52lo_epu64(t[j], a.limbs()[i], self.residues[i][j]);
                t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], a.limbs()[i], self.residues[i][j]);
            }
        }
        shift_step::<F>(&mut t, 0);
        montgomery_step::<F>(&mut t, 1);
        Wide::<F, 0, 2>::new([t[2], t[3], t[4], t[5], t[6]]).factor()
    }
}
