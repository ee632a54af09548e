//! A warp: registers of 32 lanes, and the groups into which its lanes have split.
//!
//! Lanes that are at the same instruction of the same call run together. Where a branch divides them, the group splits; groups that meet again
//! merge. Of several groups the one deepest in calls and lowest in the program runs first: code is laid out so that this makes them meet.

use super::alu::Lanes;
use super::local::Local;
use super::random::Random;
use crate::isa::{LANES, Slot};

/// Where the registers of a call begin, and its function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) function: u32,
    pub(super) base32: u32,
    pub(super) base64: u32,
    pub(super) preds: u32,
    /// Byte offset in local memory.
    pub(super) local: u32,
}

/// A call to come back from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Return {
    pub(super) frame: Frame,
    pub(super) pc: u32,
    /// Where the results go in the caller's frame.
    pub(super) results: Box<[Slot]>,
}

/// What a group waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Ready,
    /// The lanes of this mask, at a warp-wide operation.
    Lanes(u32),
    /// The rest of the warp, at a barrier of the block that needs all of it.
    Converge,
    /// The block, at the barrier of this number.
    Barrier(u8),
}

/// Lanes that run together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) mask: u32,
    pub(super) pc: u32,
    pub(super) frame: Frame,
    pub(super) stack: Vec<Return>,
    pub(super) wait: Wait,
    /// Goes up with every turn: who ran longest ago?
    pub(super) turn: u64,
}

impl Group {
    fn meets(&self, other: &Self) -> bool {
        let apart = matches!(self.wait, Wait::Barrier(_)) || matches!(other.wait, Wait::Barrier(_));
        !apart && self.pc == other.pc && self.frame == other.frame && self.stack == other.stack
    }

    fn first_lane(&self) -> usize {
        self.mask.trailing_zeros() as usize
    }

    /// Takes `lanes` out of the group, into one that stands at `pc`.
    pub(super) fn detach(&mut self, lanes: u32, pc: u32) -> Self {
        let other = Self { mask: lanes, pc, ..self.clone() };
        self.mask &= !lanes;
        other
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Warp {
    pub(super) number: u32,
    pub(super) r32: Vec<Lanes<u32>>,
    pub(super) r64: Vec<Lanes<u64>>,
    pub(super) preds: Vec<u32>,
    pub(super) carry: u32,
    pub(super) local: Local,
    pub(super) groups: Vec<Group>,
    /// Lanes that have not exited.
    pub(super) live: u32,
    /// `threadIdx` of each lane.
    pub(super) tid: [Lanes<u32>; 3],
    turns: u64,
}

impl Warp {
    pub(super) fn new(number: u32, block: [u32; 3]) -> Self {
        let threads = block.iter().product::<u32>();
        let first = number * LANES as u32;
        let lanes = (threads - first).min(LANES as u32);
        let live = u32::MAX >> (LANES as u32 - lanes);
        let mut tid = [Lanes([0; LANES]); 3];
        for i in 0..LANES {
            let linear = first + i as u32;
            tid[0].0[i] = linear % block[0];
            tid[1].0[i] = linear / block[0] % block[1];
            tid[2].0[i] = linear / (block[0] * block[1]);
        }
        Self {
            number,
            r32: Vec::new(),
            r64: Vec::new(),
            preds: Vec::new(),
            carry: 0,
            local: Local::default(),
            groups: Vec::new(),
            live,
            tid,
            turns: 0,
        }
    }

    /// Puts all lanes at the start of `function`.
    pub(super) fn start(&mut self, function: u32, lanes: u32) {
        let frame = Frame { function, ..Frame::default() };
        self.live = lanes;
        self.carry = 0;
        self.turns = 0;
        self.groups.clear();
        self.groups.push(Group { mask: lanes, pc: 0, frame, stack: Vec::new(), wait: Wait::Ready, turn: 0 });
    }

    pub(super) fn thread(&self, lane: usize) -> [u32; 3] {
        [self.tid[0].0[lane], self.tid[1].0[lane], self.tid[2].0[lane]]
    }

    pub(super) fn is_ready(&self) -> bool {
        self.groups.iter().any(|group| group.wait == Wait::Ready)
    }

    /// Joins groups that stand at the same place. Those that waited there look again.
    pub(super) fn merge(&mut self, random: &mut Option<Random>) {
        if self.groups.len() < 2 {
            return;
        }
        let mut i = 0;
        while i < self.groups.len() {
            let mut j = i + 1;
            while j < self.groups.len() {
                let (a, b) = (&self.groups[i], &self.groups[j]);
                // At random, lanes that only happen to be at the same place stay apart.
                let waiting = a.wait != Wait::Ready && b.wait != Wait::Ready;
                if a.meets(b) && (waiting || random.as_mut().is_none_or(|random| random.chance(2))) {
                    let other = self.groups.swap_remove(j);
                    self.groups[i].mask |= other.mask;
                    self.groups[i].wait = Wait::Ready;
                } else {
                    j += 1;
                }
            }
            i += 1;
        }
        // Which group has which number must not depend on who merged when.
        self.groups.sort_unstable_by_key(Group::first_lane);
    }

    /// Takes out the group that runs next: by place, or when `fair`, the one that waited longest.
    pub(super) fn pick(&mut self, fair: bool, random: &mut Option<Random>) -> Option<Group> {
        self.merge(random);
        let ready = self.groups.iter().enumerate().filter(|(_, group)| group.wait == Wait::Ready);
        let chosen = match random {
            Some(random) => {
                let ready: Vec<usize> = ready.map(|(i, _)| i).collect();
                if ready.is_empty() { None } else { Some(ready[random.below(ready.len() as u64) as usize]) }
            }
            None if fair => ready.min_by_key(|(_, group)| group.turn).map(|(i, _)| i),
            None => ready.min_by_key(|(_, g)| (usize::MAX - g.stack.len(), g.pc)).map(|(i, _)| i),
        };
        let mut group = self.groups.swap_remove(chosen?);
        self.turns += 1;
        group.turn = self.turns;
        Some(group)
    }

    /// Where `group`, which has been taken out, would meet another if it ran straight on.
    pub(super) fn limit(&self, group: &Group) -> u32 {
        let same = |other: &&Group| other.frame == group.frame && other.pc > group.pc;
        self.groups.iter().filter(same).map(|other| other.pc).min().unwrap_or(u32::MAX)
    }

    /// Of the groups waiting at `bar.warp.sync`, frees those whose mask is complete, wherever each of them stands; their lanes.
    pub(super) fn release(&mut self, at_barrier: impl Fn(&Group) -> bool) -> Option<u32> {
        let masks: Vec<u32> = self
            .groups
            .iter()
            .filter_map(|group| match group.wait {
                Wait::Lanes(mask) if at_barrier(group) => Some(mask),
                _ => None,
            })
            .collect();
        for mask in masks {
            let waits = |group: &Group| group.wait == Wait::Lanes(mask) && at_barrier(group);
            let present =
                self.groups.iter().filter(|group| waits(group)).fold(0, |all, group| all | group.mask);
            if present & mask & self.live == mask & self.live {
                for group in &mut self.groups {
                    if waits(group) {
                        group.wait = Wait::Ready;
                        group.pc += 1;
                    }
                }
                return Some(present);
            }
        }
        None
    }
}
