//! What the lanes of a warp do together, and the barriers of a block.

use super::access::lanes;
use super::fault::FaultKind;
use super::state::Gate;
use super::step::{Flow, Result, Step};
use super::warp::{Group, Wait, Warp};
use crate::isa::{Barrier, BarrierRed, Collective, LANES, Op, Reduce, Row, ShuffleMode, VoteMode};

impl Step<'_, '_> {
    /// A warp-wide operation of the group. It happens when all the lanes that the mask names, and that have not exited, are here.
    pub(super) fn collective(&mut self, mask: Row, what: &Collective) -> Result<Flow> {
        let masks = *self.r32(mask);
        let first = self.group.mask.trailing_zeros() as usize;
        let members = masks.0[first];
        // Lanes that name other members form a group of their own.
        let same =
            lanes(self.group.mask).filter(|&lane| masks.0[lane] == members).fold(0, |m, lane| m | 1 << lane);
        let rest = self.group.mask & !same;
        if rest != 0 {
            let other = self.group.detach(rest, self.group.pc);
            self.warp.groups.push(other);
        }
        if same & !members != 0 {
            let lane = (same & !members).trailing_zeros() as usize;
            let text = format!("the mask {members:#010x} leaves out lane {lane}, which executes it");
            return Err(self.fault(lane, FaultKind::WarpSync(text)));
        }
        if members & self.warp.live & !same != 0 {
            return Ok(self.wait(Wait::Lanes(members)));
        }
        if let Some(race) = &mut self.common.race {
            race.sync_lanes(self.warp.number, same);
        }
        self.perform(what, same)?;
        if rest != 0 {
            // Before going on, the others get their turn.
            self.count(self.group.frame.function, self.group.pc as usize, same);
            self.group.pc += 1;
            return Ok(self.wait(Wait::Ready));
        }
        Ok(Flow::Next)
    }

    fn perform(&mut self, what: &Collective, active: u32) -> Result<()> {
        match *what {
            Collective::Barrier => {}
            Collective::Shuffle { mode, d, p, a, b, c } => {
                let (values, amounts, controls) = (*self.r32(a), *self.r32(b), *self.r32(c));
                let mut results = [0; LANES];
                let mut valid = 0;
                for lane in lanes(active) {
                    let (source, inside) =
                        shuffle_source(mode, lane as u32, amounts.0[lane], controls.0[lane]);
                    if self.launch.options.checks.sync && active >> source & 1 == 0 {
                        let text = format!("lane {lane} reads from lane {source}, which does not take part");
                        return Err(self.fault(lane, FaultKind::WarpSync(text)));
                    }
                    results[lane] = values.0[source as usize];
                    valid |= u32::from(inside) << lane;
                }
                if let Some(d) = d {
                    self.put32(d, |lane| results[lane], active);
                }
                if let Some(p) = p {
                    self.put_pred(p, valid, active);
                }
            }
            Collective::Vote { mode, d, a } => {
                let votes = a.mask(self.preds()) & active;
                let all = |holds: bool| if holds { u32::MAX } else { 0 };
                match mode {
                    VoteMode::Ballot => self.put32(d, |_| votes, active),
                    VoteMode::All => self.put_pred(d, all(votes == active), active),
                    VoteMode::Any => self.put_pred(d, all(votes != 0), active),
                    VoteMode::Uniform => self.put_pred(d, all(votes == 0 || votes == active), active),
                }
            }
            Collective::MatchAny { d, a, wide } => {
                let values = self.either(a, wide);
                let equal = |lane: usize| {
                    lanes(active)
                        .filter(|&other| values[other] == values[lane])
                        .fold(0, |mask, other| mask | 1 << other)
                };
                self.put32(d, equal, active);
            }
            Collective::MatchAll { d, p, a, wide } => {
                let values = self.either(a, wide);
                let first = values[active.trailing_zeros() as usize];
                let all = lanes(active).all(|lane| values[lane] == first);
                self.put32(d, |_| if all { active } else { 0 }, active);
                if let Some(p) = p {
                    self.put_pred(p, if all { u32::MAX } else { 0 }, active);
                }
            }
            Collective::Redux { f, d, a } => {
                let values = *self.r32(a);
                let combine = |x: u32, y: u32| match f {
                    Reduce::Add => x.wrapping_add(y),
                    Reduce::MinU => x.min(y),
                    Reduce::MinS => (x as i32).min(y as i32) as u32,
                    Reduce::MaxU => x.max(y),
                    Reduce::MaxS => (x as i32).max(y as i32) as u32,
                    Reduce::And => x & y,
                    Reduce::Or => x | y,
                    Reduce::Xor => x ^ y,
                };
                let result = lanes(active).map(|lane| values.0[lane]).reduce(combine).unwrap_or(0);
                self.put32(d, |_| result, active);
            }
            Collective::Elect { d, p } => {
                let leader = active.trailing_zeros();
                if let Some(d) = d {
                    self.put32(d, |_| leader, active);
                }
                self.put_pred(p, 1 << leader, active);
            }
        }
        Ok(())
    }

    fn either(&self, row: Row, wide: bool) -> [u64; LANES] {
        if wide { self.r64(row).0 } else { self.r32(row).0.map(u64::from) }
    }

    /// Arrives at a barrier of the block; whether it opens is looked at when the warp stops.
    pub(super) fn arrive(&mut self, barrier: &Barrier) -> Result<Flow> {
        let lane = self.group.mask.trailing_zeros() as usize;
        let id = self.r32(barrier.id).0[lane];
        let threads = barrier.threads.map(|row| self.r32(row).0[lane]);
        let ids = self.r32(barrier.id).0;
        if id > 15 || lanes(self.group.mask).any(|lane| ids[lane] != id) {
            let text = format!("barrier {id}: the number must be below 16 and the same in all lanes");
            return Err(self.fault(lane, FaultKind::DivergentBarrier(text)));
        }
        if threads.is_some_and(|threads| threads % LANES as u32 != 0 || threads == 0) {
            let text = format!("{} threads are not a whole number of warps", threads.unwrap_or(0));
            return Err(self.fault(lane, FaultKind::DivergentBarrier(text)));
        }
        let at = self.at();
        let whole = self.group.mask == self.warp.live;
        // Barriers with a count of threads count warps.
        let count = if threads.is_some() && whole { LANES as u32 } else { self.group.mask.count_ones() };
        let yes = barrier.red.map_or(0, |(_, vote)| (vote.mask(self.preds()) & self.group.mask).count_ones());
        let gate = &mut self.common.gates[id as usize];
        if !gate.used {
            *gate = Gate { used: true, expected: threads, first: at, ..Gate::default() };
        } else if gate.expected != threads {
            let text = format!("barrier {id} is waited for with different numbers of threads");
            return Err(self.fault(lane, FaultKind::DivergentBarrier(text)));
        }
        gate.arrived += count;
        gate.yes += yes;
        if !gate.warps.contains(&self.warp.number) {
            gate.warps.push(self.warp.number);
        }
        if barrier.arrive {
            return Ok(Flow::Next);
        }
        self.count(at.function, at.pc as usize, self.group.mask);
        Ok(self.wait(Wait::Barrier(id as u8)))
    }
}

/// The lane that `lane` reads from, and whether that is inside its segment.
fn shuffle_source(mode: ShuffleMode, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let amount = b & 31;
    let clamp = c & 31;
    let segment = c >> 8 & 31;
    let top = (lane & segment) | (clamp & !segment);
    let bottom = lane & segment;
    let (source, inside) = match mode {
        ShuffleMode::Up => {
            let source = lane.wrapping_sub(amount);
            (source, source as i32 >= top as i32)
        }
        ShuffleMode::Down => (lane + amount, lane + amount <= top),
        ShuffleMode::Butterfly => (lane ^ amount, lane ^ amount <= top),
        ShuffleMode::Index => {
            let source = bottom | (amount & !segment);
            (source, source <= top)
        }
    };
    if inside { (source, true) } else { (lane, false) }
}

/// Opens barrier `id` if all who must have come: frees those who wait there. `instr` says what a group waits at.
pub(super) fn open<'i>(gate: &Gate, id: u8, warps: &mut [Warp], instr: impl Fn(&Group) -> &'i Op) {
    for warp in warps {
        for i in 0..warp.groups.len() {
            if warp.groups[i].wait != Wait::Barrier(id) {
                continue;
            }
            let group = &warp.groups[i];
            let (frame, mask) = (group.frame, group.mask);
            if let Op::Barrier(barrier) = instr(group)
                && let Some((red, _)) = barrier.red
            {
                let mut put = |d: Row, holds: bool| {
                    let pred = &mut warp.preds[frame.preds as usize + d as usize];
                    *pred = if holds { *pred | mask } else { *pred & !mask };
                };
                match red {
                    BarrierRed::And { d } => put(d, gate.yes >= gate.arrived),
                    BarrierRed::Or { d } => put(d, gate.yes > 0),
                    BarrierRed::Popc { d } => {
                        let row = &mut warp.r32[frame.base32 as usize + d as usize];
                        lanes(mask).for_each(|lane| row.0[lane] = gate.yes);
                    }
                }
            }
            let group = &mut warp.groups[i];
            group.wait = Wait::Ready;
            group.pc += 1;
        }
    }
}
