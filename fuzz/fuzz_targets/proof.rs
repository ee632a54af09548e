#![no_main]

#[path = "../entry.rs"]
#[allow(dead_code, reason = "one entry a target")]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::proof(bytes));
