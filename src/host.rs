//! Memory of the backends that compute where the host does: buffers are vectors, views are slices.

use std::alloc::{Layout, alloc_zeroed};

use crate::backend::{Halves, Memory};
use crate::cpu::pages::advise_large;
use crate::element::Element;
use crate::error::{Error, Result, check};

/// A backend that works in the host's own memory. Implementing this gives [`Memory`].
pub trait Host: Send + Sync + 'static {
    /// See [`Memory::name`].
    fn host_name(&self) -> &str;

    /// See [`Memory::join`]; `rayon::join` in the right pool, or one after the other.
    fn host_join<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B);
}

/// A vector of `len` zeroed elements, or an error where `vec!` would abort.
///
/// The allocator clears the memory: large buffers come cleared from the system, and are not cleared again.
pub(crate) fn zeroed<T: Element>(label: &'static str, len: usize) -> Result<Vec<T>> {
    let layout = Layout::array::<T>(len).map_err(|_| out_of_memory::<T>(label, len))?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the layout's size is not 0.
    let memory = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if memory.is_null() {
        return Err(out_of_memory::<T>(label, len));
    }
    // SAFETY: from the global allocator, with the layout of `len` elements, of which zeros are a value (`Element`); the
    // vector is the only owner.
    let mut buffer = unsafe { Vec::from_raw_parts(memory, 0, len) };
    advise_large(&mut buffer);
    // SAFETY: as above.
    unsafe { buffer.set_len(len) };
    Ok(buffer)
}

fn reserve<T: Element>(label: &'static str, len: usize) -> Result<Vec<T>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(len).map_err(|_| out_of_memory::<T>(label, len))?;
    advise_large(&mut buffer);
    Ok(buffer)
}

fn out_of_memory<T>(label: &'static str, len: usize) -> Error {
    // What is free is the operating system's secret; it refused, so report none.
    Error::OutOfMemory { label, bytes: len.saturating_mul(size_of::<T>()), free: 0 }
}

impl<H: Host> Memory for H {
    type Buffer<T: Element> = Vec<T>;
    type View<'a, T: Element> = &'a [T];
    type ViewMut<'a, T: Element> = &'a mut [T];

    fn name(&self) -> &str {
        self.host_name()
    }

    fn alloc<T: Element>(&self, label: &'static str, len: usize) -> Result<Vec<T>> {
        zeroed(label, len)
    }

    fn upload<T: Element>(&self, label: &'static str, host: &[T]) -> Result<Vec<T>> {
        if let Some(index) = host.iter().position(|element| !element.is_canonical()) {
            return Err(Error::Invalid { op: "upload", what: "value not below its modulus", index });
        }
        let mut buffer = reserve(label, host.len())?;
        buffer.extend_from_slice(host);
        Ok(buffer)
    }

    fn download<T: Element>(&self, from: &[T], to: &mut [T]) -> Result<()> {
        check("download", "destination length", from.len(), to.len())?;
        to.copy_from_slice(from);
        Ok(())
    }

    fn copy<T: Element>(&self, from: &[T], to: &mut &mut [T]) -> Result<()> {
        check("copy", "destination length", from.len(), to.len())?;
        to.copy_from_slice(from);
        Ok(())
    }

    fn borrow<'h, T: Element>(&self, host: &'h [T]) -> Option<&'h [T]> {
        Some(host)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn join<A: Send, B: Send>(
        &self,
        a: impl FnOnce(&Self) -> Result<A> + Send,
        b: impl FnOnce(&Self) -> Result<B> + Send,
    ) -> Result<(A, B)> {
        let (a, b) = self.host_join(|| a(self), || b(self));
        Ok((a?, b?))
    }

    fn view<T: Element>(buffer: &Vec<T>) -> &[T] {
        buffer
    }

    fn view_mut<T: Element>(buffer: &mut Vec<T>) -> &mut [T] {
        buffer
    }

    fn reborrow<'a, T: Element>(view: &'a mut &mut [T]) -> &'a mut [T] {
        view
    }

    fn as_view<'a, T: Element>(view: &'a &mut [T]) -> &'a [T] {
        view
    }

    fn split<'a, T: Element>(view: Self::View<'a, T>, at: usize) -> Result<Halves<Self::View<'a, T>>> {
        let got = view.len();
        view.split_at_checked(at).ok_or(Error::Shape { op: "split", what: "length", expected: at, got })
    }

    fn split_mut<'a, T: Element>(
        view: Self::ViewMut<'a, T>,
        at: usize,
    ) -> Result<Halves<Self::ViewMut<'a, T>>> {
        let got = view.len();
        view.split_at_mut_checked(at).ok_or(Error::Shape { op: "split", what: "length", expected: at, got })
    }
}
