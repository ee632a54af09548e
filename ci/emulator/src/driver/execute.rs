//! Executing a piece of work, and what follows from it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::order::{Access, Clock, Span, StreamId};
use super::queue::{HostCall, Source, Use, Work};
use super::state::{Driver, Id, State};
use super::status::Status;
use super::{abi, calls};
use crate::machine::{self, Counters, Fault, FaultKind, Mode, Touch};
use crate::memory::MemoryError;

/// What work did that was not known before.
#[derive(Debug, Default)]
pub struct Effect {
    /// Device memory that a kernel touched.
    touched: Vec<Touch>,
    /// What a kernel did.
    counters: Option<Counters>,
}

/// Why work failed.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    message: String,
    /// The allocation that was used after it was given back.
    freed: Option<u64>,
}

impl Failure {
    fn new(status: Status, message: String) -> Self {
        Self { status, message, freed: None }
    }
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        let mut failure = Self::new(Status::IllegalAddress, error.to_string());
        if let MemoryError::UseAfterFree { base, .. } = error {
            failure.freed = Some(base);
        }
        failure
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let status = Status::from_code(fault.code()).unwrap_or(Status::LaunchFailed);
        let mut failure = Self::new(status, fault.to_string());
        if let FaultKind::UseAfterFree(MemoryError::UseAfterFree { base, .. }) = fault.kind {
            failure.freed = Some(base);
        }
        failure
    }
}

/// A digest of bytes, to notice that they have changed: 64 bits of multiply-and-rotate over words.
pub fn digest(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let last = rest.iter().fold(bytes.len() as u64, |word, &byte| word << 8 | u64::from(byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]);
    words.fold(0, |state, word| (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
}

/// Executes work. Runs on the worker, without the lock.
pub fn execute(driver: &Driver, work: &Work) -> Result<Effect, Failure> {
    catch_unwind(AssertUnwindSafe(|| run(driver, work))).unwrap_or_else(|_| {
        let message = "the emulator panicked; this is a defect of it".to_owned();
        Err(Failure::new(Status::Unknown, message))
    })
}

fn run(driver: &Driver, work: &Work) -> Result<Effect, Failure> {
    let memory = &driver.memory;
    match work {
        Work::Upload(Source::Staged(bytes), to) => memory.write(*to, bytes)?,
        Work::Upload(Source::Pinned(from, bytes, expected), to) => {
            // SAFETY: page-locked memory of that size, which the driver gives back only once no work uses it.
            let bytes = unsafe { std::slice::from_raw_parts(from.0, *bytes as usize) };
            if expected.is_some_and(|expected| expected != digest(bytes)) {
                let message = "the host changed pinned memory that a copy had yet to read".to_owned();
                return Err(Failure::new(Status::LaunchFailed, message));
            }
            memory.write(*to, bytes)?;
        }
        Work::Download(from, to, bytes) => {
            // SAFETY: the caller of the copy keeps the memory valid until it has run; pageable memory is waited for in the
            // call, page-locked memory is given back only once no work uses it.
            let bytes = unsafe { std::slice::from_raw_parts_mut(to.0, *bytes as usize) };
            memory.read(*from, bytes)?;
        }
        Work::Copy(from, to, bytes) => memory.copy(*to, *from, *bytes)?,
        Work::Fill(address, value, width, count) => match width {
            1 => memory.fill8(*address, *value as u8, *count)?,
            2 => memory.fill16(*address, *value as u16, *count)?,
            _ => memory.fill32(*address, *value, *count)?,
        },
        Work::Launch(launch) => {
            let module = &launch.module;
            let options = &driver.config.options;
            let (config, params) = (&launch.config, &launch.params);
            let kernel = &launch.kernel;
            let (counters, touched) =
                machine::launch_observed(module, kernel, config, params, memory, options)?;
            return Ok(Effect { touched, counters: options.count.then_some(counters) });
        }
        Work::Call(HostCall::Function(function), data) => {
            // SAFETY: the program passed the function for this call, with this argument.
            abi::host_function(|| unsafe { function(data.0.cast()) });
        }
        Work::Call(HostCall::Callback(function, stream), data) => {
            // SAFETY: as above.
            abi::host_function(|| unsafe { function(*stream, Status::Success as u32, data.0.cast()) });
        }
        Work::Allocate | Work::Free(_) | Work::Record(_) | Work::Marker => {}
    }
    Ok(Effect::default())
}

/// Draws the conclusions of executed work: checks the order of its accesses, gives memory back, notes the time of an event,
/// makes an error stick.
pub fn conclude(
    driver: &Driver,
    state: &mut State,
    stream: StreamId,
    context: Id,
    work: Work,
    result: Result<Effect, Failure>,
) {
    let command = state.streams[&stream].queue.front().expect("work stays queued while it runs");
    let (stamp, label, clock) = (command.stamp, command.label.clone(), command.clock.clone());
    let uses: Vec<_> = command.uses.iter().filter(|used| used.certain).cloned().collect();
    let effect = match result {
        Ok(effect) => effect,
        Err(Failure { status, message, freed }) => {
            let name = status.name().to_string_lossy();
            let freed = freed.and_then(|base| state.freed.get(&base));
            let freed = freed.map_or(String::new(), |by| format!("\n  given back by {by}"));
            state.report.finding(&format!("{label}: {message}{freed}\n  reported as {name}"));
            state.poison(context, status);
            return;
        }
    };
    if driver.config.checks.stream {
        let uses = uses.into_iter().filter_map(|Use { range, mode, .. }| {
            Some((state.holder(driver, range.start)?, mode, vec![range]))
        });
        let touched = effect.touched.into_iter().map(|Touch { base, mode, ranges }| (base, mode, ranges));
        for (base, mode, ranges) in uses.collect::<Vec<_>>().into_iter().chain(touched) {
            let access = Access { span: Span::new(ranges), mode, stamp, label: label.clone() };
            if let Some(message) = state.observe(base, access, &clock) {
                state.report.finding(&message);
                state.poison(context, Status::LaunchFailed);
                return;
            }
        }
    }
    match work {
        Work::Launch(launch) => {
            if let Some(counters) = effect.counters {
                state.report.launched(&launch.kernel, &launch.config, counters);
            }
        }
        Work::Free(base) => {
            calls::release(driver, state, base);
            state.freed.insert(base, label);
        }
        Work::Record(event) => {
            if let Some(event) = state.events.get_mut(&event)
                && event.record.as_ref().is_some_and(|(recorded, _)| *recorded == stamp)
            {
                event.time = Some(std::time::Instant::now());
            }
        }
        _ => {}
    }
}

/// Accesses on record for one allocation before those are dropped that nothing to come can conflict with.
const CROWDED: usize = 64;

impl State {
    /// Where the allocation, or variable, begins that holds an address.
    fn holder(&self, driver: &Driver, address: u64) -> Option<u64> {
        match self.allocation(address) {
            Some((base, _)) => Some(base),
            None => Some(driver.memory.containing(address).ok()?.ptr),
        }
    }

    /// Records an access to the allocation at `base`; a message if it is not ordered with an earlier one that it conflicts
    /// with.
    fn observe(&mut self, base: u64, access: Access, clock: &Clock) -> Option<String> {
        if let Some((earlier, common)) =
            self.histories.get(&base).and_then(|history| history.conflict(&access, clock))
        {
            let does = |access: &Access| match access.mode {
                Mode::Read => "reads",
                Mode::Write => "writes",
                Mode::Atomic => "atomically changes",
            };
            return Some(format!(
                "stream race: {} {} {} bytes at {:#x} (offset {} of the allocation at {base:#x}), not ordered after\n  \
                 {}, which {} them: an event, a wait or a synchronisation is missing",
                access.label,
                does(&access),
                common.end - common.start,
                common.start,
                common.start - base,
                earlier.label,
                does(earlier),
            ));
        }
        if self.histories.get(&base).is_some_and(|history| history.len() >= CROWDED) {
            let mut history = self.histories.remove(&base).unwrap_or_default();
            history.forget(|stamp| {
                self.host.knows(stamp) && self.pending().all(|command| command.clock.knows(stamp))
            });
            self.histories.insert(base, history);
        }
        self.histories.entry(base).or_default().record(access);
        None
    }

    /// What still uses `[base, base + bytes)` as far as the host has waited: a message about it.
    pub fn in_use(&self, base: u64, bytes: u64) -> Option<String> {
        let overlaps = |used: &Use| used.range.start < base + bytes && base < used.range.end;
        if let Some(command) = self.pending().find(|command| command.uses.iter().any(overlaps)) {
            return Some(format!("{} uses it and has not run", command.label));
        }
        let access = self.histories.get(&base)?.unknown_to(&self.host)?;
        Some(format!("{} used it, and the host has not waited for that", access.label))
    }
}
