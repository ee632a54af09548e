//! nvcc in the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// If set (to anything), a missing nvcc fails the tests instead of skipping them.
const DEMAND: &str = "CUDA_EMULATOR_TEST_DEMANDS_NVCC";

fn nvcc() -> Result<PathBuf, String> {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let toolkit = crate_root.join("../../target/cuda-toolkit/nvidia/cu13/bin/nvcc");
    let home = std::env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin/nvcc"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = home.into_iter().chain([toolkit]).collect::<Vec<_>>();
    candidates.extend(std::env::split_paths(&path).map(|folder| folder.join("nvcc")));
    let found = candidates.into_iter().find(|candidate| candidate.is_file());
    found.ok_or_else(|| "no nvcc in CUDA_HOME, target/cuda-toolkit or PATH: run ci/cuda-toolkit".to_owned())
}

/// Compiles `tests/cu/<name>.cu` with nvcc and the options given; the path of the result, named `<name>.<extension>`. `None`, said
/// loudly, if there is no nvcc.
pub fn compile(name: &str, extension: &str, options: &[&str]) -> Option<PathBuf> {
    let nvcc = match nvcc() {
        Ok(nvcc) => nvcc,
        Err(why) if std::env::var_os(DEMAND).is_none() => {
            eprintln!("SKIPPED, nothing was tested: {why}");
            return None;
        }
        Err(why) => panic!("{why}"),
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cu").join(name).with_extension("cu");
    let digest = options
        .iter()
        .flat_map(|option| option.bytes())
        .fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{digest:08x}.{extension}"));
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let newer = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    if newer(&output) > newer(&source) {
        return Some(output);
    }
    // Test binaries may run side by side: each writes a file of its own, the last to finish names it.
    let partial = output.with_extension(format!("{}.{extension}", std::process::id()));
    let mut command = Command::new(nvcc);
    command.args(options).arg("-lineinfo").arg("-o").arg(&partial).arg(&source);
    let run = command.output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    std::fs::rename(&partial, &output).unwrap();
    Some(output)
}

/// The PTX of `tests/cu/<name>.cu`; `None`, said loudly, if there is no nvcc.
pub fn ptx(name: &str) -> Option<String> {
    let path = compile(name, "ptx", &["-ptx", "-arch=compute_75", "-std=c++17"])?;
    Some(std::fs::read_to_string(path).unwrap())
}

/// The line of `tests/cu/<name>.cu` that holds `marker`, from 1, as findings name it: `<name>.cu:<line>`.
pub fn line_of(name: &str, marker: &str) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cu").join(name).with_extension("cu");
    let text = std::fs::read_to_string(source).unwrap();
    let lines: Vec<_> = text.lines().enumerate().filter(|(_, line)| line.contains(marker)).collect();
    assert_eq!(lines.len(), 1, "{marker:?} must be in one line of {name}.cu");
    format!("{name}.cu:{}", lines[0].0 + 1)
}
