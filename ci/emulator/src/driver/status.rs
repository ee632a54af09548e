//! The status codes of the driver API (`CUresult`), with the names and descriptions the driver gives them.

use std::ffi::CStr;

/// What a driver call returns when it does not return `CUDA_SUCCESS`, and that value itself.
macro_rules! statuses {
    ($($variant:ident = $code:literal, $name:literal, $text:literal;)*) => {
        /// A `CUresult`: the codes that this driver returns, or that a program may ask the name of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Status {
            $(#[doc = $text] $variant = $code,)*
        }

        impl Status {
            /// The status of a code; `None` for a number that is not one.
            pub fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name of the code in `cuda.h`.
            pub fn name(self) -> &'static CStr {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What the code means, as `cuGetErrorString` tells it.
            pub fn text(self) -> &'static CStr {
                match self {
                    $(Self::$variant => const {
                        match CStr::from_bytes_with_nul(concat!($text, "\0").as_bytes()) {
                            Ok(text) => text,
                            Err(_) => panic!("a description holds a NUL"),
                        }
                    },)*
                }
            }
        }
    };
}

statuses! {
    Success = 0, c"CUDA_SUCCESS", "no error";
    InvalidValue = 1, c"CUDA_ERROR_INVALID_VALUE", "invalid argument";
    OutOfMemory = 2, c"CUDA_ERROR_OUT_OF_MEMORY", "out of memory";
    NotInitialized = 3, c"CUDA_ERROR_NOT_INITIALIZED", "initialization error";
    Deinitialized = 4, c"CUDA_ERROR_DEINITIALIZED", "driver shutting down";
    NoDevice = 100, c"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected";
    InvalidDevice = 101, c"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal";
    InvalidImage = 200, c"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid";
    InvalidContext = 201, c"CUDA_ERROR_INVALID_CONTEXT", "invalid device context";
    NoBinaryForGpu = 209, c"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device";
    UnsupportedLimit = 215, c"CUDA_ERROR_UNSUPPORTED_LIMIT", "limit is not supported on this architecture";
    InvalidPtx = 218, c"CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed";
    UnsupportedPtxVersion = 222, c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
        "the provided PTX was compiled with an unsupported toolchain.";
    FileNotFound = 301, c"CUDA_ERROR_FILE_NOT_FOUND", "file not found";
    SharedObjectSymbolNotFound = 302, c"CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND",
        "shared object symbol not found";
    OperatingSystem = 304, c"CUDA_ERROR_OPERATING_SYSTEM", "OS call failed or operation not supported on this OS";
    InvalidHandle = 400, c"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle";
    NotFound = 500, c"CUDA_ERROR_NOT_FOUND", "named symbol not found";
    NotReady = 600, c"CUDA_ERROR_NOT_READY", "device not ready";
    IllegalAddress = 700, c"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered";
    LaunchOutOfResources = 701, c"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch";
    LaunchTimeout = 702, c"CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated";
    PrimaryContextActive = 708, c"CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE",
        "cannot set while device is active in this process";
    ContextIsDestroyed = 709, c"CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed";
    Assert = 710, c"CUDA_ERROR_ASSERT", "device-side assert triggered";
    HostMemoryAlreadyRegistered = 712, c"CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
        "part or all of the requested memory range is already mapped";
    HostMemoryNotRegistered = 713, c"CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED",
        "pointer does not correspond to a registered memory region";
    HardwareStackError = 714, c"CUDA_ERROR_HARDWARE_STACK_ERROR", "hardware stack error";
    IllegalInstruction = 715, c"CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered";
    MisalignedAddress = 716, c"CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address";
    InvalidAddressSpace = 717, c"CUDA_ERROR_INVALID_ADDRESS_SPACE",
        "operation not supported on global/shared address space";
    InvalidPc = 718, c"CUDA_ERROR_INVALID_PC", "invalid program counter";
    LaunchFailed = 719, c"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure";
    CooperativeLaunchTooLarge = 720, c"CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE",
        "too many blocks in cooperative launch";
    NotPermitted = 800, c"CUDA_ERROR_NOT_PERMITTED", "operation not permitted";
    NotSupported = 801, c"CUDA_ERROR_NOT_SUPPORTED", "operation not supported";
    Unknown = 999, c"CUDA_ERROR_UNKNOWN", "unknown error";
}

/// What the inside of a driver call returns; `Err(Status::Success)` does not occur.
pub type Outcome<T = ()> = Result<T, Status>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_names_and_texts_belong_together() {
        let mut known = 0;
        for code in 0..1000 {
            let Some(status) = Status::from_code(code) else { continue };
            known += 1;
            assert_eq!(status as u32, code);
            assert!(status.name().to_str().unwrap().starts_with("CUDA_"));
            assert!(!status.text().is_empty());
        }
        assert_eq!(known, 37);
        assert_eq!(Status::from_code(700).unwrap().name(), c"CUDA_ERROR_ILLEGAL_ADDRESS");
        assert_eq!(Status::from_code(2).unwrap().text(), c"out of memory");
    }
}
