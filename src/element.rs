//! Values that live on a backend, and the scalars and integers its operations take.
//!
//! The field types are [ark-bn254](https://docs.rs/ark-bn254)'s own, so a caller passes `&[Fr]` as it is. What
//! ark does not promise about their layout is asserted here at compile time and in the tests below.

use std::fmt::Debug;
use std::hash::Hash;

use ark_ec::short_weierstrass::Affine;
use ark_ff::{BigInt, PrimeField};

use crate::curve::Curve;

pub use ark_bn254::{Fq, Fq2, Fr};

/// A value whose bytes mean the same on the host and on every device.
///
/// # Safety
///
/// The type has no padding, pointers or destructor; the all-zero bytes are a valid value, [`Element::ZEROED`];
/// its layout is that of its twin in `kernels/`.
pub unsafe trait Element: Copy + Debug + PartialEq + Send + Sync + 'static {
    /// The value whose bytes are all zero: 0 of a field or integer type, the identity of a curve.
    const ZEROED: Self;

    /// Whether the bytes are the canonical representation of a value: field elements below the modulus.
    /// Integers always are. Being on the curve is a question for [`Msm::bases`](crate::Msm::bases).
    fn is_canonical(&self) -> bool {
        true
    }
}

/// An integer matrix entry or table column: `i8 i16 i32 i64 u8 u16 u32 u64`.
pub trait Int: Element + Scalar + Into<i128> + Ord + Hash {}

/// What a lookup compares: integers of any width and field elements, in their natural order.
pub trait Key: Element + Ord + Hash {}
impl<T: Element + Ord + Hash> Key for T {}

/// An integer given as sign and magnitude, little-endian 64-bit limbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whether the value is `-magnitude`.
    pub negative: bool,
    /// The absolute value.
    pub magnitude: [u64; 4],
}

/// A multiplier that the operations take at its own width: a field element in Montgomery form (`Fr`), a 256-bit
/// integer in canonical form (`BigInt<4>`, read modulo the group order), or a machine integer.
pub trait Scalar<F: PrimeField = Fr>: Element {
    /// No value of the type has more significant bits in its magnitude.
    const BITS: u32;

    /// The field element this scalar stands for.
    fn to_field(self) -> F;

    /// The representative of smallest magnitude modulo the field's characteristic: `p - 3` is `-3`.
    fn to_signed(self) -> Signed;
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        // SAFETY: a primitive integer has no padding and zero is a value.
        unsafe impl Element for $int {
            const ZEROED: Self = 0;
        }
        impl<F: PrimeField> Scalar<F> for $int {
            const BITS: u32 = <$int>::BITS;

            #[inline]
            fn to_field(self) -> F {
                F::from(self)
            }

            #[inline]
            fn to_signed(self) -> Signed {
                let wide = i128::from(self);
                Signed { negative: wide < 0, magnitude: [wide.unsigned_abs() as u64, 0, 0, 0] }
            }
        }
        impl Int for $int {}
    )*};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

/// Declares a four-limb prime field of ark's as an element and as its own scalar.
macro_rules! fields {
    ($($field:ty),*) => {$(
        const _: () = assert!(size_of::<$field>() == 32 && align_of::<$field>() == 8);
        // SAFETY: ark's `Fp` is its four limbs and a zero-sized marker (size asserted above, limbs tested below);
        // all-zero limbs are 0 in Montgomery form.
        unsafe impl Element for $field {
            const ZEROED: Self = <$field as ark_ff::AdditiveGroup>::ZERO;

            fn is_canonical(&self) -> bool {
                !self.is_geq_modulus()
            }
        }
    )*};
}
fields!(Fr, Fq);

impl Scalar for Fr {
    const BITS: u32 = Fr::MODULUS_BIT_SIZE - 1;

    #[inline]
    fn to_field(self) -> Fr {
        self
    }

    #[inline]
    fn to_signed(self) -> Signed {
        nearest::<Fr>(self.into_bigint())
    }
}

// SAFETY: `BigInt<4>` is its four limbs (size asserted below).
unsafe impl Element for BigInt<4> {
    const ZEROED: Self = BigInt([0; 4]);
}
const _: () = assert!(size_of::<BigInt<4>>() == 32 && align_of::<BigInt<4>>() == 8);

impl<F: PrimeField<BigInt = BigInt<4>>> Scalar<F> for BigInt<4> {
    const BITS: u32 = F::MODULUS_BIT_SIZE - 1;

    fn to_field(self) -> F {
        F::from_bigint(reduce::<F>(self)).unwrap_or_else(F::zero)
    }

    fn to_signed(self) -> Signed {
        nearest::<F>(reduce::<F>(self))
    }
}

/// `value mod p` for any 256-bit value, by at most `2^256 / p` subtractions (5 for BN254).
fn reduce<F: PrimeField<BigInt = BigInt<4>>>(mut value: BigInt<4>) -> BigInt<4> {
    use ark_ff::BigInteger;
    while value >= F::MODULUS {
        value.sub_with_borrow(&F::MODULUS);
    }
    value
}

/// `value` or `value - p`, whichever is smaller in magnitude. `value` must be below `p`.
#[inline]
fn nearest<F: PrimeField<BigInt = BigInt<4>>>(value: BigInt<4>) -> Signed {
    use ark_ff::BigInteger;
    if value > F::MODULUS_MINUS_ONE_DIV_TWO {
        let mut magnitude = F::MODULUS;
        magnitude.sub_with_borrow(&value);
        Signed { negative: true, magnitude: magnitude.0 }
    } else {
        Signed { negative: false, magnitude: value.0 }
    }
}

// SAFETY: `Curve` demands that an affine point is its two coordinates without padding and that the identity is
// all zero bytes.
unsafe impl<C: Curve> Element for Affine<C> {
    const ZEROED: Self = Affine::identity();

    fn is_canonical(&self) -> bool {
        C::is_canonical(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{G1, G2};
    use ark_ec::AffineRepr;
    use ark_ff::{AdditiveGroup, Field};

    fn words<T: Element, const N: usize>(value: T) -> [u64; N] {
        assert_eq!(size_of::<T>(), 8 * N);
        // SAFETY: an `Element` has no padding, and the sizes agree.
        unsafe { std::mem::transmute_copy(&value) }
    }

    #[test]
    fn field_limbs_are_montgomery_little_endian() {
        // R = 2^256 modulo each prime, computed outside this crate.
        let r_fr = [0xac96341c4ffffffb, 0x36fc76959f60cd29, 0x666ea36f7879462e, 0x0e0a77c19a07df2f];
        let r_fq = [0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f];
        assert_eq!(words::<Fr, 4>(Fr::ONE), r_fr);
        assert_eq!(words::<Fq, 4>(Fq::ONE), r_fq);
        assert_eq!(words::<Fr, 4>(Fr::ZEROED), [0; 4]);
        assert_eq!(words::<Fq, 4>(Fq::ZEROED), [0; 4]);
    }

    #[test]
    fn points_are_their_coordinates_and_the_identity_is_zero_bytes() {
        let g1 = Affine::<G1>::generator();
        let limbs = words::<_, 8>(g1);
        assert_eq!(limbs[..4], words::<Fq, 4>(g1.x));
        assert_eq!(limbs[4..], words::<Fq, 4>(g1.y));
        assert_eq!(words::<_, 8>(Affine::<G1>::ZEROED), [0; 8]);

        let g2 = Affine::<G2>::generator();
        let limbs = words::<_, 16>(g2);
        for (k, coordinate) in [g2.x.c0, g2.x.c1, g2.y.c0, g2.y.c1].into_iter().enumerate() {
            assert_eq!(limbs[4 * k..4 * k + 4], words::<Fq, 4>(coordinate));
        }
        assert_eq!(words::<_, 16>(Affine::<G2>::ZEROED), [0; 16]);
        assert!(Affine::<G1>::ZEROED.is_zero() && Affine::<G2>::ZEROED.is_zero());
    }

    #[test]
    fn canonical_means_below_the_modulus() {
        assert!((-Fr::ONE).is_canonical());
        let modulus = ark_ff::Fp(Fr::MODULUS, std::marker::PhantomData);
        assert!(!Element::is_canonical(&modulus as &Fr));
    }

    #[test]
    fn scalars_agree_with_the_field() {
        fn check<S: Scalar>(scalar: S, expected: Fr) {
            assert_eq!(scalar.to_field(), expected);
            let Signed { negative, magnitude } = scalar.to_signed();
            let magnitude = Fr::from_bigint(BigInt(magnitude)).unwrap();
            assert_eq!(if negative { -magnitude } else { magnitude }, expected);
        }
        check(i8::MIN, -Fr::from(128u64));
        check(i64::MIN, -Fr::from(1u128 << 63));
        check(u64::MAX, Fr::from(u64::MAX));
        check(i16::MAX, Fr::from(32767u64));
        check(-Fr::from(3u64), -Fr::from(3u64));
        assert_eq!((-Fr::from(3u64)).to_signed(), Signed { negative: true, magnitude: [3, 0, 0, 0] });
        let mut big = Fr::MODULUS;
        big.0[0] += 5;
        check(big, Fr::from(5u64));
        check(BigInt([u64::MAX; 4]), Fr::from(2u64).pow([256]) - Fr::ONE);
        check(Fr::ZERO, Fr::ZERO);
        let half = Fr::from_bigint(Fr::MODULUS_MINUS_ONE_DIV_TWO).unwrap();
        assert!(!half.to_signed().negative && (half + Fr::ONE).to_signed().negative);
        for s in [half, half + Fr::ONE] {
            check(s, s);
        }
    }
}
