//! Modules: loading them, and finding what is in them.

use std::ffi::c_void;
use std::sync::Arc;

use crate::driver::abi::{Out, Text, driver_api};
use crate::driver::image::{Refusal, ptx_of};
use crate::driver::model::SHARED_PER_BLOCK;
use crate::driver::report::warn;
use crate::driver::session::Session;
use crate::driver::state::{Driver, FunctionEntry, Id, Kind, ModuleEntry, State};
use crate::driver::status::{Outcome, Status};
use crate::ptx::{LoadedModule, Module};

/// The newest PTX that CUDA 13.0 writes, times ten.
const PTX_VERSION: i32 = 90;
/// `CU_JIT_ERROR_LOG_BUFFER` and `CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES`.
const ERROR_LOG: [i32; 2] = [5, 6];

/// The number after a directive, such as 90 after `.target sm_` or `.version ` (whose point is left out).
fn directive(text: &str, name: &str, prefix: &str) -> Option<i32> {
    let line = text.lines().map(str::trim_start).find(|line| line.starts_with(name))?;
    let value = line[name.len()..].trim_start().strip_prefix(prefix)?;
    let end = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    value[..end].replace('.', "").parse().ok()
}

/// Whether `.target` names an architecture-specific variant, such as sm_90a, which runs on that architecture alone.
fn is_specific(text: &str, target: i32) -> bool {
    text.lines()
        .any(|line| line.trim_start().starts_with(".target") && line.contains(&format!("sm_{target}a")))
}

/// The module in PTX text, and its target.
fn parse(text: &str, capability: u32) -> Result<(Module, i32), Refusal> {
    let missing =
        |name: &str| (Status::InvalidPtx, format!("the PTX has no {name} directive that can be read"));
    let target = directive(text, ".target", "sm_").ok_or_else(|| missing(".target"))?;
    let version = directive(text, ".version", "").ok_or_else(|| missing(".version"))?;
    if version > PTX_VERSION {
        let message = format!("the PTX is of version {}.{}, newer than 9.0", version / 10, version % 10);
        return Err((Status::UnsupportedPtxVersion, message));
    }
    let device = capability as i32;
    if target > device || is_specific(text, target) && target != device {
        return Err((Status::InvalidPtx, format!("the PTX is for sm_{target}, the device is sm_{device}")));
    }
    let module = Module::parse(text).map_err(|error| (Status::InvalidPtx, error.to_string()))?;
    Ok((module, target))
}

fn load_text(module: Out<u64>, text: Result<String, Refusal>, log: impl FnOnce(&str)) -> Outcome {
    module.check()?;
    let (driver, context) = {
        let session = Session::begin()?;
        (session.driver, session.context)
    };
    // Parsing takes its time; the lock stays free.
    let result = text.and_then(|text| parse(&text, driver.config.model.capability));
    let (parsed, target) = result.map_err(|(status, message)| {
        warn(&format!("cannot load a module: {message}"));
        log(&message);
        status
    })?;
    let loaded = LoadedModule::load(Arc::new(parsed), &driver.memory).map_err(|_| Status::OutOfMemory)?;
    let mut session = Session::begin()?;
    let id = session.state.new_id(Kind::Module);
    session.state.modules.insert(id, ModuleEntry { context, loaded: Arc::new(loaded), target });
    module.set(id)
}

fn load(module: Out<u64>, image: *const c_void, log: impl FnOnce(&str)) -> Outcome {
    if image.is_null() {
        return Err(Status::InvalidValue);
    }
    let capability = Session::begin()?.driver.config.model.capability;
    // SAFETY: not null, hence a whole image by the contract of the driver API.
    load_text(module, unsafe { ptx_of(image.cast(), capability) }, log)
}

/// Removes a module, its functions, and its variables from device memory.
pub fn unload(driver: &Driver, state: &mut State, id: Id) {
    state.functions.retain(|_, function| function.module != id);
    let loaded = state.modules.remove(&id).and_then(|entry| Arc::into_inner(entry.loaded));
    if let Some(Err(error)) = loaded.map(|loaded| loaded.unload(&driver.memory)) {
        warn(&format!("unloading a module: {error}"));
    }
}

driver_api! {
    /// Loads a module from PTX text or a fat binary.
    fn cuModuleLoadData(module: Out<u64>, image: *const c_void) {
        load(module, image, |_| {})
    }

    /// Loads a module from PTX text or a fat binary. Of the options only the error log has an effect.
    fn cuModuleLoadDataEx(
        module: Out<u64>,
        image: *const c_void,
        options: u32,
        names: *const i32,
        values: *const *mut c_void,
    ) {
        if options > 0 && (names.is_null() || values.is_null()) {
            return Err(Status::InvalidValue);
        }
        let option = |name: i32| {
            (0..options as usize).find_map(|index| {
                // SAFETY: both arrays have as many elements as there are options.
                unsafe { (*names.add(index) == name).then(|| *values.add(index)) }
            })
        };
        let log = |message: &str| {
            let (Some(buffer), Some(size)) = (option(ERROR_LOG[0]), option(ERROR_LOG[1])) else { return };
            let (buffer, size) = (buffer.cast::<u8>(), size as usize);
            if buffer.is_null() || size == 0 {
                return;
            }
            let length = message.len().min(size - 1);
            // SAFETY: the caller's buffer has room for `size` bytes; `length + 1` are written.
            unsafe {
                buffer.copy_from_nonoverlapping(message.as_ptr(), length);
                buffer.add(length).write(0);
            }
        };
        load(module, image, log)
    }

    /// Loads a module from a fat binary.
    fn cuModuleLoadFatBinary(module: Out<u64>, image: *const c_void) {
        load(module, image, |_| {})
    }

    /// Loads a module from a file.
    fn cuModuleLoad(module: Out<u64>, path: Text) {
        let mut bytes = std::fs::read(path.get()?).map_err(|_| Status::FileNotFound)?;
        // Text ends with a NUL, and a damaged fat binary must not be read past its end.
        let declared = bytes.get(8..16).map(|size| u64::from_le_bytes(size.try_into().expect("eight bytes")));
        let is_fat = bytes.starts_with(&0xba55_ed50_u32.to_le_bytes());
        if is_fat && declared.is_none_or(|size| size.saturating_add(16) > bytes.len() as u64) {
            return Err(Status::InvalidImage);
        }
        bytes.extend([0; 16]);
        load(module, bytes.as_ptr().cast(), |_| {})
    }

    /// Removes a module.
    fn cuModuleUnload(module: u64) {
        let mut session = Session::begin()?;
        let owned = session.state.modules.get(&module).is_some_and(|entry| entry.context == session.context);
        if !owned {
            return Err(Status::InvalidHandle);
        }
        session.wait_for_all()?;
        let driver = session.driver;
        unload(driver, &mut session.state, module);
        Ok(())
    }

    /// A kernel by its name.
    fn cuModuleGetFunction(function: Out<u64>, module: u64, name: Text) {
        let mut session = Session::begin()?;
        function.check()?;
        let name = name.get()?;
        let entry = session.state.modules.get(&module).filter(|entry| entry.context == session.context);
        let kernel = entry.ok_or(Status::InvalidHandle)?.loaded.module().kernel(name).ok_or(Status::NotFound)?;
        let max_dynamic_shared = SHARED_PER_BLOCK.saturating_sub(kernel.static_shared);
        let known = session.state.functions.iter().find(|(_, known)| known.module == module && known.name == name);
        let id = match known {
            Some((&id, _)) => id,
            None => {
                let id = session.state.new_id(Kind::Function);
                let entry = FunctionEntry { module, name: name.to_owned(), max_dynamic_shared, carveout: -1 };
                session.state.functions.insert(id, entry);
                id
            }
        };
        function.set(id)
    }

    /// A variable by its name: its address and its size in bytes.
    fn cuModuleGetGlobal_v2(address: Out<u64>, bytes: Out<usize>, module: u64, name: Text) {
        let session = Session::begin()?;
        let entry = session.state.modules.get(&module).filter(|entry| entry.context == session.context);
        let symbol = entry.ok_or(Status::InvalidHandle)?.loaded.symbol(name.get()?).ok_or(Status::NotFound)?;
        address.set_if_wanted(symbol.0);
        bytes.set_if_wanted(symbol.1 as usize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read() {
        let text = "//\n.version 9.0\n.target sm_90a, texmode_independent\n.address_size 64\n";
        assert_eq!(directive(text, ".version", ""), Some(90));
        assert_eq!(directive(text, ".target", "sm_"), Some(90));
        assert_eq!(directive(text, ".file", ""), None);
        assert!(is_specific(text, 90));
        assert!(!is_specific(".target sm_90\n", 90));
        assert_eq!(parse(text, 100).unwrap_err().0, Status::InvalidPtx);
        assert_eq!(parse(".version 9.1\n.target sm_75\n", 90).unwrap_err().0, Status::UnsupportedPtxVersion);
        assert_eq!(parse(".version 9.0\n.target sm_100\n", 90).unwrap_err().0, Status::InvalidPtx);
        assert_eq!(parse(".target sm_100\n", 90).unwrap_err().0, Status::InvalidPtx);
    }
}
