//! Runs the blocks of a grid: side by side on the host's threads, or on one thread in turns, or at random.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::collective::open;
use super::fault::{Fault, FaultKind};
use super::race::BlockRace;
use super::random::Random;
use super::shared::Shared;
use super::state::{At, Block, Common, Gate, Launch, Worker};
use super::step::{Result, run_warp};
use super::warp::{Wait, Warp};
use crate::isa::LANES;

/// Warp instructions of a warp's turn.
const TURN: u64 = 1 << 16;

/// Blocks that a random schedule mixes.
const MIXED: usize = 8;

/// `blockIdx` of a block by number.
pub(super) fn block_index(grid: [u32; 3], linear: u64) -> [u32; 3] {
    let [x, y] = [u64::from(grid[0]), u64::from(grid[1])];
    [(linear % x) as u32, (linear / x % y) as u32, (linear / (x * y)) as u32]
}

impl Block {
    fn new(launch: &Launch<'_>) -> Self {
        let threads = launch.config.block.iter().product::<u32>();
        let warps = (0..threads.div_ceil(LANES as u32)).map(|number| Warp::new(number, launch.config.block));
        let common = Common {
            index: [0; 3],
            linear: 0,
            shared: Shared::default(),
            gates: Default::default(),
            live: 0,
            exited: 0,
            race: None,
        };
        Self { warps: warps.collect(), common }
    }

    /// Makes this the block of this number, at its start.
    fn start(&mut self, launch: &Launch<'_>, linear: u64) {
        let threads = launch.config.block.iter().product::<u32>();
        for warp in &mut self.warps {
            let first = warp.number * LANES as u32;
            let lanes = u32::MAX >> (LANES as u32 - (threads - first).min(LANES as u32));
            // Nothing of the block before is left.
            warp.r32.clear();
            warp.r64.clear();
            warp.preds.clear();
            warp.start(launch.function, lanes);
        }
        let common = &mut self.common;
        common.index = block_index(launch.config.grid, linear);
        common.linear = linear;
        common.shared.reset(launch.layout, launch.config.dynamic_shared);
        common.gates = Default::default();
        common.live = threads;
        common.exited = 0;
        common.race = launch.options.checks.race.then(|| BlockRace::new(self.warps.len()));
    }

    fn is_done(&self) -> bool {
        self.warps.iter().all(|warp| warp.groups.is_empty())
    }

    fn is_ready(&self) -> bool {
        self.warps.iter().any(Warp::is_ready)
    }

    /// Runs one warp, then opens the barriers that it completed.
    fn run(&mut self, launch: &Launch<'_>, worker: &mut Worker, warp: usize, budget: u64) -> Result<()> {
        run_warp(launch, worker, &mut self.common, &mut self.warps[warp], budget)?;
        for id in 0..self.common.gates.len() {
            let gate = &self.common.gates[id];
            if gate.used && gate.arrived >= gate.expected.unwrap_or(self.common.live) && gate.arrived > 0 {
                self.open(launch, worker, id)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, launch: &Launch<'_>, worker: &mut Worker, id: usize) -> Result<()> {
        let gate = std::mem::take(&mut self.common.gates[id]);
        if launch.options.checks.sync && gate.expected.is_none() && self.common.exited > 0 {
            let text = format!("{} threads of the block have exited without reaching it", self.common.exited);
            let thread = self.waiting(Some(id as u8)).map_or([0; 3], |(thread, _)| thread);
            return Err(launch.fault(
                FaultKind::DivergentBarrier(text),
                self.common.index,
                thread,
                gate.first,
            ));
        }
        worker.idle = 0;
        if let Some(race) = &mut self.common.race {
            race.sync_warps(&gate.warps);
        }
        open(&gate, id as u8, &mut self.warps, |group| {
            &launch.program.functions[group.frame.function as usize].instrs[group.pc as usize].op
        });
        Ok(())
    }

    /// A thread that waits at a barrier (at this one), and where.
    fn waiting(&self, id: Option<u8>) -> Option<([u32; 3], At)> {
        let found = self.warps.iter().flat_map(|warp| warp.groups.iter().map(move |group| (warp, group)));
        let mut found = found.filter(|(_, group)| match (group.wait, id) {
            (Wait::Barrier(at), Some(id)) => at == id,
            (wait, None) => wait != Wait::Ready,
            _ => false,
        });
        let (warp, group) = found.next()?;
        let at = At { function: group.frame.function, pc: group.pc };
        Some((warp.thread(group.mask.trailing_zeros() as usize), at))
    }

    /// Nothing of the block can run.
    fn deadlock(&self, launch: &Launch<'_>) -> Box<Fault> {
        let mut text = "every thread that is left waits".to_string();
        for (id, gate) in self.common.gates.iter().enumerate().filter(|(_, gate)| gate.used) {
            let Gate { arrived, expected, first, .. } = gate;
            let needed = expected.unwrap_or(self.common.live);
            text += &format!(
                "; {arrived} of {needed} threads are at barrier {id}, at {}",
                launch.describe(*first)
            );
        }
        match self.waiting(None) {
            Some((thread, at)) => launch.fault(FaultKind::Deadlock(text), self.common.index, thread, at),
            None => Box::new(FaultKind::Deadlock(text).into()),
        }
    }

    /// Runs every warp that can for one turn.
    fn round(&mut self, launch: &Launch<'_>, worker: &mut Worker) -> Result<()> {
        for warp in 0..self.warps.len() {
            if self.warps[warp].is_ready() {
                self.run(launch, worker, warp, TURN)?;
            }
        }
        Ok(())
    }
}

/// Runs the grid; what the workers counted.
pub(super) fn run(launch: &Launch<'_>) -> std::result::Result<Vec<Worker>, Box<Fault>> {
    let blocks: u64 = launch.config.grid.iter().map(|&extent| u64::from(extent)).product();
    let seed = launch.options.seed;
    if seed.is_some() || launch.config.cooperative {
        let mut worker = Worker::new(launch, seed.map(Random::new));
        match seed {
            Some(_) => at_random(launch, &mut worker, blocks)?,
            None => in_turns(launch, &mut worker, blocks)?,
        }
        return Ok(vec![worker]);
    }

    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let done = Mutex::new((Vec::new(), None::<(u64, Box<Fault>)>));
    let work = || {
        let mut worker = Worker::new(launch, None);
        let mut block = Block::new(launch);
        // In order, so that a block that waits for those before it waits for blocks that run.
        while !stop.load(Relaxed) {
            let linear = next.fetch_add(1, Relaxed);
            if linear >= blocks {
                break;
            }
            block.start(launch, linear);
            worker.idle = 0;
            if let Err(fault) = alone(launch, &mut worker, &mut block) {
                stop.store(true, Relaxed);
                let mut done = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if done.1.as_ref().is_none_or(|(first, _)| linear < *first) {
                    done.1 = Some((linear, fault));
                }
            }
        }
        done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).0.push(worker);
    };
    let threads = launch.options.threads.unwrap_or_else(rayon::current_num_threads).max(1);
    // The race check compares blocks with each other, in one place.
    let threads =
        if launch.options.checks.race { 1 } else { threads.min(blocks.try_into().unwrap_or(usize::MAX)) };
    if threads <= 1 {
        work();
    } else {
        rayon::scope(|scope| (0..threads).for_each(|_| scope.spawn(|_| work())));
    }
    let (workers, fault) = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    match fault {
        Some((_, fault)) => Err(fault),
        None => Ok(workers),
    }
}

/// One block to its end.
fn alone(launch: &Launch<'_>, worker: &mut Worker, block: &mut Block) -> Result<()> {
    while !block.is_done() {
        if !block.is_ready() {
            return Err(block.deadlock(launch));
        }
        block.round(launch, worker)?;
    }
    Ok(())
}

/// All blocks at the same time, each warp for a turn.
fn in_turns(launch: &Launch<'_>, worker: &mut Worker, blocks: u64) -> Result<()> {
    let mut resident: Vec<Block> = (0..blocks)
        .map(|linear| {
            let mut block = Block::new(launch);
            block.start(launch, linear);
            block
        })
        .collect();
    while !resident.is_empty() {
        if !resident.iter().any(Block::is_ready) {
            return Err(resident[0].deadlock(launch));
        }
        for block in &mut resident {
            block.round(launch, worker)?;
        }
        resident.retain(|block| !block.is_done());
    }
    Ok(())
}

/// A few blocks at a time (all of them in a cooperative launch), a random warp of a random block for a few events.
fn at_random(launch: &Launch<'_>, worker: &mut Worker, blocks: u64) -> Result<()> {
    let mixed = if launch.config.cooperative { blocks as usize } else { MIXED };
    // Blocks not begun, in a random order: the i-th entry of a Fisher-Yates shuffle that is done as it is needed.
    let mut order: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
    let mut begun = 0;
    let mut resident: Vec<Block> = Vec::new();
    let mut spare: Vec<Block> = Vec::new();
    loop {
        while begun < blocks && resident.len() < mixed {
            let Some(random) = &mut worker.random else { return Ok(()) };
            let other = begun + random.below(blocks - begun);
            let mine = order.remove(&begun).unwrap_or(begun);
            let linear = if other == begun { mine } else { order.insert(other, mine).unwrap_or(other) };
            let mut block = spare.pop().unwrap_or_else(|| Block::new(launch));
            block.start(launch, linear);
            resident.push(block);
            begun += 1;
        }
        let ready: Vec<(usize, usize)> = resident
            .iter()
            .enumerate()
            .flat_map(|(b, block)| {
                let warps = block.warps.iter().enumerate().filter(|(_, warp)| warp.is_ready());
                warps.map(move |(w, _)| (b, w))
            })
            .collect();
        if ready.is_empty() {
            match resident.first() {
                None => return Ok(()),
                Some(block) => return Err(block.deadlock(launch)),
            }
        }
        let Some(random) = &mut worker.random else { return Ok(()) };
        let (b, w) = ready[random.below(ready.len() as u64) as usize];
        let events = 1 + random.below(16);
        resident[b].run(launch, worker, w, events)?;
        if resident[b].is_done() {
            spare.push(resident.swap_remove(b));
        }
    }
}
