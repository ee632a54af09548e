//! The driver: the C functions of `libcuda.so.1` over the emulated device.
//!
//! - [`calls`] are the functions; each begins a [`session`] in the current context, checks its arguments and puts work on a stream;
//! - [`queue`] runs the work, later and in order; [`execute`] does it and draws the conclusions;
//! - [`order`] knows what is ordered after what, and finds accesses that are not;
//! - [`state`] holds contexts, streams, events, modules and allocations under one lock;
//! - [`image`] finds the PTX in a module image; [`model`] and [`attributes`] say what the device is;
//! - [`report`] tells findings, leaks and counters; [`config`] reads the environment.
//!
//! The names of the functions and what they do are NVIDIA's: "CUDA Driver API", release 13.0.

mod abi;
mod attributes;
mod calls;
mod config;
mod execute;
mod image;
mod model;
mod order;
mod queue;
mod report;
mod session;
mod state;
mod status;

pub use status::Status;
