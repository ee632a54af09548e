//! The conformance suite on every backend and tier that is compiled in.
//!
//! The tests are registered at run time, because what this machine can run is known only then: what it cannot is
//! listed as *ignored*, with the reason, and fails if it is asked for by `--ignored`.

use libtest_mimic::{Arguments, Trial};
use zkmill::conformance::{Case, Extent, suite};
use zkmill::{Any, Backend, Checked, Cpu, Reference, Result, Tier, Timed};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    stamp(&mut trials, "reference", Extent::Short, || Ok(Reference));
    for &tier in Tier::ALL {
        let name = format!("cpu-{}", tier.name());
        stamp(&mut trials, &name, Extent::Long, move || Cpu::with_tier(tier));
        for threads in 1..=3 {
            let name = format!("{name}-{threads}");
            stamp(&mut trials, &name, Extent::Long, move || Cpu::with_tier(tier)?.with_threads(threads));
        }
        let checked = format!("{name}-checked");
        stamp(&mut trials, &checked, Extent::Short, move || {
            Ok(Checked::new(Cpu::with_tier(tier)?, Reference))
        });
    }
    for name in Any::names() {
        stamp(&mut trials, &format!("any-{name}"), Extent::Short, move || Any::from_name(name));
    }
    stamp(&mut trials, "timed", Extent::Short, || Ok(Timed::new(Cpu::new())));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Adds the suite for the backend that `make` makes; ignored if it makes none.
fn stamp<B: Backend>(
    trials: &mut Vec<Trial>,
    name: &str,
    extent: Extent,
    make: impl Fn() -> Result<B> + Clone + Send + 'static,
) {
    let missing = make().err();
    for Case { family, name: case, extent: needed, run } in suite::<B>() {
        if needed == Extent::Long && extent == Extent::Short {
            continue;
        }
        let make = make.clone();
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
