//! What is known of a kernel before it is launched: attributes and occupancy.

use crate::driver::abi::{Out, driver_api};
use crate::driver::model::{MAX_THREADS_PER_BLOCK, Model, WARP};
use crate::driver::session::Session;
use crate::driver::state::ModuleEntry;
use crate::driver::status::{Outcome, Status};
use crate::ptx::Kernel;

/// Registers per thread that attributes report: not modelled, and never zero on a device.
const REGISTERS: i32 = 32;

impl Session {
    /// The module of a function, and its kernel.
    pub fn kernel(&self, function: u64) -> Outcome<(&ModuleEntry, &Kernel)> {
        let function = self.function(function)?;
        let module = self.state.modules.get(&function.module).ok_or(Status::InvalidHandle)?;
        let kernel = module.loaded.module().kernel(&function.name).ok_or(Status::InvalidHandle)?;
        Ok((module, kernel))
    }

    /// The device's model.
    pub fn model(&self) -> &'static Model {
        &self.driver.config.model
    }
}

/// Threads that a block of the kernel may have.
pub fn max_threads(kernel: &Kernel) -> u32 {
    let declared = kernel.reqntid.or(kernel.maxntid).map(|threads| threads.into_iter().product());
    MAX_THREADS_PER_BLOCK.min(declared.unwrap_or(u32::MAX))
}

fn max_active_blocks(blocks: Out<i32>, function: u64, threads: i32, dynamic: usize) -> Outcome {
    let session = Session::begin()?;
    let (_, kernel) = session.kernel(function)?;
    let threads = u32::try_from(threads).ok().filter(|&threads| threads > 0).ok_or(Status::InvalidValue)?;
    let shared = u32::try_from(dynamic).ok().and_then(|dynamic| dynamic.checked_add(kernel.static_shared));
    let fits = shared.map(|shared| session.model().occupancy(threads, shared));
    blocks.set(fits.filter(|_| threads <= max_threads(kernel)).unwrap_or(0) as i32)
}

/// The shape that keeps most threads resident; among equals the largest block.
fn potential_block_size(
    grid: Out<i32>,
    block: Out<i32>,
    function: u64,
    dynamic_of: Option<extern "C" fn(i32) -> usize>,
    dynamic: usize,
    limit: i32,
) -> Outcome {
    grid.check()?;
    block.check()?;
    let (model, fixed, most) = {
        let session = Session::begin()?;
        let (_, kernel) = session.kernel(function)?;
        (session.model(), kernel.static_shared, max_threads(kernel))
    };
    let most = if limit > 0 { most.min(limit as u32) } else { most };
    let mut best = (0, 0, 0);
    for threads in (1..=most.div_ceil(WARP)).rev().map(|warps| (warps * WARP).min(most)) {
        let dynamic = dynamic_of.map_or(dynamic, |dynamic_of| dynamic_of(threads as i32));
        let shared = u32::try_from(dynamic).ok().and_then(|dynamic| dynamic.checked_add(fixed));
        let blocks = shared.map_or(0, |shared| model.occupancy(threads, shared));
        if blocks * threads > best.0 {
            best = (blocks * threads, blocks, threads);
        }
    }
    if best.0 == 0 {
        return Err(Status::InvalidValue);
    }
    grid.set((best.1 * model.multiprocessors) as i32)?;
    block.set(best.2 as i32)
}

driver_api! {
    /// An attribute of a kernel.
    fn cuFuncGetAttribute(value: Out<i32>, attribute: i32, function: u64) {
        let session = Session::begin()?;
        let entry = session.function(function)?;
        let (module, kernel) = session.kernel(function)?;
        value.set(match attribute {
            0 => max_threads(kernel) as i32,
            1 => kernel.static_shared as i32,
            2 => kernel.param_bytes as i32,
            3 => kernel.local_bytes as i32,
            4 => REGISTERS,
            5 => module.target,
            6 => session.model().capability as i32,
            7 => 0,
            8 => entry.max_dynamic_shared as i32,
            9 => entry.carveout,
            10..=15 => 0,
            _ => return Err(Status::InvalidValue),
        })
    }

    /// Sets an attribute of a kernel: its most dynamic shared memory (8), or the preferred share of the cache (9).
    fn cuFuncSetAttribute(function: u64, attribute: i32, value: i32) {
        let mut session = Session::begin()?;
        let (_, kernel) = session.kernel(function)?;
        let most = session.model().shared_optin().saturating_sub(kernel.static_shared);
        let entry = session.state.functions.get_mut(&function).ok_or(Status::InvalidHandle)?;
        match (attribute, u32::try_from(value)) {
            (8, Ok(bytes)) if bytes <= most => entry.max_dynamic_shared = bytes,
            (9, _) if (-1..=100).contains(&value) => entry.carveout = value,
            _ => return Err(Status::InvalidValue),
        }
        Ok(())
    }

    /// Sets the preferred split of cache and shared memory, which has no effect.
    fn cuFuncSetCacheConfig(function: u64, config: i32) {
        Session::begin()?.function(function)?;
        if (0..4).contains(&config) { Ok(()) } else { Err(Status::InvalidValue) }
    }

    /// Sets the width of shared memory banks, which no device since Kepler has.
    fn cuFuncSetSharedMemConfig(function: u64, config: i32) {
        Session::begin()?.function(function)?;
        if (0..3).contains(&config) { Ok(()) } else { Err(Status::InvalidValue) }
    }

    /// The module of a kernel.
    fn cuFuncGetModule(module: Out<u64>, function: u64) {
        module.set(Session::begin()?.function(function)?.module)
    }

    /// How many blocks of a kernel fit on a multiprocessor.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks: Out<i32>, function: u64, threads: i32, dynamic: usize) {
        max_active_blocks(blocks, function, threads, dynamic)
    }

    /// As `cuOccupancyMaxActiveBlocksPerMultiprocessor`; the flags change nothing.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        blocks: Out<i32>,
        function: u64,
        threads: i32,
        dynamic: usize,
        _flags: u32,
    ) {
        max_active_blocks(blocks, function, threads, dynamic)
    }

    /// The block that keeps most threads resident, and the grid that fills the device with it.
    fn cuOccupancyMaxPotentialBlockSize(
        grid: Out<i32>,
        block: Out<i32>,
        function: u64,
        dynamic_of: Option<extern "C" fn(i32) -> usize>,
        dynamic: usize,
        limit: i32,
    ) {
        potential_block_size(grid, block, function, dynamic_of, dynamic, limit)
    }

    /// As `cuOccupancyMaxPotentialBlockSize`; the flags change nothing.
    fn cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid: Out<i32>,
        block: Out<i32>,
        function: u64,
        dynamic_of: Option<extern "C" fn(i32) -> usize>,
        dynamic: usize,
        limit: i32,
        _flags: u32,
    ) {
        potential_block_size(grid, block, function, dynamic_of, dynamic, limit)
    }

    /// Dynamic shared memory per block with which so many blocks still fit on a multiprocessor.
    fn cuOccupancyAvailableDynamicSMemPerBlock(bytes: Out<usize>, function: u64, blocks: i32, threads: i32) {
        let session = Session::begin()?;
        let (_, kernel) = session.kernel(function)?;
        let model = session.model();
        let positive = |number: i32| u32::try_from(number).ok().filter(|&number| number > 0).ok_or(Status::InvalidValue);
        let (blocks, threads) = (positive(blocks)?, positive(threads)?);
        if model.occupancy(threads, kernel.static_shared) < blocks {
            return Err(Status::InvalidValue);
        }
        let share = model.shared_per_multiprocessor / blocks - model.shared_reserved;
        bytes.set((share.min(model.shared_optin()) - kernel.static_shared) as usize)
    }
}
