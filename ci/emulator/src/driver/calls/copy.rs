//! Copies and fills.
//!
//! The calls without `Async` put their work on the default stream. Those that touch host memory wait for it; the others do not.
//! Of the calls with `Async`, a copy from pageable host memory takes the bytes at the call, and one to pageable host memory waits
//! ("API synchronization behavior" in the CUDA Driver API); with page-locked memory both happen when the stream comes to them.

use std::ffi::c_void;

use crate::driver::abi::driver_api;
use crate::driver::execute::digest;
use crate::driver::queue::{HostPointer, Source, Use, Work};
use crate::driver::session::{Session, certain};
use crate::driver::state::Place;
use crate::driver::status::{Outcome, Status};
use crate::machine::Mode;

/// Whether a call waits for its work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Yes,
    No,
}

impl Session {
    /// Whether host memory is page-locked; a range that is so in part only is an invalid value.
    fn is_pinned(&self, address: u64, bytes: u64) -> Outcome<bool> {
        let is_host = |place| place != Place::Device;
        if self.state.covering(address, bytes, is_host).is_some() {
            return Ok(true);
        }
        let last = address.checked_add(bytes - 1).ok_or(Status::InvalidValue)?;
        let part = [address, last].into_iter().any(|end| self.state.allocation(end).is_some());
        if part { Err(Status::InvalidValue) } else { Ok(false) }
    }

    /// A digest of page-locked memory that a copy will read; `None` if work yet to run may rightly change it.
    fn expectation(&self, address: u64, bytes: u64) -> Option<u64> {
        if !self.driver.config.checks.stream {
            return None;
        }
        let overlaps = |used: &Use| {
            used.mode != Mode::Read && used.range.start < address + bytes && address < used.range.end
        };
        let may_change = self
            .state
            .pending()
            .any(|command| matches!(command.work, Work::Call(..)) || command.uses.iter().any(overlaps));
        if may_change || self.state.running.is_some() {
            return None;
        }
        // SAFETY: within a page-locked allocation.
        Some(digest(unsafe { std::slice::from_raw_parts(address as *const u8, bytes as usize) }))
    }

    fn upload(&mut self, to: u64, from: u64, bytes: u64, stream: u64, wait: Wait, name: &str) -> Outcome {
        let stream = self.stream(stream)?;
        self.check_device(to, bytes)?;
        let mut uses = vec![certain(to, bytes, true)];
        let pinned = self.is_pinned(from, bytes)?;
        if pinned {
            uses.push(certain(from, bytes, false));
        }
        let source = if wait == Wait::Yes {
            Source::Pinned(HostPointer(from as *mut u8), bytes, None)
        } else if pinned {
            Source::Pinned(HostPointer(from as *mut u8), bytes, self.expectation(from, bytes))
        } else {
            // SAFETY: not null, and readable for the call by its contract.
            Source::Staged(unsafe { std::slice::from_raw_parts(from as *const u8, bytes as usize) }.to_vec())
        };
        self.submit(stream, Work::Upload(source, to), format!("{name} of {bytes} bytes"), uses)?;
        let end = self.end_of(stream);
        if wait == Wait::No {
            return Ok(());
        }
        if !pinned && self.driver.config.checks.staging {
            // The bytes are staged when the call returns; nothing says that they have arrived.
            return self.let_run(&[end]);
        }
        self.wait_for(&[end])
    }

    fn download(&mut self, to: u64, from: u64, bytes: u64, stream: u64, wait: Wait, name: &str) -> Outcome {
        let stream = self.stream(stream)?;
        self.check_device(from, bytes)?;
        let mut uses = vec![certain(from, bytes, false)];
        let pinned = self.is_pinned(to, bytes)?;
        if pinned {
            uses.push(certain(to, bytes, true));
        }
        let work = Work::Download(from, HostPointer(to as *mut u8), bytes);
        self.submit(stream, work, format!("{name} of {bytes} bytes"), uses)?;
        if wait == Wait::No && pinned {
            return Ok(());
        }
        let end = self.end_of(stream);
        self.wait_for(&[end])
    }

    fn copy(&mut self, to: u64, from: u64, bytes: u64, stream: u64, name: &str) -> Outcome {
        let stream = self.stream(stream)?;
        self.check_device(to, bytes)?;
        self.check_device(from, bytes)?;
        let uses = vec![certain(from, bytes, false), certain(to, bytes, true)];
        self.submit(stream, Work::Copy(from, to, bytes), format!("{name} of {bytes} bytes"), uses).map(|_| ())
    }
}

fn upload(to: u64, from: *const c_void, bytes: usize, stream: u64, wait: Wait, name: &str) -> Outcome {
    let mut session = Session::begin()?;
    match bytes {
        0 => Ok(()),
        _ if from.is_null() => Err(Status::InvalidValue),
        _ => session.upload(to, from as u64, bytes as u64, stream, wait, name),
    }
}

fn download(to: *mut c_void, from: u64, bytes: usize, stream: u64, wait: Wait, name: &str) -> Outcome {
    let mut session = Session::begin()?;
    match bytes {
        0 => Ok(()),
        _ if to.is_null() => Err(Status::InvalidValue),
        _ => session.download(to as u64, from, bytes as u64, stream, wait, name),
    }
}

fn copy(to: u64, from: u64, bytes: usize, stream: u64, name: &str) -> Outcome {
    let mut session = Session::begin()?;
    if bytes == 0 { Ok(()) } else { session.copy(to, from, bytes as u64, stream, name) }
}

/// A copy between addresses that say themselves whether they are the device's.
fn any_copy(to: u64, from: u64, bytes: usize, stream: u64, wait: Wait, name: &str) -> Outcome {
    let mut session = Session::begin()?;
    if bytes == 0 {
        return Ok(());
    }
    let bytes = bytes as u64;
    let memory = &session.driver.memory;
    match (memory.containing(to).is_ok(), memory.containing(from).is_ok()) {
        _ if to == 0 || from == 0 => Err(Status::InvalidValue),
        (true, true) => session.copy(to, from, bytes, stream, name),
        (true, false) => session.upload(to, from, bytes, stream, wait, name),
        (false, true) => session.download(to, from, bytes, stream, wait, name),
        (false, false) => Err(Status::InvalidValue),
    }
}

fn fill(address: u64, value: u32, width: u64, count: usize, stream: u64, name: &str) -> Outcome {
    let mut session = Session::begin()?;
    let stream = session.stream(stream)?;
    if count == 0 {
        return Ok(());
    }
    let bytes = (count as u64).checked_mul(width).ok_or(Status::InvalidValue)?;
    if !address.is_multiple_of(width) {
        return Err(Status::InvalidValue);
    }
    session.check_device(address, bytes)?;
    let work = Work::Fill(address, value, width, count as u64);
    session
        .submit(stream, work, format!("{name} of {bytes} bytes"), vec![certain(address, bytes, true)])
        .map(|_| ())
}

driver_api! {
    /// Copies from the host to the device.
    fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) {
        upload(to, from, bytes, 0, Wait::Yes, "cuMemcpyHtoD")
    }

    /// Copies from the host to the device in stream order.
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: u64) {
        upload(to, from, bytes, stream, Wait::No, "cuMemcpyHtoDAsync")
    }

    /// Copies from the device to the host.
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) {
        download(to, from, bytes, 0, Wait::Yes, "cuMemcpyDtoH")
    }

    /// Copies from the device to the host in stream order.
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: u64) {
        download(to, from, bytes, stream, Wait::No, "cuMemcpyDtoHAsync")
    }

    /// Copies within the device.
    fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) {
        copy(to, from, bytes, 0, "cuMemcpyDtoD")
    }

    /// Copies within the device in stream order.
    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: u64) {
        copy(to, from, bytes, stream, "cuMemcpyDtoDAsync")
    }

    /// Copies between any two places, at least one of them on the device.
    fn cuMemcpy(to: u64, from: u64, bytes: usize) {
        any_copy(to, from, bytes, 0, Wait::Yes, "cuMemcpy")
    }

    /// Copies between any two places, at least one of them on the device, in stream order.
    fn cuMemcpyAsync(to: u64, from: u64, bytes: usize, stream: u64) {
        any_copy(to, from, bytes, stream, Wait::No, "cuMemcpyAsync")
    }

    /// Sets bytes.
    fn cuMemsetD8_v2(address: u64, value: u8, count: usize) {
        fill(address, value.into(), 1, count, 0, "cuMemsetD8")
    }

    /// Sets bytes in stream order.
    fn cuMemsetD8Async(address: u64, value: u8, count: usize, stream: u64) {
        fill(address, value.into(), 1, count, stream, "cuMemsetD8Async")
    }

    /// Sets 16-bit words.
    fn cuMemsetD16_v2(address: u64, value: u16, count: usize) {
        fill(address, value.into(), 2, count, 0, "cuMemsetD16")
    }

    /// Sets 16-bit words in stream order.
    fn cuMemsetD16Async(address: u64, value: u16, count: usize, stream: u64) {
        fill(address, value.into(), 2, count, stream, "cuMemsetD16Async")
    }

    /// Sets 32-bit words.
    fn cuMemsetD32_v2(address: u64, value: u32, count: usize) {
        fill(address, value, 4, count, 0, "cuMemsetD32")
    }

    /// Sets 32-bit words in stream order.
    fn cuMemsetD32Async(address: u64, value: u32, count: usize, stream: u64) {
        fill(address, value, 4, count, stream, "cuMemsetD32Async")
    }
}
