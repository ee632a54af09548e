//! Weighted sums `sum_b b B_b` of buckets, by sums over runs.
//!
//! The weight is cut in two halves of bits, `b = h 2^l + t`:
//!
//! ```text
//! sum_b b B_b  =  2^l sum_h h (sum_t B_(h 2^l + t))  +  sum_t t (sum_h B_(h 2^l + t)).
//! ```
//!
//! The inner sums are runs (rows and columns of the buckets), and what is left are two weighted sums over the square
//! root of the number of buckets, treated the same way until weights have one bit: then the sums belong to powers of
//! two. That is two additions per bucket and few more, no chain of dependent additions as in the usual running
//! sum, and buckets that are empty do not occur. Any number of weighted sums are done together.

use super::add::Entry;
use super::point::Point;
use super::runs::RunSums;

/// Buckets of one weighted sum.
#[derive(Clone, Copy)]
struct Group {
    /// Which of the caller's sums it is part of, and the power of two it is multiplied by.
    label: u32,
    shift: u32,
    /// Its end in the list of buckets; it begins where the group before it ends.
    end: usize,
}

/// Buckets of several weighted sums.
pub(super) struct Buckets<F> {
    points: Vec<Point<F>>,
    weights: Vec<u32>,
    groups: Vec<Group>,
}

impl<F> Default for Buckets<F> {
    fn default() -> Self {
        Self { points: Vec::new(), weights: Vec::new(), groups: Vec::new() }
    }
}

/// `2^shift point` is to be added to the sum `label`.
#[derive(Clone, Copy)]
pub(super) struct Term<F> {
    pub label: u32,
    pub shift: u32,
    pub point: Point<F>,
}

impl<F: crate::cpu::field::LazyField> Buckets<F> {
    pub fn clear(&mut self) {
        self.points.clear();
        self.weights.clear();
        self.groups.clear();
    }

    /// Declares a bucket of the current sum; its point is to be appended to [`Self::points_mut`] in the same order.
    /// Weights ascend within a sum.
    pub fn push_weight(&mut self, weight: u32) {
        debug_assert!(weight > 0);
        self.weights.push(weight);
    }

    /// Ends the current sum.
    pub fn end_group(&mut self, label: u32, shift: u32) {
        self.groups.push(Group { label, shift, end: self.weights.len() });
    }

    pub fn points_mut(&mut self) -> &mut Vec<Point<F>> {
        &mut self.points
    }

    /// Evaluates the weighted sums; weights have at most `bits` bits. Appends terms in the order of the sums.
    pub fn reduce<R: RunSums<Field = F>>(mut self, bits: u32, runs: &mut R, out: &mut Vec<Term<F>>) -> Self {
        let mut next = Self::default();
        let mut bits = bits;
        let mut entries = Vec::new();
        let mut lengths = Vec::new();
        let mut columns = Vec::new();
        while bits > 1 {
            let low = bits / 2;
            next.clear();
            entries.clear();
            lengths.clear();
            let mut start = 0;
            for &Group { label, shift, end } in &self.groups {
                let weights = &self.weights[start..end];
                // Rows: buckets with the same high bits are neighbours already.
                let mut i = 0;
                while i < weights.len() {
                    let high = weights[i] >> low;
                    let length = weights[i..].iter().take_while(|&&weight| weight >> low == high).count();
                    if high > 0 {
                        entries.extend((i..i + length).map(|i| Entry::table(start + i, false)));
                        lengths.push(length);
                        next.push_weight(high);
                    }
                    i += length;
                }
                next.end_group(label, shift + low);
                // Columns: a counting sort by the low bits.
                let mask = (1 << low) - 1;
                columns.clear();
                columns.resize(1 << low, 0);
                weights.iter().for_each(|weight| columns[(weight & mask) as usize] += 1);
                let mut at = entries.len();
                for (value, column) in columns.iter_mut().enumerate().skip(1) {
                    if *column > 0 {
                        lengths.push(*column);
                        next.push_weight(value as u32);
                    }
                    at += std::mem::replace(column, at);
                }
                entries.resize(at, Entry::table(0, false));
                for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| *weight & mask != 0) {
                    let column = &mut columns[(weight & mask) as usize];
                    entries[*column] = Entry::table(start + i, false);
                    *column += 1;
                }
                next.end_group(label, shift);
                start = end;
            }
            runs.sum(&self.points, &entries, &lengths, &mut next.points);
            std::mem::swap(&mut self, &mut next);
            bits -= low;
        }
        let mut start = 0;
        for &Group { label, shift, end } in &self.groups {
            out.extend(self.points[start..end].iter().map(|&point| Term { label, shift, point }));
            start = end;
        }
        self
    }
}
