//! The race check: happens-before with vector clocks, on three levels.
//!
//! - Lanes of one warp are ordered by warp-wide operations (`__syncwarp`, shuffles, votes) that both take part in.
//! - Warps of one block are ordered by the barriers of the block.
//! - Blocks are ordered by a fence, an atomic (or `volatile`, or stronger) write, and an atomic read that comes after it.
//!
//! Every word remembers its accesses that nothing later is ordered after; one that conflicts with them, and is not ordered after them, is a race.
//! Atomics do not race with each other, nor does a write with a write of the same value.

use std::collections::HashMap;

use super::access::lanes;
use super::fault::{FaultKind, Space};
use super::state::At;
use super::step::{Result, Step};
use crate::isa::{LANES, Order};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    Atomic,
}

impl Access {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Atomic => "atomic operation",
        }
    }
}

/// An access that a word remembers.
#[derive(Clone, Copy, Debug)]
struct Record {
    kind: Access,
    /// Atomic, volatile, or stronger.
    strong: bool,
    /// Bytes of the word.
    bytes: u8,
    block: u64,
    warp: u32,
    lanes: u32,
    block_clock: u32,
    warp_clock: u32,
    lane_clock: u32,
    at: At,
}

/// The words of a memory.
type Words = HashMap<u64, Vec<Record>>;

type Matrix = Box<[[u32; 32]; 32]>;

/// What the lanes and warps of a block know of each other: `knows[a][b]` is the last clock of `b` that `a` is ordered after.
#[derive(Debug)]
pub(super) struct BlockRace {
    words: Words,
    warp_clock: [u32; 32],
    warp_knows: Matrix,
    lane_clock: Vec<[u32; 32]>,
    lane_knows: Vec<Matrix>,
}

fn join(clock: &mut [u32; 32], knows: &mut Matrix, who: impl Iterator<Item = usize> + Clone) {
    let mut joined = [0; 32];
    for i in who.clone() {
        for (joined, known) in joined.iter_mut().zip(&knows[i]) {
            *joined = (*joined).max(*known);
        }
        joined[i] = clock[i];
    }
    for i in who {
        knows[i] = joined;
        clock[i] += 1;
    }
}

impl BlockRace {
    pub(super) fn new(warps: usize) -> Self {
        let matrix = || Box::new([[0; 32]; 32]);
        Self {
            words: HashMap::new(),
            warp_clock: [1; 32],
            warp_knows: matrix(),
            lane_clock: vec![[1; 32]; warps],
            lane_knows: (0..warps).map(|_| matrix()).collect(),
        }
    }

    /// A warp-wide operation of the lanes of `mask`.
    pub(super) fn sync_lanes(&mut self, warp: u32, mask: u32) {
        let warp = warp as usize;
        join(&mut self.lane_clock[warp], &mut self.lane_knows[warp], lanes(mask));
    }

    /// A barrier of these warps.
    pub(super) fn sync_warps(&mut self, warps: &[u32]) {
        join(&mut self.warp_clock, &mut self.warp_knows, warps.iter().map(|&warp| warp as usize));
        warps.iter().for_each(|&warp| self.sync_lanes(warp, u32::MAX));
    }
}

/// What a release published.
#[derive(Clone, Debug, Default)]
struct Published {
    blocks: HashMap<u64, u32>,
    /// The releasing block, and what its warps knew.
    warps: Option<(u64, [u32; 32])>,
}

/// What blocks know of each other.
#[derive(Debug, Default)]
pub(super) struct GlobalRace {
    words: Words,
    /// Goes up with every fence of the block; from 1.
    clocks: HashMap<u64, u32>,
    knows: HashMap<u64, HashMap<u64, u32>>,
    locations: HashMap<u64, Published>,
}

impl GlobalRace {
    fn clock(&self, block: u64) -> u32 {
        self.clocks.get(&block).copied().unwrap_or(1)
    }

    /// What `block` did so far may now be published.
    pub(super) fn fence(&mut self, block: u64) {
        *self.clocks.entry(block).or_insert(1) += 1;
    }

    fn acquire(&mut self, location: u64, block: u64, warp: u32, race: &mut BlockRace) {
        let Some(published) = self.locations.get(&location) else { return };
        let known = self.knows.entry(block).or_default();
        for (&other, &clock) in published.blocks.iter().filter(|(other, _)| **other != block) {
            let entry = known.entry(other).or_insert(0);
            *entry = (*entry).max(clock);
        }
        if let Some((_, warps)) = published.warps.filter(|(from, _)| *from == block) {
            for (known, clock) in race.warp_knows[warp as usize].iter_mut().zip(warps) {
                *known = (*known).max(clock);
            }
        }
    }

    fn release(&mut self, location: u64, block: u64, warp: u32, race: &mut BlockRace) {
        let clock = self.clock(block) - 1;
        let published = self.locations.entry(location).or_default();
        if let Some(known) = self.knows.get(&block) {
            for (&other, &clock) in known {
                let entry = published.blocks.entry(other).or_insert(0);
                *entry = (*entry).max(clock);
            }
        }
        let entry = published.blocks.entry(block).or_insert(0);
        *entry = (*entry).max(clock);
        // Within the block the warp's own history counts up to now.
        let warp = warp as usize;
        let mut knows = race.warp_knows[warp];
        knows[warp] = race.warp_clock[warp];
        race.warp_clock[warp] += 1;
        if let Some((_, old)) = published.warps.filter(|(from, _)| *from == block) {
            knows.iter_mut().zip(old).for_each(|(new, old)| *new = (*new).max(old));
        }
        published.warps = Some((block, knows));
    }
}

/// Whether the access `old` is ordered before one by `lane` of `now`.
fn ordered(old: &Record, now: &Record, lane: usize, block: &BlockRace, global: Option<&GlobalRace>) -> bool {
    if old.block != now.block {
        let known = global.and_then(|global| global.knows.get(&now.block)?.get(&old.block).copied());
        return known.unwrap_or(0) >= old.block_clock;
    }
    if old.warp != now.warp {
        return block.warp_knows[now.warp as usize][old.warp as usize] >= old.warp_clock;
    }
    let knows = &block.lane_knows[now.warp as usize][lane];
    lanes(old.lanes).all(|other| other == lane || knows[other] >= old.lane_clock)
}

fn conflict(old: &Record, now: &Record) -> bool {
    let harmless = (old.kind == Access::Read && now.kind == Access::Read) || (old.strong && now.strong);
    old.bytes & now.bytes != 0 && !harmless
}

/// Enters an access of one lane into a word; what it races with, if anything.
fn enter(
    word: &mut Vec<Record>,
    now: Record,
    lane: usize,
    same_value: impl Fn(&Record) -> bool,
    block: &BlockRace,
    global: Option<&GlobalRace>,
) -> Option<Record> {
    for old in word.iter() {
        let benign = old.kind == Access::Write && now.kind == Access::Write && same_value(old);
        if conflict(old, &now) && !benign && !ordered(old, &now, lane, block, global) {
            return Some(*old);
        }
    }
    // Later accesses that are ordered after this one are ordered after what it replaces.
    word.retain(|old| {
        let covered = old.bytes & !now.bytes == 0 && (now.kind != Access::Read || old.kind == Access::Read);
        !(covered && ordered(old, &now, lane, block, global))
    });
    let merged = word.iter_mut().find(|old| {
        old.kind == now.kind
            && old.kind == Access::Read
            && (old.bytes, old.block, old.warp, old.at) == (now.bytes, now.block, now.warp, now.at)
            && (old.block_clock, old.warp_clock, old.lane_clock)
                == (now.block_clock, now.warp_clock, now.lane_clock)
    });
    match merged {
        Some(old) => old.lanes |= now.lanes,
        None => word.push(now),
    }
    None
}

impl Step<'_, '_> {
    /// Tells the race check of an access, before it happens.
    #[allow(clippy::too_many_arguments)]
    #[inline]
    pub(super) fn track(
        &mut self,
        space: Space,
        mask: u32,
        addresses: &[u64; LANES],
        bytes: u32,
        kind: Access,
        order: Order,
        values: Option<[u64; LANES]>,
    ) -> Result<()> {
        if self.common.race.is_none() || !matches!(space, Space::Global | Space::Shared) {
            return Ok(());
        }
        self.check_race(space, mask, addresses, bytes, kind, order, values)
    }

    #[allow(clippy::too_many_arguments)]
    fn check_race(
        &mut self,
        space: Space,
        mask: u32,
        addresses: &[u64; LANES],
        bytes: u32,
        kind: Access,
        order: Order,
        values: Option<[u64; LANES]>,
    ) -> Result<()> {
        let (Some(mut block), Some(mut global)) = (self.common.race.take(), self.worker.race.take()) else {
            return Ok(());
        };
        let strong = kind == Access::Atomic || order != Order::Weak;
        let (linear, warp) = (self.common.linear, self.warp.number);
        if strong && kind != Access::Write && space == Space::Global {
            lanes(mask).for_each(|lane| global.acquire(addresses[lane], linear, warp, &mut block));
        }
        if strong && matches!(order, Order::Release | Order::AcqRel) {
            global.fence(linear);
        }
        let mut found = None;
        'lanes: for lane in lanes(mask) {
            let current = values.and_then(|_| self.current(space, addresses[lane], bytes));
            let keep = u64::MAX >> (64 - 8 * bytes.min(8));
            let unchanged = values.is_some_and(|values| current == Some(values[lane] & keep));
            let mut at = addresses[lane];
            let end = at + u64::from(bytes);
            while at < end {
                let word = at / 4;
                let stop = end.min((word + 1) * 4);
                let part = (at % 4..stop - word * 4).fold(0u8, |bits, byte| bits | 1 << byte);
                let now = Record {
                    kind,
                    strong,
                    bytes: part,
                    block: linear,
                    warp,
                    lanes: 1 << lane,
                    block_clock: global.clock(linear),
                    warp_clock: block.warp_clock[warp as usize],
                    lane_clock: block.lane_clock[warp as usize][lane],
                    at: self.at(),
                };
                let same_value = |old: &Record| {
                    // Of one instruction, compare the lanes; else what is there already.
                    let together = old.at == now.at && old.warp == warp && old.block == linear;
                    let other = old.lanes.trailing_zeros() as usize;
                    unchanged
                        || together
                            && values.is_some_and(|values| values[other] & keep == values[lane] & keep)
                };
                let race = if space == Space::Shared {
                    let mut records = block.words.remove(&word).unwrap_or_default();
                    let race = enter(&mut records, now, lane, same_value, &block, None);
                    block.words.insert(word, records);
                    race
                } else {
                    let mut records = global.words.remove(&word).unwrap_or_default();
                    let race = enter(&mut records, now, lane, same_value, &block, Some(&global));
                    global.words.insert(word, records);
                    race
                };
                if let Some(old) = race {
                    found = Some((lane, word * 4, old));
                    break 'lanes;
                }
                at = stop;
            }
        }
        if strong && kind != Access::Read && space == Space::Global {
            lanes(mask).for_each(|lane| global.release(addresses[lane], linear, warp, &mut block));
        }
        self.common.race = Some(block);
        self.worker.race = Some(global);
        match found {
            None => Ok(()),
            Some((lane, address, old)) => Err(self.race_fault(space, lane, address, kind, &old)),
        }
    }

    /// What memory holds now, for a write of at most eight bytes.
    fn current(&self, space: Space, address: u64, bytes: u32) -> Option<u64> {
        if bytes > 8 {
            return None;
        }
        if space == Space::Shared {
            return Some(self.common.shared.load(address, bytes));
        }
        let view = &self.launch.view;
        let block = &view.blocks[view.locate(address, u64::from(bytes)).ok()?];
        let mut value = [0; 8];
        block.region.read((address - block.info.ptr) as usize, &mut value[..bytes as usize]);
        Some(u64::from_le_bytes(value))
    }

    fn race_fault(
        &self,
        space: Space,
        lane: usize,
        address: u64,
        kind: Access,
        old: &Record,
    ) -> Box<super::fault::Fault> {
        let [x, y, z] = self.launch.config.block;
        let thread = old.warp * LANES as u32 + old.lanes.trailing_zeros();
        let [tx, ty, tz] = [thread % x, thread / x % y, thread / (x * y) % z];
        let mut other = format!("{} by thread ({tx},{ty},{tz})", old.kind.name());
        if old.block != self.common.linear {
            let [bx, by, bz] = super::grid::block_index(self.launch.config.grid, old.block);
            other += &format!(" of block ({bx},{by},{bz})");
        } else if old.warp == self.warp.number {
            other += " of the same warp (no __syncwarp between them)";
        }
        other += &format!(" at {}", self.launch.describe(old.at));
        self.fault(lane, FaultKind::Race { space, address, this: kind.name(), other })
    }
}
