//! Compiles `kernels/device/*.cu` (and the tests' own, with the feature `conformance`) for the feature `cuda`; without it there is nothing to do.
//!
//! Every source file becomes one fat binary: machine code for each architecture of `ZKMILL_CUDA_ARCHS`, and PTX for the
//! oldest supported one, which the driver compiles for all others. `images.rs` in `OUT_DIR` embeds them.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Compute capability of the PTX, the oldest that is supported.
const PTX: &str = "75";

/// What release builds hold machine code for. Others leave it to the driver: each of these costs compile time.
const RELEASE: &str = "75 80 86 89 90 100 120";

const ARCHITECTURES: &str = "ZKMILL_CUDA_ARCHS";

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return ExitCode::SUCCESS;
    }
    match compile_kernels() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Cargo shows the standard error of a build script that fails.
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn compile_kernels() -> Result<(), String> {
    println!("cargo:rerun-if-changed=kernels");
    for variable in
        [ARCHITECTURES, "CUDA_HOME", "CUDA_PATH", "NVCC_CCBIN", "NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"]
    {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let root = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(required("OUT_DIR")?);
    let mut sources = sources(&root.join("kernels/device"))?;
    if env::var_os("CARGO_FEATURE_CONFORMANCE").is_some() {
        sources.extend(["field.cu", "probe.cu"].map(|name| root.join("kernels/conformance").join(name)));
    }
    let architectures = architectures()?;
    if !sources.is_empty() {
        let nvcc = find_nvcc()?;
        compile_all(&sources, &|source, threads| {
            compile(&nvcc, &root, &out, source, &architectures, threads)
        })?;
    }
    let mut images = String::from("match name {\n");
    for source in &sources {
        let name = stem(source);
        writeln!(
            images,
            "    {name:?} => Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.fatbin\")).as_slice()),"
        )
        .map_err(|error| error.to_string())?;
    }
    images.push_str("    _ => None,\n}\n");
    write(&out.join("images.rs"), &images)
}

/// The `.cu` files of a folder, in alphabetical order.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let describe = |error| format!("cannot list {}: {error}", folder.display());
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).map_err(describe)? {
        let path = entry.map_err(describe)?.path();
        if path.extension().is_some_and(|extension| extension == "cu") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

/// The architectures to make machine code for, as numbers: `80` for `sm_80`.
fn architectures() -> Result<Vec<String>, String> {
    let default = if env::var("PROFILE").as_deref() == Ok("release") { RELEASE } else { "" };
    let list = env::var(ARCHITECTURES).unwrap_or_else(|_| default.to_owned());
    let mut architectures = Vec::new();
    for word in list.split([' ', ',', ';']).filter(|word| !word.is_empty()) {
        let number = word.strip_prefix("sm_").unwrap_or(word);
        // Letters follow the number where code is for one model alone: 90a, 120f.
        if !number.starts_with(|first: char| first.is_ascii_digit())
            || !number.chars().all(|character| character.is_ascii_alphanumeric())
        {
            return Err(format!(
                "{ARCHITECTURES}: {word:?} is no architecture; give a list such as \"80 90\" or \"\" for PTX alone"
            ));
        }
        architectures.push(number.to_owned());
    }
    Ok(architectures)
}

fn find_nvcc() -> Result<PathBuf, String> {
    let homes = ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(env::var_os)
        .map(|home| PathBuf::from(home).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/cuda/bin", "/opt/cuda/bin"].map(PathBuf::from);
    homes
        .chain(env::split_paths(&path))
        .chain(usual)
        .map(|folder| folder.join(if cfg!(windows) { "nvcc.exe" } else { "nvcc" }))
        .find(|nvcc| nvcc.is_file())
        .ok_or_else(|| {
            "zkmill: the feature `cuda` needs nvcc, the compiler of NVIDIA's CUDA toolkit (12.8 or newer), and it was not found in \
             $CUDA_HOME/bin, $CUDA_PATH/bin or $PATH.\n\
             Either install the toolkit (https://developer.nvidia.com/cuda-downloads) and set CUDA_HOME to its folder,\n\
             or, in a checkout of the repository and without root, run:  eval \"$(ci/cuda-toolkit)\"\n\
             To build for the CPU alone, leave the feature out."
                .to_owned()
        })
}

/// Compiles the sources, as many at a time as cargo allows this build jobs.
fn compile_all(
    sources: &[PathBuf],
    compile: &(dyn Fn(&Path, usize) -> Result<(), String> + Sync),
) -> Result<(), String> {
    let jobs = env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1).max(1);
    let workers = sources.len().min(jobs);
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), String> {
        while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
            compile(source, jobs / workers)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|worker| {
            worker.join().unwrap_or_else(|_| Err("zkmill: the build script panicked".to_owned()))
        });
        // All of them, so that every file's errors are shown at once.
        let failures: Vec<String> = results.filter_map(Result::err).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
    })
}

fn compile(
    nvcc: &Path,
    root: &Path,
    out: &Path,
    source: &Path,
    architectures: &[String],
    threads: usize,
) -> Result<(), String> {
    let mut command = Command::new(nvcc);
    command.args(["-fatbin", "-std=c++17", "-O3", "-lineinfo", "-I"]).arg(root.join("kernels"));
    command.arg(format!("-gencode=arch=compute_{PTX},code=compute_{PTX}"));
    for number in architectures {
        command.arg(format!("-gencode=arch=compute_{number},code=sm_{number}"));
    }
    command.arg(format!("--threads={threads}"));
    command.arg("-o").arg(out.join(format!("{}.fatbin", stem(source)))).arg(source);
    let output =
        command.output().map_err(|error| format!("zkmill: cannot run {}: {error}", nvcc.display()))?;
    let messages = [output.stdout, output.stderr].concat();
    let messages = String::from_utf8_lossy(&messages);
    if !output.status.success() {
        return Err(format!("zkmill: nvcc failed on {}\n{command:?}\n{messages}", source.display()));
    }
    for line in messages.lines().filter(|line| !line.trim().is_empty()) {
        println!("cargo:warning={line}");
    }
    Ok(())
}

fn stem(source: &Path) -> String {
    source.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn required(variable: &str) -> Result<String, String> {
    env::var(variable).map_err(|error| format!("zkmill: cargo did not set {variable}: {error}"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("zkmill: cannot write {}: {error}", path.display()))
}
