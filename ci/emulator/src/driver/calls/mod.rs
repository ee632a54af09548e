//! The functions of the driver API.

mod context;
mod copy;
mod device;
mod event;
mod function;
mod launch;
mod memory;
mod module;
mod stream;

pub use memory::release;
