//! Integer vectors on a backend, whatever their width.

use ark_bn254::{Fr, G1Affine};
use zkmill::{Backend, Len, Result, Scalar};

/// A vector of one of the integer types that layers and lookups produce.
pub(crate) enum Column<B: Backend> {
    I8(B::Buffer<i8>),
    I16(B::Buffer<i16>),
    I32(B::Buffer<i32>),
    U8(B::Buffer<u8>),
    U16(B::Buffer<u16>),
    U32(B::Buffer<u32>),
    /// What only a dishonest prover commits to.
    #[cfg(test)]
    Field(B::Buffer<Fr>),
}

/// Runs `$body` with `$view` the column's view, at the column's own type; `$field` where the elements are no integers.
macro_rules! each {
    ($column:expr, $view:ident => $body:expr, field => $field:expr) => {
        match $column {
            Column::I8(buffer) => { let $view = B::view(buffer); $body }
            Column::I16(buffer) => { let $view = B::view(buffer); $body }
            Column::I32(buffer) => { let $view = B::view(buffer); $body }
            Column::U8(buffer) => { let $view = B::view(buffer); $body }
            Column::U16(buffer) => { let $view = B::view(buffer); $body }
            Column::U32(buffer) => { let $view = B::view(buffer); $body }
            #[cfg(test)]
            Column::Field(buffer) => { let $view = B::view(buffer); $field }
        }
    };
    ($column:expr, $view:ident => $body:expr) => { each!($column, $view => $body, field => $body) };
}

impl<B: Backend> Column<B> {
    /// How many elements.
    pub fn len(&self) -> usize {
        each!(self, view => view.len())
    }

    /// The multilinear extension at `point`.
    pub fn evaluate(&self, backend: &B, point: &[Fr]) -> Result<Fr> {
        each!(self, view => backend.evaluate(view, point))
    }

    /// `out += coefficient * column`.
    pub fn add_scaled(&self, backend: &B, coefficient: Fr, out: &mut B::ViewMut<'_, Fr>) -> Result<()> {
        each!(self, view => backend.add_scaled(coefficient, view, out))
    }

    /// `out[c] = sum_r weight[r] column[r][c]`, the column read as a matrix with rows as long as `out`.
    pub fn bind_rows(&self, backend: &B, weight: &[Fr], out: &mut B::ViewMut<'_, Fr>) -> Result<()> {
        each!(self, view => {
            let weight = backend.upload("row weights", weight)?;
            backend.bind_rows(view, B::view(&weight), out)
        }, field => {
            let row = out.len();
            let row = |r: usize| B::slice(view, r * row..(r + 1) * row);
            let terms: Result<Vec<_>> = weight.iter().enumerate().map(|(r, w)| Ok((*w, row(r)?))).collect();
            backend.linear_combination(&terms?, out)
        })
    }

    /// `out[r] = sum_c column[r][c] weight[c]`, the column read as a matrix with rows as long as `weight`.
    pub fn bind_cols(&self, backend: &B, weight: &[Fr], out: &mut B::ViewMut<'_, Fr>) -> Result<()> {
        each!(self, view => {
            let weight = backend.upload("column weights", weight)?;
            backend.bind_cols(view, B::view(&weight), out)
        }, field => {
            let _ = view;
            Err(zkmill::Error::Unavailable { reason: "only inputs and lookups are forged".into() })
        })
    }

    /// The rows of `2^log_row` entries, or the one shorter row of a short vector, committed to without blinds: see
    /// [`Committer`](crate::commitment::Committer).
    pub fn rows(&self, log_row: u32) -> Rows {
        Rows { count: self.len().div_ceil(1 << log_row), len: self.len().min(1 << log_row) }
    }
}

/// How a vector divides into rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub count: usize,
    pub len: usize,
}

/// Commits to the rows of all columns, one multi-scalar multiplication an integer type; results column by column.
pub(crate) fn msm_rows<B: Backend>(
    backend: &B,
    bases: &<B as zkmill::Msm<zkmill::G1>>::Bases,
    log_row: u32,
    columns: &[&Column<B>],
) -> Result<Vec<Vec<G1Affine>>> {
    let mut committed = vec![Vec::new(); columns.len()];
    macro_rules! batch {
        ($($variant:ident)*) => {$({
            let mut views = Vec::new();
            let mut owners = Vec::new();
            for (index, column) in columns.iter().enumerate() {
                if let Column::$variant(buffer) = column {
                    let Rows { count, len } = column.rows(log_row);
                    for row in 0..count {
                        views.push(B::slice(B::view(buffer), row * len..(row + 1) * len)?);
                        owners.push(index);
                    }
                }
            }
            for (owner, point) in owners.into_iter().zip(sums::<B, _>(backend, bases, &views)?) {
                committed[owner].push(point);
            }
        })*};
    }
    batch!(I8 I16 I32 U8 U16 U32);
    #[cfg(test)]
    batch!(Field);
    Ok(committed)
}

/// One multi-scalar multiplication, its results on the host.
pub(crate) fn sums<B: Backend, S: Scalar>(
    backend: &B,
    bases: &<B as zkmill::Msm<zkmill::G1>>::Bases,
    batch: &[B::View<'_, S>],
) -> Result<Vec<G1Affine>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let mut out = backend.alloc("commitments", batch.len())?;
    zkmill::Msm::<zkmill::G1>::msm(backend, bases, batch, &mut B::view_mut(&mut out))?;
    backend.to_vec(B::view(&out))
}
