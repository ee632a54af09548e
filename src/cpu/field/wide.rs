//! Sums of products in a Montgomery field, reduced once at the end.
//!
//! A Montgomery product is half multiplication and half reduction. Where products are only added up, the sum is kept
//! in 576 bits and reduced once: each product then costs half as much.

use std::marker::PhantomData;

use ark_ff::{MontConfig, PrimeField};

use super::portable::{Fe, add_limbs, sub_limbs};
use super::prepared::{Field, Modulus, Prepared, add, store, sub_plus_2p};

/// A prime field of four 64-bit limbs in Montgomery form, `R = 2^256`.
pub(crate) trait Montgomery: PrimeField {
    /// The limbs of `self * R mod p`, least significant first.
    fn limbs(self) -> [u64; 4];

    /// The element whose limbs are `limbs mod p`: it stands for `limbs / R`.
    fn from_limbs(limbs: [u64; 4]) -> Self;

    /// `self * other`, without a reduction of the factors.
    fn product(self, other: Self) -> [u64; 8];

    /// The element whose limbs are `sum / R mod p`.
    fn reduce(sum: &[u64; 9]) -> Self;

    /// `self + other`. Like all that follow, free of branches: on random values they would be mispredicted half the
    /// time, which costs more than the work they save.
    fn plus(self, other: Self) -> Self;

    /// `self - other`.
    fn minus(self, other: Self) -> Self;

    /// `self * other`.
    fn times(self, other: Self) -> Self;

    /// `low + r (high - low)`: the line through two values, at `r`.
    fn fold(low: Self, high: Self, r: &Prepared) -> Self;

    /// `self` as a constant factor.
    fn prepare(self) -> Prepared;
}

/// A sum of up to `2^60` products; adding one costs half a multiplication.
pub(crate) struct Sum<F> {
    limbs: [u64; 9],
    field: PhantomData<F>,
}

impl<F> Clone for Sum<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Sum<F> {}

impl<F: Montgomery> Sum<F> {
    /// The empty sum.
    pub(crate) const ZERO: Self = Self { limbs: [0; 9], field: PhantomData };

    /// `self += a * b`.
    #[inline(always)]
    pub(crate) fn add_product(&mut self, a: F, b: F) {
        self.add_from(0, a.product(b));
    }

    /// `self += a`, free of multiplications.
    #[inline(always)]
    pub(crate) fn add_value(&mut self, a: F) {
        self.add_from(4, a.limbs());
    }

    /// `self += other`.
    #[inline(always)]
    pub(crate) fn add(&mut self, other: &Self) {
        self.add_from(0, other.limbs);
    }

    /// The sum as a field element.
    #[inline(always)]
    pub(crate) fn reduce(&self) -> F {
        F::reduce(&self.limbs)
    }

    /// Adds a number whose lowest limb has weight `2^(64 at)`.
    #[inline(always)]
    fn add_from<const N: usize>(&mut self, at: usize, addend: [u64; N]) {
        let mut carry = false;
        for (limb, addend) in self.limbs[at..].iter_mut().zip(addend) {
            (*limb, carry) = limb.carrying_add(addend, carry);
        }
        if let Some(top) = self.limbs.get_mut(at + N) {
            *top += u64::from(carry);
        }
    }
}

impl<C: MontConfig<4>> Montgomery for Field<C> {
    #[inline(always)]
    fn limbs(self) -> [u64; 4] {
        self.0.0
    }

    #[inline(always)]
    fn from_limbs(limbs: [u64; 4]) -> Self {
        // 2^256 < 5.3 p. The sums of two products that are reduced most need one subtraction at most.
        let mut limbs = subtract_once(limbs, C::MODULUS.0);
        while limbs[3] >= C::MODULUS.0[3] {
            let (less, below) = sub_limbs(limbs, C::MODULUS.0);
            if below {
                break;
            }
            limbs = less;
        }
        store(limbs)
    }

    #[inline(always)]
    fn product(self, other: Self) -> [u64; 8] {
        Fe::<C>::mul_wide(self.limbs(), other.limbs())
    }

    #[inline(always)]
    fn reduce(&[s0, s1, s2, s3, high @ .., top]: &[u64; 9]) -> Self {
        // At most p, so that nothing is lost before the high half comes in.
        let low = Fe::<C>::montgomery([s0, s1, s2, s3, 0, 0, 0, 0]);
        let (limbs, carry) = add_limbs(low, high);
        // The result is limbs + (carry + top) R, and the limbs of the element x are x R.
        let reduced = Self::from_limbs(limbs);
        if top == 0 && !carry { reduced } else { reduced + Self::from(top) + Self::from(carry) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        store(subtract_once(add(self.limbs(), other.limbs()), C::MODULUS.0))
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        let (difference, below) = sub_limbs(self.limbs(), other.limbs());
        store(add(difference, pick(below, C::MODULUS.0, [0; 4])))
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        // Below p^2 / R + p.
        store(subtract_once(Fe::<C>::montgomery(self.product(other)), C::MODULUS.0))
    }

    #[inline(always)]
    fn fold(low: Self, high: Self, r: &Prepared) -> Self {
        // The slope is below 3 p, hence the product below 1.6 p and the sum below 2.6 p.
        let slope = sub_plus_2p::<C>(high.limbs(), low.limbs());
        let sum = add(r.mul::<C>(slope), low.limbs());
        let sum = subtract_once(sum, Modulus::<C>::P2);
        store(subtract_once(sum, C::MODULUS.0))
    }

    #[inline(always)]
    fn prepare(self) -> Prepared {
        Prepared::new(self)
    }
}

/// `x - m` if that is not negative, else `x`.
#[inline(always)]
fn subtract_once(x: [u64; 4], m: [u64; 4]) -> [u64; 4] {
    let (less, below) = sub_limbs(x, m);
    pick(below, x, less)
}

/// `a` if `first`, else `b`. A mask alone does not keep the compiler from branching.
#[inline(always)]
fn pick(first: bool, a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    std::array::from_fn(|i| std::hint::select_unpredictable(first, a[i], b[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::{Fq, Fr};
    use ark_ff::{AdditiveGroup, BigInt, Field as _, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn sums_agree<F: Montgomery + UniformRand>() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let edges = [F::ZERO, F::ONE, -F::ONE, F::from_limbs([0, 0, 0, 1]), F::from_limbs([u64::MAX; 4])];
        for terms in [0, 1, 2, 3, 30, 1000] {
            for _ in 0..20 {
                let (mut sum, mut expected) = (Sum::ZERO, F::ZERO);
                for k in 0..terms {
                    let (a, b) = (F::rand(&mut rng), edges[k % edges.len()]);
                    sum.add_product(a, b);
                    sum.add_product(-F::ONE, -F::ONE);
                    sum.add_value(a);
                    expected += a * b + F::ONE + a;
                }
                let mut twice = sum;
                twice.add(&sum);
                assert_eq!(sum.reduce(), expected);
                assert_eq!(twice.reduce(), expected.double());
            }
        }
    }

    #[test]
    fn sums_of_products() {
        sums_agree::<Fr>();
        sums_agree::<Fq>();
    }

    #[test]
    fn products_and_folds_agree_with_ark() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut values =
            vec![Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from_limbs([0, 0, 0, 1]), -Fr::from_limbs([1, 0, 0, 0])];
        values.extend((0..20).map(|_| Fr::rand(&mut rng)));
        for &a in &values {
            for &b in &values {
                assert_eq!(a.times(b), a * b);
                assert_eq!(a.plus(b), a + b);
                assert_eq!(a.minus(b), a - b);
                for &r in &values {
                    assert_eq!(Fr::fold(a, b, &r.prepare()), a + r * (b - a));
                }
            }
        }
    }

    #[test]
    fn any_limbs_reduce() {
        // The limbs 1, 0, 0, 0 stand for 1 / R.
        let two_to_64 = Fr::from(u64::MAX) + Fr::ONE;
        let r = two_to_64.square().square();
        assert_eq!(Fr::from_limbs([1, 0, 0, 0]) * r, Fr::ONE);
        assert_eq!(Fr::from_limbs([u64::MAX; 4]) * r, r - Fr::ONE);
        assert_eq!(Fr::from_limbs(Fr::MODULUS.0), Fr::ZERO);
        for sum in [[u64::MAX; 9], [0, 0, 0, 0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            let value = sum.iter().rev().fold(Fr::ZERO, |value, &limb| value * two_to_64 + Fr::from(limb));
            // `reduce` gives an element whose limbs are sum / R, which stands for sum / R^2.
            assert_eq!(Fr::reduce(&sum) * r * r, value, "{sum:x?}");
        }
        let three = Fr::from_limbs(BigInt::<4>::from(3u64).0);
        assert_eq!(three * r, Fr::from(3u64));
    }
}
