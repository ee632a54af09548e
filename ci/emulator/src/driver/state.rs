//! The driver's state: one lock over contexts, streams, events, modules and allocations.
//!
//! Every handle given to the program is a number that is never used twice and never an address: a foreign, freed or made-up
//! handle is looked up, not found, and refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::config::Config;
use super::order::{Clock, History, Stamp, StreamId};
use super::queue::Command;
use super::report::Report;
use super::status::{Outcome, Status};
use crate::memory::DeviceMemory;
use crate::ptx::LoadedModule;

/// What a handle stands for; the tag keeps one kind from being taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `CUcontext`.
    Context = 1,
    /// `CUstream`.
    Stream,
    /// `CUevent`.
    Event,
    /// `CUmodule`.
    Module,
    /// `CUfunction`.
    Function,
}

/// A number behind a handle: the kind in the top byte, a serial number shifted by four below. No host address looks like it.
pub type Id = u64;

/// A context.
#[derive(Debug)]
pub struct Context {
    /// The flags it was created with.
    pub flags: u32,
    /// Whether it is the device's primary context.
    pub primary: bool,
    /// The error of the work that failed, which every later call returns.
    pub sticky: Option<Status>,
    /// The stream that handle 0 stands for.
    pub default_stream: StreamId,
    /// The streams that handle 2 stands for on each thread.
    pub thread_streams: HashMap<ThreadId, StreamId>,
    /// `cuCtxSetLimit`.
    pub limits: BTreeMap<i32, usize>,
    /// `cuCtxSetCacheConfig`.
    pub cache: i32,
    /// `cuCtxSetSharedMemConfig`.
    pub shared_banks: i32,
}

/// A stream: a queue of work, executed in order.
#[derive(Debug)]
pub struct Stream {
    /// Its context.
    pub context: Id,
    /// Whether the default stream leaves it alone.
    pub non_blocking: bool,
    /// Its priority, which is remembered and has no effect.
    pub priority: i32,
    /// Work not yet finished; the first may be running.
    pub queue: std::collections::VecDeque<Command>,
    /// How many pieces of work were put on it.
    pub issued: u64,
    /// How many of those are finished.
    pub completed: u64,
    /// What work put on it now would know to be finished.
    pub clock: Clock,
    /// Destroyed by the program, but still working.
    pub destroyed: bool,
}

/// An event.
#[derive(Debug)]
pub struct Event {
    /// Its context.
    pub context: Id,
    /// Whether it can be used for timing.
    pub timing: bool,
    /// Where it was recorded last, and what was known there.
    pub record: Option<(Stamp, Clock)>,
    /// When that was reached.
    pub time: Option<Instant>,
}

/// A loaded module.
#[derive(Debug)]
pub struct ModuleEntry {
    /// Its context.
    pub context: Id,
    /// The module.
    pub loaded: Arc<LoadedModule>,
    /// The architecture that the PTX is for, as in `sm_90`.
    pub target: i32,
}

/// A kernel of a module.
#[derive(Debug)]
pub struct FunctionEntry {
    /// The module.
    pub module: Id,
    /// The kernel's name.
    pub name: String,
    /// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`.
    pub max_dynamic_shared: u32,
    /// `CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT`.
    pub carveout: i32,
}

/// What an allocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Device memory.
    Device,
    /// Page-locked host memory allocated by the driver.
    Pinned,
    /// Host memory of the program, page-locked afterwards.
    Registered,
}

/// An allocation. Host and device addresses do not overlap, hence one table of both.
#[derive(Debug)]
pub struct Allocation {
    /// Its context.
    pub context: Id,
    /// Where it lies.
    pub place: Place,
    /// Its size in bytes.
    pub bytes: u64,
    /// The how-manieth allocation it is, from 1.
    pub serial: u64,
    /// The call that made it.
    pub made: &'static str,
    /// Where in stream order it is given back, once that is asked for.
    pub freed: Option<Stamp>,
}

/// The device's primary context.
#[derive(Debug, Default)]
pub struct Primary {
    /// The context, while anyone retains it.
    pub context: Option<Id>,
    /// By how many.
    pub retained: u32,
    /// Flags for when it is created.
    pub flags: u32,
}

/// Everything behind the lock.
#[derive(Debug)]
pub struct State {
    serial: u64,
    /// Contexts by handle.
    pub contexts: HashMap<Id, Context>,
    /// Streams by handle, in the order of their creation.
    pub streams: BTreeMap<StreamId, Stream>,
    /// Events by handle.
    pub events: HashMap<Id, Event>,
    /// Modules by handle.
    pub modules: HashMap<Id, ModuleEntry>,
    /// Functions by handle.
    pub functions: HashMap<Id, FunctionEntry>,
    /// Allocations by address.
    pub allocations: BTreeMap<u64, Allocation>,
    /// By whom memory was given back, by its address. (Addresses are not used again.)
    pub freed: HashMap<u64, Arc<str>>,
    /// The accesses to each allocation, by its address.
    pub histories: BTreeMap<u64, History>,
    /// Attributes of the memory pool.
    pub pool: BTreeMap<i32, u64>,
    /// What the host has waited for.
    pub host: Clock,
    /// Work that someone waits for, or asks after.
    pub demands: Vec<Stamp>,
    /// The stream whose first work is running.
    pub running: Option<StreamId>,
    /// State of the generator that picks the next stream; `None` without a seed.
    pub random: Option<u64>,
    /// Whether the worker has been started.
    pub working: bool,
    /// The primary context.
    pub primary: Primary,
    /// Findings and counters.
    pub report: Report,
}

/// The driver: what never changes, and the state under its lock.
#[derive(Debug)]
pub struct Driver {
    /// The device and the rules.
    pub config: Config,
    /// The device's memory.
    pub memory: DeviceMemory,
    /// The rest.
    pub state: Mutex<State>,
    /// Told when there is work or a demand.
    pub wake: Condvar,
    /// Told when work has finished.
    pub done: Condvar,
}

static DRIVER: OnceLock<Option<Driver>> = OnceLock::new();

/// The driver, if it is initialised.
pub fn driver() -> Outcome<&'static Driver> {
    DRIVER.get().and_then(Option::as_ref).ok_or(Status::NotInitialized)
}

/// Initialises the driver from the environment, once.
pub fn initialise() -> Outcome<&'static Driver> {
    let create = || match Config::from_env() {
        Ok(config) => {
            super::report::at_exit();
            Some(Driver::new(config))
        }
        Err(error) => {
            eprintln!("cuda-emulator: {error}");
            None
        }
    };
    DRIVER.get_or_init(create).as_ref().ok_or(Status::InvalidValue)
}

impl Driver {
    fn new(config: Config) -> Self {
        let state = State {
            serial: 0,
            contexts: HashMap::new(),
            streams: BTreeMap::new(),
            events: HashMap::new(),
            modules: HashMap::new(),
            functions: HashMap::new(),
            allocations: BTreeMap::new(),
            freed: HashMap::new(),
            histories: BTreeMap::new(),
            pool: BTreeMap::new(),
            host: Clock::default(),
            demands: Vec::new(),
            running: None,
            random: config.options.seed,
            working: false,
            primary: Primary::default(),
            report: Report::default(),
        };
        let memory = DeviceMemory::new(config.memory);
        Self { config, memory, state: Mutex::new(state), wake: Condvar::new(), done: Condvar::new() }
    }
}

impl State {
    /// A number that no handle of any kind had before.
    pub fn new_id(&mut self, kind: Kind) -> Id {
        self.serial += 1;
        u64::from(kind as u8) << 56 | self.serial << 4
    }

    /// A number for an allocation, from 1.
    pub fn new_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Creates a context with its default stream.
    pub fn create_context(&mut self, flags: u32, primary: bool) -> Id {
        let id = self.new_id(Kind::Context);
        let default_stream = self.create_stream(id, false, 0);
        let limits = BTreeMap::from([(0, 1 << 10), (1, 1 << 20), (2, 8 << 20)]);
        let context = Context {
            flags,
            primary,
            sticky: None,
            default_stream,
            thread_streams: HashMap::new(),
            limits,
            cache: 0,
            shared_banks: 0,
        };
        self.contexts.insert(id, context);
        id
    }

    /// Creates a stream.
    pub fn create_stream(&mut self, context: Id, non_blocking: bool, priority: i32) -> StreamId {
        let id = self.new_id(Kind::Stream);
        let stream = Stream {
            context,
            non_blocking,
            priority,
            queue: Default::default(),
            issued: 0,
            completed: 0,
            clock: Clock::default(),
            destroyed: false,
        };
        self.streams.insert(id, stream);
        id
    }

    /// The allocation that holds `address`: its start and itself.
    pub fn allocation(&self, address: u64) -> Option<(u64, &Allocation)> {
        let (&base, allocation) = self.allocations.range(..=address).next_back()?;
        (address - base < allocation.bytes).then_some((base, allocation))
    }

    /// The allocation that holds all of `bytes` bytes at `address`, if it lies at `place` by `test`.
    pub fn covering(
        &self,
        address: u64,
        bytes: u64,
        test: impl Fn(Place) -> bool,
    ) -> Option<(u64, &Allocation)> {
        let (base, allocation) = self.allocation(address)?;
        let fits = bytes <= allocation.bytes - (address - base) && test(allocation.place);
        fits.then_some((base, allocation))
    }
}

/// A short name of a stream for messages: `the default stream`, or its serial number as in `stream 3`.
pub fn stream_name(state: &State, id: StreamId) -> String {
    let default = state.contexts.values().any(|context| context.default_stream == id);
    if default { "the default stream".to_owned() } else { format!("stream {}", id << 8 >> 12) }
}
