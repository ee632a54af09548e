//! What stands for the CUDA backend in builds without the feature `cuda`: a type without values.
//!
//! So code that names the backend, [`Any`](crate::Any) first of all, is the same in all builds.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::marker::PhantomData;

use ark_ec::short_weierstrass::Affine;

use crate::backend::{Halves, Len, Memory};
use crate::curve::Curve;
use crate::delegate::operations;
use crate::element::{Element, Fr, Int, Key, Scalar};
use crate::error::{Error, Result};
use crate::lookup::Scan;
use crate::ntt::Transform;
use crate::sumcheck::Form;
use crate::{Lookup, Matrix, Msm, Ntt, Sumcheck, Vector};

/// The backend that runs on an NVIDIA GPU. This build lacks it: it needs the feature `cuda`.
#[derive(Clone, Debug)]
pub enum Cuda {}

impl Cuda {
    /// There is none in this build.
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn new() -> Result<Self> {
        let reason = "this build has no CUDA backend; build with the feature `cuda`".to_owned();
        Err(Error::Unavailable { reason })
    }

    /// As [`new`](Cuda::new).
    ///
    /// # Errors
    /// [`Error::Unavailable`], always.
    pub fn with_device(_ordinal: u32) -> Result<Self> {
        Self::new()
    }

    /// The same.
    pub fn with_memory_limit(self, _bytes: usize) -> Self {
        match self {}
    }
}

/// A buffer, view or handle of a backend that there is not.
#[derive(Clone, Copy, Debug)]
pub struct Nothing<T> {
    never: Infallible,
    element: PhantomData<T>,
}

impl<T> Len for Nothing<T> {
    fn len(&self) -> usize {
        match self.never {}
    }
}

/// An operation that nobody can call.
macro_rules! absent {
    ($self:ident, $family:literal, $trait:path, $op:ident, [$($arg:ident: $kind:ident $ty:ty),*]) => {{
        $(let _ = $arg;)*
        match *$self {}
    }};
}

impl Memory for Cuda {
    type Buffer<T: Element> = Nothing<T>;
    type View<'a, T: Element> = Nothing<T>;
    type ViewMut<'a, T: Element> = Nothing<T>;

    operations! { Copy, absent }

    fn name(&self) -> &str {
        match *self {}
    }

    fn alloc<T: Element>(&self, _label: &'static str, _len: usize) -> Result<Nothing<T>> {
        match *self {}
    }

    fn upload<T: Element>(&self, _label: &'static str, _host: &[T]) -> Result<Nothing<T>> {
        match *self {}
    }

    fn download<T: Element>(&self, from: Nothing<T>, _to: &mut [T]) -> Result<()> {
        match from.never {}
    }

    fn sync(&self) -> Result<()> {
        match *self {}
    }

    fn join<A: Send, B: Send>(
        &self,
        _a: impl FnOnce(&Self) -> Result<A> + Send,
        _b: impl FnOnce(&Self) -> Result<B> + Send,
    ) -> Result<(A, B)> {
        match *self {}
    }

    fn view<T: Element>(buffer: &Nothing<T>) -> Nothing<T> {
        *buffer
    }

    fn view_mut<T: Element>(buffer: &mut Nothing<T>) -> Nothing<T> {
        *buffer
    }

    fn reborrow<T: Element>(view: &mut Self::ViewMut<'_, T>) -> Nothing<T> {
        *view
    }

    fn as_view<T: Element>(view: &Self::ViewMut<'_, T>) -> Nothing<T> {
        *view
    }

    fn split<'a, T: Element>(view: Self::View<'a, T>, _at: usize) -> Result<Halves<Self::View<'a, T>>> {
        match view.never {}
    }

    fn split_mut<'a, T: Element>(
        view: Self::ViewMut<'a, T>,
        _at: usize,
    ) -> Result<Halves<Self::ViewMut<'a, T>>> {
        match view.never {}
    }
}

impl Ntt for Cuda {
    type Domain = Nothing<()>;
    operations! { Ntt, absent }

    fn domain(&self, _log_n: u32) -> Result<Nothing<()>> {
        match *self {}
    }
}

impl<C: Curve> Msm<C> for Cuda {
    type Bases = Nothing<()>;
    operations! { Msm, absent }

    fn bases(&self, _points: &[Affine<C>], _budget: usize) -> Result<Nothing<()>> {
        match *self {}
    }
}

impl Lookup for Cuda {
    type Table<T: Key> = Nothing<T>;
    operations! { Lookup, absent }

    fn table<T: Key>(&self, _rows: Nothing<T>) -> Result<Nothing<T>> {
        match *self {}
    }
}

impl Sumcheck for Cuda {
    operations! { Round, absent }
    operations! { Sumcheck, absent }
}

impl Matrix for Cuda {
    operations! { Matrix, absent }
}

impl Vector for Cuda {
    operations! { Vector, absent }
}
