//! Instructions whose lanes have nothing to do with each other or with memory.

use super::{Row, Scalar};

/// Operations of two integers of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bin {
    Add,
    Sub,
    AddSat,
    SubSat,
    MulLo,
    MulHiU,
    MulHiS,
    /// 24-bit products, low or high 32 bits of 48.
    Mul24LoU,
    Mul24LoS,
    Mul24HiU,
    Mul24HiS,
    DivU,
    DivS,
    RemU,
    RemS,
    MinU,
    MinS,
    MaxU,
    MaxS,
    And,
    Or,
    Xor,
}

/// Operations of one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Un {
    Mov,
    Not,
    Neg,
    Abs,
    Cnot,
    Brev,
}

/// Counts of bits; the result is 32 bits wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Popc,
    Clz,
    BfindU,
    BfindS,
    BfindShiftU,
    BfindShiftS,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    Left,
    RightU,
    RightS,
}

/// A product, or another function of two values, plus a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tri {
    MadLo,
    MadHiU,
    MadHiS,
    /// 32 bits: saturating `mad.hi.sat.s32`.
    MadHiSat,
    SadU,
    SadS,
    Mad24LoU,
    Mad24LoS,
    Mad24HiU,
    Mad24HiS,
}

/// What a carry chain adds or subtracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    Add,
    Sub,
    MadLo,
    MadHiU,
    MadHiS,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permute {
    Index,
    F4e,
    B4e,
    Rc8,
    Ecl,
    Ecr,
    Rc16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Unordered comparisons of floating point: true when an operand is not a number.
    Equ,
    Neu,
    Ltu,
    Leu,
    Gtu,
    Geu,
    Num,
    Nan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatBin {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FloatUn {
    Neg,
    Abs,
    Sqrt,
    Rcp,
    Rsqrt,
}

/// To which integer a conversion rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    Nearest,
    Zero,
    Down,
    Up,
    /// Not to an integer: the nearest representable number.
    None,
}

/// A predicate operand: its row, and whether it is negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pred {
    pub(crate) row: Row,
    pub(crate) negate: bool,
}

impl Pred {
    /// Row 0 of every frame holds all ones.
    pub(crate) const TRUE: Self = Self { row: 0, negate: false };
    /// Its opposite.
    pub(crate) const FALSE: Self = Self { row: 0, negate: true };

    #[inline(always)]
    pub(crate) fn mask(self, preds: &[u32]) -> u32 {
        preds[self.row as usize] ^ 0u32.wrapping_sub(u32::from(self.negate))
    }
}

/// What a `setp` combines its comparison with, and where it puts the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetPred {
    pub(crate) compare: Compare,
    pub(crate) with: Option<(Logic, Pred)>,
    pub(crate) p: Option<Row>,
    pub(crate) q: Option<Row>,
}

/// Instructions whose lanes have nothing to do with each other or with memory.
#[derive(Clone, Debug)]
pub(crate) enum Alu {
    Bin16 {
        f: Bin,
        d: Row,
        a: Row,
        b: Row,
    },
    Bin32 {
        f: Bin,
        d: Row,
        a: Row,
        b: Row,
    },
    Bin64 {
        f: Bin,
        d: Row,
        a: Row,
        b: Row,
    },
    Un16 {
        f: Un,
        d: Row,
        a: Row,
    },
    Un32 {
        f: Un,
        d: Row,
        a: Row,
    },
    Un64 {
        f: Un,
        d: Row,
        a: Row,
    },
    Count32 {
        f: Count,
        d: Row,
        a: Row,
    },
    Count64 {
        f: Count,
        d: Row,
        a: Row,
    },
    Shift16 {
        f: Shift,
        d: Row,
        a: Row,
        b: Row,
    },
    Shift32 {
        f: Shift,
        d: Row,
        a: Row,
        b: Row,
    },
    Shift64 {
        f: Shift,
        d: Row,
        a: Row,
        b: Row,
    },
    Tri16 {
        f: Tri,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Tri32 {
        f: Tri,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Tri64 {
        f: Tri,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Chain32 {
        f: Chain,
        input: bool,
        output: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Chain64 {
        f: Chain,
        input: bool,
        output: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    /// `d = a * b + c`, twice as wide as `a` and `b`; from 16 to 32 bits.
    Wide16 {
        signed: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Option<Row>,
    },
    /// As [`Self::Wide16`], from 32 to 64 bits.
    Wide32 {
        signed: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Option<Row>,
    },
    Lop3 {
        table: u8,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    /// `shf`: 32 bits of `b:a`, shifted by `c`.
    Funnel {
        left: bool,
        wrap: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Prmt {
        mode: Permute,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Bfe32 {
        signed: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Bfe64 {
        signed: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Bfi32 {
        d: Row,
        a: Row,
        b: Row,
        c: Row,
        e: Row,
    },
    Bfi64 {
        d: Row,
        a: Row,
        b: Row,
        c: Row,
        e: Row,
    },
    Bmsk {
        wrap: bool,
        d: Row,
        a: Row,
        b: Row,
    },
    Szext {
        signed: bool,
        wrap: bool,
        d: Row,
        a: Row,
        b: Row,
    },
    Fns {
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Dp4a {
        signed_a: bool,
        signed_b: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Dp2a {
        signed_a: bool,
        signed_b: bool,
        high: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Setp {
        ty: Scalar,
        set: Box<SetPred>,
        a: Row,
        b: Row,
    },
    /// `set`: ones, or 1.0, where the comparison holds.
    Set {
        ty: Scalar,
        set: Box<SetPred>,
        float: bool,
        d: Row,
        a: Row,
        b: Row,
    },
    Selp32 {
        d: Row,
        a: Row,
        b: Row,
        p: Pred,
    },
    Selp64 {
        d: Row,
        a: Row,
        b: Row,
        p: Pred,
    },
    /// `d = c >= 0 ? a : b`.
    Slct32 {
        float: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Slct64 {
        float: bool,
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    PredLogic {
        f: Logic,
        d: Row,
        a: Pred,
        b: Pred,
    },
    PredMov {
        d: Row,
        a: Pred,
    },
    /// `mov.b64 d, {low, high}`.
    Pack64 {
        d: Row,
        low: Row,
        high: Row,
    },
    /// `mov.b64 {low, high}, a`.
    Unpack64 {
        low: Option<Row>,
        high: Option<Row>,
        a: Row,
    },
    Pack32 {
        d: Row,
        low: Row,
        high: Row,
    },
    Unpack32 {
        low: Option<Row>,
        high: Option<Row>,
        a: Row,
    },
    /// `mov.b64` with four 16-bit halves.
    Pack16x4 {
        d: Row,
        parts: Box<[Row; 4]>,
    },
    Unpack16x4 {
        parts: Box<[Option<Row>; 4]>,
        a: Row,
    },
    /// `bits` is the width of the destination register: results of 8 bits are extended to it.
    Cvt {
        to: Scalar,
        from: Scalar,
        saturate: bool,
        round: Round,
        bits: u8,
        from_wide: bool,
        d: Row,
        a: Row,
    },
    /// Whether the generic address `a` lies in `[start, start + WINDOW)`; without a start, in none of the windows.
    Isspacep {
        d: Row,
        a: Row,
        start: Option<u64>,
    },
    Float32 {
        f: FloatBin,
        d: Row,
        a: Row,
        b: Row,
    },
    Float64 {
        f: FloatBin,
        d: Row,
        a: Row,
        b: Row,
    },
    FloatUn32 {
        f: FloatUn,
        d: Row,
        a: Row,
    },
    FloatUn64 {
        f: FloatUn,
        d: Row,
        a: Row,
    },
    Fma32 {
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
    Fma64 {
        d: Row,
        a: Row,
        b: Row,
        c: Row,
    },
}
