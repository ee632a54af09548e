//! Programs that are wrong, each in one way: the emulator must find it and name the line.

mod common;

use std::ptr::null_mut;

use common::compile::line_of;
use common::device::Param::{Int, Ptr};
use common::device::*;
use common::{Ended, compile, in_child};

/// Runs `body`, given the PTX of `tests/cu/faulty.cu`, under the checks named; `None` in the child and without nvcc.
#[track_caller]
fn faulty(test: &str, checks: &str, body: impl FnOnce(&str)) -> Option<Ended> {
    let ptx = compile::ptx("faulty")?;
    in_child(test, &[("CUDA_EMULATOR_CHECK", checks)], || {
        start();
        body(&ptx);
    })
}

/// The finding names the kernel, the line that bears the mark, block and thread, and a line of PTX.
#[track_caller]
fn expect_at(ended: Option<Ended>, kernel: &str, mark: &str, messages: &[&str]) {
    if let Some(ended) = ended {
        ended.expect_messages(messages);
        let line = line_of("faulty", &format!("BAD: {mark}"));
        ended.expect_messages(&[&line, "block (", "thread (", "at PTX line ", &format!("in {kernel}")]);
    }
}

/// Launches one block of a kernel and waits; the status.
fn run(ptx: &str, name: &str, block: u32, params: &[Param]) -> u32 {
    match launch(kernel(ptx, name), 1, block, 0, null_mut(), params) {
        0 => status!(cuCtxSynchronize()),
        refused => panic!("the launch was refused with {refused}"),
    }
}

#[test]
fn out_of_bounds() {
    let ended = faulty("out_of_bounds", "none", |ptx| {
        let memory = alloc(400);
        assert_eq!(run(ptx, "out_of_bounds", 32, &[Ptr(memory), Int(100)]), ILLEGAL_ADDRESS);
    });
    let messages =
        ["4-byte access to global memory out of bounds", "CUDA_ERROR_ILLEGAL_ADDRESS", "thread (31,0,0)"];
    expect_at(ended, "out_of_bounds", "out of bounds", &messages);
}

#[test]
fn far_out_of_bounds() {
    let ended = faulty("far_out_of_bounds", "none", |ptx| {
        let memory = upload(&[1u32; 4]);
        assert_eq!(run(ptx, "far_out_of_bounds", 1, &[Ptr(memory)]), ILLEGAL_ADDRESS);
    });
    expect_at(ended, "far_out_of_bounds", "far away", &["out of bounds"]);
}

#[test]
fn out_of_shared_memory() {
    let ended = faulty("out_of_shared_memory", "none", |ptx| {
        let memory = upload(&[1u32; 64]);
        let status = launch(kernel(ptx, "out_of_shared"), 1, 64, 128, null_mut(), &[Ptr(memory)]);
        assert_eq!(status, 0);
        assert_eq!(status!(cuCtxSynchronize()), ILLEGAL_ADDRESS);
    });
    expect_at(ended, "out_of_shared", "out of shared", &["shared memory out of bounds", "thread (32,0,0)"]);
}

#[test]
fn misaligned() {
    let ended = faulty("misaligned", "none", |ptx| {
        let memory = alloc(400);
        assert_eq!(run(ptx, "misaligned", 32, &[Ptr(memory)]), 716);
    });
    expect_at(
        ended,
        "misaligned",
        "misaligned",
        &["misaligned at 0x", "CUDA_ERROR_MISALIGNED_ADDRESS", "thread (1,0,0)"],
    );
}

#[test]
fn use_after_free() {
    let test = "use_after_free";
    let ended = faulty(test, "none", |ptx| {
        let (memory, output) = (upload(&[1u32; 32]), alloc(128));
        ok!(cuMemFree_v2(memory));
        assert_eq!(run(ptx, "reads", 32, &[Ptr(memory), Ptr(output)]), ILLEGAL_ADDRESS);
    });
    expect_at(ended, "reads", "reads", &["use after free", "given back by cuMemFree"]);
    let ended = faulty(test, "init", |ptx| {
        let (stream, output, mut memory) = (stream(), alloc(128), 0);
        ok!(cuMemAllocAsync(&mut memory, 128, stream));
        ok!(cuMemsetD8Async(memory, 0, 128, stream));
        ok!(cuMemFreeAsync(memory, stream));
        assert_eq!(launch(kernel(ptx, "reads"), 1, 32, 0, stream, &[Ptr(memory), Ptr(output)]), 0);
        assert_eq!(status!(cuStreamSynchronize(stream)), ILLEGAL_ADDRESS);
    });
    expect_at(ended, "reads", "reads", &["use after free", "given back by cuMemFreeAsync on stream"]);
}

#[test]
fn uninitialised() {
    let test = "uninitialised";
    let program = |expected: u32| {
        move |ptx: &str| {
            let (memory, output) = (alloc(128), alloc(128));
            ok!(cuMemsetD8_v2(memory, 0, 127));
            assert_eq!(run(ptx, "reads", 32, &[Ptr(memory), Ptr(output)]), expected);
        }
    };
    let ended = faulty(test, "init", program(LAUNCH_FAILED));
    expect_at(ended, "reads", "reads", &["read of global memory that was never written", "thread (31,0,0)"]);
    // Nothing is found that is not asked for.
    if let Some(ended) = faulty(test, "none", program(0)) {
        ended.expect_clean();
    }
}

#[test]
fn uninitialised_shared() {
    let ended = faulty("uninitialised_shared", "init", |ptx| {
        let output = alloc(256);
        assert_eq!(run(ptx, "shared_uninitialised", 48, &[Ptr(output)]), LAUNCH_FAILED);
    });
    let messages = ["read of shared memory that was never written", "thread (47,0,0)"];
    expect_at(ended, "shared_uninitialised", "shared uninitialised", &messages);
}

#[test]
fn shared_race() {
    let ended = faulty("shared_race", "race", |ptx| {
        let memory = upload(&[1u32; 64]);
        assert_eq!(run(ptx, "shared_race", 64, &[Ptr(memory)]), LAUNCH_FAILED);
    });
    expect_at(ended, "shared_race", "shared race", &["race on shared memory", "is not ordered after"]);
}

#[test]
fn global_race() {
    let test = "global_race";
    let ended = faulty(test, "race", |ptx| {
        let memory = alloc(128);
        let function = kernel(ptx, "global_race");
        assert_eq!(launch(function, 2, 32, 0, null_mut(), &[Ptr(memory)]), 0);
        assert_eq!(status!(cuCtxSynchronize()), LAUNCH_FAILED);
    });
    expect_at(ended, "global_race", "global race", &["race on global memory"]);
    let ended = faulty(test, "race,sync", |ptx| {
        let memory = alloc(1024);
        assert_eq!(run(ptx, "global_race_in_block", 64, &[Ptr(memory)]), LAUNCH_FAILED);
    });
    expect_at(ended, "global_race_in_block", "race within a block", &["race on global memory"]);
}

#[test]
fn missing_syncwarp() {
    let ended = faulty("missing_syncwarp", "race", |ptx| {
        let memory = upload(&[1u32; 32]);
        assert_eq!(run(ptx, "no_syncwarp", 32, &[Ptr(memory)]), LAUNCH_FAILED);
    });
    expect_at(ended, "no_syncwarp", "no syncwarp", &["race on shared memory"]);
}

#[test]
fn divergent_barrier() {
    let ended = faulty("divergent_barrier", "sync", |ptx| {
        let memory = alloc(256);
        assert_eq!(run(ptx, "divergent_barrier", 64, &[Ptr(memory)]), LAUNCH_FAILED);
    });
    expect_at(ended, "divergent_barrier", "divergent barrier", &["divergent barrier"]);
}

#[test]
fn absent_lanes() {
    let ended = faulty("absent_lanes", "sync", |ptx| {
        let memory = upload(&[0u32; 32]);
        assert_eq!(run(ptx, "absent_lanes", 32, &[Ptr(memory)]), LAUNCH_FAILED);
    });
    expect_at(ended, "absent_lanes", "absent lanes", &["warp synchronisation"]);
}

#[test]
fn deadlock() {
    let ptx = compile::ptx("faulty");
    let environment = [("CUDA_EMULATOR_CHECK", "none"), ("CUDA_EMULATOR_PATIENCE", "10000")];
    let ended = ptx.and_then(|ptx| {
        in_child("deadlock", &environment, || {
            start();
            let memory = upload(&[0u32]);
            assert_eq!(run(&ptx, "deadlock", 32, &[Ptr(memory)]), 702);
        })
    });
    expect_at(ended, "deadlock", "deadlock", &["deadlock", "CUDA_ERROR_LAUNCH_TIMEOUT"]);
}

#[test]
fn failed_assertions_and_traps() {
    let test = "failed_assertions_and_traps";
    let ended = faulty(test, "none", |ptx| {
        let memory = upload(&[0u32, 1, 2, 3, 4, 5]);
        assert_eq!(run(ptx, "asserts", 6, &[Ptr(memory)]), 710);
    });
    expect_at(ended, "asserts", "asserts", &["data[threadIdx.x] < 5", "CUDA_ERROR_ASSERT", "thread (5,0,0)"]);
    let ended = faulty(test, "init", |ptx| {
        let memory = upload(&[0u32, 1, 2, 3, 4, 5]);
        assert_ne!(run(ptx, "traps", 6, &[Ptr(memory)]), 0);
    });
    expect_at(ended, "traps", "traps", &["trap"]);
}

#[test]
fn an_error_of_a_kernel_sticks() {
    let ended = faulty("an_error_of_a_kernel_sticks", "none", |ptx| {
        let (memory, stream) = (alloc(400), stream());
        let function = kernel(ptx, "out_of_bounds");
        // The call itself cannot know.
        assert_eq!(launch(function, 1, 32, 0, stream, &[Ptr(memory), Int(100)]), 0);
        assert_eq!(status!(cuStreamSynchronize(stream)), ILLEGAL_ADDRESS);
        assert_eq!(launch(function, 1, 32, 0, stream, &[Ptr(memory), Int(99)]), ILLEGAL_ADDRESS);
        assert_eq!(status!(cuMemcpyDtoH_v2(to(&mut [0u32]), memory, 4)), ILLEGAL_ADDRESS);
        assert_eq!(status!(cuMemFree_v2(memory)), ILLEGAL_ADDRESS);
    });
    ended.inspect(|ended| assert_eq!(ended.stderr.matches("cuda-emulator: ").count(), 1, "{}", ended.stderr));
}

/// Two kernels on two streams, the second on the elements that the first fills, or on others.
fn two_kernels(
    test: &str,
    environment: &[(&str, &str)],
    apart: u32,
    ordered: bool,
    expected: u32,
) -> Option<Ended> {
    let ptx = compile::ptx("faulty")?;
    in_child(test, environment, || {
        start();
        let (first, second) = (stream(), stream());
        let data = alloc(4096);
        let output = upload(&[0u32; 32]);
        ok!(cuMemsetD8_v2(data, 0, 4096));
        ok!(cuCtxSynchronize());
        assert_eq!(launch(kernel(&ptx, "fill"), 1, 32, 0, first, &[Ptr(data), Int(3)]), 0);
        if ordered {
            let event = event();
            ok!(cuEventRecord(event, first));
            ok!(cuStreamWaitEvent(second, event, 0));
        }
        let from = data + 4 * u64::from(apart);
        assert_eq!(launch(kernel(&ptx, "add"), 1, 32, 0, second, &[Ptr(from), Ptr(output)]), 0);
        assert_eq!(status!(cuCtxSynchronize()), expected);
        if expected == 0 {
            assert_eq!(download(output, 32), [if apart < 32 { 3 } else { 0 }; 32]);
            ok!(cuMemFree_v2(data));
            ok!(cuMemFree_v2(output));
        }
    })
}

#[test]
fn missing_stream_synchronisation() {
    let test = "missing_stream_synchronisation";
    for seed in ["1", "2", "3", "4"] {
        let ended = two_kernels(test, &[("CUDA_EMULATOR_SEED", seed)], 0, false, LAUNCH_FAILED);
        ended.inspect(|ended| {
            ended.expect_messages(&[
                "stream race: kernel ",
                "kernel fill on stream ",
                "kernel add on stream ",
            ]);
            ended.expect_messages(&["128 bytes at 0x"]);
        });
    }
}

#[test]
fn ordered_or_disjoint_kernels_do_not_race() {
    let test = "ordered_or_disjoint_kernels_do_not_race";
    for seed in ["1", "2"] {
        let ended = two_kernels(test, &[("CUDA_EMULATOR_SEED", seed)], 0, true, 0);
        ended.inspect(|ended| ended.expect_clean());
    }
    for seed in ["3", "4"] {
        let ended = two_kernels(test, &[("CUDA_EMULATOR_SEED", seed)], 32, false, 0);
        ended.inspect(|ended| ended.expect_clean());
    }
}

#[test]
fn kernels_that_only_read_do_not_race() {
    let Some(ptx) = compile::ptx("faulty") else { return };
    let ended = in_child("kernels_that_only_read_do_not_race", &[], || {
        start();
        let data = upload(&[5u32; 32]);
        let outputs = [upload(&[0u32; 32]), upload(&[1u32; 32])];
        for output in outputs {
            assert_eq!(launch(kernel(&ptx, "add"), 1, 32, 0, stream(), &[Ptr(data), Ptr(output)]), 0);
        }
        ok!(cuCtxSynchronize());
        assert_eq!([download(outputs[0], 1), download(outputs[1], 1)], [[5], [6]]);
        for memory in [data, outputs[0], outputs[1]] {
            ok!(cuMemFree_v2(memory));
        }
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn memory_freed_while_a_kernel_uses_it() {
    let ended = faulty("memory_freed_while_a_kernel_uses_it", "stream", |ptx| {
        let data = alloc(128);
        assert_eq!(launch(kernel(ptx, "fill"), 1, 32, 0, stream(), &[Ptr(data), Int(3)]), 0);
        assert_eq!(status!(cuMemFree_v2(data)), LAUNCH_FAILED);
    });
    ended.inspect(|ended| {
        ended.expect_messages(&["cuMemFree: 128 bytes", "kernel fill on stream", "uses it and has not run"]);
    });
}

#[test]
fn leak() {
    let ended = faulty("leak", "leak", |ptx| {
        let data = alloc(128);
        assert_eq!(run(ptx, "fill", 32, &[Ptr(data), Int(3)]), 0);
    });
    ended.inspect(|ended| ended.expect_messages(&["leak: 1 allocations, 128 bytes, not freed"]));
}

/// Whether some seed below 50 makes `body`'s result, printed after `RESULT`, differ from `expected`; `None` without nvcc.
fn differs(test: &str, name: &str, expected: &str, body: impl Fn(&str) -> Vec<u32>) -> Option<bool> {
    let ptx = compile::ptx(name)?;
    let mut tried = false;
    let seeds: Vec<String> = (0..50).map(|seed| seed.to_string()).collect();
    for seed in &seeds {
        let environment = [("CUDA_EMULATOR_CHECK", "none"), ("CUDA_EMULATOR_SEED", seed.as_str())];
        let ended = in_child(test, &environment, || {
            start();
            println!("\nRESULT {:?}", body(&ptx));
        });
        // In the child, the seed is another one's.
        let Some(ended) = ended else { continue };
        tried = true;
        ended.expect_clean();
        let result = ended.stdout.lines().find_map(|line| line.strip_prefix("RESULT ")).unwrap();
        if result != expected {
            return Some(true);
        }
    }
    tried.then_some(false)
}

#[test]
fn the_scheduler_breaks_an_order_of_blocks() {
    let found = differs("the_scheduler_breaks_an_order_of_blocks", "grids", "[0, 1, 2, 3]", |ptx| {
        let (ticket, output) = (upload(&[0u32]), alloc(16));
        assert_eq!(launch(kernel(ptx, "in_order"), 4, 32, 0, null_mut(), &[Ptr(ticket), Ptr(output)]), 0);
        download(output, 4)
    });
    assert_ne!(found, Some(false));
}

#[test]
fn the_scheduler_breaks_an_order_of_warps() {
    let found = differs("the_scheduler_breaks_an_order_of_warps", "grids", "[0, 1, 2, 3]", |ptx| {
        let output = alloc(16);
        assert_eq!(launch(kernel(ptx, "warps_in_order"), 1, 128, 0, null_mut(), &[Ptr(output)]), 0);
        download(output, 4)
    });
    assert_ne!(found, Some(false));
}

#[test]
fn the_scheduler_breaks_a_missing_syncwarp() {
    let test = "the_scheduler_breaks_a_missing_syncwarp";
    let expected =
        format!("{:?}", (0..32).map(|lane| if lane < 16 { lane + 116 } else { 0 }).collect::<Vec<u32>>());
    let found = differs(test, "faulty", &expected, |ptx| {
        let data = upload(&(100..132).collect::<Vec<u32>>());
        assert_eq!(launch(kernel(ptx, "diverged_without_syncwarp"), 1, 32, 0, null_mut(), &[Ptr(data)]), 0);
        download(data, 32)
    });
    assert_ne!(found, Some(false));
}
