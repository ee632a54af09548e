//! Device memory: buffers, views, copies.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::Cuda;
use super::device::Device;
use super::queue::{Queue, QueueId};
use super::raw;
use crate::backend::{Halves, Len, Memory};
use crate::element::Element;
use crate::error::{Error, Result, check};

/// Typed memory on a device: what `Vec<T>` is on the host.
///
/// When it is dropped the memory is given back once all work that uses it has run; dropping does not wait.
pub struct Buffer<T> {
    allocation: Allocation,
    len: usize,
    element: PhantomData<T>,
}

/// Borrowed device memory: what `&[T]` is on the host.
pub struct View<'a, T> {
    pointer: u64,
    len: usize,
    allocation: &'a Allocation,
    element: PhantomData<&'a [T]>,
}

/// Mutably borrowed device memory: what `&mut [T]` is on the host.
pub struct ViewMut<'a, T> {
    pointer: u64,
    len: usize,
    allocation: &'a Allocation,
    element: PhantomData<&'a mut [T]>,
}

/// Whose memory, or whose handle, a value is.
pub(in crate::cuda) trait Owned {
    /// The [`id`](Cuda::id) of the backend value and its clones.
    fn owner(&self) -> u64;
}

/// Bytes on a device, given back on drop.
pub(in crate::cuda) struct Allocation {
    device: Arc<Device>,
    /// Null if there are no bytes.
    pointer: u64,
    bytes: usize,
    /// The only queue whose work has used it, or [`SEVERAL`].
    user: AtomicU64,
}

const SEVERAL: QueueId = QueueId::MAX;

impl Allocation {
    /// Uninitialised, for work on the queue.
    fn new(queue: &Queue, label: &'static str, bytes: usize) -> Result<Self> {
        let pointer = if bytes == 0 { 0 } else { queue.device.allocate(queue, label, bytes)? };
        Ok(Self { device: queue.device.clone(), pointer, bytes, user: AtomicU64::new(queue.id) })
    }

    /// Notes that work on the queue uses the memory.
    pub fn used_by(&self, queue: &Queue) {
        if self.user.load(Ordering::Relaxed) != queue.id {
            self.escape();
        }
    }

    /// Notes that work on any queue may use the memory.
    fn escape(&self) {
        self.user.store(SEVERAL, Ordering::Relaxed);
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let user = *self.user.get_mut();
            // SAFETY: this value owns the memory, and views of it, which work is enqueued with, borrow this value. Work
            // on a queue that is not `user` was noted by `used_by` or `escape`.
            unsafe { self.device.free(self.pointer, self.bytes, (user != SEVERAL).then_some(user)) };
        }
    }
}

/// What buffers and views have in common.
macro_rules! common {
    ($($type:ident $(<$lifetime:lifetime>)?: $this:ident => $pointer:expr, $allocation:expr;)*) => {$(
        impl<$($lifetime,)? T> Len for $type<$($lifetime,)? T> {
            fn len(&self) -> usize {
                self.len
            }
        }

        impl<$($lifetime,)? T> Owned for $type<$($lifetime,)? T> {
            fn owner(&self) -> u64 {
                self.allocation().device.id
            }
        }

        impl<$($lifetime,)? T> fmt::Debug for $type<$($lifetime,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let ($this, name) = (self, stringify!($type));
                write!(f, "{name}<{}>({} at {:#x})", std::any::type_name::<T>(), self.len, $pointer)
            }
        }

        impl<$($lifetime,)? T> $type<$($lifetime,)? T> {
            /// The address on the device, for tables of addresses. Null only if there are no elements.
            #[allow(dead_code, reason = "not every operation needs each of them")]
            pub(in crate::cuda) fn pointer(&self) -> u64 {
                let $this = self;
                // Nobody sees on which queue it will be used.
                self.allocation().escape();
                $pointer
            }

            /// Where the address stands.
            pub(in crate::cuda) fn address(&self) -> *const u64 {
                let $this = self;
                &raw const $pointer
            }

            pub(in crate::cuda) fn allocation(&self) -> &Allocation {
                let $this = self;
                $allocation
            }
        }
    )*};
}
common! {
    Buffer: this => this.allocation.pointer, &this.allocation;
    View<'a>: this => this.pointer, this.allocation;
    ViewMut<'a>: this => this.pointer, this.allocation;
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

impl<O: Owned + ?Sized> Owned for &O {
    fn owner(&self) -> u64 {
        (**self).owner()
    }
}

impl<O: Owned + ?Sized> Owned for &mut O {
    fn owner(&self) -> u64 {
        (**self).owner()
    }
}

impl<T> View<'_, T> {
    fn part(self, start: usize, len: usize) -> Self {
        Self { pointer: self.pointer + (start * size_of::<T>()) as u64, len, ..self }
    }
}

impl<T> ViewMut<'_, T> {
    /// The caller has one part at most of what each element is in.
    fn part(&self, start: usize, len: usize) -> Self {
        let pointer = self.pointer + (start * size_of::<T>()) as u64;
        Self { pointer, len, allocation: self.allocation, element: PhantomData }
    }
}

/// How many bytes so many elements of a buffer or view are.
fn size<T>(len: usize) -> usize {
    len * size_of::<T>()
}

/// The bytes of elements.
fn bytes<T: Element>(host: &[T]) -> &[u8] {
    // SAFETY: an `Element` has no padding, so all its bytes are initialised.
    unsafe { std::slice::from_raw_parts(host.as_ptr().cast(), size_of_val(host)) }
}

/// Fails with the first element that is not canonical.
fn check_canonical<T: Element>(host: &[T]) -> Result<()> {
    /// Fewer elements than this are not worth a thread.
    const MANY: usize = 1 << 14;
    let bad = if host.len() < MANY {
        host.iter().position(|element| !element.is_canonical())
    } else {
        host.par_iter().with_min_len(MANY / 4).position_first(|element| !element.is_canonical())
    };
    match bad {
        None => Ok(()),
        Some(index) => Err(Error::Invalid { op: "upload", what: "value not below its modulus", index }),
    }
}

impl Cuda {
    /// The backend value and its clones, as buffers and handles remember it.
    pub(in crate::cuda) fn id(&self) -> u64 {
        self.device().id
    }

    /// Fails unless the value is of this backend. Every operation asks for each of its arguments.
    pub(in crate::cuda) fn own<O: Owned + ?Sized>(&self, op: &'static str, value: &O) -> Result<()> {
        if value.owner() == self.id() { Ok(()) } else { Err(Error::Foreign { op }) }
    }

    /// A buffer of unspecified content.
    pub(in crate::cuda) fn scratch<T: Element>(&self, label: &'static str, len: usize) -> Result<Buffer<T>> {
        let bytes = len.checked_mul(size_of::<T>());
        // What no address space can hold is refused as any other size that is too large.
        let allocation = Allocation::new(self.queue(), label, bytes.unwrap_or(usize::MAX))?;
        Ok(Buffer { allocation, len, element: PhantomData })
    }

    /// A buffer with a copy of `host`, whose elements the caller answers for. Waits only if much is under way.
    pub(in crate::cuda) fn upload_scratch<T: Element>(
        &self,
        label: &'static str,
        host: &[T],
    ) -> Result<Buffer<T>> {
        let buffer = self.scratch(label, host.len())?;
        self.queue()
            // SAFETY: the buffer has as many bytes, and is freed after all work on this queue.
            .enqueue(|lane| unsafe { lane.upload(buffer.allocation.pointer, bytes(host)) })
            .map_err(|failure| failure.at("upload"))?;
        Ok(buffer)
    }

    /// Enqueues the filling of a view with zero bytes, which are [`Element::ZEROED`].
    pub(in crate::cuda) fn clear<T: Element>(&self, view: &mut ViewMut<'_, T>) -> Result<()> {
        if size::<T>(view.len) == 0 {
            return Ok(());
        }
        view.allocation.used_by(self.queue());
        self.queue()
            // SAFETY: the view's bytes are allocated, and freed after all work on this queue.
            .enqueue(|lane| unsafe { raw::clear(view.pointer, size::<T>(view.len), &lane.stream) })
            .map_err(|failure| failure.at("clear"))
    }
}

impl Memory for Cuda {
    type Buffer<T: Element> = Buffer<T>;
    type View<'a, T: Element> = View<'a, T>;
    type ViewMut<'a, T: Element> = ViewMut<'a, T>;

    fn name(&self) -> &str {
        &self.device().name
    }

    fn alloc<T: Element>(&self, label: &'static str, len: usize) -> Result<Buffer<T>> {
        let mut buffer = self.scratch(label, len)?;
        self.clear(&mut Self::view_mut(&mut buffer))?;
        Ok(buffer)
    }

    /// The bytes are copied before this returns. Waits only if much is under way.
    fn upload<T: Element>(&self, label: &'static str, host: &[T]) -> Result<Buffer<T>> {
        check_canonical(host)?;
        self.upload_scratch(label, host)
    }

    fn download<T: Element>(&self, from: View<'_, T>, to: &mut [T]) -> Result<()> {
        self.own("download", &from)?;
        check("download", "destination length", from.len, to.len())?;
        if size::<T>(from.len) == 0 {
            return Ok(());
        }
        from.allocation.used_by(self.queue());
        self.queue()
            .enqueue(|lane| {
                // SAFETY: both sides have as many bytes. The device's are freed after all work on this queue; the host's
                // are borrowed until the copy has been waited for. They are an element's, written by this library.
                let copied = unsafe {
                    raw::copy_out(to.as_mut_ptr().cast(), from.pointer, size::<T>(from.len), &lane.stream)
                };
                // Also after a failure, since part of the copy may be under way.
                let waited = raw::synchronize(&lane.stream);
                copied.and(waited)
            })
            .map_err(|failure| failure.at("download"))
    }

    fn copy<T: Element>(&self, from: View<'_, T>, to: &mut ViewMut<'_, T>) -> Result<()> {
        self.own("copy", &from)?;
        self.own("copy", to)?;
        check("copy", "destination length", from.len, to.len)?;
        if size::<T>(from.len) == 0 {
            return Ok(());
        }
        from.allocation.used_by(self.queue());
        to.allocation.used_by(self.queue());
        self.queue()
            // SAFETY: both sides have as many bytes, are freed after all work on this queue, and do not overlap, for one of
            // them is borrowed mutably.
            .enqueue(|lane| unsafe {
                raw::copy_within(to.pointer, from.pointer, size::<T>(from.len), &lane.stream)
            })
            .map_err(|failure| failure.at("copy"))
    }

    fn sync(&self) -> Result<()> {
        self.queue().enqueue(|lane| raw::synchronize(&lane.stream)).map_err(|failure| failure.at("sync"))
    }

    fn join<A: Send, B: Send>(
        &self,
        a: impl FnOnce(&Self) -> Result<A> + Send,
        b: impl FnOnce(&Self) -> Result<B> + Send,
    ) -> Result<(A, B)> {
        self.join_queues(a, b)
    }

    fn view<T: Element>(buffer: &Buffer<T>) -> View<'_, T> {
        let Buffer { allocation, len, .. } = buffer;
        View { pointer: allocation.pointer, len: *len, allocation, element: PhantomData }
    }

    fn view_mut<T: Element>(buffer: &mut Buffer<T>) -> ViewMut<'_, T> {
        let Buffer { allocation, len, .. } = buffer;
        ViewMut { pointer: allocation.pointer, len: *len, allocation, element: PhantomData }
    }

    fn reborrow<'a, T: Element>(view: &'a mut ViewMut<'_, T>) -> ViewMut<'a, T> {
        view.part(0, view.len)
    }

    fn as_view<'a, T: Element>(view: &'a ViewMut<'_, T>) -> View<'a, T> {
        View { pointer: view.pointer, len: view.len, allocation: view.allocation, element: PhantomData }
    }

    fn split<'a, T: Element>(view: Self::View<'a, T>, at: usize) -> Result<Halves<Self::View<'a, T>>> {
        let rest = remainder(view.len, at)?;
        Ok((view.part(0, at), view.part(at, rest)))
    }

    fn split_mut<'a, T: Element>(
        view: Self::ViewMut<'a, T>,
        at: usize,
    ) -> Result<Halves<Self::ViewMut<'a, T>>> {
        let rest = remainder(view.len, at)?;
        Ok((view.part(0, at), view.part(at, rest)))
    }
}

/// How many elements come after the first `at` of `len`.
fn remainder(len: usize, at: usize) -> Result<usize> {
    len.checked_sub(at).ok_or(Error::Shape { op: "split", what: "length", expected: at, got: len })
}
