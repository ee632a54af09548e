//! A program written against the `cust` crate, unchanged, in a process of its own that finds the emulator as its `libcuda.so.1`.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::compile::{compile, ptx};

/// The emulator, laid out as CUDA is: the folder that has `lib64/libcuda.so` in it.
fn driver_folder() -> PathBuf {
    // Cargo puts the library that tests are linked with next to them.
    let library = std::env::current_exe().unwrap().with_file_name("libcuda.so");
    assert!(library.is_file(), "{} is missing", library.display());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda");
    let libraries = folder.join("lib64");
    std::fs::create_dir_all(&libraries).unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        let link = libraries.join(name);
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&library, &link).unwrap();
    }
    folder
}

#[test]
fn a_cust_program_runs_unchanged() {
    // The fat binary is nvcc's default one, compressed.
    let options = ["-fatbin", "-std=c++17", "-arch=compute_75", "-Xfatbin", "-compress-all"];
    let (Some(_), Some(fatbin)) = (ptx("basics"), compile("basics", "fatbin", &options)) else { return };
    let ptx = compile("basics", "ptx", &["-ptx", "-arch=compute_75", "-std=c++17"]).unwrap();
    let folder = driver_folder();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cust-program");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cust-program");
    let build = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(program.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("CUDA_LIBRARY_PATH", &folder)
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let run = |environment: &[(&str, &str)]| {
        let mut command = Command::new(target.join("debug/cust-program"));
        command.args([&ptx, &fatbin]).env("LD_LIBRARY_PATH", folder.join("lib64"));
        command.env("CUDA_EMULATOR_MEMORY", "64M").envs(environment.iter().copied());
        // The program looks at what has not run yet; a busy machine must not give the work time to run by itself.
        command.env("CUDA_EMULATOR_DELAY_MS", "3000");
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    for environment in [&[][..], &[("CUDA_EMULATOR_CHECK", "all")], &[("CUDA_EMULATOR_SEED", "1")]] {
        let (code, stdout, stderr) = run(environment);
        assert_eq!(code, Some(0), "{stdout}\n{stderr}");
        assert!(stdout.ends_with("all is well\n"), "{stdout}");
        // One launch is refused on purpose.
        let said: Vec<_> = stderr.lines().filter(|line| line.contains("cuda-emulator")).collect();
        assert_eq!(said.len(), 1, "{stderr}");
        assert!(said[0].contains("cannot launch scale: a block of [2048, 1, 1]"), "{stderr}");
    }
}
