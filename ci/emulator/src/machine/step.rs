//! Runs one group of lanes: arithmetic by [`super::alu`], everything else here.

use super::access::lanes;
use super::alu::{Lanes, Registers};
use super::fault::{Fault, FaultKind};
use super::local::STACK_LIMIT;
use super::state::{At, Common, Launch, Worker};
use super::warp::{Frame, Group, Return, Wait, Warp};
use crate::isa::{Call, Callee, Code, LANES, LaneMask, Op, Row, Slot, Special};
use crate::ptx::FUNCTION_WINDOW;

/// Warp instructions that a group may run while others of its warp are ready.
const TURN: u64 = 1 << 14;

/// What follows an instruction.
pub(super) enum Flow {
    /// The next one.
    Next,
    /// The group is where it should be.
    Stay,
    /// The group has been dealt with, or waits.
    Leave,
}

pub(super) type Result<T> = std::result::Result<T, Box<Fault>>;

/// A group at work.
pub(super) struct Step<'s, 'l> {
    pub(super) launch: &'s Launch<'l>,
    pub(super) worker: &'s mut Worker,
    pub(super) common: &'s mut Common,
    pub(super) warp: &'s mut Warp,
    pub(super) group: Group,
}

/// Runs a warp for about `budget` warp instructions, or with a random schedule for as many events, or until all of it waits.
pub(super) fn run_warp(
    launch: &Launch<'_>,
    worker: &mut Worker,
    common: &mut Common,
    warp: &mut Warp,
    budget: u64,
) -> Result<()> {
    let mut left = budget;
    let mut fair = false;
    while left > 0 {
        let Some(group) = warp.pick(fair, &mut worker.random) else { break };
        fair = false;
        let turn = if warp.groups.is_empty() { left } else { left.min(TURN) };
        let mut step = Step { launch, worker, common, warp, group };
        let used = step.run(turn)?;
        // A group that has had its turn lets the others go, whatever their place.
        fair = fair || used >= TURN;
        left = left.saturating_sub(used.max(1));
    }
    // Groups that wait at the same place have yet to see each other when the turn ended in between.
    warp.merge(&mut worker.random);
    if !warp.is_ready() && !warp.groups.is_empty() {
        stuck(launch, common, warp)?;
    }
    Ok(())
}

/// A warp none of whose groups can run: if nothing from outside can free them, says why.
fn stuck(launch: &Launch<'_>, common: &mut Common, warp: &mut Warp) -> Result<()> {
    let is_warp_barrier = |group: &Group| {
        let code = &launch.program.functions[group.frame.function as usize];
        match &code.instrs[group.pc as usize].op {
            Op::Collective { what, .. } => matches!(**what, crate::isa::Collective::Barrier),
            _ => false,
        }
    };
    if let Some(lanes) = warp.release(is_warp_barrier) {
        if let Some(race) = &mut common.race {
            race.sync_lanes(warp.number, lanes);
        }
        return Ok(());
    }
    if warp.groups.iter().any(|group| matches!(group.wait, Wait::Barrier(_))) {
        return Ok(());
    }
    // The group that has come least far is at what the others went around.
    warp.groups.sort_by_key(|group| group.pc);
    let at = |group: &Group| At { function: group.frame.function, pc: group.pc };
    let others = |skip: usize| {
        let others = warp.groups.iter().enumerate().filter(|(i, _)| *i != skip);
        let line =
            |group: &Group| format!("; lanes {:#010x} wait at {}", group.mask, launch.describe(at(group)));
        others.map(|(_, group)| line(group)).collect::<String>()
    };
    let mut forced = Vec::new();
    for (i, group) in warp.groups.iter().enumerate() {
        let here = at(group);
        let lane = group.mask.trailing_zeros() as usize;
        let kind = match group.wait {
            Wait::Converge if !launch.options.checks.sync => {
                forced.push(i);
                continue;
            }
            Wait::Converge => FaultKind::DivergentBarrier(format!(
                "lanes {:#010x} of a warp with lanes {:#010x} are here{}",
                group.mask,
                warp.live,
                others(i)
            )),
            Wait::Lanes(mask) => FaultKind::WarpSync(format!(
                "the mask {mask:#010x} names lanes {:#010x}, which do not come{}",
                mask & warp.live & !group.mask,
                others(i)
            )),
            _ => continue,
        };
        return Err(launch.fault(kind, common.index, warp.thread(lane), here));
    }
    // Since Volta, threads arrive at a barrier one by one.
    for i in forced.into_iter().rev() {
        let group = warp.groups.remove(i);
        let code = &launch.program.functions[group.frame.function as usize];
        if let Op::Barrier(barrier) = &code.instrs[group.pc as usize].op {
            let mut worker = Worker::new(launch, None);
            let mut step = Step { launch, worker: &mut worker, common, warp, group };
            if let Flow::Next = step.arrive(barrier)? {
                step.group.pc += 1;
                step.park(Wait::Ready);
            }
        }
    }
    Ok(())
}

impl<'s, 'l> Step<'s, 'l> {
    fn code(&self) -> &'s Code {
        &self.launch.program.functions[self.group.frame.function as usize]
    }

    pub(super) fn r32(&self, row: Row) -> &Lanes<u32> {
        &self.warp.r32[self.group.frame.base32 as usize + row as usize]
    }

    pub(super) fn r64(&self, row: Row) -> &Lanes<u64> {
        &self.warp.r64[self.group.frame.base64 as usize + row as usize]
    }

    pub(super) fn r32_mut(&mut self, row: Row) -> &mut Lanes<u32> {
        &mut self.warp.r32[self.group.frame.base32 as usize + row as usize]
    }

    pub(super) fn r64_mut(&mut self, row: Row) -> &mut Lanes<u64> {
        &mut self.warp.r64[self.group.frame.base64 as usize + row as usize]
    }

    /// Predicates of the frame.
    pub(super) fn preds(&self) -> &[u32] {
        &self.warp.preds[self.group.frame.preds as usize..]
    }

    pub(super) fn put_pred(&mut self, row: Row, value: u32, active: u32) {
        let pred = &mut self.warp.preds[self.group.frame.preds as usize + row as usize];
        *pred = *pred & !active | value & active;
    }

    pub(super) fn put32(&mut self, row: Row, values: impl Fn(usize) -> u32, active: u32) {
        let row = self.r32_mut(row);
        for lane in lanes(active) {
            row.0[lane] = values(lane);
        }
    }

    pub(super) fn at(&self) -> At {
        At { function: self.group.frame.function, pc: self.group.pc }
    }

    pub(super) fn fault(&self, lane: usize, kind: FaultKind) -> Box<Fault> {
        self.launch.fault(kind, self.common.index, self.warp.thread(lane), self.at())
    }

    /// Puts the group back among the warp's.
    fn park(&mut self, wait: Wait) {
        let mut group = self.group.clone();
        group.wait = wait;
        self.warp.groups.push(group);
    }

    /// The group waits where it is.
    pub(super) fn wait(&mut self, wait: Wait) -> Flow {
        self.park(wait);
        Flow::Leave
    }

    /// Lets the lanes outside `active` skip the instruction at hand, as a group of their own.
    fn narrow(&mut self, active: u32) {
        let rest = self.group.mask & !active;
        if rest != 0 {
            let other = self.group.detach(rest, self.group.pc + 1);
            self.warp.groups.push(other);
        }
    }

    /// Runs until the group is dealt with, has used its budget, or meets another. Returns the warp instructions (or events)
    /// used.
    fn run(&mut self, budget: u64) -> Result<u64> {
        let random = self.worker.random.is_some();
        if self.group.pc == 0 && self.group.stack.is_empty() && self.warp.preds.is_empty() {
            // Nothing of this warp has run yet.
            self.enter();
        }
        let mut used = 0;
        let mut limit = self.limit();
        loop {
            let code = self.code();
            let frame = self.group.frame;
            let start = self.group.pc;
            let registers = Registers {
                r32: &mut self.warp.r32[frame.base32 as usize..][..code.rows32 as usize],
                r64: &mut self.warp.r64[frame.base64 as usize..][..code.rows64 as usize],
                preds: &mut self.warp.preds[frame.preds as usize..][..code.preds as usize],
                carry: &mut self.warp.carry,
            };
            let stop = code.instrs.len().min(limit as usize);
            let counts = self.worker.counts.get_mut(frame.function as usize).map(Vec::as_mut_slice);
            let pc =
                (self.launch.run)(&code.instrs, start as usize, stop, self.group.mask, registers, counts);
            self.group.pc = pc as u32;
            self.worker.idle += pc as u64 - u64::from(start) + 1;
            used += if random { 0 } else { pc as u64 - u64::from(start) };
            if pc >= stop || used >= budget {
                self.park(Wait::Ready);
                return Ok(used);
            }
            used += 1;
            if self.worker.idle > self.launch.options.patience {
                let lane = self.group.mask.trailing_zeros() as usize;
                let spent = self.worker.idle;
                let text = format!("{spent} warp instructions have written nothing and passed no barrier");
                return Err(self.fault(lane, FaultKind::Deadlock(text)));
            }

            let instr = &code.instrs[pc];
            let active = instr.guard.mask(self.preds()) & self.group.mask;
            if active == 0 {
                self.group.pc += 1;
                continue;
            }
            if random && self.divide(&instr.op) {
                return Ok(used);
            }
            match self.execute(&instr.op, active)? {
                Flow::Next => self.group.pc += 1,
                Flow::Stay => {}
                Flow::Leave => return Ok(used),
            }
            self.count(frame.function, pc, active);
            if !self.warp.groups.is_empty() {
                limit = self.limit();
                // Somebody waits at this very place.
                if self.warp.groups.iter().any(|other| {
                    other.pc == self.group.pc && other.frame == self.group.frame && other.wait != Wait::Ready
                }) {
                    self.park(Wait::Ready);
                    return Ok(used);
                }
            }
            if !matches!(instr.op, Op::Branch { .. }) && used >= budget {
                self.park(Wait::Ready);
                return Ok(used);
            }
        }
    }

    fn limit(&mut self) -> u32 {
        if self.warp.groups.is_empty() {
            return u32::MAX;
        }
        // At random, lanes may pass each other.
        let pass = self.worker.random.as_mut().is_some_and(|random| random.chance(4));
        if pass { u32::MAX } else { self.warp.limit(&self.group) }
    }

    pub(super) fn count(&mut self, function: u32, pc: usize, active: u32) {
        if let Some(counts) = self.worker.counts.get_mut(function as usize) {
            counts[pc].warp += 1;
            counts[pc].thread += u64::from(active.count_ones());
        }
    }

    /// At random, before memory is touched, divides the group: threads promise nothing about each other between
    /// synchronisations.
    fn divide(&mut self, op: &Op) -> bool {
        const MOST_GROUPS: usize = 4;
        let memory = matches!(op, Op::Load(_) | Op::Store(_) | Op::Atomic(_));
        if !memory || self.group.mask.count_ones() < 2 || self.warp.groups.len() >= MOST_GROUPS {
            return false;
        }
        let Some(random) = &mut self.worker.random else { return false };
        if !random.chance(6) {
            return false;
        }
        let lanes = self.group.mask & random.next() as u32;
        if lanes == 0 || lanes == self.group.mask {
            return false;
        }
        let other = self.group.detach(lanes, self.group.pc);
        self.warp.groups.push(other);
        self.park(Wait::Ready);
        true
    }

    fn execute(&mut self, op: &Op, active: u32) -> Result<Flow> {
        match op {
            Op::Alu(_) | Op::Nop => {}
            Op::Special { d, wide, which } => self.special(*d, *wide, *which, active),
            Op::ActiveMask { d } => self.put32(*d, |_| active, active),
            Op::Load(load) => self.load(load, active)?,
            Op::Store(store) => self.store(store, active)?,
            Op::Atomic(atomic) => self.atomic(atomic, active)?,
            Op::CopyAsync(copy) => self.copy_async(copy, active)?,
            Op::Fence { device } => self.fence(*device),
            Op::Yield => {
                self.group.pc += 1;
                self.count(self.group.frame.function, self.group.pc as usize - 1, active);
                return Ok(self.wait(Wait::Ready));
            }
            Op::Collective { mask, what } => {
                self.narrow(active);
                return self.collective(*mask, what);
            }
            Op::Barrier(barrier) => {
                self.narrow(active);
                if barrier.aligned && self.group.mask != self.warp.live {
                    return Ok(self.wait(Wait::Converge));
                }
                return self.arrive(barrier);
            }
            Op::Branch { target } => {
                if active != self.group.mask {
                    // The lower part goes on, the other waits for it.
                    let next = self.group.pc + 1;
                    let other = if *target > next {
                        let other = self.group.detach(active, *target);
                        self.group.pc = next;
                        other
                    } else {
                        let rest = self.group.mask & !active;
                        let other = self.group.detach(rest, next);
                        self.group.pc = *target;
                        other
                    };
                    self.warp.groups.push(other);
                } else {
                    self.group.pc = *target;
                }
                return Ok(Flow::Stay);
            }
            Op::BranchIndex { index, targets } => {
                self.narrow(active);
                return self.branch_index(*index, targets);
            }
            Op::Call(call) => {
                self.narrow(active);
                return self.call(call);
            }
            Op::Return => {
                self.narrow(active);
                return Ok(self.leave());
            }
            Op::Exit => {
                self.count(self.group.frame.function, self.group.pc as usize, active);
                self.narrow(active);
                return Ok(self.exit());
            }
            Op::Trap => {
                let lane = active.trailing_zeros() as usize;
                return Err(self.fault(lane, FaultKind::Trap("the kernel executed a trap".into())));
            }
        }
        Ok(Flow::Next)
    }

    fn branch_index(&mut self, index: Row, targets: &[u32]) -> Result<Flow> {
        let indices = *self.r32(index);
        let mut left = self.group.mask;
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            let index = indices.0[first];
            let Some(&target) = targets.get(index as usize) else {
                let text = format!("branch to entry {index} of a table of {}", targets.len());
                return Err(self.fault(first, FaultKind::Trap(text)));
            };
            let same =
                lanes(left).filter(|&lane| indices.0[lane] == index).fold(0, |mask, lane| mask | 1 << lane);
            left &= !same;
            let group = Group { mask: same, pc: target, ..self.group.clone() };
            self.warp.groups.push(group);
        }
        self.count(self.group.frame.function, self.group.pc as usize, self.group.mask);
        Ok(Flow::Leave)
    }

    fn special(&mut self, d: Row, wide: bool, which: Special, active: u32) {
        let config = self.launch.config;
        let warps = config.block.iter().product::<u32>().div_ceil(LANES as u32);
        let uniform = match which {
            Special::Tid(axis) => {
                let row = self.warp.tid[axis as usize];
                return self.put_special(d, wide, |lane| u64::from(row.0[lane]), active);
            }
            Special::LaneId => return self.put_special(d, wide, |lane| lane as u64, active),
            Special::LaneMask(kind) => {
                let mask = |lane: usize| {
                    let bit = 1u32 << lane;
                    match kind {
                        LaneMask::Eq => bit,
                        LaneMask::Lt => bit - 1,
                        LaneMask::Le => bit | (bit - 1),
                        LaneMask::Gt => !(bit | (bit - 1)),
                        LaneMask::Ge => !(bit - 1),
                    }
                };
                return self.put_special(d, wide, |lane| u64::from(mask(lane)), active);
            }
            Special::Ntid(axis) => u64::from(config.block[axis as usize]),
            Special::Ctaid(axis) => u64::from(self.common.index[axis as usize]),
            Special::Nctaid(axis) => u64::from(config.grid[axis as usize]),
            Special::WarpId => u64::from(self.warp.number),
            Special::NumWarps => u64::from(warps),
            // Time passes, but it is the host's.
            Special::Clock | Special::GlobalTimer => self.launch.begin.elapsed().as_nanos() as u64,
            Special::SmId => 0,
            Special::NumSms | Special::GridId => 1,
            Special::DynamicShared => u64::from(config.dynamic_shared),
            Special::TotalShared => u64::from(self.launch.layout.dynamic + config.dynamic_shared),
            Special::WorkspaceHigh => self.launch.workspace >> 32,
            Special::WorkspaceLow => self.launch.workspace,
            Special::Zero => 0,
            Special::WarpSize => LANES as u64,
        };
        self.put_special(d, wide, |_| uniform, active);
    }

    fn put_special(&mut self, d: Row, wide: bool, value: impl Fn(usize) -> u64, active: u32) {
        if wide {
            let row = self.r64_mut(d);
            lanes(active).for_each(|lane| row.0[lane] = value(lane));
        } else {
            self.put32(d, |lane| value(lane) as u32, active);
        }
    }

    /// Fills in the immediates of the group's frame, which it has just entered.
    pub(super) fn enter(&mut self) {
        fn grow<T: Copy>(rows: &mut Vec<T>, end: u32, empty: T) {
            if rows.len() < end as usize {
                rows.resize(end as usize, empty);
            }
        }
        let frame = self.group.frame;
        let code = self.code();
        // The kernel's own rows belong to all lanes.
        let lanes = if self.group.stack.is_empty() { u32::MAX } else { self.group.mask };
        grow(&mut self.warp.r32, frame.base32 + code.rows32, Lanes([0; LANES]));
        grow(&mut self.warp.r64, frame.base64 + code.rows64, Lanes([0; LANES]));
        grow(&mut self.warp.preds, frame.preds + code.preds, 0);
        self.warp.preds[frame.preds as usize] |= lanes;
        let constants = &self.launch.constants[frame.function as usize];
        for constant in &constants.in32 {
            let base = if constant.local { frame.local } else { 0 };
            let value = (constant.value as u32).wrapping_add(base);
            let row = &mut self.warp.r32[frame.base32 as usize + constant.row as usize];
            super::access::lanes(lanes).for_each(|lane| row.0[lane] = value);
        }
        for constant in &constants.in64 {
            let base = if constant.local { u64::from(frame.local) } else { 0 };
            let value = constant.value.wrapping_add(base);
            let row = &mut self.warp.r64[frame.base64 as usize + constant.row as usize];
            super::access::lanes(lanes).for_each(|lane| row.0[lane] = value);
        }
        self.warp.local.enter(frame.local, frame.local + code.frame_bytes, lanes);
    }

    fn call(&mut self, call: &Call) -> Result<Flow> {
        let function = match call.callee {
            Callee::Direct(function) => function,
            Callee::Printf => {
                self.printf(call)?;
                return Ok(Flow::Next);
            }
            Callee::AssertFail => return Err(self.assertion(call)?),
            Callee::Indirect(row) => {
                let targets = *self.r64(row);
                let first = self.group.mask.trailing_zeros() as usize;
                let target = targets.0[first];
                // Lanes that call something else go by themselves.
                let same = lanes(self.group.mask)
                    .filter(|&lane| targets.0[lane] == target)
                    .fold(0, |mask, lane| mask | 1 << lane);
                let rest = self.group.mask & !same;
                if rest != 0 {
                    let other = self.group.detach(rest, self.group.pc);
                    self.warp.groups.push(other);
                }
                let number = target.wrapping_sub(FUNCTION_WINDOW);
                match u32::try_from(number / 16) {
                    Ok(function)
                        if number.is_multiple_of(16)
                            && (function as usize) < self.launch.program.functions.len() =>
                    {
                        function
                    }
                    _ => {
                        let text = format!("call of {target:#x}, which is no function");
                        return Err(self.fault(first, FaultKind::Trap(text)));
                    }
                }
            }
        };
        let caller = self.code();
        let callee = &self.launch.program.functions[function as usize];
        let from = self.group.frame;
        let frame = Frame {
            function,
            base32: from.base32 + caller.rows32,
            base64: from.base64 + caller.rows64,
            preds: from.preds + caller.preds,
            local: from.local + caller.frame_bytes,
        };
        if frame.local + callee.frame_bytes > STACK_LIMIT || self.group.stack.len() > 1 << 12 {
            let lane = self.group.mask.trailing_zeros() as usize;
            return Err(self.fault(lane, FaultKind::StackOverflow(u64::from(STACK_LIMIT))));
        }
        let pc = self.group.pc + 1;
        self.group.stack.push(Return { frame: from, pc, results: call.results.clone() });
        self.group.frame = frame;
        self.group.pc = 0;
        self.enter();
        for (arg, param) in call.args.iter().zip(&callee.params) {
            let arg = Slot { offset: arg.offset + from.local, ..*arg };
            let param = Slot { offset: param.offset + frame.local, ..*param };
            self.warp.local.copy(arg, param, self.group.mask);
        }
        Ok(Flow::Stay)
    }

    fn leave(&mut self) -> Flow {
        let at = self.at();
        let mask = self.group.mask;
        let Some(back) = self.group.stack.pop() else {
            self.count(at.function, at.pc as usize, mask);
            return self.exit();
        };
        let (frame, code) = (self.group.frame, self.code());
        for (result, target) in code.results.iter().zip(&back.results) {
            let from = Slot { offset: result.offset + frame.local, ..*result };
            let to = Slot { offset: target.offset + back.frame.local, ..*target };
            self.warp.local.copy(from, to, mask);
        }
        self.group.frame = back.frame;
        self.group.pc = back.pc;
        if self.warp.groups.is_empty() {
            return Flow::Stay;
        }
        // Others may be deeper, and go first.
        self.count(at.function, at.pc as usize, mask);
        self.wait(Wait::Ready)
    }

    fn exit(&mut self) -> Flow {
        let count = self.group.mask.count_ones();
        self.warp.live &= !self.group.mask;
        self.common.live -= count;
        self.common.exited += count;
        // Whoever waits for these lanes waits no longer.
        for group in &mut self.warp.groups {
            if matches!(group.wait, Wait::Lanes(_) | Wait::Converge) {
                group.wait = Wait::Ready;
            }
        }
        Flow::Leave
    }

    fn fence(&mut self, device: bool) {
        if let (Some(race), true) = (&mut self.worker.race, device) {
            race.fence(self.common.linear);
        }
    }
}
