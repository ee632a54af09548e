//! Memory of the backends that compute where the host does: buffers are vectors, views are slices.

use crate::backend::{Halves, Memory};
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
pub(crate) fn zeroed<T: Element>(label: &'static str, len: usize) -> Result<Vec<T>> {
    let mut buffer = reserve(label, len)?;
    buffer.resize(len, T::ZEROED);
    Ok(buffer)
}

fn reserve<T: Element>(label: &'static str, len: usize) -> Result<Vec<T>> {
    let mut buffer = Vec::new();
    // What is free is the operating system's secret; it refused, so report none.
    buffer.try_reserve_exact(len).map_err(|_| Error::OutOfMemory {
        label,
        bytes: len.saturating_mul(size_of::<T>()),
        free: 0,
    })?;
    Ok(buffer)
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
