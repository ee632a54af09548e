//! Field elements as sixteen signed 16-bit digits, narrow integers as 8-bit planes, and the way back.

use rayon::prelude::*;

use super::tile::{COLS, Pair};
use crate::cpu::field::wide::Montgomery;
use crate::element::{Int, Scalar};

/// Integers read in 8-bit planes, one a byte of the type: `x = sum_k plane_k(x) 2^(8 k)`, the top plane signed as the
/// type is and the others not, so that a plane is between -128 and 255. Holds the reading as an `i128`.
#[derive(Clone, Copy)]
pub(crate) struct Planes<V>(V);

/// The planes of an integer type.
pub(crate) fn int_planes<I: Int>() -> Planes<impl Fn(I) -> i128 + Copy + Sync> {
    Planes(|x: I| x.into())
}

/// The planes of a scalar type, if it is an integer of at most 64 bits.
pub(crate) fn scalar_planes<F: Montgomery, S: Scalar<F>>() -> Option<Planes<impl Fn(S) -> i128 + Copy + Sync>>
{
    let value = |x: S| {
        let signed = x.to_signed();
        let magnitude = i128::from(signed.magnitude[0]);
        if signed.negative { -magnitude } else { magnitude }
    };
    (size_of::<S>() <= 8).then_some(Planes(value))
}

impl<V> Planes<V> {
    /// Plane `K` of `x`.
    #[inline(always)]
    pub(super) fn plane<const K: usize, T>(self, x: T) -> i16
    where
        V: Fn(T) -> i128,
    {
        let shifted = (self.0)(x) >> (8 * K);
        if K + 1 == size_of::<T>() { shifted as i16 } else { i16::from(shifted as u8) }
    }
}

/// Products of plane and digit that a 32-bit sum is sure to hold: `255 * 2^15 * 256 < 2^31`.
pub(super) const SAFE: usize = 256;

/// The digits of the limbs `x` of an element: `x = sum_j digit_j 2^(16 j)`.
///
/// Adding `2^15` at every digit and taking it away digit by digit makes all the borrows at once. The top digit has room
/// since `x < 2^255 - 2^240`.
#[inline]
fn digits<F: Montgomery>(element: F) -> [i16; COLS] {
    const HALVES: u64 = 0x8000_8000_8000_8000;
    const { assert!(F::MODULUS_BIT_SIZE < 255) };
    let mut carry = false;
    let mut digits = [0; COLS];
    for (limb, digits) in element.limbs().into_iter().zip(digits.chunks_exact_mut(4)) {
        let shifted;
        (shifted, carry) = limb.carrying_add(HALVES, carry);
        for (k, digit) in digits.iter_mut().enumerate() {
            *digit = ((shifted >> (16 * k)) as u16 ^ 0x8000) as i16;
        }
    }
    digits
}

/// The right factor of the products: row `k` holds the digits of elements `2 k` and `2 k + 1`, a missing one as 0.
pub(super) fn panel<F: Montgomery>(weight: &[F]) -> Vec<[Pair; COLS]> {
    let pairs = weight.par_chunks(2).with_min_len(1 << 10);
    pairs
        .map(|pair| {
            let first = digits(pair[0]);
            let second = pair.get(1).map_or([0; COLS], |&weight| digits(weight));
            std::array::from_fn(|j| [first[j], second[j]])
        })
        .collect()
}

/// An output's sums, one a plane and digit.
pub(super) type Sums = [i64; COLS];

/// The element whose limbs are `sum_(k, j) planes[k][j] 2^(16 j + 8 k) mod p`.
pub(super) fn assemble<F: Montgomery>(planes: &[Sums]) -> F {
    // Sums below 2^63 shifted by 8 bits and carries fit 128 bits with ease.
    let mut digits = [0i128; COLS + 4];
    for (k, sums) in planes.iter().enumerate() {
        for (digit, &sum) in digits[k / 2..].iter_mut().zip(sums) {
            *digit += i128::from(sum) << (8 * (k % 2));
        }
    }
    let mut limbs = [0; 4];
    let mut carry = 0;
    for (limb, digits) in limbs.iter_mut().zip(digits.chunks_exact(4)) {
        for (k, digit) in digits.iter().enumerate() {
            let value = digit + carry;
            *limb |= (value as u64 & 0xffff) << (16 * k);
            carry = value >> 16;
        }
    }
    for (k, digit) in digits[COLS..].iter().enumerate() {
        carry += digit << (16 * k);
    }
    // What is above R = 2^256 counts R each, and the limbs of the element x are x R.
    F::from_limbs(limbs) + F::from(carry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Fr;
    use ark_ff::{AdditiveGroup, Field};

    #[test]
    fn digits_and_planes_put_together_give_the_product() {
        let half = Fr::from(2u64).inverse().unwrap();
        fn check<I: Int>(entry: I, weight: Fr) {
            let planes = int_planes::<I>();
            let of = |k: usize| match k {
                0 => planes.plane::<0, I>(entry),
                1 => planes.plane::<1, I>(entry),
                2 => planes.plane::<2, I>(entry),
                3 => planes.plane::<3, I>(entry),
                4 => planes.plane::<4, I>(entry),
                5 => planes.plane::<5, I>(entry),
                6 => planes.plane::<6, I>(entry),
                _ => planes.plane::<7, I>(entry),
            };
            let sums = |k: usize| digits(weight).map(|digit| i64::from(of(k)) * i64::from(digit));
            let sums: Vec<Sums> = (0..size_of::<I>()).map(sums).collect();
            assert_eq!(assemble::<Fr>(&sums), weight * <I as Scalar>::to_field(entry));
            let scalar = scalar_planes::<Fr, I>().map(|planes| (planes.0)(entry));
            assert_eq!(scalar, Some(entry.into()));
        }
        for weight in
            [Fr::ZERO, Fr::ONE, -Fr::ONE, half, half.square(), Fr::from_limbs([0x8000_7fff_ffff_8000; 4])]
        {
            for entry in [0, 1, -1, i8::MIN, i8::MAX] {
                check(entry, weight);
                check(entry as u8, weight);
                check(i16::from(entry) << 8 | 0x7f, weight);
                check(i32::from(entry) << 24, weight);
                check(i64::from(entry) << 56 | 0xff00ff, weight);
            }
            for entry in [i64::MIN, i64::MAX, -1] {
                check(entry, weight);
                check(entry as u64, weight);
                check(entry as u32, weight);
            }
        }
        assert!(scalar_planes::<Fr, Fr>().is_none());
    }
}
