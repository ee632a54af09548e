//! The engine against plain Rust: every family of instructions, control flow, checks, schedules and counts.

mod arithmetic;
mod checks;
mod control;
mod counters;
mod data;
mod memory;
mod schedule;
mod support;
mod warp;
