//! Disjoint, strided access to one slice from several threads.

use std::marker::PhantomData;

/// A mutable slice whose parts several threads use at once, each its own.
pub struct Shared<'a, F> {
    data: *mut F,
    len: usize,
    lifetime: PhantomData<&'a mut [F]>,
}

// SAFETY: a `Shared` is a mutable borrow of the elements; the contract of its methods keeps threads apart.
unsafe impl<F: Send> Send for Shared<'_, F> {}
// SAFETY: likewise.
unsafe impl<F: Send> Sync for Shared<'_, F> {}

impl<'a, F: Copy> Shared<'a, F> {
    /// Borrows the slice.
    pub fn new(data: &'a mut [F]) -> Self {
        Self { data: data.as_mut_ptr(), len: data.len(), lifetime: PhantomData }
    }

    /// Copies `N` elements out.
    ///
    /// # Safety
    /// `at + N` is at most the length, and no other thread writes these elements meanwhile.
    pub unsafe fn read<const N: usize>(&self, at: usize) -> [F; N] {
        debug_assert!(at + N <= self.len);
        // SAFETY: by the contract; arrays are aligned as their elements are.
        unsafe { self.data.add(at).cast::<[F; N]>().read() }
    }

    /// Copies `N` elements in.
    ///
    /// # Safety
    /// `at + N` is at most the length, and no other thread uses these elements meanwhile.
    pub unsafe fn write<const N: usize>(&self, at: usize, values: [F; N]) {
        debug_assert!(at + N <= self.len);
        // SAFETY: by the contract; arrays are aligned as their elements are.
        unsafe { self.data.add(at).cast::<[F; N]>().write(values) }
    }
}
