//! The driver API as a C program sees it, and a little comfort on top.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;

// The library under test; without this line nothing would link it.
use cuda as _;

pub type Stream = *mut c_void;
pub type Event = *mut c_void;
pub type Function = *mut c_void;

#[allow(clashing_extern_declarations, reason = "the driver's side has its own types of the same shape")]
unsafe extern "C" {
    pub fn cuInit(flags: c_uint) -> u32;
    pub fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) -> u32;
    pub fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> u32;
    pub fn cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int) -> u32;
    pub fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, device: c_int) -> u32;
    pub fn cuDevicePrimaryCtxRelease_v2(device: c_int) -> u32;
    pub fn cuCtxCreate_v2(context: *mut *mut c_void, flags: c_uint, device: c_int) -> u32;
    pub fn cuCtxDestroy_v2(context: *mut c_void) -> u32;
    pub fn cuCtxSetCurrent(context: *mut c_void) -> u32;
    pub fn cuCtxGetCurrent(context: *mut *mut c_void) -> u32;
    pub fn cuCtxSynchronize() -> u32;
    pub fn cuModuleLoadData(module: *mut *mut c_void, image: *const c_void) -> u32;
    pub fn cuModuleLoad(module: *mut *mut c_void, path: *const c_char) -> u32;
    pub fn cuModuleUnload(module: *mut c_void) -> u32;
    pub fn cuModuleGetFunction(function: *mut Function, module: *mut c_void, name: *const c_char) -> u32;
    pub fn cuModuleGetGlobal_v2(
        ptr: *mut u64,
        bytes: *mut usize,
        module: *mut c_void,
        name: *const c_char,
    ) -> u32;
    pub fn cuFuncSetAttribute(function: Function, attribute: c_int, value: c_int) -> u32;
    pub fn cuFuncGetAttribute(value: *mut c_int, attribute: c_int, function: Function) -> u32;
    pub fn cuOccupancyMaxActiveBlocksPerMultiprocessor(n: *mut c_int, f: Function, t: c_int, s: usize)
    -> u32;
    pub fn cuLaunchKernel(
        function: Function,
        gx: c_uint,
        gy: c_uint,
        gz: c_uint,
        bx: c_uint,
        by: c_uint,
        bz: c_uint,
        shared: c_uint,
        stream: Stream,
        each: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> u32;
    pub fn cuLaunchCooperativeKernel(
        function: Function,
        gx: c_uint,
        gy: c_uint,
        gz: c_uint,
        bx: c_uint,
        by: c_uint,
        bz: c_uint,
        shared: c_uint,
        stream: Stream,
        each: *mut *mut c_void,
    ) -> u32;
    pub fn cuLaunchHostFunc(
        stream: Stream,
        call: Option<unsafe extern "C" fn(*mut c_void)>,
        data: *mut c_void,
    ) -> u32;
    pub fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> u32;
    pub fn cuMemFree_v2(address: u64) -> u32;
    pub fn cuMemAllocAsync(address: *mut u64, bytes: usize, stream: Stream) -> u32;
    pub fn cuMemFreeAsync(address: u64, stream: Stream) -> u32;
    pub fn cuMemAllocHost_v2(address: *mut *mut c_void, bytes: usize) -> u32;
    pub fn cuMemFreeHost(address: *mut c_void) -> u32;
    pub fn cuMemHostRegister_v2(address: *mut c_void, bytes: usize, flags: c_uint) -> u32;
    pub fn cuMemHostUnregister(address: *mut c_void) -> u32;
    pub fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> u32;
    pub fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> u32;
    pub fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> u32;
    pub fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: Stream) -> u32;
    pub fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: Stream) -> u32;
    pub fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Stream) -> u32;
    pub fn cuMemsetD8_v2(address: u64, value: u8, count: usize) -> u32;
    pub fn cuMemsetD8Async(address: u64, value: u8, count: usize, stream: Stream) -> u32;
    pub fn cuMemsetD32Async(address: u64, value: c_uint, count: usize, stream: Stream) -> u32;
    pub fn cuStreamCreate(stream: *mut Stream, flags: c_uint) -> u32;
    pub fn cuStreamDestroy_v2(stream: Stream) -> u32;
    pub fn cuStreamSynchronize(stream: Stream) -> u32;
    pub fn cuStreamQuery(stream: Stream) -> u32;
    pub fn cuStreamWaitEvent(stream: Stream, event: Event, flags: c_uint) -> u32;
    pub fn cuEventCreate(event: *mut Event, flags: c_uint) -> u32;
    pub fn cuEventDestroy_v2(event: Event) -> u32;
    pub fn cuEventRecord(event: Event, stream: Stream) -> u32;
    pub fn cuEventQuery(event: Event) -> u32;
    pub fn cuEventSynchronize(event: Event) -> u32;
    pub fn cuEventElapsedTime(milliseconds: *mut f32, start: Event, end: Event) -> u32;
}

pub const INVALID_VALUE: u32 = 1;
pub const OUT_OF_MEMORY: u32 = 2;
pub const INVALID_CONTEXT: u32 = 201;
pub const INVALID_HANDLE: u32 = 400;
pub const NOT_READY: u32 = 600;
pub const ILLEGAL_ADDRESS: u32 = 700;
pub const LAUNCH_FAILED: u32 = 719;

/// Calls a function of the driver API; its status.
macro_rules! status {
    ($call:expr) => {{
        #[allow(unused_unsafe, reason = "an argument may need it too")]
        // SAFETY: the test passes what the function asks for, or a null pointer or a handle that it must refuse.
        let status = unsafe { $call };
        status
    }};
}
pub(crate) use status;

/// Calls a function of the driver API, which must succeed.
macro_rules! ok {
    ($call:expr) => {{
        let status = $crate::common::device::status!($call);
        assert_eq!(status, 0, "{} returned {status}", stringify!($call));
    }};
}
pub(crate) use ok;

/// Initialises the driver and makes a context current on this thread.
pub fn start() {
    let mut context = null_mut();
    ok!(cuInit(0));
    ok!(cuCtxCreate_v2(&mut context, 0, 0));
}

/// A stream that the default stream leaves alone.
pub fn stream() -> Stream {
    let mut stream = null_mut();
    ok!(cuStreamCreate(&mut stream, 1));
    stream
}

/// An event.
pub fn event() -> Event {
    let mut event = null_mut();
    ok!(cuEventCreate(&mut event, 0));
    event
}

/// Device memory.
pub fn alloc(bytes: usize) -> u64 {
    let mut address = 0;
    ok!(cuMemAlloc_v2(&mut address, bytes));
    address
}

/// Page-locked memory for `count` numbers.
pub fn pinned(count: usize) -> &'static mut [u32] {
    let mut address = null_mut();
    ok!(cuMemAllocHost_v2(&mut address, count * 4));
    // SAFETY: that many bytes were just allocated, and are given back by the test at its end, or not at all.
    unsafe { std::slice::from_raw_parts_mut(address.cast(), count) }
}

/// A slice's address, to copy from.
pub fn from<T>(slice: &[T]) -> *const c_void {
    slice.as_ptr().cast()
}

/// A slice's address, to copy to.
pub fn to<T>(slice: &mut [T]) -> *mut c_void {
    slice.as_mut_ptr().cast()
}

/// Device memory that holds these numbers.
pub fn upload<T>(numbers: &[T]) -> u64 {
    let address = alloc(size_of_val(numbers));
    ok!(cuMemcpyHtoD_v2(address, from(numbers), size_of_val(numbers)));
    address
}

/// `count` numbers from device memory.
pub fn download(address: u64, count: usize) -> Vec<u32> {
    let mut numbers = vec![0; count];
    ok!(cuMemcpyDtoH_v2(to(&mut numbers), address, count * 4));
    numbers
}

/// The kernel `name` of a module in PTX text.
pub fn kernel(ptx: &str, name: &str) -> Function {
    let (mut module, mut function) = (null_mut(), null_mut());
    let (ptx, name) = (CString::new(ptx).unwrap(), CString::new(name).unwrap());
    ok!(cuModuleLoadData(&mut module, ptx.as_ptr().cast()));
    ok!(cuModuleGetFunction(&mut function, module, name.as_ptr()));
    function
}

/// A parameter of a kernel.
pub enum Param {
    Ptr(u64),
    Int(u32),
}

/// Launches a kernel on a stream; the status of the call.
pub fn launch(
    function: Function,
    grid: u32,
    block: u32,
    shared: u32,
    stream: Stream,
    params: &[Param],
) -> u32 {
    let mut words: Vec<u64> = params
        .iter()
        .map(|param| match param {
            Param::Ptr(address) => *address,
            Param::Int(number) => (*number).into(),
        })
        .collect();
    let mut each: Vec<*mut c_void> = words.iter_mut().map(|word| (word as *mut u64).cast()).collect();
    let each = each.as_mut_ptr();
    status!(cuLaunchKernel(function, grid, 1, 1, block, 1, 1, shared, stream, each, null_mut()))
}
