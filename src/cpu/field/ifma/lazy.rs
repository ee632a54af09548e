//! Eight field elements in five vectors: products, sums and their bounds.

use std::arch::x86_64::*;
use std::hint::cold_path;
use std::marker::PhantomData;

use super::constants::{Constants, LIMBS, MASK, MAX_BOUND, Modulus, product_bound};
use super::pair::dot_columns_pair;

/// Five vectors of eight 64-bit lanes; the value of a lane is `sum_i limb[i] 2^(52 i)`.
pub(crate) type Columns = [__m512i; LIMBS];

/// Eight values below `BOUND p`, every limb below `2^52`.
#[derive(Clone, Copy)]
pub(crate) struct Lazy<F, const BOUND: usize> {
    limbs: Columns,
    field: PhantomData<F>,
}

/// Eight values below `BOUND p` fit for multiplication only: what a limb has above its 52nd bit is stale, and the
/// multiplier does not read it. Saves the masking.
#[derive(Clone, Copy)]
pub(crate) struct Factor<F, const BOUND: usize> {
    limbs: Columns,
    field: PhantomData<F>,
}

/// Eight sums, not carried: signed columns below `(LO + HI) 2^56` in magnitude whose value lies between `-LO p` and
/// `HI p`. With `LO = 0` no column is negative.
#[derive(Clone, Copy)]
pub(crate) struct Wide<F, const LO: usize, const HI: usize> {
    columns: Columns,
    field: PhantomData<F>,
}

/// What can be multiplied: [`Lazy`] and [`Factor`].
pub(crate) trait Operand<F>: Copy {
    /// The values are below `BOUND p`.
    const BOUND: usize;
    /// Limbs of which the low 52 bits count.
    fn limbs(&self) -> &Columns;
}

impl<F: Modulus, const B: usize> Operand<F> for Lazy<F, B> {
    const BOUND: usize = B;
    #[inline(always)]
    fn limbs(&self) -> &Columns {
        &self.limbs
    }
}

impl<F: Modulus, const B: usize> Operand<F> for Factor<F, B> {
    const BOUND: usize = B;
    #[inline(always)]
    fn limbs(&self) -> &Columns {
        &self.limbs
    }
}

impl<F: Modulus, const B: usize> Lazy<F, B> {
    /// Takes limbs that the caller knows to be below `2^52` and a value below `B p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn new(limbs: Columns) -> Self {
        const { assert!(B <= MAX_BOUND) };
        debug_assert!(below::<F>(&limbs, B), "limbs above 2^52 or value above {B} p");
        Self { limbs, field: PhantomData }
    }

    /// The same value, given as limbs, in all lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn splat(limbs: &[u64; LIMBS]) -> Self {
        Self::new(broadcast(limbs))
    }

    /// The limbs, all below `2^52`.
    #[inline(always)]
    pub(crate) fn into_limbs(self) -> Columns {
        self.limbs
    }

    /// The same value under a larger bound.
    #[inline(always)]
    pub(crate) fn widen<const C: usize>(self) -> Lazy<F, C> {
        const { assert!(C >= B && C <= MAX_BOUND) };
        Lazy { limbs: self.limbs, field: PhantomData }
    }

    /// The same value as the start of a sum.
    #[inline(always)]
    pub(crate) fn wide(self) -> Wide<F, 0, B> {
        Wide { columns: self.limbs, field: PhantomData }
    }

    /// `self rhs 2^-260`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn mul<R: Operand<F>, const C: usize>(&self, rhs: &R) -> Lazy<F, C> {
        mul::<F, Self, R, C>(self, rhs).carry()
    }

    /// `self^2 2^-260`, in 81 multiply-adds instead of 101.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn square<const C: usize>(&self) -> Lazy<F, C> {
        square::<F, Self, C>(self).carry()
    }

    /// `self + rhs`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn add<const C: usize, const S: usize>(self, rhs: Lazy<F, C>) -> Wide<F, 0, S> {
        self.wide().add(rhs.wide())
    }

    /// `self - rhs`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn sub<const C: usize>(self, rhs: Lazy<F, C>) -> Wide<F, C, B> {
        self.wide().sub(rhs.wide())
    }

    /// The representative below `p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn canonical(self) -> Lazy<F, 1> {
        Lazy::new(canonical_columns::<F, false>(&self.limbs))
    }

    /// A superset of the lanes that are 0 modulo `p`: those whose lowest limb is that of a multiple of `p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn maybe_zero_lanes(&self) -> u8 {
        let mut lanes = 0;
        for multiple in &Constants::<F>::MULTIPLES[..B] {
            lanes |= _mm512_cmpeq_epi64_mask(self.limbs[0], _mm512_set1_epi64(multiple[0] as i64));
        }
        lanes
    }

    /// The lanes of `mask` negated: `B p - self`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn negate_lanes(self, mask: u8) -> Wide<F, 1, B> {
        let multiple = broadcast(&Constants::<F>::MULTIPLES[B]);
        let mut columns = self.limbs;
        for i in 0..LIMBS {
            columns[i] = _mm512_mask_sub_epi64(columns[i], mask, multiple[i], columns[i]);
        }
        Wide::new(columns)
    }

    /// Lane `l` of the result is lane `order[l]`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn permute(self, order: __m512i) -> Self {
        let mut limbs = self.limbs;
        for limb in &mut limbs {
            *limb = _mm512_permutexvar_epi64(order, *limb);
        }
        Self { limbs, field: PhantomData }
    }
}

impl<F: Modulus, const B: usize> Factor<F, B> {
    /// Takes limbs whose low 52 bits the caller knows to be a value below `B p`.
    #[inline(always)]
    pub(crate) fn from_limbs(limbs: Columns) -> Self {
        const { assert!(B <= MAX_BOUND) };
        Self { limbs, field: PhantomData }
    }

    /// `self rhs 2^-260`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn mul<R: Operand<F>, const C: usize>(&self, rhs: &R) -> Lazy<F, C> {
        mul::<F, Self, R, C>(self, rhs).carry()
    }
}

impl<F: Modulus, const LO: usize, const HI: usize> Wide<F, LO, HI> {
    /// Takes columns that the caller knows to keep the type's promise.
    #[inline(always)]
    pub(crate) fn new(columns: Columns) -> Self {
        const { assert!(LO + HI <= 127) };
        Self { columns, field: PhantomData }
    }

    /// `self + rhs`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn add<const L: usize, const H: usize, const SL: usize, const SH: usize>(
        self,
        rhs: Wide<F, L, H>,
    ) -> Wide<F, SL, SH> {
        const { assert!(SL >= LO + L && SH >= HI + H) };
        Wide::new(add(&self.columns, &rhs.columns))
    }

    /// `self - rhs`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn sub<const L: usize, const H: usize, const SL: usize, const SH: usize>(
        self,
        rhs: Wide<F, L, H>,
    ) -> Wide<F, SL, SH> {
        const { assert!(SL >= LO + H && SH >= HI + L) };
        Wide::new(sub(&self.columns, &rhs.columns))
    }

    /// The columns.
    #[inline(always)]
    pub(crate) fn into_columns(self) -> Columns {
        self.columns
    }

    /// `self + rhs`, for bounds that leave room.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn plus<const B: usize, const S: usize>(self, rhs: Lazy<F, B>) -> Wide<F, LO, S> {
        const { assert!(S >= HI + B) };
        Wide::new(add(&self.columns, &rhs.limbs))
    }

    /// Four times the value.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn quadruple<const L: usize, const H: usize>(self) -> Wide<F, L, H> {
        const { assert!(L >= 4 * LO && H >= 4 * HI) };
        let mut columns = self.columns;
        for column in &mut columns {
            *column = _mm512_slli_epi64::<2>(*column);
        }
        Wide::new(columns)
    }

    /// The value plus `LO p`, hence below `(LO + HI) p` and not negative, in clean limbs.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn carry<const C: usize>(self) -> Lazy<F, C> {
        const { assert!(C >= LO + HI && C <= MAX_BOUND) };
        Lazy::new(carry(&self.lifted()))
    }

    /// As [`Self::carry`], for multiplication only.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn factor<const C: usize>(self) -> Factor<F, C> {
        const { assert!(C >= LO + HI && C <= MAX_BOUND) };
        Factor { limbs: carry_unmasked(&self.lifted()), field: PhantomData }
    }

    /// The value reduced to below `p + 2^-42 p`, in clean limbs.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn reduce(self) -> Lazy<F, 2> {
        const { assert!(LO + HI < MAX_BOUND) };
        if LO == 0 {
            Lazy::new(reduce_columns::<F, false>(&self.columns))
        } else {
            let lifted = add(&self.columns, &broadcast(const { &Constants::<F>::MULTIPLES[LO + 1] }));
            Lazy::new(reduce_columns::<F, true>(&lifted))
        }
    }

    /// The representative below `p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn canonical(self) -> Lazy<F, 1> {
        const { assert!(LO + HI < MAX_BOUND || LO == 0 && HI == MAX_BOUND) };
        if LO == 0 {
            Lazy::new(canonical_columns::<F, false>(&self.columns))
        } else {
            let lifted = add(&self.columns, &broadcast(const { &Constants::<F>::MULTIPLES[LO + 1] }));
            Lazy::new(canonical_columns::<F, true>(&lifted))
        }
    }

    /// The columns.
    #[inline(always)]
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The same sum under larger bounds.
    #[inline(always)]
    pub(crate) fn widen<const L: usize, const H: usize>(self) -> Wide<F, L, H> {
        const { assert!(L >= LO && H >= HI) };
        Wide::new(self.columns)
    }

    /// The same sum under smaller bounds, which the caller knows it to keep.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn narrow<const L: usize, const H: usize>(self) -> Wide<F, L, H> {
        let narrow = Wide::<F, L, H>::new(self.columns);
        debug_assert!(L + H == 0 || below::<F>(&carry(&narrow.lifted()), L + H), "not in -{L} p..{H} p");
        narrow
    }

    /// `other` in the lanes of `mask`, `self` elsewhere.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn select(self, mask: u8, other: Self) -> Self {
        let mut columns = self.columns;
        for (column, other) in columns.iter_mut().zip(other.columns) {
            *column = _mm512_mask_mov_epi64(*column, mask, other);
        }
        Self::new(columns)
    }

    /// The lanes that are 0 modulo `p`.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn zero_lanes(self) -> u8 {
        let limbs = self.reduce().canonical().into_limbs();
        limbs.iter().fold(0xff, |lanes, limb| lanes & _mm512_testn_epi64_mask(*limb, *limb))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn lifted(self) -> Columns {
        if LO == 0 {
            self.columns
        } else {
            add(&self.columns, &broadcast(const { &Constants::<F>::MULTIPLES[LO] }))
        }
    }
}

/// `a b 2^-260`, not carried.
///
/// The product's ten columns collect low and high halves alike. The low column is then cleared four times: its
/// low 52 bits `q` are dropped and `q 2^-52 mod p`, one multiple of [`Constants::SHIFT`], added one column up, which
/// needs no quotient digit. The last column is cleared Montgomery's way, by the multiple of `p` that is `-q` modulo
/// `2^52`, for a result of 260 bits. Cost: `50 + 4 10 + 11 = 101` multiply-adds.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn mul<F: Modulus, A: Operand<F>, B: Operand<F>, const C: usize>(a: &A, b: &B) -> Wide<F, 0, C> {
    const { assert!(A::BOUND <= MAX_BOUND && B::BOUND <= MAX_BOUND && C >= product_bound(A::BOUND, B::BOUND)) };
    Wide::new(mul_columns::<F>(a.limbs(), b.limbs()))
}

/// `a b 2^-260` and `c d 2^-260`, not carried, faster than one after the other.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn mul_pair<F: Modulus, A: Operand<F>, B: Operand<F>, const C: usize>(
    a: &A,
    b: &B,
    c: &A,
    d: &B,
) -> (Wide<F, 0, C>, Wide<F, 0, C>) {
    const { assert!(A::BOUND <= MAX_BOUND && B::BOUND <= MAX_BOUND && C >= product_bound(A::BOUND, B::BOUND)) };
    let zero = [_mm512_setzero_si512(); LIMBS];
    let terms = [[[a.limbs(), b.limbs()]], [[c.limbs(), d.limbs()]]];
    let [s, t] = dot_columns_pair::<F, 1>([&zero; 2], terms);
    (Wide::new(s), Wide::new(t))
}

/// `a^2 2^-260`, not carried: the products of distinct limbs are taken once and doubled.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn square<F: Modulus, A: Operand<F>, const C: usize>(a: &A) -> Wide<F, 0, C> {
    const { assert!(A::BOUND <= MAX_BOUND && C >= product_bound(A::BOUND, A::BOUND)) };
    Wide::new(square_columns::<F>(a.limbs()))
}

/// See [`mul`]; reads the low 52 bits of the limbs.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn mul_columns<F: Modulus>(a: &Columns, b: &Columns) -> Columns {
    let mut t = [_mm512_setzero_si512(); 2 * LIMBS];
    for i in 0..LIMBS {
        for j in 0..LIMBS {
            t[i + j] = _mm512_madd52lo_epu64(t[i + j], a[i], b[j]);
            t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a[i], b[j]);
        }
    }
    reduce_product::<F>(t)
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn square_columns<F: Modulus>(a: &Columns) -> Columns {
    let mut t = [_mm512_setzero_si512(); 2 * LIMBS];
    for i in 0..LIMBS {
        for j in i + 1..LIMBS {
            t[i + j] = _mm512_madd52lo_epu64(t[i + j], a[i], a[j]);
            t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a[i], a[j]);
        }
    }
    for column in &mut t[1..2 * LIMBS - 1] {
        *column = _mm512_add_epi64(*column, *column);
    }
    for i in 0..LIMBS {
        t[2 * i] = _mm512_madd52lo_epu64(t[2 * i], a[i], a[i]);
        t[2 * i + 1] = _mm512_madd52hi_epu64(t[2 * i + 1], a[i], a[i]);
    }
    reduce_product::<F>(t)
}

/// The reduction described at [`mul`].
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn reduce_product<F: Modulus>(mut t: [__m512i; 2 * LIMBS]) -> Columns {
    for i in 0..LIMBS - 1 {
        shift_step::<F>(&mut t, i);
    }
    montgomery_step::<F>(&mut t, LIMBS - 1);
    [t[5], t[6], t[7], t[8], t[9]]
}

/// Clears column `i` by adding `(t[i] mod 2^52) 2^-52 mod p` one column up.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(super) fn shift_step<F: Modulus>(t: &mut [__m512i], i: usize) {
    let () = Constants::<F>::CHECKED;
    let q = t[i];
    t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64::<52>(q));
    for j in 0..LIMBS {
        let n = _mm512_set1_epi64(Constants::<F>::SHIFT[j] as i64);
        t[i + 1 + j] = _mm512_madd52lo_epu64(t[i + 1 + j], q, n);
        t[i + 2 + j] = _mm512_madd52hi_epu64(t[i + 2 + j], q, n);
    }
}

/// Clears column `i` by adding the multiple of `p` that is its negative modulo `2^52`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(super) fn montgomery_step<F: Modulus>(t: &mut [__m512i], i: usize) {
    let m = _mm512_set1_epi64(Constants::<F>::NEG_INV as i64);
    let q = _mm512_madd52lo_epu64(_mm512_setzero_si512(), t[i], m);
    for j in 0..LIMBS {
        let p = _mm512_set1_epi64(Constants::<F>::P[j] as i64);
        t[i + j] = _mm512_madd52lo_epu64(t[i + j], q, p);
        t[i + 1 + j] = _mm512_madd52hi_epu64(t[i + 1 + j], q, p);
    }
    t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64::<52>(t[i]));
}

/// The same limbs in all lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn broadcast(limbs: &[u64; LIMBS]) -> Columns {
    let mut columns = [_mm512_setzero_si512(); LIMBS];
    for i in 0..LIMBS {
        columns[i] = _mm512_set1_epi64(limbs[i] as i64);
    }
    columns
}

/// `a + b`, column by column.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn add(a: &Columns, b: &Columns) -> Columns {
    let mut sum = *a;
    for i in 0..LIMBS {
        sum[i] = _mm512_add_epi64(a[i], b[i]);
    }
    sum
}

/// `a - b`, column by column.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn sub(a: &Columns, b: &Columns) -> Columns {
    let mut difference = *a;
    for i in 0..LIMBS {
        difference[i] = _mm512_sub_epi64(a[i], b[i]);
    }
    difference
}

/// Carries signed columns without masking them; the value must lie in `0..2^260`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn carry_unmasked(columns: &Columns) -> Columns {
    let mut limbs = *columns;
    for i in 0..LIMBS - 1 {
        limbs[i + 1] = _mm512_add_epi64(limbs[i + 1], _mm512_srai_epi64::<52>(limbs[i]));
    }
    limbs
}

/// Carries signed columns to limbs below `2^52`; the value must lie in `0..2^260`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn carry(columns: &Columns) -> Columns {
    let mask = _mm512_set1_epi64(MASK as i64);
    let mut limbs = carry_unmasked(columns);
    for limb in &mut limbs[..LIMBS - 1] {
        *limb = _mm512_and_si512(*limb, mask);
    }
    limbs
}

/// Columns of a value `v` below `84 p` to the limbs of `v - q p`, which is below `p + 2^-42 p`. With `SIGNED` the
/// columns may be negative and `v` must be at least `p`; without, neither.
///
/// The quotient `q` is the top limb times `2^305 / p`, shifted. The top limb lacks what the lower columns carry into
/// it beyond one step: at most 1, and with signed columns possibly -1, which is then taken off beforehand so that
/// `q` never exceeds `v / p`. In all, `2^45 v / p` is underestimated by less than 6.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn reduce_columns<F: Modulus, const SIGNED: bool>(columns: &Columns) -> Columns {
    let () = Constants::<F>::CHECKED;
    let mask = _mm512_set1_epi64(MASK as i64);
    let top = _mm512_add_epi64(columns[4], _mm512_srai_epi64::<52>(columns[3]));
    let start = _mm512_set1_epi64(if SIGNED { -1 } else { 0 });
    let scaled = _mm512_madd52hi_epu64(start, top, _mm512_set1_epi64(Constants::<F>::QUOTIENT as i64));
    let q = _mm512_srli_epi64::<45>(scaled);
    let mut t = *columns;
    for j in 0..LIMBS {
        let c = _mm512_set1_epi64(Constants::<F>::COMPLEMENT[j] as i64);
        t[j] = _mm512_madd52lo_epu64(t[j], q, c);
        if j + 1 < LIMBS {
            t[j + 1] = _mm512_madd52hi_epu64(t[j + 1], q, c);
        }
    }
    let mut limbs = carry(&t);
    limbs[4] = _mm512_and_si512(limbs[4], mask);
    limbs
}

/// As [`reduce_columns`], to the representative below `p`.
///
/// What is left to subtract is rare, so it is branched on: a lane can only be `p` or more if its top limb is not
/// below that of `p`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn canonical_columns<F: Modulus, const SIGNED: bool>(columns: &Columns) -> Columns {
    below_p::<F>(&reduce_columns::<F, SIGNED>(columns))
}

/// [`Wide::canonical`] of two values, faster than one after the other: they share the branch.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn canonical_pair<F: Modulus, const LO: usize, const HI: usize>(
    pair: [Wide<F, LO, HI>; 2],
) -> [Lazy<F, 1>; 2] {
    let [a, b] = pair;
    below_p_pair::<F>([*a.reduce().limbs(), *b.reduce().limbs()])
}

/// The representatives below `p` of values below `2 p`: a carry and a branch, which pays where values of `p` and more are
/// rare.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn subtract_seldom_pair<F: Modulus, const HI: usize>(
    pair: [Wide<F, 0, HI>; 2],
) -> [Lazy<F, 1>; 2] {
    const { assert!(HI <= 2) };
    let [a, b] = pair;
    below_p_pair::<F>([carry(&a.columns), carry(&b.columns)])
}

/// [`below_p`] of two values.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn below_p_pair<F: Modulus>(pair: [Columns; 2]) -> [Lazy<F, 1>; 2] {
    let top = _mm512_set1_epi64(Constants::<F>::P[4] as i64);
    let [mut a, mut b] = pair;
    if _mm512_cmpge_epu64_mask(_mm512_max_epu64(a[4], b[4]), top) != 0 {
        cold_path();
        a = subtract_once::<F>(&a);
        b = subtract_once::<F>(&b);
    }
    [Lazy::new(a), Lazy::new(b)]
}

/// Limbs of values below `2 p` to the representatives below `p`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn below_p<F: Modulus>(limbs: &Columns) -> Columns {
    let top = _mm512_set1_epi64(Constants::<F>::P[4] as i64);
    if _mm512_cmpge_epu64_mask(limbs[4], top) == 0 {
        *limbs
    } else {
        // Not a call, for which the limbs would have to lie in memory in all cases.
        cold_path();
        subtract_once::<F>(limbs)
    }
}

/// `v - p` in the lanes where that is not negative.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn subtract_once<F: Modulus>(limbs: &Columns) -> Columns {
    let difference = carry(&sub(limbs, &broadcast(&Constants::<F>::P)));
    let negative = negative_lanes(difference[4]);
    let mut result = difference;
    for i in 0..LIMBS {
        result[i] = _mm512_mask_mov_epi64(difference[i], negative, limbs[i]);
    }
    result
}

/// The lanes below zero, as a bit mask.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn negative_lanes(a: __m512i) -> u8 {
    _mm512_cmplt_epi64_mask(a, _mm512_setzero_si512())
}

/// Whether all limbs are below `2^52` and all values below `bound p`. For debug assertions.
#[cold]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn below<F: Modulus>(limbs: &Columns, bound: usize) -> bool {
    let mut clean = 0;
    for limb in limbs {
        clean |= _mm512_cmpgt_epu64_mask(*limb, _mm512_set1_epi64(MASK as i64));
    }
    let difference = carry_unmasked(&sub(limbs, &broadcast(&Constants::<F>::MULTIPLES[bound])));
    clean == 0 && negative_lanes(difference[4]) == 0xff
}
