//! A device's context, what it can do, its memory and the queues on it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cust::context::{Context, CurrentContext};

use super::launch::Modules;
use super::queue::{Lane, Queue, QueueId};
use super::raw::{self, Attribute, Failure, Outcome, Pool};
use crate::error::{Error, Result};

/// What the device can do.
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct Properties {
    /// How many multiprocessors it has.
    pub multiprocessors: u32,
    /// Size of its memory.
    pub total_bytes: usize,
}

/// The queue that lives as long as the device.
const MAIN: QueueId = 0;

/// How many lanes without a queue are kept.
const IDLE_LANES: usize = 8;

/// One device as one [`Cuda`](super::Cuda) value and its clones see it.
pub(super) struct Device {
    /// Different for every value of the process.
    pub id: u64,
    pub name: String,
    pub properties: Properties,
    pub modules: Modules,
    /// Bytes that may be allocated.
    limit: AtomicUsize,
    /// Bytes that are allocated.
    used: AtomicUsize,
    lanes: Mutex<Lanes>,
    pool: Pool,
    /// Last, so that everything in it has gone before. It is the device's primary one, shared with the rest of the
    /// process.
    context: Context,
}

struct Lanes {
    next_id: QueueId,
    /// Of the queues that there are. The main one is first.
    live: Vec<(QueueId, Arc<Lane>)>,
    /// Of queues that have ended.
    idle: Vec<Arc<Lane>>,
    /// Where memory is freed that several queues may use.
    reclaim: Option<Lane>,
}

impl Lanes {
    fn main(&self) -> &Arc<Lane> {
        &self.live[0].1
    }

    fn position(&self, id: QueueId) -> Option<usize> {
        self.live.iter().position(|(live, _)| *live == id)
    }

    /// A lane on which work comes after all that is now on the lanes of queues.
    fn after_all(&mut self) -> Outcome<&Lane> {
        if self.live.len() == 1 {
            return Ok(self.main());
        }
        let reclaim = match self.reclaim.take() {
            Some(lane) => lane,
            None => Lane::new()?,
        };
        let reclaim = self.reclaim.insert(reclaim);
        for (_, lane) in &self.live {
            reclaim.wait_for(lane)?;
        }
        Ok(reclaim)
    }
}

impl Device {
    pub fn open(ordinal: u32) -> Result<Arc<Self>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        raw::init().map_err(|failure| failure.unavailable("the CUDA driver does not start"))?;
        let count = cust::device::Device::num_devices();
        let count = count.map_err(|error| Failure::from(error).unavailable("no CUDA device"))?;
        if ordinal >= count {
            let reason = format!("there is no CUDA device {ordinal}, their number is {count}");
            return Err(Error::Unavailable { reason });
        }
        let opened = |error: Failure| error.unavailable(&format!("CUDA device {ordinal} cannot be used"));
        let cust_device = cust::device::Device::get_device(ordinal).map_err(|error| opened(error.into()))?;
        let handle = cust_device.as_raw();
        let attribute = |attribute| raw::attribute(handle, attribute).map_err(opened);
        if attribute(Attribute::MemoryPools)? == 0 {
            let reason = format!("CUDA device {ordinal} or its driver has no stream-ordered memory");
            return Err(Error::Unavailable { reason });
        }
        let (major, minor) = (attribute(Attribute::CapabilityMajor)?, attribute(Attribute::CapabilityMinor)?);
        if (major, minor) < (7, 5) {
            let reason = format!(
                "CUDA device {ordinal} is of compute capability {major}.{minor}; 7.5 is the oldest supported"
            );
            return Err(Error::Unavailable { reason });
        }
        let model = cust_device.name().map_err(|error| opened(error.into()))?;
        let properties = Properties {
            multiprocessors: attribute(Attribute::Multiprocessors)?,
            total_bytes: cust_device.total_memory().map_err(|error| opened(error.into()))?,
        };
        let context = Context::new(cust_device).map_err(|error| opened(error.into()))?;
        CurrentContext::set_current(&context).map_err(|error| opened(error.into()))?;
        Ok(Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: format!("cuda ({model}, sm_{major}{minor})"),
            properties,
            modules: Modules::default(),
            limit: AtomicUsize::new(usize::MAX),
            used: AtomicUsize::new(0),
            lanes: Mutex::new(Lanes {
                next_id: MAIN + 1,
                live: vec![(MAIN, Arc::new(Lane::new().map_err(opened)?))],
                idle: Vec::new(),
                reclaim: None,
            }),
            pool: Pool::keeping(handle).map_err(opened)?,
            context,
        }))
    }

    /// Makes the device's context current for the calling thread. Before every driver call.
    pub fn enter(&self) -> Outcome {
        Ok(CurrentContext::set_current(&self.context)?)
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // Nothing that changes the lists can panic half-way.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue that every clone of the first value uses.
    pub fn main_queue(self: &Arc<Self>) -> Queue {
        let lane = self.lanes().main().clone();
        Queue::new(MAIN, self.clone(), lane)
    }

    /// A queue of its own, ordered after nothing.
    pub fn new_queue(self: &Arc<Self>) -> Outcome<Queue> {
        self.enter()?;
        let mut lanes = self.lanes();
        let lane = match lanes.idle.pop() {
            Some(lane) => lane,
            None => Arc::new(Lane::new()?),
        };
        let id = lanes.next_id;
        lanes.next_id += 1;
        lanes.live.push((id, lane.clone()));
        Ok(Queue::new(id, self.clone(), lane))
    }

    /// Ends a queue. If it is `ahead` of all others, the main queue waits for its work: memory that the work uses may be
    /// freed later, when the queue is no longer known.
    pub fn retire(&self, id: QueueId, ahead: bool) {
        if id == MAIN {
            return;
        }
        let entered = self.enter();
        let mut lanes = self.lanes();
        let Some(position) = lanes.position(id) else {
            return;
        };
        let (_, lane) = lanes.live.swap_remove(position);
        let ordered = if ahead { entered.and_then(|()| lanes.main().wait_for(&lane)) } else { entered };
        if ordered.is_ok() && lanes.idle.len() < IDLE_LANES {
            lanes.idle.push(lane);
        }
        // Else the lane goes, which waits for it.
    }

    /// Refuses allocations that would bring the sum above `bytes`.
    pub fn limit_memory(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that can still be allocated.
    fn free_bytes(&self) -> usize {
        let allowed = self.limit.load(Ordering::Relaxed).saturating_sub(self.used.load(Ordering::Relaxed));
        allowed.min(self.pool.free_bytes())
    }

    /// Allocates `bytes > 0` for work on the queue.
    pub fn allocate(&self, queue: &Queue, label: &'static str, bytes: usize) -> Result<u64> {
        let limit = self.limit.load(Ordering::Relaxed).min(self.properties.total_bytes);
        let counted = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|&used| used <= limit)
        });
        let exhausted = || {
            // For the sake of the number alone.
            let _ = self.enter();
            Error::OutOfMemory { label, bytes, free: self.free_bytes() }
        };
        if counted.is_err() {
            return Err(exhausted());
        }
        let allocated = queue.enqueue(|lane| raw::allocate(bytes, &lane.stream)).or_else(|failure| {
            if failure != Failure::OUT_OF_MEMORY {
                return Err(failure);
            }
            // What has been freed on other queues counts once they have come to it.
            self.synchronize()?;
            self.pool.trim()?;
            queue.enqueue(|lane| raw::allocate(bytes, &lane.stream))
        });
        allocated.map_err(|failure| {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            if failure == Failure::OUT_OF_MEMORY { exhausted() } else { failure.at(label) }
        })
    }

    /// Frees memory after all work that may use it: what is on `queue`, if no other has used it, or else on any queue.
    ///
    /// # Safety
    /// `pointer` is from [`allocate`](Self::allocate) with the same number of bytes and freed once; no work that uses it
    /// is enqueued after this.
    pub unsafe fn free(&self, pointer: u64, bytes: usize, queue: Option<QueueId>) {
        let freed = self.enter().and_then(|()| {
            let mut lanes = self.lanes();
            let alone =
                queue.and_then(|id| lanes.position(id)).map(|position| lanes.live[position].1.clone());
            let lane = match &alone {
                Some(lane) => lane,
                None => match lanes.after_all() {
                    Ok(lane) => lane,
                    // Waiting for everything is an order too.
                    Err(_) => {
                        CurrentContext::synchronize()?;
                        lanes.main()
                    }
                },
            };
            // SAFETY: by the contract above; the lane comes after all work that uses the memory.
            unsafe { raw::free(pointer, &lane.stream) }
        });
        if let Err(failure) = freed {
            // A context that has failed frees everything when it ends.
            log::debug!("{bytes} bytes of device memory were not freed: {failure:?}");
        }
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Waits for the work on all queues, and for what was freed.
    fn synchronize(&self) -> Outcome {
        self.enter()?;
        let lanes = self.lanes();
        let mut queues = lanes.live.iter().map(|(_, lane)| &**lane).chain(&lanes.reclaim);
        queues.try_for_each(|lane| raw::synchronize(&lane.stream))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // The fields end with this context current: the kernels may still run, so wait before modules are unloaded.
        let ended = self.synchronize().and_then(|()| self.pool.trim());
        if let Err(failure) = ended {
            log::debug!("{} ended with {failure:?}", self.name);
        }
    }
}
