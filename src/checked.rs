//! Two backends in lockstep.

use ark_ec::short_weierstrass::Affine;

use crate::backend::{Halves, Len, Memory};
use crate::curve::Curve;
use crate::delegate::{Pick, call, operations};
use crate::element::{Element, Fr, Int, Key, Scalar};
use crate::error::{Error, Result};
use crate::lookup::Scan;
use crate::ntt::Transform;
use crate::sumcheck::Form;
use crate::{Lookup, Matrix, Msm, Ntt, Sumcheck, Vector};

/// A backend that runs every operation on both `L` and `R` and compares what they wrote and returned.
///
/// A difference is [`Error::Diverged`], with the operation and the first differing element. Errors are compared too:
/// both sides must fail alike (the same variant, and the same position for [`Error::NotInTable`] and
/// [`Error::Invalid`]; wording may differ). Only failures of the machine ([`Error::OutOfMemory`], [`Error::Launch`],
/// [`Error::Unavailable`]) of one side are passed on as they are: they are no answers.
///
/// Outputs are compared after each operation, where they keep a meaning: the live part of sumcheck tables, nothing
/// after an error. Both sides of a [`join`](Memory::join) run one after the other.
pub struct Checked<L, R> {
    left: L,
    right: R,
    name: String,
}

impl<L: Memory, R: Memory> Checked<L, R> {
    /// Runs `left` and `right` side by side.
    pub fn new(left: L, right: R) -> Self {
        let name = format!("{} checked against {}", left.name(), right.name());
        Self { left, right, name }
    }

    /// The first backend.
    pub fn left(&self) -> &L {
        &self.left
    }

    /// The second backend.
    pub fn right(&self) -> &R {
        &self.right
    }

    /// Compares two views of outputs.
    fn same<T: Element>(&self, op: &'static str, left: L::View<'_, T>, right: R::View<'_, T>) -> Result<()> {
        let (left, right) = (self.left.to_vec(left)?, self.right.to_vec(right)?);
        match left.iter().zip(&right).position(|(left, right)| left != right) {
            Some(index) => Err(Error::Diverged { op, index }),
            None => Ok(()),
        }
    }

    /// Compares the first `len` elements of an output.
    fn same_head<T: Element>(
        &self,
        op: &'static str,
        len: usize,
        output: &<Self as Memory>::ViewMut<'_, T>,
    ) -> Result<()> {
        let left = L::slice(L::as_view(&output.left), 0..len)?;
        let right = R::slice(R::as_view(&output.right), 0..len)?;
        self.same::<T>(op, left, right)
    }
}

/// What two backends hold of one buffer, view or handle.
#[derive(Clone, Copy, Debug)]
pub struct Pair<A, B> {
    left: A,
    right: B,
}

impl<A, B> Pair<A, B> {
    fn by_ref(&self) -> Pair<&A, &B> {
        Pair { left: &self.left, right: &self.right }
    }

    fn by_mut(&mut self) -> Pair<&mut A, &mut B> {
        Pair { left: &mut self.left, right: &mut self.right }
    }
}

/// Both have the same length at all times.
impl<A: Len, B> Len for Pair<A, B> {
    fn len(&self) -> usize {
        self.left.len()
    }
}

struct Left;
struct Right;

impl<A, B> Pick<Left> for Pair<A, B> {
    type Part = A;

    fn pick(self, _: &'static str) -> Result<A> {
        Ok(self.left)
    }
}

impl<A, B> Pick<Right> for Pair<A, B> {
    type Part = B;

    fn pick(self, _: &'static str) -> Result<B> {
        Ok(self.right)
    }
}

/// Both values, or the error that both sides agree on.
fn both<A, B>(op: &'static str, left: Result<A>, right: Result<B>) -> Result<Pair<A, B>> {
    let machine =
        |e: &Error| matches!(e, Error::OutOfMemory { .. } | Error::Launch { .. } | Error::Unavailable { .. });
    match (left, right) {
        (Ok(left), Ok(right)) => Ok(Pair { left, right }),
        (Err(error), _) | (_, Err(error)) if machine(&error) => Err(error),
        (Err(left), Err(right)) if alike(&left, &right) => Err(left),
        _ => Err(Error::Diverged { op, index: 0 }),
    }
}

/// Whether two errors say the same, apart from their wording.
fn alike(left: &Error, right: &Error) -> bool {
    match (left, right) {
        (Error::NotInTable { .. }, Error::NotInTable { .. }) => left == right,
        (Error::Invalid { index: left, .. }, Error::Invalid { index: right, .. }) => left == right,
        _ => std::mem::discriminant(left) == std::mem::discriminant(right),
    }
}

/// The value that both sides agree on.
fn agreed<T: PartialEq>(op: &'static str, left: Result<T>, right: Result<T>) -> Result<T> {
    let Pair { left, right } = both(op, left, right)?;
    if left == right { Ok(left) } else { Err(Error::Diverged { op, index: 0 }) }
}

macro_rules! checked {
    ($self:ident, $family:literal, $trait:path, $op:ident, [$($arg:ident: $kind:ident $ty:ty),*]) => {{
        let left = call!(&$self.left, $trait, $op, Left, L, [$($arg: $kind $ty),*]);
        let right = call!(&$self.right, $trait, $op, Right, R, [$($arg: $kind $ty),*]);
        let result = agreed(stringify!($op), left, right)?;
        $(compare!($self, stringify!($op), $arg: $kind $ty);)*
        Ok(result)
    }};
}

macro_rules! compare {
    ($self:ident, $op:expr, $arg:ident: out $ty:ty) => {
        $self.same_head::<$ty>($op, $arg.len(), $arg)?
    };
    ($self:ident, $op:expr, $arg:ident: half $ty:ty) => {
        $self.same_head::<$ty>($op, $arg.len() / 2, $arg)?
    };
    ($self:ident, $op:expr, $arg:ident: batch $ty:ty) => {
        for item in $arg.iter() {
            $self.same_head::<$ty>($op, item.len(), item)?
        }
    };
    ($self:ident, $op:expr, $arg:ident: $read:ident $ty:ty) => {};
}

impl<L: Memory, R: Memory> Memory for Checked<L, R> {
    type Buffer<T: Element> = Pair<L::Buffer<T>, R::Buffer<T>>;
    type View<'a, T: Element> = Pair<L::View<'a, T>, R::View<'a, T>>;
    type ViewMut<'a, T: Element> = Pair<L::ViewMut<'a, T>, R::ViewMut<'a, T>>;

    operations! { Copy, checked }

    fn name(&self) -> &str {
        &self.name
    }

    fn alloc<T: Element>(&self, label: &'static str, len: usize) -> Result<Self::Buffer<T>> {
        let made = both("alloc", self.left.alloc(label, len), self.right.alloc(label, len))?;
        self.same::<T>("alloc", L::view(&made.left), R::view(&made.right))?;
        Ok(made)
    }

    fn upload<T: Element>(&self, label: &'static str, host: &[T]) -> Result<Self::Buffer<T>> {
        let made = both("upload", self.left.upload(label, host), self.right.upload(label, host))?;
        self.same::<T>("upload", L::view(&made.left), R::view(&made.right))?;
        Ok(made)
    }

    fn download<T: Element>(&self, from: Self::View<'_, T>, to: &mut [T]) -> Result<()> {
        let mut twin = to.to_vec();
        let left = self.left.download(from.left, to);
        let right = self.right.download(from.right, &mut twin);
        both("download", left, right)?;
        match to.iter().zip(&twin).position(|(left, right)| left != right) {
            Some(index) => Err(Error::Diverged { op: "download", index }),
            None => Ok(()),
        }
    }

    fn borrow<'h, T: Element>(&self, host: &'h [T]) -> Option<Self::View<'h, T>> {
        Some(Pair { left: self.left.borrow(host)?, right: self.right.borrow(host)? })
    }

    fn sync(&self) -> Result<()> {
        self.left.sync()?;
        self.right.sync()
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
        Pair { left: L::view(&buffer.left), right: R::view(&buffer.right) }
    }

    fn view_mut<T: Element>(buffer: &mut Self::Buffer<T>) -> Self::ViewMut<'_, T> {
        Pair { left: L::view_mut(&mut buffer.left), right: R::view_mut(&mut buffer.right) }
    }

    fn reborrow<'a, T: Element>(view: &'a mut Self::ViewMut<'_, T>) -> Self::ViewMut<'a, T> {
        Pair { left: L::reborrow(&mut view.left), right: R::reborrow(&mut view.right) }
    }

    fn as_view<'a, T: Element>(view: &'a Self::ViewMut<'_, T>) -> Self::View<'a, T> {
        Pair { left: L::as_view(&view.left), right: R::as_view(&view.right) }
    }

    fn split<'a, T: Element>(view: Self::View<'a, T>, at: usize) -> Result<Halves<Self::View<'a, T>>> {
        let Pair { left, right } = both("split", L::split(view.left, at), R::split(view.right, at))?;
        Ok((Pair { left: left.0, right: right.0 }, Pair { left: left.1, right: right.1 }))
    }

    fn split_mut<'a, T: Element>(
        view: Self::ViewMut<'a, T>,
        at: usize,
    ) -> Result<Halves<Self::ViewMut<'a, T>>> {
        let Pair { left, right } = both("split", L::split_mut(view.left, at), R::split_mut(view.right, at))?;
        Ok((Pair { left: left.0, right: right.0 }, Pair { left: left.1, right: right.1 }))
    }
}

impl<L: Ntt, R: Ntt> Ntt for Checked<L, R> {
    type Domain = Pair<L::Domain, R::Domain>;
    operations! { Ntt, checked }

    fn domain(&self, log_n: u32) -> Result<Self::Domain> {
        both("domain", self.left.domain(log_n), self.right.domain(log_n))
    }
}

impl<C: Curve, L: Msm<C>, R: Msm<C>> Msm<C> for Checked<L, R> {
    type Bases = Pair<L::Bases, R::Bases>;
    operations! { Msm, checked }

    fn bases(&self, points: &[Affine<C>], budget: usize) -> Result<Self::Bases> {
        both("bases", self.left.bases(points, budget), self.right.bases(points, budget))
    }
}

impl<L: Lookup, R: Lookup> Lookup for Checked<L, R> {
    type Table<T: Key> = Pair<L::Table<T>, R::Table<T>>;
    operations! { Lookup, checked }

    fn table<T: Key>(&self, rows: Self::View<'_, T>) -> Result<Self::Table<T>> {
        both("table", self.left.table(rows.left), self.right.table(rows.right))
    }
}

impl<L: Sumcheck, R: Sumcheck> Sumcheck for Checked<L, R> {
    operations! { Sumcheck, checked }

    /// Not in the list: the form is an output too, and tables are compared in their live part only.
    fn sumcheck_round(
        &self,
        form: &mut Form,
        tables: &mut [Self::ViewMut<'_, Fr>],
        bind: Option<Fr>,
    ) -> Result<Vec<Fr>> {
        const OP: &str = "sumcheck_round";
        let mut twin = form.clone();
        let mut parts: Vec<_> = tables.iter_mut().map(|table| L::reborrow::<Fr>(&mut table.left)).collect();
        let left = self.left.sumcheck_round(form, &mut parts, bind);
        drop(parts);
        let mut parts: Vec<_> = tables.iter_mut().map(|table| R::reborrow::<Fr>(&mut table.right)).collect();
        let right = self.right.sumcheck_round(&mut twin, &mut parts, bind);
        drop(parts);
        let Pair { left, right } = both(OP, left, right)?;
        if left.len() != right.len() || *form != twin {
            return Err(Error::Diverged { op: OP, index: 0 });
        }
        if let Some(index) = left.iter().zip(&right).position(|(left, right)| left != right) {
            return Err(Error::Diverged { op: OP, index });
        }
        tables.iter().try_for_each(|table| self.same_head::<Fr>(OP, 1 << form.remaining(), table))?;
        Ok(left)
    }
}

impl<L: Matrix, R: Matrix> Matrix for Checked<L, R> {
    operations! { Matrix, checked }
}

impl<L: Vector, R: Vector> Vector for Checked<L, R> {
    operations! { Vector, checked }
}
