//! The host side of [`Cuda`], and lookups where the device takes paths of its own, where there is a driver; what every backend
//! must do is tested in `conformance.rs`. Without a driver the tests are listed as *ignored*, with the reason, and fail if they
//! are asked for by `--ignored`.

#[path = "cuda/lookup.rs"]
mod lookup;

use std::env;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use zkmill::Cuda;
use zkmill::conformance::{Case, cuda};

/// Names the case that a process of its own runs, instead of all tests.
const ALONE: &str = "ZKMILL_TEST_CUDA_CASE";

/// Held by cases that take more than half of what is free, of which two at a time would find too little.
static MOST_MEMORY: Mutex<()> = Mutex::new(());

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
    for Case { family, name, .. } in cuda::large_cases() {
        trials.push(Trial::test(format!("{family}::{name}"), move || {
            let _one_at_a_time = MOST_MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
            in_another_process(Command::new(env::current_exe()?).env(ALONE, name))
        }));
    }
    for Case { family, name, .. } in cuda::fatal_cases() {
        trials.push(Trial::test(format!("{family}::{name}"), move || {
            // The emulated driver would end the process with this status for the very fault that is asked for.
            let mut command = Command::new(env::current_exe()?);
            in_another_process(command.env(ALONE, name).env_remove("CUDA_EMULATOR_EXIT_CODE"))
        }));
    }
    if let Some(error) = missing {
        let skipped = |trial: Trial| trial.with_kind(format!("skipped: {error}")).with_ignored_flag(true);
        trials = trials.into_iter().map(skipped).collect();
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs one case and nothing else.
fn alone(name: &str) -> ExitCode {
    let mut cases = cuda::large_cases().into_iter().chain(cuda::fatal_cases());
    let case = cases.find(|case| case.name == name).expect("a case of this name");
    {
        let cuda = Cuda::new().expect("the parent had one");
        (case.run)(&cuda);
    }
    // All is dropped, and the context with it: the next one works, where the driver can recover.
    println!("next value: {:?}", Cuda::new());
    ExitCode::SUCCESS
}

fn in_another_process(command: &mut Command) -> Result<(), Failed> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // The emulated driver's messages about memory that was never given back do not end a process.
    if !output.status.success() || text.contains("leak:") {
        return Err(format!("{}\n{text}", output.status).into());
    }
    Ok(())
}
