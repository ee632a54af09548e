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
//! - While a batch is added, the points of the groups that are begun next are asked for, a few in every step: asked for all
//!   at once they would wait for the few lines that a core can fetch at a time.

mod adder;
pub(super) mod scalars;

use std::arch::x86_64::*;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::add::{Entry, Operands};
use super::plan::Costs;
use super::point::Point;
use super::runs::{RunSums, Runs};
use crate::cpu::Tier;
use crate::cpu::field::ifma::Ifma;
use crate::cpu::field::{LazyField, prefetch};
use adder::{DEPTH, Row, Slots};

/// Points of a run that are summed at once.
const LEAVES: usize = 1 << DEPTH;
/// Pairs of rows that share an inversion, for points of 64 bytes.
const BATCH: usize = 256;
/// Additions below which few lanes would be in use and inversions would not pay.
const FEW: usize = 96;
/// How many groups ahead entries are asked for.
const AHEAD: usize = 4;

/// Sums over runs of points with `D` coefficients a coordinate, with AVX-512 IFMA; portable where the processor lacks it.
pub struct LaneSums<F, const D: usize> {
    ifma: Option<Ifma>,
    portable: Runs<F>,
    slots: Slots<D>,
    free: Vec<u32>,
    /// In the order of their groups.
    pieces: Vec<Piece>,
    /// Memory for the sums of parts of runs, of runs of those, and so on.
    parts: Vec<Vec<Point<F>>>,
    groups: Vec<Group>,
    /// Which of the groups are being summed, are begun next and mean nothing.
    active: Vec<u32>,
    next: Vec<u32>,
    idle: Vec<u32>,
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
        Self {
            ifma: Ifma::new(),
            portable: Runs::default(),
            slots: Slots::default(),
            free: Vec::new(),
            pieces: Vec::new(),
            parts: Vec::new(),
            groups: Vec::new(),
            active: Vec::new(),
            next: Vec::new(),
            idle: Vec::new(),
            pairs: Vec::new(),
            field: PhantomData,
        }
    }
}

impl<F: LazyField, const D: usize> RunSums for LaneSums<F, D> {
    type Field = F;
    const TIER: Tier = Tier::Ifma;
    const COSTS: Costs = Costs::LANES;

    fn sum(&mut self, table: &[Point<F>], entries: &[Entry], lengths: &[usize], out: &mut Vec<Point<F>>) {
        let indices_fit = entries.len() <= i32::MAX as usize;
        if self.ifma.is_none() || entries.len() - lengths.len() < FEW || !indices_fit {
            return self.portable.sum(table, entries, lengths, out);
        }
        let first = out.len();
        out.reserve(lengths.len());
        let sums = &mut out.spare_capacity_mut()[..lengths.len()];
        let (count, runs) = self.cut(table, entries, lengths, sums);
        let mut parts = self.parts.pop().unwrap_or_default();
        parts.clear();
        parts.reserve(count);
        // SAFETY: `self.ifma` proves the features.
        unsafe { self.run(table, entries, sums, &mut parts.spare_capacity_mut()[..count]) };
        // SAFETY: each of these parts has been the place of one piece, whose sum is there now.
        unsafe { parts.set_len(count) };
        if !runs.is_empty() {
            let entries: Vec<Entry> = (0..parts.len()).map(|i| Entry::table(i, false)).collect();
            let lengths: Vec<usize> = runs.iter().map(|run| run.1).collect();
            let mut joined = Vec::with_capacity(runs.len());
            self.sum(&parts, &entries, &lengths, &mut joined);
            for ((run, _), sum) in runs.into_iter().zip(joined) {
                sums[run].write(sum);
            }
        }
        self.parts.push(parts);
        // SAFETY: each run is of one point, one piece or several pieces, and its sum has been written in `cut`, in `run` or here.
        unsafe { out.set_len(first + lengths.len()) };
    }
}

impl<F: LazyField, const D: usize> LaneSums<F, D> {
    /// Lists the pieces such that each eight are a group: from long to short, and last what is left of each length. Runs of
    /// one point are written to `out` at once; those of several pieces are returned, by index and number of pieces,
    /// after the number of all these pieces, whose sums go behind `out`.
    fn cut(
        &mut self,
        table: &[Point<F>],
        entries: &[Entry],
        lengths: &[usize],
        out: &mut [MaybeUninit<Point<F>>],
    ) -> (usize, Vec<(usize, usize)>) {
        // Few entries are cut shorter, for all lanes to be in use.
        let limit = (entries.len() / 64).clamp(4, LEAVES);
        // So many pieces of equal length, and so many that are longer by one.
        let cut = |length: usize| {
            let count = length.div_ceil(limit);
            (count - length % count, length % count)
        };
        let mut counts = [0; LEAVES + 2];
        let (mut parts, mut runs) = (0, Vec::new());
        for (run, &length) in lengths.iter().enumerate() {
            if length <= limit {
                counts[length] += 1;
            } else {
                let (short, long) = cut(length);
                counts[length / (short + long)] += short;
                counts[length / (short + long) + 1] += long;
                parts += short + long;
                runs.push((run, short + long));
            }
        }
        counts[1] = 0;
        // Where the next piece of a length goes, and where when they fill no more groups.
        let (mut places, mut rests) = ([const { 0..0 }; LEAVES + 1], [0; LEAVES + 1]);
        let whole = |count: usize| count & !7;
        let (mut place, mut rest) = (0, counts.iter().map(|&count| whole(count)).sum());
        for length in (0..=LEAVES).rev() {
            places[length] = place..place + whole(counts[length]);
            place = places[length].end;
            rests[length] = rest;
            rest += counts[length] - whole(counts[length]);
        }
        self.pieces.resize(rest, Piece::default());
        let mut push = |start: usize, length: usize, to: usize| {
            let place = places[length].next().unwrap_or_else(|| {
                rests[length] += 1;
                rests[length] - 1
            });
            self.pieces[place] = Piece { start: start as u32, length: length as u32, to: to as u32 };
        };
        let operands = Operands { table, sums: &[] };
        let (mut start, mut to) = (0, lengths.len());
        for (run, &length) in lengths.iter().enumerate() {
            if length == 1 {
                out[run].write(operands.get(entries[start]));
                start += 1;
            } else if length <= limit {
                push(start, length, run);
                start += length;
            } else {
                let (short, long) = cut(length);
                for part in 0..short + long {
                    let length = length / (short + long) + (part >= short) as usize;
                    push(start, length, to);
                    start += length;
                    to += 1;
                }
            }
        }
        (parts, runs)
    }

    /// Sums all groups. Sums go to `out`, and what does not fit to `parts`.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn run(
        &mut self,
        table: &[Point<F>],
        entries: &[Entry],
        out: &mut [MaybeUninit<Point<F>>],
        parts: &mut [MaybeUninit<Point<F>>],
    ) {
        // A batch has at most `batch` pairs and a group's: its rows, as many single ones, and those listed meanwhile.
        let batch = BATCH / D;
        let most = 6 * (batch + LEAVES);
        let first = self.slots.reset(most) as u32;
        self.free.clear();
        self.free.extend((first..first + most as u32).rev());
        self.groups.clear();
        self.active.clear();
        self.idle.clear();
        let mut listed = 0;
        // Those of the groups that are begun next. Their points are on their way.
        let mut rows = Vec::new();
        loop {
            // The groups listed in the last round begin.
            self.slots.load(table, &rows);
            rows.clear();
            self.active.append(&mut self.next);
            // List groups for the next round, when half of the rows that are ready now will be left.
            let ready: usize = self.active.iter().map(|&group| self.groups[group as usize].rows / 2).sum();
            let mut later = ready / 2;
            while later < batch && listed < self.pieces.len() {
                later += self.list(listed, entries, &mut rows) / 2;
                listed += 8;
            }
            if self.active.is_empty() && self.next.is_empty() {
                return;
            }
            self.pairs.clear();
            for &group in &self.active {
                let group = &mut self.groups[group as usize];
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
            self.slots.add(&mut self.pairs, table, &rows);
            let mut k = 0;
            while let Some(&group) = self.active.get(k) {
                if self.groups[group as usize].rows > 1 {
                    k += 1;
                    continue;
                }
                self.end(group, out, parts);
                self.active.swap_remove(k);
                self.idle.push(group);
            }
        }
    }

    /// Lists the rows of a group; returns how many they are.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn list(&mut self, pieces: usize, entries: &[Entry], rows: &mut Vec<Row>) -> usize {
        for piece in lanes(&self.pieces, pieces + 8 * AHEAD) {
            prefetch(&entries[piece.start as usize]);
            prefetch(&entries[(piece.start + piece.length) as usize - 1]);
        }
        // Missing lanes repeat an entry, as do lanes beyond their end.
        let (mut starts, mut lengths) = ([0i32; 8], [0i32; 8]);
        for (lane, piece) in lanes(&self.pieces, pieces).iter().enumerate() {
            assert!((piece.start + piece.length) as usize <= entries.len() && piece.length > 0);
            (starts[lane], lengths[lane]) = (piece.start as i32, piece.length as i32);
        }
        let count = lengths.iter().copied().max().unwrap_or(0) as usize;
        let index = self.idle.pop().unwrap_or_else(|| {
            self.groups.push(Group { pieces: 0, slots: [0; LEAVES], rows: 0 });
            self.groups.len() as u32 - 1
        });
        let group = &mut self.groups[index as usize];
        (group.pieces, group.rows) = (pieces as u32, count);
        // SAFETY: eight numbers each.
        let (starts, lengths) = unsafe {
            (_mm256_loadu_si256(starts.as_ptr().cast()), _mm256_loadu_si256(lengths.as_ptr().cast()))
        };
        let last = _mm256_max_epi32(_mm256_sub_epi32(lengths, _mm256_set1_epi32(1)), _mm256_setzero_si256());
        // A sum changes the sign, so a leaf has that of the number of sums above it.
        let signs = ODD_DEPTHS[count];
        for row in 0..count {
            let slot = self.free.pop().expect("there are slots for two batches");
            group.slots[row] = slot;
            let at = _mm256_set1_epi32(row as i32);
            let indices = _mm256_add_epi32(starts, _mm256_min_epi32(at, last));
            // SAFETY: the indices are in range: below a piece's end, or 0 where there is no piece.
            let entries = unsafe { _mm256_i32gather_epi32::<4>(entries.as_ptr().cast(), indices) };
            let mask = |lanes: __m256i| _mm256_movemask_ps(_mm256_castsi256_ps(lanes)) as u8;
            let flip = if signs >> row & 1 == 1 { 0xff } else { 0 };
            let mut row = Row {
                points: [0; 8],
                slot,
                negated: mask(entries) ^ flip,
                missing: !mask(_mm256_cmpgt_epi32(lengths, at)),
            };
            let indices = _mm256_and_si256(entries, _mm256_set1_epi32(Entry::LIMIT as i32 - 1));
            // SAFETY: eight numbers.
            unsafe { _mm256_storeu_si256(row.points.as_mut_ptr().cast(), indices) };
            rows.push(row);
        }
        self.next.push(index);
        count
    }

    /// Writes a group's sums.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn end(&mut self, group: u32, out: &mut [MaybeUninit<Point<F>>], parts: &mut [MaybeUninit<Point<F>>]) {
        let group = &self.groups[group as usize];
        let lanes = lanes(&self.pieces, group.pieces as usize);
        let mut places = [std::ptr::null_mut(); 8];
        for (place, piece) in places.iter_mut().zip(lanes) {
            let to = piece.to as usize;
            let point = match to.checked_sub(out.len()) {
                None => &mut out[to],
                Some(part) => &mut parts[part],
            };
            *place = point.as_mut_ptr().cast::<u64>();
        }
        // SAFETY: the pointers are to points, each piece has its own, and words below `2 p` are valid elements.
        unsafe { self.slots.store(group.slots[0] as usize, &places[..lanes.len()]) };
        self.free.push(group.slots[0]);
    }
}

/// The pieces of the group that begins with a piece; none beyond the end.
fn lanes(pieces: &[Piece], first: usize) -> &[Piece] {
    &pieces[first.min(pieces.len())..pieces.len().min(first + 8)]
}

/// Which leaves of a tree of so many, bit by bit, take part in an odd number of additions.
const ODD_DEPTHS: [u32; LEAVES + 1] = {
    let mut odd = [0; LEAVES + 1];
    let mut leaves = 0;
    while leaves <= LEAVES {
        let mut leaf = 0;
        while leaf < leaves {
            let (mut index, mut count) = (leaf, leaves);
            while count > 1 {
                // The last of an odd number is passed on.
                if index ^ 1 < count {
                    odd[leaves] ^= 1 << leaf;
                }
                (index, count) = (index / 2, count.div_ceil(2));
            }
            leaf += 1;
        }
        leaves += 1;
    }
    odd
};

#[cfg(test)]
mod tests;
