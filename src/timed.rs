//! Measures where a prover's time goes.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ark_ec::short_weierstrass::Affine;

use crate::backend::{Halves, Memory};
use crate::curve::Curve;
use crate::delegate::operations;
use crate::element::{Element, Fr, Int, Key, Scalar};
use crate::error::Result;
use crate::lookup::Scan;
use crate::ntt::Transform;
use crate::sumcheck::Form;
use crate::{Lookup, Matrix, Msm, Ntt, Sumcheck, Vector};

/// A backend that counts and times every operation of another one.
///
/// Each operation is followed by [`Memory::sync`], so that its time is its own, and both sides of a
/// [`join`](Memory::join) run one after the other: nothing overlaps, and the times add up.
pub struct Timed<B> {
    inner: B,
    timings: Mutex<Vec<Timing>>,
}

/// What one operation has taken so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The kernel family: `memory`, `ntt`, `msm`, `lookup`, `sumcheck`, `matrix` or `vector`.
    pub family: &'static str,
    /// The operation's method.
    pub operation: &'static str,
    /// How often it was called, failures included.
    pub calls: u64,
    /// The wall time of all calls.
    pub time: Duration,
}

impl<B> Timed<B> {
    /// Times `inner`.
    pub fn new(inner: B) -> Self {
        Self { inner, timings: Mutex::new(Vec::new()) }
    }

    /// The backend that is timed.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// Every operation called so far, in the order of first calls.
    pub fn report(&self) -> Vec<Timing> {
        self.timings().clone()
    }

    /// Calls and time by kernel family, in the order of first calls.
    pub fn families(&self) -> Vec<(&'static str, u64, Duration)> {
        let mut families: Vec<(&'static str, u64, Duration)> = Vec::new();
        for timing in self.timings().iter() {
            match families.iter_mut().find(|(family, ..)| *family == timing.family) {
                Some((_, calls, time)) => {
                    *calls += timing.calls;
                    *time += timing.time;
                }
                None => families.push((timing.family, timing.calls, timing.time)),
            }
        }
        families
    }

    /// Forgets everything measured so far.
    pub fn reset(&self) {
        self.timings().clear();
    }

    fn timings(&self) -> MutexGuard<'_, Vec<Timing>> {
        // A thread that panicked has left whole entries behind.
        self.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Memory> Timed<B> {
    fn time<T>(
        &self,
        family: &'static str,
        operation: &'static str,
        run: impl FnOnce(&B) -> Result<T>,
    ) -> Result<T> {
        let start = Instant::now();
        let result = run(&self.inner);
        let finished = self.inner.sync();
        let time = start.elapsed();
        let mut timings = self.timings();
        match timings.iter_mut().find(|entry| (entry.family, entry.operation) == (family, operation)) {
            Some(entry) => {
                entry.calls += 1;
                entry.time += time;
            }
            None => timings.push(Timing { family, operation, calls: 1, time }),
        }
        let value = result?;
        finished.map(|()| value)
    }
}

/// The report as a table.
impl<B: Memory> fmt::Display for Timed<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.inner.name())?;
        writeln!(f, "{:<10}{:<20}{:>8}{:>14}", "family", "operation", "calls", "time")?;
        for Timing { family, operation, calls, time } in self.report() {
            writeln!(f, "{family:<10}{operation:<20}{calls:>8}{:>11.3} ms", time.as_secs_f64() * 1e3)?;
        }
        Ok(())
    }
}

macro_rules! timed {
    ($self:ident, $family:literal, $trait:path, $op:ident, [$($arg:ident: $kind:ident $ty:ty),*]) => {
        $self.time($family, stringify!($op), |inner| <B as $trait>::$op(inner, $($arg),*))
    };
}

impl<B: Memory> Memory for Timed<B> {
    type Buffer<T: Element> = B::Buffer<T>;
    type View<'a, T: Element> = B::View<'a, T>;
    type ViewMut<'a, T: Element> = B::ViewMut<'a, T>;

    operations! { Copy, timed }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn alloc<T: Element>(&self, label: &'static str, len: usize) -> Result<Self::Buffer<T>> {
        self.time("memory", "alloc", |inner| inner.alloc(label, len))
    }

    fn upload<T: Element>(&self, label: &'static str, host: &[T]) -> Result<Self::Buffer<T>> {
        self.time("memory", "upload", |inner| inner.upload(label, host))
    }

    fn download<T: Element>(&self, from: Self::View<'_, T>, to: &mut [T]) -> Result<()> {
        self.time("memory", "download", |inner| inner.download(from, to))
    }

    fn borrow<'h, T: Element>(&self, host: &'h [T]) -> Option<Self::View<'h, T>> {
        self.inner.borrow(host)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn join<X: Send, Y: Send>(
        &self,
        a: impl FnOnce(&Self) -> Result<X> + Send,
        b: impl FnOnce(&Self) -> Result<Y> + Send,
    ) -> Result<(X, Y)> {
        let (a, b) = (a(self), b(self));
        Ok((a?, b?))
    }

    fn view<T: Element>(buffer: &Self::Buffer<T>) -> Self::View<'_, T> {
        B::view(buffer)
    }

    fn view_mut<T: Element>(buffer: &mut Self::Buffer<T>) -> Self::ViewMut<'_, T> {
        B::view_mut(buffer)
    }

    fn reborrow<'a, T: Element>(view: &'a mut Self::ViewMut<'_, T>) -> Self::ViewMut<'a, T> {
        B::reborrow(view)
    }

    fn as_view<'a, T: Element>(view: &'a Self::ViewMut<'_, T>) -> Self::View<'a, T> {
        B::as_view(view)
    }

    fn split<'a, T: Element>(view: Self::View<'a, T>, at: usize) -> Result<Halves<Self::View<'a, T>>> {
        B::split(view, at)
    }

    fn split_mut<'a, T: Element>(
        view: Self::ViewMut<'a, T>,
        at: usize,
    ) -> Result<Halves<Self::ViewMut<'a, T>>> {
        B::split_mut(view, at)
    }
}

impl<B: Ntt> Ntt for Timed<B> {
    type Domain = B::Domain;
    operations! { Ntt, timed }

    fn domain(&self, log_n: u32) -> Result<Self::Domain> {
        self.time("ntt", "domain", |inner| inner.domain(log_n))
    }
}

impl<C: Curve, B: Msm<C>> Msm<C> for Timed<B> {
    type Bases = B::Bases;
    operations! { Msm, timed }

    fn bases(&self, points: &[Affine<C>], budget: usize) -> Result<Self::Bases> {
        self.time("msm", "bases", |inner| inner.bases(points, budget))
    }
}

impl<B: Lookup> Lookup for Timed<B> {
    type Table<T: Key> = B::Table<T>;
    operations! { Lookup, timed }

    fn table<T: Key>(&self, rows: Self::View<'_, T>) -> Result<Self::Table<T>> {
        self.time("lookup", "table", |inner| inner.table(rows))
    }
}

impl<B: Sumcheck> Sumcheck for Timed<B> {
    operations! { Round, timed }
    operations! { Sumcheck, timed }
}

impl<B: Matrix> Matrix for Timed<B> {
    operations! { Matrix, timed }
}

impl<B: Vector> Vector for Timed<B> {
    operations! { Vector, timed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reference;
    use crate::error::Error;

    #[test]
    fn calls_are_counted_by_operation_and_family() -> Result<()> {
        let backend = Timed::new(Reference);
        let mut vector = backend.upload("vector", &[Fr::from(2u64); 4])?;
        for _ in 0..3 {
            backend.batch_inverse(&mut Timed::<Reference>::view_mut(&mut vector))?;
        }
        backend.fill(Fr::from(1u64), &mut Timed::<Reference>::view_mut(&mut vector))?;
        let short = backend.download(Timed::<Reference>::view(&vector), &mut []);
        assert!(matches!(short, Err(Error::Shape { .. })), "errors pass through");
        let calls: Vec<_> = backend.report().iter().map(|t| (t.family, t.operation, t.calls)).collect();
        let expected = [
            ("memory", "upload", 1),
            ("vector", "batch_inverse", 3),
            ("vector", "fill", 1),
            ("memory", "download", 1),
        ];
        assert_eq!(calls, expected);
        let families: Vec<_> = backend.families().iter().map(|f| (f.0, f.1)).collect();
        assert_eq!(families, [("memory", 2), ("vector", 4)]);
        assert!(backend.to_string().contains("batch_inverse"));
        backend.reset();
        assert!(backend.report().is_empty());
        Ok(())
    }

    #[test]
    fn a_calls_time_is_at_least_what_it_took() {
        let backend = Timed::new(Reference);
        let pause = Duration::from_millis(5);
        let slow = backend.time("memory", "pause", |_| {
            std::thread::sleep(pause);
            Ok(())
        });
        slow.unwrap();
        assert!(backend.report()[0].time >= pause);
    }
}
