//! Affine points in the CPU kernels' own form, and the curves they lie on.

use super::runs::RunSums;
use crate::cpu::field::LazyField;
use crate::cpu::field::portable::Fe;
use crate::cpu::field::quadratic::Fe2;
use crate::curve::{Curve, G1, G2};
use ark_bn254::FqConfig;
use ark_ec::short_weierstrass::Affine;

/// An affine point, on cache lines of its own. The identity is all zero bits: (0, 0) satisfies no equation
/// `y^2 = x^3 + b` with `b != 0`, and a point that does is never all zero bits.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Point<F> {
    pub x: F,
    pub y: F,
}

impl<F: LazyField> Point<F> {
    pub const IDENTITY: Self = Self { x: F::ZERO, y: F::ZERO };

    #[inline(always)]
    pub fn is_identity(&self) -> bool {
        self.x.is_zero_bits() && self.y.is_zero_bits()
    }
}

/// A curve `y^2 = x^3 + b` and the CPU's arithmetic for its base field.
pub trait CpuCurve: Curve {
    type Field: LazyField;
    /// What sums points on processors with AVX-512 IFMA.
    #[cfg(target_arch = "x86_64")]
    type IfmaSums: RunSums<Field = Self::Field>;
    fn lift(value: Self::BaseField) -> Self::Field;
    fn canonical(value: Self::Field) -> Self::BaseField;

    fn lift_point(point: &Affine<Self>) -> Point<Self::Field> {
        Point { x: Self::lift(point.x), y: Self::lift(point.y) }
    }

    fn canonical_point(point: &Point<Self::Field>) -> Affine<Self> {
        if point.is_identity() {
            return Affine::identity();
        }
        Affine::new_unchecked(Self::canonical(point.x), Self::canonical(point.y))
    }
}

impl CpuCurve for G1 {
    type Field = Fe<FqConfig>;
    #[cfg(target_arch = "x86_64")]
    type IfmaSums = super::ifma::LaneSums<Self::Field, 1>;

    fn lift(value: Self::BaseField) -> Self::Field {
        Fe::new(value)
    }

    fn canonical(value: Self::Field) -> Self::BaseField {
        value.reduce()
    }
}

impl CpuCurve for G2 {
    type Field = Fe2<FqConfig>;
    #[cfg(target_arch = "x86_64")]
    type IfmaSums = super::ifma::LaneSums<Self::Field, 2>;

    fn lift(value: Self::BaseField) -> Self::Field {
        Fe2::new(value)
    }

    fn canonical(value: Self::Field) -> Self::BaseField {
        value.reduce()
    }
}
