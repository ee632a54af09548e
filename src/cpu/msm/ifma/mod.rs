//! Sums over runs on eight lanes.
//!
//! What [`runs`](super::runs) says of the result holds here too; the way is another. A lane is a run: eight runs of
//! equal length are a *group*, a matrix of points whose rows are vectors of [`Slots`], and a group is summed by adding
//! rows pairwise in a tree. So points are transposed into lanes once, when they are gathered from the table, and sums
//! once, when they are whole; in between there is nothing but arithmetic.
//!
//! - Runs are sorted by length, so that most groups are of equal runs; in the few others the short ones end in
//!   identities.
//! - A run longer than [`LEAVES`] is cut into pieces of nearly equal length, whose sums are runs again, of a list so much shorter.
//! - Rows of all groups in progress that can be added are added as one batch. New groups are begun when there are less than
//!   [`BATCH`] pairs of rows, so that batches stay long while the last rounds of a group, where few rows are left, are done
//!   with the first of others. Slots in use are 500 KiB on G1 and as many on G2: they stay in the second-level cache.

mod adder;

use std::marker::PhantomData;

use super::add::{Entry, Operands};
use super::point::Point;
use super::runs::{RunSums, Runs};
use crate::cpu::field::ifma::Ifma;
use crate::cpu::field::{LazyField, prefetch};
use adder::{DEPTH, Slots};

/// Points of a run that are summed at once.
const LEAVES: usize = 1 << DEPTH;
/// Pairs of rows that share an inversion, for points of 64 bytes.
const BATCH: usize = 256;
/// Additions below which few lanes would be in use and inversions would not pay.
const FEW: usize = 96;
/// How many rows ahead points are asked for.
const AHEAD: usize = 64;

/// Sums over runs of points with `D` coefficients a coordinate, with AVX-512 IFMA; portable where the processor lacks it.
pub struct LaneSums<F, const D: usize> {
    ifma: Option<Ifma>,
    portable: Runs<F>,
    slots: Slots<D>,
    free: Vec<u32>,
    pieces: Vec<Piece>,
    groups: Vec<Piece>,
    active: Vec<Group>,
    pairs: Vec<[u32; 2]>,
    field: PhantomData<F>,
}

/// A run, or a part of one.
#[derive(Clone, Copy, Default)]
struct Piece {
    /// Where its entries begin.
    start: u32,
    length: u32,
    /// Where its sum goes.
    to: u32,
}

/// Up to eight pieces, a lane each.
struct Group {
    /// The first of its pieces.
    pieces: u32,
    /// The slots of its rows, as many as `rows`.
    slots: [u32; LEAVES],
    rows: usize,
}

impl<F: LazyField, const D: usize> Default for LaneSums<F, D> {
    fn default() -> Self {
        const { assert!(size_of::<Point<F>>() == 64 * D && align_of::<Point<F>>() == 64) };
        Self {
            ifma: Ifma::new(),
            portable: Runs::default(),
            slots: Slots::default(),
            free: Vec::new(),
            pieces: Vec::new(),
            groups: Vec::new(),
            active: Vec::new(),
            pairs: Vec::new(),
            field: PhantomData,
        }
    }
}

impl<F: LazyField, const D: usize> RunSums for LaneSums<F, D> {
    type Field = F;

    fn sum(&mut self, table: &[Point<F>], entries: &[Entry], lengths: &[usize], out: &mut Vec<Point<F>>) {
        if self.ifma.is_none() || entries.len() - lengths.len() < FEW {
            return self.portable.sum(table, entries, lengths, out);
        }
        let first = out.len();
        out.resize(first + lengths.len(), Point::IDENTITY);
        let out = &mut out[first..];
        let (parts, runs) = self.cut(table, entries, lengths, out);
        let mut parts = vec![Point::IDENTITY; parts];
        self.group();
        // SAFETY: `self.ifma` proves the features.
        unsafe { self.run(table, entries, out, &mut parts) };
        if !runs.is_empty() {
            let entries: Vec<Entry> = (0..parts.len()).map(|i| Entry::table(i, false)).collect();
            let lengths: Vec<usize> = runs.iter().map(|run| run.1).collect();
            let mut sums = Vec::with_capacity(runs.len());
            self.sum(&parts, &entries, &lengths, &mut sums);
            runs.into_iter().zip(sums).for_each(|((run, _), sum)| out[run] = sum);
        }
    }
}

impl<F: LazyField, const D: usize> LaneSums<F, D> {
    /// Lists the pieces. Runs of one point are written to `out` at once; those of several pieces are returned, by
    /// index and number of pieces, after the number of all these pieces, whose sums go behind `out`.
    fn cut(
        &mut self,
        table: &[Point<F>],
        entries: &[Entry],
        lengths: &[usize],
        out: &mut [Point<F>],
    ) -> (usize, Vec<(usize, usize)>) {
        // Few entries are cut shorter, for all lanes to be in use.
        let limit = (entries.len() / 64).clamp(4, LEAVES);
        let operands = Operands { table, sums: &[] };
        let (mut start, mut parts, mut runs) = (0, 0, Vec::new());
        self.pieces.clear();
        for (run, &length) in lengths.iter().enumerate() {
            if length == 1 {
                out[run] = operands.get(entries[start]);
            } else if length <= limit {
                self.pieces.push(Piece { start: start as u32, length: length as u32, to: run as u32 });
            } else {
                let count = length.div_ceil(limit);
                for part in 0..count {
                    let [from, to] = [part, part + 1].map(|part| part * length / count);
                    let place = lengths.len() + parts + part;
                    let (start, length) = ((start + from) as u32, (to - from) as u32);
                    self.pieces.push(Piece { start, length, to: place as u32 });
                }
                parts += count;
                runs.push((run, count));
            }
            start += length;
        }
        (parts, runs)
    }

    /// Sorts the pieces such that each eight are a group: from long to short, and last what is left of each length.
    fn group(&mut self) {
        let mut counts = [0; LEAVES + 1];
        self.pieces.iter().for_each(|piece| counts[piece.length as usize] += 1);
        let whole = |count: usize| count & !7;
        // Where the next piece of a length goes, and how many more of them fill groups.
        let mut places = [(0, 0, 0); LEAVES + 1];
        let (mut place, mut rest) = (0, counts.iter().map(|&count| whole(count)).sum());
        for length in (0..=LEAVES).rev() {
            places[length] = (place, whole(counts[length]), rest);
            place += whole(counts[length]);
            rest += counts[length] - whole(counts[length]);
        }
        self.groups.resize(self.pieces.len(), Piece::default());
        for piece in &self.pieces {
            let (place, left, rest) = &mut places[piece.length as usize];
            let place = if *left > 0 {
                *left -= 1;
                place
            } else {
                rest
            };
            self.groups[*place] = *piece;
            *place += 1;
        }
    }

    /// Sums all groups. Sums go to `out`, and what does not fit to `parts`.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn run(
        &mut self,
        table: &[Point<F>],
        entries: &[Entry],
        out: &mut [Point<F>],
        parts: &mut [Point<F>],
    ) {
        // A batch has less than `BATCH` pairs before the last group is begun.
        let batch = BATCH / D;
        let most = 4 * (batch + LEAVES);
        let first = self.slots.reset(most) as u32;
        self.free.clear();
        self.free.extend((first..first + most as u32).rev());
        self.active.clear();
        let mut begun = 0;
        loop {
            let mut ready: usize = self.active.iter().map(|group| group.rows / 2).sum();
            while ready < batch && begun < self.groups.len() {
                ready += self.begin(begun, table, entries) / 2;
                begun += 8;
            }
            if self.active.is_empty() {
                return;
            }
            self.pairs.clear();
            for group in &mut self.active {
                let half = group.rows / 2;
                for k in 0..half {
                    let pair = [group.slots[2 * k], group.slots[2 * k + 1]];
                    self.pairs.push(pair);
                    self.free.push(pair[1]);
                    group.slots[k] = pair[0];
                }
                group.slots[half] = group.slots[group.rows - 1];
                group.rows = group.rows.div_ceil(2);
            }
            self.slots.add(&mut self.pairs);
            let mut k = 0;
            while k < self.active.len() {
                if self.active[k].rows > 1 {
                    k += 1;
                    continue;
                }
                let group = self.active.swap_remove(k);
                self.end(&group, out, parts);
                self.free.push(group.slots[0]);
            }
        }
    }

    /// Gathers the points of a group; returns the number of its rows.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn begin(&mut self, pieces: usize, table: &[Point<F>], entries: &[Entry]) -> usize {
        let lanes = lanes(&self.groups, pieces);
        let rows = lanes.iter().map(|piece| piece.length as usize).max().unwrap_or(0);
        let later = lanes_later(&self.groups, pieces + 8 * (AHEAD / rows).max(1));
        let operands = Operands { table, sums: &[] };
        let mut group = Group { pieces: pieces as u32, slots: [0; LEAVES], rows };
        // A sum changes the sign, so a leaf has that of the number of sums above it.
        let signs = odd_depths(rows);
        for row in 0..rows {
            for piece in later {
                if row < piece.length as usize {
                    prefetch(operands.raw(entries[piece.start as usize + row]));
                }
            }
            let mut points = [IDENTITY.0.as_ptr(); 8];
            let (mut negated, mut missing) = (0, 0xff);
            for (lane, piece) in lanes.iter().enumerate() {
                if row < piece.length as usize {
                    let entry = entries[piece.start as usize + row];
                    points[lane] = (&raw const *operands.raw(entry)).cast();
                    negated |= u8::from(entry.negated()) << lane;
                    missing &= !(1 << lane);
                }
            }
            if signs >> row & 1 == 1 {
                negated = !negated;
            }
            let slot = self.free.pop().expect("there are slots for a batch and a group");
            group.slots[row] = slot;
            // SAFETY: the pointers are to points, which have `64 D` bytes on lines of their own.
            unsafe { self.slots.load(slot as usize, &points, negated, missing) };
        }
        self.active.push(group);
        rows
    }

    /// Writes a group's sums.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn end(&mut self, group: &Group, out: &mut [Point<F>], parts: &mut [Point<F>]) {
        let lanes = lanes(&self.groups, group.pieces as usize);
        let mut places = [std::ptr::null_mut(); 8];
        for (place, piece) in places.iter_mut().zip(lanes) {
            let to = piece.to as usize;
            let point = match to.checked_sub(out.len()) {
                None => &mut out[to],
                Some(part) => &mut parts[part],
            };
            *place = (&raw mut *point).cast::<u64>();
        }
        // SAFETY: the pointers are to points, each piece has its own, and words below `2 p` are valid elements.
        unsafe { self.slots.store(group.slots[0] as usize, &places[..lanes.len()]) };
    }
}

/// What missing lanes read.
#[repr(align(64))]
struct Idle([u64; 16]);
static IDENTITY: Idle = Idle([0; 16]);

/// The pieces of the group that begins with a piece.
fn lanes(groups: &[Piece], first: usize) -> &[Piece] {
    &groups[first..groups.len().min(first + 8)]
}

/// As [`lanes`], and none beyond the end.
fn lanes_later(groups: &[Piece], first: usize) -> &[Piece] {
    lanes(groups, first.min(groups.len()))
}

/// Which of a tree's leaves, bit by bit, take part in an odd number of additions.
fn odd_depths(leaves: usize) -> u32 {
    let mut odd = 0;
    for leaf in 0..leaves {
        let (mut index, mut count) = (leaf, leaves);
        while count > 1 {
            // The last of an odd number is passed on.
            if index ^ 1 < count {
                odd ^= 1 << leaf;
            }
            (index, count) = (index / 2, count.div_ceil(2));
        }
    }
    odd
}

#[cfg(test)]
mod tests;
