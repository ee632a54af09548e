//! Entries in the order of their buckets: a counting sort of digits by magnitude.
//!
//! With many entries for many buckets, places that are written next would be spread over more memory than the caches
//! hold. Then there are two passes: the first sorts by the high bits into a few hundred parts, the second each part by
//! the low bits. Cost: about 2 ns an entry in one pass, 4 ns in two.

use super::add::Entry;
use super::digits::Digit;
use crate::cpu::pages::advise_large;

/// Bits of a magnitude that the second pass sorts by.
const LOW: u32 = 8;
/// Bits of a bucket's number up to which there is one pass.
const ONE_PASS: u32 = 12;
/// Digits that are read and counted at a time.
const BLOCK: usize = 1 << 12;

/// Scratch memory for sorting.
#[derive(Default)]
pub(super) struct Sorter {
    digits: Vec<i32>,
    counts: Vec<u32>,
    /// After the first pass: an entry, and above it the low bits of its magnitude.
    parts: Vec<u64>,
}

impl Sorter {
    /// Appends an entry for every digit but 0 to `entries`, by ascending magnitude, which is at most `2^(bits - 1)`, and calls
    /// `bucket` with every magnitude that occurs and how often.
    ///
    /// `digits` of `length` scalars, from the base `start` of `bases` on, are appended by `read`.
    pub fn sort<'a>(
        &mut self,
        bits: u32,
        digits: impl Iterator<Item = &'a Digit> + Clone,
        (start, length, bases): (usize, usize, usize),
        read: impl Fn(&Digit, std::ops::Range<usize>, &mut Vec<i32>),
        entries: &mut Vec<Entry>,
        mut bucket: impl FnMut(u32, usize),
    ) {
        let low = if bits > ONE_PASS { LOW } else { 0 };
        let count = digits.clone().count() * length;
        self.digits.clear();
        self.digits.reserve(count);
        advise_large(&mut self.digits);
        self.counts.clear();
        self.counts.resize((1 << (bits - 1 - low)) + 1, 0);
        for digit in digits.clone() {
            for from in (0..length).step_by(BLOCK) {
                let before = self.digits.len();
                read(digit, start + from..start + length.min(from + BLOCK), &mut self.digits);
                for digit in &self.digits[before..] {
                    self.counts[(digit.unsigned_abs() >> low) as usize] += 1;
                }
            }
        }
        let zeros = if low == 0 { self.counts[0] } else { 0 };
        let first = entries.len();
        entries.reserve(count - zeros as usize);
        advise_large(entries);
        let entry = |level: usize, i: usize, digit: i32| Entry::table(level * bases + start + i, digit < 0);
        let levels = || digits.clone().zip(self.digits.chunks_exact(length.max(1)));
        if low == 0 {
            entries.resize(first + count - zeros as usize, Entry::table(0, false));
            starts(&mut self.counts[1..], |k, count| bucket(k as u32 + 1, count));
            let entries = &mut entries[first..];
            for (Digit { level, .. }, digits) in levels() {
                for (i, &digit) in digits.iter().enumerate().filter(|(_, digit)| **digit != 0) {
                    let place = &mut self.counts[digit.unsigned_abs() as usize];
                    entries[*place as usize] = entry(*level, i, digit);
                    *place += 1;
                }
            }
            return;
        }
        if self.parts.len() < count {
            self.parts.reserve(count - self.parts.len());
            advise_large(&mut self.parts);
            self.parts.resize(count, 0);
        }
        starts(&mut self.counts, |_, _| ());
        let mask = (1 << low) - 1;
        for (Digit { level, .. }, digits) in levels() {
            for (i, &digit) in digits.iter().enumerate() {
                let magnitude = digit.unsigned_abs();
                let place = &mut self.counts[(magnitude >> low) as usize];
                let tag = u64::from(magnitude & mask) << u32::BITS;
                self.parts[*place as usize] = tag | u64::from(entry(*level, i, digit).bits());
                *place += 1;
            }
        }
        // Every part's place is its end now.
        let mut start = 0;
        for (high, &end) in self.counts.iter().enumerate() {
            let part = &self.parts[start..end as usize];
            start = end as usize;
            if part.is_empty() {
                continue;
            }
            let mut counts = [0; 1 << LOW];
            part.iter().for_each(|tagged| counts[(tagged >> u32::BITS) as usize] += 1);
            // Magnitude 0 is left out.
            let skipped = if high == 0 { std::mem::take(&mut counts[0]) as usize } else { 0 };
            let first = entries.len();
            starts(&mut counts, |k, count| bucket((high as u32) << low | k as u32, count));
            entries.resize(first + part.len() - skipped, Entry::table(0, false));
            let entries = &mut entries[first..];
            for tagged in part {
                let key = (tagged >> u32::BITS) as usize;
                if high > 0 || key > 0 {
                    entries[counts[key] as usize] = Entry::from_bits(*tagged as u32);
                    counts[key] += 1;
                }
            }
        }
    }
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
        let widths = [1, 2, 8, ONE_PASS, ONE_PASS + 1, 17];
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
                let read = |digit: &Digit, range: std::ops::Range<usize>, out: &mut Vec<i32>| {
                    out.extend(range.map(|i| value(digit.level, i)));
                };
                let (start, bases) = (3, length + 10);
                let mut entries = vec![Entry::table(7, true)];
                let mut buckets = Vec::new();
                let mut sorter = Sorter::default();
                for _ in 0..2 {
                    entries.truncate(1);
                    buckets.clear();
                    let shape = (start, length, bases);
                    sorter.sort(bits, digits.iter(), shape, read, &mut entries, |k, n| buckets.push((k, n)));
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
