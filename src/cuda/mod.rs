//! The backend that runs on an NVIDIA GPU (feature `cuda`).
//!
//! A [`Cuda`] is one device, its memory, and one ordered queue of work, a CUDA stream. Clones share all three; another value from
//! [`Cuda::new`] shares nothing, not even with the same device, and refuses the first one's buffers.
//!
//! # What waits
//!
//! Operations enqueue and return. [`upload`](crate::Memory::upload) has copied the host's elements when it returns, to page-locked memory
//! from which they go to the device later; it waits only while 4 MiB are under way. [`download`](crate::Memory::download),
//! [`sync`](crate::Memory::sync), and operations whose documentation says *Waits*, wait for this value's queue. Dropping a buffer
//! does not wait: its memory is given back in the order of the work that uses it. Allocating does not wait, unless memory runs
//! out.
//!
//! [`join`](crate::Memory::join) runs its closures on two threads with a queue each. Both queues come after the work before the
//! join, and the work after the join comes after both. A buffer may go into a closure and come out of one; to hand it from one
//! closure to the other while both run, wait with `sync` first.
//!
//! # What is needed
//!
//! To build: NVIDIA's toolkit (`nvcc`, found through `CUDA_HOME`, `CUDA_PATH` or `PATH`), and for the crate `cust` the variable
//! `CUDA_LIBRARY_PATH` with a folder that has `lib64/libcuda.so`, if that is not in `/usr/local/cuda`. `ZKMILL_CUDA_ARCHS` lists
//! the architectures to make machine code for; the driver translates for all others when a kernel is first used. To run:
//! `libcuda.so.1`, which comes with NVIDIA's driver, and a device of compute capability 7.5 or later with stream-ordered
//! memory. `CUDA_VISIBLE_DEVICES` chooses among several.
//!
//! # When something fails
//!
//! A kernel runs after the call that launched it, so its failure is reported by a later call, one that waits, as
//! [`Error::Launch`] with that call's name; `CUDA_LAUNCH_BLOCKING=1` makes the launch itself report it. A failure of a
//! kernel sticks to the device's context, which all values of the device in the process share: all that was on the device is
//! lost. Drop every value of the device and everything made by it, then make a new one; CUDA may demand a new process.
//! [`Error::OutOfMemory`], refused arguments and refused launches do no harm.
//!
//! Memory comes from the device's default pool, which is told to keep what is freed for the next allocation; it is given back to the
//! system when a value and all it made are gone.

#[cfg(feature = "conformance")]
pub(crate) mod cases;
mod device;
#[cfg(feature = "conformance")]
mod field_cases;
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

/// An NVIDIA GPU as a backend: one CUDA device, its memory and one queue of work on it.
///
/// What waits, what is needed and what failures mean is in the [module's documentation](self).
///
/// ```no_run
/// use zkmill::{Cuda, Memory};
/// let cuda = Cuda::new()?.with_memory_limit(8 << 30);
/// println!("running on {}", cuda.name());
/// # Ok::<(), zkmill::Error>(())
/// ```
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
