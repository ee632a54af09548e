//! What is ordered after what: vector clocks over streams, and the accesses that must respect them.
//!
//! Every piece of work has a stamp, its stream and its place there. A clock maps each stream to the last place that is known to
//! be finished; work `a` happens before work `b` when the clock of `b` knows the stamp of `a`. Clocks grow along the program order
//! of one stream, along an event from its record to the waits on it, between the legacy default stream and the blocking
//! streams, and through the host: what the host has waited for happens before everything it submits afterwards. (All host threads share
//! one clock: how they order themselves cannot be seen from here.)
//!
//! Two accesses to the same bytes, at least one of them a write, with neither ordered before the other, are a race, unless both are
//! atomic. It is found
//! whichever of the two happened to run first.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::machine::Mode;

/// A stream, by a number that is never used twice.
pub type StreamId = u64;

/// The place of a piece of work: its stream and its number there, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The stream.
    pub stream: StreamId,
    /// The number within the stream.
    pub index: u64,
}

/// For each stream, how far it is known to have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock(BTreeMap<StreamId, u64>);

impl Clock {
    /// Whether the work at `stamp` is known to be finished.
    pub fn knows(&self, stamp: Stamp) -> bool {
        self.0.get(&stamp.stream).is_some_and(|&index| index >= stamp.index)
    }

    /// Learns that the work at `stamp` is finished.
    pub fn learn(&mut self, stamp: Stamp) {
        let index = self.0.entry(stamp.stream).or_insert(0);
        *index = (*index).max(stamp.index);
    }

    /// Learns all that `other` knows.
    pub fn join(&mut self, other: &Self) {
        for (&stream, &index) in &other.0 {
            self.learn(Stamp { stream, index });
        }
    }

    /// Forgets everything: for when no work is pending, so that no stamp given out so far matters any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Addresses, as ascending and disjoint ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span(Vec<Range<u64>>);

impl Span {
    /// The addresses of ranges that are ascending and disjoint.
    pub fn new(ranges: Vec<Range<u64>>) -> Self {
        debug_assert!(ranges.is_sorted_by(|a, b| a.end <= b.start));
        Self(ranges)
    }

    /// The first of the ranges that this and `other` have in common.
    pub fn overlap(&self, other: &Self) -> Option<Range<u64>> {
        let (mut mine, mut theirs) = (self.0.as_slice(), other.0.as_slice());
        while let ([a, mine_after @ ..], [b, theirs_after @ ..]) = (mine, theirs) {
            let common = a.start.max(b.start)..a.end.min(b.end);
            if common.start < common.end {
                return Some(common);
            }
            if a.end <= b.end {
                mine = mine_after;
            } else {
                theirs = theirs_after;
            }
        }
        None
    }

    /// Whether every range of `other` lies within one of this.
    pub fn covers(&self, other: &Self) -> bool {
        let mut mine = self.0.iter();
        let mut at = mine.next();
        other.0.iter().all(|range| {
            while at.is_some_and(|at| at.end < range.end) {
                at = mine.next();
            }
            at.is_some_and(|at| at.start <= range.start)
        })
    }
}

/// An access to memory by a piece of work.
#[derive(Clone, Debug)]
pub struct Access {
    /// The addresses.
    pub span: Span,
    /// How; allocating and freeing count as writing.
    pub mode: Mode,
    /// The work.
    pub stamp: Stamp,
    /// The work in words, for a report.
    pub label: Arc<str>,
}

/// The accesses to one allocation that later work may have to be ordered after.
#[derive(Debug, Default)]
pub struct History {
    accesses: Vec<Access>,
}

impl History {
    /// The first recorded access that conflicts with `access` by work that knows `clock`, and where they meet.
    pub fn conflict(&self, access: &Access, clock: &Clock) -> Option<(&Access, Range<u64>)> {
        let unordered = self.accesses.iter().filter(|earlier| {
            (earlier.mode != access.mode || access.mode == Mode::Write)
                && earlier.stamp.stream != access.stamp.stream
                && !clock.knows(earlier.stamp)
        });
        let mut meeting =
            unordered.filter_map(|earlier| Some((earlier, earlier.span.overlap(&access.span)?)));
        meeting.next()
    }

    /// Records an access. What its own stream did before to the same bytes is ordered before it and needs no record any more.
    pub fn record(&mut self, access: Access) {
        self.accesses.retain(|earlier| {
            earlier.stamp.stream != access.stamp.stream
                || (earlier.mode != access.mode && access.mode != Mode::Write)
                || !access.span.covers(&earlier.span)
        });
        self.accesses.push(access);
    }

    /// Drops the accesses that everything to come is ordered after.
    pub fn forget(&mut self, finished: impl Fn(Stamp) -> bool) {
        self.accesses.retain(|access| !finished(access.stamp));
    }

    /// The first access that `clock` does not know to be finished.
    pub fn unknown_to(&self, clock: &Clock) -> Option<&Access> {
        self.accesses.iter().find(|access| !clock.knows(access.stamp))
    }

    /// The number of accesses on record.
    pub fn len(&self) -> usize {
        self.accesses.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(stream: StreamId, index: u64, range: Range<u64>, write: bool) -> Access {
        let mode = if write { Mode::Write } else { Mode::Read };
        Access {
            span: Span::new(vec![range]),
            mode,
            stamp: Stamp { stream, index },
            label: Arc::from("work"),
        }
    }

    #[test]
    fn a_clock_knows_what_it_learnt_and_what_came_before() {
        let mut clock = Clock::default();
        clock.learn(Stamp { stream: 1, index: 3 });
        clock.learn(Stamp { stream: 1, index: 2 });
        assert!(clock.knows(Stamp { stream: 1, index: 1 }));
        assert!(clock.knows(Stamp { stream: 1, index: 3 }));
        assert!(!clock.knows(Stamp { stream: 1, index: 4 }));
        assert!(!clock.knows(Stamp { stream: 2, index: 1 }));
        let mut other = Clock::default();
        other.learn(Stamp { stream: 2, index: 7 });
        clock.join(&other);
        assert!(clock.knows(Stamp { stream: 2, index: 7 }));
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "spans of one range are meant")]
    fn spans_meet_and_cover() {
        let span = |ranges: &[Range<u64>]| Span::new(ranges.to_vec());
        let comb = span(&[0..4, 8..12, 16..20]);
        assert_eq!(comb.overlap(&span(&[4..8, 12..16, 20..24])), None);
        assert_eq!(comb.overlap(&span(&[4..8, 12..17])), Some(16..17));
        assert_eq!(span(&[0..100]).overlap(&span(&[50..60])), Some(50..60));
        assert_eq!(span(&[50..60]).overlap(&comb), None);
        assert!(span(&[0..20]).covers(&comb) && comb.covers(&comb) && comb.covers(&span(&[9..12, 16..17])));
        assert!(
            !comb.covers(&span(&[0..20])) && !comb.covers(&span(&[2..5])) && !comb.covers(&span(&[30..31]))
        );
    }

    #[test]
    fn unordered_accesses_conflict_unless_both_read_or_they_are_disjoint() {
        let mut history = History::default();
        history.record(access(1, 1, 100..200, true));
        let nothing = Clock::default();
        assert!(history.conflict(&access(2, 1, 199..300, false), &nothing).is_some());
        assert!(history.conflict(&access(2, 1, 200..300, true), &nothing).is_none());
        assert!(history.conflict(&access(1, 2, 100..200, true), &nothing).is_none());
        let mut after = Clock::default();
        after.learn(Stamp { stream: 1, index: 1 });
        assert!(history.conflict(&access(2, 1, 100..200, true), &after).is_none());

        let mut reads = History::default();
        reads.record(access(1, 1, 100..200, false));
        assert!(reads.conflict(&access(2, 1, 100..200, false), &nothing).is_none());
        assert!(reads.conflict(&access(2, 1, 100..200, true), &nothing).is_some());

        let atomic = |stream| Access { mode: Mode::Atomic, ..access(stream, 1, 100..200, true) };
        let mut atomics = History::default();
        atomics.record(atomic(1));
        assert!(atomics.conflict(&atomic(2), &nothing).is_none());
        assert!(atomics.conflict(&access(2, 1, 100..200, false), &nothing).is_some());
        assert!(atomics.conflict(&access(2, 1, 100..200, true), &nothing).is_some());
    }

    #[test]
    fn a_later_access_of_a_stream_replaces_an_earlier_one_but_a_read_no_write() {
        let mut history = History::default();
        history.record(access(1, 1, 0..64, true));
        history.record(access(1, 2, 0..64, false));
        assert_eq!(history.len(), 2);
        history.record(access(1, 3, 0..64, true));
        assert_eq!(history.len(), 1);
        // The one left is the last: a clock that knows only the second still conflicts.
        let mut second = Clock::default();
        second.learn(Stamp { stream: 1, index: 2 });
        assert!(history.conflict(&access(2, 1, 0..4, false), &second).is_some());
        history.record(access(1, 4, 0..32, true));
        assert_eq!(history.len(), 2);
        history.forget(|stamp| stamp.index <= 3);
        assert_eq!(history.len(), 1);
    }
}
