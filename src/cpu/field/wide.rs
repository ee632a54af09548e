//! Sums of products in a Montgomery field, reduced once at the end.
//!
//! A Montgomery product is half multiplication and half reduction. Where products are only added up, the sum is kept
//! in 576 bits and reduced once: each product then costs half as much.

use std::marker::PhantomData;

use ark_ff::{Fp, MontBackend, MontConfig, PrimeField};

/// A prime field of four 64-bit limbs in Montgomery form, `R = 2^256`.
pub(crate) trait Montgomery: PrimeField {
    /// The limbs of `self * R mod p`, least significant first.
    fn limbs(self) -> [u64; 4];

    /// The element whose limbs are `limbs mod p`: it stands for `limbs / R`.
    fn from_limbs(limbs: [u64; 4]) -> Self;

    /// The element whose limbs are `sum / R mod p`.
    fn reduce(sum: &[u64; 9]) -> Self;
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
        let (a, b) = (a.limbs(), b.limbs());
        let mut product = [0; 8];
        for i in 0..4 {
            let mut carry = 0;
            for j in 0..4 {
                (product[i + j], carry) = multiply_add(product[i + j], a[i], b[j], carry);
            }
            product[i + 4] = carry;
        }
        self.add_from(0, product);
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

/// `(low, high)` of `sum + a * b + carry`, which fits two limbs.
#[inline(always)]
fn multiply_add(sum: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let wide = u128::from(sum) + u128::from(a) * u128::from(b) + u128::from(carry);
    (wide as u64, (wide >> 64) as u64)
}

impl<T: MontConfig<4>> Montgomery for Fp<MontBackend<T, 4>, 4> {
    #[inline(always)]
    fn limbs(self) -> [u64; 4] {
        self.0.0
    }

    #[inline(always)]
    fn from_limbs(limbs: [u64; 4]) -> Self {
        canonical::<T>(limbs)
    }

    #[inline(always)]
    fn reduce(sum: &[u64; 9]) -> Self {
        // Four Montgomery steps clear the low half: what they add to the high half is (low + m p) / R <= p.
        let p = T::MODULUS.0;
        let mut low = [sum[0], sum[1], sum[2], sum[3]];
        for _ in 0..4 {
            let m = low[0].wrapping_mul(T::INV);
            let (_, mut carry) = multiply_add(low[0], m, p[0], 0);
            for j in 1..4 {
                (low[j - 1], carry) = multiply_add(low[j], m, p[j], carry);
            }
            low[3] = carry;
        }
        let mut high = [sum[4], sum[5], sum[6], sum[7]];
        let mut carry = false;
        for j in 0..4 {
            (high[j], carry) = high[j].carrying_add(low[j], carry);
        }
        // The result is high + (carry + sum[8]) * R, and the limbs of the element x are x R.
        let reduced = canonical::<T>(high);
        if sum[8] == 0 && !carry { reduced } else { reduced + Self::from(sum[8]) + Self::from(carry) }
    }
}

/// The element whose limbs are `limbs mod p`, for a modulus of at least 250 bits. Sums of two products need at most one
/// subtraction, so the first is done without a branch.
#[inline(always)]
fn canonical<T: MontConfig<4>>(limbs: [u64; 4]) -> Fp<MontBackend<T, 4>, 4> {
    const { assert!(T::MODULUS.0[3] >> 57 != 0) };
    let p = T::MODULUS.0;
    let (less, below) = subtract(limbs, p);
    let mut limbs = if below { limbs } else { less };
    while limbs[3] >= p[3] {
        let (less, below) = subtract(limbs, p);
        if below {
            break;
        }
        limbs = less;
    }
    Fp(ark_ff::BigInt(limbs), PhantomData)
}

/// `a - b mod 2^256`, and whether `a < b`.
#[inline(always)]
fn subtract(mut a: [u64; 4], b: [u64; 4]) -> ([u64; 4], bool) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, borrow) = a.borrowing_sub(b, borrow);
    }
    (a, borrow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::{Fq, Fr};
    use ark_ff::{AdditiveGroup, BigInt, Field, UniformRand};
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
