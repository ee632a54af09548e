//! Kernels: where they are, what they are given, and their launch.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use cust::sys::CUfunction;

use super::Cuda;
use super::memory::{Allocation, Buffer, View, ViewMut};
use super::raw::{self, Failure};
use crate::element::{Element, Fq, Fr};
use crate::error::{Error, Result};

/// A file of `kernels/device/`, compiled for each architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::cuda) enum Module {
    Msm,
    MsmG2,
    Ntt,
    Lookup,
    Sumcheck,
    Matrix,
    Vector,
    /// The tests' own, `kernels/conformance/probe.cu`.
    #[cfg(feature = "conformance")]
    Probe,
    /// The tests' own, `kernels/conformance/field.cu`.
    #[cfg(feature = "conformance")]
    Field,
}

impl Module {
    /// The file's name without `.cu`.
    const fn file(self) -> &'static str {
        match self {
            Self::Msm => "msm",
            Self::MsmG2 => "msm_g2",
            Self::Ntt => "ntt",
            Self::Lookup => "lookup",
            Self::Sumcheck => "sumcheck",
            Self::Matrix => "matrix",
            Self::Vector => "vector",
            #[cfg(feature = "conformance")]
            Self::Probe => "probe",
            #[cfg(feature = "conformance")]
            Self::Field => "field",
        }
    }

    /// What the build script made of the file.
    fn image(self) -> Option<&'static [u8]> {
        let name = self.file();
        include!(concat!(env!("OUT_DIR"), "/images.rs"))
    }
}

/// An entry point of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cuda) struct Kernel {
    /// Where it is.
    pub module: Module,
    /// Its name in the source.
    pub name: &'static str,
}

/// How many threads a kernel runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cuda) struct Grid {
    /// `gridDim.x`.
    pub blocks: u32,
    /// `gridDim.y`.
    pub rows: u32,
    /// `blockDim.x`.
    pub threads: u32,
    /// Bytes of dynamic shared memory of each block.
    pub shared: u32,
}

impl Grid {
    /// `blocks` blocks of `threads` threads.
    pub const fn new(blocks: u32, threads: u32) -> Self {
        Self { blocks, rows: 1, threads, shared: 0 }
    }

    /// As many blocks as `n` threads need, `n > 0`. What is too much for a grid is refused at the launch.
    pub fn covering(n: usize, threads: u32) -> Self {
        let blocks = n.div_ceil(threads as usize);
        Self::new(u32::try_from(blocks).unwrap_or(u32::MAX), threads)
    }

    /// The same with dynamic shared memory.
    pub const fn shared(self, bytes: u32) -> Self {
        Self { shared: bytes, ..self }
    }

    /// The same for each of `rows` rows of blocks.
    pub const fn rows(self, rows: u32) -> Self {
        Self { rows, ..self }
    }
}

/// A value that a kernel takes.
///
/// # Safety
/// [`value`](Argument::value) points to the bytes of the parameter, valid while `self` is borrowed.
pub(in crate::cuda) unsafe trait Argument {
    /// The parameter's bytes.
    fn value(&self) -> *const c_void;

    /// The allocation that the kernel gets access to.
    fn allocation(&self) -> Option<&Allocation> {
        None
    }
}

/// An [`Element`] as a parameter: the kernel takes its twin by value.
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct ByValue<T: Element>(pub T);

/// Values whose bytes are the parameter's.
macro_rules! plain {
    ($([$($generic:tt)*] $type:ty),* $(,)?) => {$(
        // SAFETY: the parameter has this type's twin, and `&self` is where it lies.
        unsafe impl<$($generic)*> Argument for $type {
            fn value(&self) -> *const c_void {
                (&raw const *self).cast()
            }
        }
    )*};
}
plain!([] u32, [] i32, [] u64, [] usize, [] Fr, [] Fq, [T: Element] ByValue<T>);
// A `usize` is passed for `uint64_t`.
const _: () = assert!(size_of::<usize>() == 8);

/// Device memory, whose address is the parameter.
macro_rules! memory {
    ($($type:ident $(<$lifetime:lifetime>)?),*) => {$(
        // SAFETY: points to the address, which lies in `self`.
        unsafe impl<$($lifetime,)? T: Element> Argument for $type<$($lifetime,)? T> {
            fn value(&self) -> *const c_void {
                self.address().cast()
            }

            fn allocation(&self) -> Option<&Allocation> {
                Some(self.allocation())
            }
        }
    )*};
}
memory!(Buffer, View<'a>, ViewMut<'a>);

// SAFETY: as the argument that is borrowed.
unsafe impl<A: Argument + ?Sized> Argument for &A {
    fn value(&self) -> *const c_void {
        (**self).value()
    }

    fn allocation(&self) -> Option<&Allocation> {
        (**self).allocation()
    }
}

// SAFETY: as the argument that is borrowed.
unsafe impl<A: Argument + ?Sized> Argument for &mut A {
    fn value(&self) -> *const c_void {
        (**self).value()
    }

    fn allocation(&self) -> Option<&Allocation> {
        (**self).allocation()
    }
}

// SAFETY: as the view, or points to a null address, which lives for ever.
unsafe impl<T: Element> Argument for Option<View<'_, T>> {
    fn value(&self) -> *const c_void {
        static NULL: u64 = 0;
        self.as_ref().map_or((&raw const NULL).cast(), Argument::value)
    }

    fn allocation(&self) -> Option<&Allocation> {
        self.as_ref().map(View::allocation)
    }
}

/// The modules of one device value, loaded when first used.
#[derive(Default)]
pub(super) struct Modules {
    loaded: Mutex<HashMap<Module, Loaded>>,
}

struct Loaded {
    functions: HashMap<&'static str, Function>,
    module: cust::module::Module,
}

#[derive(Clone, Copy)]
struct Function {
    handle: CUfunction,
    /// Dynamic shared memory that launches may have.
    shared: u32,
}

// SAFETY: a function is a handle of the driver, whose calls may be made from any thread.
unsafe impl Send for Function {}

/// Dynamic shared memory that launches may have without asking.
const SHARED_BY_DEFAULT: u32 = 48 << 10;

impl Modules {
    /// The kernel, ready to be launched with `shared` bytes of dynamic shared memory. A context is current.
    fn function(&self, kernel: Kernel, shared: u32) -> Result<CUfunction> {
        // A panic leaves the tables as they were.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |failure: Failure| failure.at(kernel.name);
        let Loaded { functions, module } = match loaded.entry(kernel.module) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let file = kernel.module.file();
                let Some(image) = kernel.module.image() else {
                    let reason = format!("this build has no kernels/device/{file}.cu");
                    return Err(Error::Unavailable { reason });
                };
                let module = cust::module::Module::from_fatbin(image, &[]);
                let module = module.map_err(|error| failed(error.into()))?;
                entry.insert(Loaded { functions: HashMap::new(), module })
            }
        };
        let function = match functions.entry(kernel.name) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let function = module.get_function(kernel.name).map_err(|error| failed(error.into()))?;
                entry.insert(Function { handle: function.to_raw(), shared: SHARED_BY_DEFAULT })
            }
        };
        if shared > function.shared {
            // SAFETY: the module stays loaded until the device goes.
            unsafe { raw::allow_shared(function.handle, shared) }.map_err(failed)?;
            function.shared = shared;
        }
        Ok(function.handle)
    }
}

impl Cuda {
    /// Enqueues a kernel. The arguments are the kernel's parameters in their order; nothing checks that they fit.
    pub(in crate::cuda) fn launch(
        &self,
        kernel: Kernel,
        grid: Grid,
        arguments: &[&dyn Argument],
    ) -> Result<()> {
        let failed = |failure: Failure| failure.at(kernel.name);
        self.device().enter().map_err(failed)?;
        let function = self.device().modules.function(kernel, grid.shared)?;
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            if let Some(allocation) = argument.allocation() {
                allocation.used_by(self.queue());
            }
            values.push(argument.value().cast_mut());
        }
        self.queue()
            .enqueue(|lane| {
                // SAFETY: the module stays loaded until the device goes; the values are the parameters', as the callers in
                // this module's operation files write them next to the kernels' names; the memory behind the
                // arguments is freed after this work, see `Device::free`.
                unsafe {
                    raw::launch(
                        function,
                        [grid.blocks, grid.rows],
                        grid.threads,
                        grid.shared,
                        &mut values,
                        &lane.stream,
                    )
                }
            })
            .map_err(failed)
    }
}
