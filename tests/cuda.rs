//! The host side of [`Cuda`], and lookups where the device takes paths of its own, where there is a driver; what every backend
//! must do is tested in `conformance.rs`. Without a driver the tests are listed as *ignored*, with the reason, and fail if they
//! are asked for by `--ignored`.

#[path = "cuda/lookup.rs"]
mod lookup;

use std::env;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use zkmill::Cuda;
use zkmill::conformance::{Case, cuda};

/// Names the case that a process of its own runs, instead of all tests.
const ALONE: &str = "ZKMILL_TEST_CUDA_CASE";

fn main() -> ExitCode {
    if let Ok(name) = env::var(ALONE) {
        return alone(&name);
    }
    let arguments = Arguments::from_args();
    let missing = Cuda::new().err();
    let mut trials = Vec::new();
    for Case { family, name, run } in cuda::cases() {
        trials.push(Trial::test(format!("{family}::{name}"), move || {
            run(&Cuda::new().map_err(|error| format!("skipped: {error}"))?);
            Ok(())
        }));
    }
    for (name, run) in lookup::CASES {
        trials.push(Trial::test(format!("lookup::{name}"), move || {
            run(&Cuda::new().map_err(|error| format!("skipped: {error}"))?);
            Ok(())
        }));
    }
    for Case { family, name, .. } in cuda::fatal_cases() {
        trials.push(Trial::test(format!("{family}::{name}"), move || in_another_process(name)));
    }
    if let Some(error) = missing {
        let skipped = |trial: Trial| trial.with_kind(format!("skipped: {error}")).with_ignored_flag(true);
        trials = trials.into_iter().map(skipped).collect();
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs one case, after which nothing on the device works.
fn alone(name: &str) -> ExitCode {
    let case = cuda::fatal_cases().into_iter().find(|case| case.name == name).expect("a case of this name");
    {
        let cuda = Cuda::new().expect("the parent had one");
        (case.run)(&cuda);
    }
    // All is dropped, and the context with it: the next one works, where the driver can recover.
    println!("next value: {:?}", Cuda::new());
    ExitCode::SUCCESS
}

fn in_another_process(name: &str) -> Result<(), Failed> {
    let mut command = Command::new(env::current_exe()?);
    // The emulated driver would end the process with this status for the very fault that is asked for.
    let output = command.env(ALONE, name).env_remove("CUDA_EMULATOR_EXIT_CODE").output()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // Nor may there be one of its messages about memory that was never given back.
    if !output.status.success() || text.contains("leak:") {
        return Err(format!("{}\n{text}", output.status).into());
    }
    Ok(())
}
