//! Entries in the order of their buckets: a counting sort of digits by magnitude.
//!
//! With many buckets, places that are written next would be spread over more memory than the caches hold. Then there are
//! two passes: the first sorts by the high bits into at most 256 *parts*, the second each part by the low bits, when it is
//! needed: its entries are used while they are in the cache. Otherwise all entries are one part.

use std::ops::Range;

use super::add::Entry;
use super::digits::{Code, Digit};
use crate::cpu::field::prefetch;
use crate::cpu::pages::advise_large;

/// Bits of a bucket's number that the second pass sorts by.
const LOW: u32 = 8;
/// Most parts.
const PARTS: usize = 1 << 8;
/// Bits of a bucket's number up to which there is one pass.
const ONE_PASS: u32 = 12;
/// Digits that are read and counted at a time.
const BLOCK: usize = 1 << 12;

/// How many places ahead memory is asked for: a cache line.
const AHEAD: usize = 16;

/// A digit after the first pass: its position, above it its sign and the low bits of its bucket.
const POSITION: u32 = u32::BITS - LOW - 1;

/// Digits of a slot at most, so that a position has so few bits: for each level a power of two, the next above the length.
pub(super) const MAX_DIGITS: usize = 1 << POSITION;

/// Most bits of digits.
pub(super) const MAX_WIDTH: u32 = LOW + PARTS.ilog2() + 1;

/// Digits sorted by the high bits of their magnitude.
#[derive(Default)]
pub(super) struct Sorter {
    digits: Vec<Code>,
    /// If there is one part: how many digits each bucket has, and last how many are 0.
    counts: Vec<u32>,
    /// Otherwise: digits by part, and the parts' ends; digits that are 0 behind.
    tagged: Vec<u32>,
    ends: Vec<u32>,
    /// How many digits there are.
    count: usize,
    /// Each level's length, and which base its first scalar belongs to.
    length: usize,
    origins: Vec<u32>,
}

impl Sorter {
    /// Takes the digits of a slot, at most `2^(bits - 1)` in magnitude, and returns how many parts they are.
    ///
    /// `digits` of `length` scalars, from the base `start` of `bases` on, are read by `read`.
    pub fn partition<'a>(
        &mut self,
        bits: u32,
        digits: impl Iterator<Item = &'a Digit> + Clone,
        (start, length, bases): (usize, usize, usize),
        read: impl Fn(&Digit, Range<usize>, &mut [Code]),
    ) -> usize {
        debug_assert!((1..=MAX_WIDTH).contains(&bits));
        self.length = length;
        self.origins.clear();
        self.origins.extend(digits.clone().map(|digit| (digit.level * bases + start) as u32));
        let count = self.origins.len() * length;
        self.count = count;
        grow(&mut self.digits, count);
        let all = &mut self.digits[..count];
        let each_block = |then: &mut dyn FnMut(&[Code])| {
            for (digit, all) in digits.zip(all.chunks_exact_mut(length.max(1))) {
                for (k, block) in all.chunks_mut(BLOCK).enumerate() {
                    let from = start + k * BLOCK;
                    read(digit, from..from + block.len(), block);
                    then(block);
                }
            }
        };
        self.ends.clear();
        if bits - 1 <= ONE_PASS {
            // The buckets, and where masked digits that are 0 belong.
            self.counts.clear();
            self.counts.resize(1 << bits, 0);
            let counts = &mut self.counts[..];
            let mask = counts.len() - 1;
            each_block(&mut |block| block.iter().for_each(|digit| counts[digit.bucket() & mask] += 1));
            return 1;
        }
        let parts = 1 << (bits - 1 - LOW);
        let part = |digit: &Code| (digit.bucket() >> LOW) & (2 * PARTS - 1);
        let mut counts = [0; 2 * PARTS];
        each_block(&mut |block| block.iter().for_each(|digit| counts[part(digit)] += 1));
        starts(&mut counts, |_, _| ());
        let shift = self.shift();
        assert!(self.origins.len() << shift <= MAX_DIGITS);
        grow(&mut self.tagged, count + AHEAD);
        for (level, digits) in self.digits[..count].chunks_exact(length.max(1)).enumerate() {
            for (position, digit) in (level << shift..).zip(digits) {
                let place = &mut counts[part(digit)];
                prefetch(&self.tagged[*place as usize + AHEAD]);
                self.tagged[*place as usize] = digit.bits() << POSITION | position as u32;
                *place += 1;
            }
        }
        // Every part's place is its end now.
        self.ends.extend_from_slice(&counts[..parts]);
        parts
    }

    /// Bits of a position that tell the scalar.
    fn shift(&self) -> u32 {
        self.length.next_power_of_two().ilog2()
    }

    /// Appends the entries of a part to `entries` by ascending magnitude of their digits, and calls `each` with every
    /// magnitude that occurs and how often. Magnitudes ascend with the parts too. To be called once for a part.
    pub fn part(&mut self, part: usize, entries: &mut Vec<Entry>, mut each: impl FnMut(u32, usize)) {
        let first = entries.len();
        if self.ends.is_empty() {
            let (mask, buckets) = (self.counts.len() - 1, self.counts.len() / 2);
            let mut nonzero = 0;
            starts(&mut self.counts, |k, count| {
                if k < buckets {
                    each(k as u32 + 1, count);
                    nonzero += count;
                }
            });
            let few = buckets <= PARTS;
            let sorted = extend(entries, self.count + AHEAD);
            for (&origin, digits) in
                self.origins.iter().zip(self.digits[..self.count].chunks_exact(self.length.max(1)))
            {
                for (index, digit) in (origin as usize..).zip(digits) {
                    let place = &mut self.counts[digit.bucket() & mask];
                    if few {
                        prefetch(&sorted[*place as usize + AHEAD]);
                    }
                    sorted[*place as usize] = Entry::table(index, digit.negative());
                    *place += 1;
                }
            }
            entries.truncate(first + nonzero);
            return;
        }
        let start = part.checked_sub(1).map_or(0, |before| self.ends[before]);
        let tagged = &self.tagged[start as usize..self.ends[part] as usize];
        let mut counts = [0; 1 << LOW];
        tagged.iter().for_each(|&tagged| counts[low(tagged)] += 1);
        starts(&mut counts, |k, count| each((part << LOW | k) as u32 + 1, count));
        let sorted = extend(entries, tagged.len());
        let shift = self.shift();
        let scalars = (1 << shift) - 1;
        match self.origins[..] {
            [origin] => place(tagged, &mut counts, sorted, |position| origin + position),
            _ => place(tagged, &mut counts, sorted, |position| {
                self.origins[(position >> shift) as usize] + (position & scalars)
            }),
        }
    }
}

/// The low bits of a bucket after the first pass.
#[inline(always)]
fn low(tagged: u32) -> usize {
    (tagged >> (POSITION + 1)) as usize
}

/// Places entries by the low bits of their buckets.
#[inline(always)]
fn place(tagged: &[u32], counts: &mut [u32; 1 << LOW], sorted: &mut [Entry], index: impl Fn(u32) -> u32) {
    for &tagged in tagged {
        let place = &mut counts[low(tagged)];
        let index = index(tagged & ((1 << POSITION) - 1));
        sorted[*place as usize] = Entry::table(index as usize, tagged >> POSITION & 1 == 1);
        *place += 1;
    }
}

/// Makes a buffer that keeps nothing at least so long.
fn grow<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.clear();
        buffer.reserve(len);
        advise_large(buffer);
        buffer.resize(len, T::default());
    }
}

/// Appends entries to be overwritten.
fn extend(entries: &mut Vec<Entry>, count: usize) -> &mut [Entry] {
    let first = entries.len();
    entries.reserve(count);
    entries.resize(first + count, Entry::table(0, false));
    &mut entries[first..]
}

/// Replaces counts by the sums of those before them, calling `each` with those that are not 0 and their index.
fn starts(counts: &mut [u32], mut each: impl FnMut(usize, usize)) {
    let mut start = 0;
    for (k, count) in counts.iter_mut().enumerate() {
        if *count > 0 {
            each(k, *count as usize);
        }
        start += std::mem::replace(count, start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_by_bucket() {
        let widths = [1, 2, 8, ONE_PASS, ONE_PASS + 1, ONE_PASS + 2, MAX_WIDTH];
        for bits in widths {
            for length in [0, 1, 5, 3 * BLOCK + 7] {
                let half = 1 << (bits - 1);
                let level = |level| Digit { offset: 0, width: bits, last: false, level, set: 0 };
                let digits = [level(0), level(3)];
                let value = |level: usize, i: usize| match i % 7 {
                    0 => 0,
                    1 => half,
                    2 => -half,
                    _ => (i * 7919 + level * 31) as i32 % (2 * half + 1) - half,
                };
                let read = |digit: &Digit, range: Range<usize>, out: &mut [Code]| {
                    out.iter_mut().zip(range).for_each(|(out, i)| *out = Code::new(value(digit.level, i)));
                };
                let (start, bases) = (3, length + 10);
                let mut entries = vec![Entry::table(7, true)];
                let mut buckets = Vec::new();
                let mut sorter = Sorter::default();
                for _ in 0..2 {
                    entries.truncate(1);
                    buckets.clear();
                    let parts = sorter.partition(bits, digits.iter(), (start, length, bases), read);
                    for part in 0..parts {
                        sorter.part(part, &mut entries, |k, n| buckets.push((k, n)));
                    }
                }
                let mut expected: Vec<(u32, usize, usize, bool)> = Vec::new();
                for level in [0, 3] {
                    for i in start..start + length {
                        let v = value(level, i);
                        if v != 0 {
                            expected.push((v.unsigned_abs(), level, i, v < 0));
                        }
                    }
                }
                expected.sort();
                let want: Vec<Entry> =
                    expected.iter().map(|&(_, level, i, neg)| Entry::table(level * bases + i, neg)).collect();
                assert_eq!(entries[0], Entry::table(7, true));
                assert!(entries[1..] == want, "{bits} bits, {length} scalars");
                let runs: Vec<(u32, usize)> =
                    expected.chunk_by(|a, b| a.0 == b.0).map(|run| (run[0].0, run.len())).collect();
                assert_eq!(buckets, runs);
            }
        }
    }
}
