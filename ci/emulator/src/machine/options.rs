//! How a launch is checked, scheduled and counted.

use std::fmt;
use std::sync::{Arc, Mutex};

/// Which findings the checker looks for. Out-of-bounds and misaligned accesses and use after free are always found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Reads of memory that was never written.
    pub init: bool,
    /// Races on shared and global memory, missing `__syncwarp` among them. Blocks then run on one thread.
    pub race: bool,
    /// Barriers in divergent code, and lanes that read from lanes that do not take part.
    pub sync: bool,
}

impl Checks {
    /// Every check.
    pub const ALL: Self = Self { init: true, race: true, sync: true };
    /// Only what is always checked.
    pub const NONE: Self = Self { init: false, race: false, sync: false };
}

impl Default for Checks {
    /// The checks that cost little: all but races.
    fn default() -> Self {
        Self { race: false, ..Self::ALL }
    }
}

/// Where `printf` of device code goes.
#[derive(Clone, Default)]
pub enum Sink {
    /// The process's standard output.
    #[default]
    Stdout,
    /// A string, for tests.
    Buffer(Arc<Mutex<String>>),
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "Stdout",
            Self::Buffer(_) => "Buffer",
        })
    }
}

impl Sink {
    pub(crate) fn write(&self, text: &str) {
        match self {
            Self::Stdout => print!("{text}"),
            Self::Buffer(buffer) => buffer.lock().unwrap_or_else(|p| p.into_inner()).push_str(text),
        }
    }
}

/// How a launch runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the checker looks for.
    pub checks: Checks,
    /// With a seed, one thread interleaves blocks, warps and lanes at random; the same seed gives the same run.
    pub seed: Option<u64>,
    /// Fill in the counters.
    pub count: bool,
    /// Tell what device memory is touched.
    pub observe: bool,
    /// Warp instructions that a block may run without writing memory or passing a barrier before it counts as stuck.
    pub patience: u64,
    /// Where `printf` goes.
    pub printf: Sink,
    /// Host threads that blocks are spread over; `None`: rayon's.
    pub threads: Option<usize>,
    /// Parts of names of source files whose reads of unwritten memory are not reported: libraries that read ahead and discard. Only
    /// PTX built with `-lineinfo` says where its instructions come from.
    pub trusted: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            checks: Checks::default(),
            seed: None,
            count: false,
            observe: false,
            patience: 1 << 26,
            printf: Sink::default(),
            threads: None,
            // Its serial merge reads one key past the last before it looks at the index.
            trusted: vec!["cub/block/block_merge_sort.cuh".to_string()],
        }
    }
}

/// A variable of the environment that does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value:?}: expected {expected}")]
pub struct OptionError {
    /// Its name.
    pub variable: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub expected: &'static str,
}

impl Options {
    /// Reads the options from the environment:
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `CUDA_EMULATOR_CHECK` | comma-separated list of `init`, `race`, `sync`, or `all`, or `none`; default `init,sync` |
    /// | `CUDA_EMULATOR_SEED` | a number: interleave at random from this seed |
    /// | `CUDA_EMULATOR_PATIENCE` | warp instructions without progress before a block counts as stuck |
    /// | `CUDA_EMULATOR_THREADS` | host threads that run blocks |
    /// | `CUDA_EMULATOR_TRUST` | comma-separated parts of source file names, see [`Self::trusted`]; adds to the default |
    ///
    /// # Errors
    ///
    /// [`OptionError`] when a variable is set to something else.
    pub fn from_env() -> Result<Self, OptionError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// As [`Self::from_env`], from another source of variables.
    pub(crate) fn from_lookup(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, OptionError> {
        fn number<T: std::str::FromStr>(
            get: impl Fn(&'static str) -> Option<String>,
            variable: &'static str,
        ) -> Result<Option<T>, OptionError> {
            match get(variable) {
                None => Ok(None),
                Some(value) => match value.trim().parse() {
                    Ok(number) => Ok(Some(number)),
                    Err(_) => Err(OptionError { variable, value, expected: "a number" }),
                },
            }
        }

        let mut options = Self::default();
        if let Some(value) = get("CUDA_EMULATOR_CHECK") {
            let mut checks = Checks::NONE;
            for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                match name {
                    "all" => checks = Checks::ALL,
                    "none" => checks = Checks::NONE,
                    "init" => checks.init = true,
                    "race" => checks.race = true,
                    "sync" => checks.sync = true,
                    _ => {
                        let expected = "a list of init, race, sync, all, none";
                        return Err(OptionError { variable: "CUDA_EMULATOR_CHECK", value, expected });
                    }
                }
            }
            options.checks = checks;
        }
        options.seed = number(&get, "CUDA_EMULATOR_SEED")?;
        if let Some(patience) = number(&get, "CUDA_EMULATOR_PATIENCE")? {
            options.patience = patience;
        }
        options.threads = number(&get, "CUDA_EMULATOR_THREADS")?;
        let trusted = get("CUDA_EMULATOR_TRUST").unwrap_or_default();
        options
            .trusted
            .extend(trusted.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string));
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Result<Options, OptionError> {
        Options::from_lookup(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string()))
    }

    #[test]
    fn environment_is_read() {
        let options = with(&[("CUDA_EMULATOR_CHECK", "race, sync"), ("CUDA_EMULATOR_SEED", "7")]).unwrap();
        assert_eq!(options.checks, Checks { init: false, race: true, sync: true });
        assert_eq!(options.seed, Some(7));
        assert_eq!(with(&[]).unwrap().checks, Checks { init: true, race: false, sync: true });
        assert_eq!(with(&[("CUDA_EMULATOR_CHECK", "none")]).unwrap().checks, Checks::NONE);
    }

    #[test]
    fn mistakes_are_refused() {
        assert!(with(&[("CUDA_EMULATOR_CHECK", "rase")]).is_err());
        assert!(with(&[("CUDA_EMULATOR_SEED", "x")]).is_err());
    }
}
