//! What the driver tells: findings as they happen, leaks and counters at the end.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde::Serialize;

use super::config::Config;
use super::state::{Id, Place, State, driver};
use crate::machine::{Counters, LaunchConfig};

/// One launch and what it did.
#[derive(Debug, Serialize)]
pub struct LaunchRecord {
    kernel: String,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_shared: u32,
    counters: Counters,
}

/// Findings and counters so far.
#[derive(Debug, Default)]
pub struct Report {
    findings: u64,
    launches: Vec<LaunchRecord>,
}

/// The file of the counters.
#[derive(Serialize)]
struct CounterFile<'a> {
    device: String,
    launches: &'a [LaunchRecord],
    kernels: BTreeMap<&'a str, Counters>,
}

impl Report {
    /// Tells a finding.
    pub fn finding(&mut self, text: &str) {
        self.findings += 1;
        warn(text);
    }

    /// Keeps the counters of a launch.
    pub fn launched(&mut self, kernel: &str, config: &LaunchConfig, counters: Counters) {
        let LaunchConfig { grid, block, dynamic_shared, .. } = *config;
        self.launches.push(LaunchRecord { kernel: kernel.to_owned(), grid, block, dynamic_shared, counters });
    }

    fn write_counters(&self, config: &Config) {
        let Some(path) = &config.counters else { return };
        let mut kernels = BTreeMap::new();
        for launch in &self.launches {
            *kernels.entry(launch.kernel.as_str()).or_insert_with(Counters::default) += launch.counters;
        }
        let device = format!("sm_{}", config.model.capability);
        let file = CounterFile { device, launches: &self.launches, kernels };
        let text = serde_json::to_string_pretty(&file).expect("counters are plain numbers");
        if let Err(error) = std::fs::write(path, text + "\n") {
            warn(&format!("cannot write the counters to {}: {error}", path.display()));
        }
    }
}

/// Prints a message of the emulator on the standard error, as one piece.
pub fn warn(text: &str) {
    let _ = std::io::stderr().write_all(format!("cuda-emulator: {text}\n").as_bytes());
}

/// Tells what a context leaves allocated. At most this many allocations are listed one by one.
const LISTED: usize = 16;

impl State {
    /// Tells the allocations that `context` has not given back.
    pub fn report_leaks(&mut self, context: Id, when: &str) {
        let lost = |place| matches!(place, Place::Device | Place::Pinned);
        let leaks: Vec<_> = self
            .allocations
            .iter()
            .filter(|(_, allocation)| allocation.context == context && lost(allocation.place))
            .filter(|(_, allocation)| allocation.freed.is_none())
            .collect();
        if leaks.is_empty() {
            return;
        }
        let bytes: u64 = leaks.iter().map(|(_, allocation)| allocation.bytes).sum();
        let mut text = format!("leak: {} allocations, {bytes} bytes, not freed when {when}", leaks.len());
        for (base, allocation) in leaks.iter().take(LISTED) {
            let kind = if allocation.place == Place::Device { "device" } else { "pinned host" };
            let (bytes, made) = (allocation.bytes, allocation.made);
            text += &format!(
                "\n  {bytes} bytes of {kind} memory at {base:#x}, from {made} no. {}",
                allocation.serial
            );
        }
        if leaks.len() > LISTED {
            text += &format!("\n  and {} more", leaks.len() - LISTED);
        }
        self.report.finding(&text);
    }
}

unsafe extern "C" {
    safe fn atexit(handler: extern "C" fn()) -> i32;
    safe fn _exit(status: i32) -> !;
}

/// Has the leaks and counters told when the process ends.
pub fn at_exit() {
    if atexit(finish) != 0 {
        warn("no room for an exit handler: leaks and counters will not be told");
    }
}

extern "C" fn finish() {
    let result = std::panic::catch_unwind(|| {
        let driver = driver().ok()?;
        // The worker may be in the middle of a long kernel that nobody waits for any more; it does not hold the lock then.
        let mut state = driver.state.try_lock_for(Duration::from_secs(1))?;
        if driver.config.checks.leak {
            let contexts: Vec<_> =
                state.contexts.iter().filter(|(_, c)| c.sticky.is_none()).map(|(&id, _)| id).collect();
            for context in contexts {
                state.report_leaks(context, "the process ended");
            }
        }
        state.report.write_counters(&driver.config);
        driver.config.exit_code.filter(|_| state.report.findings > 0)
    });
    if let Ok(Some(code)) = result {
        _exit(code);
    }
}
