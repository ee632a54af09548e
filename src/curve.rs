//! The groups of the multi-scalar multiplication.

use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInt, PrimeField};

use crate::element::{Element, Scalar};

/// A short Weierstrass curve whose affine points may live on a backend.
///
/// # Safety
///
/// `Affine<Self>` is its coordinates `x, y` without padding, and its identity is all zero bytes.
pub unsafe trait Curve: SWCurveConfig<ScalarField: Element + Scalar<Self::ScalarField>> {
    /// The curve's name in messages.
    const NAME: &'static str;

    /// Whether both coordinates are canonical field elements.
    fn is_canonical(point: &Affine<Self>) -> bool;
}

/// The first group of BN254, `y^2 = x^3 + 3` over `Fq`: 64-byte points, prime order `r`.
pub type G1 = ark_bn254::g1::Config;

/// The second group of BN254, on the sextic twist over `Fq2`: 128-byte points. The curve has a cofactor; points
/// given to the operations must lie in the subgroup of order `r`.
pub type G2 = ark_bn254::g2::Config;

/// An affine point of [`G1`].
pub type G1Affine = Affine<G1>;

/// An affine point of [`G2`].
pub type G2Affine = Affine<G2>;

// A scalar of either group is a four-limb integer; `Scalar for BigInt<4>` rests on it.
const _: () = {
    const fn four_limbs<F: PrimeField<BigInt = BigInt<4>>>() {}
    four_limbs::<<G1 as ark_ec::CurveConfig>::ScalarField>();
    four_limbs::<<G2 as ark_ec::CurveConfig>::ScalarField>();
    assert!(size_of::<G1Affine>() == 64 && align_of::<G1Affine>() == 8);
    assert!(size_of::<G2Affine>() == 128 && align_of::<G2Affine>() == 8);
};

// SAFETY: the size is that of two coordinates (asserted above); coordinate order and the identity's bytes are tested
// in `element.rs`.
unsafe impl Curve for G1 {
    const NAME: &'static str = "BN254 G1";

    fn is_canonical(point: &Affine<Self>) -> bool {
        point.x.is_canonical() && point.y.is_canonical()
    }
}

// SAFETY: as for `G1`.
unsafe impl Curve for G2 {
    const NAME: &'static str = "BN254 G2";

    fn is_canonical(point: &Affine<Self>) -> bool {
        [point.x.c0, point.x.c1, point.y.c0, point.y.c1].iter().all(Element::is_canonical)
    }
}
