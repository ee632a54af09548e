//! The number-theoretic transform on the CPU.
//!
//! The mathematics is in [`butterflies`]. This module decides which levels run where. A *chunk* is a contiguous block
//! that fits the second-level cache; its levels run in it one after another. The levels above are taken together as
//! far as possible: a *column pass* reads `2^k` rows of a block, a stride apart and 256 bytes wide, into a buffer, runs
//! `k` levels there and writes the rows back. So data moves through memory twice up to `2^24` elements and
//! three times up to `2^28`, plus once for natural order. Tasks are chunks and groups of columns.
//!
//! Memory: a task holds at most `2^10` rows, 256 KiB. A [`Domain`] holds 64 bytes for every two elements up to length
//! `2^20`; for longer transforms only what one chunk needs, 512 KiB: each chunk is then the transform of `f(h X)` for its
//! own `h` (one multiplication more for an element, the twiddle multiplication of the four-step method).

mod butterflies;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod kernels;
mod permute;
mod shared;
mod twiddles;

use std::marker::PhantomData;

use ark_bn254::FrConfig;
use ark_ff::{Field as _, MontConfig};
use rayon::prelude::*;

use crate::cpu::Cpu;
use crate::cpu::field::prepared::{Field, Prepared};
#[cfg(target_arch = "x86_64")]
use crate::cpu::{Tier, field::ifma::Ifma};
use crate::element::Fr;
use crate::error::Result;
use crate::ntt::{Direction, Ntt, Order, Transform, check_domain, check_transform};
use butterflies::{canonicalise, divide};
use kernels::{Levels, Source, run_levels, scale_runs};
use shared::Shared;
use twiddles::Twist;

/// Chunks have at most `2^CHUNK` elements: 512 KiB, half of a second-level cache of one MiB.
const CHUNK: u32 = 14;
/// The longest transforms with a complete table have `2^COMPLETE` elements: the table takes 32 MiB.
const COMPLETE: u32 = 20;
/// A column pass runs at most this many levels: its buffer takes 256 KiB.
const COLUMN_LEVELS: u32 = 10;
/// Elements in a row of a column pass: four cache lines.
const WIDTH: usize = 8;
/// Transforms of at least `2^PARALLEL` elements are worth several threads.
const PARALLEL: u32 = 10;

/// The roots of unity for transforms of one length.
#[derive(Debug)]
pub struct Domain<C> {
    log_n: u32,
    table: Vec<Prepared>,
    field: PhantomData<C>,
}

impl<C: MontConfig<4>> Domain<C> {
    /// For transforms of `2^log_n` elements, at most `2^28` and at most what the field's two-adicity allows.
    fn new(log_n: u32) -> Self {
        let log_table = if log_n <= COMPLETE { log_n.saturating_sub(1) } else { CHUNK - 1 };
        Self { log_n, table: twiddles::table::<C>(log_table), field: PhantomData }
    }

    /// The length of the transforms.
    fn len(&self) -> usize {
        1 << self.log_n
    }
}

/// A [`Domain`] in the arithmetic of the tier that made it.
pub enum CpuDomain {
    /// Portable, and lengths that no other tier takes.
    Portable(Domain<FrConfig>),
    /// On eight lanes.
    #[cfg(target_arch = "x86_64")]
    Ifma(Ifma, ifma::Domain<Fr>),
}

impl CpuDomain {
    fn len(&self) -> usize {
        match self {
            Self::Portable(domain) => domain.len(),
            #[cfg(target_arch = "x86_64")]
            Self::Ifma(_, domain) => domain.len(),
        }
    }
}

impl Ntt<Fr> for Cpu {
    type Domain = CpuDomain;

    fn domain(&self, log_n: u32) -> Result<Self::Domain> {
        check_domain::<Fr>(log_n)?;
        self.install(|| {
            #[cfg(target_arch = "x86_64")]
            if self.tier() == Tier::Ifma
                && let Some(ifma) = Ifma::new()
                && let Some(domain) = ifma::Domain::new(log_n)
            {
                return Ok(CpuDomain::Ifma(ifma, domain));
            }
            Ok(CpuDomain::Portable(Domain::new(log_n)))
        })
    }

    fn ntt(&self, domain: &Self::Domain, transform: Transform, batch: &mut [&mut [Fr]]) -> Result<()> {
        check_transform(domain.len(), &transform, batch.iter().map(|item| item.len()))?;
        self.install(|| match domain {
            CpuDomain::Portable(domain) => transform_batch(domain, &transform, batch),
            #[cfg(target_arch = "x86_64")]
            CpuDomain::Ifma(ifma, domain) => domain.transform(*ifma, &transform, batch),
        });
        Ok(())
    }
}

/// Transforms all items: side by side if there are enough of them, else one after another on all threads.
fn transform_batch<C: MontConfig<4>>(
    domain: &Domain<C>,
    transform: &Transform<Field<C>>,
    batch: &mut [&mut [Field<C>]],
) {
    if domain.log_n == 0 {
        return;
    }
    let elements = batch.len() << domain.log_n;
    let threads = if elements >> PARALLEL == 0 { 1 } else { rayon::current_num_threads() };
    let side_by_side = domain.log_n < PARALLEL || batch.len() >= 4 * threads;
    if threads > 1 && side_by_side && batch.len() > 1 {
        let job = Job::new(domain, transform, 1);
        let items_per_task = (1 << (PARALLEL - 1)) >> domain.log_n;
        let tasks = batch.par_iter_mut().with_min_len(items_per_task.max(1));
        tasks.for_each(|item| job.run(item));
    } else {
        let job = Job::new(domain, transform, threads);
        batch.iter_mut().for_each(|item| job.run(item));
    }
}

/// Which levels run in which pass.
struct Plan {
    log_n: u32,
    /// Levels of the chunks; those above belong to column passes.
    log_chunk: u32,
    parallel: bool,
}

impl Plan {
    /// Several threads need several chunks each, so that all have work to the end.
    fn new(log_n: u32, threads: usize) -> Self {
        let parallel = threads > 1 && log_n >= PARALLEL;
        let log_chunk = if parallel {
            let log_chunks = (4 * threads).next_power_of_two().ilog2();
            // The lower bound keeps chunks at least as long as a row and as a twist's run.
            log_n.saturating_sub(log_chunks).clamp(log_n.div_ceil(2).max(6), CHUNK)
        } else {
            log_n.min(CHUNK)
        };
        Self { log_n, log_chunk, parallel }
    }

    /// The levels of column passes, as (first level, number of levels).
    fn column_passes(&self) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        let levels = self.log_n - self.log_chunk;
        let passes = levels.div_ceil(COLUMN_LEVELS);
        (0..passes).map(move |i| {
            let [first, end] = [i, i + 1].map(|i| levels * i / passes);
            (first, end - first)
        })
    }
}

/// One kind of transform of one length, ready to run on any number of items.
struct Job<'d, C: MontConfig<4>> {
    domain: &'d Domain<C>,
    direction: Direction,
    order: Order,
    plan: Plan,
    /// The coset's, as far as it concerns the chunks as well.
    twist: Option<Twist<C>>,
    /// The twisted twiddles of the column passes.
    heap: Option<Vec<Prepared>>,
    /// Representative of the coset.
    shift: Field<C>,
}

impl<'d, C: MontConfig<4>> Job<'d, C> {
    fn new(domain: &'d Domain<C>, transform: &Transform<Field<C>>, threads: usize) -> Self {
        let &Transform { direction, order, coset } = transform;
        let log_n = domain.log_n;
        let plan = Plan::new(log_n, threads);
        let twist = coset.map(|g| Twist::new(g, log_n, direction));
        let column_levels = log_n - plan.log_chunk;
        let heap = twist.as_ref().map(|twist| twist.heap(&domain.table, 0, log_n, column_levels));
        Self { domain, direction, order, plan, twist, heap, shift: coset.unwrap_or(Field::<C>::ONE) }
    }

    fn run(&self, data: &mut [Field<C>]) {
        let Plan { log_n, log_chunk, parallel } = self.plan;
        match self.direction {
            Direction::Forward => {
                self.plan.column_passes().for_each(|pass| self.columns(data, pass));
                self.chunks(data);
                if self.order == Order::Natural {
                    permute::bit_reverse(data, log_n, parallel);
                }
            }
            Direction::Inverse => {
                if self.order == Order::Natural {
                    permute::bit_reverse(data, log_n, parallel);
                }
                self.chunks(data);
                self.plan.column_passes().rev().for_each(|pass| self.columns(data, pass));
                // With column passes the last of them does it, while its data is in the cache.
                if log_n == log_chunk {
                    divide(data, log_n);
                }
            }
        }
    }

    /// All levels of all chunks.
    fn chunks(&self, data: &mut [Field<C>]) {
        let Plan { log_n, log_chunk, parallel } = self.plan;
        let run = |(index, data): (usize, &mut [Field<C>])| {
            if log_n <= COMPLETE {
                self.chunk(data, index, self.twist.as_ref());
            } else {
                let h = twiddles::entry::<C>(index, log_chunk - 1) * self.shift;
                self.chunk(data, 0, Some(&Twist::new(h, log_chunk, self.direction)));
            }
        };
        if parallel {
            data.par_chunks_exact_mut(1 << log_chunk).enumerate().for_each(run);
        } else {
            data.chunks_exact_mut(1 << log_chunk).enumerate().for_each(run);
        }
    }

    /// Runs all levels of the chunk that is block `base` of its level. Canonical after a forward transform.
    fn chunk(&self, data: &mut [Field<C>], base: usize, twist: Option<&Twist<C>>) {
        let (direction, table) = (self.direction, &self.domain.table[..]);
        let log_len = self.plan.log_chunk;
        let plain =
            |levels, block| Levels { direction, first: 0, levels, block, source: Source::Table(table) };
        let Some(twist) = twist else {
            run_levels(&plain(log_len, base), data);
            if direction == Direction::Forward {
                canonicalise(data);
            }
            return;
        };
        let log_run = twist.log_run();
        let above = log_len - log_run;
        let heap = twist.heap(table, base, log_len, above);
        let twisted = Levels { direction, first: 0, levels: above, block: 0, source: Source::Heap(&heap) };
        let runs = data.len() >> log_run;
        let plain = |run| plain(log_run, (base << above) + run);
        match direction {
            Direction::Forward => {
                run_levels(&twisted, data);
                for (data, run) in data.chunks_exact_mut(1 << log_run).zip(0..runs) {
                    scale_runs(data, &twist.run);
                    run_levels(&plain(run), data);
                    canonicalise(data);
                }
            }
            Direction::Inverse => {
                for (data, run) in data.chunks_exact_mut(1 << log_run).zip(0..runs) {
                    run_levels(&plain(run), data);
                    scale_runs(data, &twist.run);
                }
                run_levels(&twisted, data);
            }
        }
    }

    /// A column pass: `levels` levels from level `first` on, over all blocks of that level.
    fn columns(&self, data: &mut [Field<C>], (first, levels): (u32, u32)) {
        let source = match &self.heap {
            Some(heap) => Source::Heap(heap),
            None => Source::Table(&self.domain.table),
        };
        let log_block = self.plan.log_n - first;
        let stride = 1 << (log_block - levels);
        let groups = stride / WIDTH;
        let data = Shared::new(data);
        let task = |buffer: &mut Vec<Field<C>>, index: usize| {
            let (block, group) = (index / groups, index % groups);
            let row = |row: usize| (block << log_block) + row * stride + group * WIDTH;
            buffer.clear();
            for i in 0..1 << levels {
                // SAFETY: rows of this block and group belong to this task alone; the last one ends at most at the
                // block's end.
                let values: [Field<C>; WIDTH] = unsafe { data.read(row(i)) };
                buffer.extend(values);
            }
            run_levels(&Levels { direction: self.direction, first, levels, block, source }, buffer);
            if self.direction == Direction::Inverse && first == 0 {
                divide(buffer, self.plan.log_n);
            }
            for (i, values) in buffer.as_chunks::<WIDTH>().0.iter().enumerate() {
                // SAFETY: as for reading.
                unsafe { data.write(row(i), *values) };
            }
        };
        let tasks = groups << first;
        let buffer = || Vec::with_capacity(WIDTH << levels);
        if self.plan.parallel {
            (0..tasks).into_par_iter().for_each_init(buffer, task);
        } else {
            let mut buffer = buffer();
            (0..tasks).for_each(|index| task(&mut buffer, index));
        }
    }
}

#[cfg(test)]
mod tests;
