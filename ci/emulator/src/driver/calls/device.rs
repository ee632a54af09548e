//! Initialisation, version, errors, devices.

use std::ffi::c_char;

use crate::driver::abi::{Out, driver_api};
use crate::driver::attributes::attribute;
use crate::driver::state::{Driver, driver, initialise};
use crate::driver::status::{Outcome, Status};

/// The version of the API: CUDA 13.0.
const VERSION: i32 = 13000;

/// The driver, if `device` is its device.
pub fn of_device(device: i32) -> Outcome<&'static Driver> {
    let driver = driver()?;
    if device == 0 { Ok(driver) } else { Err(Status::InvalidDevice) }
}

/// Writes `name` to `to`, which holds `length` bytes, and ends it with a NUL.
fn put_name(to: Out<c_char>, length: i32, name: &str) -> Outcome {
    to.check()?;
    let length = usize::try_from(length).ok().filter(|&length| length > 0).ok_or(Status::InvalidValue)?;
    let kept = &name.as_bytes()[..name.len().min(length - 1)];
    for (offset, &byte) in kept.iter().chain(&[0]).enumerate() {
        // SAFETY: not null, and the caller vouches for `length` bytes.
        unsafe { to.pointer().add(offset).write(byte as c_char) };
    }
    Ok(())
}

driver_api! {
    /// Initialises the driver.
    fn cuInit(flags: u32) {
        if flags != 0 {
            return Err(Status::InvalidValue);
        }
        initialise().map(|_| ())
    }

    /// The version of the driver.
    fn cuDriverGetVersion(version: Out<i32>) {
        version.set(VERSION)
    }

    /// What a status means.
    fn cuGetErrorString(status: u32, text: Out<*const c_char>) {
        let known = Status::from_code(status);
        text.set(known.map_or(std::ptr::null(), |status| status.text().as_ptr()))?;
        known.map(|_| ()).ok_or(Status::InvalidValue)
    }

    /// The name of a status.
    fn cuGetErrorName(status: u32, text: Out<*const c_char>) {
        let known = Status::from_code(status);
        text.set(known.map_or(std::ptr::null(), |status| status.name().as_ptr()))?;
        known.map(|_| ()).ok_or(Status::InvalidValue)
    }

    /// The number of devices: one.
    fn cuDeviceGetCount(count: Out<i32>) {
        driver()?;
        count.set(1)
    }

    /// A device by its ordinal.
    fn cuDeviceGet(device: Out<i32>, ordinal: i32) {
        of_device(ordinal)?;
        device.set(ordinal)
    }

    /// The device's name.
    fn cuDeviceGetName(name: Out<c_char>, length: i32, device: i32) {
        let model = &of_device(device)?.config.model;
        put_name(name, length, &format!("Emulated {} (sm_{})", model.part, model.capability))
    }

    /// An identifier of the device, the same in every process.
    fn cuDeviceGetUuid(uuid: Out<[u8; 16]>, device: i32) {
        of_device(device)?;
        uuid.set(*b"cuda-emulator-00")
    }

    /// As `cuDeviceGetUuid`.
    fn cuDeviceGetUuid_v2(uuid: Out<[u8; 16]>, device: i32) {
        of_device(device)?;
        uuid.set(*b"cuda-emulator-00")
    }

    /// An attribute of the device.
    fn cuDeviceGetAttribute(value: Out<i32>, number: i32, device: i32) {
        let driver = of_device(device)?;
        value.set(attribute(&driver.config.model, number).ok_or(Status::InvalidValue)?)
    }

    /// The device's compute capability.
    fn cuDeviceComputeCapability(major: Out<i32>, minor: Out<i32>, device: i32) {
        let capability = of_device(device)?.config.model.capability as i32;
        major.set(capability / 10)?;
        minor.set(capability % 10)
    }

    /// The size of the device's memory in bytes.
    fn cuDeviceTotalMem_v2(bytes: Out<usize>, device: i32) {
        bytes.set(of_device(device)?.config.memory as usize)
    }
}
