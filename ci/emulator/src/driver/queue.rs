//! Streams as queues: putting work on them, picking what runs next, waiting for it.
//!
//! Work runs as late as CUDA allows. A call only queues it; it runs when the program waits for it, or for something ordered
//! after it, and otherwise after a delay (so that a program which waits by other means, a host function that sends a message say, goes
//! on). So a missing synchronisation shows as stale data each time, not once in a thousand. One worker thread
//! executes all streams, one piece of work at a time, which CUDA allows too; with a seed it picks at random among the streams that
//! could go on, without one it does only what is waited for.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::MutexGuard;

use super::execute;
use super::order::{Clock, Stamp, StreamId};
use super::state::{Driver, Id, State, stream_name};
use super::status::Status;
use crate::machine::{LaunchConfig, Mode};
use crate::ptx::LoadedModule;

/// An address of the host in a command, which the program keeps valid until the command has run.
#[derive(Clone, Copy, Debug)]
pub struct HostPointer(pub *mut u8);

// SAFETY: the pointer is only used by the command's execution, on whichever thread; CUDA makes the program responsible for
// the memory behind it until then.
unsafe impl Send for HostPointer {}

/// A function of the program to be called in stream order.
#[derive(Clone, Copy, Debug)]
pub enum HostCall {
    /// `cuLaunchHostFunc`.
    Function(unsafe extern "C" fn(*mut std::ffi::c_void)),
    /// `cuStreamAddCallback`, with the stream's handle.
    Callback(unsafe extern "C" fn(u64, u32, *mut std::ffi::c_void), u64),
}

/// What host bytes a copy to the device takes.
#[derive(Debug)]
pub enum Source {
    /// A copy made at the call, since the memory is pageable.
    Staged(Vec<u8>),
    /// Page-locked memory, read when the copy runs; with a digest of what it held at the call, if it must not change.
    Pinned(HostPointer, u64, Option<u64>),
}

/// A kernel launch.
#[derive(Debug)]
pub struct Launch {
    /// The module.
    pub module: Arc<LoadedModule>,
    /// The kernel.
    pub kernel: String,
    /// Grid, block and shared memory.
    pub config: LaunchConfig,
    /// The parameter buffer.
    pub params: Vec<u8>,
}

/// A piece of work.
#[derive(Debug)]
pub enum Work {
    /// Host to device.
    Upload(Source, u64),
    /// Device to host: from, to, bytes.
    Download(u64, HostPointer, u64),
    /// Within the device: from, to, bytes.
    Copy(u64, u64, u64),
    /// Fill: address, value, bytes of an element, elements.
    Fill(u64, u32, u64, u64),
    /// A kernel.
    Launch(Box<Launch>),
    /// A call of the host.
    Call(HostCall, HostPointer),
    /// An allocation becomes usable.
    Allocate,
    /// An allocation is given back.
    Free(u64),
    /// The recording of an event.
    Record(Id),
    /// Nothing: a place to wait for.
    Marker,
}

/// Memory that work is known to touch before it runs.
#[derive(Clone, Debug)]
pub struct Use {
    /// The addresses, of the device or of page-locked host memory.
    pub range: Range<u64>,
    /// How, at most.
    pub mode: Mode,
    /// Whether every byte is surely touched so. A launch only mentions its pointers; what it touches shows when it runs.
    pub certain: bool,
}

/// Work on a stream.
#[derive(Debug)]
pub struct Command {
    /// Its place.
    pub stamp: Stamp,
    /// What it does.
    pub work: Work,
    /// What must be finished before, other than the work before it on its stream.
    pub after: Vec<Stamp>,
    /// What is known to be finished when it runs.
    pub clock: Clock,
    /// What it touches.
    pub uses: Vec<Use>,
    /// When it was put on the stream.
    pub since: Instant,
    /// It in words.
    pub label: Arc<str>,
}

impl State {
    /// Puts work on a stream, ordered after what precedes it there, after what the legacy default stream's rules say, and
    /// after `event`.
    pub fn enqueue(
        &mut self,
        id: StreamId,
        work: Work,
        label: String,
        uses: Vec<Use>,
        event: Option<(Stamp, Clock)>,
    ) -> Stamp {
        let mut clock = self.host.clone();
        let mut after = Vec::new();
        if let Some((stamp, known)) = event {
            clock.join(&known);
            clock.learn(stamp);
            after.push(stamp);
        }
        let context = self.streams[&id].context;
        let default = self.contexts[&context].default_stream;
        for (&other, stream) in &self.streams {
            let ordered =
                id == default && !stream.non_blocking || other == default && !self.streams[&id].non_blocking;
            if other == id || stream.context == context && ordered {
                clock.join(&stream.clock);
                after.push(Stamp { stream: other, index: stream.issued });
            }
        }
        after.retain(|&stamp| !self.is_done(stamp));
        let label = Arc::from(format!("{label} on {}", stream_name(self, id)));
        let stream = self.streams.get_mut(&id).expect("the caller looked the stream up");
        stream.issued += 1;
        let stamp = Stamp { stream: id, index: stream.issued };
        stream.clock = clock.clone();
        stream.clock.learn(stamp);
        stream.queue.push_back(Command { stamp, work, after, clock, uses, since: Instant::now(), label });
        stamp
    }

    /// Whether the work at `stamp` is finished.
    pub fn is_done(&self, stamp: Stamp) -> bool {
        self.streams.get(&stamp.stream).is_none_or(|stream| stream.completed >= stamp.index)
    }

    /// All work not yet finished.
    pub fn pending(&self) -> impl Iterator<Item = &Command> {
        self.streams.values().flat_map(|stream| &stream.queue)
    }

    /// The last work of every stream of a context.
    pub fn tails(&self, context: Id) -> Vec<Stamp> {
        let streams = self.streams.iter().filter(|(_, stream)| stream.context == context);
        streams.map(|(&id, stream)| Stamp { stream: id, index: stream.issued }).collect()
    }

    /// Whether the first work of `id` can run.
    fn is_ready(&self, id: StreamId) -> bool {
        let head = self.streams[&id].queue.front();
        head.is_some_and(|head| head.after.iter().all(|&stamp| stamp.stream == id || self.is_done(stamp)))
    }

    /// The stream whose first work must run next for `target` to finish.
    fn towards(&self, mut target: Stamp) -> StreamId {
        loop {
            let head = self.streams[&target.stream].queue.front().expect("unfinished work is queued");
            match head.after.iter().find(|stamp| stamp.stream != target.stream && !self.is_done(**stamp)) {
                // Work is ordered only after work that was there before it, so this ends.
                Some(&before) => target = before,
                None => return target.stream,
            }
        }
    }

    /// The stream whose first work runs next; `Err` says when to look again, if there is anything to look for.
    fn pick(&mut self, driver: &Driver) -> Result<StreamId, Option<Instant>> {
        let mut demands = std::mem::take(&mut self.demands);
        demands.retain(|&stamp| !self.is_done(stamp));
        self.demands = demands;
        let target = match self.demands.first() {
            Some(&target) => target,
            None => {
                let oldest = self.streams.values().filter_map(|stream| stream.queue.front());
                let oldest = oldest.min_by_key(|command| command.since).ok_or(None)?;
                let due = oldest.since + driver.config.delay;
                if Instant::now() < due {
                    return Err(Some(due));
                }
                oldest.stamp
            }
        };
        let Some(random) = &mut self.random else { return Ok(self.towards(target)) };
        // SplitMix64 (Steele, Lea, Flood 2014).
        *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = *random;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let ready: Vec<_> = self.streams.keys().copied().filter(|&id| self.is_ready(id)).collect();
        Ok(ready[(bits % ready.len() as u64) as usize])
    }

    /// Notes that the first work of a stream is finished.
    fn finish(&mut self, id: StreamId) {
        self.running = None;
        let stream = self.streams.get_mut(&id).expect("a stream stays while its work runs");
        let command = stream.queue.pop_front().expect("work stays queued while it runs");
        // An empty queue whose context failed may have lost what was behind.
        stream.completed = if stream.queue.is_empty() { stream.issued } else { command.stamp.index };
        if stream.destroyed && stream.queue.is_empty() {
            self.streams.remove(&id);
        }
    }

    /// Makes an error stick to a context: its remaining work never runs.
    pub fn poison(&mut self, context: Id, status: Status) {
        if let Some(context) = self.contexts.get_mut(&context) {
            context.sticky.get_or_insert(status);
        }
        let running = self.running;
        self.streams.retain(|&id, stream| {
            if stream.context == context {
                stream.queue.truncate(usize::from(running == Some(id)));
                if stream.queue.is_empty() {
                    stream.completed = stream.issued;
                }
            }
            !stream.destroyed || !stream.queue.is_empty()
        });
    }

    /// Notes that the host has waited for what `clock` knows.
    pub fn host_learns(&mut self, clock: &Clock) {
        self.host.join(clock);
        if self.pending().next().is_some() {
            return;
        }
        // Everything to come is ordered after what the host has waited for.
        let host = &self.host;
        self.histories.values_mut().for_each(|history| history.forget(|stamp| host.knows(stamp)));
        if self.histories.values().all(|history| history.len() == 0) {
            self.host.clear();
            self.streams.values_mut().for_each(|stream| stream.clock.clear());
        }
    }
}

impl Driver {
    /// Starts the worker, if it is not running, and tells it that there is work.
    pub fn nudge(&'static self, state: &mut State) -> Result<(), Status> {
        if !state.working {
            let worker = std::thread::Builder::new().name("cuda-emulator".to_owned());
            worker.spawn(|| self.work()).map_err(|_| Status::OperatingSystem)?;
            state.working = true;
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Has the worker finish the work at `stamps`, and waits for it. The host then knows it to be finished.
    pub fn wait(&'static self, state: &mut MutexGuard<'_, State>, stamps: &[Stamp]) -> Result<(), Status> {
        if stamps.iter().any(|&stamp| !state.is_done(stamp)) {
            state.demands.extend(stamps);
            self.nudge(state)?;
            while stamps.iter().any(|&stamp| !state.is_done(stamp)) {
                self.done.wait(state);
            }
        }
        Ok(())
    }

    fn work(&'static self) {
        let mut state = self.state.lock();
        loop {
            match state.pick(self) {
                Ok(id) => {
                    state.running = Some(id);
                    // The command stays at the head of its queue while it runs, so that it counts as pending.
                    let stream = state.streams.get_mut(&id).expect("picked from the streams");
                    let context = stream.context;
                    let head = stream.queue.front_mut().expect("picked for its first command");
                    let work = std::mem::replace(&mut head.work, Work::Marker);
                    let result = MutexGuard::unlocked(&mut state, || execute::execute(self, &work));
                    execute::conclude(self, &mut state, id, context, work, result);
                    state.finish(id);
                    self.done.notify_all();
                }
                Err(Some(due)) => drop(self.wake.wait_until(&mut state, due)),
                Err(None) => self.wake.wait(&mut state),
            }
        }
    }
}
