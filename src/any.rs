//! Choosing a backend at run time.

use ark_ec::short_weierstrass::Affine;

use crate::backend::{Halves, Len, Memory};
use crate::cpu::{Cpu, Tier};
use crate::cuda::Cuda;
use crate::curve::Curve;
use crate::delegate::{Pick, call, operations};
use crate::element::{Element, Fr, Int, Key, Scalar};
use crate::error::{Error, Result};
use crate::lookup::Scan;
use crate::ntt::Transform;
use crate::reference::Reference;
use crate::sumcheck::Form;
use crate::{Lookup, Matrix, Msm, Ntt, Sumcheck, Vector};

/// One of the backends that are compiled in, chosen at run time.
///
/// Its buffers and handles remember which backend they belong to; those of another variant are refused with
/// [`Error::Foreign`]. There is no fallback: a backend that cannot run is an error, never replaced by another.
///
/// ```
/// use zkmill::{Any, Memory};
/// let backend = Any::from_name("cpu")?;
/// println!("running on {}", backend.name());
/// # Ok::<(), zkmill::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Any {
    /// The host's processor.
    Cpu(Cpu),
    /// An NVIDIA GPU. There are no such values without the feature `cuda`.
    Cuda(Cuda),
    /// The naive backend.
    Reference(Reference),
}

type Make = fn() -> Result<Any>;

/// Every name that [`Any::from_name`] takes, and what it makes.
const CHOICES: &[(&str, Make)] = &[
    ("cpu", || Ok(Any::Cpu(Cpu::new()))),
    ("cpu-ifma", || Cpu::with_tier(Tier::Ifma).map(Any::Cpu)),
    ("cpu-portable", || Cpu::with_tier(Tier::Portable).map(Any::Cpu)),
    #[cfg(feature = "cuda")]
    ("cuda", || Cuda::new().map(Any::Cuda)),
    ("reference", || Ok(Any::Reference(Reference))),
];

impl Any {
    /// The backend of this name: `cpu` (its fastest tier), `cpu-ifma`, `cpu-portable`, `cuda` (the first device; with the
    /// feature `cuda`), or `reference`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no such backend, with the names that there are, or if it cannot run here.
    pub fn from_name(name: &str) -> Result<Self> {
        let Some((_, make)) = CHOICES.iter().find(|(choice, _)| *choice == name) else {
            let names: Vec<_> = Self::names().collect();
            let reason = format!("no backend is named {name:?}; there are {}", names.join(", "));
            return Err(Error::Unavailable { reason });
        };
        let backend = make()?;
        log::info!("backend {name}: {}", backend.name());
        Ok(backend)
    }

    /// The names of the backends that are compiled in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CHOICES.iter().map(|(name, _)| *name)
    }

    /// The fastest backend that is compiled in and runs on this machine: the first CUDA device, or else the processor.
    pub fn best() -> Self {
        let backend = Cuda::new().map(Self::Cuda).unwrap_or_else(|error| {
            log::debug!("no CUDA device: {error}");
            Self::Cpu(Cpu::new())
        });
        log::info!("best backend: {}", backend.name());
        backend
    }
}

/// A buffer, view or handle of one of the backends behind [`Any`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum OneOf<C, G, R> {
    /// Of the [`Cpu`].
    Cpu(C),
    /// Of the [`Cuda`].
    Cuda(G),
    /// Of the [`Reference`].
    Reference(R),
}

impl<C, G, R> OneOf<C, G, R> {
    fn by_ref(&self) -> OneOf<&C, &G, &R> {
        match self {
            Self::Cpu(part) => OneOf::Cpu(part),
            Self::Cuda(part) => OneOf::Cuda(part),
            Self::Reference(part) => OneOf::Reference(part),
        }
    }

    fn by_mut(&mut self) -> OneOf<&mut C, &mut G, &mut R> {
        match self {
            Self::Cpu(part) => OneOf::Cpu(part),
            Self::Cuda(part) => OneOf::Cuda(part),
            Self::Reference(part) => OneOf::Reference(part),
        }
    }
}

impl<C: Len, G: Len, R: Len> Len for OneOf<C, G, R> {
    fn len(&self) -> usize {
        match self {
            Self::Cpu(part) => part.len(),
            Self::Cuda(part) => part.len(),
            Self::Reference(part) => part.len(),
        }
    }
}

macro_rules! picks {
    ($($backend:ident: $part:ident),*) => {$(
        impl<C, G, R> Pick<$backend> for OneOf<C, G, R> {
            type Part = $part;

            fn pick(self, op: &'static str) -> Result<$part> {
                match self {
                    Self::$backend(part) => Ok(part),
                    _ => Err(Error::Foreign { op }),
                }
            }
        }
    )*};
}
picks!(Cpu: C, Cuda: G, Reference: R);

/// Calls the chosen backend with its parts of the arguments.
macro_rules! chosen {
    ($self:ident, $family:literal, $trait:path, $op:ident, $args:tt) => {
        match $self {
            Any::Cpu(backend) => call!(backend, $trait, $op, Cpu, Cpu, $args),
            Any::Cuda(backend) => call!(backend, $trait, $op, Cuda, Cuda, $args),
            Any::Reference(backend) => call!(backend, $trait, $op, Reference, Reference, $args),
        }
    };
}

/// What the chosen backend makes, marked as its own.
macro_rules! made {
    ($self:ident, $backend:ident => $make:expr) => {
        match $self {
            Any::Cpu($backend) => $make.map(OneOf::Cpu),
            Any::Cuda($backend) => $make.map(OneOf::Cuda),
            Any::Reference($backend) => $make.map(OneOf::Reference),
        }
    };
}

/// The same function of whichever backend a value belongs to.
macro_rules! mapped {
    ($value:expr, $function:ident) => {
        match $value {
            OneOf::Cpu(part) => OneOf::Cpu(Cpu::$function(part)),
            OneOf::Cuda(part) => OneOf::Cuda(Cuda::$function(part)),
            OneOf::Reference(part) => OneOf::Reference(Reference::$function(part)),
        }
    };
}

macro_rules! halves {
    ($view:expr, $split:ident, $at:expr) => {
        match $view {
            OneOf::Cpu(part) => {
                let (head, tail) = Cpu::$split(part, $at)?;
                Ok((OneOf::Cpu(head), OneOf::Cpu(tail)))
            }
            OneOf::Cuda(part) => {
                let (head, tail) = Cuda::$split(part, $at)?;
                Ok((OneOf::Cuda(head), OneOf::Cuda(tail)))
            }
            OneOf::Reference(part) => {
                let (head, tail) = Reference::$split(part, $at)?;
                Ok((OneOf::Reference(head), OneOf::Reference(tail)))
            }
        }
    };
}

impl Memory for Any {
    type Buffer<T: Element> =
        OneOf<<Cpu as Memory>::Buffer<T>, <Cuda as Memory>::Buffer<T>, <Reference as Memory>::Buffer<T>>;
    type View<'a, T: Element> = OneOf<
        <Cpu as Memory>::View<'a, T>,
        <Cuda as Memory>::View<'a, T>,
        <Reference as Memory>::View<'a, T>,
    >;
    type ViewMut<'a, T: Element> = OneOf<
        <Cpu as Memory>::ViewMut<'a, T>,
        <Cuda as Memory>::ViewMut<'a, T>,
        <Reference as Memory>::ViewMut<'a, T>,
    >;

    operations! { Copy, chosen }

    fn name(&self) -> &str {
        match self {
            Self::Cpu(backend) => backend.name(),
            Self::Cuda(backend) => backend.name(),
            Self::Reference(backend) => backend.name(),
        }
    }

    fn alloc<T: Element>(&self, label: &'static str, len: usize) -> Result<Self::Buffer<T>> {
        made!(self, backend => backend.alloc(label, len))
    }

    fn upload<T: Element>(&self, label: &'static str, host: &[T]) -> Result<Self::Buffer<T>> {
        made!(self, backend => backend.upload(label, host))
    }

    fn download<T: Element>(&self, from: Self::View<'_, T>, to: &mut [T]) -> Result<()> {
        chosen!(self, "memory", Memory, download, [from: view T, to: value &mut [T]])
    }

    fn borrow<'h, T: Element>(&self, host: &'h [T]) -> Option<Self::View<'h, T>> {
        made!(self, backend => backend.borrow(host))
    }

    fn sync(&self) -> Result<()> {
        chosen!(self, "memory", Memory, sync, [])
    }

    fn join<A: Send, B: Send>(
        &self,
        a: impl FnOnce(&Self) -> Result<A> + Send,
        b: impl FnOnce(&Self) -> Result<B> + Send,
    ) -> Result<(A, B)> {
        match self {
            Self::Cpu(cpu) => cpu.join(|cpu| a(&Self::Cpu(cpu.clone())), |cpu| b(&Self::Cpu(cpu.clone()))),
            Self::Cuda(cuda) => {
                cuda.join(|cuda| a(&Self::Cuda(cuda.clone())), |cuda| b(&Self::Cuda(cuda.clone())))
            }
            Self::Reference(_) => Reference.join(|_| a(self), |_| b(self)),
        }
    }

    fn view<T: Element>(buffer: &Self::Buffer<T>) -> Self::View<'_, T> {
        mapped!(buffer, view)
    }

    fn view_mut<T: Element>(buffer: &mut Self::Buffer<T>) -> Self::ViewMut<'_, T> {
        mapped!(buffer, view_mut)
    }

    fn reborrow<'a, T: Element>(view: &'a mut Self::ViewMut<'_, T>) -> Self::ViewMut<'a, T> {
        mapped!(view, reborrow)
    }

    fn as_view<'a, T: Element>(view: &'a Self::ViewMut<'_, T>) -> Self::View<'a, T> {
        mapped!(view, as_view)
    }

    fn split<'a, T: Element>(view: Self::View<'a, T>, at: usize) -> Result<Halves<Self::View<'a, T>>> {
        halves!(view, split, at)
    }

    fn split_mut<'a, T: Element>(
        view: Self::ViewMut<'a, T>,
        at: usize,
    ) -> Result<Halves<Self::ViewMut<'a, T>>> {
        halves!(view, split_mut, at)
    }
}

impl Ntt for Any {
    type Domain = OneOf<<Cpu as Ntt>::Domain, <Cuda as Ntt>::Domain, <Reference as Ntt>::Domain>;
    operations! { Ntt, chosen }

    fn domain(&self, log_n: u32) -> Result<Self::Domain> {
        made!(self, backend => backend.domain(log_n))
    }
}

impl<C: Curve> Msm<C> for Any
where
    Cpu: Msm<C>,
    Cuda: Msm<C>,
{
    type Bases = OneOf<<Cpu as Msm<C>>::Bases, <Cuda as Msm<C>>::Bases, <Reference as Msm<C>>::Bases>;
    operations! { Msm, chosen }

    fn bases(&self, points: &[Affine<C>], budget: usize) -> Result<Self::Bases> {
        made!(self, backend => backend.bases(points, budget))
    }
}

impl Lookup for Any {
    type Table<T: Key> =
        OneOf<<Cpu as Lookup>::Table<T>, <Cuda as Lookup>::Table<T>, <Reference as Lookup>::Table<T>>;
    operations! { Lookup, chosen }

    fn table<T: Key>(&self, rows: Self::View<'_, T>) -> Result<Self::Table<T>> {
        match self {
            Self::Cpu(backend) => Ok(OneOf::Cpu(call!(backend, Lookup, table, Cpu, Cpu, [rows: view T])?)),
            Self::Cuda(backend) => {
                Ok(OneOf::Cuda(call!(backend, Lookup, table, Cuda, Cuda, [rows: view T])?))
            }
            Self::Reference(backend) => {
                Ok(OneOf::Reference(call!(backend, Lookup, table, Reference, Reference, [rows: view T])?))
            }
        }
    }
}

impl Sumcheck for Any {
    operations! { Round, chosen }
    operations! { Sumcheck, chosen }
}

impl Matrix for Any {
    operations! { Matrix, chosen }
}

impl Vector for Any {
    operations! { Vector, chosen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_a_backend_and_others_are_told_the_names() {
        for name in Any::names() {
            match Any::from_name(name) {
                Ok(backend) => assert!(!backend.name().is_empty()),
                // Of what this machine does not have.
                Err(error) => assert!(matches!(error, Error::Unavailable { .. }), "{name}: {error}"),
            }
        }
        assert!(Any::from_name("cpu").is_ok() && Any::from_name("reference").is_ok());
        let Err(Error::Unavailable { reason }) = Any::from_name("abacus") else {
            panic!("there is no abacus");
        };
        assert!(Any::names().all(|name| reason.contains(name)), "{reason}");
    }

    #[test]
    fn what_belongs_to_another_backend_is_refused() -> Result<()> {
        let cpu = Any::from_name("cpu")?;
        let reference = Any::from_name("reference")?;
        let one = Fr::from(1u64);
        let theirs = cpu.upload("theirs", &[one; 4])?;
        let mut ours = reference.upload("ours", &[one; 4])?;
        let domain = cpu.domain(2)?;
        let foreign = |result: Result<()>, name: &'static str| {
            assert_eq!(result, Err(Error::Foreign { op: name }));
        };
        foreign(reference.download(Any::view(&theirs), &mut [one; 4]), "download");
        foreign(reference.copy(Any::view(&theirs), &mut Any::view_mut(&mut ours)), "copy");
        foreign(cpu.fill(Fr::from(7u64), &mut Any::view_mut(&mut ours)), "fill");
        let transform = Transform::new(crate::ntt::Direction::Forward);
        foreign(reference.ntt(&domain, transform, &mut [Any::view_mut(&mut ours)]), "ntt");
        assert_eq!(reference.to_vec(Any::view(&ours))?, [one; 4], "nothing was written");
        Ok(())
    }
}
