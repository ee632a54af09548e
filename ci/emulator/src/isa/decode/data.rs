//! Moves, conversions, comparisons, selections, predicates, special registers.

use super::{Decoder, Result};
use crate::isa::{Alu, Bin, Compare, LaneMask, Logic, Op, Pred, Round, Row, Scalar, SetPred, Special, Un};
use crate::machine::Class;
use crate::memory::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW};
use crate::ptx::ast::{Operand, RegKind};

const LOGIC: [(&str, Logic); 3] = [("and", Logic::And), ("or", Logic::Or), ("xor", Logic::Xor)];

fn special(name: &str) -> Option<Special> {
    let axis = |suffix: &str| match suffix {
        "x" => Some(0),
        "y" => Some(1),
        "z" => Some(2),
        // The fourth component is always zero, or one; nothing nvcc emits reads it.
        _ => None,
    };
    let (base, suffix) = name.split_once('.').unwrap_or((name, ""));
    Some(match base {
        "%tid" => Special::Tid(axis(suffix)?),
        "%ntid" => Special::Ntid(axis(suffix)?),
        "%ctaid" => Special::Ctaid(axis(suffix)?),
        "%nctaid" => Special::Nctaid(axis(suffix)?),
        "%laneid" => Special::LaneId,
        "%warpid" => Special::WarpId,
        "%nwarpid" => Special::NumWarps,
        "%lanemask_eq" => Special::LaneMask(LaneMask::Eq),
        "%lanemask_lt" => Special::LaneMask(LaneMask::Lt),
        "%lanemask_le" => Special::LaneMask(LaneMask::Le),
        "%lanemask_gt" => Special::LaneMask(LaneMask::Gt),
        "%lanemask_ge" => Special::LaneMask(LaneMask::Ge),
        "%clock" | "%clock_hi" | "%clock64" => Special::Clock,
        "%globaltimer" | "%globaltimer_lo" => Special::GlobalTimer,
        "%gridid" => Special::GridId,
        "%smid" => Special::SmId,
        "%nsmid" => Special::NumSms,
        "%dynamic_smem_size" => Special::DynamicShared,
        "%total_smem_size" | "%aggr_smem_size" => Special::TotalShared,
        "%envreg1" => Special::WorkspaceHigh,
        "%envreg2" => Special::WorkspaceLow,
        "WARP_SZ" => Special::WarpSize,
        _ if base.starts_with("%envreg") || base.starts_with("%pm") || base == "%globaltimer_hi" => {
            Special::Zero
        }
        _ => return None,
    })
}

impl<'a> Decoder<'_, 'a> {
    pub(super) fn data(&mut self, name: &str) -> Result<Option<Op>> {
        let alu = match name {
            "mov" => return self.mov().map(Some),
            "cvt" => self.cvt()?,
            "cvta" => self.cvta()?,
            "setp" => {
                self.class = Class::Logic;
                let ty = self.scalar()?;
                let set = Box::new(self.comparison(ty, true)?);
                Alu::Setp { ty, set, a: self.source(1, ty)?, b: self.source(2, ty)? }
            }
            "set" => {
                self.class = Class::Logic;
                let ty = self.scalar()?;
                let to = self.scalar()?;
                let set = Box::new(self.comparison(ty, false)?);
                if to.bytes() != 4 {
                    return Err("set writes 32 bits".into());
                }
                let (d, a, b) = (self.d32(0)?, self.source(1, ty)?, self.source(2, ty)?);
                Alu::Set { ty, set, float: to.is_float(), d, a, b }
            }
            "selp" => {
                self.class = Class::Logic;
                let ty = self.scalar()?;
                self.count(4)?;
                let (d, a, b, p) = (self.d(0, ty)?, self.source(1, ty)?, self.source(2, ty)?, self.pred(3)?);
                if ty.is_wide() { Alu::Selp64 { d, a, b, p } } else { Alu::Selp32 { d, a, b, p } }
            }
            "slct" => {
                self.class = Class::Logic;
                let by = self.scalar()?;
                let ty = self.scalar()?;
                self.count(4)?;
                if !matches!(by, Scalar::S32 | Scalar::F32) {
                    return Err("slct selects by s32 or f32".into());
                }
                let float = by.is_float();
                let (d, a, b, c) = (self.d(0, ty)?, self.source(1, ty)?, self.source(2, ty)?, self.r32(3)?);
                if ty.is_wide() {
                    Alu::Slct64 { float, d, a, b, c }
                } else {
                    Alu::Slct32 { float, d, a, b, c }
                }
            }
            "and" | "or" | "xor" | "not" if self.take("pred") => {
                self.class = Class::Logic;
                let d = self.destination(0, RegKind::Pred)?;
                if name == "not" {
                    self.count(2)?;
                    let a = self.pred(1)?;
                    Alu::PredMov { d, a: Pred { negate: !a.negate, ..a } }
                } else {
                    self.count(3)?;
                    let f = LOGIC.iter().find(|(known, _)| *known == name).map_or(Logic::Xor, |(_, f)| *f);
                    Alu::PredLogic { f, d, a: self.pred(1)?, b: self.pred(2)? }
                }
            }
            "isspacep" => {
                self.class = Class::Logic;
                let start = self.need_any(&[
                    ("global", None),
                    ("shared", Some(SHARED_WINDOW)),
                    ("shared::cta", Some(SHARED_WINDOW)),
                    ("local", Some(LOCAL_WINDOW)),
                    ("param", Some(PARAM_WINDOW)),
                    ("param::entry", Some(PARAM_WINDOW)),
                ])?;
                self.count(2)?;
                Alu::Isspacep { d: self.destination(0, RegKind::Pred)?, a: self.r64(1)?, start }
            }
            _ => return Ok(None),
        };
        Ok(Some(Op::Alu(alu)))
    }

    fn mov(&mut self) -> Result<Op> {
        self.class = Class::Move;
        self.count(2)?;
        if self.take("pred") {
            return Ok(Op::Alu(Alu::PredMov { d: self.destination(0, RegKind::Pred)?, a: self.pred(1)? }));
        }
        let ty = self.scalar()?;
        if let Operand::Special(name) | Operand::Name(name @ "WARP_SZ", _) = *self.operand(1)? {
            let which = special(name).ok_or_else(|| format!("unknown special register {name}"))?;
            return Ok(Op::Special { d: self.d(0, ty)?, wide: ty.is_wide(), which });
        }
        if let Operand::Vector(parts) = self.operand(1)? {
            return self.pack(ty, parts).map(Op::Alu);
        }
        if let Operand::Vector(parts) = self.operand(0)? {
            return self.unpack(ty, parts).map(Op::Alu);
        }
        let alu = match ty.bytes() {
            8 => Alu::Un64 { f: Un::Mov, d: self.d64(0)?, a: self.r64(1)? },
            4 => Alu::Un32 { f: Un::Mov, d: self.d32(0)?, a: self.r32(1)? },
            _ => Alu::Un32 { f: Un::Mov, d: self.d32(0)?, a: self.source(1, ty)? },
        };
        Ok(Op::Alu(alu))
    }

    fn pack(&mut self, ty: Scalar, parts: &[Operand<'a>]) -> Result<Alu> {
        Ok(match (ty.bytes(), parts) {
            (8, [low, high]) => {
                Alu::Pack64 { d: self.d64(0)?, low: self.source32(low, 32)?, high: self.source32(high, 32)? }
            }
            (8, [a, b, c, e]) => {
                let mut rows = [0; 4];
                for (row, part) in rows.iter_mut().zip([a, b, c, e]) {
                    *row = self.source32(part, 16)?;
                }
                Alu::Pack16x4 { d: self.d64(0)?, parts: Box::new(rows) }
            }
            (4, [low, high]) => {
                Alu::Pack32 { d: self.d32(0)?, low: self.source32(low, 16)?, high: self.source32(high, 16)? }
            }
            _ => return Err("this packing is not supported".into()),
        })
    }

    fn unpack(&mut self, ty: Scalar, parts: &[Operand<'a>]) -> Result<Alu> {
        let part = |operand| self.optional(operand, RegKind::B32);
        Ok(match (ty.bytes(), parts) {
            (8, [low, high]) => {
                let (low, high) = (part(low)?, part(high)?);
                Alu::Unpack64 { low, high, a: self.r64(1)? }
            }
            (8, [a, b, c, d]) => {
                let parts = Box::new([part(a)?, part(b)?, part(c)?, part(d)?]);
                Alu::Unpack16x4 { parts, a: self.r64(1)? }
            }
            (4, [low, high]) => {
                let (low, high) = (part(low)?, part(high)?);
                Alu::Unpack32 { low, high, a: self.r32(1)? }
            }
            _ => return Err("this unpacking is not supported".into()),
        })
    }

    fn cvt(&mut self) -> Result<Alu> {
        self.class = Class::Convert;
        self.count(2)?;
        let from = self.scalar()?;
        let to = self.scalar()?;
        let saturate = self.take("sat");
        let integral =
            [("rni", Round::Nearest), ("rzi", Round::Zero), ("rmi", Round::Down), ("rpi", Round::Up)];
        let round = match self.take_any(&integral) {
            Some(round) => round,
            None => {
                self.take("rn");
                Round::None
            }
        };
        if from.is_float() && !to.is_float() && round == Round::None {
            return Err("a conversion to an integer needs a rounding".into());
        }
        if saturate && to.is_float() {
            return Err("saturation to [0, 1] is not supported".into());
        }
        let (d, bits) = match *self.operand(0)? {
            Operand::Reg(id) => {
                let kind = self.kind(id);
                let bits = match kind {
                    RegKind::B16 => 16,
                    RegKind::B32 => 32,
                    RegKind::B64 => 64,
                    RegKind::Pred => return Err("cvt does not write predicates".into()),
                };
                (self.row(id, kind)?, bits)
            }
            _ => return Err("a register expected".into()),
        };
        let (a, from_wide) = self.any_width(1, from)?;
        Ok(Alu::Cvt { to, from, saturate, round, bits, from_wide, d, a })
    }

    /// A source that may be wider than its type; and whether it is in the 64-bit file.
    fn any_width(&mut self, i: usize, ty: Scalar) -> Result<(Row, bool)> {
        match *self.operand(i)? {
            Operand::Reg(id) => {
                let kind = self.kind(id);
                Ok((self.row(id, kind)?, kind == RegKind::B64))
            }
            _ => Ok((self.source(i, ty)?, ty.is_wide())),
        }
    }

    /// Generic addresses are those of device memory; the other spaces are windows in it.
    fn cvta(&mut self) -> Result<Alu> {
        self.class = Class::Move;
        let ty = self.scalar()?;
        if !ty.is_wide() {
            return Err("addresses have 64 bits".into());
        }
        let to = self.take("to");
        let function = !self.function.entry;
        let window = self.need_any(&[
            ("global", 0),
            ("const", 0),
            ("shared", SHARED_WINDOW),
            ("shared::cta", SHARED_WINDOW),
            ("local", LOCAL_WINDOW),
            // A function's parameters live in its frame.
            ("param", if function { LOCAL_WINDOW } else { PARAM_WINDOW }),
            ("param::entry", PARAM_WINDOW),
            ("param::func", LOCAL_WINDOW),
        ])?;
        self.count(2)?;
        let (d, a) = (self.d64(0)?, self.r64(1)?);
        if window == 0 {
            return Ok(Alu::Un64 { f: Un::Mov, d, a });
        }
        let b = self.const64(crate::isa::Value::Bits(window));
        Ok(Alu::Bin64 { f: if to { Bin::Sub } else { Bin::Add }, d, a, b })
    }

    fn comparison(&mut self, ty: Scalar, predicates: bool) -> Result<SetPred> {
        use Compare::*;
        let names = [("eq", Eq), ("ne", Ne), ("lt", Lt), ("le", Le), ("gt", Gt), ("ge", Ge)];
        let unsigned = [("lo", Lt), ("ls", Le), ("hi", Gt), ("hs", Ge)];
        let unordered = [
            ("equ", Equ),
            ("neu", Neu),
            ("ltu", Ltu),
            ("leu", Leu),
            ("gtu", Gtu),
            ("geu", Geu),
            ("num", Num),
            ("nan", Nan),
        ];
        let compare = match self.take_any(&names) {
            Some(compare) => compare,
            None if ty.is_float() => self.need_any(&unordered)?,
            None if !ty.is_signed() => self.need_any(&unsigned)?,
            None => return Err("no comparison that is supported".into()),
        };
        let logic = self.take_any(&LOGIC);
        let with = match logic {
            Some(logic) => {
                self.count(4)?;
                Some((logic, self.pred(3)?))
            }
            None => {
                self.count(3)?;
                None
            }
        };
        let (p, q) = match self.operand(0)? {
            _ if !predicates => (None, None),
            Operand::Pair(p, q) => (self.optional(p, RegKind::Pred)?, self.optional(q, RegKind::Pred)?),
            p => (self.optional(p, RegKind::Pred)?, None),
        };
        Ok(SetPred { compare, with, p, q })
    }
}
