//! Kernels with known answers, compiled by nvcc and launched through the driver API: unchecked, checked, and under the random
//! scheduler. The emulator must find nothing in them.

mod common;

use std::ptr::null_mut;

use common::device::Param::{Int, Ptr};
use common::device::*;
use common::{compile, in_child};

const ENVIRONMENTS: [&[(&str, &str)]; 5] = [
    &[("CUDA_EMULATOR_CHECK", "none")],
    &[("CUDA_EMULATOR_CHECK", "all")],
    &[("CUDA_EMULATOR_CHECK", "all"), ("CUDA_EMULATOR_SEED", "1")],
    &[("CUDA_EMULATOR_CHECK", "all"), ("CUDA_EMULATOR_SEED", "2")],
    &[("CUDA_EMULATOR_DEVICE", "sm_75"), ("CUDA_EMULATOR_THREADS", "2")],
];

/// Runs `body` with the PTX of `tests/cu/<name>.cu` in each of the environments; returns what the children printed.
#[track_caller]
fn everywhere(test: &str, name: &str, body: impl Fn(&str)) -> Vec<String> {
    let Some(ptx) = compile::ptx(name) else { return Vec::new() };
    let mut printed = Vec::new();
    for environment in ENVIRONMENTS {
        let ended = in_child(test, environment, || {
            start();
            body(&ptx);
            ok!(cuCtxSynchronize());
            let mut context = null_mut();
            ok!(cuCtxGetCurrent(&mut context));
            ok!(cuCtxDestroy_v2(context));
        });
        if let Some(ended) = ended {
            ended.expect_clean();
            printed.push(ended.stdout);
        }
    }
    printed
}

/// Numbers that look random.
fn numbers(count: usize, below: u32) -> Vec<u32> {
    let mut state = 0x2545_f491u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % below
    };
    (0..count).map(|_| next()).collect()
}

/// Gives device memory back.
fn free(addresses: &[u64]) {
    ok!(cuCtxSynchronize());
    addresses.iter().for_each(|&address| ok!(cuMemFree_v2(address)));
}

/// Launches a kernel on the default stream, which must be possible.
fn run(function: Function, grid: u32, block: u32, shared: u32, params: &[Param]) {
    assert_eq!(launch(function, grid, block, shared, null_mut(), params), 0);
}

#[test]
fn elementwise_with_constants() {
    everywhere("elementwise_with_constants", "basics", |ptx| {
        let x = numbers(1000, u32::MAX);
        let (input, output) = (upload(&x), alloc(4000));
        run(kernel(ptx, "scale"), 3, 64, 0, &[Int(7), Ptr(input), Ptr(output), Int(1000)]);
        let table = [3, 1, 4, 1, 5, 9, 2, 6];
        let expected: Vec<_> =
            x.iter().enumerate().map(|(i, x)| x.wrapping_mul(7).wrapping_add(table[i % 8])).collect();
        assert_eq!(download(output, 1000), expected);
        free(&[input, output]);
    });
}

#[test]
fn dynamic_shared_memory_has_the_size_of_the_launch() {
    everywhere("dynamic_shared_memory_has_the_size_of_the_launch", "basics", |ptx| {
        let data: Vec<u32> = (0..192).collect();
        let memory = upload(&data);
        run(kernel(ptx, "reverse"), 2, 96, 96 * 4, &[Ptr(memory)]);
        let expected: Vec<u32> = (0..96).rev().chain((96..192).rev()).collect();
        assert_eq!(download(memory, 192), expected);
        free(&[memory]);
    });
}

#[test]
fn functions_are_called_and_recurse() {
    fn gcd(a: u32, b: u32) -> u32 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    everywhere("functions_are_called_and_recurse", "basics", |ptx| {
        let (a, b) = (numbers(64, 1 << 20), numbers(64, 1 << 12));
        let (left, right, output) = (upload(&a), upload(&b), alloc(512));
        run(kernel(ptx, "functions"), 1, 64, 0, &[Ptr(left), Ptr(right), Ptr(output)]);
        let power = |base: u32, exponent: u32| {
            (0..exponent).fold(1u64, |result, _| result * u64::from(base) % 1_000_000_007) as u32
        };
        let expected: Vec<_> = a.iter().zip(&b).flat_map(|(&a, &b)| [gcd(a, b), power(a, b)]).collect();
        assert_eq!(download(output, 128), expected);
        free(&[left, right, output]);
    });
}

#[test]
fn carries_ripple_through_a_product() {
    everywhere("carries_ripple_through_a_product", "basics", |ptx| {
        let cases = [[u32::MAX; 8], [1, 0, 0, 0, u32::MAX, u32::MAX, u32::MAX, u32::MAX]];
        for case in cases.into_iter().chain((1..20).map(|k| {
            let words = numbers(8 * k, u32::MAX);
            std::array::from_fn(|i| words[8 * (k - 1) + i])
        })) {
            let (a, b, output) = (upload(&case[..4]), upload(&case[4..]), alloc(32));
            run(kernel(ptx, "product"), 1, 1, 0, &[Ptr(a), Ptr(b), Ptr(output)]);
            let mut expected = [0u64; 8];
            for i in 0..4 {
                let mut carry = 0;
                for j in 0..4 {
                    let sum = expected[i + j] + u64::from(case[i]) * u64::from(case[4 + j]) + carry;
                    expected[i + j] = sum & 0xffff_ffff;
                    carry = sum >> 32;
                }
                expected[i + 4] = carry;
            }
            assert_eq!(download(output, 8), expected.map(|word| word as u32));
            free(&[a, b, output]);
        }
    });
}

#[test]
fn atomics_count_and_compare() {
    everywhere("atomics_count_and_compare", "basics", |ptx| {
        let data = numbers(2000, 1 << 30);
        let (input, bins, largest) = (upload(&data), upload(&[0u32; 16]), upload(&[0u32]));
        let function = kernel(ptx, "histogram");
        run(function, 5, 96, 0, &[Ptr(input), Int(2000), Ptr(bins), Ptr(largest)]);
        let mut expected = vec![0; 16];
        data.iter().for_each(|number| expected[(number % 16) as usize] += 1);
        assert_eq!(download(bins, 16), expected);
        assert_eq!(download(largest, 1), [*data.iter().max().unwrap()]);
        free(&[input, bins, largest]);
    });
}

#[test]
fn variables_of_a_module_have_an_address() {
    everywhere("variables_of_a_module_have_an_address", "basics", |ptx| {
        let (mut module, mut function) = (null_mut(), null_mut());
        let ptx = std::ffi::CString::new(ptx).unwrap();
        ok!(cuModuleLoadData(&mut module, ptx.as_ptr().cast()));
        ok!(cuModuleGetFunction(&mut function, module, c"histogram".as_ptr()));
        assert_eq!(status!(cuModuleGetFunction(&mut function, module, c"nothing".as_ptr())), 500);
        let (mut address, mut bytes) = (0, 0);
        ok!(cuModuleGetGlobal_v2(&mut address, &mut bytes, module, c"counter".as_ptr()));
        assert_eq!((download(address, 1), bytes), (vec![0], 4));
        let (input, bins, largest) = (upload(&[1u32; 32]), upload(&[0u32; 16]), upload(&[0u32]));
        run(function, 6, 32, 0, &[Ptr(input), Int(32), Ptr(bins), Ptr(largest)]);
        assert_eq!(download(address, 1), [6]);
        ok!(cuModuleUnload(module));
        let mut host = [0u32];
        assert_eq!(status!(cuMemcpyDtoH_v2(to(&mut host), address, 4)), INVALID_VALUE);
        assert_eq!(launch(function, 1, 32, 0, null_mut(), &[]), INVALID_HANDLE);
        free(&[input, bins, largest]);
    });
}

#[test]
fn the_last_block_sees_what_the_others_wrote() {
    everywhere("the_last_block_sees_what_the_others_wrote", "basics", |ptx| {
        let data = numbers(40, 1 << 20);
        let (input, parts, ticket, sum) = (upload(&data), alloc(80), upload(&[0u32]), alloc(4));
        run(kernel(ptx, "total"), 20, 32, 0, &[Ptr(input), Ptr(parts), Ptr(ticket), Ptr(sum)]);
        assert_eq!(download(sum, 1), [data.iter().sum::<u32>()]);
        free(&[input, parts, ticket, sum]);
    });
}

#[test]
fn printf_prints() {
    let printed = everywhere("printf_prints", "basics", |ptx| {
        run(kernel(ptx, "greet"), 2, 32, 0, &[Int(1)]);
    });
    for text in printed {
        for block in 0..2 {
            let line = format!("thread 0 of block {block}: -1234567890123 text beef z|  -42|7   |%\n");
            assert!(text.contains(&line), "{text}");
        }
    }
}

#[test]
fn lanes_shuffle_in_divergent_code() {
    everywhere("lanes_shuffle_in_divergent_code", "warps", |ptx| {
        let data = numbers(64, 1 << 20);
        let (input, output) = (upload(&data), alloc(256));
        run(kernel(ptx, "parity_sums"), 1, 64, 0, &[Ptr(input), Ptr(output)]);
        let sum = |warp: usize, parity: usize| -> u32 {
            data[32 * warp..][..32].iter().skip(parity).step_by(2).copied().sum()
        };
        let expected: Vec<_> = (0..64).map(|i| sum(i / 32, i % 2)).collect();
        assert_eq!(download(output, 64), expected);
        run(kernel(ptx, "scan"), 1, 64, 0, &[Ptr(input), Ptr(output)]);
        let expected: Vec<_> = (0..64).map(|i| data[i / 32 * 32..=i].iter().sum::<u32>()).collect();
        assert_eq!(download(output, 64), expected);
        free(&[input, output]);
    });
}

#[test]
fn lanes_vote_and_match() {
    everywhere("lanes_vote_and_match", "warps", |ptx| {
        let data = numbers(32, 8);
        let (input, output) = (upload(&data), alloc(32 * 24));
        run(kernel(ptx, "votes"), 1, 32, 0, &[Ptr(input), Ptr(output)]);
        let mask = |test: &dyn Fn(u32) -> bool| {
            data.iter().enumerate().fold(0u32, |mask, (i, &value)| mask | u32::from(test(value)) << i)
        };
        let odd = mask(&|value| value % 2 == 1);
        let result = download(output, 192);
        for (lane, out) in result.chunks(6).enumerate() {
            let value = data[lane];
            let same = mask(&|other| other == value);
            let expected =
                [odd, u32::from(data.contains(&7)), 1, same, mask(&|value| value > 3).count_ones()];
            assert_eq!(out[..5], expected);
            // Which odd lanes are active together is the scheduler's choice; each is so with itself.
            assert_eq!(out[5] & !odd, 0);
            assert_eq!(out[5] >> lane & 1, value & 1);
        }
        free(&[input, output]);
    });
}

#[test]
fn a_warp_exchanges_through_shared_memory() {
    everywhere("a_warp_exchanges_through_shared_memory", "warps", |ptx| {
        let data: Vec<u32> = (0..32).collect();
        let memory = upload(&data);
        run(kernel(ptx, "exchange"), 1, 32, 0, &[Ptr(memory)]);
        assert_eq!(download(memory, 32), (0..32).map(|i| i ^ 1).collect::<Vec<u32>>());
        free(&[memory]);
    });
}

#[test]
fn lanes_make_progress_independently() {
    everywhere("lanes_make_progress_independently", "warps", |ptx| {
        let (lock, value) = (upload(&[0u32]), upload(&[1u32]));
        run(kernel(ptx, "locked"), 2, 32, 0, &[Ptr(lock), Ptr(value)]);
        let expected = (0..64).fold(1u32, |value, _| value.wrapping_mul(3).wrapping_add(1));
        assert_eq!(download(value, 1), [expected]);
        free(&[lock, value]);
    });
}

#[test]
fn cub_scans_sorts_and_reduces() {
    everywhere("cub_scans_sorts_and_reduces", "blocks", |ptx| {
        let data = numbers(512, 1000);
        let (input, first, second) = (upload(&data), alloc(2048), alloc(2048));
        run(kernel(ptx, "block_scan"), 1, 128, 0, &[Ptr(input), Ptr(first), Ptr(second)]);
        let expected: Vec<_> = (0..512).map(|i| data[..i].iter().sum::<u32>()).collect();
        assert_eq!(download(first, 512), expected);
        assert_eq!(download(second, 1), [data.iter().sum::<u32>()]);

        run(kernel(ptx, "block_sort"), 1, 128, 0, &[Ptr(input), Ptr(first), Ptr(second)]);
        let mut order: Vec<u32> = (0..512).collect();
        order.sort_by_key(|&i| data[i as usize]);
        assert_eq!(download(first, 512), order.iter().map(|&i| data[i as usize]).collect::<Vec<_>>());
        assert_eq!(download(second, 512), order);

        run(kernel(ptx, "block_reduce"), 1, 128, 0, &[Ptr(input), Ptr(first)]);
        let least = (0..4).map(|warp| *data[32 * warp..][..32].iter().min().unwrap());
        let expected: Vec<_> = [data[..128].iter().sum()].into_iter().chain(least).collect();
        assert_eq!(download(first, 5), expected);
        free(&[input, first, second]);
    });
}

#[test]
fn a_grid_synchronises() {
    everywhere("a_grid_synchronises", "grids", |ptx| {
        let mut data = numbers(160, 1 << 20);
        let (memory, other) = (upload(&data), alloc(640));
        let (mut a, mut b, mut rounds) = (memory, other, 6u32);
        let mut each = [(&raw mut a).cast(), (&raw mut b).cast(), (&raw mut rounds).cast()];
        let function = kernel(ptx, "rounds");
        let each = each.as_mut_ptr();
        ok!(cuLaunchCooperativeKernel(function, 5, 1, 1, 32, 1, 1, 0, null_mut(), each));
        for _ in 0..6 {
            data = (0..160).map(|i| data[i].wrapping_add(data[(i + 1) % 160])).collect();
        }
        assert_eq!(download(memory, 160), data);
        free(&[memory, other]);
    });
}

#[test]
fn impossible_launches_are_refused() {
    let Some(ptx) = compile::ptx("basics") else { return };
    let ended = in_child("impossible_launches_are_refused", &[("CUDA_EMULATOR_DEVICE", "sm_86")], || {
        start();
        let function = kernel(&ptx, "reverse");
        let memory = upload(&[0u32; 1024]);
        let launch = |grid, block, shared| launch(function, grid, block, shared, null_mut(), &[Ptr(memory)]);
        assert_eq!(launch(0, 32, 0), INVALID_VALUE);
        assert_eq!(launch(1, 0, 0), INVALID_VALUE);
        assert_eq!(launch(1, 1025, 0), INVALID_VALUE);
        assert_eq!(launch(1 << 31, 32, 0), INVALID_VALUE);
        assert_eq!(launch(1, 32, (48 << 10) + 1), INVALID_VALUE);
        assert_eq!(launch(1, 32, 48 << 10), 0);
        let mut most = 0;
        ok!(cuFuncGetAttribute(&mut most, 8, function));
        assert_eq!(most, 48 << 10);
        assert_eq!(status!(cuFuncSetAttribute(function, 8, (99 << 10) + 1)), INVALID_VALUE);
        ok!(cuFuncSetAttribute(function, 8, 99 << 10));
        assert_eq!(launch(1, 32, 99 << 10), 0);
        assert_eq!(launch(1, 32, (99 << 10) + 1), INVALID_VALUE);
        let mut blocks = 0;
        ok!(cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut blocks, function, 256, 40 << 10));
        assert_eq!(blocks, 2);
        // A null list of parameters, though there are some.
        assert_eq!(
            status!(cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 128, null_mut(), null_mut(), null_mut())),
            INVALID_VALUE
        );
        ok!(cuCtxSynchronize());
        ok!(cuMemFree_v2(memory));
    });
    ended.inspect(|ended| {
        ended.expect_messages(&[
            "cannot launch reverse: a block of [1025, 1, 1]",
            "bytes of dynamic shared memory",
        ]);
    });
}

#[test]
fn cooperative_blocks_must_fit_on_the_device() {
    let Some(ptx) = compile::ptx("grids") else { return };
    let environment = [("CUDA_EMULATOR_DEVICE", "sm_86"), ("CUDA_EMULATOR_MULTIPROCESSORS", "2")];
    let ended = in_child("cooperative_blocks_must_fit_on_the_device", &environment, || {
        start();
        let data = upload(&[1u32; 2048]);
        let (mut a, mut b, mut rounds) = (data, data + 4096, 1u32);
        let mut each = [(&raw mut a).cast(), (&raw mut b).cast(), (&raw mut rounds).cast()];
        let (function, each) = (kernel(&ptx, "rounds"), each.as_mut_ptr());
        let launch = |blocks| {
            status!(cuLaunchCooperativeKernel(function, blocks, 1, 1, 32, 1, 1, 0, null_mut(), each))
        };
        // Sixteen blocks fit on each of two multiprocessors.
        assert_eq!(launch(33), 720);
        assert_eq!(launch(32), 0);
        assert_eq!(download(data + 4096, 1024), [2; 1024]);
        ok!(cuMemFree_v2(data));
    });
    ended.inspect(|ended| {
        ended.expect_messages(&["33 cooperative blocks; 32 fit on the device at once"]);
    });
}

#[test]
fn every_kind_of_fat_binary_is_read() {
    let kinds: [&[&str]; 4] = [
        &["-Xfatbin", "-compress-all"],
        &["--no-compress"],
        &["-Xfatbin", "-compress-all", "--compress-mode=speed"],
        &["-Xfatbin", "-compress-all", "--compress-mode=size"],
    ];
    for kind in kinds {
        let mut options = vec!["-fatbin", "-std=c++17", "-gencode", "arch=compute_75,code=compute_75"];
        options.extend([
            "-gencode",
            "arch=compute_80,code=compute_80",
            "-gencode",
            "arch=compute_80,code=sm_80",
        ]);
        options.extend(kind);
        let Some(path) = compile::compile("basics", "fatbin", &options) else { return };
        let test = "every_kind_of_fat_binary_is_read";
        // The two environments make the children distinct as well.
        let environment =
            [("CUDA_EMULATOR_DEVICE", "sm_89"), ("CUDA_EMULATOR_TEST_IMAGE", path.to_str().unwrap())];
        let ended = in_child(test, &environment, || {
            start();
            let (mut module, mut function) = (null_mut(), null_mut());
            let image = std::fs::read(&path).unwrap();
            ok!(cuModuleLoadData(&mut module, from(&image)));
            ok!(cuModuleGetFunction(&mut function, module, c"scale".as_ptr()));
            let mut target = 0;
            ok!(cuFuncGetAttribute(&mut target, 5, function));
            assert_eq!(target, 80);
            let (input, output) = (upload(&[5u32; 8]), alloc(32));
            run(function, 1, 8, 0, &[Int(2), Ptr(input), Ptr(output), Int(8)]);
            assert_eq!(download(output, 8), [13, 11, 14, 11, 15, 19, 12, 16]);
            let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
            ok!(cuModuleLoad(&mut module, name.as_ptr()));
            ok!(cuModuleGetFunction(&mut function, module, c"reverse".as_ptr()));
            free(&[input, output]);
        });
        ended.inspect(|ended| ended.expect_clean());
    }
}

#[test]
fn counters_are_written_and_repeat() {
    let Some(ptx) = compile::ptx("basics") else { return };
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut texts = Vec::new();
    for (threads, checks) in [("1", "none"), ("2", "all"), ("3", "init")] {
        let path = folder.join(format!("counters{threads}.json"));
        let environment = [
            ("CUDA_EMULATOR_COUNTERS", path.to_str().unwrap()),
            ("CUDA_EMULATOR_THREADS", threads),
            ("CUDA_EMULATOR_CHECK", checks),
        ];
        let ended = in_child("counters_are_written_and_repeat", &environment, || {
            start();
            let (input, output) = (upload(&[5u32; 128]), alloc(512));
            let function = kernel(&ptx, "scale");
            for n in [128, 64] {
                run(function, 2, 64, 0, &[Int(2), Ptr(input), Ptr(output), Int(n)]);
            }
            free(&[input, output]);
        });
        if let Some(ended) = ended {
            ended.expect_clean();
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    let [first, others @ ..] = &texts[..] else { return };
    assert!(others.iter().all(|other| other == first), "{texts:?}");
    let file: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(file["device"], "sm_90");
    assert_eq!(file["launches"].as_array().unwrap().len(), 2);
    assert_eq!(file["launches"][1]["kernel"], "scale");
    assert_eq!(file["launches"][0]["grid"], serde_json::json!([2, 1, 1]));
    let sum = &file["kernels"]["scale"];
    assert_eq!((&sum["launches"], &sum["blocks"], &sum["threads"]), (&2.into(), &4.into(), &256.into()));
    // 128 and 64 elements are read and written by whole warps: six requests each way, four sectors each.
    assert_eq!((&sum["global_requests"], &sum["global_sectors"]), (&12.into(), &48.into()));
}
