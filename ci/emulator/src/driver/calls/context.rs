//! Contexts: the primary one and those that a program creates, and which of them is current.

use parking_lot::MutexGuard;

use super::device::of_device;
use crate::driver::abi::{Out, driver_api};
use crate::driver::order::Stamp;
use crate::driver::session::{Session, current_context, with_contexts};
use crate::driver::state::{Driver, Id, State, driver};
use crate::driver::status::{Outcome, Status};

/// The flags that a context may have.
const FLAGS: u32 = 0x7f;
/// The version that contexts report.
const CONTEXT_VERSION: u32 = 3020;

/// Ends a context: lets its work finish, tells its leaks, frees everything in it.
fn destroy(driver: &'static Driver, state: &mut MutexGuard<'static, State>, id: Id, when: &str) -> Outcome {
    let tails: Vec<Stamp> = state.tails(id);
    driver.wait(state, &tails)?;
    let context = state.contexts.remove(&id).ok_or(Status::InvalidContext)?;
    // After an error a program has no way to free anything.
    if driver.config.checks.leak && context.sticky.is_none() {
        state.report_leaks(id, when);
    }
    let bases: Vec<_> =
        state.allocations.iter().filter(|(_, a)| a.context == id).map(|(&base, _)| base).collect();
    for base in bases {
        super::memory::release(driver, state, base);
    }
    let modules: Vec<_> =
        state.modules.iter().filter(|(_, m)| m.context == id).map(|(&module, _)| module).collect();
    for module in modules {
        super::module::unload(driver, state, module);
    }
    state.streams.retain(|_, stream| stream.context != id);
    state.events.retain(|_, event| event.context != id);
    Ok(())
}

/// Ends the primary context, whoever retains it.
fn reset_primary(driver: &'static Driver, when: &str) -> Outcome {
    let mut state = driver.state.lock();
    state.primary.retained = 0;
    match state.primary.context.take() {
        Some(id) => destroy(driver, &mut state, id, when),
        None => Ok(()),
    }
}

/// The context `handle`, or the current one for zero.
fn existing(state: &State, handle: u64) -> Outcome<Id> {
    let id = if handle == 0 { current_context()? } else { handle };
    if state.contexts.contains_key(&id) { Ok(id) } else { Err(Status::InvalidContext) }
}

driver_api! {
    /// Retains the primary context, creating it if nobody has.
    fn cuDevicePrimaryCtxRetain(context: Out<u64>, device: i32) {
        let driver = of_device(device)?;
        context.check()?;
        let mut state = driver.state.lock();
        let id = match state.primary.context {
            Some(id) => id,
            None => {
                let flags = state.primary.flags;
                let id = state.create_context(flags, true);
                state.primary.context = Some(id);
                id
            }
        };
        state.primary.retained += 1;
        context.set(id)
    }

    /// Releases the primary context; the last to do so ends it.
    fn cuDevicePrimaryCtxRelease_v2(device: i32) {
        let driver = of_device(device)?;
        {
            let mut state = driver.state.lock();
            match state.primary.retained {
                0 => return Err(Status::InvalidContext),
                1 => {}
                _ => {
                    state.primary.retained -= 1;
                    return Ok(());
                }
            }
        }
        reset_primary(driver, "the primary context was released")
    }

    /// Ends the primary context.
    fn cuDevicePrimaryCtxReset_v2(device: i32) {
        reset_primary(of_device(device)?, "the primary context was reset")
    }

    /// Sets the flags of the primary context.
    fn cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32) {
        let driver = of_device(device)?;
        if flags & !FLAGS != 0 {
            return Err(Status::InvalidValue);
        }
        let mut state = driver.state.lock();
        state.primary.flags = flags;
        if let Some(id) = state.primary.context
            && let Some(context) = state.contexts.get_mut(&id)
        {
            context.flags = flags;
        }
        Ok(())
    }

    /// The flags of the primary context, and whether it exists.
    fn cuDevicePrimaryCtxGetState(device: i32, flags: Out<u32>, active: Out<i32>) {
        let driver = of_device(device)?;
        let state = driver.state.lock();
        flags.set(state.primary.flags)?;
        active.set(i32::from(state.primary.context.is_some()))
    }

    /// Creates a context and makes it current.
    fn cuCtxCreate_v2(context: Out<u64>, flags: u32, device: i32) {
        let driver = of_device(device)?;
        context.check()?;
        if flags & !FLAGS != 0 {
            return Err(Status::InvalidValue);
        }
        let id = driver.state.lock().create_context(flags, false);
        with_contexts(|contexts| contexts.push(id))?;
        context.set(id)
    }

    /// Ends a context.
    fn cuCtxDestroy_v2(context: u64) {
        let driver = driver()?;
        let mut state = driver.state.lock();
        match state.contexts.get(&context) {
            None => return Err(Status::InvalidContext),
            Some(entry) if entry.primary => return Err(Status::InvalidContext),
            Some(_) => {}
        }
        destroy(driver, &mut state, context, "its context was destroyed")?;
        drop(state);
        with_contexts(|contexts| {
            if contexts.last() == Some(&context) {
                contexts.pop();
            }
        })
    }

    /// Makes a context current on this thread.
    fn cuCtxSetCurrent(context: u64) {
        let driver = driver()?;
        if context != 0 && !driver.state.lock().contexts.contains_key(&context) {
            return Err(Status::InvalidContext);
        }
        with_contexts(|contexts| {
            contexts.pop();
            if context != 0 {
                contexts.push(context);
            }
        })
    }

    /// The context current on this thread.
    fn cuCtxGetCurrent(context: Out<u64>) {
        driver()?;
        context.set(current_context()?)
    }

    /// Makes a context current on this thread until it is popped.
    fn cuCtxPushCurrent_v2(context: u64) {
        if !driver()?.state.lock().contexts.contains_key(&context) {
            return Err(Status::InvalidContext);
        }
        with_contexts(|contexts| contexts.push(context))
    }

    /// Makes the context current that was so before the last push.
    fn cuCtxPopCurrent_v2(context: Out<u64>) {
        driver()?;
        let popped = with_contexts(Vec::pop)?.ok_or(Status::InvalidContext)?;
        context.set_if_wanted(popped);
        Ok(())
    }

    /// Waits for all work of the context.
    fn cuCtxSynchronize() {
        Session::begin()?.wait_for_all()
    }

    /// The device of the context.
    fn cuCtxGetDevice(device: Out<i32>) {
        Session::begin_even_if_failed()?;
        device.set(0)
    }

    /// The flags of the context.
    fn cuCtxGetFlags(flags: Out<u32>) {
        flags.set(Session::begin_even_if_failed()?.current().flags)
    }

    /// The version of a context.
    fn cuCtxGetApiVersion(context: u64, version: Out<u32>) {
        existing(&driver()?.state.lock(), context)?;
        version.set(CONTEXT_VERSION)
    }

    /// The range of stream priorities: the least, the greatest.
    fn cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) {
        Session::begin_even_if_failed()?;
        least.set_if_wanted(super::stream::PRIORITIES.1);
        greatest.set_if_wanted(super::stream::PRIORITIES.0);
        Ok(())
    }

    /// A limit of the context.
    fn cuCtxGetLimit(value: Out<usize>, limit: i32) {
        let session = Session::begin()?;
        value.set(*session.current().limits.get(&limit).ok_or(Status::UnsupportedLimit)?)
    }

    /// Sets a limit of the context, which is remembered and has no effect.
    fn cuCtxSetLimit(limit: i32, value: usize) {
        let mut session = Session::begin()?;
        *session.current_mut().limits.get_mut(&limit).ok_or(Status::UnsupportedLimit)? = value;
        Ok(())
    }

    /// The preferred split of cache and shared memory.
    fn cuCtxGetCacheConfig(config: Out<i32>) {
        config.set(Session::begin()?.current().cache)
    }

    /// Sets the preferred split of cache and shared memory, which has no effect.
    fn cuCtxSetCacheConfig(config: i32) {
        if !(0..4).contains(&config) {
            return Err(Status::InvalidValue);
        }
        Session::begin()?.current_mut().cache = config;
        Ok(())
    }

    /// The width of shared memory banks.
    fn cuCtxGetSharedMemConfig(config: Out<i32>) {
        config.set(Session::begin()?.current().shared_banks)
    }

    /// Sets the width of shared memory banks, which no device since Kepler has.
    fn cuCtxSetSharedMemConfig(config: i32) {
        if !(0..3).contains(&config) {
            return Err(Status::InvalidValue);
        }
        Session::begin()?.current_mut().shared_banks = config;
        Ok(())
    }
}
