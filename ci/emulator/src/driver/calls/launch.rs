//! Launches.

use std::ffi::c_void;
use std::sync::Arc;

use super::function::max_threads;
use crate::driver::abi::driver_api;
use crate::driver::model::{MAX_BLOCK, MAX_GRID};
use crate::driver::queue::{Launch, Use, Work};
use crate::driver::report::warn;
use crate::driver::session::Session;
use crate::driver::status::{Outcome, Status};
use crate::machine::{LaunchConfig, Mode};
use crate::ptx::Kernel;

/// Markers in the list of extra parameters.
const EXTRA_BUFFER: usize = 1;
const EXTRA_SIZE: usize = 2;

/// What is wrong with the shape of a launch.
fn refuse(session: &Session, kernel: &Kernel, config: &LaunchConfig, limit: u32) -> Option<(Status, String)> {
    let invalid = |message: String| Some((Status::InvalidValue, message));
    let LaunchConfig { grid, block, dynamic_shared, cooperative } = *config;
    for (size, most, what) in [(grid, MAX_GRID, "grid"), (block, MAX_BLOCK, "block")] {
        if size.iter().zip(most).any(|(&size, most)| size == 0 || size > most) {
            return invalid(format!("a {what} of {size:?}; each direction has from 1 to {most:?}"));
        }
    }
    let threads: u64 = block.iter().map(|&size| u64::from(size)).product();
    let most = max_threads(kernel);
    if threads > u64::from(most) {
        return invalid(format!("a block of {threads} threads; at most {most} are possible"));
    }
    if kernel.reqntid.is_some_and(|required| required != block) {
        return invalid(format!("a block of {block:?}; the kernel requires {:?}", kernel.reqntid));
    }
    if dynamic_shared > limit {
        return invalid(format!(
            "{dynamic_shared} bytes of dynamic shared memory; at most {limit} without a larger \
             CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"
        ));
    }
    if cooperative {
        let blocks: u64 = grid.iter().map(|&size| u64::from(size)).product();
        let model = session.model();
        let resident =
            model.occupancy(threads as u32, kernel.static_shared + dynamic_shared) * model.multiprocessors;
        if blocks > u64::from(resident) {
            let message = format!("{blocks} cooperative blocks; {resident} fit on the device at once");
            return Some((Status::CooperativeLaunchTooLarge, message));
        }
    }
    None
}

/// The parameter buffer: gathered from pointers to the parameters, or copied from a buffer of the caller.
///
/// # Safety
///
/// `each` is null or has a valid pointer for each parameter; `extra` is null or a list of markers and values that ends with a null.
unsafe fn parameters(
    kernel: &Kernel,
    each: *const *const c_void,
    extra: *const *const c_void,
) -> Outcome<Vec<u8>> {
    let mut buffer = vec![0; kernel.param_bytes as usize];
    if !extra.is_null() {
        if !each.is_null() {
            return Err(Status::InvalidValue);
        }
        let (mut bytes, mut size, mut index) = (std::ptr::null::<u8>(), 0, 0);
        loop {
            // SAFETY: the list goes on until its null.
            let (marker, value) = unsafe {
                match (*extra.add(index)) as usize {
                    0 => break,
                    marker => (marker, *extra.add(index + 1)),
                }
            };
            match marker {
                EXTRA_BUFFER => bytes = value.cast(),
                // SAFETY: the value of this marker is a pointer to the size.
                EXTRA_SIZE if !value.is_null() => size = unsafe { value.cast::<usize>().read_unaligned() },
                _ => return Err(Status::InvalidValue),
            }
            index += 2;
        }
        if size < buffer.len() || bytes.is_null() && !buffer.is_empty() {
            return Err(Status::InvalidValue);
        }
        if !buffer.is_empty() {
            let length = buffer.len();
            // SAFETY: the caller's buffer has `size` bytes, at least as many as are copied.
            buffer.copy_from_slice(unsafe { std::slice::from_raw_parts(bytes, length) });
        }
        return Ok(buffer);
    }
    if each.is_null() && !kernel.params.is_empty() {
        return Err(Status::InvalidValue);
    }
    for (index, param) in kernel.params.iter().enumerate() {
        // SAFETY: there is a pointer for each parameter.
        let value = unsafe { *each.add(index) };
        if value.is_null() {
            return Err(Status::InvalidValue);
        }
        let (start, size) = (param.offset as usize, param.size as usize);
        let field = buffer.get_mut(start..start + size).ok_or(Status::InvalidValue)?;
        // SAFETY: the pointer leads to a value of the parameter's type.
        field.copy_from_slice(unsafe { std::slice::from_raw_parts(value.cast(), size) });
    }
    Ok(buffer)
}

/// The allocations that parameters point into.
fn mentioned(session: &Session, params: &[u8]) -> Vec<Use> {
    let words = params.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    let found = words.filter_map(|word| session.state.allocation(word));
    found
        .map(|(base, entry)| Use { range: base..base + entry.bytes, mode: Mode::Write, certain: false })
        .collect()
}

#[allow(clippy::too_many_arguments, reason = "the arguments of cuLaunchKernel")]
fn launch(
    function: u64,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_shared: u32,
    cooperative: bool,
    stream: u64,
    each: *const *const c_void,
    extra: *const *const c_void,
) -> Outcome {
    let mut session = Session::begin()?;
    let stream = session.stream(stream)?;
    let limit = session.function(function)?.max_dynamic_shared;
    let (module, kernel) = session.kernel(function)?;
    let config = LaunchConfig { grid, block, dynamic_shared, cooperative };
    if let Some((status, message)) = refuse(&session, kernel, &config, limit) {
        warn(&format!("cannot launch {}: {message}", kernel.name));
        return Err(status);
    }
    // SAFETY: what the caller of a launch vouches for.
    let params = unsafe { parameters(kernel, each, extra) }?;
    let uses = mentioned(&session, &params);
    let name = kernel.name.clone();
    let launch = Launch { module: Arc::clone(&module.loaded), kernel: name.clone(), config, params };
    session.submit(stream, Work::Launch(Box::new(launch)), format!("kernel {name}"), uses).map(|_| ())
}

driver_api! {
    /// Launches a kernel.
    fn cuLaunchKernel(
        function: u64,
        grid_x: u32,
        grid_y: u32,
        grid_z: u32,
        block_x: u32,
        block_y: u32,
        block_z: u32,
        shared: u32,
        stream: u64,
        each: *const *const c_void,
        extra: *const *const c_void,
    ) {
        launch(function, [grid_x, grid_y, grid_z], [block_x, block_y, block_z], shared, false, stream, each, extra)
    }

    /// Launches a kernel whose blocks may wait for each other.
    fn cuLaunchCooperativeKernel(
        function: u64,
        grid_x: u32,
        grid_y: u32,
        grid_z: u32,
        block_x: u32,
        block_y: u32,
        block_z: u32,
        shared: u32,
        stream: u64,
        each: *const *const c_void,
    ) {
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        launch(function, grid, block, shared, true, stream, each, std::ptr::null())
    }
}
