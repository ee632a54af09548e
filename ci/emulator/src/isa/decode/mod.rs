//! Statements to instructions.
//!
//! Each statement becomes exactly one instruction, so that a label's statement number is its address. A modifier that an opcode does not
//! know is an error, as an unknown opcode is: nothing is skipped.

mod arithmetic;
mod control;
mod data;
mod memory;

use std::collections::HashMap;

use super::registers::{Allocation, allocate};
use super::{Code, Instr, Op, Pred, Row, Scalar, SharedVariable, Slot, Value};
use crate::machine::Class;
use crate::ptx::ParseError;
use crate::ptx::ast::{Body, Function, Operand, RegId, RegKind, Statement, VarSpace};
use crate::ptx::lexer::error_at;

/// What names outside a function mean.
#[derive(Debug, Default)]
pub(crate) struct Symbols<'a> {
    pub(crate) functions: HashMap<&'a str, u32>,
    /// Variables in global and constant memory.
    pub(crate) variables: HashMap<&'a str, u32>,
    /// Variables in shared memory.
    pub(crate) shared: HashMap<&'a str, u32>,
}

/// Where a variable of the function is.
#[derive(Clone, Copy, Debug)]
enum Home {
    /// Offset in the kernel's parameter buffer.
    Param(u32),
    /// Offset in the frame.
    Frame(u32),
    /// Index of the shared variable.
    Shared(u32),
}

type Result<T> = std::result::Result<T, String>;

struct Decoder<'d, 'a> {
    symbols: &'d Symbols<'d>,
    function: &'d Function<'a>,
    body: &'d Body<'a>,
    rows: &'d Allocation,
    homes: Vec<Home>,
    consts32: HashMap<Value, Row>,
    consts64: HashMap<Value, Row>,
    calls: Vec<u32>,
    calls_indirect: bool,
    shared: Vec<u32>,
    /// The statement at hand, its modifiers not yet understood, and its class.
    statement: &'d Statement<'a>,
    modifiers: Vec<&'a str>,
    class: Class,
}

fn align_up(value: u32, align: u32) -> u32 {
    value.next_multiple_of(align.max(1))
}

/// Offsets of a kernel's parameters, and the size of the buffer.
pub(crate) fn parameter_layout(function: &Function<'_>) -> (Vec<Slot>, u32) {
    let mut offset = 0;
    let slots = function.params.iter().map(|param| {
        offset = align_up(offset, param.align);
        let slot = Slot { offset, bytes: param.bytes as u32 };
        offset += slot.bytes;
        slot
    });
    let slots = slots.collect();
    (slots, offset)
}

/// Decodes a function that has a body; its shared variables are appended to `shared`.
pub(crate) fn decode(
    text: &str,
    function: &Function<'_>,
    symbols: &Symbols<'_>,
    shared: &mut Vec<SharedVariable>,
) -> std::result::Result<Code, ParseError> {
    let none = Body::default();
    let body = function.body.as_ref().unwrap_or(&none);
    let rows = allocate(body);

    // Every variable of the function gets its own place, rounded to words: local memory is kept in words.
    let mut homes = Vec::with_capacity(body.variables.len());
    let mut frame = 0;
    let mut named = Vec::new();
    let (layout, _) = parameter_layout(function);
    for (i, variable) in body.variables.iter().enumerate() {
        homes.push(match variable.space {
            VarSpace::Shared => {
                shared.push(SharedVariable {
                    bytes: variable.bytes,
                    align: variable.align,
                    dynamic: variable.external,
                });
                named.push(shared.len() as u32 - 1);
                Home::Shared(shared.len() as u32 - 1)
            }
            VarSpace::Param if function.entry && i < layout.len() => Home::Param(layout[i].offset),
            _ => {
                let offset = align_up(frame, variable.align.max(4));
                let bytes = u32::try_from(variable.bytes).ok().filter(|bytes| *bytes <= 1 << 28);
                let Some(bytes) = bytes else {
                    return Err(error_at(text, function.line, format!("{} is too large", variable.name)));
                };
                frame = offset + align_up(bytes, 4);
                Home::Frame(offset)
            }
        });
    }
    let slots: Vec<Slot> = function
        .params
        .iter()
        .zip(&homes)
        .map(|(param, home)| match *home {
            Home::Param(offset) | Home::Frame(offset) => Slot { offset, bytes: param.bytes as u32 },
            Home::Shared(_) => Slot { offset: 0, bytes: 0 },
        })
        .collect();

    let count = body.statements.len();
    let mut instrs = Vec::with_capacity(count + 1);
    let mut lines = Vec::with_capacity(count + 1);
    let mut places = Vec::with_capacity(count + 1);
    let mut classes = Vec::with_capacity(count + 1);
    let (mut consts32, mut consts64, mut calls, mut calls_indirect) = Default::default();
    if let Some(first) = body.statements.first() {
        let mut decoder = Decoder {
            symbols,
            function,
            body,
            rows: &rows,
            homes,
            consts32: HashMap::new(),
            consts64: HashMap::new(),
            calls: Vec::new(),
            calls_indirect: false,
            shared: named,
            statement: first,
            modifiers: Vec::new(),
            class: Class::Other,
        };
        for statement in &body.statements {
            let instr =
                decoder.instr(statement).map_err(|message| error_at(text, statement.line, message))?;
            instrs.push(instr);
            lines.push(statement.line);
            places.push(statement.place);
            classes.push(decoder.class);
        }
        consts32 = decoder.consts32;
        consts64 = decoder.consts64;
        calls = decoder.calls;
        calls_indirect = decoder.calls_indirect;
        named = decoder.shared;
    }
    // A label may stand behind the last statement.
    instrs.push(Instr { guard: Pred::TRUE, op: Op::Return });
    lines.push(lines.last().copied().unwrap_or(function.line));
    places.push(places.last().copied().unwrap_or(0));
    classes.push(Class::Control);

    let results = function.results as usize;
    let rows32 = rows.rows32 + consts32.len() as u32;
    let rows64 = rows.rows64 + consts64.len() as u32;
    if rows32.max(rows64).max(rows.preds) > u32::from(u16::MAX) {
        return Err(error_at(text, function.line, format!("{} needs too many registers", function.name)));
    }
    let sorted = |consts: HashMap<Value, Row>| {
        let mut consts: Vec<(Row, Value)> = consts.into_iter().map(|(value, row)| (row, value)).collect();
        consts.sort_unstable_by_key(|(row, _)| *row);
        consts
    };
    Ok(Code {
        name: function.name.clone(),
        instrs: instrs.into(),
        lines: lines.into(),
        places: places.into(),
        classes: classes.into(),
        rows32,
        rows64,
        preds: rows.preds,
        consts32: sorted(consts32),
        consts64: sorted(consts64),
        frame_bytes: align_up(frame, 16),
        results: slots[..results].to_vec(),
        params: slots[results..].to_vec(),
        calls,
        calls_indirect,
        shared: named,
    })
}

impl<'d, 'a> Decoder<'d, 'a> {
    fn instr(&mut self, statement: &'d Statement<'a>) -> Result<Instr> {
        self.statement = statement;
        self.class = Class::Other;
        let mut parts = statement.opcode.split('.');
        let name = parts.next().unwrap_or("");
        self.modifiers = parts.collect();
        let guard = match statement.guard {
            None => Pred::TRUE,
            Some((id, negate)) => Pred { row: self.row(id, RegKind::Pred)?, negate },
        };
        let op = self.op(name)?;
        match self.modifiers.first() {
            None => Ok(Instr { guard, op }),
            Some(modifier) => Err(format!("{name} with .{modifier} is not supported")),
        }
    }

    fn op(&mut self, name: &str) -> Result<Op> {
        if let Some(alu) = self.arithmetic(name)? {
            return Ok(Op::Alu(alu));
        }
        if let Some(op) = self.data(name)? {
            return Ok(op);
        }
        if let Some(op) = self.memory(name)? {
            return Ok(op);
        }
        if let Some(op) = self.control(name)? {
            return Ok(op);
        }
        Err(format!("unknown instruction {}", self.statement.opcode))
    }

    // Modifiers.

    fn take(&mut self, modifier: &str) -> bool {
        match self.modifiers.iter().position(|known| *known == modifier) {
            Some(at) => {
                self.modifiers.remove(at);
                true
            }
            None => false,
        }
    }

    /// The first of `choices` that is present.
    fn take_any<T: Copy>(&mut self, choices: &[(&str, T)]) -> Option<T> {
        choices.iter().find(|(name, _)| self.take(name)).map(|(_, value)| *value)
    }

    fn need_any<T: Copy>(&mut self, choices: &[(&str, T)]) -> Result<T> {
        self.take_any(choices).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            format!("one of .{} is missing", names.join(", ."))
        })
    }

    /// The last modifier, a type.
    fn scalar(&mut self) -> Result<Scalar> {
        let found = self.modifiers.last().and_then(|name| Scalar::parse(name));
        let scalar = found.ok_or_else(|| format!("{}: no type that is supported", self.statement.opcode))?;
        self.modifiers.pop();
        Ok(scalar)
    }

    // Operands.

    fn operands(&self) -> &'d [Operand<'a>] {
        &self.statement.operands
    }

    fn count(&self, wanted: usize) -> Result<()> {
        match self.operands().len() {
            found if found == wanted => Ok(()),
            found => Err(format!("{wanted} operands expected, {found} found")),
        }
    }

    fn operand(&self, i: usize) -> Result<&'d Operand<'a>> {
        self.operands().get(i).ok_or_else(|| format!("operand {} is missing", i + 1))
    }

    fn kind(&self, id: RegId) -> RegKind {
        self.body.registers[id as usize]
    }

    fn row(&self, id: RegId, wanted: RegKind) -> Result<Row> {
        let file = |kind| match kind {
            RegKind::B16 => RegKind::B32,
            kind => kind,
        };
        let kind = self.kind(id);
        if file(kind) != file(wanted) {
            return Err(format!("a register of kind {wanted:?} expected, one of kind {kind:?} found"));
        }
        Row::try_from(self.rows.row[id as usize]).map_err(|_| "too many registers".to_string())
    }

    fn const32(&mut self, value: Value) -> Row {
        let next = self.rows.rows32 + self.consts32.len() as u32;
        // A row too high for the type is found when the function is complete.
        *self.consts32.entry(value).or_insert(next as Row)
    }

    fn const64(&mut self, value: Value) -> Row {
        let next = self.rows.rows64 + self.consts64.len() as u32;
        *self.consts64.entry(value).or_insert(next as Row)
    }

    /// The address that a name stands for; offsets of shared and local variables count from their space's start.
    fn address_value(&mut self, operand: &Operand<'a>) -> Result<Value> {
        match *operand {
            Operand::Var(id, addend) => Ok(match self.homes[id as usize] {
                Home::Param(offset) => Value::Bits((i64::from(offset) + addend) as u64),
                Home::Frame(offset) => Value::Local(i64::from(offset) + addend),
                Home::Shared(variable) => Value::Shared { variable, addend },
            }),
            Operand::Name(name, addend) => {
                if let Some(&variable) = self.symbols.variables.get(name) {
                    Ok(Value::Global { variable, addend })
                } else if let Some(&variable) = self.symbols.shared.get(name) {
                    self.shared.push(variable);
                    Ok(Value::Shared { variable, addend })
                } else if let Some(&function) = self.symbols.functions.get(name) {
                    // Whoever takes the address may call it.
                    self.calls.push(function);
                    Ok(Value::Function(function))
                } else {
                    Err(format!("unknown name {name}"))
                }
            }
            _ => Err(format!("an address expected, {operand:?} found")),
        }
    }

    /// A source of at most 32 bits; `bits` says how many of an immediate count.
    fn source32(&mut self, operand: &Operand<'a>, bits: u32) -> Result<Row> {
        let mask = u64::MAX >> (64 - bits.min(32));
        match *operand {
            Operand::Reg(id) => self.row(id, RegKind::B32),
            Operand::Int(value) => Ok(self.const32(Value::Bits(value as u64 & mask))),
            Operand::Single(value) => Ok(self.const32(Value::Bits(u64::from(value)))),
            Operand::Double(value) => {
                let single = f64::from_bits(value) as f32;
                Ok(self.const32(Value::Bits(u64::from(single.to_bits()))))
            }
            Operand::Var(..) | Operand::Name(..) => {
                let value = self.address_value(operand)?;
                Ok(self.const32(value))
            }
            _ => Err(format!("a register or a number expected, {operand:?} found")),
        }
    }

    fn source64(&mut self, operand: &Operand<'a>) -> Result<Row> {
        match *operand {
            Operand::Reg(id) => self.row(id, RegKind::B64),
            Operand::Int(value) => Ok(self.const64(Value::Bits(value as u64))),
            Operand::Double(value) => Ok(self.const64(Value::Bits(value))),
            Operand::Single(value) => {
                let double = f64::from(f32::from_bits(value));
                Ok(self.const64(Value::Bits(double.to_bits())))
            }
            Operand::Var(..) | Operand::Name(..) => {
                let value = self.address_value(operand)?;
                Ok(self.const64(value))
            }
            _ => Err(format!("a register or a number expected, {operand:?} found")),
        }
    }

    fn r32(&mut self, i: usize) -> Result<Row> {
        let operand = self.operand(i)?;
        self.source32(operand, 32)
    }

    fn r16(&mut self, i: usize) -> Result<Row> {
        let operand = self.operand(i)?;
        self.source32(operand, 16)
    }

    fn r64(&mut self, i: usize) -> Result<Row> {
        let operand = self.operand(i)?;
        self.source64(operand)
    }

    /// A source of type `ty`.
    fn source(&mut self, i: usize, ty: Scalar) -> Result<Row> {
        let operand = self.operand(i)?;
        if ty.is_wide() { self.source64(operand) } else { self.source32(operand, ty.bytes() * 8) }
    }

    fn destination(&self, i: usize, kind: RegKind) -> Result<Row> {
        match *self.operand(i)? {
            Operand::Reg(id) => self.row(id, kind),
            ref other => Err(format!("a register expected, {other:?} found")),
        }
    }

    fn d32(&self, i: usize) -> Result<Row> {
        self.destination(i, RegKind::B32)
    }

    fn d64(&self, i: usize) -> Result<Row> {
        self.destination(i, RegKind::B64)
    }

    fn d(&self, i: usize, ty: Scalar) -> Result<Row> {
        if ty.is_wide() { self.d64(i) } else { self.d32(i) }
    }

    /// A destination that may be `_`.
    fn optional(&self, operand: &Operand<'a>, kind: RegKind) -> Result<Option<Row>> {
        match *operand {
            Operand::Sink => Ok(None),
            Operand::Reg(id) => self.row(id, kind).map(Some),
            _ => Err(format!("a register or _ expected, {operand:?} found")),
        }
    }

    fn pred_of(&self, operand: &Operand<'a>) -> Result<Pred> {
        match *operand {
            Operand::Reg(id) => Ok(Pred { row: self.row(id, RegKind::Pred)?, negate: false }),
            Operand::NotPred(id) => Ok(Pred { row: self.row(id, RegKind::Pred)?, negate: true }),
            Operand::Int(0) => Ok(Pred::FALSE),
            Operand::Int(_) => Ok(Pred::TRUE),
            _ => Err(format!("a predicate expected, {operand:?} found")),
        }
    }

    fn pred(&self, i: usize) -> Result<Pred> {
        self.pred_of(self.operand(i)?)
    }
}
