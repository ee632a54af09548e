//! Eight elements of an extension of degree `D` of `F`: of `F` itself, or of `F[u] / (u^2 + 1)`.
//!
//! A product in the quadratic extension is four products of `F` and two reductions, with one coefficient negated
//! beforehand so that all products add up:
//!
//! ```text
//! c0 = a0 b0 + (-a1) b1,     c1 = a0 b1 + a1 b0.
//! ```
//!
//! That is 302 multiply-adds. Karatsuba's three products would be 252, but its sums have to be carried before and its
//! unreduced products subtracted after the multiplication, 75 instructions that compete for the same ports.

use super::constants::{Constants, Modulus, product_bound};
use super::layout::{Words, words_of_limbs};
use super::lazy::{Columns, Factor, Lazy, Operand, Wide, broadcast, carry, mul_columns, square};
use super::pair::{dot_columns_pair, dot_factors_pair, square_columns_pair};

/// The coefficients given by an expression in their index. Not a closure: what a closure of a function without the
/// tier's target features holds is not inlined.
macro_rules! each {
    ($i:ident => $value:expr) => {{
        let $i = 0;
        let mut coefficients = [$value; D];
        if D == 2 {
            let $i = D - 1;
            coefficients[$i] = $value;
        }
        coefficients
    }};
}

/// Eight sums, not carried; coefficients are [`Wide`].
#[derive(Clone, Copy)]
pub(crate) struct Ext<F, const D: usize, const LO: usize, const HI: usize>([Wide<F, LO, HI>; D]);

/// Eight values fit for multiplication; coefficients are below `B p`. In an extension of degree 2 the limbs are clean.
#[derive(Clone, Copy)]
pub(crate) struct ExtFactor<F, const D: usize, const B: usize>([Factor<F, B>; D]);

impl<F: Modulus, const D: usize, const LO: usize, const HI: usize> Ext<F, D, LO, HI> {
    /// From coefficients.
    #[inline(always)]
    pub(crate) fn new(coefficients: [Wide<F, LO, HI>; D]) -> Self {
        const { assert!(D == 1 || D == 2) };
        Self(coefficients)
    }

    /// The same sums under larger bounds.
    #[inline(always)]
    pub(crate) fn widen<const L: usize, const H: usize>(self) -> Ext<F, D, L, H> {
        Ext(each!(i => self.0[i].widen()))
    }

    /// The same sums under smaller bounds, which the caller knows them to keep.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn narrow<const L: usize, const H: usize>(self) -> Ext<F, D, L, H> {
        Ext(each!(i => self.0[i].narrow()))
    }

    /// `self + rhs`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn add<const L: usize, const H: usize, const SL: usize, const SH: usize>(
        self,
        rhs: Ext<F, D, L, H>,
    ) -> Ext<F, D, SL, SH> {
        Ext(each!(i => self.0[i].add(rhs.0[i])))
    }

    /// `self - rhs`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn sub<const L: usize, const H: usize, const SL: usize, const SH: usize>(
        self,
        rhs: Ext<F, D, L, H>,
    ) -> Ext<F, D, SL, SH> {
        Ext(each!(i => self.0[i].sub(rhs.0[i])))
    }

    /// Four times the values.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn quadruple<const L: usize, const H: usize>(self) -> Ext<F, D, L, H> {
        Ext(each!(i => self.0[i].quadruple()))
    }

    /// `other` in the lanes of `mask`, `self` elsewhere.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn select(self, mask: u8, other: Self) -> Self {
        Ext(each!(i => self.0[i].select(mask, other.0[i])))
    }

    /// Every coefficient reduced to below `p + 2^-42 p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn reduce(self) -> Ext<F, D, 0, 2> {
        Ext(each!(i => self.0[i].reduce().wide()))
    }

    /// The lanes that are 0.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn zero_lanes(self) -> u8 {
        let mut lanes = 0xff;
        for coefficient in self.0 {
            lanes &= coefficient.zero_lanes();
        }
        lanes
    }

    /// The 256-bit words of the coefficients, reduced to below `2 p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn into_words(self) -> [Words; D] {
        each!(i => words_of_limbs(self.0[i].reduce().limbs()))
    }

    /// The values plus `LO p`, for multiplication.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn factor<const C: usize>(self) -> ExtFactor<F, D, C> {
        ExtFactor(each!(i => {
            if D == 1 { self.0[i].factor() } else { Factor::from_limbs(self.0[i].carry::<C>().into_limbs()) }
        }))
    }

    /// As [`Self::factor`], of values that the caller knows not to be negative, without adding to them.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn nonnegative_factor<const C: usize>(self) -> ExtFactor<F, D, C> {
        self.narrow::<0, HI>().factor()
    }
}

impl<F: Modulus, const D: usize, const A: usize> ExtFactor<F, D, A> {
    /// A base field's value, given as limbs, in all lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn splat(limbs: &[u64; 5]) -> Self {
        let zero = Lazy::<F, A>::splat(&[0; 5]);
        let mut coefficients = [Factor::from_limbs(zero.into_limbs()); D];
        coefficients[0] = Factor::from_limbs(Lazy::<F, A>::splat(limbs).into_limbs());
        Self(coefficients)
    }

    /// The same values under a larger bound.
    #[inline(always)]
    pub(crate) fn widen<const C: usize>(self) -> ExtFactor<F, D, C> {
        const { assert!(C >= A) };
        ExtFactor(each!(i => Factor::from_limbs(*self.0[i].limbs())))
    }

    /// `other` in the lanes of `mask`, `self` elsewhere.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn select(self, mask: u8, other: Self) -> Self {
        Self(each!(i => {
            let [a, b] = [self.0[i], other.0[i]].map(|c| Wide::<F, 0, A>::new(*c.limbs()));
            Factor::from_limbs(*a.select(mask, b).columns())
        }))
    }

    /// `starts[k] + a_k b_k 2^-260`, two interleaved.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn mul_add_pair<
        const B: usize,
        const L: usize,
        const H: usize,
        const SL: usize,
        const SH: usize,
    >(
        starts: [&Ext<F, D, L, H>; 2],
        a: [&Self; 2],
        b: [&ExtFactor<F, D, B>; 2],
    ) -> [Ext<F, D, SL, SH>; 2] {
        const { assert!(SL >= L && SH >= H + product_bound(D * A, B)) };
        if D == 1 {
            let starts = [starts[0].0[0].columns(), starts[1].0[0].columns()];
            let terms = [[[a[0].0[0].limbs(), b[0].0[0].limbs()]], [[a[1].0[0].limbs(), b[1].0[0].limbs()]]];
            let [s, t] = dot_columns_pair::<F, 1>(starts, terms);
            [Ext([Wide::new(s); D]), Ext([Wide::new(t); D])]
        } else {
            [Self::mul_add(starts[0], a[0], b[0]), Self::mul_add(starts[1], a[1], b[1])]
        }
    }

    /// `a_k b_k 2^-260`, two interleaved, for multiplication.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn mul_pair<const B: usize, const C: usize>(
        a: [&Self; 2],
        b: [&ExtFactor<F, D, B>; 2],
    ) -> [ExtFactor<F, D, C>; 2] {
        const { assert!(C >= product_bound(D * A, B)) };
        if D == 1 {
            let terms = [[[a[0].0[0].limbs(), b[0].0[0].limbs()]], [[a[1].0[0].limbs(), b[1].0[0].limbs()]]];
            let [s, t] = dot_factors_pair::<F, 1>(terms);
            [ExtFactor([Factor::from_limbs(s); D]), ExtFactor([Factor::from_limbs(t); D])]
        } else {
            [a[0].mul(b[0]), a[1].mul(b[1])]
        }
    }

    /// In an extension of degree 2.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn mul_add<const B: usize, const L: usize, const H: usize, const SL: usize, const SH: usize>(
        start: &Ext<F, D, L, H>,
        a: &Self,
        b: &ExtFactor<F, D, B>,
    ) -> Ext<F, D, SL, SH> {
        let starts = [start.0[0].columns(), start.0[D - 1].columns()];
        let negative = a.negative();
        let [c0, c1] = dot_columns_pair::<F, 2>(starts, a.terms(&negative, b));
        let mut product = Ext([Wide::new(c0); D]);
        product.0[D - 1] = Wide::new(c1);
        product
    }

    /// In an extension of degree 2.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn mul<const B: usize, const C: usize>(&self, b: &ExtFactor<F, D, B>) -> ExtFactor<F, D, C> {
        let negative = self.negative();
        let [c0, c1] = dot_factors_pair::<F, 2>(self.terms(&negative, b));
        let mut product = ExtFactor([Factor::from_limbs(clean(&c0)); D]);
        product.0[D - 1] = Factor::from_limbs(clean(&c1));
        product
    }

    /// The last coefficient's negative.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn negative(&self) -> Factor<F, A> {
        let coefficient = Wide::<F, 0, A>::new(*self.0[D - 1].limbs());
        let negative: Wide<F, A, 0> = Wide::<F, 0, 0>::new(zero()).sub(coefficient);
        negative.factor()
    }

    /// The products that add up to the coefficients of `self b`, given the last coefficient's negative.
    #[inline(always)]
    fn terms<'a, const B: usize>(
        &'a self,
        negative: &'a Factor<F, A>,
        b: &'a ExtFactor<F, D, B>,
    ) -> [[[&'a Columns; 2]; 2]; 2] {
        let [a0, a1, negative] = [self.0[0].limbs(), self.0[D - 1].limbs(), negative.limbs()];
        let [b0, b1] = [b.0[0].limbs(), b.0[D - 1].limbs()];
        [[[a0, b0], [negative, b1]], [[a0, b1], [a1, b0]]]
    }

    /// `self^2 2^-260`; in degree 2 `(a0 + a1) (a0 - a1) + 2 a0 a1 u`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn square<const C: usize>(&self) -> Ext<F, D, 0, C> {
        const { assert!(C >= product_bound(D * A, D * A)) };
        if D == 1 { Ext([square::<F, _, C>(&self.0[0]); D]) } else { self.square_add(&zero()) }
    }

    /// Two squares, interleaved, both plus `2 HALF p` in every coefficient.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn square_pair<const HALF: usize, const C: usize>(a: &Self, b: &Self) -> [Ext<F, D, 0, C>; 2] {
        const { assert!(C >= 2 * HALF + product_bound(D * A, D * A)) };
        if D == 1 {
            let [s, t] = square_columns_pair::<F, HALF>(a.0[0].limbs(), b.0[0].limbs());
            [Ext([Wide::new(s); D]), Ext([Wide::new(t); D])]
        } else {
            let start = broadcast(const { &Constants::<F>::MULTIPLES[2 * HALF] });
            [a.square_add(&start), b.square_add(&start)]
        }
    }

    /// In an extension of degree 2: the square, both of whose coefficients start with given columns.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn square_add<const C: usize>(&self, start: &Columns) -> Ext<F, D, 0, C> {
        let [a0, a1] = [*self.0[0].limbs(), *self.0[D - 1].limbs()];
        let [plus, minus, twice] = [sum(&a0, &a1), difference::<F>(&a0, &a1, A), sum(&a1, &a1)];
        let terms = [[[&plus, &minus]], [[&a0, &twice]]];
        let [c0, c1] = dot_columns_pair::<F, 1>([start; 2], terms);
        let mut square = Ext([Wide::new(c0); D]);
        square.0[D - 1] = Wide::new(c1);
        square
    }
}

impl<F: Modulus, const D: usize> ExtFactor<F, D, 2> {
    /// The norms to `F`, with a factor `2^-260` in degree 2: not 0 where the element is not.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn norm(&self) -> Lazy<F, 2> {
        let [a0, a1] = [self.0[0].limbs(), self.0[D - 1].limbs()];
        if D == 1 {
            return Lazy::new(clean(a0));
        }
        let [norm, _] = dot_columns_pair::<F, 2>([&zero(); 2], [[[a0, a0], [a1, a1]]; 2]);
        // (2 2 + 2 2 + 96) / 84 < 2
        Wide::<F, 0, 2>::new(norm).carry()
    }

    /// From the inverse of the norm: the inverse is the conjugate times it.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn inverse(&self, inverse_norm: &Lazy<F, 2>) -> Self {
        let first = *self.0[0].limbs();
        if D == 1 {
            return Self([Factor::from_limbs(inverse_norm.into_limbs()); D]);
        }
        let conjugate = difference::<F>(&zero(), self.0[D - 1].limbs(), 2);
        let mut inverse = [self.0[0]; D];
        for (to, from) in [(0, first), (D - 1, conjugate)] {
            let product = Wide::<F, 0, 2>::new(mul_columns::<F>(&from, inverse_norm.limbs()));
            inverse[to] = Factor::from_limbs(product.carry::<2>().into_limbs());
        }
        Self(inverse)
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn zero() -> Columns {
    broadcast(&[0; 5])
}

/// `a + b`, carried.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn sum(a: &Columns, b: &Columns) -> Columns {
    super::lazy::carry_unmasked(&super::lazy::add(a, b))
}

/// `a - b + lift p`, carried.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn difference<F: Modulus>(a: &Columns, b: &Columns, lift: usize) -> Columns {
    let lift = broadcast(&Constants::<F>::MULTIPLES[lift]);
    carry(&super::lazy::sub(&super::lazy::add(a, &lift), b))
}

/// Limbs without what is stale above their 52nd bit.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn clean(limbs: &Columns) -> Columns {
    use std::arch::x86_64::{_mm512_and_si512, _mm512_set1_epi64};
    let mask = _mm512_set1_epi64(super::constants::MASK as i64);
    let mut clean = *limbs;
    for limb in &mut clean {
        *limb = _mm512_and_si512(*limb, mask);
    }
    clean
}
