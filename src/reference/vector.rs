//! Loops over one element at a time.

use ark_ff::PrimeField;

use crate::element::{Element, Scalar};
use crate::error::{Result, check};
use crate::reference::Reference;
use crate::vector::Vector;

impl<F: PrimeField + Element + Scalar<F>> Vector<F> for Reference {
    fn fill(&self, value: F, out: &mut &mut [F]) -> Result<()> {
        out.fill(value);
        Ok(())
    }

    fn linear_combination<T: Scalar<F>>(&self, terms: &[(F, &[T])], out: &mut &mut [F]) -> Result<()> {
        for (_, vector) in terms {
            check("linear_combination", "vector length", out.len(), vector.len())?;
        }
        for i in 0..out.len() {
            out[i] = terms.iter().map(|(coefficient, vector)| *coefficient * vector[i].to_field()).sum();
        }
        Ok(())
    }

    fn add_scaled<T: Scalar<F>>(&self, coefficient: F, vector: &[T], out: &mut &mut [F]) -> Result<()> {
        check("add_scaled", "vector length", out.len(), vector.len())?;
        for i in 0..out.len() {
            out[i] += coefficient * vector[i].to_field();
        }
        Ok(())
    }

    fn hadamard(&self, a: &[F], b: &[F], out: &mut &mut [F]) -> Result<()> {
        check("hadamard", "length of a", out.len(), a.len())?;
        check("hadamard", "length of b", out.len(), b.len())?;
        for i in 0..out.len() {
            out[i] = a[i] * b[i];
        }
        Ok(())
    }

    fn batch_inverse(&self, values: &mut &mut [F]) -> Result<()> {
        for value in values.iter_mut() {
            *value = value.inverse().unwrap_or(F::ZERO);
        }
        Ok(())
    }

    fn powers(&self, scale: F, base: F, out: &mut &mut [F]) -> Result<()> {
        for i in 0..out.len() {
            out[i] = scale * base.pow([i as u64]);
        }
        Ok(())
    }
}
