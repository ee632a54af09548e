//! One scalar multiplication a point, added up.

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::AdditiveGroup;

use crate::curve::Curve;
use crate::element::{Scalar, Signed};
use crate::error::Result;
use crate::msm::{Msm, check_bases, check_batch};
use crate::reference::Reference;

impl<C: Curve> Msm<C> for Reference {
    type Bases = Vec<Affine<C>>;

    fn bases(&self, points: &[Affine<C>], _budget: usize) -> Result<Vec<Affine<C>>> {
        check_bases(points)?;
        Ok(points.to_vec())
    }

    fn msm<S: Scalar<C::ScalarField>>(
        &self,
        bases: &Vec<Affine<C>>,
        batch: &[&[S]],
        out: &mut &mut [Affine<C>],
    ) -> Result<()> {
        check_batch(bases.len(), batch.iter().map(|item| item.len()), out.len())?;
        for (item, out) in batch.iter().zip(out.iter_mut()) {
            let terms = item.iter().zip(bases).map(|(&scalar, &base)| multiple(scalar.to_signed(), base));
            *out = terms.fold(Projective::ZERO, |sum, term| sum + term).into_affine();
        }
        Ok(())
    }
}

fn multiple<C: Curve>(scalar: Signed, base: Affine<C>) -> Projective<C> {
    let product = base.mul_bigint(scalar.magnitude);
    if scalar.negative { -product } else { product }
}
