//! Sums over runs of points: the one kernel behind buckets, their weighted sums and table look-ups.
//!
//! The input is a list of entries cut into runs; the output is the sum of each run. A run of `k` points takes `k - 1`
//! additions in a tree: rounds add neighbours within each run pairwise, all runs' pairs together as one batch of affine
//! additions ([`add`](super::add)), until every run is one point. Entries are taken in chunks so that the points of a chunk and its
//! sums stay in the second-level cache after the first round has gathered them; a run that reaches over a chunk's end
//! goes on in the next one, with its sum so far as first operand.
//!
//! So the cost, `entries - runs` additions, does not depend on how the runs' lengths are distributed: one run with
//! all points costs what many short ones do.

use super::add::{Entry, Operands, PortableAdder};
use super::plan::Costs;
use super::point::Point;
use crate::cpu::Tier;
use crate::cpu::field::LazyField;

/// Sums over runs of points.
pub trait RunSums: Default + Send + 'static {
    /// The coordinates.
    type Field;
    /// The tier they are of, which reads scalars too.
    const TIER: Tier;
    /// What sums cost.
    const COSTS: Costs;

    /// Appends the sum of each run to `out`. The runs lie one after the other in `entries`, which refer to `table`;
    /// none is empty.
    fn sum(
        &mut self,
        table: &[Point<Self::Field>],
        entries: &[Entry],
        lengths: &[usize],
        out: &mut Vec<Point<Self::Field>>,
    );
}

/// Entries summed together. On G1 their points are 512 KiB, as are the sums.
const CHUNK: usize = 8192;

/// Sums over runs in portable arithmetic.
pub struct Runs<F> {
    adder: PortableAdder<F>,
    sums: Vec<Point<F>>,
    entries: Vec<Entry>,
    /// Start and length in `entries` of each run of the chunk.
    runs: Vec<(u32, u32)>,
    active: Vec<(u32, u32)>,
    pairs: Vec<[Entry; 2]>,
}

impl<F: LazyField> Default for Runs<F> {
    fn default() -> Self {
        Self {
            adder: PortableAdder::default(),
            sums: Vec::new(),
            entries: Vec::with_capacity(CHUNK),
            runs: Vec::new(),
            active: Vec::new(),
            pairs: Vec::with_capacity(CHUNK / 2),
        }
    }
}

impl<F: LazyField> RunSums for Runs<F> {
    type Field = F;
    const TIER: Tier = Tier::Portable;
    const COSTS: Costs = Costs::PORTABLE;

    fn sum(&mut self, table: &[Point<F>], entries: &[Entry], lengths: &[usize], out: &mut Vec<Point<F>>) {
        self.restart(None);
        let mut rest = entries;
        for &length in lengths {
            debug_assert!(length > 0);
            let mut start = self.entries.len();
            let mut left = length;
            while left > 0 {
                if self.entries.len() == CHUNK {
                    let unfinished = start < CHUNK;
                    if unfinished {
                        self.runs.push((start as u32, (CHUNK - start) as u32));
                    }
                    self.finish(table, out);
                    let carry = if unfinished { out.pop() } else { None };
                    self.restart(carry);
                    start = 0;
                }
                let (now, later) = rest.split_at(left.min(CHUNK - self.entries.len()));
                self.entries.extend_from_slice(now);
                left -= now.len();
                rest = later;
            }
            self.runs.push((start as u32, (self.entries.len() - start) as u32));
        }
        self.finish(table, out);
    }
}

impl<F: LazyField> Runs<F> {
    /// Begins a chunk, with the sum so far of a run that the last chunk's end has cut.
    fn restart(&mut self, carry: Option<Point<F>>) {
        self.entries.clear();
        self.runs.clear();
        self.sums.clear();
        if let Some(point) = carry {
            self.sums.push(point);
            self.entries.push(Entry::sum(0));
        }
    }

    /// Sums the chunk's runs and appends the results.
    fn finish(&mut self, table: &[Point<F>], out: &mut Vec<Point<F>>) {
        let entries = &mut self.entries;
        self.active.clear();
        self.active.extend(self.runs.iter().filter(|run| run.1 > 1));
        while !self.active.is_empty() {
            self.pairs.clear();
            let before = self.sums.len();
            self.active.retain_mut(|(start, length)| {
                let run = &mut entries[*start as usize..][..*length as usize];
                let half = run.len() / 2;
                for k in 0..half {
                    let pair = [run[2 * k], run[2 * k + 1]];
                    run[k] = Entry::sum(before + self.pairs.len());
                    self.pairs.push(pair);
                }
                if run.len() % 2 == 1 {
                    run[half] = run[2 * half];
                }
                *length = length.div_ceil(2);
                *length > 1
            });
            self.sums.resize(before + self.pairs.len(), Point::IDENTITY);
            let (sums, fresh) = self.sums.split_at_mut(before);
            self.adder.add(Operands { table, sums }, &self.pairs, fresh);
        }
        let operands = Operands { table, sums: &self.sums };
        out.extend(self.runs.iter().map(|&(start, _)| operands.get(entries[start as usize])));
    }
}
