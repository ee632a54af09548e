//! PTX text to decoded functions.

pub(crate) mod ast;
pub(crate) mod lexer;
mod module;
mod parser;

pub(crate) use module::{FUNCTION_WINDOW, SharedLayout};
pub use module::{Kernel, LoadedModule, Module, ParamInfo, ParseError};
