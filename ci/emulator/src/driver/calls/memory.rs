//! Device memory and page-locked host memory: getting and giving back, at once and in stream order.

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::c_void;

use super::device::of_device;
use crate::driver::abi::{Out, driver_api};
use crate::driver::queue::Work;
use crate::driver::session::{Session, certain};
use crate::driver::state::{Allocation, Driver, Id, Place, State, driver};
use crate::driver::status::{Outcome, Status};
use crate::memory::MemoryError;

/// Page-locked memory is made of whole pages.
const PAGE: usize = 4096;
/// What fresh page-locked memory holds, so that reading it before a copy has filled it is not mistaken for a result.
const FRESH: u8 = 0xa5;

fn layout(bytes: usize) -> Outcome<Layout> {
    Layout::from_size_align(bytes.max(1).next_multiple_of(PAGE), PAGE).map_err(|_| Status::OutOfMemory)
}

/// Gives back what an allocation holds, and forgets it.
pub fn release(driver: &Driver, state: &mut State, base: u64) {
    let Some(allocation) = state.allocations.remove(&base) else { return };
    state.histories.remove(&base);
    match allocation.place {
        Place::Device => {
            if let Err(error) = driver.memory.free(base) {
                crate::driver::report::warn(&error.to_string());
            }
        }
        Place::Pinned => {
            let layout = layout(allocation.bytes as usize).expect("it was allocated with this layout");
            // SAFETY: allocated by `pin` with this layout, and forgotten just now.
            unsafe { dealloc(base as *mut u8, layout) };
        }
        Place::Registered => {}
    }
}

impl Session {
    fn add_allocation(&mut self, base: u64, bytes: u64, place: Place, made: &'static str) {
        let serial = self.state.new_serial();
        let context = self.context;
        self.state.allocations.insert(base, Allocation { context, place, bytes, serial, made, freed: None });
    }

    /// Device memory; what is freed in stream order but not yet free is waited for if need be.
    fn allocate(&mut self, bytes: usize, made: &'static str) -> Outcome<u64> {
        let mut base = self.driver.memory.alloc(bytes as u64);
        let leaving = self.state.pending().any(|command| matches!(command.work, Work::Free(_)));
        if leaving && matches!(base, Err(MemoryError::OutOfMemory { .. })) {
            let streams: Vec<_> = self.state.streams.keys().copied().collect();
            let ends: Vec<_> = streams.into_iter().map(|stream| self.end_of(stream)).collect();
            self.let_run(&ends)?;
            base = self.driver.memory.alloc(bytes as u64);
        }
        let base = base.map_err(|error| match error {
            MemoryError::OutOfMemory { .. } => Status::OutOfMemory,
            _ => Status::InvalidValue,
        })?;
        self.add_allocation(base, bytes as u64, Place::Device, made);
        Ok(base)
    }

    /// Page-locked host memory.
    fn pin(&mut self, bytes: usize, made: &'static str) -> Outcome<u64> {
        if bytes == 0 {
            return Err(Status::InvalidValue);
        }
        let layout = layout(bytes)?;
        // SAFETY: the layout's size is at least a page.
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            return Err(Status::OutOfMemory);
        }
        // SAFETY: that many bytes were just allocated.
        unsafe { start.write_bytes(FRESH, layout.size()) };
        self.add_allocation(start as u64, bytes as u64, Place::Pinned, made);
        Ok(start as u64)
    }

    /// Checks that an allocation may be given back: it begins at `base`, is of this context and not given back before.
    fn check_owned(&mut self, call: &str, base: u64, place: Place) -> Outcome<u64> {
        match self.state.allocations.get(&base) {
            Some(entry) if entry.place == place && entry.context == self.context => {
                let bytes = entry.bytes;
                if entry.freed.is_none() {
                    return Ok(bytes);
                }
                self.state.report.finding(&format!("{call}: the memory at {base:#x} is freed a second time"));
            }
            _ => {
                let freed =
                    matches!(self.driver.memory.containing(base), Err(MemoryError::UseAfterFree { .. }));
                if freed && place == Place::Device {
                    self.state
                        .report
                        .finding(&format!("{call}: the memory at {base:#x} is freed a second time"));
                }
            }
        }
        Err(Status::InvalidValue)
    }

    /// Gives memory back at once: nothing may use it any more.
    fn free_now(&mut self, call: &str, base: u64, place: Place) -> Outcome {
        let bytes = self.check_owned(call, base, place)?;
        if self.driver.config.checks.stream
            && let Some(user) = self.state.in_use(base, bytes)
        {
            return Err(
                self.fail(&format!("{call}: {bytes} bytes at {base:#x} are given back too early: {user}"))
            );
        }
        self.wait_for_all()?;
        // The lock was open while waiting: someone else may have been faster.
        self.check_owned(call, base, place)?;
        release(self.driver, &mut self.state, base);
        self.state.freed.insert(base, call.into());
        Ok(())
    }
}

fn allocate_async(address: Out<u64>, bytes: usize, stream: u64) -> Outcome {
    let mut session = Session::begin()?;
    address.check()?;
    let stream = session.stream(stream)?;
    let base = session.allocate(bytes, "cuMemAllocAsync")?;
    let uses = vec![certain(base, bytes as u64, true)];
    session.submit(stream, Work::Allocate, "cuMemAllocAsync".to_owned(), uses)?;
    address.set(base)
}

/// The handle of the default memory pool, the only one.
const POOL: Id = 6 << 56;

/// The bytes that the pool has given out.
fn pool_bytes(state: &State) -> u64 {
    let pooled = state.allocations.values().filter(|allocation| allocation.made == "cuMemAllocAsync");
    pooled.map(|allocation| allocation.bytes).sum()
}

fn check_pool(pool: u64) -> Outcome {
    if pool == POOL { Ok(()) } else { Err(Status::InvalidValue) }
}

fn default_pool(pool: Out<u64>, device: i32) -> Outcome {
    of_device(device)?;
    pool.set(POOL)
}

driver_api! {
    /// Free and total device memory in bytes.
    fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) {
        let session = Session::begin()?;
        let info = session.driver.memory.info();
        free.set(info.0 as usize)?;
        total.set(info.1 as usize)
    }

    /// Allocates device memory.
    fn cuMemAlloc_v2(address: Out<u64>, bytes: usize) {
        let mut session = Session::begin()?;
        address.check()?;
        address.set(session.allocate(bytes, "cuMemAlloc")?)
    }

    /// Frees device memory.
    fn cuMemFree_v2(address: u64) {
        Session::begin()?.free_now("cuMemFree", address, Place::Device)
    }

    /// Allocates device memory in stream order.
    fn cuMemAllocAsync(address: Out<u64>, bytes: usize, stream: u64) {
        allocate_async(address, bytes, stream)
    }

    /// Allocates device memory from a pool in stream order.
    fn cuMemAllocFromPoolAsync(address: Out<u64>, bytes: usize, pool: u64, stream: u64) {
        check_pool(pool)?;
        allocate_async(address, bytes, stream)
    }

    /// Frees device memory in stream order.
    fn cuMemFreeAsync(address: u64, stream: u64) {
        let mut session = Session::begin()?;
        let stream = session.stream(stream)?;
        let bytes = session.check_owned("cuMemFreeAsync", address, Place::Device)?;
        let uses = vec![certain(address, bytes, true)];
        let stamp = session.submit(stream, Work::Free(address), "cuMemFreeAsync".to_owned(), uses)?;
        if let Some(allocation) = session.state.allocations.get_mut(&address) {
            allocation.freed = Some(stamp);
        }
        Ok(())
    }

    /// The allocation that holds an address.
    fn cuMemGetAddressRange_v2(base: Out<u64>, bytes: Out<usize>, address: u64) {
        let session = Session::begin()?;
        let holder = session.driver.memory.containing(address).map_err(|_| Status::NotFound)?;
        base.set_if_wanted(holder.ptr);
        bytes.set_if_wanted(holder.bytes as usize);
        Ok(())
    }

    /// Allocates page-locked host memory.
    fn cuMemAllocHost_v2(address: Out<*mut c_void>, bytes: usize) {
        let mut session = Session::begin()?;
        address.check()?;
        address.set(session.pin(bytes, "cuMemAllocHost")? as *mut c_void)
    }

    /// Allocates page-locked host memory; the flags (portable, mapped, write-combined) change nothing.
    fn cuMemHostAlloc(address: Out<*mut c_void>, bytes: usize, flags: u32) {
        let mut session = Session::begin()?;
        address.check()?;
        if flags & !7 != 0 {
            return Err(Status::InvalidValue);
        }
        address.set(session.pin(bytes, "cuMemHostAlloc")? as *mut c_void)
    }

    /// Frees page-locked host memory.
    fn cuMemFreeHost(address: *mut c_void) {
        Session::begin()?.free_now("cuMemFreeHost", address as u64, Place::Pinned)
    }

    /// Page-locks memory of the program.
    fn cuMemHostRegister_v2(address: *mut c_void, bytes: usize, flags: u32) {
        let mut session = Session::begin()?;
        let base = address as u64;
        if address.is_null() || bytes == 0 || flags & !0xf != 0 || base.checked_add(bytes as u64).is_none() {
            return Err(Status::InvalidValue);
        }
        let below = session.state.allocations.range(..base + bytes as u64).next_back();
        if below.is_some_and(|(start, entry)| start + entry.bytes > base) {
            return Err(Status::HostMemoryAlreadyRegistered);
        }
        session.add_allocation(base, bytes as u64, Place::Registered, "cuMemHostRegister");
        Ok(())
    }

    /// Ends the page-locking of memory of the program.
    fn cuMemHostUnregister(address: *mut c_void) {
        let mut session = Session::begin()?;
        let entry = session.state.allocations.get(&(address as u64));
        if entry.is_none_or(|entry| entry.place != Place::Registered) {
            return Err(Status::HostMemoryNotRegistered);
        }
        session.free_now("cuMemHostUnregister", address as u64, Place::Registered)
    }

    /// The default memory pool.
    fn cuDeviceGetDefaultMemPool(pool: Out<u64>, device: i32) {
        default_pool(pool, device)
    }

    /// The memory pool in use: the default one.
    fn cuDeviceGetMemPool(pool: Out<u64>, device: i32) {
        default_pool(pool, device)
    }

    /// Sets an attribute of the pool: reuse policies (1 to 3) and the release threshold (4) are remembered and have no effect.
    fn cuMemPoolSetAttribute(pool: u64, attribute: i32, value: *mut c_void) {
        check_pool(pool)?;
        if value.is_null() || !matches!(attribute, 1..=4) {
            return Err(Status::InvalidValue);
        }
        // SAFETY: not null; the caller passes an `int` for a policy and a 64-bit number for the threshold.
        let value = unsafe {
            if attribute == 4 { value.cast::<u64>().read_unaligned() } else { value.cast::<u32>().read_unaligned().into() }
        };
        driver()?.state.lock().pool.insert(attribute, value);
        Ok(())
    }

    /// An attribute of the pool: those above, and the bytes reserved (5) and used (7).
    fn cuMemPoolGetAttribute(pool: u64, attribute: i32, value: *mut c_void) {
        check_pool(pool)?;
        if value.is_null() {
            return Err(Status::InvalidValue);
        }
        let state = driver()?.state.lock();
        let number = match attribute {
            1..=3 => state.pool.get(&attribute).copied().unwrap_or(1),
            4 => state.pool.get(&attribute).copied().unwrap_or(0),
            5 | 7 => pool_bytes(&state),
            _ => return Err(Status::InvalidValue),
        };
        // SAFETY: as in `cuMemPoolSetAttribute`.
        unsafe {
            if attribute >= 4 {
                value.cast::<u64>().write_unaligned(number);
            } else {
                value.cast::<u32>().write_unaligned(number as u32);
            }
        }
        Ok(())
    }

    /// Returns unused memory of the pool to the device: it never keeps any.
    fn cuMemPoolTrimTo(pool: u64, _keep: usize) {
        check_pool(pool)
    }
}
