//! What the tests share: the driver API as a C program sees it, nvcc, and running a test in a process of its own.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

pub mod compile;
pub mod device;

use std::process::{Command, Output};

/// Names the test that a child process is to run.
const CHILD: &str = "CUDA_EMULATOR_TEST_CHILD";

/// What a child process printed, and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Fails unless the standard error has each of these.
    #[track_caller]
    pub fn expect_messages(&self, messages: &[&str]) {
        for message in messages {
            assert!(self.stderr.contains(message), "no {message:?} in:\n{}\n{}", self.stderr, self.stdout);
        }
    }

    /// Fails unless the child succeeded and the emulator said nothing.
    #[track_caller]
    pub fn expect_clean(&self) {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stderr, self.stdout);
        assert!(!self.stderr.contains("cuda-emulator:"), "{}", self.stderr);
    }
}

/// Runs `body` in a process of its own, whose emulator is configured by `environment` alone: the same test is started again, finds
/// itself to be the child, and runs the body. Returns `None` in the child.
///
/// A failed assertion in the body makes the child exit with 101, which fails the test here too.
#[track_caller]
pub fn in_child(test: &str, environment: &[(&str, &str)], body: impl FnOnce()) -> Option<Ended> {
    // One test may have several children, with other environments; the child runs the body that asks for its environment.
    let name = format!("{test} {environment:?}");
    match std::env::var(CHILD) {
        Ok(wanted) if wanted == name => {
            body();
            None
        }
        Ok(_) => None,
        Err(_) => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, &name);
            for (variable, _) in
                std::env::vars().filter(|(variable, _)| variable.starts_with("CUDA_EMULATOR_"))
            {
                command.env_remove(variable);
            }
            command.env(CHILD, &name).envs(environment.iter().copied());
            let Output { status, stdout, stderr } = command.output().unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            let ended = Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
            let ran = ended.stdout.contains("1 passed") || ended.code != Some(0);
            assert!(ran, "no test is called {test}:\n{}", ended.stdout);
            assert_ne!(ended.code, Some(101), "in the child:\n{}\n{}", ended.stderr, ended.stdout);
            assert_ne!(ended.code, None, "the child died:\n{}\n{}", ended.stderr, ended.stdout);
            Some(ended)
        }
    }
}
