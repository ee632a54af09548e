//! The conformance suite on every backend and tier that is compiled in.
//!
//! The tests are registered at run time, because what this machine can run is known only then: what it cannot is
//! listed as *ignored*, with the reason, and fails if it is asked for by `--ignored`.

use libtest_mimic::{Arguments, Trial};
use zkmill::conformance::{Case, long_cases, short_cases};
use zkmill::{Any, Backend, Checked, Cpu, Reference, Result, Tier};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    // Through `Any`, so that the suite is compiled for two backend types and not for every one.
    for name in Any::names() {
        stamp(&mut trials, name, short_cases(), move || Any::from_name(name));
    }
    for &tier in Tier::ALL {
        let name = format!("cpu-{}", tier.name());
        for threads in 1..=3 {
            let make = move || Cpu::with_tier(tier)?.with_threads(threads).map(Any::Cpu);
            stamp(&mut trials, &format!("{name}-{threads}"), short_cases(), make);
            stamp(&mut trials, &format!("{name}-{threads}"), long_cases(), make);
        }
        let checked = move || Ok(Checked::new(Cpu::with_tier(tier)?, Reference));
        stamp(&mut trials, &format!("{name}-checked"), short_cases(), checked);
    }
    #[cfg(feature = "cuda")]
    {
        stamp(&mut trials, "cuda", long_cases(), || Any::from_name("cuda"));
        let checked = || Ok(Checked::new(zkmill::Cuda::new()?, Cpu::new()));
        stamp(&mut trials, "cuda-checked", short_cases(), checked);
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Adds `cases` for the backend that `make` makes; ignored if it makes none.
fn stamp<B: Backend>(
    trials: &mut Vec<Trial>,
    name: &str,
    cases: Vec<Case<B>>,
    make: impl Fn() -> Result<B> + Copy + Send + 'static,
) {
    let missing = make().err();
    for Case { family, name: case, run } in cases {
        let trial = Trial::test(format!("{name}::{family}::{case}"), move || {
            let backend = make().map_err(|error| format!("skipped: {error}"))?;
            run(&backend);
            Ok(())
        });
        trials.push(match &missing {
            Some(error) => trial.with_kind(format!("skipped: {error}")).with_ignored_flag(true),
            None => trial,
        });
    }
}
