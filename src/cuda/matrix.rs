//! Integer matrices on the device.
//!
//! The bindings read a matrix once and multiply nothing but integers until the end; see the kernels. Shapes that would
//! leave the device idle are cut into chunks along the dimension that is summed, whose results a second launch adds.

use std::any::TypeId;

use super::{Buffer, Cuda, Grid, Kernel, Module, View, ViewMut};
use crate::backend::Len;
use crate::element::{Element, Fr, Int};
use crate::error::{Error, Result};
use crate::matrix::{Matrix, check_bind, check_gemm};

const fn kernel(name: &'static str) -> Kernel {
    Kernel { module: Module::Matrix, name }
}

/// The kernels for all integer types, in the order of [`Integer`].
macro_rules! integers {
    ($module:expr, $prefix:literal) => {
        integers!($module, $prefix, ["i8" "i16" "i32" "i64" "u8" "u16" "u32" "u64"])
    };
    ($module:expr, $prefix:literal, [$($suffix:literal)*]) => {
        [$(Kernel { module: $module, name: concat!($prefix, $suffix) }),*]
    };
}
pub(super) use integers;

const BIND_ROWS: [Kernel; 8] = integers!(Module::Matrix, "matrix_bind_rows_");
const BIND_COLS: [Kernel; 8] = integers!(Module::Matrix, "matrix_bind_cols_");
const SUM: Kernel = kernel("matrix_sum");
const GEMM: Kernel = kernel("matrix_gemm_i8");

/// Threads of a block.
const THREADS: u32 = 128;
/// Weights that a block takes at a time.
const TILE: usize = 256;
/// Rows from which a chunk of them is worth the reduction of its sums.
const FEW_ROWS: usize = 64;
/// Products that a 64-bit sum is sure to hold.
const SAFE: usize = 1 << 15;
/// Lanes that share rows when columns are bound.
const LANES: u32 = 8;
/// Rows and columns of a tile of the integer product.
const SIDE: usize = 64;
/// What parts of its inner dimension are multiples of.
const DEPTH: usize = 64;
/// Blocks that keep a multiprocessor busy.
const RESIDENT: usize = 4;

/// An integer type that has kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    index: u8,
    bytes: u8,
}

impl Integer {
    /// The type's kernels.
    ///
    /// # Errors
    /// [`Error::Unavailable`] for a type that is none of this crate's.
    pub(super) fn of<T: Element>(op: &'static str) -> Result<Self> {
        let types = [
            TypeId::of::<i8>(),
            TypeId::of::<i16>(),
            TypeId::of::<i32>(),
            TypeId::of::<i64>(),
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
        ];
        match types.iter().position(|&id| id == TypeId::of::<T>()) {
            Some(index) => Ok(Self { index: index as u8, bytes: size_of::<T>() as u8 }),
            None => {
                let name = std::any::type_name::<T>();
                Err(Error::Unavailable { reason: format!("{op} has no kernel for {name}") })
            }
        }
    }

    /// Its place in tables of kernels.
    pub(super) fn index(self) -> usize {
        self.index.into()
    }

    /// How many 16-bit parts an entry is cut into.
    fn parts(self) -> usize {
        usize::from(self.bytes).div_ceil(2)
    }

    /// How many neighbouring entries a thread loads as one word where it may.
    fn run(self) -> usize {
        4 / self.parts()
    }

    /// How many rows lanes share when columns are bound.
    fn rows(self) -> usize {
        4 / self.parts()
    }
}

impl Matrix for Cuda {
    fn bind_rows<I: Int>(
        &self,
        m: View<'_, I>,
        weight: View<'_, Fr>,
        out: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        check_bind("bind_rows", m.len(), weight.len(), out.len())?;
        self.own_all("bind_rows", &m, &weight, out)?;
        self.bind_rows_by(Integer::of::<I>("bind_rows")?, m, weight, out)
    }

    fn bind_cols<I: Int>(
        &self,
        m: View<'_, I>,
        weight: View<'_, Fr>,
        out: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        check_bind("bind_cols", m.len(), out.len(), weight.len())?;
        self.own_all("bind_cols", &m, &weight, out)?;
        self.bind_cols_by(Integer::of::<I>("bind_cols")?, m, weight, out)
    }

    fn gemm(&self, inner: usize, a: View<'_, i8>, b: View<'_, i8>, out: &mut ViewMut<'_, i32>) -> Result<()> {
        let (rows, cols) = check_gemm(inner, a.len(), b.len(), out.len())?;
        self.own_all("gemm", &a, &b, out)?;
        if rows == 0 || cols == 0 {
            return Ok(());
        }
        let col_tiles = cols.div_ceil(SIDE);
        let tiles = rows.div_ceil(SIDE) * col_tiles;
        let (part, splits) = self.chunks(tiles, inner, DEPTH, usize::MAX);
        if splits > 1 {
            // The parts add to it.
            self.clear(out)?;
        }
        self.launch(
            GEMM,
            blocks("gemm", tiles, splits)?,
            &[
                &a,
                &b,
                &*out,
                &rows,
                &inner,
                &cols,
                &part,
                &(col_tiles as u32),
                &(tiles as u32),
                &(splits as u32),
            ],
        )
    }
}

impl Cuda {
    fn own_all<T: Element, W: Element, O: Element>(
        &self,
        op: &'static str,
        m: &View<'_, T>,
        weight: &View<'_, W>,
        out: &ViewMut<'_, O>,
    ) -> Result<()> {
        self.own(op, m)?;
        self.own(op, weight)?;
        self.own(op, out)
    }

    /// [`Matrix::bind_rows`] of checked arguments whose entries are of type `kind`.
    fn bind_rows_by<T: Element>(
        &self,
        kind: Integer,
        m: View<'_, T>,
        weight: View<'_, Fr>,
        out: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        let (rows, cols) = (weight.len(), out.len());
        if cols == 0 {
            return Ok(());
        }
        if rows == 0 {
            return self.clear(out);
        }
        // Threads that a row needs, and how many rows are worked on at once where these are few.
        let runs = cols.div_ceil(kind.run());
        let groups = runs.min(THREADS as usize).next_power_of_two();
        let lanes = THREADS as usize / groups;
        let tiles = runs.div_ceil(groups);
        let (chunk, chunks) = self.chunks(tiles, rows, FEW_ROWS.max(lanes), SAFE * lanes);
        let grid = blocks("bind_rows", tiles, chunks)?;
        let lane_bits = lanes.trailing_zeros();
        let launch = |out: &dyn super::Argument| {
            let shape: [&dyn super::Argument; 5] = [&rows, &cols, &chunk, &(tiles as u32), &lane_bits];
            let arguments = [&[&m as &dyn super::Argument, &weight, out], &shape[..]].concat();
            self.launch(BIND_ROWS[kind.index()], grid, &arguments)
        };
        if chunks == 1 {
            return launch(&*out);
        }
        let partials = self.scratch::<Fr>("bind_rows: partial sums", chunks * cols)?;
        launch(&partials)?;
        self.add_chunks(SUM, &partials, out, chunks)
    }

    /// [`Matrix::bind_cols`] of checked arguments whose entries are of type `kind`.
    pub(super) fn bind_cols_by<T: Element>(
        &self,
        kind: Integer,
        m: View<'_, T>,
        weight: View<'_, Fr>,
        out: &mut ViewMut<'_, Fr>,
    ) -> Result<()> {
        let (rows, cols) = (out.len(), weight.len());
        if rows == 0 {
            return Ok(());
        }
        if cols == 0 {
            return self.clear(out);
        }
        if rows == 1 {
            // One row is one column, of which the other kernel has all threads read.
            return self.bind_rows_by(kind, m, weight, out);
        }
        let tiles = rows.div_ceil((THREADS / LANES) as usize * kind.rows());
        let (chunk, chunks) = self.chunks(tiles, cols, TILE, SAFE);
        let sums = self.scratch::<i64>("bind_cols: integer sums", chunks * rows * 8 * kind.parts())?;
        self.launch(
            BIND_COLS[kind.index()],
            blocks("bind_cols", tiles, chunks)?,
            &[&m, &weight, &sums, &rows, &cols, &chunk, &(tiles as u32)],
        )?;
        let reduce = match kind.parts() {
            1 => "matrix_reduce_1",
            2 => "matrix_reduce_2",
            _ => "matrix_reduce_4",
        };
        self.add_chunks(kernel(reduce), &sums, out, chunks)
    }

    /// Launches a kernel that adds up the chunks' results for each element of `out`.
    fn add_chunks<T: Element>(
        &self,
        kernel: Kernel,
        partials: &Buffer<T>,
        out: &ViewMut<'_, Fr>,
        chunks: usize,
    ) -> Result<()> {
        // Each of the threads that share an element adds a few results.
        let lanes = chunks.div_ceil(8).min(32).next_power_of_two();
        let grid = Grid::covering(out.len().saturating_mul(lanes), THREADS);
        self.launch(kernel, grid, &[partials, out, &chunks, &out.len(), &(lanes as u32)])
    }

    /// Cuts a dimension of `len > 0` so that with `tiles` blocks a chunk the device is busy: the chunks' length, a multiple of
    /// `step` and at most `most`, and their number.
    fn chunks(&self, tiles: usize, len: usize, step: usize, most: usize) -> (usize, usize) {
        let wanted = (self.properties().multiprocessors as usize * RESIDENT).div_ceil(tiles);
        let length = len.div_ceil(wanted).next_multiple_of(step).min(most);
        (length, len.div_ceil(length))
    }
}

/// A block for each tile of each chunk.
///
/// # Errors
/// [`Error::Unavailable`] if there are more than a grid can have.
fn blocks(op: &'static str, tiles: usize, chunks: usize) -> Result<Grid> {
    let blocks = tiles.checked_mul(chunks).and_then(|blocks| u32::try_from(blocks).ok());
    let too_many =
        || Error::Unavailable { reason: format!("{op}: {tiles} x {chunks} blocks are beyond any grid") };
    blocks.map(|blocks| Grid::new(blocks, THREADS)).ok_or_else(too_many)
}
