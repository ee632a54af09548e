//! Constants of a prime in radix `2^52`, computed from ark's modulus at compile time.

use std::marker::PhantomData;

use ark_bn254::{Fq, Fr};
use ark_ff::{BigInt, PrimeField};

/// Limbs of a field element.
pub(crate) const LIMBS: usize = 5;
/// The low 52 bits, one limb.
pub(crate) const MASK: u64 = (1 << 52) - 1;
/// `MAX_BOUND * p < 2^260`: the largest multiple of the modulus that five limbs hold for every [`Modulus`].
pub(crate) const MAX_BOUND: usize = 84;

/// A 254-bit prime field whose elements lie in memory as four 64-bit limbs in Montgomery form, `x 2^256 mod p`.
///
/// # Safety
///
/// The type has the size, alignment and every bit pattern below `p` of `[u64; 4]`.
pub unsafe trait Modulus: PrimeField<BigInt = BigInt<4>> {}

const _: () = assert!(size_of::<Fr>() == 32 && size_of::<Fq>() == 32 && align_of::<Fr>() == 8);
// SAFETY: ark's `Fp` is its four limbs and a zero-sized marker; the size is asserted above and the limbs are read
// back through `ark_ff` in the tests of `layout`.
unsafe impl Modulus for Fr {}
// SAFETY: as for `Fr`.
unsafe impl Modulus for Fq {}

/// The smallest `R` for which a Montgomery product of factors below `a p` and `b p` is below `R p`.
///
/// The reduction of [`Lazy::mul`](super::Lazy::mul) yields less than
/// `a b p^2 / 2^260 + n p + p`, where `n p = (m p + 1) / 2^52`, `m = -1/p mod 2^52`. [`Constants::CHECKED`] makes
/// sure that `p < 2^260 / 84` and `n < 0.142`, so `84 R >= a b + 96` is enough.
pub(crate) const fn product_bound(a: usize, b: usize) -> usize {
    (a * b + 96).div_ceil(84)
}

/// The constants of the field `F`.
pub(crate) struct Constants<F>(PhantomData<F>);

impl<F: Modulus> Constants<F> {
    /// The modulus `p`.
    pub(crate) const P: [u64; LIMBS] = relimb(F::MODULUS.0);

    /// `m = -1/p mod 2^52`: Newton's iteration doubles the correct bits, from 3 to 96.
    pub(crate) const NEG_INV: u64 = {
        let p = F::MODULUS.0[0];
        let mut inverse = p;
        let mut i = 0;
        while i < 5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(inverse)));
            i += 1;
        }
        inverse.wrapping_neg() & MASK
    };

    /// `(m p + 1) / 2^52`, which is `2^-52` modulo `p`.
    pub(crate) const SHIFT: [u64; LIMBS] = {
        let mut product = [0; LIMBS + 1];
        let mut carry = 1u128;
        let mut i = 0;
        while i < LIMBS {
            carry += Self::NEG_INV as u128 * Self::P[i] as u128;
            product[i] = carry as u64 & MASK;
            carry >>= 52;
            i += 1;
        }
        product[LIMBS] = carry as u64;
        assert!(product[0] == 0);
        [product[1], product[2], product[3], product[4], product[5]]
    };

    /// `2^260 - p`: adding a multiple of it and dropping what exceeds `2^260` subtracts that multiple of `p`.
    pub(crate) const COMPLEMENT: [u64; LIMBS] = {
        let p = Self::P;
        [(1 << 52) - p[0], MASK - p[1], MASK - p[2], MASK - p[3], MASK - p[4]]
    };

    /// `floor(2^305 / p)`, 52 bits: limb 4 times this, shifted right by 97, is the quotient by `p` or one less.
    pub(crate) const QUOTIENT: u64 = {
        let mut remainder = [1, 0, 0, 0];
        let mut quotient = 0u64;
        let mut i = 0;
        while i < 305 {
            let (next, subtracted) = double_mod(remainder, F::MODULUS.0);
            remainder = next;
            quotient = quotient << 1 | subtracted as u64;
            i += 1;
        }
        quotient
    };

    /// `k p` for every bound `k`.
    pub(crate) const MULTIPLES: [[u64; LIMBS]; MAX_BOUND + 1] = {
        let mut table = [[0; LIMBS]; MAX_BOUND + 1];
        let mut k = 1;
        while k <= MAX_BOUND {
            let mut carry = 0;
            let mut i = 0;
            while i < LIMBS {
                carry += table[k - 1][i] + Self::P[i];
                table[k][i] = carry & MASK;
                carry >>= 52;
                i += 1;
            }
            assert!(carry == 0, "MAX_BOUND p must fit five limbs");
            k += 1;
        }
        table
    };

    /// What [`product_bound`] and [`Self::QUOTIENT`] assume of the prime.
    pub(crate) const CHECKED: () = {
        assert!(Self::NEG_INV < (1 << 52) / 1000 * 142);
        assert!(Self::MULTIPLES[MAX_BOUND][LIMBS - 1] <= MASK);
        assert!(Self::QUOTIENT <= MASK);
        assert!(F::MODULUS.0[3] >> 61 == 1, "a prime of 254 bits");
    };
}

/// Four 64-bit limbs as five 52-bit limbs.
pub(crate) const fn relimb(w: [u64; 4]) -> [u64; LIMBS] {
    [
        w[0] & MASK,
        (w[0] >> 52 | w[1] << 12) & MASK,
        (w[1] >> 40 | w[2] << 24) & MASK,
        (w[2] >> 28 | w[3] << 36) & MASK,
        w[3] >> 16,
    ]
}

/// `2^k mod p`, four 64-bit limbs.
pub(crate) const fn power_of_two<F: Modulus>(k: u32) -> [u64; 4] {
    let mut value = [1, 0, 0, 0];
    let mut i = 0;
    while i < k {
        value = double_mod(value, F::MODULUS.0).0;
        i += 1;
    }
    value
}

/// `2 a mod p` for `a < p < 2^255`, and whether `p` had to be subtracted.
const fn double_mod(a: [u64; 4], p: [u64; 4]) -> ([u64; 4], bool) {
    let doubled = [a[0] << 1, a[1] << 1 | a[0] >> 63, a[2] << 1 | a[1] >> 63, a[3] << 1 | a[2] >> 63];
    let mut difference = [0; 4];
    let mut borrow = false;
    let mut i = 0;
    while i < 4 {
        let (d, b1) = doubled[i].overflowing_sub(p[i]);
        let (d, b2) = d.overflowing_sub(borrow as u64);
        difference[i] = d;
        borrow = b1 | b2;
        i += 1;
    }
    if borrow { (doubled, false) } else { (difference, true) }
}
