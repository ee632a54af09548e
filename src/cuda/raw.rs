//! The driver's functions that `cust`'s safe interface lacks, or whose status it cannot hold.
//!
//! The layer's contract: a context of the device is current for the calling thread ([`Device::enter`]), and handles belong to
//! it. Functions are declared here with a plain integer as their status, because a driver may answer with a code that is newer
//! than `cust`'s enumeration of them. `cust` links the library.
//!
//! [`Device::enter`]: super::device::Device::enter

use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_void};
use std::ptr;

use cust::error::CudaError;
use cust::stream::Stream;
use cust::sys::{CUdevice, CUdeviceptr, CUfunction, CUmemoryPool, CUstream};

use crate::error::Error;

type Status = c_int;

// The names are the driver's.
unsafe extern "C" {
    fn cuInit(flags: c_uint) -> Status;
    fn cuGetErrorName(status: Status, name: *mut *const c_char) -> Status;
    fn cuGetErrorString(status: Status, text: *mut *const c_char) -> Status;
    fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: CUdevice) -> Status;
    fn cuDeviceGetDefaultMemPool(pool: *mut CUmemoryPool, device: CUdevice) -> Status;
    fn cuMemPoolGetAttribute(pool: CUmemoryPool, attribute: c_int, value: *mut c_void) -> Status;
    fn cuMemPoolSetAttribute(pool: CUmemoryPool, attribute: c_int, value: *mut c_void) -> Status;
    fn cuMemPoolTrimTo(pool: CUmemoryPool, keep: usize) -> Status;
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status;
    fn cuMemAllocAsync(pointer: *mut CUdeviceptr, bytes: usize, stream: CUstream) -> Status;
    fn cuMemFreeAsync(pointer: CUdeviceptr, stream: CUstream) -> Status;
    fn cuMemAllocHost_v2(pointer: *mut *mut c_void, bytes: usize) -> Status;
    fn cuMemFreeHost(pointer: *mut c_void) -> Status;
    fn cuMemsetD8Async(pointer: CUdeviceptr, value: c_uchar, bytes: usize, stream: CUstream) -> Status;
    fn cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream) -> Status;
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream) -> Status;
    fn cuMemcpyDtoDAsync_v2(to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream) -> Status;
    fn cuStreamSynchronize(stream: CUstream) -> Status;
    fn cuFuncSetAttribute(function: CUfunction, attribute: c_int, value: c_int) -> Status;
    fn cuLaunchKernel(
        function: CUfunction,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared: c_uint,
        stream: CUstream,
        arguments: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> Status;
}

/// A status of the driver that is not success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure(pub i32);

/// What the driver answers.
pub(super) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub const OUT_OF_MEMORY: Self = Self(2);

    /// The driver's name for the code and its words.
    fn text(self) -> String {
        let describe = |function: unsafe extern "C" fn(Status, *mut *const c_char) -> Status| {
            let mut text = ptr::null();
            // SAFETY: both functions write a pointer to a static string, or null for a code they do not know.
            let text = unsafe {
                function(self.0, &mut text);
                (!text.is_null()).then(|| CStr::from_ptr(text))
            };
            text.map_or("unknown error".into(), |text| text.to_string_lossy())
        };
        format!("{}: {}", describe(cuGetErrorName), describe(cuGetErrorString))
    }

    /// What the caller can do about it.
    fn advice(self) -> &'static str {
        match self.0 {
            200 | 209 | 218 | 222 | 223 => {
                "this build has no code that the driver can use on this device; update the driver, or build for the \
                 device with ZKMILL_CUDA_ARCHS"
            }
            701 | 720 => "the launch asks for more than this device has; please report it",
            // These stick to the context: each later call answers with them.
            700 | 702 | 709 | 710 | 714..=719 | 721 | 999 => {
                "the device's context is lost: drop every `Cuda` value of the device and what it made, then make a new one, or \
                 restart the program; the kernel at fault may be an earlier one, which CUDA_LAUNCH_BLOCKING=1 names"
            }
            _ => "if later calls fail too, drop every `Cuda` value of the device and make a new one",
        }
    }

    /// This failure of a kernel, or of another operation on the device.
    pub fn at(self, kernel: &'static str) -> Error {
        Error::Launch { kernel, code: self.0, reason: format!("{}; {}", self.text(), self.advice()) }
    }

    /// This failure as the reason why there is no backend.
    pub fn unavailable(self, what: &str) -> Error {
        Error::Unavailable { reason: format!("{what}: {} (code {})", self.text(), self.0) }
    }
}

impl From<CudaError> for Failure {
    fn from(error: CudaError) -> Self {
        Self(error as i32)
    }
}

fn outcome(status: Status) -> Outcome {
    if status == 0 { Ok(()) } else { Err(Failure(status)) }
}

pub(super) fn init() -> Outcome {
    // SAFETY: may be called at any time, and more than once.
    outcome(unsafe { cuInit(0) })
}

/// Attributes of a device, by the driver's numbers.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(super) enum Attribute {
    Multiprocessors = 16,
    CapabilityMajor = 75,
    CapabilityMinor = 76,
    MemoryPools = 115,
}

pub(super) fn attribute(device: CUdevice, attribute: Attribute) -> Outcome<u32> {
    let mut value = 0;
    // SAFETY: writes one integer; the driver checks the device.
    outcome(unsafe { cuDeviceGetAttribute(&mut value, attribute as c_int, device) })?;
    Ok(u32::try_from(value).unwrap_or(0))
}

/// The device's default pool, which stream-ordered allocations come from.
pub(super) struct Pool(CUmemoryPool);

// SAFETY: the pool is a handle of the driver, whose functions may be called from any thread.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

const RELEASE_THRESHOLD: c_int = 4;
const RESERVED_CURRENT: c_int = 5;
const USED_CURRENT: c_int = 7;

impl Pool {
    /// Makes the pool keep what is freed, instead of giving it back to the system whenever somebody waits.
    pub fn keeping(device: CUdevice) -> Outcome<Self> {
        let mut pool = ptr::null_mut();
        // SAFETY: writes one handle.
        outcome(unsafe { cuDeviceGetDefaultMemPool(&mut pool, device) })?;
        let mut threshold = u64::MAX;
        // SAFETY: this attribute is a 64-bit integer.
        outcome(unsafe { cuMemPoolSetAttribute(pool, RELEASE_THRESHOLD, (&raw mut threshold).cast()) })?;
        Ok(Self(pool))
    }

    /// Gives back what no allocation uses.
    pub fn trim(&self) -> Outcome {
        // SAFETY: the pool lives as long as its device.
        outcome(unsafe { cuMemPoolTrimTo(self.0, 0) })
    }

    /// Bytes that are free on the device, or kept by the pool and unused.
    pub fn free_bytes(&self) -> usize {
        let counter = |attribute| {
            let mut value = 0u64;
            // SAFETY: both attributes are 64-bit integers.
            let status = unsafe { cuMemPoolGetAttribute(self.0, attribute, (&raw mut value).cast()) };
            if status == 0 { value as usize } else { 0 }
        };
        let (mut free, mut total) = (0, 0);
        // SAFETY: writes two integers.
        let status = unsafe { cuMemGetInfo_v2(&mut free, &mut total) };
        let kept = counter(RESERVED_CURRENT).saturating_sub(counter(USED_CURRENT));
        if status == 0 { free.saturating_add(kept) } else { kept }
    }
}

/// Allocates `bytes > 0` on the device, valid for work on the stream from here on.
pub(super) fn allocate(bytes: usize, stream: &Stream) -> Outcome<CUdeviceptr> {
    let mut pointer = 0;
    // SAFETY: writes one address.
    outcome(unsafe { cuMemAllocAsync(&mut pointer, bytes, stream.as_inner()) })?;
    Ok(pointer)
}

/// Frees an allocation once the stream comes to it.
///
/// # Safety
/// `pointer` is from [`allocate`] and freed once; no work uses it that is not ordered before this on the stream.
pub(super) unsafe fn free(pointer: CUdeviceptr, stream: &Stream) -> Outcome {
    // SAFETY: by the contract above.
    outcome(unsafe { cuMemFreeAsync(pointer, stream.as_inner()) })
}

/// Allocates `bytes > 0` of page-locked host memory.
pub(super) fn allocate_host(bytes: usize) -> Outcome<*mut u8> {
    let mut pointer = ptr::null_mut();
    // SAFETY: writes one address.
    outcome(unsafe { cuMemAllocHost_v2(&mut pointer, bytes) })?;
    Ok(pointer.cast())
}

/// Frees page-locked host memory.
///
/// # Safety
/// `pointer` is from [`allocate_host`] and freed once; no copy from or to it is pending.
pub(super) unsafe fn free_host(pointer: *mut u8) -> Outcome {
    // SAFETY: by the contract above.
    outcome(unsafe { cuMemFreeHost(pointer.cast()) })
}

/// Enqueues the filling of device memory with zero bytes.
///
/// # Safety
/// `bytes` bytes at `pointer` are allocated and stay so until the stream has come past this.
pub(super) unsafe fn clear(pointer: CUdeviceptr, bytes: usize, stream: &Stream) -> Outcome {
    // SAFETY: by the contract above.
    outcome(unsafe { cuMemsetD8Async(pointer, 0, bytes, stream.as_inner()) })
}

/// Enqueues a copy from the host to the device.
///
/// # Safety
/// Both ranges are allocated, and stay so and unchanged until the stream has come past this.
pub(super) unsafe fn copy_in(to: CUdeviceptr, from: *const u8, bytes: usize, stream: &Stream) -> Outcome {
    // SAFETY: by the contract above.
    outcome(unsafe { cuMemcpyHtoDAsync_v2(to, from.cast(), bytes, stream.as_inner()) })
}

/// Enqueues a copy from the device to the host.
///
/// # Safety
/// Both ranges are allocated, and the host's is neither read nor freed until the stream has come past this.
pub(super) unsafe fn copy_out(to: *mut u8, from: CUdeviceptr, bytes: usize, stream: &Stream) -> Outcome {
    // SAFETY: by the contract above.
    outcome(unsafe { cuMemcpyDtoHAsync_v2(to.cast(), from, bytes, stream.as_inner()) })
}

/// Enqueues a copy within the device.
///
/// # Safety
/// Both ranges are allocated, do not overlap, and stay so until the stream has come past this.
pub(super) unsafe fn copy_within(
    to: CUdeviceptr,
    from: CUdeviceptr,
    bytes: usize,
    stream: &Stream,
) -> Outcome {
    // SAFETY: by the contract above.
    outcome(unsafe { cuMemcpyDtoDAsync_v2(to, from, bytes, stream.as_inner()) })
}

/// Waits for the work on the stream and returns what it failed with.
pub(super) fn synchronize(stream: &Stream) -> Outcome {
    // SAFETY: the stream is alive while it is borrowed.
    outcome(unsafe { cuStreamSynchronize(stream.as_inner()) })
}

/// The most dynamic shared memory that a kernel may be launched with.
const MAX_DYNAMIC_SHARED: c_int = 8;

/// Allows launches of the function with this much dynamic shared memory.
///
/// # Safety
/// The function's module is loaded.
pub(super) unsafe fn allow_shared(function: CUfunction, bytes: u32) -> Outcome {
    let bytes = c_int::try_from(bytes).map_err(|_| Failure(1))?;
    // SAFETY: by the contract above.
    outcome(unsafe { cuFuncSetAttribute(function, MAX_DYNAMIC_SHARED, bytes) })
}

/// Enqueues a kernel. `grid` is its dimensions x and y; `arguments` point to the parameters' values, which
/// are copied.
///
/// # Safety
/// The function's module is loaded; `arguments` has an entry for each parameter, valid for reads of the parameter's size; what
/// the kernel accesses is allocated, and stays so until the stream has come past this.
pub(super) unsafe fn launch(
    function: CUfunction,
    grid: [u32; 2],
    threads: u32,
    shared: u32,
    arguments: &mut [*mut c_void],
    stream: &Stream,
) -> Outcome {
    let ([x, y], stream, arguments) = (grid, stream.as_inner(), arguments.as_mut_ptr());
    let null = ptr::null_mut();
    // SAFETY: by the contract above.
    outcome(unsafe { cuLaunchKernel(function, x, y, 1, threads, 1, 1, shared, stream, arguments, null) })
}
