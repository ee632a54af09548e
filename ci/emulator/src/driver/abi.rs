//! The boundary: what a C caller passes, and what becomes of a panic.
//!
//! Pointers that a call writes its results to arrive as [`Out`], strings as [`Text`]; both are made by the caller across the C
//! ABI and nowhere else, so that the promise of the driver API about them (null, or valid for the call) need be used in
//! one place only.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::status::{Outcome, Status};

/// Where a call puts a result: null, or valid for a write.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Writes the result; a null pointer is an invalid value.
    pub fn set(self, value: T) -> Outcome {
        if self.0.is_null() {
            return Err(Status::InvalidValue);
        }
        // SAFETY: not null, hence valid for a write by the contract of the driver API.
        unsafe { self.0.write(value) };
        Ok(())
    }

    /// Writes the result if the caller wants it.
    pub fn set_if_wanted(self, value: T) {
        let _ = self.set(value);
    }

    /// Refuses a null pointer before anything is done.
    pub fn check(self) -> Outcome {
        if self.0.is_null() { Err(Status::InvalidValue) } else { Ok(()) }
    }

    /// The pointer.
    pub fn pointer(self) -> *mut T {
        self.0
    }
}

/// A string that the caller passes: null, or NUL-terminated.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Text(*const c_char);

impl Text {
    /// The text; null or not UTF-8 is an invalid value.
    pub fn get<'a>(self) -> Outcome<&'a str> {
        if self.0.is_null() {
            return Err(Status::InvalidValue);
        }
        // SAFETY: not null, hence NUL-terminated by the contract of the driver API, for the time of the call.
        unsafe { CStr::from_ptr(self.0) }.to_str().map_err(|_| Status::InvalidValue)
    }
}

thread_local! {
    /// Whether this thread is inside a function that a stream called: there the driver must not be called.
    static IN_HOST_FUNCTION: Cell<bool> = const { Cell::new(false) };
}

/// Runs a function of the program in stream order.
pub fn host_function(call: impl FnOnce()) {
    IN_HOST_FUNCTION.set(true);
    call();
    IN_HOST_FUNCTION.set(false);
}

/// Runs the body of a driver call. No panic leaves it: one is a defect of the driver, told as such.
pub fn guard(name: &str, body: impl FnOnce() -> Outcome) -> u32 {
    // A call from another library's exit handler may find the thread's variables gone.
    if IN_HOST_FUNCTION.try_with(Cell::get).unwrap_or(false) {
        return Status::NotPermitted as u32;
    }
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Status::Success as u32,
        Ok(Err(status)) => status as u32,
        Err(_) => {
            eprintln!("cuda-emulator: {name} panicked; this is a defect of the emulator");
            Status::Unknown as u32
        }
    }
}

/// Defines functions of the driver API: exported under their own names, with the C ABI, returning a `CUresult`.
macro_rules! driver_api {
    ($($(#[$attribute:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments, reason = "the signature is NVIDIA's")]
        #[allow(non_snake_case, reason = "the name is NVIDIA's")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: $type),*) -> u32 {
            $crate::driver::abi::guard(stringify!($name), || $body)
        }
    )*};
}
pub(crate) use driver_api;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(guard("cuTest", || panic!("on purpose")), 999);
        assert_eq!(guard("cuTest", || Err(Status::OutOfMemory)), 2);
        assert_eq!(guard("cuTest", || Ok(())), 0);
        host_function(|| assert_eq!(guard("cuTest", || Ok(())), 800));
        assert_eq!(guard("cuTest", || Ok(())), 0);
    }

    #[test]
    fn null_is_an_invalid_value() {
        assert_eq!(Out::<u32>(std::ptr::null_mut()).set(1), Err(Status::InvalidValue));
        assert_eq!(Text(std::ptr::null()).get(), Err(Status::InvalidValue));
        let mut value = 0;
        assert_eq!(Out(&raw mut value).set(7), Ok(()));
        assert_eq!(value, 7);
        assert_eq!(Text(c"name".as_ptr()).get(), Ok("name"));
    }
}
