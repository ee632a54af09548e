//! Branches, calls, barriers, and what the lanes of a warp do together.

use super::{Decoder, Home, Result};
use crate::isa::{Barrier, BarrierRed, Call, Callee, Collective, Op, Reduce, ShuffleMode, Slot, VoteMode};
use crate::machine::Class;
use crate::ptx::ast::{Operand, RegKind};

impl<'a> Decoder<'_, 'a> {
    pub(super) fn control(&mut self, name: &str) -> Result<Option<Op>> {
        self.class = Class::Control;
        Ok(Some(match name {
            "bra" => {
                self.take("uni");
                self.count(1)?;
                Op::Branch { target: self.label(0)? }
            }
            "brx" => self.branch_index()?,
            "call" => self.call()?,
            "ret" => {
                self.take("uni");
                Op::Return
            }
            "exit" => Op::Exit,
            "trap" | "brkpt" => Op::Trap,
            "nanosleep" => {
                self.scalar()?;
                Op::Yield
            }
            "pmevent" => Op::Nop,
            "griddepcontrol" => {
                // The launch before this one has finished.
                self.need_any(&[("wait", ()), ("launch_dependents", ())])?;
                Op::Nop
            }
            "bar" | "barrier" => self.barrier(name)?,
            "membar" => {
                self.class = Class::Barrier;
                let device = self.need_any(&[("cta", false), ("gl", true), ("sys", true)])?;
                Op::Fence { device }
            }
            "fence" => {
                self.class = Class::Barrier;
                self.take_any(&[("sc", ()), ("acq_rel", ()), ("acquire", ()), ("release", ())]);
                let device =
                    self.need_any(&[("cta", false), ("cluster", true), ("gpu", true), ("sys", true)])?;
                Op::Fence { device }
            }
            "activemask" => {
                self.class = Class::Shuffle;
                self.scalar()?;
                Op::ActiveMask { d: self.d32(0)? }
            }
            "shfl" | "vote" | "match" | "redux" | "elect" => {
                self.class = Class::Shuffle;
                if !self.take("sync") {
                    return Err(format!("{name} without .sync is not supported"));
                }
                match name {
                    "shfl" => self.shuffle()?,
                    "vote" => self.vote()?,
                    "match" => self.matching()?,
                    "redux" => self.redux()?,
                    _ => self.elect()?,
                }
            }
            _ => return Ok(None),
        }))
    }

    fn label(&self, i: usize) -> Result<u32> {
        match *self.operand(i)? {
            Operand::Name(name, 0) => self.target(name),
            ref other => Err(format!("a label expected, {other:?} found")),
        }
    }

    fn target(&self, name: &'a str) -> Result<u32> {
        self.body.label(self.statement.scope, name).ok_or_else(|| format!("unknown label {name}"))
    }

    fn branch_index(&mut self) -> Result<Op> {
        if !self.take("idx") {
            return Err("of brx, only brx.idx is supported".into());
        }
        self.take("uni");
        self.count(2)?;
        let Operand::Name(name, 0) = *self.operand(1)? else {
            return Err("a list of targets expected".into());
        };
        let names = self.body.branch_targets(self.statement.scope, name);
        let names = names.ok_or_else(|| format!("unknown list of targets {name}"))?;
        let targets = names.iter().map(|name| self.target(name)).collect::<Result<_>>()?;
        Ok(Op::BranchIndex { index: self.r32(0)?, targets })
    }

    fn slots(&self, operand: Option<&Operand<'a>>) -> Result<Box<[Slot]>> {
        let Some(Operand::List(parts)) = operand else { return Ok(Box::default()) };
        let slot = |part: &Operand<'a>| match *part {
            Operand::Var(id, 0) => match self.homes[id as usize] {
                Home::Frame(offset) => {
                    Ok(Slot { offset, bytes: self.body.variables[id as usize].bytes as u32 })
                }
                _ => Err("a call's parameters are .param variables".to_string()),
            },
            _ => Err("a call's parameters are .param variables".to_string()),
        };
        parts.iter().map(slot).collect()
    }

    fn call(&mut self) -> Result<Op> {
        self.take("uni");
        let mut operands = self.operands().iter().peekable();
        let results = match operands.peek() {
            Some(Operand::List(_)) => self.slots(operands.next())?,
            _ => Box::default(),
        };
        let target = operands.next().ok_or("a function expected")?;
        let args = self.slots(operands.next())?;
        let callee = match *target {
            Operand::Reg(id) => {
                self.calls_indirect = true;
                Callee::Indirect(self.row(id, RegKind::B64)?)
            }
            Operand::Name(name, 0) => match (self.symbols.functions.get(name), name) {
                (Some(&function), _) => {
                    self.calls.push(function);
                    Callee::Direct(function)
                }
                (None, "vprintf") => Callee::Printf,
                (None, "__assertfail") => Callee::AssertFail,
                _ => return Err(format!("call of {name}, which has no body")),
            },
            _ => return Err(format!("a function expected, {target:?} found")),
        };
        Ok(Op::Call(Box::new(Call { callee, results, args })))
    }

    fn barrier(&mut self, name: &str) -> Result<Op> {
        self.class = Class::Barrier;
        self.take("cta");
        if self.take("warp") {
            if !self.take("sync") {
                return Err("bar.warp is followed by .sync".into());
            }
            self.count(1)?;
            return Ok(Op::Collective { mask: self.r32(0)?, what: Box::new(Collective::Barrier) });
        }
        let aligned = self.take("aligned") || name == "bar";
        if self.take("red") {
            let kind = self.need_any(&[("popc", 0), ("and", 1), ("or", 2)])?;
            let threads = match self.operands().len() {
                3 => None,
                4 => Some(self.r32(2)?),
                _ => return Err("3 or 4 operands expected".into()),
            };
            let red = if kind == 0 {
                self.scalar()?;
                BarrierRed::Popc { d: self.d32(0)? }
            } else {
                self.need_any(&[("pred", ())])?;
                let d = self.destination(0, RegKind::Pred)?;
                if kind == 1 { BarrierRed::And { d } } else { BarrierRed::Or { d } }
            };
            let vote = self.pred(self.operands().len() - 1)?;
            let id = self.r32(1)?;
            return Ok(Op::Barrier(Box::new(Barrier {
                aligned,
                arrive: false,
                id,
                threads,
                red: Some((red, vote)),
            })));
        }
        let arrive = self.need_any(&[("sync", false), ("arrive", true)])?;
        let threads = match self.operands().len() {
            1 if !arrive => None,
            2 => Some(self.r32(1)?),
            _ => return Err("1 or 2 operands expected".into()),
        };
        let id = self.r32(0)?;
        Ok(Op::Barrier(Box::new(Barrier { aligned, arrive, id, threads, red: None })))
    }

    fn shuffle(&mut self) -> Result<Op> {
        self.scalar()?;
        let mode = self.need_any(&[
            ("up", ShuffleMode::Up),
            ("down", ShuffleMode::Down),
            ("bfly", ShuffleMode::Butterfly),
            ("idx", ShuffleMode::Index),
        ])?;
        self.count(5)?;
        let (d, p) = match self.operand(0)? {
            Operand::Pair(d, p) => (self.optional(d, RegKind::B32)?, self.optional(p, RegKind::Pred)?),
            d => (self.optional(d, RegKind::B32)?, None),
        };
        let (a, b, c, mask) = (self.r32(1)?, self.r32(2)?, self.r32(3)?, self.r32(4)?);
        Ok(Op::Collective { mask, what: Box::new(Collective::Shuffle { mode, d, p, a, b, c }) })
    }

    fn vote(&mut self) -> Result<Op> {
        let mode = self.need_any(&[
            ("all", VoteMode::All),
            ("any", VoteMode::Any),
            ("uni", VoteMode::Uniform),
            ("ballot", VoteMode::Ballot),
        ])?;
        self.count(3)?;
        let d = if mode == VoteMode::Ballot {
            self.scalar()?;
            self.d32(0)?
        } else {
            self.need_any(&[("pred", ())])?;
            self.destination(0, RegKind::Pred)?
        };
        let (a, mask) = (self.pred(1)?, self.r32(2)?);
        Ok(Op::Collective { mask, what: Box::new(Collective::Vote { mode, d, a }) })
    }

    fn matching(&mut self) -> Result<Op> {
        let ty = self.scalar()?;
        let all = self.need_any(&[("any", false), ("all", true)])?;
        self.count(3)?;
        let wide = ty.is_wide();
        let (a, mask) = (self.source(1, ty)?, self.r32(2)?);
        let what = if all {
            match self.operand(0)? {
                Operand::Pair(d, p) => {
                    let d = self.optional(d, RegKind::B32)?.ok_or("match.all writes a mask")?;
                    Collective::MatchAll { d, p: self.optional(p, RegKind::Pred)?, a, wide }
                }
                _ => Collective::MatchAll { d: self.d32(0)?, p: None, a, wide },
            }
        } else {
            Collective::MatchAny { d: self.d32(0)?, a, wide }
        };
        Ok(Op::Collective { mask, what: Box::new(what) })
    }

    fn redux(&mut self) -> Result<Op> {
        let ty = self.scalar()?;
        if ty.bytes() != 4 || ty.is_float() {
            return Err("redux reduces 32-bit integers".into());
        }
        let signed = ty.is_signed();
        let f = self.need_any(&[
            ("add", Reduce::Add),
            ("min", if signed { Reduce::MinS } else { Reduce::MinU }),
            ("max", if signed { Reduce::MaxS } else { Reduce::MaxU }),
            ("and", Reduce::And),
            ("or", Reduce::Or),
            ("xor", Reduce::Xor),
        ])?;
        self.count(3)?;
        let (d, a, mask) = (self.d32(0)?, self.r32(1)?, self.r32(2)?);
        Ok(Op::Collective { mask, what: Box::new(Collective::Redux { f, d, a }) })
    }

    fn elect(&mut self) -> Result<Op> {
        self.count(2)?;
        let Operand::Pair(d, p) = self.operand(0)? else { return Err("elect writes d|p".into()) };
        let d = self.optional(d, RegKind::B32)?;
        let p = self.optional(p, RegKind::Pred)?.ok_or("elect writes a predicate")?;
        let mask = self.r32(1)?;
        Ok(Op::Collective { mask, what: Box::new(Collective::Elect { d, p }) })
    }
}
