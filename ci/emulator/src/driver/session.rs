//! A call in a context: the lock, the context current on the calling thread, and what nearly every call does with them.

use std::cell::RefCell;
use std::ops::Range;

use parking_lot::MutexGuard;

use super::order::{Clock, Stamp, StreamId};
use super::queue::{Use, Work};
use super::state::{Context, Driver, Event, FunctionEntry, Id, Place, State, driver};
use super::status::{Outcome, Status};
use crate::machine::Mode;

thread_local! {
    /// The contexts pushed on this thread; the last is current. Zero stands for none.
    static CONTEXTS: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

/// The stack of contexts of this thread.
pub fn with_contexts<T>(action: impl FnOnce(&mut Vec<Id>) -> T) -> Outcome<T> {
    let result = CONTEXTS.try_with(|contexts| action(&mut contexts.borrow_mut()));
    result.map_err(|_| Status::Deinitialized)
}

/// The context current on this thread, which may have been destroyed; zero for none.
pub fn current_context() -> Outcome<Id> {
    with_contexts(|contexts| contexts.last().copied().unwrap_or(0))
}

/// A place that the host can wait for, and what it knows afterwards.
#[derive(Clone, Debug)]
pub struct Point {
    stamp: Stamp,
    clock: Clock,
}

/// A call in progress.
#[derive(Debug)]
pub struct Session {
    /// The driver.
    pub driver: &'static Driver,
    /// Its state, locked.
    pub state: MutexGuard<'static, State>,
    /// The current context.
    pub context: Id,
}

impl Session {
    /// Begins a call in the current context.
    ///
    /// # Errors
    ///
    /// `NotInitialized`, `InvalidContext` without a context, `ContextIsDestroyed`, and whatever error sticks to the context.
    pub fn begin() -> Outcome<Self> {
        let session = Self::begin_even_if_failed()?;
        match session.current().sticky {
            Some(status) => Err(status),
            None => Ok(session),
        }
    }

    /// [`Self::begin`] for the calls that work in a context whose work has failed.
    pub fn begin_even_if_failed() -> Outcome<Self> {
        let driver = driver()?;
        let context = current_context()?;
        if context == 0 {
            return Err(Status::InvalidContext);
        }
        let state = driver.state.lock();
        if !state.contexts.contains_key(&context) {
            return Err(Status::ContextIsDestroyed);
        }
        Ok(Self { driver, state, context })
    }

    /// The current context.
    pub fn current(&self) -> &Context {
        &self.state.contexts[&self.context]
    }

    /// The current context, to be changed.
    pub fn current_mut(&mut self) -> &mut Context {
        self.state.contexts.get_mut(&self.context).expect("checked when the call began")
    }

    /// The stream behind a handle: 0 and 1 are the legacy default stream, 2 is the thread's own.
    pub fn stream(&mut self, handle: u64) -> Outcome<StreamId> {
        match handle {
            0 | 1 => Ok(self.current().default_stream),
            2 => {
                let thread = std::thread::current().id();
                if let Some(&id) = self.current().thread_streams.get(&thread) {
                    return Ok(id);
                }
                let context = self.context;
                let id = self.state.create_stream(context, false, 0);
                self.current_mut().thread_streams.insert(thread, id);
                Ok(id)
            }
            _ => {
                let known = self.state.streams.get(&handle);
                let usable = known.is_some_and(|stream| stream.context == self.context && !stream.destroyed);
                usable.then_some(handle).ok_or(Status::InvalidHandle)
            }
        }
    }

    /// The event behind a handle.
    pub fn event(&self, handle: u64) -> Outcome<&Event> {
        let event = self.state.events.get(&handle);
        event.filter(|event| event.context == self.context).ok_or(Status::InvalidHandle)
    }

    /// The function behind a handle.
    pub fn function(&self, handle: u64) -> Outcome<&FunctionEntry> {
        let function = self.state.functions.get(&handle).ok_or(Status::InvalidHandle)?;
        let module = self.state.modules.get(&function.module).ok_or(Status::InvalidHandle)?;
        if module.context == self.context { Ok(function) } else { Err(Status::InvalidHandle) }
    }

    /// Puts work on a stream.
    pub fn submit(&mut self, stream: StreamId, work: Work, label: String, uses: Vec<Use>) -> Outcome<Stamp> {
        let stamp = self.state.enqueue(stream, work, label, uses, None);
        self.driver.nudge(&mut self.state)?;
        Ok(stamp)
    }

    /// The place after everything that is on a stream now.
    pub fn end_of(&self, stream: StreamId) -> Point {
        let entry = &self.state.streams[&stream];
        Point { stamp: Stamp { stream, index: entry.issued }, clock: entry.clock.clone() }
    }

    /// The place where an event was recorded last; `None` if it never was.
    pub fn recorded(&self, event: &Event) -> Option<Point> {
        let (stamp, clock) = event.record.clone()?;
        Some(Point { stamp, clock })
    }

    /// Waits until the work before a place is finished.
    ///
    /// # Errors
    ///
    /// The error that sticks to the context.
    pub fn wait_for(&mut self, points: &[Point]) -> Outcome {
        self.let_run(points)?;
        for point in points {
            self.state.host_learns(&point.clock);
        }
        self.check_sticky()
    }

    /// Waits as [`Self::wait_for`] does, but lets the host learn nothing about the order of work.
    pub fn let_run(&mut self, points: &[Point]) -> Outcome {
        let stamps: Vec<_> = points.iter().map(|point| point.stamp).collect();
        self.driver.wait(&mut self.state, &stamps)
    }

    fn check_sticky(&self) -> Outcome {
        // Another thread may have destroyed the context meanwhile.
        let context = self.state.contexts.get(&self.context).ok_or(Status::ContextIsDestroyed)?;
        context.sticky.map_or(Ok(()), Err)
    }

    /// Whether the work before a place is finished. Asking makes the device get on with it.
    pub fn ask(&mut self, point: &Point) -> Outcome {
        if self.state.is_done(point.stamp) {
            self.state.host_learns(&point.clock);
            return self.check_sticky();
        }
        self.state.demands.push(point.stamp);
        self.driver.nudge(&mut self.state)?;
        Err(Status::NotReady)
    }

    /// Waits for everything in the context.
    pub fn wait_for_all(&mut self) -> Outcome {
        let streams = self.state.streams.iter().filter(|(_, stream)| stream.context == self.context);
        let points: Vec<_> = streams.map(|(&id, _)| self.end_of(id)).collect();
        self.wait_for(&points)
    }

    /// Checks that `[address, address + bytes)` lies within one allocation, or variable, of the device.
    pub fn check_device(&self, address: u64, bytes: u64) -> Outcome {
        if let Some((_, allocation)) = self.state.covering(address, bytes, |place| place == Place::Device) {
            return if allocation.context == self.context { Ok(()) } else { Err(Status::InvalidValue) };
        }
        let holder = self.driver.memory.containing(address).map_err(|_| Status::InvalidValue)?;
        if bytes <= holder.bytes - (address - holder.ptr) { Ok(()) } else { Err(Status::InvalidValue) }
    }

    /// Tells a finding of the driver; the context fails by it.
    pub fn fail(&mut self, text: &str) -> Status {
        self.state.report.finding(text);
        let context = self.context;
        self.state.poison(context, Status::LaunchFailed);
        Status::LaunchFailed
    }
}

/// Memory that work surely touches.
pub fn certain(address: u64, bytes: u64, write: bool) -> Use {
    let range: Range<u64> = address..address + bytes;
    let mode = if write { Mode::Write } else { Mode::Read };
    Use { range, mode, certain: true }
}
