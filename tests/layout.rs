//! What callers may rely on when they lend memory to or from other libraries: sizes, alignments and limbs, seen from
//! outside the crate.

use ark_ec::AffineRepr;
use ark_ff::{BigInt, Field, PrimeField};
use zkmill::{Element, Fq, Fr, G1Affine, G2Affine};

fn limbs<T: Element>(value: &T) -> Vec<u64> {
    assert_eq!(size_of::<T>() % 8, 0);
    assert_eq!(align_of::<T>(), 8);
    // SAFETY: an `Element` has no padding; size and alignment are those of `size / 8` words.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>() / 8) }.to_vec()
}

#[test]
fn sizes() {
    assert_eq!((size_of::<Fr>(), size_of::<Fq>(), size_of::<BigInt<4>>()), (32, 32, 32));
    assert_eq!((size_of::<G1Affine>(), size_of::<G2Affine>()), (64, 128));
    assert_eq!(size_of::<[G1Affine; 3]>(), 192, "arrays have no gaps");
}

#[test]
fn field_elements_are_montgomery_limbs() {
    // x R mod p, R = 2^256, from the documented meaning.
    let montgomery = |x: Fr| (x * Fr::from(2u64).pow([256])).into_bigint().0.to_vec();
    for x in [Fr::from(0u64), Fr::from(1u64), Fr::from(5u64), -Fr::from(1u64)] {
        assert_eq!(limbs(&x), montgomery(x));
    }
    let montgomery = |x: Fq| (x * Fq::from(2u64).pow([256])).into_bigint().0.to_vec();
    for x in [Fq::from(0u64), Fq::from(1u64), Fq::from(5u64), -Fq::from(1u64)] {
        assert_eq!(limbs(&x), montgomery(x));
    }
}

#[test]
fn integers_are_little_endian_limbs() {
    assert_eq!(limbs(&BigInt([1u64, 2, 3, 4])), [1, 2, 3, 4]);
    assert_eq!(limbs(&Fr::MODULUS)[0], 0x43e1f593f0000001);
    assert_eq!(limbs(&Fq::MODULUS)[0], 0x3c208c16d87cfd47);
}

#[test]
fn points_are_coordinates_and_the_identity_is_zero() {
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    assert_eq!(limbs(&g1), [limbs(&g1.x), limbs(&g1.y)].concat());
    let coordinates = [g2.x.c0, g2.x.c1, g2.y.c0, g2.y.c1];
    assert_eq!(limbs(&g2), coordinates.iter().flat_map(limbs).collect::<Vec<_>>());
    assert_eq!(limbs(&G1Affine::identity()), [0; 8]);
    assert_eq!(limbs(&G2Affine::identity()), [0; 16]);
    assert_eq!(limbs(&G1Affine::ZEROED), [0; 8]);
}
