//! Quadratic extensions `F_p[u] / (u^2 + 1)` of the prime fields of [`portable`](super::portable).
//!
//! Karatsuba's three products are subtracted from each other before reduction, so a multiplication costs three
//! products and two reductions. For a reduction to end below `2p`, what it is given must be well below `R p`: one
//! conditional addition or subtraction of `7/8 R p` sees to it.

use std::ops::{Add, Mul, Neg, Sub};

use ark_ff::{Fp, Fp2, Fp2Config, MontBackend, MontConfig};

use super::LazyField;
use super::portable::{Fe, Limbs, add_limbs};

/// The element `c0 + c1 u`, `u^2 = -1`; in memory, the words of `c0` and then those of `c1`.
#[repr(C)]
pub struct Fe2<P: MontConfig<4>> {
    c0: Fe<P>,
    c1: Fe<P>,
}

impl<P: MontConfig<4>> Copy for Fe2<P> {}
impl<P: MontConfig<4>> Clone for Fe2<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: MontConfig<4>> Fe2<P> {
    /// `7/8 R p / 2^192 = 7 2^61 p`
    const SEVEN_EIGHTHS: [u64; 5] = {
        assert!(P::MODULUS.0[3] < 7 << 59, "4p < 7/8 R");
        let mut carry = 0;
        let mut r = [0; 5];
        let mut i = 0;
        while i < 4 {
            carry += (7u128 << 61) * P::MODULUS.0[i] as u128;
            r[i] = carry as u64;
            carry >>= 64;
            i += 1;
        }
        r[4] = carry as u64;
        r
    };

    /// ark's element of a quadratic extension with non-residue -1.
    #[inline(always)]
    pub fn new<E: Fp2Config<Fp = Fp<MontBackend<P, 4>, 4>>>(value: Fp2<E>) -> Self {
        const { assert!(is_minus_one::<P>(E::NONRESIDUE.0.0), "the extension must be by u^2 = -1") };
        Self { c0: Fe::new(value.c0), c1: Fe::new(value.c1) }
    }

    /// The canonical element.
    #[inline(always)]
    pub fn reduce<E: Fp2Config<Fp = Fp<MontBackend<P, 4>, 4>>>(self) -> Fp2<E> {
        Fp2::new(self.c0.reduce(), self.c1.reduce())
    }
}

/// Whether `R + limbs = p`: the limbs are -1 in Montgomery form.
const fn is_minus_one<P: MontConfig<4>>(limbs: Limbs) -> bool {
    let mut carry = 0;
    let mut i = 0;
    while i < 4 {
        let sum = P::R.0[i] as u128 + limbs[i] as u128 + carry;
        if sum as u64 != P::MODULUS.0[i] {
            return false;
        }
        carry = sum >> 64;
        i += 1;
    }
    carry == 0
}

impl<P: MontConfig<4>> Add for Fe2<P> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { c0: self.c0 + other.c0, c1: self.c1 + other.c1 }
    }
}

impl<P: MontConfig<4>> Sub for Fe2<P> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { c0: self.c0 - other.c0, c1: self.c1 - other.c1 }
    }
}

impl<P: MontConfig<4>> Neg for Fe2<P> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { c0: -self.c0, c1: -self.c1 }
    }
}

impl<P: MontConfig<4>> Mul for Fe2<P> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let [a0, a1] = [self.c0.limbs(), self.c1.limbs()];
        let [b0, b1] = [other.c0.limbs(), other.c1.limbs()];
        let low = Fe::<P>::mul_wide(a0, b0);
        let high = Fe::<P>::mul_wide(a1, b1);
        // The sums are below 4p < R, and their product below 16 p^2 < R^2.
        let cross = Fe::<P>::mul_wide(add_limbs(a0, a1).0, add_limbs(b0, b1).0);

        // c0: low - high lies in (-4p^2, 4p^2), and 4p^2 < 7/8 R p.
        let (mut c0, borrow) = sub_wide(low, high);
        let mask = (borrow as u64).wrapping_neg();
        let mut carry = false;
        for i in 0..5 {
            (c0[3 + i], carry) = c0[3 + i].carrying_add(Self::SEVEN_EIGHTHS[i] & mask, carry);
        }

        // c1: a0 b1 + a1 b0 lies in [0, 8p^2), and 8p^2 < 2 (7/8 R p).
        let (cross, _) = sub_wide(cross, low);
        let (mut c1, _) = sub_wide(cross, high);
        let mut smaller = c1;
        let mut borrow = false;
        for i in 0..5 {
            (smaller[3 + i], borrow) = c1[3 + i].borrowing_sub(Self::SEVEN_EIGHTHS[i], borrow);
        }
        for i in 3..8 {
            c1[i] = if borrow { c1[i] } else { smaller[i] };
        }
        let c0 = Fe::from_limbs(Fe::<P>::montgomery(c0));
        let c1 = Fe::from_limbs(Fe::<P>::montgomery(c1));
        Self { c0, c1 }
    }
}

impl<P: MontConfig<4>> LazyField for Fe2<P> {
    const ZERO: Self = Self { c0: Fe::ZERO, c1: Fe::ZERO };
    const ONE: Self = Self { c0: Fe::ONE, c1: Fe::ZERO };

    #[inline(always)]
    fn double(self) -> Self {
        self + self
    }

    /// `(c0 + c1)(c0 - c1) + 2 c0 c1 u`
    #[inline(always)]
    fn square(self) -> Self {
        let Self { c0, c1 } = self;
        Self { c0: (c0 + c1) * (c0 - c1), c1: (c0 * c1).double() }
    }

    /// The conjugate over the norm `c0^2 + c1^2`.
    fn inverse(self) -> Option<Self> {
        let norm = self.c0.square() + self.c1.square();
        norm.inverse().map(|inverse| Self { c0: self.c0 * inverse, c1: -(self.c1 * inverse) })
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        self.c0.is_zero() && self.c1.is_zero()
    }

    #[inline(always)]
    fn is_zero_bits(self) -> bool {
        self.c0.is_zero_bits() && self.c1.is_zero_bits()
    }

    #[inline(always)]
    fn may_be_zero(self) -> bool {
        self.c0.may_be_zero()
    }

    #[inline(always)]
    fn may_be_zero_bits(self) -> bool {
        self.c0.may_be_zero_bits()
    }

    #[inline(always)]
    fn negate_if(self, negate: bool) -> Self {
        Self { c0: self.c0.negate_if(negate), c1: self.c1.negate_if(negate) }
    }
}

/// `a - b` modulo `R^2`, and whether it is negative.
#[inline(always)]
fn sub_wide(a: [u64; 8], b: [u64; 8]) -> ([u64; 8], bool) {
    let mut r = [0; 8];
    let mut borrow = false;
    for i in 0..8 {
        (r[i], borrow) = a[i].borrowing_sub(b[i], borrow);
    }
    (r, borrow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::{Fq, Fq2, FqConfig};
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn agrees_with_ark() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let edges = [Fq::ZERO, Fq::ONE, -Fq::ONE, -Fq::from(2u64)];
        let mut values: Vec<Fq2> = (0..30).map(|_| Fq2::rand(&mut rng)).collect();
        values.extend(edges.iter().flat_map(|&c0| edges.map(|c1| Fq2::new(c0, c1))));
        // Every choice of representatives: x + p where it is asked for.
        let lifts = |v: Fq2| {
            let p = Fe::<FqConfig>::from_limbs(<FqConfig as MontConfig<4>>::MODULUS.0);
            let raise = |c: Fq, up: bool| {
                let c = Fe::new(c);
                if up { Fe::from_limbs(add_limbs(c.limbs(), p.limbs()).0) } else { c }
            };
            [0, 1, 2, 3].map(|k| Fe2 { c0: raise(v.c0, k & 1 == 1), c1: raise(v.c1, k & 2 == 2) })
        };
        let check = |x: Fe2<FqConfig>, expected: Fq2| assert_eq!(x.reduce(), expected);
        for &a in &values {
            for x in lifts(a) {
                check(x, a);
                check(x.double(), a.double());
                check(x.square(), a.square());
                check(-x, -a);
                check(x.negate_if(true), -a);
                assert_eq!(x.inverse().map(Fe2::reduce), a.inverse());
                assert_eq!(x.is_zero(), a == Fq2::ZERO);
                assert!(x.may_be_zero() || a != Fq2::ZERO);
                for &b in &values {
                    for y in lifts(b) {
                        check(x + y, a + b);
                        check(x - y, a - b);
                        check(x * y, a * b);
                    }
                }
            }
        }
        check(Fe2::ONE, Fq2::ONE);
    }
}
