//! A CUDA driver without a GPU.
//!
//! Three layers, each usable alone:
//!
//! - [`memory`]: the device's address space, with a record of every allocation and of every byte ever written;
//! - [`ptx`]: PTX text to a [`ptx::Module`], decoded once per function;
//! - [`machine`]: [`machine::launch`] runs a kernel over a grid, under a checker, a scheduler and counters.

mod isa;
pub mod machine;
pub mod memory;
pub mod ptx;
