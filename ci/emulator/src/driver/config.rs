//! What the environment says about the emulated device.

use std::path::PathBuf;
use std::time::Duration;

use super::model::Model;
use crate::machine::{OptionError, Options};

/// Memory of the device unless the environment says otherwise.
const DEFAULT_MEMORY: u64 = 4 << 30;
/// How long work lies on a stream, unless something waits for it, before it runs by itself.
const DEFAULT_DELAY: Duration = Duration::from_millis(100);

/// The checks made by the driver itself; those of the kernels are in [`Options`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverChecks {
    /// Work on different streams that touches the same memory without an order; memory given back while work still uses it; pinned
    /// memory that the host changes while a copy from it is pending.
    pub stream: bool,
    /// A copy from pageable host memory does not order work on other streams, although the call has returned.
    pub staging: bool,
    /// What is still allocated when a context or the process ends.
    pub leak: bool,
}

/// The device and the rules, fixed when the driver is initialised.
#[derive(Clone, Debug)]
pub struct Config {
    /// The model.
    pub model: Model,
    /// Bytes of device memory.
    pub memory: u64,
    /// How kernels run.
    pub options: Options,
    /// What the driver checks.
    pub checks: DriverChecks,
    /// Delay before work runs by itself.
    pub delay: Duration,
    /// File that takes the counters.
    pub counters: Option<PathBuf>,
    /// Status that the process ends with if anything was found.
    pub exit_code: Option<i32>,
}

impl Config {
    /// Reads the configuration from the environment; `README.md` lists the variables.
    ///
    /// # Errors
    ///
    /// [`OptionError`] when a variable holds something else than it may.
    pub fn from_env() -> Result<Self, OptionError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, OptionError> {
        fn parsed<T>(
            get: &impl Fn(&'static str) -> Option<String>,
            variable: &'static str,
            expected: &'static str,
            parse: impl Fn(&str) -> Option<T>,
        ) -> Result<Option<T>, OptionError> {
            let Some(value) = get(variable).filter(|value| !value.trim().is_empty()) else { return Ok(None) };
            match parse(value.trim()) {
                Some(parsed) => Ok(Some(parsed)),
                None => Err(OptionError { variable, value, expected }),
            }
        }

        let mut checks = DriverChecks { stream: true, staging: false, leak: true };
        let list = get("CUDA_EMULATOR_CHECK");
        let mut of_kernels = None;
        if let Some(list) = &list {
            checks = DriverChecks { stream: false, staging: false, leak: false };
            let mut rest = Vec::new();
            for name in list.split(',').map(str::trim) {
                match name {
                    "stream" => checks.stream = true,
                    "staging" => checks = DriverChecks { stream: true, staging: true, ..checks },
                    "leak" => checks.leak = true,
                    "all" => checks = DriverChecks { stream: true, leak: true, ..checks },
                    "none" => checks = DriverChecks { stream: false, staging: false, leak: false },
                    _ => {}
                }
                if !matches!(name, "stream" | "staging" | "leak") {
                    rest.push(name);
                }
            }
            of_kernels = Some(rest.join(","));
        }
        let mut options = Options::from_lookup(|name| match name {
            "CUDA_EMULATOR_CHECK" => of_kernels.clone(),
            _ => get(name),
        })?;

        let mut model =
            parsed(&get, "CUDA_EMULATOR_DEVICE", "sm_75, 80, 86, 89, 90, 100 or 120", Model::by_name)?
                .or_else(|| Model::by_name("sm_90"))
                .expect("sm_90 is a model");
        let count = |text: &str| text.parse::<u32>().ok().filter(|count| (1..=1024).contains(count));
        if let Some(count) = parsed(&get, "CUDA_EMULATOR_MULTIPROCESSORS", "a number from 1 to 1024", count)?
        {
            model.multiprocessors = count;
        }
        let memory = parsed(&get, "CUDA_EMULATOR_MEMORY", "a number of bytes, with K, M or G", bytes)?;
        let milliseconds = |text: &str| text.parse().ok().map(Duration::from_millis);
        let delay = parsed(&get, "CUDA_EMULATOR_DELAY_MS", "a number of milliseconds", milliseconds)?;
        let counters = parsed(&get, "CUDA_EMULATOR_COUNTERS", "a path", |text| Some(counter_path(text)))?;
        options.count = counters.is_some();
        options.observe = checks.stream;
        let code = |text: &str| text.parse().ok().filter(|code| (1..=255).contains(code));
        let exit_code = parsed(&get, "CUDA_EMULATOR_EXIT_CODE", "a number from 1 to 255", code)?;
        Ok(Self {
            model,
            memory: memory.unwrap_or(DEFAULT_MEMORY),
            options,
            checks,
            delay: delay.unwrap_or(DEFAULT_DELAY),
            counters,
            exit_code,
        })
    }
}

/// A number of bytes: digits, then at most one of K, M, G, each 1024 of the one before.
fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().ok()?;
    // Device addresses have 47 bits.
    number.checked_mul(1 << shift).filter(|&bytes| bytes <= 1 << 46)
}

/// `%p` in the path stands for the process id, so that a test suite of many processes loses none.
fn counter_path(text: &str) -> PathBuf {
    PathBuf::from(text.replace("%p", &std::process::id().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Checks;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, OptionError> {
        Config::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        let config = with(&[]).unwrap();
        assert_eq!(config.model.capability, 90);
        assert_eq!(config.memory, 4 << 30);
        assert_eq!(config.checks, DriverChecks { stream: true, staging: false, leak: true });
        assert_eq!(config.options.checks, Checks::default());
        assert!(!config.options.count && config.counters.is_none() && config.exit_code.is_none());
    }

    #[test]
    fn the_environment_decides() {
        let config = with(&[
            ("CUDA_EMULATOR_DEVICE", "sm_75"),
            ("CUDA_EMULATOR_MULTIPROCESSORS", "4"),
            ("CUDA_EMULATOR_MEMORY", "16M"),
            ("CUDA_EMULATOR_CHECK", "race, stream"),
            ("CUDA_EMULATOR_COUNTERS", "/tmp/x-%p.json"),
            ("CUDA_EMULATOR_EXIT_CODE", "86"),
            ("CUDA_EMULATOR_DELAY_MS", "7"),
        ])
        .unwrap();
        assert_eq!((config.model.capability, config.model.multiprocessors, config.memory), (75, 4, 16 << 20));
        assert_eq!(config.checks, DriverChecks { stream: true, staging: false, leak: false });
        assert_eq!(config.options.checks, Checks { init: false, race: true, sync: false });
        assert!(config.options.count);
        assert_eq!(config.counters, Some(format!("/tmp/x-{}.json", std::process::id()).into()));
        assert_eq!((config.exit_code, config.delay), (Some(86), Duration::from_millis(7)));
        let all = with(&[("CUDA_EMULATOR_CHECK", "all")]).unwrap();
        assert_eq!(all.checks, DriverChecks { stream: true, staging: false, leak: true });
        assert_eq!(all.options.checks, Checks::ALL);
        let none = with(&[("CUDA_EMULATOR_CHECK", "none")]).unwrap();
        assert_eq!(none.checks, DriverChecks { stream: false, staging: false, leak: false });
    }

    #[test]
    fn mistakes_name_the_variable() {
        for (variable, value) in [
            ("CUDA_EMULATOR_DEVICE", "sm_91"),
            ("CUDA_EMULATOR_MEMORY", "4T"),
            ("CUDA_EMULATOR_MEMORY", "999999999G"),
            ("CUDA_EMULATOR_MULTIPROCESSORS", "0"),
            ("CUDA_EMULATOR_CHECK", "streams"),
            ("CUDA_EMULATOR_EXIT_CODE", "0"),
            ("CUDA_EMULATOR_SEED", "-"),
        ] {
            assert_eq!(with(&[(variable, value)]).unwrap_err().variable, variable, "{value}");
        }
    }
}
