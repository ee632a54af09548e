//! Runs kernels.
//!
//! A block's warps take turns on one host thread; blocks are spread over threads ([`grid`]). A warp runs its groups of converged lanes ([`warp`],
//! [`step`]); arithmetic is vectorised over lanes ([`alu`]), memory is checked at every access ([`access`]).

mod access;
mod alu;
mod collective;
mod counters;
mod fault;
mod grid;
mod local;
mod options;
mod printf;
mod race;
mod random;
mod scalar;
mod shared;
mod state;
mod step;
mod touched;
mod warp;

use std::time::Instant;

pub use counters::{Class, Counters, Executed, Instructions};
pub use fault::{Fault, FaultKind, Site, Space};
pub use options::{Checks, OptionError, Options, Sink};
pub use touched::{Mode, Touch};

use self::state::Launch;
use self::touched::Touched;
use crate::memory::{DeviceMemory, MemoryError, Owner};
use crate::ptx::{Kernel, LoadedModule};

/// Most threads of a block.
pub const MAX_THREADS: u32 = 1024;

/// Most bytes of shared memory of a block, static and dynamic.
pub const MAX_SHARED: u32 = 227 << 10;

/// Shape of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchConfig {
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: u32,
    /// Whether the blocks may wait for each other: all of them then run at the same time.
    pub cooperative: bool,
}

impl LaunchConfig {
    fn check(&self, kernel: &Kernel, params: &[u8]) -> Result<(), String> {
        let ([gx, gy, gz], block) = (self.grid, self.block);
        if gx == 0 || gy == 0 || gz == 0 || gx > i32::MAX as u32 || gy > 65535 || gz > 65535 {
            return Err(format!("a grid of {gx} x {gy} x {gz} blocks"));
        }
        let threads: u64 = block.iter().map(|&extent| u64::from(extent)).product();
        if threads == 0 || threads > u64::from(MAX_THREADS) || block[2] > 64 {
            return Err(format!("blocks of {} x {} x {} threads", block[0], block[1], block[2]));
        }
        if let Some(wanted) = kernel.reqntid.filter(|wanted| *wanted != block) {
            return Err(format!("blocks of {block:?} threads where the kernel requires {wanted:?}"));
        }
        if let Some(most) = kernel.maxntid {
            let most = most.iter().map(|&extent| u64::from(extent)).product::<u64>();
            if threads > most {
                return Err(format!("blocks of {threads} threads where the kernel allows {most}"));
            }
        }
        let shared = u64::from(kernel.static_shared) + u64::from(self.dynamic_shared);
        if shared > u64::from(MAX_SHARED) {
            return Err(format!("{shared} bytes of shared memory"));
        }
        if params.len() < kernel.param_bytes as usize {
            return Err(format!(
                "{} bytes of parameters where the kernel has {}",
                params.len(),
                kernel.param_bytes
            ));
        }
        Ok(())
    }
}

/// Runs `kernel` over the grid; returns when it has finished. `params` is the parameter buffer, laid out as
/// [`Kernel::params`] says.
///
/// # Errors
///
/// A [`Fault`]: the launch is impossible, or some thread did what it must not.
pub fn launch(
    module: &LoadedModule,
    kernel: &str,
    config: &LaunchConfig,
    params: &[u8],
    memory: &DeviceMemory,
    options: &Options,
) -> Result<Counters, Fault> {
    run(module, kernel, config, params, memory, options, alu::fastest()).map(|(counters, _)| counters)
}

/// [`launch`] that also tells what device memory was touched, if `options` ask for it.
///
/// # Errors
///
/// As [`launch`].
pub fn launch_observed(
    module: &LoadedModule,
    kernel: &str,
    config: &LaunchConfig,
    params: &[u8],
    memory: &DeviceMemory,
    options: &Options,
) -> Result<(Counters, Vec<Touch>), Fault> {
    run(module, kernel, config, params, memory, options, alu::fastest())
}

/// [`launch`] with vector code for the plain host whatever this one offers: for tests, and to measure what vectors bring.
///
/// # Errors
///
/// As [`launch`].
#[doc(hidden)]
pub fn launch_plain(
    module: &LoadedModule,
    kernel: &str,
    config: &LaunchConfig,
    params: &[u8],
    memory: &DeviceMemory,
    options: &Options,
) -> Result<Counters, Fault> {
    run(module, kernel, config, params, memory, options, alu::run_plain).map(|(counters, _)| counters)
}

/// The words of device memory in which cooperative groups count the blocks that have arrived; freed with the launch.
struct Workspace<'m> {
    memory: &'m DeviceMemory,
    address: u64,
}

impl<'m> Workspace<'m> {
    /// Its size, which it begins with, and the counter.
    const BYTES: u64 = 8;

    fn new(memory: &'m DeviceMemory, needed: bool) -> Result<Self, MemoryError> {
        let mut workspace = Self { memory, address: 0 };
        if needed {
            workspace.address = memory.alloc_for(Self::BYTES, Owner::Module)?;
            memory.fill8(workspace.address, 0, Self::BYTES)?;
            memory.fill32(workspace.address, Self::BYTES as u32, 1)?;
        }
        Ok(workspace)
    }
}

impl Drop for Workspace<'_> {
    fn drop(&mut self) {
        if self.address != 0 {
            // Only this value knows the address, so that it is live.
            let _ = self.memory.free(self.address);
        }
    }
}

fn run(
    module: &LoadedModule,
    kernel: &str,
    config: &LaunchConfig,
    params: &[u8],
    memory: &DeviceMemory,
    options: &Options,
    run: alu::Run,
) -> Result<(Counters, Vec<Touch>), Fault> {
    let program = module.module();
    let (info, function, layout) =
        program.entry(kernel).ok_or_else(|| FaultKind::UnknownKernel(kernel.to_string()))?;
    config.check(info, params).map_err(FaultKind::InvalidLaunch)?;
    let workspace = Workspace::new(memory, config.cooperative)
        .map_err(|error| FaultKind::InvalidLaunch(format!("no memory for the grid's barrier: {error}")))?;
    let view = memory.view();
    let constants = module.constants();
    let read_only = view.blocks.iter().map(|block| {
        let ptr = block.info.ptr;
        constants.iter().any(|(start, end)| (*start..*end).contains(&ptr))
    });
    let launch = Launch {
        program,
        kernel,
        function,
        layout,
        config,
        params,
        options,
        read_only: read_only.collect(),
        touched: options.observe.then(|| Touched::new(&view)),
        view,
        workspace: workspace.address,
        constants: Launch::resolve(module, layout),
        run,
        begin: Instant::now(),
    };
    let workers = grid::run(&launch).map_err(|fault| *fault)?;

    let mut counters = Counters::default();
    for worker in &workers {
        counters += worker.counters;
        for (code, counts) in program.functions.iter().zip(&worker.counts) {
            for (class, count) in code.classes.iter().zip(counts) {
                *counters.instructions.of(*class) += *count;
            }
        }
    }
    let blocks: u64 = config.grid.iter().map(|&extent| u64::from(extent)).product();
    counters.launches = 1;
    counters.blocks = blocks;
    counters.threads = blocks * config.block.iter().map(|&extent| u64::from(extent)).product::<u64>();
    let touches = launch.touched.map_or(Vec::new(), |touched| touched.into_touches(&launch.view));
    Ok((counters, touches))
}
