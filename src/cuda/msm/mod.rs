//! Multi-scalar multiplication by buckets on the device. `kernels/device/msm.cuh` explains the algorithm, [`plan`] its cost.

#[cfg(feature = "conformance")]
pub(super) mod cases;
mod plan;

use ark_ec::short_weierstrass::Affine;

use super::memory::Owned;
use super::scalar::ScalarType;
use super::{Argument, Buffer, Cuda, Grid, Kernel, Module, View, ViewMut};
use crate::backend::{Len, Memory};
use crate::curve::{Curve, G1, G2};
use crate::element::{Element, Fq, Fr, Scalar};
use crate::error::{Error, Result};
use crate::msm::{Msm, check_bases, check_batch};
use plan::{Pass, Tables, tuning};

/// A curve that the kernels are compiled for.
pub trait Group: Curve {
    #[doc(hidden)]
    const KERNELS: Kernels;
    /// Threads of one multiprocessor that add points up at a time, by the registers they need
    /// (`kernels/tuning/msm.cuh`).
    #[doc(hidden)]
    const THREADS: u32;
}

/// The kernels that work on one curve's points.
#[doc(hidden)]
pub struct Kernels {
    accumulate: Kernel,
    combine: Kernel,
    merge: Kernel,
    reduce_buckets: Kernel,
    reduce_nodes: Kernel,
    finish: Kernel,
    multiples: Kernel,
}

macro_rules! kernels {
    ($module:expr, $suffix:literal) => {
        Kernels {
            accumulate: Kernel { module: $module, name: concat!("msm_accumulate_", $suffix) },
            combine: Kernel { module: $module, name: concat!("msm_combine_", $suffix) },
            merge: Kernel { module: $module, name: concat!("msm_merge_", $suffix) },
            reduce_buckets: Kernel { module: $module, name: concat!("msm_reduce_buckets_", $suffix) },
            reduce_nodes: Kernel { module: $module, name: concat!("msm_reduce_nodes_", $suffix) },
            finish: Kernel { module: $module, name: concat!("msm_finish_", $suffix) },
            multiples: Kernel { module: $module, name: concat!("msm_multiples_", $suffix) },
        }
    };
}

impl Group for G1 {
    const KERNELS: Kernels = kernels!(Module::Msm, "g1");
    const THREADS: u32 = 512;
}

impl Group for G2 {
    const KERNELS: Kernels = kernels!(Module::MsmG2, "g2");
    const THREADS: u32 = 256;
}

const SORT_COUNT: Kernel = Kernel { module: Module::Msm, name: "msm_sort_count" };
const SORT_SCAN: Kernel = Kernel { module: Module::Msm, name: "msm_sort_scan" };
const SORT_SCATTER: Kernel = Kernel { module: Module::Msm, name: "msm_sort_scatter" };

/// The kernel that cuts scalars of type `S` into digits, and the power of two that no magnitude of them exceeds.
fn scalar<S: Element>() -> Result<(Kernel, u32)> {
    let Some(scalar) = ScalarType::of::<S>() else {
        let name = std::any::type_name::<S>();
        return Err(Error::Unavailable { reason: format!("msm has no kernel for {name}") });
    };
    let (name, magnitude) = match scalar {
        ScalarType::I8 => ("msm_digits_i8", 7),
        ScalarType::I16 => ("msm_digits_i16", 15),
        ScalarType::I32 => ("msm_digits_i32", 31),
        ScalarType::I64 => ("msm_digits_i64", 63),
        ScalarType::U8 => ("msm_digits_u8", 8),
        ScalarType::U16 => ("msm_digits_u16", 16),
        ScalarType::U32 => ("msm_digits_u32", 32),
        ScalarType::U64 => ("msm_digits_u64", 64),
        ScalarType::Fr => ("msm_digits_fr", plan::ORDER_BITS),
        ScalarType::Big => ("msm_digits_big", plan::ORDER_BITS),
    };
    Ok((Kernel { module: Module::Msm, name }, magnitude))
}

/// Bases on the device, with multiples of them.
#[derive(Debug)]
pub struct Bases<C: Curve> {
    /// Slice by slice.
    points: Buffer<Affine<C>>,
    tables: Tables,
}

impl<C: Curve> Len for Bases<C> {
    fn len(&self) -> usize {
        self.tables.len
    }
}

impl<C: Curve> Owned for Bases<C> {
    fn owner(&self) -> u64 {
        self.points.owner()
    }
}

impl<C: Group<ScalarField = Fr>> Msm<C> for Cuda {
    type Bases = Bases<C>;

    fn bases(&self, points: &[Affine<C>], budget: usize) -> Result<Bases<C>> {
        // An entry's value is an index of 31 bits and a sign.
        const MOST: usize = 1 << 31;
        if points.len() > MOST {
            return Err(Error::Shape {
                op: "bases",
                what: "number of points at most",
                expected: MOST,
                got: points.len(),
            });
        }
        check_bases(points)?;
        let mut tables = Tables::choose(points.len(), size_of::<Affine<C>>(), budget);
        while tables.slices > 1 {
            match self.multiples(points, tables) {
                Err(Error::OutOfMemory { .. }) => tables = tables.halved(),
                result => return result,
            }
        }
        Ok(Bases { points: self.upload_scratch("bases", points)?, tables })
    }

    fn msm<S: Scalar<Fr>>(
        &self,
        bases: &Bases<C>,
        batch: &[View<'_, S>],
        out: &mut ViewMut<'_, Affine<C>>,
    ) -> Result<()> {
        check_batch(bases.len(), batch.iter().map(Len::len), out.len())?;
        self.own("msm", bases)?;
        for item in batch {
            self.own("msm", item)?;
        }
        self.own("msm", out)?;
        self.msm_within(bases, batch, out, self.properties().total_bytes / 2)
    }
}

/// Bytes of a point in XYZZ coordinates.
fn point_bytes<C: Curve>() -> usize {
    2 * size_of::<Affine<C>>()
}

/// The memory of one pass. Points in XYZZ coordinates are so many elements of `Fq`.
struct Workspace {
    keys: [Buffer<u32>; 2],
    values: [Buffer<u32>; 2],
    counts: Buffer<u32>,
    totals: Buffer<u32>,
    slot_keys: [Buffer<u32>; 2],
    slots: [Buffer<Fq>; 2],
    buckets: Buffer<Fq>,
    /// The buckets of later parts.
    more: Option<Buffer<Fq>>,
    sums: [Buffer<Fq>; 2],
    weighted: [Buffer<Fq>; 2],
}

impl Workspace {
    fn new(cuda: &Cuda, pass: &Pass) -> Result<Self> {
        let words = |len| cuda.scratch::<u32>("msm entries", len);
        let points =
            |len: usize| cuda.scratch::<Fq>("msm points", len * pass.point_bytes() / size_of::<Fq>());
        let entries = pass.entries(pass.part);
        let slots = pass.slots(entries);
        let next = 2 * slots.div_ceil(pass.combine_threads() as usize);
        let (nodes, next_nodes) = (pass.nodes(), pass.nodes().div_ceil(2));
        Ok(Self {
            keys: [words(entries)?, words(entries)?],
            values: [words(entries)?, words(entries)?],
            counts: words(entries.div_ceil(tuning::SORT_TILE) << tuning::SORT_BITS)?,
            totals: words(1 << tuning::SORT_BITS)?,
            slot_keys: [words(slots)?, words(next)?],
            slots: [points(slots)?, points(next)?],
            buckets: points(pass.buckets())?,
            more: if pass.part < pass.scalars { Some(points(pass.buckets())?) } else { None },
            sums: [points(nodes)?, points(next_nodes)?],
            weighted: [points(nodes)?, points(next_nodes)?],
        })
    }
}

impl Cuda {
    fn multiples<C: Group>(&self, points: &[Affine<C>], tables: Tables) -> Result<Bases<C>> {
        let mut all =
            self.scratch::<Affine<C>>("multiples of bases", points.len() * tables.slices as usize)?;
        let given = self.upload_scratch("bases", points)?;
        let (mut first, _) = Self::split_mut(Self::view_mut(&mut all), points.len())?;
        self.copy(Self::view(&given), &mut first)?;
        let grid = Grid::covering(points.len(), tuning::POINT_THREADS);
        self.launch(
            C::KERNELS.multiples,
            grid,
            &[&all, &(points.len() as u32), &tables.slices, &tables.slice_bits],
        )?;
        Ok(Bases { points: all, tables })
    }

    /// The sums in passes of about `budget` bytes, or less if there is not as much memory.
    fn msm_within<C: Group, S: Element>(
        &self,
        bases: &Bases<C>,
        batch: &[View<'_, S>],
        out: &mut ViewMut<'_, Affine<C>>,
        mut budget: usize,
    ) -> Result<()> {
        let (digits, _) = scalar::<S>()?;
        let lengths: Vec<usize> = batch.iter().map(Len::len).collect();
        if lengths.iter().all(|&len| len == 0) {
            return self.clear(out);
        }
        let mut next = 0;
        while next < batch.len() {
            let pass = self.plan::<C, S>(bases, &lengths, next, budget)?;
            let space = match Workspace::new(self, &pass) {
                Err(Error::OutOfMemory { .. }) if budget >= plan::MIN_BUDGET => {
                    budget /= 2;
                    continue;
                }
                space => space?,
            };
            let (_, mut out) = Self::split_mut(Self::reborrow(out), pass.items.start)?;
            self.pass(bases, digits, &batch[pass.items.clone()], &pass, space, &mut out)?;
            next = pass.items.end;
        }
        Ok(())
    }

    /// The pass over items of these lengths from `start` on.
    fn plan<C: Group, S: Element>(
        &self,
        bases: &Bases<C>,
        lengths: &[usize],
        start: usize,
        budget: usize,
    ) -> Result<Pass> {
        let (_, magnitude) = scalar::<S>()?;
        let threads = (self.properties().multiprocessors * C::THREADS) as usize;
        Ok(Pass::plan(magnitude, bases.tables, lengths, start, budget, threads, point_bytes::<C>()))
    }

    /// The sums of the items of one pass into the first elements of `out`.
    fn pass<C: Group, S: Element>(
        &self,
        bases: &Bases<C>,
        digits: Kernel,
        items: &[View<'_, S>],
        pass: &Pass,
        mut space: Workspace,
        out: &mut ViewMut<'_, Affine<C>>,
    ) -> Result<()> {
        let mut before = 0u64;
        let mut offsets = Vec::with_capacity(items.len() + 1);
        offsets.push(before);
        for item in items {
            before += item.len() as u64;
            offsets.push(before);
        }
        let pointers: Vec<u64> = items.iter().map(View::pointer).collect();
        let offsets = self.upload_scratch("msm offsets", &offsets)?;
        let pointers = self.upload_scratch("msm items", &pointers)?;
        let items = items.len() as u32;

        self.clear(&mut Self::view_mut(&mut space.buckets))?;
        let mut more = space.more.take();
        for (index, part) in pass.parts().enumerate() {
            let first = part.start as u64;
            let scalars = part.len() as u32;
            let cut = pass.digits;
            self.launch(
                digits,
                Grid::covering(part.len(), tuning::DIGIT_THREADS),
                &[
                    &pointers,
                    &offsets,
                    &items,
                    &first,
                    &scalars,
                    &(bases.tables.len as u32),
                    &cut.bits,
                    &cut.windows,
                    &cut.slice_bits,
                    &cut.slices,
                    &space.keys[0],
                    &space.values[0],
                ],
            )?;
            let entries = pass.entries(part.len());
            let sorted = self.sort(pass, entries, &space)?;
            let buckets = match &mut more {
                Some(more) if index > 0 => {
                    self.clear(&mut Self::view_mut(more))?;
                    &*more
                }
                _ => &space.buckets,
            };
            self.accumulate(bases, pass, entries, sorted, &space, buckets)?;
            if index > 0 {
                let grid = Grid::covering(pass.buckets(), tuning::POINT_THREADS);
                self.launch(C::KERNELS.merge, grid, &[&space.buckets, buckets, &pass.buckets()])?;
            }
        }
        let windows = self.reduce::<C>(pass, &space)?;
        self.launch(
            C::KERNELS.finish,
            Grid::covering(items as usize, tuning::POINT_THREADS),
            &[windows, &items, &pass.digits.windows, &pass.digits.bits, out],
        )
    }

    /// Sorts the entries by key; returns which of the two pairs of arrays holds them.
    fn sort(&self, pass: &Pass, entries: usize, space: &Workspace) -> Result<usize> {
        let n = entries as u32;
        let tiles = entries.div_ceil(tuning::SORT_TILE) as u32;
        let grid = Grid::new(tiles, tuning::SORT_THREADS);
        let mut from = 0;
        for (shift, bits) in pass.sort_passes() {
            let (keys, values) = (&space.keys[from], &space.values[from]);
            from = 1 - from;
            self.launch(SORT_COUNT, grid, &[keys, &n, &shift, &bits, &space.counts])?;
            let digits = Grid::new(1 << bits, tuning::SORT_THREADS);
            self.launch(SORT_SCAN, digits, &[&space.counts, &tiles, &space.totals])?;
            let (keys_out, values_out) = (&space.keys[from], &space.values[from]);
            self.launch(
                SORT_SCATTER,
                grid,
                &[keys, values, &n, &shift, &bits, &space.counts, &space.totals, keys_out, values_out],
            )?;
        }
        Ok(from)
    }

    /// Adds up the sorted entries into zeroed buckets.
    fn accumulate<C: Group>(
        &self,
        bases: &Bases<C>,
        pass: &Pass,
        entries: usize,
        sorted: usize,
        space: &Workspace,
        buckets: &Buffer<Fq>,
    ) -> Result<()> {
        let none = pass.none();
        self.launch(
            C::KERNELS.accumulate,
            Grid::new(pass.accumulate_blocks(entries), tuning::ACCUMULATE_THREADS),
            &[
                &bases.points,
                &space.keys[sorted],
                &space.values[sorted],
                &(entries as u32),
                &none,
                &pass.share(),
                buckets,
                &space.slot_keys[0],
                &space.slots[0],
            ],
        )?;
        let threads = pass.combine_threads();
        let shared = threads * (pass.point_bytes() + size_of::<u32>()) as u32;
        let (mut slots, mut from) = (pass.slots(entries), 0);
        loop {
            let grid = Grid::covering(slots, threads).shared(shared);
            let to = 1 - from;
            self.launch(
                C::KERNELS.combine,
                grid,
                &[
                    &space.slot_keys[from],
                    &space.slots[from],
                    &(slots as u32),
                    &none,
                    buckets,
                    &space.slot_keys[to],
                    &space.slots[to],
                ],
            )?;
            if grid.blocks == 1 {
                return Ok(());
            }
            (slots, from) = (2 * grid.blocks as usize, to);
        }
    }

    /// Weights the buckets; returns the sums of the windows, item by item.
    fn reduce<'s, C: Group>(&self, pass: &Pass, space: &'s Workspace) -> Result<&'s dyn Argument> {
        let levels = pass.levels();
        let mut nodes = pass.nodes();
        self.launch(
            C::KERNELS.reduce_buckets,
            Grid::covering(nodes, tuning::POINT_THREADS),
            &[&space.buckets, &nodes, &levels[0], &space.sums[0], &space.weighted[0]],
        )?;
        let (mut width, mut from) = (levels[0], 0);
        for arity in &levels[1..] {
            nodes >>= arity;
            let to = 1 - from;
            self.launch(
                C::KERNELS.reduce_nodes,
                Grid::covering(nodes, tuning::POINT_THREADS),
                &[
                    &space.sums[from],
                    &space.weighted[from],
                    &nodes,
                    arity,
                    &width,
                    &space.sums[to],
                    &space.weighted[to],
                ],
            )?;
            width += arity;
            from = to;
        }
        debug_assert_eq!(nodes, pass.windows());
        Ok(&space.weighted[from])
    }
}
