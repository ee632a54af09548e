//! The backend that runs on an NVIDIA GPU (feature `cuda`).

#[cfg(feature = "conformance")]
pub(crate) mod cases;
mod device;
mod launch;
mod lookup;
mod matrix;
mod memory;
mod msm;
mod ntt;
mod queue;
mod raw;
mod scalar;
mod staging;
mod sumcheck;
mod vector;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use crate::error::{Error, Result};
use device::{Device, Properties};
use queue::Queue;

pub use memory::{Buffer, View, ViewMut};
pub use msm::Bases;
pub use ntt::CudaDomain;
// What the operations' files are written with.
#[allow(unused_imports)]
pub(in crate::cuda) use launch::{Argument, ByValue, Grid, Kernel, Module};
#[allow(unused_imports)]
pub(in crate::cuda) use memory::Owned;

/// One CUDA device, its memory and one queue of work on it.
#[derive(Clone)]
pub struct Cuda {
    queue: Arc<Queue>,
}

impl Cuda {
    /// The first device (which one that is, `CUDA_VISIBLE_DEVICES` says).
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if there is no device, or no driver for it.
    pub fn new() -> Result<Self> {
        Self::with_device(0)
    }

    /// The device of this number.
    ///
    /// # Errors
    /// As [`new`](Cuda::new).
    pub fn with_device(ordinal: u32) -> Result<Self> {
        let queue = Device::open(ordinal)?.main_queue();
        Ok(Self { queue: Arc::new(queue) })
    }

    /// The same, with allocations refused that would bring the sum of this value's and its clones' above `bytes`.
    pub fn with_memory_limit(self, bytes: usize) -> Self {
        self.device().limit_memory(bytes);
        self
    }

    fn device(&self) -> &Arc<Device> {
        &self.queue.device
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    /// What the device can do.
    pub(in crate::cuda) fn properties(&self) -> &Properties {
        &self.device().properties
    }

    /// The same device with a queue of its own, whose work comes after what is now on this one.
    fn fork(&self) -> Result<Self> {
        let fork = || {
            let queue = self.device().new_queue()?;
            queue.wait_for(&self.queue)?;
            Ok(Self { queue: Arc::new(queue) })
        };
        fork().map_err(|failure: raw::Failure| failure.at("join"))
    }

    /// Two forks on two threads. Whatever becomes of the closures, later work on this queue waits for the work of both.
    fn join_queues<A: Send, B: Send>(
        &self,
        a: impl FnOnce(&Self) -> Result<A> + Send,
        b: impl FnOnce(&Self) -> Result<B> + Send,
    ) -> Result<(A, B)> {
        let (left, right) = (self.fork()?, self.fork()?);
        // A panic comes back to life below.
        let ran = thread::scope(|scope| {
            let b = thread::Builder::new().spawn_scoped(scope, || b(&right));
            let b =
                b.map_err(|error| Error::Unavailable { reason: format!("no thread for a join: {error}") })?;
            let a = catch_unwind(AssertUnwindSafe(|| a(&left)));
            Ok((a, b.join()))
        });
        let waited = self.queue.wait_for(&left.queue).and(self.queue.wait_for(&right.queue));
        let (a, b) = ran?;
        let a = a.unwrap_or_else(|panic| resume_unwind(panic))?;
        let b = b.unwrap_or_else(|panic| resume_unwind(panic))?;
        waited.map_err(|failure| failure.at("join"))?;
        Ok((a, b))
    }
}

impl fmt::Debug for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cuda").field("name", &self.device().name).finish_non_exhaustive()
    }
}
