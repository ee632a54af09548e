//! The driver without kernels: contexts, handles, streams, events, copies, and the findings about them. Each test runs in a
//! process of its own, as programs do.

mod common;

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::device::*;
use common::in_child;

#[test]
fn nothing_works_before_it_is_initialised() {
    let ended = in_child("nothing_works_before_it_is_initialised", &[], || {
        let mut value = 0;
        assert_eq!(status!(cuDeviceGetAttribute(&mut value, 75, 0)), 3);
        assert_eq!(status!(cuCtxSynchronize()), 3);
        assert_eq!(status!(cuInit(1)), INVALID_VALUE);
        ok!(cuInit(0));
        ok!(cuInit(0));
        assert_eq!(status!(cuCtxSynchronize()), INVALID_CONTEXT);
        let mut address = 0;
        assert_eq!(status!(cuMemAlloc_v2(&mut address, 16)), INVALID_CONTEXT);
        assert_eq!(status!(cuDeviceGetAttribute(&mut value, 75, 1)), 101);
        assert_eq!(status!(cuDeviceGetAttribute(null_mut(), 75, 0)), INVALID_VALUE);
        ok!(cuDeviceGetAttribute(&mut value, 75, 0));
        assert_eq!(value, 9);
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn the_environment_chooses_the_device() {
    let environment = [
        ("CUDA_EMULATOR_DEVICE", "sm_75"),
        ("CUDA_EMULATOR_MULTIPROCESSORS", "3"),
        ("CUDA_EMULATOR_MEMORY", "1M"),
    ];
    let ended = in_child("the_environment_chooses_the_device", &environment, || {
        start();
        let (mut value, mut free, mut total) = (0, 0, 0);
        ok!(cuDeviceGetAttribute(&mut value, 76, 0));
        assert_eq!(value, 5);
        ok!(cuDeviceGetAttribute(&mut value, 16, 0));
        assert_eq!(value, 3);
        ok!(cuMemGetInfo_v2(&mut free, &mut total));
        assert_eq!((free, total), (1 << 20, 1 << 20));
        let mut name = [0; 8];
        ok!(cuDeviceGetName(name.as_mut_ptr(), 8, 0));
        assert_eq!(name.map(|byte| byte as u8), *b"Emulate\0");
    });
    ended.inspect(|ended| ended.expect_clean());

    let wrong = in_child("the_environment_chooses_the_device", &[("CUDA_EMULATOR_DEVICE", "sm_1")], || {
        assert_eq!(status!(cuInit(0)), INVALID_VALUE);
    });
    wrong.inspect(|ended| ended.expect_messages(&["CUDA_EMULATOR_DEVICE=\"sm_1\": expected sm_75"]));
}

#[test]
fn memory_runs_out_and_comes_back() {
    let ended = in_child("memory_runs_out_and_comes_back", &[("CUDA_EMULATOR_MEMORY", "1M")], || {
        start();
        let first = alloc(600 << 10);
        let mut second = 0;
        assert_eq!(status!(cuMemAlloc_v2(&mut second, 600 << 10)), OUT_OF_MEMORY);
        assert_eq!(status!(cuMemAlloc_v2(&mut second, 0)), INVALID_VALUE);
        assert_eq!(status!(cuMemAlloc_v2(null_mut(), 16)), INVALID_VALUE);
        // Running out does not harm the context.
        ok!(cuCtxSynchronize());
        ok!(cuMemFree_v2(first));
        ok!(cuMemAlloc_v2(&mut second, 600 << 10));
        // Memory freed in stream order comes back when the stream comes to it.
        let stream = stream();
        ok!(cuMemFreeAsync(second, stream));
        let mut third = 0;
        ok!(cuMemAllocAsync(&mut third, 600 << 10, stream));
        ok!(cuMemsetD8Async(third, 1, 600 << 10, stream));
        ok!(cuMemFreeAsync(third, stream));
        ok!(cuStreamSynchronize(stream));
        let (mut free, mut total) = (0, 0);
        ok!(cuMemGetInfo_v2(&mut free, &mut total));
        assert_eq!(free, 1 << 20);
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn invalid_ranges_and_handles_are_refused() {
    let ended = in_child("invalid_ranges_and_handles_are_refused", &[], || {
        start();
        let memory = upload(&[1u32, 2, 3, 4]);
        let mut host = [0u32; 8];
        assert_eq!(status!(cuMemcpyDtoH_v2(to(&mut host), memory, 20)), INVALID_VALUE);
        assert_eq!(status!(cuMemcpyDtoH_v2(to(&mut host), memory + 4, 16)), INVALID_VALUE);
        assert_eq!(status!(cuMemcpyDtoH_v2(null_mut(), memory, 16)), INVALID_VALUE);
        assert_eq!(status!(cuMemcpyDtoH_v2(to(&mut host), from(&host) as u64, 16)), INVALID_VALUE);
        assert_eq!(status!(cuMemcpyHtoD_v2(memory + 8, from(&host), 12)), INVALID_VALUE);
        assert_eq!(status!(cuMemsetD32Async(memory + 2, 0, 1, null_mut())), INVALID_VALUE);
        assert_eq!(status!(cuMemsetD32Async(memory, 0, usize::MAX, null_mut())), INVALID_VALUE);
        assert_eq!(status!(cuMemFree_v2(memory + 4)), INVALID_VALUE);
        ok!(cuMemcpyDtoH_v2(null_mut(), 0, 0));

        let stream = stream();
        let event = event();
        let foreign = (&raw mut host).cast::<c_void>();
        for handle in [foreign, event, 64 as *mut c_void, 3 as *mut c_void] {
            assert_eq!(status!(cuStreamSynchronize(handle)), INVALID_HANDLE);
            assert_eq!(status!(cuMemsetD8Async(memory, 0, 4, handle)), INVALID_HANDLE);
            assert_eq!(status!(cuStreamDestroy_v2(handle)), INVALID_HANDLE);
        }
        assert_eq!(status!(cuEventRecord(stream, null_mut())), INVALID_HANDLE);
        assert_eq!(status!(cuEventQuery(foreign)), INVALID_HANDLE);
        assert_eq!(status!(cuStreamDestroy_v2(null_mut())), INVALID_HANDLE);
        assert_eq!(launch(foreign, 1, 1, 0, stream, &[]), INVALID_HANDLE);
        assert_eq!(status!(cuModuleUnload(foreign)), INVALID_HANDLE);
        assert_eq!(status!(cuCtxSetCurrent(foreign)), INVALID_CONTEXT);

        ok!(cuStreamDestroy_v2(stream));
        assert_eq!(status!(cuStreamDestroy_v2(stream)), INVALID_HANDLE);
        assert_eq!(status!(cuStreamSynchronize(stream)), INVALID_HANDLE);
        ok!(cuEventDestroy_v2(event));
        assert_eq!(status!(cuEventSynchronize(event)), INVALID_HANDLE);
        ok!(cuMemFree_v2(memory));
        // The context has come to no harm.
        ok!(cuCtxSynchronize());
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn a_second_free_is_told() {
    let ended = in_child("a_second_free_is_told", &[("CUDA_EMULATOR_EXIT_CODE", "86")], || {
        start();
        let memory = alloc(64);
        ok!(cuMemFree_v2(memory));
        assert_eq!(status!(cuMemFree_v2(memory)), INVALID_VALUE);
        let stream = stream();
        let memory = alloc(64);
        ok!(cuMemFreeAsync(memory, stream));
        assert_eq!(status!(cuMemFreeAsync(memory, stream)), INVALID_VALUE);
    });
    ended.inspect(|ended| {
        assert_eq!(ended.code, Some(86));
        ended.expect_messages(&[
            "cuMemFree: the memory",
            "cuMemFreeAsync: the memory",
            "is freed a second time",
        ]);
    });
}

#[test]
fn work_runs_later_than_the_call() {
    let ended = in_child("work_runs_later_than_the_call", &[], || {
        start();
        let stream = stream();
        let source = pinned(4);
        let target = pinned(4);
        source.copy_from_slice(&[1, 2, 3, 4]);
        target.fill(77);
        let memory = alloc(16);
        ok!(cuMemcpyHtoDAsync_v2(memory, from(source), 16, stream));
        ok!(cuMemcpyDtoHAsync_v2(to(target), memory, 16, stream));
        assert_eq!(status!(cuStreamQuery(stream)), NOT_READY);
        ok!(cuStreamSynchronize(stream));
        assert_eq!(target, [1, 2, 3, 4]);
        ok!(cuStreamQuery(stream));

        // Without a synchronisation the host reads what was there before: here, that is certain.
        ok!(cuMemsetD8Async(memory, 0xff, 16, stream));
        ok!(cuMemcpyDtoHAsync_v2(to(target), memory, 16, stream));
        assert_eq!(target, [1, 2, 3, 4]);
        ok!(cuStreamSynchronize(stream));
        assert_eq!(target, [u32::MAX; 4]);

        // From pageable memory the bytes are taken at the call; to pageable memory the call waits.
        let mut pageable = [5u32; 4];
        ok!(cuMemcpyHtoDAsync_v2(memory, from(&pageable), 16, stream));
        pageable.fill(0);
        ok!(cuMemcpyDtoHAsync_v2(to(&mut pageable), memory, 16, stream));
        assert_eq!(pageable, [5; 4]);
        ok!(cuMemFree_v2(memory));
        ok!(cuMemFreeHost(to(source)));
        ok!(cuMemFreeHost(to(target)));
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn pinned_memory_is_read_when_the_copy_runs() {
    let ended =
        in_child("pinned_memory_is_read_when_the_copy_runs", &[("CUDA_EMULATOR_CHECK", "none")], || {
            start();
            let stream = stream();
            let source = pinned(4);
            source.fill(1);
            let memory = alloc(16);
            ok!(cuMemcpyHtoDAsync_v2(memory, from(source), 16, stream));
            source.fill(2);
            ok!(cuStreamSynchronize(stream));
            assert_eq!(download(memory, 4), [2; 4]);
        });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn a_change_of_pinned_memory_before_its_copy_is_found() {
    let ended = in_child("a_change_of_pinned_memory_before_its_copy_is_found", &[], || {
        start();
        let stream = stream();
        let source = pinned(4);
        source.fill(1);
        let memory = alloc(16);
        ok!(cuMemcpyHtoDAsync_v2(memory, from(source), 16, stream));
        source[3] = 2;
        assert_eq!(status!(cuStreamSynchronize(stream)), LAUNCH_FAILED);
    });
    ended.inspect(|ended| {
        ended.expect_messages(&[
            "cuMemcpyHtoDAsync of 16 bytes",
            "the host changed pinned memory that a copy had yet to read",
        ]);
    });
}

/// Runs two copies on two streams that touch the same memory, ordered by `order`, with each of some seeds; what was said.
fn two_streams(test: &str, seeds: &[&str], order: impl Fn(Stream, Stream)) -> String {
    let mut said = String::new();
    for seed in seeds {
        let environment: &[_] = if seed.is_empty() { &[] } else { &[("CUDA_EMULATOR_SEED", *seed)] };
        let ended = in_child(test, environment, || {
            start();
            let (writer, reader) = (stream(), stream());
            let target = pinned(4);
            let memory = upload(&[0u32; 4]);
            ok!(cuMemsetD8Async(memory, 1, 16, writer));
            order(writer, reader);
            let status = status!(cuMemcpyDtoHAsync_v2(to(target), memory, 16, reader));
            if status == 0 && status!(cuCtxSynchronize()) == 0 {
                assert_eq!(target, [0x0101_0101; 4]);
                ok!(cuMemFree_v2(memory));
                ok!(cuMemFreeHost(to(target)));
            }
        });
        said.extend(ended.map(|ended| ended.stderr));
    }
    said
}

const SEEDS: [&str; 4] = ["", "1", "2", "3"];

#[test]
fn streams_without_an_order_race() {
    let said = two_streams("streams_without_an_order_race", &SEEDS, |_, _| {});
    if !said.is_empty() {
        assert_eq!(said.matches("stream race: ").count(), SEEDS.len(), "{said}");
        assert!(said.contains("cuMemsetD8Async of 16 bytes on stream"), "{said}");
        assert!(said.contains("cuMemcpyDtoHAsync of 16 bytes on stream"), "{said}");
        assert!(said.contains("16 bytes at 0x"), "{said}");
    }
}

#[test]
fn an_event_orders_streams() {
    let said = two_streams("an_event_orders_streams", &SEEDS, |writer, reader| {
        let event = event();
        ok!(cuEventRecord(event, writer));
        ok!(cuStreamWaitEvent(reader, event, 0));
        ok!(cuEventDestroy_v2(event));
    });
    assert_eq!(said, "");
}

#[test]
fn an_event_recorded_too_early_does_not() {
    let test = "an_event_recorded_too_early_does_not";
    let ended = in_child(test, &[], || {
        start();
        let (writer, reader, event) = (stream(), stream(), event());
        let memory = alloc(16);
        ok!(cuEventRecord(event, writer));
        ok!(cuMemsetD8Async(memory, 1, 16, writer));
        ok!(cuStreamWaitEvent(reader, event, 0));
        ok!(cuMemsetD8Async(memory, 2, 16, reader));
        assert_eq!(status!(cuCtxSynchronize()), LAUNCH_FAILED);
    });
    ended.inspect(|ended| ended.expect_messages(&["stream race: "]));
}

#[test]
fn a_synchronisation_orders_streams() {
    let test = "a_synchronisation_orders_streams";
    assert_eq!(two_streams(test, &SEEDS, |writer, _| ok!(cuStreamSynchronize(writer))), "");
}

#[test]
fn an_event_the_host_waits_for_orders_streams() {
    let test = "an_event_the_host_waits_for_orders_streams";
    let said = two_streams(test, &SEEDS, |writer, _| {
        let event = event();
        ok!(cuEventRecord(event, writer));
        while status!(cuEventQuery(event)) == NOT_READY {
            std::thread::yield_now();
        }
    });
    assert_eq!(said, "");
}

#[test]
fn disjoint_parts_of_an_allocation_do_not_race() {
    let ended = in_child("disjoint_parts_of_an_allocation_do_not_race", &[], || {
        start();
        let (first, second) = (stream(), stream());
        let memory = alloc(32);
        for _ in 0..100 {
            ok!(cuMemsetD8Async(memory, 1, 16, first));
            ok!(cuMemsetD8Async(memory + 16, 2, 16, second));
        }
        ok!(cuCtxSynchronize());
        assert_eq!(download(memory, 8), [[0x0101_0101; 4], [0x0202_0202; 4]].concat());
        ok!(cuMemFree_v2(memory));
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn the_default_stream_orders_blocking_streams_only() {
    let test = "the_default_stream_orders_blocking_streams_only";
    let ended = in_child(test, &[("CUDA_EMULATOR_SEED", "5")], || {
        start();
        let (mut first, mut second) = (null_mut(), null_mut());
        ok!(cuStreamCreate(&mut first, 0));
        ok!(cuStreamCreate(&mut second, 0));
        let memory = alloc(16);
        ok!(cuMemsetD8Async(memory, 1, 16, first));
        ok!(cuMemsetD8_v2(memory, 2, 16));
        ok!(cuMemsetD8Async(memory, 3, 4, second));
        ok!(cuStreamSynchronize(null_mut()));
        assert_eq!(download(memory, 4), [0x0303_0303, 0x0202_0202, 0x0202_0202, 0x0202_0202]);
        ok!(cuMemFree_v2(memory));
    });
    ended.inspect(|ended| ended.expect_clean());

    let ended = in_child(test, &[("CUDA_EMULATOR_SEED", "6")], || {
        start();
        let non_blocking = stream();
        let memory = alloc(16);
        ok!(cuMemsetD8_v2(memory, 2, 16));
        ok!(cuMemsetD8Async(memory, 1, 16, non_blocking));
        assert_eq!(status!(cuCtxSynchronize()), LAUNCH_FAILED);
    });
    ended.inspect(|ended| ended.expect_messages(&["stream race: ", "on the default stream"]));
}

#[test]
fn a_pageable_upload_is_only_staged_for_the_strict() {
    let program = |expected| {
        start();
        let stream = stream();
        let memory = upload(&[1u32; 4]);
        ok!(cuMemsetD8Async(memory, 1, 16, stream));
        assert_eq!(status!(cuStreamSynchronize(stream)), expected);
    };
    let test = "a_pageable_upload_is_only_staged_for_the_strict";
    let ended = in_child(test, &[("CUDA_EMULATOR_CHECK", "stream")], || program(0));
    ended.inspect(|ended| ended.expect_clean());
    let ended = in_child(test, &[("CUDA_EMULATOR_CHECK", "staging")], || program(LAUNCH_FAILED));
    ended.inspect(|ended| ended.expect_messages(&["stream race: ", "cuMemcpyHtoD of 16 bytes"]));
}

#[test]
fn memory_given_back_while_in_use_is_found() {
    let test = "memory_given_back_while_in_use_is_found";
    let ended = in_child(test, &[], || {
        start();
        let memory = alloc(16);
        ok!(cuMemsetD8Async(memory, 1, 16, stream()));
        assert_eq!(status!(cuMemFree_v2(memory)), LAUNCH_FAILED);
    });
    ended.inspect(|ended| {
        ended.expect_messages(&[
            "cuMemFree: 16 bytes at 0x",
            "cuMemsetD8Async of 16 bytes on stream",
            "has not run",
        ]);
    });

    let ended = in_child(test, &[("CUDA_EMULATOR_DELAY_MS", "0")], || {
        start();
        let memory = alloc(16);
        let host = pinned(4);
        ok!(cuMemsetD8_v2(memory, 1, 16));
        ok!(cuStreamSynchronize(null_mut()));
        ok!(cuMemcpyDtoHAsync_v2(to(host), memory, 16, stream()));
        while host[3] != 0x0101_0101 {
            std::hint::black_box(&mut *host);
            std::thread::sleep(Duration::from_millis(1));
        }
        // It has run, but nothing tells the host so.
        assert_eq!(status!(cuMemFreeHost(to(host))), LAUNCH_FAILED);
    });
    ended.inspect(|ended| {
        ended.expect_messages(&["cuMemFreeHost: 16 bytes at 0x", "the host has not waited for that"]);
    });
}

#[test]
fn stream_ordered_memory_must_be_used_in_that_order() {
    let test = "stream_ordered_memory_must_be_used_in_that_order";
    // Used on a stream that is not ordered after the allocation.
    let ended = in_child(test, &[("CUDA_EMULATOR_SEED", "1")], || {
        start();
        let mut memory = 0;
        ok!(cuMemAllocAsync(&mut memory, 16, stream()));
        ok!(cuMemsetD8Async(memory, 1, 16, stream()));
        assert_eq!(status!(cuCtxSynchronize()), LAUNCH_FAILED);
    });
    ended.inspect(|ended| ended.expect_messages(&["stream race: ", "cuMemAllocAsync on stream"]));
    // Used after it is given back.
    let ended = in_child(test, &[("CUDA_EMULATOR_SEED", "2")], || {
        start();
        let (stream, mut memory) = (stream(), 0);
        ok!(cuMemAllocAsync(&mut memory, 16, stream));
        ok!(cuMemFreeAsync(memory, stream));
        ok!(cuMemsetD8Async(memory, 1, 16, stream));
        assert_eq!(status!(cuCtxSynchronize()), ILLEGAL_ADDRESS);
    });
    ended.inspect(|ended| ended.expect_messages(&["cuMemsetD8Async of 16 bytes", "that was freed"]));
    // Given back on a stream that is not ordered after its use.
    let ended = in_child(test, &[("CUDA_EMULATOR_SEED", "3")], || {
        start();
        let (first, mut memory) = (stream(), 0);
        ok!(cuMemAllocAsync(&mut memory, 16, first));
        ok!(cuStreamSynchronize(first));
        ok!(cuMemsetD8Async(memory, 1, 16, first));
        ok!(cuStreamQuery(stream()));
        ok!(cuMemFreeAsync(memory, stream()));
        assert_ne!(status!(cuCtxSynchronize()), 0);
    });
    ended.inspect(|ended| ended.expect_messages(&["cuMemFreeAsync on stream"]));
    // And all is well in order.
    let ended = in_child(test, &[("CUDA_EMULATOR_SEED", "4")], || {
        start();
        let (first, second, event, mut memory) = (stream(), stream(), event(), 0);
        ok!(cuMemAllocAsync(&mut memory, 16, first));
        ok!(cuMemsetD8Async(memory, 1, 16, first));
        ok!(cuEventRecord(event, first));
        ok!(cuStreamWaitEvent(second, event, 0));
        ok!(cuMemsetD8Async(memory, 2, 16, second));
        ok!(cuMemFreeAsync(memory, second));
        ok!(cuCtxSynchronize());
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn an_error_sticks_to_its_context() {
    let ended = in_child("an_error_sticks_to_its_context", &[], || {
        start();
        let (stream, mut memory) = (stream(), 0);
        ok!(cuMemAllocAsync(&mut memory, 16, stream));
        ok!(cuMemFreeAsync(memory, stream));
        ok!(cuMemsetD8Async(memory, 1, 16, stream));
        assert_eq!(status!(cuStreamSynchronize(stream)), ILLEGAL_ADDRESS);
        let (mut free, mut total) = (0, 0);
        assert_eq!(status!(cuMemGetInfo_v2(&mut free, &mut total)), ILLEGAL_ADDRESS);
        assert_eq!(status!(cuMemAlloc_v2(&mut memory, 16)), ILLEGAL_ADDRESS);
        assert_eq!(status!(cuCtxSynchronize()), ILLEGAL_ADDRESS);
        assert_eq!(status!(cuStreamQuery(stream)), ILLEGAL_ADDRESS);
        ok!(cuStreamDestroy_v2(stream));
        let mut context = null_mut();
        ok!(cuCtxGetCurrent(&mut context));
        ok!(cuCtxDestroy_v2(context));
        // A new context starts afresh.
        start();
        let memory = upload(&[1u32]);
        assert_eq!(download(memory, 1), [1]);
        ok!(cuMemFree_v2(memory));
    });
    ended.inspect(|ended| ended.expect_messages(&["CUDA_ERROR_ILLEGAL_ADDRESS"]));
}

#[test]
fn host_functions_run_in_stream_order_and_may_not_call_the_driver() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C" fn look(data: *mut c_void) {
        assert_eq!(status!(cuCtxSynchronize()), 800);
        // SAFETY: the test passes page-locked memory of one number.
        SEEN.store(unsafe { data.cast::<u32>().read() }, Ordering::SeqCst);
    }
    let ended = in_child("host_functions_run_in_stream_order_and_may_not_call_the_driver", &[], || {
        start();
        let stream = stream();
        let host = pinned(1);
        let memory = alloc(4);
        ok!(cuMemsetD8Async(memory, 9, 4, stream));
        ok!(cuMemcpyDtoHAsync_v2(to(host), memory, 4, stream));
        ok!(cuLaunchHostFunc(stream, Some(look), to(host)));
        assert_eq!(SEEN.load(Ordering::SeqCst), 0);
        // Nothing asks the device to go on; it does by itself after a while.
        let begin = Instant::now();
        while SEEN.load(Ordering::SeqCst) == 0 {
            assert!(begin.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(SEEN.load(Ordering::SeqCst), 0x0909_0909);
        ok!(cuCtxSynchronize());
        ok!(cuMemFree_v2(memory));
        ok!(cuMemFreeHost(to(host)));
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn events_measure_time_in_order() {
    let ended = in_child("events_measure_time_in_order", &[], || {
        start();
        let (stream, first, second) = (stream(), event(), event());
        let mut time = -1.0;
        ok!(cuEventQuery(first));
        ok!(cuEventSynchronize(first));
        assert_eq!(status!(cuEventElapsedTime(&mut time, first, second)), INVALID_HANDLE);
        ok!(cuEventRecord(first, stream));
        ok!(cuEventRecord(second, stream));
        assert_eq!(status!(cuEventQuery(second)), NOT_READY);
        ok!(cuEventSynchronize(second));
        ok!(cuEventElapsedTime(&mut time, first, second));
        assert!((0.0..1e5).contains(&time));
        let mut reverse = 0.0;
        ok!(cuEventElapsedTime(&mut reverse, second, first));
        assert_eq!(reverse, -time);
        let mut untimed = null_mut();
        ok!(cuEventCreate(&mut untimed, 2));
        ok!(cuEventRecord(untimed, stream));
        ok!(cuEventSynchronize(untimed));
        assert_eq!(status!(cuEventElapsedTime(&mut time, first, untimed)), INVALID_HANDLE);
        ok!(cuStreamWaitEvent(stream, event(), 0));
    });
    ended.inspect(|ended| ended.expect_messages(&["warning: cuStreamWaitEvent", "never recorded"]));
}

#[test]
fn contexts_are_separate_and_counted() {
    let ended = in_child("contexts_are_separate_and_counted", &[], || {
        ok!(cuInit(0));
        let (mut primary, mut again) = (null_mut(), null_mut());
        assert_eq!(status!(cuDevicePrimaryCtxRelease_v2(0)), INVALID_CONTEXT);
        ok!(cuDevicePrimaryCtxRetain(&mut primary, 0));
        ok!(cuDevicePrimaryCtxRetain(&mut again, 0));
        assert_eq!(primary, again);
        ok!(cuCtxSetCurrent(primary));
        let (stream, memory) = (stream(), upload(&[7u32]));
        start();
        assert_eq!(status!(cuStreamSynchronize(stream)), INVALID_HANDLE);
        assert_eq!(status!(cuMemFree_v2(memory)), INVALID_VALUE);
        let mut other = null_mut();
        ok!(cuCtxGetCurrent(&mut other));
        ok!(cuCtxDestroy_v2(other));
        ok!(cuCtxGetCurrent(&mut again));
        assert_eq!(primary, again);
        ok!(cuDevicePrimaryCtxRelease_v2(0));
        assert_eq!(download(memory, 1), [7]);
        ok!(cuMemFree_v2(memory));
        ok!(cuDevicePrimaryCtxRelease_v2(0));
        assert_eq!(status!(cuCtxSynchronize()), 709);
        // Another thread has no context until it sets one.
        start();
        std::thread::spawn(|| assert_eq!(status!(cuCtxSynchronize()), INVALID_CONTEXT)).join().unwrap();
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn leaks_are_told_when_a_context_or_the_process_ends() {
    let test = "leaks_are_told_when_a_context_or_the_process_ends";
    let ended = in_child(test, &[("CUDA_EMULATOR_EXIT_CODE", "9")], || {
        start();
        alloc(48);
        alloc(100);
        pinned(2);
        let mut context = null_mut();
        ok!(cuCtxGetCurrent(&mut context));
        ok!(cuCtxDestroy_v2(context));
    });
    ended.inspect(|ended| {
        assert_eq!(ended.code, Some(9));
        ended.expect_messages(&[
            "leak: 3 allocations, 156 bytes, not freed when its context was destroyed",
            "48 bytes of device memory at 0x",
            "8 bytes of pinned host memory",
            "from cuMemAllocHost no. ",
        ]);
    });
    let ended = in_child(test, &[], || {
        start();
        alloc(48);
    });
    ended.inspect(|ended| {
        assert_eq!(ended.code, Some(0));
        ended.expect_messages(&["leak: 1 allocations, 48 bytes, not freed when the process ended"]);
    });
    let ended = in_child(test, &[("CUDA_EMULATOR_CHECK", "stream")], || {
        start();
        alloc(48);
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn registered_memory_counts_as_pinned() {
    let ended = in_child("registered_memory_counts_as_pinned", &[("CUDA_EMULATOR_CHECK", "none")], || {
        start();
        let mut host = vec![1u32; 1024];
        let stream = stream();
        let memory = alloc(4096);
        ok!(cuMemHostRegister_v2(to(&mut host), 4096, 0));
        assert_eq!(status!(cuMemHostRegister_v2(to(&mut host), 4, 0)), 712);
        ok!(cuMemcpyHtoDAsync_v2(memory, from(&host), 4096, stream));
        host.fill(3);
        ok!(cuStreamSynchronize(stream));
        assert_eq!(download(memory, 1024), [3; 1024]);
        ok!(cuMemHostUnregister(to(&mut host)));
        assert_eq!(status!(cuMemHostUnregister(to(&mut host))), 713);
        // Half in page-locked memory is an error.
        ok!(cuMemHostRegister_v2(to(&mut host), 2048, 0));
        assert_eq!(status!(cuMemcpyHtoDAsync_v2(memory, from(&host), 4096, stream)), INVALID_VALUE);
        ok!(cuMemHostUnregister(to(&mut host)));
    });
    ended.inspect(|ended| ended.expect_clean());
}

#[test]
fn images_that_are_none_are_refused() {
    let ended = in_child("images_that_are_none_are_refused", &[], || {
        start();
        let mut module = null_mut();
        assert_eq!(status!(cuModuleLoadData(&mut module, c"no PTX".as_ptr().cast())), 200);
        assert_eq!(status!(cuModuleLoadData(&mut module, c"\x7fELF".as_ptr().cast())), 209);
        assert_eq!(
            status!(cuModuleLoadData(&mut module, c".version 9.0\n.target sm_120\n".as_ptr().cast())),
            218
        );
        assert_eq!(
            status!(cuModuleLoadData(&mut module, c".version 99.0\n.target sm_75\n".as_ptr().cast())),
            222
        );
        assert_eq!(status!(cuModuleLoadData(&mut module, null_mut())), INVALID_VALUE);
        assert_eq!(status!(cuModuleLoad(&mut module, c"/nonexistent".as_ptr())), 301);
    });
    ended.inspect(|ended| {
        ended.expect_messages(&["cannot load a module: the PTX is for sm_120, the device is sm_90"]);
    });
}
