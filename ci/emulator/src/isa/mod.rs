//! The machine's instructions: what PTX statements are decoded into.
//!
//! Every operand is a row of a register file; immediates and addresses of variables are rows too, filled when a frame is
//! entered. A row holds the value of all 32 lanes. Registers of 16 bits live in the 32-bit file, upper half zero.

mod alu;
pub(crate) mod decode;
pub(crate) mod registers;

pub(crate) use alu::*;

use crate::machine::Class;

/// Lanes of a warp.
pub(crate) const LANES: usize = 32;

/// Index of a row in a register file, from the start of the frame.
pub(crate) type Row = u16;

/// PTX's fundamental types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    U64,
    S64,
    F32,
    F64,
}

impl Scalar {
    /// The type of this name; untyped bits count as unsigned.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "u8" | "b8" => Self::U8,
            "s8" => Self::S8,
            "u16" | "b16" => Self::U16,
            "s16" => Self::S16,
            "u32" | "b32" => Self::U32,
            "s32" => Self::S32,
            "u64" | "b64" => Self::U64,
            "s64" => Self::S64,
            "f32" => Self::F32,
            "f64" => Self::F64,
            _ => return None,
        })
    }

    pub(crate) fn bytes(self) -> u32 {
        match self {
            Self::U8 | Self::S8 => 1,
            Self::U16 | Self::S16 => 2,
            Self::U32 | Self::S32 | Self::F32 => 4,
            Self::U64 | Self::S64 | Self::F64 => 8,
        }
    }

    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// Lives in the 64-bit file.
    pub(crate) fn is_wide(self) -> bool {
        self.bytes() == 8
    }
}

/// Special registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Tid(u8),
    Ntid(u8),
    Ctaid(u8),
    Nctaid(u8),
    LaneId,
    WarpId,
    NumWarps,
    LaneMask(LaneMask),
    Clock,
    GlobalTimer,
    GridId,
    SmId,
    NumSms,
    DynamicShared,
    TotalShared,
    /// Address of what cooperative groups keep per grid, upper and lower half; zero unless the launch is cooperative.
    WorkspaceHigh,
    WorkspaceLow,
    Zero,
    WarpSize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneMask {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Memory as an instruction names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemSpace {
    Generic,
    Global,
    /// Constant variables live in device memory, and may only be read.
    Const,
    Shared,
    Local,
    /// A kernel's parameters; those of functions are local.
    Param,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) row: Row,
    /// The row is in the 64-bit file.
    pub(crate) wide: bool,
    pub(crate) offset: i64,
}

/// A register that memory is exchanged with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    pub(crate) row: Row,
    pub(crate) wide: bool,
    /// Width of the register.
    pub(crate) bits: u8,
}

/// How strong an access is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Weak,
    /// `.volatile`, `.relaxed`.
    Relaxed,
    Acquire,
    Release,
    AcqRel,
}

#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) space: MemSpace,
    pub(crate) ty: Scalar,
    pub(crate) address: Address,
    pub(crate) order: Order,
    /// `None` for `_`.
    pub(crate) to: Box<[Option<Port>]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) space: MemSpace,
    pub(crate) ty: Scalar,
    pub(crate) address: Address,
    pub(crate) order: Order,
    pub(crate) from: Box<[Port]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtomicOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    CompareSwap,
    Inc,
    Dec,
}

#[derive(Clone, Debug)]
pub(crate) struct Atomic {
    pub(crate) op: AtomicOp,
    pub(crate) space: MemSpace,
    pub(crate) ty: Scalar,
    pub(crate) order: Order,
    pub(crate) address: Address,
    pub(crate) d: Option<Row>,
    pub(crate) b: Row,
    /// The new value of a compare-and-swap.
    pub(crate) c: Row,
}

/// `cp.async`: `bytes` from global to shared memory, of which `source` bytes are read and the rest is zero.
#[derive(Clone, Debug)]
pub(crate) struct CopyAsync {
    pub(crate) to: Address,
    pub(crate) from: Address,
    pub(crate) bytes: u32,
    pub(crate) source: Option<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShuffleMode {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VoteMode {
    All,
    Any,
    Uniform,
    Ballot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduce {
    Add,
    MinU,
    MinS,
    MaxU,
    MaxS,
    And,
    Or,
    Xor,
}

/// What the lanes of a warp do together.
#[derive(Clone, Debug)]
pub(crate) enum Collective {
    Barrier,
    Shuffle { mode: ShuffleMode, d: Option<Row>, p: Option<Row>, a: Row, b: Row, c: Row },
    Vote { mode: VoteMode, d: Row, a: Pred },
    MatchAny { d: Row, a: Row, wide: bool },
    MatchAll { d: Row, p: Option<Row>, a: Row, wide: bool },
    Redux { f: Reduce, d: Row, a: Row },
    Elect { d: Option<Row>, p: Row },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BarrierRed {
    Popc { d: Row },
    And { d: Row },
    Or { d: Row },
}

/// A barrier of the block.
#[derive(Clone, Debug)]
pub(crate) struct Barrier {
    /// All threads of the warp must be here.
    pub(crate) aligned: bool,
    /// `bar.arrive`: counts, does not wait.
    pub(crate) arrive: bool,
    pub(crate) id: Row,
    pub(crate) threads: Option<Row>,
    pub(crate) red: Option<(BarrierRed, Pred)>,
}

/// Part of a frame: offset and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) offset: u32,
    pub(crate) bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callee {
    /// Index of the function.
    Direct(u32),
    /// Row of a function's address.
    Indirect(Row),
    Printf,
    AssertFail,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) callee: Callee,
    /// In the caller's frame.
    pub(crate) results: Box<[Slot]>,
    pub(crate) args: Box<[Slot]>,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Alu(Alu),
    Special {
        d: Row,
        wide: bool,
        which: Special,
    },
    ActiveMask {
        d: Row,
    },
    Load(Box<Load>),
    Store(Box<Store>),
    Atomic(Box<Atomic>),
    CopyAsync(Box<CopyAsync>),
    Collective {
        mask: Row,
        what: Box<Collective>,
    },
    Barrier(Box<Barrier>),
    Fence {
        device: bool,
    },
    /// Nothing to do, but a good moment to let others run: `nanosleep`.
    Yield,
    Nop,
    Branch {
        target: u32,
    },
    BranchIndex {
        index: Row,
        targets: Box<[u32]>,
    },
    Call(Box<Call>),
    Return,
    Exit,
    Trap,
}

#[derive(Clone, Debug)]
pub(crate) struct Instr {
    pub(crate) guard: Pred,
    pub(crate) op: Op,
}

/// What the rows of immediates hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Bits(u64),
    /// Address of a variable of the module.
    Global {
        variable: u32,
        addend: i64,
    },
    /// Address of a function.
    Function(u32),
    /// Offset in shared memory of a variable.
    Shared {
        variable: u32,
        addend: i64,
    },
    /// Offset in the thread's local memory, from the start of the frame.
    Local(i64),
}

/// A decoded function.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) name: String,
    pub(crate) instrs: Box<[Instr]>,
    /// Per instruction: line of the PTX, place in the source, class.
    pub(crate) lines: Box<[u32]>,
    pub(crate) places: Box<[u32]>,
    pub(crate) classes: Box<[Class]>,
    pub(crate) rows32: u32,
    pub(crate) rows64: u32,
    pub(crate) preds: u32,
    pub(crate) consts32: Vec<(Row, Value)>,
    pub(crate) consts64: Vec<(Row, Value)>,
    /// Bytes of a frame in local memory.
    pub(crate) frame_bytes: u32,
    pub(crate) params: Vec<Slot>,
    pub(crate) results: Vec<Slot>,
    /// Functions that it may call, and whether it calls through pointers.
    pub(crate) calls: Vec<u32>,
    pub(crate) calls_indirect: bool,
    /// Shared variables that it names.
    pub(crate) shared: Vec<u32>,
}

/// A variable in shared memory.
#[derive(Clone, Debug)]
pub(crate) struct SharedVariable {
    pub(crate) bytes: u64,
    pub(crate) align: u32,
    /// `.extern .shared`: the dynamic part.
    pub(crate) dynamic: bool,
}
