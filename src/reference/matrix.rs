//! The schoolbook products.

use ark_ff::PrimeField;

use crate::element::{Element, Int};
use crate::error::Result;
use crate::matrix::{Matrix, check_bind, check_gemm};
use crate::reference::Reference;

impl<F: PrimeField + Element> Matrix<F> for Reference {
    fn bind_rows<I: Int>(&self, m: &[I], weight: &[F], out: &mut &mut [F]) -> Result<()> {
        check_bind("bind_rows", m.len(), weight.len(), out.len())?;
        let cols = out.len();
        for c in 0..cols {
            out[c] = (0..weight.len()).map(|r| weight[r] * field::<F, I>(m[r * cols + c])).sum();
        }
        Ok(())
    }

    fn bind_cols<I: Int>(&self, m: &[I], weight: &[F], out: &mut &mut [F]) -> Result<()> {
        check_bind("bind_cols", m.len(), out.len(), weight.len())?;
        let cols = weight.len();
        for r in 0..out.len() {
            out[r] = (0..cols).map(|c| weight[c] * field::<F, I>(m[r * cols + c])).sum();
        }
        Ok(())
    }

    fn gemm(&self, inner: usize, a: &[i8], b: &[i8], out: &mut &mut [i32]) -> Result<()> {
        let (rows, cols) = check_gemm(inner, a.len(), b.len(), out.len())?;
        for r in 0..rows {
            for c in 0..cols {
                let products = (0..inner).map(|k| i32::from(a[r * inner + k]) * i32::from(b[k * cols + c]));
                out[r * cols + c] = products.sum();
            }
        }
        Ok(())
    }
}

fn field<F: PrimeField, I: Int>(value: I) -> F {
    let wide: i128 = value.into();
    if wide < 0 { -F::from(wide.unsigned_abs()) } else { F::from(wide.unsigned_abs()) }
}
