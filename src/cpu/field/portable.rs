//! Prime fields below 2^254 in 64-bit arithmetic, lazily reduced.
//!
//! An element `a` is stored as four little-endian limbs of some representative of `a R mod p`, `R = 2^256`, in
//! `[0, 2p)`: ark's Montgomery form without the last subtraction. Since `4p < R`, products stay in range by
//! themselves: for `x, y < 2p`, Montgomery's reduction gives
//!
//! ```text
//! (x y + k p) / R  <  (4p^2 + R p) / R  =  p (4p / R + 1)  <  2p,        k < R,
//! ```
//!
//! so a multiplication ends without a comparison. Sums and differences are brought back below `2p` by one conditional
//! addition or subtraction of `2p`. [`Fe::reduce`] gives the canonical element.
//!
//! Products and reductions are made of rows `t += a * word`, in which four independent 64 x 64 products are added by two
//! carry chains; compilers turn them into `mulx` and `adc` (see [`has_mulx`](super::has_mulx) for how kernels get the
//! former). Montgomery's reduction adds `k p` for the `k` that clears the lowest word `t_0`. Two of the four times this is
//! replaced by
//!
//! ```text
//! t / 2^64  =  floor(t / 2^64) + t_0 / 2^64,     1 / 2^64 = N mod p,     N = ((-1/p mod 2^64) p + 1) / 2^64 < p,
//! ```
//!
//! which takes no multiplication to find `k` but ends only below `2^64 p`. With the classical step for the last two words,
//! the result is below `t / R + p (1 + 2^-62)`. That is 34 word multiplications, two fewer than in the usual interleaved
//! form (CIOS), and a shorter chain of dependent ones.

use std::marker::PhantomData;
use std::ops::{Add, Mul, Neg, Sub};

use ark_ff::{BigInt, Fp, MontBackend, MontConfig};

use super::{LazyField, inverse};

pub(super) type Limbs = [u64; 4];

/// An element of the prime field of ark's configuration `P`, as a representative below `2p`.
#[repr(transparent)]
pub struct Fe<P: MontConfig<4>>(Fp<MontBackend<P, 4>, 4>);

impl<P: MontConfig<4>> Copy for Fe<P> {}
impl<P: MontConfig<4>> Clone for Fe<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<P: MontConfig<4>> std::fmt::Debug for Fe<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.reduce())
    }
}

impl<P: MontConfig<4>> Fe<P> {
    const P: Limbs = {
        assert!(P::MODULUS.0[3] >> 62 == 0, "lazy reduction needs 4p < 2^256");
        P::MODULUS.0
    };
    /// `1 / 2^64 mod p`
    const N: Limbs = {
        let m = P::INV as u128;
        let mut carry = (m * Self::P[0] as u128 + 1) >> 64;
        let mut n = [0; 4];
        let mut i = 1;
        while i < 4 {
            carry += m * Self::P[i] as u128;
            n[i - 1] = carry as u64;
            carry >>= 64;
            i += 1;
        }
        n[3] = carry as u64;
        n
    };
    const P2: Limbs = {
        let p = Self::P;
        [p[0] << 1, p[1] << 1 | p[0] >> 63, p[2] << 1 | p[1] >> 63, p[3] << 1 | p[2] >> 63]
    };

    /// ark's canonical element; its limbs are used as they are.
    #[inline(always)]
    pub fn new(value: Fp<MontBackend<P, 4>, 4>) -> Self {
        Self(value)
    }

    /// The canonical element.
    #[inline(always)]
    pub fn reduce(self) -> Fp<MontBackend<P, 4>, 4> {
        let (difference, borrow) = sub_limbs(self.limbs(), Self::P);
        Self::from_limbs(select(borrow, self.limbs(), difference)).0
    }

    /// A slice of ark's elements as one of representatives.
    #[inline(always)]
    pub fn wrap(values: &[Fp<MontBackend<P, 4>, 4>]) -> &[Self] {
        // SAFETY: `Fe` is a transparent wrapper.
        unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
    }

    /// As [`Self::wrap`], for writing. What is left in the slice must be reduced before ark sees it again: ark
    /// computes wrong results from other representatives (it stays memory-safe).
    #[inline(always)]
    pub fn wrap_mut(values: &mut [Fp<MontBackend<P, 4>, 4>]) -> &mut [Self] {
        // SAFETY: `Fe` is a transparent wrapper.
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
    }

    /// Replaces a representative by the canonical one, in place.
    #[inline(always)]
    pub fn make_canonical(&mut self) {
        self.0 = self.reduce();
    }

    #[inline(always)]
    pub(super) const fn from_limbs(limbs: Limbs) -> Self {
        Self(Fp(BigInt(limbs), PhantomData))
    }

    #[inline(always)]
    pub(super) fn limbs(self) -> Limbs {
        (self.0).0.0
    }

    /// `a b` for representatives below `2p`, not reduced: below `4p^2`.
    #[inline(always)]
    pub(super) fn mul_wide(a: Limbs, b: Limbs) -> [u64; 8] {
        let [r0, t1, t2, t3, t4] = add_row([0; 5], a, b[0]);
        let [r1, t1, t2, t3, t4] = add_row([t1, t2, t3, t4, 0], a, b[1]);
        let [r2, t1, t2, t3, t4] = add_row([t1, t2, t3, t4, 0], a, b[2]);
        let [r3, t1, t2, t3, t4] = add_row([t1, t2, t3, t4, 0], a, b[3]);
        [r0, r1, r2, r3, t1, t2, t3, t4]
    }

    /// `a^2`, not reduced. Six cross products, doubled, and four squares: 10 of the 16 word products.
    #[inline(always)]
    fn square_wide(a: Limbs) -> [u64; 8] {
        let (l01, h01) = wide(a[0], a[1]);
        let (l02, h02) = wide(a[0], a[2]);
        let (l03, h03) = wide(a[0], a[3]);
        let (l12, h12) = wide(a[1], a[2]);
        let (l13, h13) = wide(a[1], a[3]);
        let (l23, h23) = wide(a[2], a[3]);

        // The columns 1 to 6 of sum_{i<j} a_i a_j 2^(64 (i + j)), by two carry chains.
        let x1 = l01;
        let (x2, c) = l02.overflowing_add(h01);
        let (x3, c) = l03.carrying_add(h02, c);
        let (x4, c) = l13.carrying_add(h03, c);
        let (x5, c) = l23.carrying_add(h13, c);
        let x6 = h23 + c as u64;
        let (x3, c) = x3.overflowing_add(l12);
        let (x4, c) = x4.carrying_add(h12, c);
        let (x5, c) = x5.carrying_add(0, c);
        let x6 = x6 + c as u64;

        let (l00, h00) = wide(a[0], a[0]);
        let (l11, h11) = wide(a[1], a[1]);
        let (l22, h22) = wide(a[2], a[2]);
        let (l33, h33) = wide(a[3], a[3]);
        let (r1, c) = (x1 << 1).overflowing_add(h00);
        let (r2, c) = (x2 << 1 | x1 >> 63).carrying_add(l11, c);
        let (r3, c) = (x3 << 1 | x2 >> 63).carrying_add(h11, c);
        let (r4, c) = (x4 << 1 | x3 >> 63).carrying_add(l22, c);
        let (r5, c) = (x5 << 1 | x4 >> 63).carrying_add(h22, c);
        let (r6, c) = (x6 << 1 | x5 >> 63).carrying_add(l33, c);
        let (r7, _) = (x6 >> 63).carrying_add(h33, c);
        [l00, r1, r2, r3, r4, r5, r6, r7]
    }

    /// `r / R mod p`, below `2p` if `r < 0.99 R p`.
    #[inline(always)]
    pub(super) fn montgomery(r: [u64; 8]) -> Limbs {
        let t = add_row([r[1], r[2], r[3], 0, 0], Self::N, r[0]);
        let t = add_row([t[1], t[2], t[3], t[4], 0], Self::N, t[0]);
        let t = Self::clear_word(t);
        let [_, t0, t1, t2, t3] = Self::clear_word([t[1], t[2], t[3], t[4], 0]);
        add_limbs([t0, t1, t2, t3], [r[4], r[5], r[6], r[7]]).0
    }

    /// `a b / R mod p`: product and reduction row by row. The sums stay below `4p 2^64 < 2^320`.
    #[inline(always)]
    fn mul_montgomery(a: Limbs, b: Limbs) -> Limbs {
        let t = add_row([0; 5], a, b[0]);
        let t = add_row([t[1], t[2], t[3], t[4], 0], Self::N, t[0]);
        let t = add_row(t, a, b[1]);
        let t = add_row([t[1], t[2], t[3], t[4], 0], Self::N, t[0]);
        let t = add_row(t, a, b[2]);
        let t = Self::clear_word(t);
        let t = add_row([t[1], t[2], t[3], t[4], 0], a, b[3]);
        let [_, t0, t1, t2, t3] = Self::clear_word(t);
        [t0, t1, t2, t3]
    }

    /// `t + k p` with lowest word 0.
    #[inline(always)]
    fn clear_word(t: [u64; 5]) -> [u64; 5] {
        add_row(t, Self::P, t[0].wrapping_mul(P::INV))
    }
}

impl<P: MontConfig<4>> Add for Fe<P> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let (sum, _) = add_limbs(self.limbs(), other.limbs());
        let (difference, borrow) = sub_limbs(sum, Self::P2);
        Self::from_limbs(select(borrow, sum, difference))
    }
}

impl<P: MontConfig<4>> Sub for Fe<P> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let (difference, borrow) = sub_limbs(self.limbs(), other.limbs());
        Self::from_limbs(add_limbs(difference, mask(borrow, Self::P2)).0)
    }
}

impl<P: MontConfig<4>> Mul for Fe<P> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self::from_limbs(Self::mul_montgomery(self.limbs(), other.limbs()))
    }
}

impl<P: MontConfig<4>> Neg for Fe<P> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl<P: MontConfig<4>> LazyField for Fe<P> {
    const ZERO: Self = Self::from_limbs([0; 4]);
    const ONE: Self = Self::from_limbs(P::R.0);

    #[inline(always)]
    fn double(self) -> Self {
        self + self
    }

    #[inline(always)]
    fn square(self) -> Self {
        Self::from_limbs(Self::montgomery(Self::square_wide(self.limbs())))
    }

    fn inverse(self) -> Option<Self> {
        let limbs = self.reduce().0.0;
        // For the integer `a R` in Montgomery form, `R^2 / (a R) = R / a` is the inverse in Montgomery form.
        inverse::divide(P::R2.0, limbs, Self::P).map(Self::from_limbs)
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        self.is_zero_bits() || self.limbs() == Self::P
    }

    #[inline(always)]
    fn is_zero_bits(self) -> bool {
        self.limbs() == [0; 4]
    }

    #[inline(always)]
    fn may_be_zero(self) -> bool {
        let low = self.limbs()[0];
        (low == 0) | (low == Self::P[0])
    }

    #[inline(always)]
    fn may_be_zero_bits(self) -> bool {
        self.limbs()[0] == 0
    }

    #[inline(always)]
    fn negate_if(self, negate: bool) -> Self {
        Self::from_limbs(select(negate, (-self).limbs(), self.limbs()))
    }
}

#[inline(always)]
pub(super) fn wide(a: u64, b: u64) -> (u64, u64) {
    let product = a as u128 * b as u128;
    (product as u64, (product >> 64) as u64)
}

/// `t + a word`; the caller's bounds keep the result below 2^320.
#[inline(always)]
fn add_row(t: [u64; 5], a: Limbs, word: u64) -> [u64; 5] {
    let (l0, h0) = wide(a[0], word);
    let (l1, h1) = wide(a[1], word);
    let (l2, h2) = wide(a[2], word);
    let (l3, h3) = wide(a[3], word);
    let (t0, c) = t[0].overflowing_add(l0);
    let (t1, c) = t[1].carrying_add(l1, c);
    let (t2, c) = t[2].carrying_add(l2, c);
    let (t3, c) = t[3].carrying_add(l3, c);
    let t4 = t[4].wrapping_add(c as u64);
    let (t1, c) = t1.overflowing_add(h0);
    let (t2, c) = t2.carrying_add(h1, c);
    let (t3, c) = t3.carrying_add(h2, c);
    let (t4, _) = t4.carrying_add(h3, c);
    [t0, t1, t2, t3, t4]
}

#[inline(always)]
pub(super) fn add_limbs(a: Limbs, b: Limbs) -> (Limbs, bool) {
    let (r0, c) = a[0].overflowing_add(b[0]);
    let (r1, c) = a[1].carrying_add(b[1], c);
    let (r2, c) = a[2].carrying_add(b[2], c);
    let (r3, c) = a[3].carrying_add(b[3], c);
    ([r0, r1, r2, r3], c)
}

#[inline(always)]
pub(super) fn sub_limbs(a: Limbs, b: Limbs) -> (Limbs, bool) {
    let (r0, c) = a[0].overflowing_sub(b[0]);
    let (r1, c) = a[1].borrowing_sub(b[1], c);
    let (r2, c) = a[2].borrowing_sub(b[2], c);
    let (r3, c) = a[3].borrowing_sub(b[3], c);
    ([r0, r1, r2, r3], c)
}

/// `a` if `condition`, else `b`, without a branch.
#[inline(always)]
pub(super) fn select(condition: bool, a: Limbs, b: Limbs) -> Limbs {
    let mut r = b;
    for i in 0..4 {
        r[i] = if condition { a[i] } else { b[i] };
    }
    r
}

/// `a` if `condition`, else 0, without a branch.
#[inline(always)]
pub(super) fn mask(condition: bool, a: Limbs) -> Limbs {
    let mask = (condition as u64).wrapping_neg();
    [a[0] & mask, a[1] & mask, a[2] & mask, a[3] & mask]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::{Fq, FqConfig, Fr, FrConfig};
    use ark_ff::{AdditiveGroup, Field, PrimeField, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    /// Both representatives of random elements, 0, 1, -1, and values with extreme limbs.
    fn samples<P: MontConfig<4>>() -> Vec<(Fp<MontBackend<P, 4>, 4>, Fe<P>)> {
        type F<P> = Fp<MontBackend<P, 4>, 4>;
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut values: Vec<F<P>> = (0..40).map(|_| F::<P>::rand(&mut rng)).collect();
        values.extend([F::<P>::ZERO, F::<P>::ONE, -F::<P>::ONE, F::<P>::from(2u64)]);
        let mut top = P::MODULUS;
        top.0[0] -= 1;
        values.push(Fp(top, PhantomData));
        values.push(Fp(BigInt([u64::MAX, u64::MAX, u64::MAX, P::MODULUS.0[3] - 1]), PhantomData));
        values.push(Fp(BigInt([0, 0, 0, P::MODULUS.0[3]]), PhantomData));
        let other = |v: F<P>| Fe::from_limbs(add_limbs(v.0.0, Fe::<P>::P).0);
        values.iter().flat_map(|&v| [(v, Fe::new(v)), (v, other(v))]).collect()
    }

    fn agrees_with_ark<P: MontConfig<4>>() {
        let in_range = |x: Fe<P>| sub_limbs(x.limbs(), Fe::<P>::P2).1;
        let check = |x: Fe<P>, expected| {
            assert!(in_range(x));
            assert_eq!(x.reduce(), expected);
            let mut y = x;
            y.make_canonical();
            assert_eq!(y.limbs(), expected.0.0);
        };
        for (a, x) in samples::<P>() {
            check(x, a);
            check(x.double(), a.double());
            check(x.square(), a.square());
            check(-x, -a);
            let inverse = x.inverse().map(Fe::reduce);
            assert_eq!(inverse, a.inverse());
            assert_eq!(x.is_zero(), a == Fp::ZERO);
            assert!(x.may_be_zero() || a != Fp::ZERO);
            assert!(x.may_be_zero_bits() || !x.is_zero_bits());
            assert_eq!(x.negate_if(false).limbs(), x.limbs());
            assert_eq!(x.negate_if(true).reduce(), -a);
            for (b, y) in samples::<P>() {
                check(x + y, a + b);
                check(x - y, a - b);
                check(x * y, a * b);
            }
        }
    }

    #[test]
    fn fq_agrees_with_ark() {
        agrees_with_ark::<FqConfig>();
    }

    #[test]
    fn fr_agrees_with_ark() {
        agrees_with_ark::<FrConfig>();
    }

    #[test]
    fn constants() {
        assert_eq!(Fe::<FqConfig>::ONE.reduce(), Fq::ONE);
        assert_eq!(Fe::<FrConfig>::ONE.reduce(), Fr::ONE);
        let values = [Fr::ONE, Fr::from(7u64)];
        assert_eq!(Fe::wrap(&values)[1].reduce(), values[1]);
        let mut written = values;
        Fe::wrap_mut(&mut written)[0] = Fe::new(values[1]).double();
        assert_eq!(written[0].into_bigint(), BigInt::from(14u64));
    }
}
