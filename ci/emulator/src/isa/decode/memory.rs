//! Loads, stores, atomics, asynchronous copies.

use super::{Decoder, Home, Result};
use crate::isa::{
    Address, Atomic, AtomicOp, CopyAsync, Load, MemSpace, Op, Order, Port, Row, Scalar, Store, Value,
};
use crate::machine::Class;
use crate::ptx::ast::{Operand, RegKind};

const ORDERS: [(&str, Order); 8] = [
    ("weak", Order::Weak),
    ("volatile", Order::Relaxed),
    ("relaxed", Order::Relaxed),
    ("mmio", Order::Relaxed),
    ("acquire", Order::Acquire),
    ("release", Order::Release),
    ("acq_rel", Order::AcqRel),
    ("sc", Order::AcqRel),
];

impl<'a> Decoder<'_, 'a> {
    pub(super) fn memory(&mut self, name: &str) -> Result<Option<Op>> {
        Ok(Some(match name {
            "ld" | "ldu" => self.load()?,
            "st" => self.store()?,
            "atom" | "red" => self.atomic(name == "atom")?,
            "cp" => self.copy_async()?,
            "prefetch" | "prefetchu" => {
                self.modifiers.clear();
                Op::Nop
            }
            _ => return Ok(None),
        }))
    }

    /// Where caches and the scope of an ordering are concerned, every access behaves alike here.
    fn ignore_hints(&mut self) {
        self.modifiers.retain(|name| {
            let hint = name.starts_with("L1::") || name.starts_with("L2::");
            // A cache policy is an operand more, which nothing here reads.
            let known = hint && *name != "L2::cache_hint";
            let plain =
                ["ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "cta", "cluster", "gpu", "sys", "unified"];
            !known && !plain.contains(name)
        });
    }

    fn space(&mut self) -> MemSpace {
        let param = if self.function.entry { MemSpace::Param } else { MemSpace::Local };
        self.take_any(&[
            ("global", MemSpace::Global),
            ("shared", MemSpace::Shared),
            ("shared::cta", MemSpace::Shared),
            ("local", MemSpace::Local),
            ("const", MemSpace::Const),
            ("param", param),
            ("param::entry", MemSpace::Param),
            ("param::func", MemSpace::Local),
        ])
        .unwrap_or(MemSpace::Generic)
    }

    /// An address operand, and the space it is in when it names a variable of the frame.
    fn address(&mut self, i: usize, space: MemSpace) -> Result<(Address, MemSpace)> {
        let Operand::Address(base, offset) = self.operand(i)? else {
            return Err("an address in brackets expected".into());
        };
        let offset = *offset;
        match **base {
            Operand::Reg(id) if self.kind(id) == RegKind::B32 => {
                Ok((Address { row: self.row(id, RegKind::B32)?, wide: false, offset }, space))
            }
            Operand::Reg(id) => Ok((Address { row: self.row(id, RegKind::B64)?, wide: true, offset }, space)),
            Operand::Int(value) => {
                Ok((Address { row: self.const64(Value::Bits(value as u64)), wide: true, offset }, space))
            }
            ref name => {
                let value = self.address_value(name)?;
                // The parameters of a call are in the caller's frame, even in a kernel.
                let space = match *name {
                    Operand::Var(id, _) => match (self.homes[id as usize], space) {
                        (Home::Frame(_), MemSpace::Param) => MemSpace::Local,
                        _ => space,
                    },
                    _ => space,
                };
                if space == MemSpace::Generic && !matches!(value, Value::Global { .. }) {
                    return Err("a generic access to a variable outside global memory".into());
                }
                Ok((Address { row: self.const64(value), wide: true, offset }, space))
            }
        }
    }

    fn class_of(&mut self, space: MemSpace) {
        self.class = match space {
            MemSpace::Generic | MemSpace::Global => Class::Global,
            MemSpace::Shared => Class::Shared,
            MemSpace::Local => Class::Local,
            MemSpace::Const | MemSpace::Param => Class::Constant,
        };
    }

    fn vector(&mut self) -> usize {
        self.take_any(&[("v2", 2), ("v4", 4), ("v8", 8)]).unwrap_or(1)
    }

    fn elements<'o>(operand: &'o Operand<'a>, count: usize) -> Result<&'o [Operand<'a>]> {
        match operand {
            Operand::Vector(parts) if parts.len() == count => Ok(parts),
            Operand::Vector(_) => Err(format!("{count} elements expected")),
            single if count == 1 => Ok(std::slice::from_ref(single)),
            _ => Err(format!("a vector of {count} expected")),
        }
    }

    fn load(&mut self) -> Result<Op> {
        let ty = self.scalar()?;
        self.ignore_hints();
        let order = self.take_any(&ORDERS).unwrap_or(Order::Weak);
        let count = self.vector();
        let space = self.space();
        self.count(2)?;
        let (address, space) = self.address(1, space)?;
        self.class_of(space);
        let mut to = Vec::with_capacity(count);
        for operand in Self::elements(self.operand(0)?, count)? {
            to.push(match *operand {
                Operand::Sink => None,
                Operand::Reg(id) => Some(self.port(id, ty)?),
                _ => return Err("a register expected".into()),
            });
        }
        Ok(Op::Load(Box::new(Load { space, ty, address, order, to: to.into() })))
    }

    fn port(&self, id: u32, ty: Scalar) -> Result<Port> {
        let kind = self.kind(id);
        let bits: u8 = match kind {
            RegKind::B16 => 16,
            RegKind::B32 => 32,
            RegKind::B64 => 64,
            RegKind::Pred => return Err("predicates are not exchanged with memory".into()),
        };
        if u32::from(bits) < ty.bytes() * 8 {
            return Err(format!("a register of {bits} bits is too narrow"));
        }
        Ok(Port { row: self.row(id, kind)?, wide: kind == RegKind::B64, bits })
    }

    fn store(&mut self) -> Result<Op> {
        let ty = self.scalar()?;
        self.ignore_hints();
        let order = self.take_any(&ORDERS).unwrap_or(Order::Weak);
        let count = self.vector();
        let space = match self.space() {
            // Kernels store only the parameters of calls.
            MemSpace::Param => MemSpace::Local,
            space => space,
        };
        self.count(2)?;
        let (address, space) = self.address(0, space)?;
        self.class_of(space);
        let mut from = Vec::with_capacity(count);
        for operand in Self::elements(self.operand(1)?, count)? {
            from.push(match *operand {
                Operand::Reg(id) => self.port(id, ty)?,
                ref value if ty.is_wide() => Port { row: self.source64(value)?, wide: true, bits: 64 },
                ref value => Port { row: self.source32(value, ty.bytes() * 8)?, wide: false, bits: 32 },
            });
        }
        Ok(Op::Store(Box::new(Store { space, ty, address, order, from: from.into() })))
    }

    fn atomic(&mut self, returns: bool) -> Result<Op> {
        self.class = Class::Atomic;
        let ty = self.scalar()?;
        self.ignore_hints();
        let order = self.take_any(&ORDERS).unwrap_or(Order::Relaxed);
        let space = self.space();
        let op = self.need_any(&[
            ("add", AtomicOp::Add),
            ("min", AtomicOp::Min),
            ("max", AtomicOp::Max),
            ("and", AtomicOp::And),
            ("or", AtomicOp::Or),
            ("xor", AtomicOp::Xor),
            ("exch", AtomicOp::Exchange),
            ("cas", AtomicOp::CompareSwap),
            ("inc", AtomicOp::Inc),
            ("dec", AtomicOp::Dec),
        ])?;
        // Floating-point additions round to nearest, and flush nothing.
        let float_fits = ty.is_float() && (op == AtomicOp::Add || op == AtomicOp::Exchange);
        if ty.bytes() < 4 || (ty.is_float() && !float_fits) {
            return Err("this atomic operation is not supported".into());
        }
        if !matches!(space, MemSpace::Generic | MemSpace::Global | MemSpace::Shared) {
            return Err("atomics act on global and shared memory".into());
        }
        let first = usize::from(returns);
        self.count(first + if op == AtomicOp::CompareSwap { 3 } else { 2 })?;
        let kind = if ty.is_wide() { RegKind::B64 } else { RegKind::B32 };
        let d = if returns { self.optional(self.operand(0)?, kind)? } else { None };
        let (address, space) = self.address(first, space)?;
        let b: Row = self.source(first + 1, ty)?;
        let c = if op == AtomicOp::CompareSwap { self.source(first + 2, ty)? } else { b };
        Ok(Op::Atomic(Box::new(Atomic { op, space, ty, order, address, d, b, c })))
    }

    fn copy_async(&mut self) -> Result<Op> {
        if !self.take("async") {
            return Err("of cp, only cp.async is supported".into());
        }
        if self.take("commit_group") || self.take("wait_group") || self.take("wait_all") {
            // The copies are done when they are issued.
            self.class = Class::Barrier;
            return Ok(Op::Nop);
        }
        self.class = Class::Global;
        self.ignore_hints();
        if !(self.take("shared") || self.take("shared::cta")) || !self.take("global") {
            return Err("cp.async copies from global to shared memory".into());
        }
        let (to, _) = self.address(0, MemSpace::Shared)?;
        let (from, _) = self.address(1, MemSpace::Global)?;
        let bytes = match *self.operand(2)? {
            Operand::Int(bytes @ (4 | 8 | 16)) => bytes as u32,
            _ => return Err("cp.async copies 4, 8 or 16 bytes".into()),
        };
        let source = match self.operands().len() {
            3 => None,
            4 => Some(self.r32(3)?),
            _ => return Err("too many operands".into()),
        };
        Ok(Op::CopyAsync(Box::new(CopyAsync { to, from, bytes, source })))
    }
}
