//! Integer matrices on the host.
//!
//! All three products are one: an integer matrix times a narrow one, sixteen columns at a time. A field vector becomes
//! such a matrix by cutting the 256-bit Montgomery form of each element into sixteen signed 16-bit digits: then
//! `sum_k m[k] * weight[k]` is sixteen integer dot products `sum_k m[k] * digit_j(weight[k])`, and one carry
//! propagation and reduction an output puts them together. With pairs of 16-bit factors a vector instruction does 8
//! (SSE2) to 32 (AVX-512) of the multiply-adds, so an `i8` entry costs half to two instructions instead of the
//! thirty or so of a multi-limb multiply-add.

mod bind;
mod digits;
mod gemm;
mod tile;

use super::Cpu;
use super::field::wide::Montgomery;
use crate::element::{Fr, Int, Scalar};
use crate::error::Result;
use crate::matrix::{Matrix, check_bind, check_gemm};
use digits::{int_planes, scalar_planes};
use tile::Isa;

impl Matrix for Cpu {
    fn bind_rows<I: Int>(&self, m: &[I], weight: &[Fr], out: &mut &mut [Fr]) -> Result<()> {
        check_bind("bind_rows", m.len(), weight.len(), out.len())?;
        self.install(|| bind::bind_rows(Isa::detect(), int_planes(), m, weight, out));
        Ok(())
    }

    fn bind_cols<I: Int>(&self, m: &[I], weight: &[Fr], out: &mut &mut [Fr]) -> Result<()> {
        check_bind("bind_cols", m.len(), out.len(), weight.len())?;
        self.install(|| bind::bind_cols(Isa::detect(), int_planes(), m, weight, out));
        Ok(())
    }

    fn gemm(&self, inner: usize, a: &[i8], b: &[i8], out: &mut &mut [i32]) -> Result<()> {
        let (rows, cols) = check_gemm(inner, a.len(), b.len(), out.len())?;
        self.install(|| gemm::gemm(Isa::detect(), [rows, inner, cols], a, b, out));
        Ok(())
    }
}

/// `out[r] = sum_c m[r][c] * weight[c]` for scalars that are integers of at most 64 bits; otherwise does nothing and
/// says so.
pub(super) fn bind_cols_of_scalars<F: Montgomery, S: Scalar<F>>(
    m: &[S],
    weight: &[F],
    out: &mut [F],
) -> bool {
    let planes = scalar_planes::<F, S>();
    let narrow = planes.is_some();
    if let Some(planes) = planes {
        bind::bind_cols(Isa::detect(), planes, m, weight, out);
    }
    narrow
}
