//! Buffers kept between calls: fresh pages cost more than the pass that fills them.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Items not in use.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// An empty pool.
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// An item of the pool or else a new one, which joins the pool when dropped.
    pub(super) fn take(&self, make: impl FnOnce() -> T) -> Pooled<'_, T> {
        let kept = self.0.lock().unwrap_or_else(|e| e.into_inner()).pop();
        Pooled { pool: self, item: Some(kept.unwrap_or_else(make)) }
    }
}

/// An item on loan from a [`Pool`].
pub(super) struct Pooled<'a, T> {
    pool: &'a Pool<T>,
    /// Present until dropped.
    item: Option<T>,
}

impl<T> Deref for Pooled<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("present until dropped")
    }
}

impl<T> DerefMut for Pooled<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect("present until dropped")
    }
}

impl<T> Drop for Pooled<'_, T> {
    fn drop(&mut self) {
        self.pool.0.lock().unwrap_or_else(|e| e.into_inner()).extend(self.item.take());
    }
}
