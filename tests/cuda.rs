//! The conformance cases on [`Cuda`], by family, where there is a driver. Without one they are listed as *ignored*, with the
//! reason, and fail if they are asked for by `--ignored`.

#[path = "cuda/lookup.rs"]
mod own_lookup;

use libtest_mimic::{Arguments, Trial};
use zkmill::Cuda;
use zkmill::conformance::cases;

fn main() {
    let arguments = Arguments::from_args();
    let missing = Cuda::new().err();
    let trials = registered().into_iter().map(|(name, case)| {
        let trial = Trial::test(name, move || {
            case(&Cuda::new().map_err(|error| format!("skipped: {error}"))?);
            Ok(())
        });
        match &missing {
            Some(error) => trial.with_kind(format!("skipped: {error}")).with_ignored_flag(true),
            None => trial,
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

type Case = fn(&Cuda);

macro_rules! families {
    ($($place:ident::$family:ident: $($case:ident)*;)*) => {
        vec![$($((concat!(stringify!($family), "::", stringify!($case)), $place::$family::$case as Case),)*)*]
    };
}

/// What the suite does not reach because the device takes paths of its own.
mod own {
    pub(crate) use super::own_lookup as cuda_lookup;
}

fn registered() -> Vec<(&'static str, Case)> {
    families! {
        cases::memory: round_trips views refusals foreign_bytes;
        cases::lookup: tables helpers fractions scans permutations strangers refusals;
        cases::lookup_long: counts columns;
        own::cuda_lookup: extents many_columns long_scans long_permutations long_helpers other_keys foreigners;
    }
}
