//! A CUDA driver without a GPU.
//!
//! Four layers, each usable without those above it:
//!
//! - [`memory`]: the device's address space, with a record of every allocation and of every byte ever written;
//! - [`ptx`]: PTX text to a [`ptx::Module`], decoded once per function;
//! - [`machine`]: [`machine::launch`] runs a kernel over a grid, under a checker, a scheduler and counters;
//! - [`driver`]: the C functions of `libcuda.so.1`: contexts, streams, events, modules, copies, launches.

pub mod driver;
mod isa;
pub mod machine;
pub mod memory;
pub mod ptx;
