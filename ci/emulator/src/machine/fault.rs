//! What a launch can fail with.

use std::fmt;

use crate::memory::MemoryError;

/// Where a kernel stood when it failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The kernel launched.
    pub kernel: String,
    /// `blockIdx`.
    pub block: [u32; 3],
    /// `threadIdx`.
    pub thread: [u32; 3],
    /// Line of the PTX text, from one.
    pub line: u32,
    /// That line.
    pub text: String,
    /// File and line of the CUDA source, when the PTX was built with `-lineinfo`.
    pub source: Option<(String, u32)>,
    /// Where that line was inlined, from the inside out.
    pub inlined_at: Vec<(String, u32)>,
}

/// Memory that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Global (and constant) memory.
    Global,
    /// The block's shared memory.
    Shared,
    /// The thread's own memory.
    Local,
    /// The kernel's parameters.
    Param,
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "global",
            Self::Shared => "shared",
            Self::Local => "local",
            Self::Param => "parameter",
        })
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The launch itself is impossible; nothing ran.
    #[error("invalid launch: {0}")]
    InvalidLaunch(String),
    /// No kernel of that name.
    #[error("no kernel named {0}")]
    UnknownKernel(String),
    /// Access outside every object.
    #[error("{bytes}-byte access to {space} memory out of bounds at {address:#x}{}", near.as_deref().unwrap_or(""))]
    OutOfBounds {
        /// The memory.
        space: Space,
        /// The address.
        address: u64,
        /// The width.
        bytes: u32,
        /// Where the nearest object is.
        near: Option<String>,
    },
    /// Address that is not a multiple of the access's width.
    #[error("{bytes}-byte access to {space} memory misaligned at {address:#x}")]
    Misaligned {
        /// The memory.
        space: Space,
        /// The address.
        address: u64,
        /// The width.
        bytes: u32,
    },
    /// Access to memory that was freed.
    #[error("use after free: {0}")]
    UseAfterFree(MemoryError),
    /// Read of bytes that nothing ever wrote.
    #[error("{bytes}-byte read of {space} memory that was never written, at {address:#x}")]
    Uninitialised {
        /// The memory.
        space: Space,
        /// The address.
        address: u64,
        /// The width.
        bytes: u32,
    },
    /// Store to memory that may only be read.
    #[error("write to {space} memory that is read-only, at {address:#x}")]
    ReadOnly {
        /// The memory.
        space: Space,
        /// The address.
        address: u64,
    },
    /// Two unordered accesses to one word, at least one of them a write.
    #[error("race on {space} memory at {address:#x}: this {this} is not ordered after the {other}")]
    Race {
        /// The memory.
        space: Space,
        /// The address.
        address: u64,
        /// `read`, `write` or `atomic`.
        this: &'static str,
        /// The earlier access: what it was, whose, and its line.
        other: String,
    },
    /// A barrier that part of the warp or block does not reach.
    #[error("divergent barrier: {0}")]
    DivergentBarrier(String),
    /// A warp-wide operation whose mask names lanes that do not take part, or leaves out the caller.
    #[error("warp synchronisation: {0}")]
    WarpSync(String),
    /// Nothing can run any more, or nothing has made progress for too long.
    #[error("deadlock: {0}")]
    Deadlock(String),
    /// `trap`, or a failed `assert`.
    #[error("{0}")]
    Trap(String),
    /// Something that the machine does not do.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// Stack of a thread grown too deep.
    #[error("the thread's stack exceeds {0} bytes")]
    StackOverflow(u64),
}

/// A launch that failed: what, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Where; `None` when nothing ran.
    pub site: Option<Box<Site>>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        let Some(site) = &self.site else { return Ok(()) };
        let ([bx, by, bz], [tx, ty, tz]) = (site.block, site.thread);
        write!(f, "\n  in {}, block ({bx},{by},{bz}), thread ({tx},{ty},{tz})", site.kernel)?;
        write!(f, "\n  at PTX line {}: {}", site.line, site.text.trim())?;
        if let Some((file, line)) = &site.source {
            write!(f, "\n  at {file}:{line}")?;
        }
        site.inlined_at.iter().try_for_each(|(file, line)| write!(f, "\n  inlined at {file}:{line}"))
    }
}

impl std::error::Error for Fault {}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self { kind, site: None }
    }
}

impl Fault {
    /// The `CUresult` that a driver reports for it.
    pub fn code(&self) -> u32 {
        match self.kind {
            FaultKind::InvalidLaunch(_) => 1,
            FaultKind::UnknownKernel(_) => 500,
            FaultKind::OutOfBounds { .. } | FaultKind::UseAfterFree(_) | FaultKind::ReadOnly { .. } => 700,
            FaultKind::Deadlock(_) => 702,
            FaultKind::Trap(ref text) if text.starts_with("assertion") => 710,
            FaultKind::Unsupported(_) => 715,
            FaultKind::Misaligned { .. } => 716,
            _ => 719,
        }
    }
}
