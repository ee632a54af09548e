//! Row-major matrices of integers.

use std::ops::Range;

use super::ModelError;

/// The most elements a [`Tensor`] may have, counted after both of its dimensions are rounded up to powers of
/// two.
pub const MAX_ELEMENTS: usize = 1 << 28;

/// A row-major matrix with at least one row and one column: a batch of inputs (one per row) or a layer's
/// weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor<T = i8> {
    rows: usize,
    cols: usize,
    data: Vec<T>,
}

/// `rows x cols`, unless a dimension is zero or the padded shape exceeds [`MAX_ELEMENTS`].
pub(super) fn check_shape(rows: usize, cols: usize) -> Result<usize, ModelError> {
    if rows == 0 || cols == 0 {
        return Err(ModelError::EmptyTensor { rows, cols });
    }
    let padded = rows
        .checked_next_power_of_two()
        .zip(cols.checked_next_power_of_two())
        .and_then(|(rows, cols)| rows.checked_mul(cols));
    match padded {
        Some(elements) if elements <= MAX_ELEMENTS => Ok(rows * cols),
        _ => Err(ModelError::TensorTooLarge { rows, cols }),
    }
}

impl<T> Tensor<T> {
    /// Takes `data` as `rows` rows of `cols` elements, one row after the other.
    ///
    /// # Errors
    ///
    /// [`ModelError::EmptyTensor`], [`ModelError::TensorTooLarge`], or [`ModelError::TensorLength`] if `data`
    /// does not have `rows * cols` elements.
    pub fn new(rows: usize, cols: usize, data: Vec<T>) -> Result<Self, ModelError> {
        if check_shape(rows, cols)? != data.len() {
            return Err(ModelError::TensorLength { rows, cols, length: data.len() });
        }
        Ok(Self { rows, cols, data })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All elements, row after row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The rows, first to last.
    pub fn iter_rows(&self) -> std::slice::ChunksExact<'_, T> {
        self.data.chunks_exact(self.cols)
    }
}

impl<T: Copy + Default> Tensor<T> {
    /// The rows of `range` as a tensor of their own.
    ///
    /// # Errors
    ///
    /// [`ModelError::RowRange`] if the range is empty or reaches beyond the last row.
    pub fn slice_rows(&self, range: Range<usize>) -> Result<Self, ModelError> {
        if range.is_empty() || range.end > self.rows {
            return Err(ModelError::RowRange { start: range.start, end: range.end, rows: self.rows });
        }
        let data = self.data[range.start * self.cols..range.end * self.cols].to_vec();
        Ok(Self { rows: range.len(), cols: self.cols, data })
    }

    /// The tensor with both dimensions rounded up to powers of two, zeros (`T::default()`) in the new places.
    pub fn padded(&self) -> Self {
        let (rows, cols) = (self.rows.next_power_of_two(), self.cols.next_power_of_two());
        let mut data = vec![T::default(); rows * cols];
        for (target, row) in data.chunks_exact_mut(cols).zip(self.iter_rows()) {
            target[..self.cols].copy_from_slice(row);
        }
        Self { rows, cols, data }
    }
}
