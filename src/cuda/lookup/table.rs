//! Finding rows of a table, and counting them.

use std::any::TypeId;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;

use ark_ff::BigInt;

use super::{Argument, Buffer, ByValue, Cuda, Grid, Kernel, Owned, THREADS, View, ViewMut, kernel};
use crate::backend::{Len, Memory};
use crate::element::{Fq, Fr, Key};
use crate::error::{Error, Result};

/// A table whose rows can be found.
#[derive(Debug)]
pub struct Table<T: Key> {
    len: usize,
    index: Index<T>,
}

#[derive(Debug)]
enum Index<T: Key> {
    Direct(Direct<T>),
    /// With the rows, which it is compared with.
    Hashed(Hashed<T>, Buffer<T>),
}

/// A direct index has at most this many times as many entries as rows, or as many as there are 16-bit integers.
const SPARSITY: u64 = 8;

impl<T: Key> Table<T> {
    /// Of at most `2^32 - 1` rows. Waits where the range of the rows decides.
    pub(super) fn new(cuda: &Cuda, rows: View<'_, T>) -> Result<Self> {
        let len = rows.len();
        let index = match Direct::new(cuda, rows)? {
            Some(index) => Index::Direct(index),
            None => {
                let mut copy = cuda.scratch("table rows", len)?;
                cuda.copy(rows, &mut Cuda::view_mut(&mut copy))?;
                Index::Hashed(Hashed::new(cuda, rows)?, copy)
            }
        };
        Ok(Self { len, index })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// `counts[j]` = how often row `j` occurs in all columns, of at most `2^32 - 1` rows together.
    pub(super) fn count(
        &self,
        cuda: &Cuda,
        columns: &[View<'_, T>],
        counts: &mut ViewMut<'_, u32>,
    ) -> Result<()> {
        match &self.index {
            Index::Direct(index) => index.count(cuda, columns, counts),
            Index::Hashed(index, rows) => index.count(cuda, Cuda::view(rows), columns, counts),
        }
    }
}

impl<T: Key> Owned for Table<T> {
    fn owner(&self) -> u64 {
        match &self.index {
            Index::Direct(index) => index.entries.owner(),
            Index::Hashed(index, _) => index.entries.owner(),
        }
    }
}

/// What the device sees in a key: its bits.
#[derive(Clone, Copy)]
enum Bits {
    /// An integer of this many bits, signed or not.
    Integer { bits: u32, signed: bool },
    /// A canonical field element or a 256-bit integer.
    Wide,
}

impl Bits {
    /// Fails for types that the device has no kernels for.
    fn of<T: Key>() -> Result<Self> {
        let integers = [
            (TypeId::of::<i8>(), 8, true),
            (TypeId::of::<i16>(), 16, true),
            (TypeId::of::<i32>(), 32, true),
            (TypeId::of::<i64>(), 64, true),
            (TypeId::of::<u8>(), 8, false),
            (TypeId::of::<u16>(), 16, false),
            (TypeId::of::<u32>(), 32, false),
            (TypeId::of::<u64>(), 64, false),
        ];
        let key = TypeId::of::<T>();
        if let Some(&(_, bits, signed)) = integers.iter().find(|(id, ..)| *id == key) {
            return Ok(Self::Integer { bits, signed });
        }
        if [TypeId::of::<Fr>(), TypeId::of::<Fq>(), TypeId::of::<BigInt<4>>()].contains(&key) {
            return Ok(Self::Wide);
        }
        let reason = format!("no CUDA kernel looks up keys of type {}", std::any::type_name::<T>());
        Err(Error::Unavailable { reason })
    }
}

/// Entries by the key's distance from the least one.
#[derive(Debug)]
struct Direct<T> {
    /// The bit whose flip orders the keys as unsigned integers.
    flip: u64,
    /// The least key, flipped.
    first: u64,
    /// One for each key from the least to the greatest.
    entries: Buffer<u32>,
    count: Kernel,
    keys: PhantomData<fn(T)>,
}

impl<T: Key> Direct<T> {
    /// Nothing if the rows are no integers or lie too far apart.
    fn new(cuda: &Cuda, rows: View<'_, T>) -> Result<Option<Self>> {
        let Bits::Integer { bits, signed } = Bits::of::<T>()? else { return Ok(None) };
        let (index, count, extent) = match bits {
            8 => ("lookup_index_direct_8", "lookup_count_direct_8", None),
            16 => ("lookup_index_direct_16", "lookup_count_direct_16", None),
            32 => ("lookup_index_direct_32", "lookup_count_direct_32", Some("lookup_extent_32")),
            _ => ("lookup_index_direct_64", "lookup_count_direct_64", Some("lookup_extent_64")),
        };
        let n = rows.len();
        let flip = if signed { 1 << (bits - 1) } else { 0 };
        let (first, last) = match extent {
            None => (0, (1 << bits) - 1),
            Some(_) if n == 0 => return Ok(None),
            Some(extent) => Self::extent(cuda, kernel(extent), rows, flip)?,
        };
        if last - first >= (SPARSITY * n as u64).max(1 << 16) {
            return Ok(None);
        }
        let length = last - first + 1;
        let mut entries = cuda.scratch("direct table index", length as usize)?;
        cuda.clear(&mut Cuda::view_mut(&mut entries))?;
        if n > 0 {
            let args: [&dyn Argument; 6] = [&rows, &n, &flip, &first, &length, &entries];
            cuda.launch(kernel(index), Grid::covering(n, THREADS), &args)?;
        }
        Ok(Some(Self { flip, first, entries, count: kernel(count), keys: PhantomData }))
    }

    /// The least and the greatest row, flipped. Waits.
    fn extent(cuda: &Cuda, kernel: Kernel, rows: View<'_, T>, flip: u64) -> Result<(u64, u64)> {
        let n = rows.len();
        let mut extent = cuda.scratch::<u64>("extent of a table", 2)?;
        cuda.clear(&mut Cuda::view_mut(&mut extent))?;
        cuda.launch(kernel, spread(cuda, n), &[&rows, &n, &flip, &extent])?;
        let mut host = [0; 2];
        cuda.download(Cuda::view(&extent), &mut host)?;
        Ok((!host[0], host[1]))
    }

    fn count(&self, cuda: &Cuda, columns: &[View<'_, T>], counts: &mut ViewMut<'_, u32>) -> Result<()> {
        let length = self.entries.len();
        count(cuda, columns, counts, |grid, Count { columns, width, n, counts, stranger }| {
            let index: [&dyn Argument; 4] = [&self.flip, &self.first, &length, &self.entries];
            let given: [&dyn Argument; 5] = [columns, &width, &n, counts, stranger];
            cuda.launch(self.count, grid, &[&index[..], &given].concat())
        })
    }
}

/// Entries by a hash with random parameters, so that nobody can choose rows that collide.
#[derive(Debug)]
pub(super) struct Hashed<T> {
    seeds: [BigInt<4>; 2],
    /// 64 less the binary logarithm of the number of entries.
    shift: u32,
    /// At least four times as many as rows.
    entries: Buffer<u32>,
    count: Kernel,
    keys: PhantomData<fn(T)>,
}

impl<T: Key> Hashed<T> {
    pub(super) fn new(cuda: &Cuda, rows: View<'_, T>) -> Result<Self> {
        let (index, count) = match Bits::of::<T>()? {
            Bits::Wide => ("lookup_index_hashed_256", "lookup_count_hashed_256"),
            Bits::Integer { bits: 64, .. } => ("lookup_index_hashed_64", "lookup_count_hashed_64"),
            // Narrower integers never are too far apart for a direct index.
            Bits::Integer { .. } => ("lookup_index_hashed_32", "lookup_count_hashed_32"),
        };
        let n = rows.len();
        let length = (4 * n).next_power_of_two().max(2);
        let shift = 64 - length.trailing_zeros();
        // Odd multipliers map the keys of one word one to one.
        let random = RandomState::new();
        let seeds = [0u64, 4].map(|k| BigInt([k, k + 1, k + 2, k + 3].map(|k| random.hash_one(k) | 1)));
        let mut entries = cuda.scratch("hashed table index", length)?;
        cuda.clear(&mut Cuda::view_mut(&mut entries))?;
        if n > 0 {
            let [low, high] = seeds.map(ByValue);
            let args: [&dyn Argument; 6] = [&rows, &n, &low, &high, &shift, &entries];
            cuda.launch(kernel(index), Grid::covering(n, THREADS), &args)?;
        }
        Ok(Self { seeds, shift, entries, count: kernel(count), keys: PhantomData })
    }

    /// Counts rows of `rows`, the ones that this is the index of.
    pub(super) fn count(
        &self,
        cuda: &Cuda,
        rows: View<'_, T>,
        columns: &[View<'_, T>],
        counts: &mut ViewMut<'_, u32>,
    ) -> Result<()> {
        let [low, high] = self.seeds.map(ByValue);
        count(cuda, columns, counts, |grid, Count { columns, width, n, counts, stranger }| {
            let index: [&dyn Argument; 5] = [&rows, &low, &high, &self.shift, &self.entries];
            let given: [&dyn Argument; 5] = [columns, &width, &n, counts, stranger];
            cuda.launch(self.count, grid, &[&index[..], &given].concat())
        })
    }
}

/// Counts by the launch of a kernel that takes a [`Count`], and waits.
fn count<T: Key>(
    cuda: &Cuda,
    columns: &[View<'_, T>],
    counts: &mut ViewMut<'_, u32>,
    launch: impl Fn(Grid, Count<'_>) -> Result<()>,
) -> Result<()> {
    cuda.clear(counts)?;
    // Keys are numbered by column, then row, in the order of the error to report.
    let mut n = 0;
    let mut before = Vec::with_capacity(columns.len());
    for column in columns {
        before.push(n);
        n += column.len();
    }
    if n == 0 {
        return cuda.sync();
    }
    let pairs: Vec<u64> =
        columns.iter().zip(&before).flat_map(|(column, &before)| [column.pointer(), before as u64]).collect();
    let pairs = cuda.upload_scratch("columns to look up", &pairs)?;
    let mut stranger = cuda.scratch::<u32>("first stranger", 1)?;
    cuda.clear(&mut Cuda::view_mut(&mut stranger))?;
    let given = Count { columns: &pairs, width: columns.len(), n, counts, stranger: &stranger };
    launch(spread(cuda, n), given)?;
    let mut greatest = [0];
    cuda.download(Cuda::view(&stranger), &mut greatest)?;
    if greatest == [0] {
        return Ok(());
    }
    // The kernel keeps the greatest complement of a key's number.
    let key = !greatest[0] as usize;
    // Empty columns begin where the next one does.
    let column = before.partition_point(|&before| before <= key) - 1;
    Err(Error::NotInTable { column, row: key - before[column] })
}

/// What a counting kernel takes after the index, in this order.
struct Count<'a> {
    columns: &'a Buffer<u64>,
    width: usize,
    n: usize,
    counts: &'a ViewMut<'a, u32>,
    stranger: &'a Buffer<u32>,
}

/// A grid for loops over `n > 0` elements: at least sixteen of them a thread, since a block has tallies to clear and to add,
/// and no more blocks than the device runs at a time.
fn spread(cuda: &Cuda, n: usize) -> Grid {
    let resident = 8 * cuda.properties().multiprocessors;
    let blocks = n.div_ceil(16 * THREADS as usize).min(resident as usize);
    Grid::new(blocks as u32, THREADS)
}
