//! PTX text to decoded functions.

mod module;

pub use module::{Kernel, LoadedModule, Module, ParamInfo, ParseError};
