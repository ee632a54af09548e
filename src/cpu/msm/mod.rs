//! Multi-scalar multiplication on the CPU.
//!
//! Pippenger's bucket method with affine points throughout. Per sum, a [`plan`](plan) decides on signed digits. A *slot*,
//! one set of digits of one range of one item's scalars, goes through three steps:
//!
//! 1. [`digits`](digits), [`sort`](sort): its non-zero digits are sorted by magnitude, the sign kept with the point's index;
//! 2. [`runs`](runs): points with equal digits are added up, a bucket being a run of the sorted list;
//! 3. [`reduce`](reduce): the weighted sum of the buckets.
//!
//! What is left are a few points to be multiplied by powers of two and added, per item, in projective coordinates.
//! Slots are independent; small ones are put together in tasks so that they share inversions, whichever item they
//! belong to. So thousands of short items are handled as well as a long one.
//!
//! Where tables of multiples exist, an item may do without buckets: the points its digits select from the tables
//! are one run.

mod add;
mod bases;
mod digits;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod plan;
mod point;
mod reduce;
mod runs;
mod sort;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AdditiveGroup as _, CurveGroup};
use ark_ff::Zero;
use rayon::prelude::*;

use crate::backend::Len;
use crate::cpu::pages::advise_large;
use crate::cpu::{Cpu, Tier};
use crate::element::Scalar;
use crate::error::Result;
use crate::msm::{Msm, check_bases, check_batch};

use add::Entry;
use digits::{Code, Prepared};
use plan::{Method, Plan};
use point::Point;
use reduce::{Buckets, Term};
use runs::{RunSums, Runs};
use sort::Sorter;

pub use bases::Bases;
pub use point::CpuCurve;

#[cfg(test)]
mod tests;

impl<C: CpuCurve> Msm<C> for Cpu {
    type Bases = Bases<C>;

    fn bases(&self, points: &[Affine<C>], budget: usize) -> Result<Bases<C>> {
        self.install(|| {
            check_bases(points)?;
            Bases::new(points, budget)
        })
    }

    fn msm<S: Scalar<C::ScalarField>>(
        &self,
        bases: &Bases<C>,
        batch: &[&[S]],
        out: &mut &mut [Affine<C>],
    ) -> Result<()> {
        check_batch(bases.len(), batch.iter().map(|item| item.len()), out.len())?;
        self.install(|| match self.tier() {
            #[cfg(target_arch = "x86_64")]
            Tier::Ifma => sum::<C, S, C::IfmaSums>(bases, batch, out),
            _ => sum::<C, S, Runs<C::Field>>(bases, batch, out),
        });
        Ok(())
    }
}

/// Entries that are worth a task of their own, so that inversions are well shared.
const TASK: usize = 1 << 18;
/// Tasks below this many entries cost more for shared inversions than another thread gains.
const SMALL_TASK: usize = 1 << 11;

/// Entries that are summed together while they, and the buckets' points, are in the second-level cache.
const CHUNK: usize = 1 << 16;

/// Memory for scalars.
#[derive(Default)]
struct Words(Vec<u32>);

impl Words {
    /// So many words, of any content.
    fn room(&mut self, len: usize) -> &mut [u32] {
        if self.0.len() < len {
            self.0.clear();
            self.0.reserve_exact(len);
            advise_large(&mut self.0);
            self.0.resize(len, 0);
        }
        &mut self.0[..len]
    }
}

/// One set of digits of one range of an item's scalars.
struct Slot {
    item: usize,
    set: usize,
    range: Range<usize>,
}

/// An item of the batch with a plan.
struct Item<'a, F, S> {
    plan: Plan,
    scalars: Prepared<'a, F, S>,
}

/// `out[k] = sum_i batch[k][i] bases[i]`, lengths having been checked.
fn sum<C, S, R>(bases: &Bases<C>, batch: &[&[S]], out: &mut [Affine<C>])
where
    C: CpuCurve,
    S: Scalar<C::ScalarField>,
    R: RunSums<Field = C::Field>,
{
    let threads = rayon::current_num_threads();
    let total: usize = batch.iter().map(|item| item.len()).sum();
    let mut memory = bases.scratch::<Words>();
    let mut memory = memory.get().room(batch.iter().map(|item| Prepared::room(item)).sum());
    let rooms: Vec<&mut [u32]> =
        batch.iter().map(|item| memory.split_off_mut(..Prepared::room(item)).unwrap_or_default()).collect();
    let items: Vec<Option<Item<C::ScalarField, S>>> = batch
        .par_iter()
        .zip(rooms)
        .map(|(scalars, room)| {
            let (sizes, scalars) = Prepared::new(R::TIER, scalars, room);
            // The threads an item can expect for itself.
            let share = (threads * sizes.len()).div_ceil(total.max(1)).max(1);
            let plan = Plan::choose(&sizes, bases.stock(), share, &R::COSTS)?;
            Some(Item { scalars, plan })
        })
        .collect();

    let mut slots = Vec::new();
    for (item, scalars) in batch.iter().enumerate() {
        let Some(Item { plan, .. }) = &items[item] else { continue };
        for set in 0..plan.sets {
            let ranges = plan.ranges(set);
            for part in 0..ranges {
                let bound = |part: usize| (part as u128 * scalars.len() as u128 / ranges as u128) as usize;
                slots.push(Slot { item, set, range: bound(part)..bound(part + 1) });
            }
        }
    }
    let entries = |slot: &Slot| {
        let digits = items[slot.item].as_ref().map_or(&[][..], |item| &item.plan.digits);
        slot.range.len() * digits.iter().filter(|digit| digit.set == slot.set).count()
    };
    let weights: Vec<usize> = slots.iter().map(entries).collect();
    let all: usize = weights.iter().sum();
    let limit = (all / (4 * threads)).clamp(SMALL_TASK, TASK);
    // As many tasks for each thread, as far as slots are small.
    let shares = all.div_ceil(limit).next_multiple_of(threads).max(1) as u128;
    let mut tasks = Vec::new();
    let (mut start, mut weight) = (0, 0);
    for (k, slot_weight) in weights.iter().enumerate() {
        let share = |weight: usize| weight as u128 * shares / all.max(1) as u128;
        let before = share(weight);
        weight += slot_weight;
        // The next slot begins a task if this one is full, or if it is evaluated by another method.
        if share(weight) > before || k + 1 == slots.len() || !compatible(&items, &slots[k], &slots[k + 1]) {
            tasks.push(start..k + 1);
            start = k + 1;
        }
    }

    // Threads take tasks in order, so that those of the last slots, which are cut small, come last.
    let next = AtomicUsize::new(0);
    let take = || tasks.get(next.fetch_add(1, Ordering::Relaxed)).cloned();
    let mut terms: Vec<Term<C::Field>> = (0..threads.min(tasks.len()))
        .into_par_iter()
        .with_max_len(1)
        .flat_map_iter(|_| {
            let mut terms = Vec::new();
            let mut worker = bases.scratch::<Worker<C, R>>();
            while let Some(task) = take() {
                worker.get().evaluate(bases, &items, &slots, task, &mut terms);
            }
            terms
        })
        .collect();
    terms.sort_by_key(|term| (term.label, std::cmp::Reverse(term.shift)));

    let item_terms: Vec<&[Term<C::Field>]> = terms.chunk_by(|a, b| a.label == b.label).collect();
    let sums: Vec<(usize, Projective<C>)> = item_terms
        .par_iter()
        .with_min_len(8)
        .map(|terms| (terms[0].label as usize, horner::<C>(terms)))
        .collect();
    out.fill(Affine::identity());
    let affine = Projective::normalize_batch(&sums.iter().map(|sum| sum.1).collect::<Vec<_>>());
    for ((item, _), point) in sums.into_iter().zip(affine) {
        out[item] = point;
    }
}

/// Whether two slots may be evaluated together.
fn compatible<F, S>(items: &[Option<Item<'_, F, S>>], a: &Slot, b: &Slot) -> bool {
    let method = |slot: &Slot| items[slot.item].as_ref().map(|item| item.plan.method);
    method(a) == method(b)
}

/// `sum 2^shift point`, by descending shifts.
fn horner<C: CpuCurve>(terms: &[Term<C::Field>]) -> Projective<C> {
    let mut sum = Projective::<C>::zero();
    for (k, term) in terms.iter().enumerate() {
        sum += C::canonical_point(&term.point);
        let next = terms.get(k + 1).map_or(0, |next| next.shift);
        for _ in next..term.shift {
            sum.double_in_place();
        }
    }
    sum
}

/// A thread's scratch memory.
struct Worker<C: CpuCurve, R: RunSums<Field = C::Field>> {
    runs: R,
    buckets: Buckets<C::Field>,
    digits: Vec<Code>,
    sorter: Sorter,
    entries: Vec<Entry>,
    lengths: Vec<usize>,
    points: Vec<Point<C::Field>>,
}

impl<C: CpuCurve, R: RunSums<Field = C::Field>> Default for Worker<C, R> {
    fn default() -> Self {
        Self {
            runs: R::default(),
            buckets: Buckets::default(),
            digits: Vec::new(),
            sorter: Sorter::default(),
            entries: Vec::new(),
            lengths: Vec::new(),
            points: Vec::new(),
        }
    }
}

impl<C: CpuCurve, R: RunSums<Field = C::Field>> Worker<C, R> {
    /// Appends the terms of some slots of the same method.
    fn evaluate<S: Scalar<C::ScalarField>>(
        &mut self,
        bases: &Bases<C>,
        items: &[Option<Item<'_, C::ScalarField, S>>],
        slots: &[Slot],
        task: Range<usize>,
        terms: &mut Vec<Term<C::Field>>,
    ) {
        self.entries.clear();
        self.lengths.clear();
        let slots = slots[task].iter().filter_map(|slot| items[slot.item].as_ref().map(|item| (slot, item)));
        match slots.clone().next().map(|(_, item)| item.plan.method) {
            None => {}
            Some(Method::Buckets(bits)) => {
                self.buckets.clear();
                for (slot, item) in slots {
                    self.fill(slot, item, bases, bits);
                    self.buckets.end_group(slot.item as u32, item.plan.stride * slot.set as u32);
                }
                self.runs.sum(bases.points(), &self.entries, &self.lengths, self.buckets.points_mut());
                let buckets = std::mem::take(&mut self.buckets);
                self.buckets = buckets.reduce(bits, &mut self.runs, terms);
            }
            Some(Method::Multiples) => {
                let mut labels = Vec::new();
                for (slot, item) in slots {
                    let before = self.entries.len();
                    self.look_up(slot, item, bases.len());
                    if self.entries.len() > before {
                        self.lengths.push(self.entries.len() - before);
                        labels.push((slot.item as u32, item.plan.stride * slot.set as u32));
                    }
                }
                self.points.clear();
                self.runs.sum(bases.multiples(), &self.entries, &self.lengths, &mut self.points);
                let term = |(&(label, shift), &point): (&(u32, u32), &Point<_>)| Term { label, shift, point };
                terms.extend(labels.iter().zip(&self.points).map(term));
            }
        }
    }

    /// Appends the slot's entries sorted by bucket, the buckets' lengths and weights, and sums them whenever there are many.
    fn fill<S: Scalar<C::ScalarField>>(
        &mut self,
        slot: &Slot,
        item: &Item<'_, C::ScalarField, S>,
        bases: &Bases<C>,
        bits: u32,
    ) {
        let digits = item.plan.digits.iter().filter(|digit| digit.set == slot.set);
        let shape = (slot.range.start, slot.range.len(), bases.len());
        let read = |digit: &_, range, out: &mut [Code]| item.scalars.read(R::TIER, digit, range, out);
        let Self { runs, sorter, entries, lengths, buckets, .. } = self;
        let parts = sorter.partition(bits, digits, shape, read);
        for part in 0..parts {
            sorter.part(part, entries, |weight, count| {
                lengths.push(count);
                buckets.push_weight(weight);
            });
            if entries.len() >= CHUNK {
                runs.sum(bases.points(), entries, lengths, buckets.points_mut());
                entries.clear();
                lengths.clear();
            }
        }
    }

    /// Appends the slot's entries in the tables of multiples.
    fn look_up<S: Scalar<C::ScalarField>>(
        &mut self,
        slot: &Slot,
        item: &Item<'_, C::ScalarField, S>,
        bases: usize,
    ) {
        for digit in item.plan.digits.iter().filter(|digit| digit.set == slot.set) {
            self.digits.resize(slot.range.len(), Code::default());
            item.scalars.read(R::TIER, digit, slot.range.clone(), &mut self.digits);
            let row = digit.level * bases;
            self.entries.extend(
                slot.range.clone().zip(&self.digits).filter(|(_, digit)| !digit.is_zero()).map(
                    |(i, digit)| {
                        Entry::table(
                            ((row + i) << (plan::TABLE_WIDTH - 1)) + digit.bucket(),
                            digit.negative(),
                        )
                    },
                ),
            );
        }
    }
}
