//! The conformance cases on [`Cuda`], by family, where there is a driver. Without one they are listed as *ignored*, with the
//! reason, and fail if they are asked for by `--ignored`.

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
    ($($family:ident: $($case:ident)*;)*) => {
        vec![$($((concat!(stringify!($family), "::", stringify!($case)), cases::$family::$case as Case),)*)*]
    };
}

fn registered() -> Vec<(&'static str, Case)> {
    families! {
        memory: round_trips views refusals foreign_bytes;
        sumcheck: rounds tables_beyond_the_form identities equality evaluations refusals;
        sumcheck_long: many_values many_variables;
        matrix: shapes extremes parts products refusals;
        matrix_long: deep_sums;
    }
}
