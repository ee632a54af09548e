//! What every backend is: memory, and the sum of the operations.

use std::ops::Range;

use crate::element::Element;
use crate::error::Result;
use crate::{G1, G2, Lookup, Matrix, Msm, Ntt, Sumcheck, Vector};

/// The number of elements of a buffer or view.
pub trait Len {
    /// How many elements.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Len for Vec<T> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
}

impl<T> Len for &[T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
}

impl<T> Len for &mut [T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
}

/// One device, its memory and one ordered queue of work.
///
/// Buffers are typed and live where the backend lives. Operations enqueue and return; what they were given may be
/// used in later calls at once, because calls on one value run in order. Those that wait for the device say
/// *Waits*. Only [`upload`](Memory::upload) and [`download`](Memory::download) cross between host and device.
///
/// Views are to buffers what slices are to vectors; on a backend whose memory is the host's they are slices.
pub trait Memory: Sized + Send + Sync + 'static {
    /// Owned device memory: `Vec<T>`.
    type Buffer<T: Element>: Len + Send + Sync;
    /// Borrowed device memory: `&[T]`.
    type View<'a, T: Element>: Len + Copy + Send + Sync;
    /// Mutably borrowed device memory: `&mut [T]`.
    type ViewMut<'a, T: Element>: Len + Send;

    /// The backend's name and what it runs on, for people.
    fn name(&self) -> &str;

    /// A buffer of `len` elements, all [`Element::ZEROED`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) names the label.
    fn alloc<T: Element>(&self, label: &'static str, len: usize) -> Result<Self::Buffer<T>>;

    /// A buffer that holds a copy of `host`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory); [`Error::Invalid`](crate::Error::Invalid) names the first
    /// element that is not [canonical](Element::is_canonical).
    fn upload<T: Element>(&self, label: &'static str, host: &[T]) -> Result<Self::Buffer<T>>;

    /// Copies device memory to the host. *Waits.*
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless both have the same length.
    fn download<T: Element>(&self, from: Self::View<'_, T>, to: &mut [T]) -> Result<()>;

    /// Copies within the device.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless both have the same length.
    fn copy<T: Element>(&self, from: Self::View<'_, T>, to: &mut Self::ViewMut<'_, T>) -> Result<()>;

    /// The host slice itself where host memory is device memory; `None` elsewhere. Unlike
    /// [`upload`](Memory::upload) this does not look at the elements: that they are canonical is the caller's word.
    fn borrow<'h, T: Element>(&self, host: &'h [T]) -> Option<Self::View<'h, T>> {
        let _ = host;
        None
    }

    /// Returns when all work enqueued so far has run. *Waits.*
    ///
    /// # Errors
    /// What that work failed with.
    fn sync(&self) -> Result<()>;

    /// Runs both closures, overlapped where the backend can, and returns when both have returned.
    ///
    /// # Errors
    /// The first closure's error, else the second's.
    fn join<A: Send, B: Send>(
        &self,
        a: impl FnOnce(&Self) -> Result<A> + Send,
        b: impl FnOnce(&Self) -> Result<B> + Send,
    ) -> Result<(A, B)>;

    /// The whole buffer.
    fn view<T: Element>(buffer: &Self::Buffer<T>) -> Self::View<'_, T>;

    /// The whole buffer, mutably.
    fn view_mut<T: Element>(buffer: &mut Self::Buffer<T>) -> Self::ViewMut<'_, T>;

    /// A shorter borrow of the same memory.
    fn reborrow<'a, T: Element>(view: &'a mut Self::ViewMut<'_, T>) -> Self::ViewMut<'a, T>;

    /// A shared borrow of the same memory.
    fn as_view<'a, T: Element>(view: &'a Self::ViewMut<'_, T>) -> Self::View<'a, T>;

    /// The first `at` elements and the rest.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are fewer than `at`.
    fn split<'a, T: Element>(view: Self::View<'a, T>, at: usize) -> Result<Halves<Self::View<'a, T>>>;

    /// The first `at` elements and the rest, mutably.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are fewer than `at`.
    fn split_mut<'a, T: Element>(
        view: Self::ViewMut<'a, T>,
        at: usize,
    ) -> Result<Halves<Self::ViewMut<'a, T>>>;

    /// The elements `range` of a view.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the range reaches beyond the view or ends before it starts.
    fn slice<'a, T: Element>(view: Self::View<'a, T>, range: Range<usize>) -> Result<Self::View<'a, T>> {
        let (head, _) = Self::split(view, range.end)?;
        let (_, tail) = Self::split(head, range.start)?;
        Ok(tail)
    }

    /// A host copy of a view. *Waits.*
    ///
    /// # Errors
    /// As [`download`](Memory::download).
    fn to_vec<T: Element>(&self, view: Self::View<'_, T>) -> Result<Vec<T>> {
        let mut host = vec![T::ZEROED; view.len()];
        self.download(view, &mut host)?;
        Ok(host)
    }
}

/// Two parts of one view.
pub type Halves<V> = (V, V);

/// Everything a prover may ask for, over BN254. Implemented by all that has the parts.
///
/// A second curve is one more set of `impl`s of the same traits (their field parameter defaults to BN254's `Fr`)
/// and one more sum like this.
pub trait Backend: Memory + Ntt + Msm<G1> + Msm<G2> + Lookup + Sumcheck + Matrix + Vector {}

impl<B: Memory + Ntt + Msm<G1> + Msm<G2> + Lookup + Sumcheck + Matrix + Vector> Backend for B {}
