//! What a launch, a host thread and a block keep while a kernel runs.

use std::time::Instant;

use super::LaunchConfig;
use super::alu::Run;
use super::counters::{Counters, Executed};
use super::fault::{Fault, FaultKind, Site};
use super::options::Options;
use super::race::{BlockRace, GlobalRace};
use super::random::Random;
use super::shared::Shared;
use super::touched::Touched;
use super::warp::Warp;
use crate::isa::{Row, Value};
use crate::memory::View;
use crate::ptx::{FUNCTION_WINDOW, LoadedModule, Module, SharedLayout};

/// Contents of a row of immediates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constant {
    pub(super) row: Row,
    pub(super) value: u64,
    /// Counts from the start of the frame in local memory.
    pub(super) local: bool,
}

/// Immediates of a function, with the launch's addresses.
#[derive(Debug, Default)]
pub(super) struct Constants {
    pub(super) in32: Vec<Constant>,
    pub(super) in64: Vec<Constant>,
}

/// What does not change during a launch.
pub(super) struct Launch<'l> {
    pub(super) program: &'l Module,
    pub(super) kernel: &'l str,
    pub(super) function: u32,
    pub(super) layout: &'l SharedLayout,
    pub(super) config: &'l LaunchConfig,
    pub(super) params: &'l [u8],
    pub(super) options: &'l Options,
    pub(super) view: View,
    /// Address of the grid's own words, for cooperative groups; zero when there are none.
    pub(super) workspace: u64,
    /// Which of the view's blocks may only be read.
    pub(super) read_only: Vec<bool>,
    /// Per function.
    pub(super) constants: Vec<Constants>,
    /// What is touched, if that is asked for.
    pub(super) touched: Option<Touched>,
    pub(super) run: Run,
    pub(super) begin: Instant,
}

impl<'l> Launch<'l> {
    /// Immediates of all functions.
    pub(super) fn resolve(module: &LoadedModule, layout: &SharedLayout) -> Vec<Constants> {
        let resolve = |&(row, value): &(Row, Value)| {
            let (value, local) = match value {
                Value::Bits(bits) => (bits, false),
                Value::Global { variable, addend } => {
                    (module.address(variable).wrapping_add_signed(addend), false)
                }
                Value::Function(function) => (FUNCTION_WINDOW + 16 * u64::from(function), false),
                // A variable that the kernel cannot reach is named by functions that it does not call.
                Value::Shared { variable, addend } => (
                    u64::from(layout.offsets.get(&variable).copied().unwrap_or(0))
                        .wrapping_add_signed(addend),
                    false,
                ),
                Value::Local(offset) => (offset as u64, true),
            };
            Constant { row, value, local }
        };
        let functions = module.module().functions.iter();
        functions
            .map(|code| Constants {
                in32: code.consts32.iter().map(resolve).collect(),
                in64: code.consts64.iter().map(resolve).collect(),
            })
            .collect()
    }

    /// A fault at an instruction.
    pub(super) fn fault(&self, kind: FaultKind, block: [u32; 3], thread: [u32; 3], at: At) -> Box<Fault> {
        let code = &self.program.functions[at.function as usize];
        let line = code.lines[at.pc as usize];
        let mut source = self.program.source(code.places[at.pc as usize]).into_iter();
        let site = Site {
            kernel: self.kernel.to_string(),
            block,
            thread,
            line,
            text: self.program.line(line).trim().to_string(),
            source: source.next(),
            inlined_at: source.collect(),
        };
        Box::new(Fault { kind, site: Some(Box::new(site)) })
    }

    /// Whether an instruction comes from a source file whose reads of unwritten memory are not reported.
    pub(super) fn trusts(&self, at: At) -> bool {
        let code = &self.program.functions[at.function as usize];
        let place = code.places[at.pc as usize];
        let trusted = &self.options.trusted;
        self.program.file(place).is_some_and(|file| trusted.iter().any(|part| file.contains(part.as_str())))
    }

    /// PTX line of an instruction.
    pub(super) fn line(&self, at: At) -> u32 {
        self.program.functions[at.function as usize].lines[at.pc as usize]
    }

    /// Source line of an instruction, for messages about a second place.
    pub(super) fn describe(&self, at: At) -> String {
        let code = &self.program.functions[at.function as usize];
        match self.program.source(code.places[at.pc as usize]).first() {
            Some((file, line)) => format!("PTX line {}, {file}:{line}", self.line(at)),
            None => format!("PTX line {}", self.line(at)),
        }
    }
}

/// An instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) function: u32,
    pub(super) pc: u32,
}

/// What a host thread keeps.
pub(super) struct Worker {
    /// Per function and instruction; empty when nothing is counted.
    pub(super) counts: Vec<Vec<Executed>>,
    pub(super) counters: Counters,
    /// Warp instructions since anything made progress.
    pub(super) idle: u64,
    pub(super) random: Option<Random>,
    /// Block of device memory used last.
    pub(super) recent: usize,
    pub(super) race: Option<GlobalRace>,
}

impl Worker {
    pub(super) fn new(launch: &Launch<'_>, random: Option<Random>) -> Self {
        let counts = if launch.options.count {
            launch.program.functions.iter().map(|code| vec![Executed::default(); code.instrs.len()]).collect()
        } else {
            Vec::new()
        };
        Self {
            counts,
            counters: Counters::default(),
            idle: 0,
            random,
            recent: 0,
            race: launch.options.checks.race.then(GlobalRace::default),
        }
    }
}

/// A barrier of the block.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    /// Threads that have arrived.
    pub(super) arrived: u32,
    /// Threads that must, when the instruction says so; otherwise all.
    pub(super) expected: Option<u32>,
    /// Somebody has come since it last opened.
    pub(super) used: bool,
    /// Votes of `bar.red`.
    pub(super) yes: u32,
    /// Warps that have come, for the race check.
    pub(super) warps: Vec<u32>,
    /// Where the first of them stands.
    pub(super) first: At,
}

/// What the warps of a block share.
pub(super) struct Common {
    pub(super) index: [u32; 3],
    pub(super) linear: u64,
    pub(super) shared: Shared,
    pub(super) gates: [Gate; 16],
    /// Threads that have not exited, and those that have.
    pub(super) live: u32,
    pub(super) exited: u32,
    pub(super) race: Option<BlockRace>,
}

/// A block and its warps.
pub(super) struct Block {
    pub(super) warps: Vec<Warp>,
    pub(super) common: Common,
}
