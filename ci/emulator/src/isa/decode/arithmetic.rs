//! Integer and floating-point arithmetic, logic, shifts.

use super::{Decoder, Result};
use crate::isa::{Alu, Bin, Chain, Count, FloatBin, FloatUn, Permute, Scalar, Shift, Tri, Un};
use crate::machine::Class;

impl Decoder<'_, '_> {
    pub(super) fn arithmetic(&mut self, name: &str) -> Result<Option<Alu>> {
        let alu = match name {
            "add" | "sub" | "addc" | "subc" => self.add(name)?,
            "mul" => self.mul()?,
            "mad" | "madc" => self.mad(name)?,
            "fma" => {
                self.class = Class::Float;
                let ty = self.float_type()?;
                self.fma(ty)?
            }
            "mul24" | "mad24" => self.mul24(name)?,
            "div" | "rem" => self.div(name)?,
            "min" | "max" => self.min_max(name)?,
            "sad" => {
                self.class = Class::Add;
                let ty = self.scalar()?;
                self.tri(if ty.is_signed() { Tri::SadS } else { Tri::SadU }, ty)?
            }
            "abs" | "neg" => self.abs_neg(name)?,
            "sqrt" | "rcp" | "rsqrt" => self.root(name)?,
            "and" | "or" | "xor" => {
                if self.modifiers == ["pred"] {
                    return Ok(None);
                }
                self.class = Class::Logic;
                let ty = self.scalar()?;
                self.bin(
                    [("and", Bin::And), ("or", Bin::Or)]
                        .iter()
                        .find(|f| f.0 == name)
                        .map_or(Bin::Xor, |f| f.1),
                    ty,
                )?
            }
            "not" | "cnot" => {
                if self.modifiers == ["pred"] {
                    return Ok(None);
                }
                self.class = Class::Logic;
                let ty = self.scalar()?;
                self.un(if name == "not" { Un::Not } else { Un::Cnot }, ty)?
            }
            "brev" => {
                self.class = Class::Shift;
                let ty = self.scalar()?;
                self.un(Un::Brev, ty)?
            }
            "shl" | "shr" => self.shift(name)?,
            "popc" | "clz" | "bfind" => self.bits(name)?,
            "lop3" => self.lop3()?,
            "shf" => self.funnel()?,
            "prmt" => self.prmt()?,
            "bfe" | "bfi" => self.bit_field(name)?,
            "bmsk" => {
                self.class = Class::Shift;
                let wrap = self.need_any(&[("clamp", false), ("wrap", true)])?;
                self.scalar()?;
                self.count(3)?;
                Alu::Bmsk { wrap, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)? }
            }
            "szext" => {
                self.class = Class::Shift;
                let wrap = self.need_any(&[("clamp", false), ("wrap", true)])?;
                let signed = self.scalar()?.is_signed();
                self.count(3)?;
                Alu::Szext { signed, wrap, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)? }
            }
            "fns" => {
                self.class = Class::Shift;
                self.scalar()?;
                self.count(4)?;
                Alu::Fns { d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)?, c: self.r32(3)? }
            }
            "dp4a" | "dp2a" => self.dot(name)?,
            _ => return Ok(None),
        };
        Ok(Some(alu))
    }

    pub(super) fn bin(&mut self, f: Bin, ty: Scalar) -> Result<Alu> {
        self.count(3)?;
        Ok(match ty.bytes() {
            2 => Alu::Bin16 { f, d: self.d32(0)?, a: self.r16(1)?, b: self.r16(2)? },
            4 => Alu::Bin32 { f, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)? },
            8 => Alu::Bin64 { f, d: self.d64(0)?, a: self.r64(1)?, b: self.r64(2)? },
            _ => return Err("no arithmetic on 8 bits".into()),
        })
    }

    pub(super) fn un(&mut self, f: Un, ty: Scalar) -> Result<Alu> {
        self.count(2)?;
        Ok(match ty.bytes() {
            2 => Alu::Un16 { f, d: self.d32(0)?, a: self.r16(1)? },
            4 => Alu::Un32 { f, d: self.d32(0)?, a: self.r32(1)? },
            8 => Alu::Un64 { f, d: self.d64(0)?, a: self.r64(1)? },
            _ => return Err("no arithmetic on 8 bits".into()),
        })
    }

    fn tri(&mut self, f: Tri, ty: Scalar) -> Result<Alu> {
        self.count(4)?;
        Ok(match ty.bytes() {
            2 => Alu::Tri16 { f, d: self.d32(0)?, a: self.r16(1)?, b: self.r16(2)?, c: self.r16(3)? },
            4 => Alu::Tri32 { f, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)?, c: self.r32(3)? },
            8 => Alu::Tri64 { f, d: self.d64(0)?, a: self.r64(1)?, b: self.r64(2)?, c: self.r64(3)? },
            _ => return Err("no arithmetic on 8 bits".into()),
        })
    }

    fn chain(&mut self, f: Chain, input: bool, output: bool, ty: Scalar) -> Result<Alu> {
        let product = !matches!(f, Chain::Add | Chain::Sub);
        self.count(if product { 4 } else { 3 })?;
        Ok(if ty.is_wide() {
            let (d, a, b) = (self.d64(0)?, self.r64(1)?, self.r64(2)?);
            let c = if product { self.r64(3)? } else { a };
            Alu::Chain64 { f, input, output, d, a, b, c }
        } else if ty.bytes() == 4 {
            let (d, a, b) = (self.d32(0)?, self.r32(1)?, self.r32(2)?);
            let c = if product { self.r32(3)? } else { a };
            Alu::Chain32 { f, input, output, d, a, b, c }
        } else {
            return Err("carries exist for 32 and 64 bits only".into());
        })
    }

    /// The type of a floating-point operation; only rounding to nearest is offered.
    fn float_type(&mut self) -> Result<Scalar> {
        let ty = self.scalar()?;
        self.take("rn");
        Ok(ty)
    }

    fn float(&mut self, f: FloatBin, ty: Scalar) -> Result<Alu> {
        self.class = Class::Float;
        self.take("rn");
        self.count(3)?;
        Ok(if ty.is_wide() {
            Alu::Float64 { f, d: self.d64(0)?, a: self.r64(1)?, b: self.r64(2)? }
        } else {
            Alu::Float32 { f, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)? }
        })
    }

    fn fma(&mut self, ty: Scalar) -> Result<Alu> {
        self.count(4)?;
        Ok(if ty.is_wide() {
            Alu::Fma64 { d: self.d64(0)?, a: self.r64(1)?, b: self.r64(2)?, c: self.r64(3)? }
        } else {
            Alu::Fma32 { d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)?, c: self.r32(3)? }
        })
    }

    fn add(&mut self, name: &str) -> Result<Alu> {
        self.class = Class::Add;
        let ty = self.scalar()?;
        let subtract = name.starts_with("sub");
        if ty.is_float() {
            return self.float(if subtract { FloatBin::Sub } else { FloatBin::Add }, ty);
        }
        let output = self.take("cc");
        let input = name.ends_with('c');
        if input || output {
            return self.chain(if subtract { Chain::Sub } else { Chain::Add }, input, output, ty);
        }
        let saturate = ty == Scalar::S32 && self.take("sat");
        self.bin(
            match (subtract, saturate) {
                (false, false) => Bin::Add,
                (false, true) => Bin::AddSat,
                (true, false) => Bin::Sub,
                (true, true) => Bin::SubSat,
            },
            ty,
        )
    }

    fn wide(&mut self, ty: Scalar, add: bool) -> Result<Alu> {
        self.count(if add { 4 } else { 3 })?;
        let signed = ty.is_signed();
        Ok(match ty.bytes() {
            2 => {
                let (d, a, b) = (self.d32(0)?, self.r16(1)?, self.r16(2)?);
                Alu::Wide16 { signed, d, a, b, c: if add { Some(self.r32(3)?) } else { None } }
            }
            4 => {
                let (d, a, b) = (self.d64(0)?, self.r32(1)?, self.r32(2)?);
                Alu::Wide32 { signed, d, a, b, c: if add { Some(self.r64(3)?) } else { None } }
            }
            _ => return Err(".wide exists for 16 and 32 bits only".into()),
        })
    }

    fn mul(&mut self) -> Result<Alu> {
        let ty = self.scalar()?;
        if ty.is_float() {
            return self.float(FloatBin::Mul, ty);
        }
        self.class = Class::WideMultiply;
        if self.take("wide") {
            return self.wide(ty, false);
        }
        if self.take("hi") {
            return self.bin(if ty.is_signed() { Bin::MulHiS } else { Bin::MulHiU }, ty);
        }
        self.class = Class::Multiply;
        self.need_any(&[("lo", ())])?;
        self.bin(Bin::MulLo, ty)
    }

    fn mad(&mut self, name: &str) -> Result<Alu> {
        let ty = self.scalar()?;
        if ty.is_float() {
            self.class = Class::Float;
            self.take("rn");
            return self.fma(ty);
        }
        self.class = Class::WideMultiply;
        if self.take("wide") {
            return self.wide(ty, true);
        }
        let high = self.need_any(&[("lo", false), ("hi", true)])?;
        if !high {
            self.class = Class::Multiply;
        }
        let output = self.take("cc");
        let input = name == "madc";
        if input || output {
            let f = match (high, ty.is_signed()) {
                (false, _) => Chain::MadLo,
                (true, false) => Chain::MadHiU,
                (true, true) => Chain::MadHiS,
            };
            return self.chain(f, input, output, ty);
        }
        let saturate = high && ty == Scalar::S32 && self.take("sat");
        self.tri(
            match (high, ty.is_signed()) {
                (false, _) => Tri::MadLo,
                (true, true) if saturate => Tri::MadHiSat,
                (true, false) => Tri::MadHiU,
                (true, true) => Tri::MadHiS,
            },
            ty,
        )
    }

    fn mul24(&mut self, name: &str) -> Result<Alu> {
        self.class = Class::Multiply;
        let ty = self.scalar()?;
        if ty.bytes() != 4 {
            return Err("24-bit products are 32 bits wide".into());
        }
        let high = self.need_any(&[("lo", false), ("hi", true)])?;
        if name == "mul24" {
            self.bin(
                match (high, ty.is_signed()) {
                    (false, false) => Bin::Mul24LoU,
                    (false, true) => Bin::Mul24LoS,
                    (true, false) => Bin::Mul24HiU,
                    (true, true) => Bin::Mul24HiS,
                },
                ty,
            )
        } else {
            self.tri(
                match (high, ty.is_signed()) {
                    (false, false) => Tri::Mad24LoU,
                    (false, true) => Tri::Mad24LoS,
                    (true, false) => Tri::Mad24HiU,
                    (true, true) => Tri::Mad24HiS,
                },
                ty,
            )
        }
    }

    fn div(&mut self, name: &str) -> Result<Alu> {
        let ty = self.scalar()?;
        if ty.is_float() && name == "div" {
            // The approximate divisions are within two units in the last place of the exact one.
            self.take_any(&[("approx", ()), ("full", ())]);
            return self.float(FloatBin::Div, ty);
        }
        self.class = Class::Multiply;
        self.bin(
            match (name, ty.is_signed()) {
                ("div", false) => Bin::DivU,
                ("div", true) => Bin::DivS,
                (_, false) => Bin::RemU,
                (_, true) => Bin::RemS,
            },
            ty,
        )
    }

    fn min_max(&mut self, name: &str) -> Result<Alu> {
        self.class = Class::Logic;
        let ty = self.scalar()?;
        let min = name == "min";
        if ty.is_float() {
            return self.float(if min { FloatBin::Min } else { FloatBin::Max }, ty);
        }
        self.bin(
            match (min, ty.is_signed()) {
                (true, false) => Bin::MinU,
                (true, true) => Bin::MinS,
                (false, false) => Bin::MaxU,
                (false, true) => Bin::MaxS,
            },
            ty,
        )
    }

    fn float_un(&mut self, f: FloatUn, ty: Scalar) -> Result<Alu> {
        self.class = Class::Float;
        self.count(2)?;
        Ok(if ty.is_wide() {
            Alu::FloatUn64 { f, d: self.d64(0)?, a: self.r64(1)? }
        } else {
            Alu::FloatUn32 { f, d: self.d32(0)?, a: self.r32(1)? }
        })
    }

    fn abs_neg(&mut self, name: &str) -> Result<Alu> {
        self.class = Class::Add;
        let ty = self.scalar()?;
        match (name, ty.is_float()) {
            ("abs", true) => self.float_un(FloatUn::Abs, ty),
            (_, true) => self.float_un(FloatUn::Neg, ty),
            ("abs", false) => self.un(Un::Abs, ty),
            (_, false) => self.un(Un::Neg, ty),
        }
    }

    fn root(&mut self, name: &str) -> Result<Alu> {
        let ty = self.scalar()?;
        if !ty.is_float() {
            return Err("a floating-point type expected".into());
        }
        self.take_any(&[("rn", ()), ("approx", ())]);
        let f = match name {
            "sqrt" => FloatUn::Sqrt,
            "rcp" => FloatUn::Rcp,
            _ => FloatUn::Rsqrt,
        };
        self.float_un(f, ty)
    }

    fn shift(&mut self, name: &str) -> Result<Alu> {
        self.class = Class::Shift;
        let ty = self.scalar()?;
        let f = match (name, ty.is_signed()) {
            ("shl", _) => Shift::Left,
            (_, false) => Shift::RightU,
            (_, true) => Shift::RightS,
        };
        self.count(3)?;
        // The amount is 32 bits wide whatever is shifted.
        Ok(match ty.bytes() {
            2 => Alu::Shift16 { f, d: self.d32(0)?, a: self.r16(1)?, b: self.r32(2)? },
            4 => Alu::Shift32 { f, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)? },
            8 => Alu::Shift64 { f, d: self.d64(0)?, a: self.r64(1)?, b: self.r32(2)? },
            _ => return Err("no shifts of 8 bits".into()),
        })
    }

    fn bits(&mut self, name: &str) -> Result<Alu> {
        self.class = Class::Shift;
        let ty = self.scalar()?;
        let amount = name == "bfind" && self.take("shiftamt");
        let f = match (name, ty.is_signed(), amount) {
            ("popc", ..) => Count::Popc,
            ("clz", ..) => Count::Clz,
            (_, false, false) => Count::BfindU,
            (_, true, false) => Count::BfindS,
            (_, false, true) => Count::BfindShiftU,
            (_, true, true) => Count::BfindShiftS,
        };
        self.count(2)?;
        Ok(if ty.is_wide() {
            Alu::Count64 { f, d: self.d32(0)?, a: self.r64(1)? }
        } else {
            Alu::Count32 { f, d: self.d32(0)?, a: self.r32(1)? }
        })
    }

    fn lop3(&mut self) -> Result<Alu> {
        self.class = Class::Logic;
        self.scalar()?;
        self.count(5)?;
        let table = match *self.operand(4)? {
            crate::ptx::ast::Operand::Int(table @ 0..=255) => table as u8,
            _ => return Err("the table of lop3 is a number of 8 bits".into()),
        };
        Ok(Alu::Lop3 { table, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)?, c: self.r32(3)? })
    }

    fn funnel(&mut self) -> Result<Alu> {
        self.class = Class::Shift;
        self.scalar()?;
        let left = self.need_any(&[("l", true), ("r", false)])?;
        let wrap = self.need_any(&[("wrap", true), ("clamp", false)])?;
        self.count(4)?;
        Ok(Alu::Funnel { left, wrap, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)?, c: self.r32(3)? })
    }

    fn prmt(&mut self) -> Result<Alu> {
        self.class = Class::Shift;
        let modes = [
            ("f4e", Permute::F4e),
            ("b4e", Permute::B4e),
            ("rc8", Permute::Rc8),
            ("ecl", Permute::Ecl),
            ("ecr", Permute::Ecr),
            ("rc16", Permute::Rc16),
        ];
        let mode = self.take_any(&modes).unwrap_or(Permute::Index);
        self.scalar()?;
        self.count(4)?;
        Ok(Alu::Prmt { mode, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)?, c: self.r32(3)? })
    }

    fn bit_field(&mut self, name: &str) -> Result<Alu> {
        self.class = Class::Shift;
        let ty = self.scalar()?;
        let signed = ty.is_signed();
        Ok(match (name, ty.bytes()) {
            ("bfe", 4) => {
                self.count(4)?;
                Alu::Bfe32 { signed, d: self.d32(0)?, a: self.r32(1)?, b: self.r32(2)?, c: self.r32(3)? }
            }
            ("bfe", 8) => {
                self.count(4)?;
                Alu::Bfe64 { signed, d: self.d64(0)?, a: self.r64(1)?, b: self.r32(2)?, c: self.r32(3)? }
            }
            ("bfi", 4) => {
                self.count(5)?;
                let (d, a, b) = (self.d32(0)?, self.r32(1)?, self.r32(2)?);
                Alu::Bfi32 { d, a, b, c: self.r32(3)?, e: self.r32(4)? }
            }
            ("bfi", 8) => {
                self.count(5)?;
                let (d, a, b) = (self.d64(0)?, self.r64(1)?, self.r64(2)?);
                Alu::Bfi64 { d, a, b, c: self.r32(3)?, e: self.r32(4)? }
            }
            _ => return Err("bit fields exist for 32 and 64 bits only".into()),
        })
    }

    fn dot(&mut self, name: &str) -> Result<Alu> {
        self.class = Class::Multiply;
        let signed_b = self.scalar()?.is_signed();
        let signed_a = self.scalar()?.is_signed();
        self.count(4)?;
        if name == "dp4a" {
            return Ok(Alu::Dp4a {
                signed_a,
                signed_b,
                d: self.d32(0)?,
                a: self.r32(1)?,
                b: self.r32(2)?,
                c: self.r32(3)?,
            });
        }
        let high = self.need_any(&[("lo", false), ("hi", true)])?;
        let (d, a, b, c) = (self.d32(0)?, self.r32(1)?, self.r32(2)?, self.r32(3)?);
        Ok(Alu::Dp2a { signed_a, signed_b, high, d, a, b, c })
    }
}
