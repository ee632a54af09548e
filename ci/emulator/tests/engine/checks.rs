//! Kernels that are wrong on purpose: each must be caught, at its line; and the right version of each must pass.

use cuda::machine::{Checks, Fault, FaultKind, LaunchConfig, Space};

use crate::support::{Device, kernel};

/// Runs `body`, whose faulty instruction carries the comment `// HERE`, and checks that the finding names it. Of two accesses that race,
/// either may come second.
fn finding(device: &Device, text: &str, grid: u32, block: u32, params: &[u64]) -> Fault {
    let fault = device.run(grid, block, params).expect_err("the kernel must be caught");
    let site = fault.site.clone().unwrap_or_else(|| panic!("{fault}"));
    // The header has three lines.
    let line = text.lines().nth(site.line as usize - 4).unwrap_or_default();
    assert!(line.contains("// HERE"), "{fault}");
    assert_eq!(site.kernel, "k");
    assert!(site.text.contains("// HERE"), "{fault}");
    fault
}

/// The device of `body`, and the text it was made of.
fn device(body: &str) -> (Device, String) {
    let text = kernel(body);
    (Device::new(&text), text)
}

const OWN_WORD: &str = "    mul.wide.u32 %a1, %i, 4; add.s64 %a2, %out, %a1;\n";

#[test]
fn out_of_bounds() {
    for (access, value) in [
        ("st.global.u32 [%a2], %i;", 0),
        ("ld.global.u32 %x1, [%a2];", 0),
        ("atom.global.add.u32 %x1, [%a2], 1;", 0),
    ] {
        let (device, text) = device(&format!("{OWN_WORD}    {access} // HERE"));
        let out = device.upload(&[value; 40]);
        device.run(1, 40, &[0, out]).unwrap_or_else(|fault| panic!("{fault}"));
        let fault = finding(&device, &text, 1, 41, &[0, out]);
        let expected = matches!(fault.kind, FaultKind::OutOfBounds { space: Space::Global, address, bytes: 4, .. } if address == out + 160);
        assert!(expected, "{fault}");
        assert_eq!((fault.code(), fault.site.unwrap().thread), (700, [40, 0, 0]));
    }
    // Across the end, and at null.
    let (device, text) = device("    st.global.v2.u32 [%out+8], {%i, %i}; // HERE");
    let out = device.upload(&[0; 3]);
    finding(&device, &text, 1, 1, &[0, out]);
    finding(&device, &text, 1, 1, &[0, 0]);
}

#[test]
fn out_of_bounds_of_shared_and_local() {
    // Past the first of two variables: a device would find the second.
    let body = "    .shared .align 4 .b8 s[64]; .shared .align 4 .b8 t[64]; .reg .b64 %t; mov.u64 %t, t; st.shared.u32 [%t], 0;
    mul.wide.u32 %a1, %i, 4; mov.u64 %a2, s; add.s64 %a2, %a2, %a1;
    st.shared.u32 [%a2], %i; // HERE";
    let (device, text) = self::device(body);
    device.run(1, 1, &[0, 0]).unwrap();
    let fault = finding(&device, &text, 1, 17, &[0, 0]);
    assert!(matches!(fault.kind, FaultKind::OutOfBounds { space: Space::Shared, .. }), "{fault}");
    let (device, text) = self::device(
        "    .local .align 4 .b8 l[16]; mov.u64 %a1, l; add.s64 %a1, %a1, 16;\n    st.local.u32 [%a1], %i; // HERE",
    );
    let fault = finding(&device, &text, 1, 1, &[0, 0]);
    assert!(matches!(fault.kind, FaultKind::OutOfBounds { space: Space::Local, .. }), "{fault}");
}

#[test]
fn misaligned() {
    let (device, text) = device("    add.s64 %a1, %out, %in;\n    st.global.u64 [%a1], %in; // HERE");
    let out = device.upload(&[0; 8]);
    device.run(1, 1, &[8, out]).unwrap();
    let fault = finding(&device, &text, 1, 1, &[4, out]);
    assert!(matches!(fault.kind, FaultKind::Misaligned { space: Space::Global, bytes: 8, .. }), "{fault}");
    assert_eq!(fault.code(), 716);
    let (device, text) =
        self::device("    .shared .align 16 .b8 s[64];\n    ld.shared.v2.u32 {%x1, %x2}, [s+4]; // HERE");
    assert!(matches!(
        finding(&device, &text, 1, 1, &[0, 0]).kind,
        FaultKind::Misaligned { space: Space::Shared, .. }
    ));
}

#[test]
fn use_after_free() {
    let (device, text) = device("    ld.global.u32 %x1, [%out]; // HERE");
    let out = device.upload(&[1]);
    device.run(1, 1, &[0, out]).unwrap();
    device.memory.free(out).unwrap();
    // What comes after does not take its place.
    device.upload(&[1]);
    let fault = finding(&device, &text, 1, 1, &[0, out]);
    assert!(matches!(fault.kind, FaultKind::UseAfterFree(_)) && fault.code() == 700, "{fault}");
}

#[test]
fn writes_to_constants() {
    let text = format!(
        ".const .align 4 .u32 c = 1;\n{}",
        kernel("    mov.u64 %a1, c;\n    st.global.u32 [%a1], 5; // HERE")
    );
    let device = Device::new(&text);
    assert!(matches!(finding(&device, &text, 1, 1, &[0, 0]).kind, FaultKind::ReadOnly { .. }));
}

#[test]
fn uninitialised() {
    let (mut device, text) = device("    ld.global.u32 %x1, [%out+4]; // HERE");
    let out = device.memory.alloc(8).unwrap();
    device.memory.write(out, &[0; 7]).unwrap();
    let fault = finding(&device, &text, 1, 1, &[0, out]);
    assert!(matches!(fault.kind, FaultKind::Uninitialised { space: Space::Global, .. }), "{fault}");
    device.options.checks.init = false;
    device.run(1, 1, &[0, out]).unwrap();
    device.options.checks.init = true;
    device.memory.write(out + 7, &[0]).unwrap();
    device.run(1, 1, &[0, out]).unwrap();

    for (body, space) in [
        (
            "    .shared .align 4 .b8 s[8]; st.shared.u16 [s], 1;\n    ld.shared.u32 %x1, [s]; // HERE",
            Space::Shared,
        ),
        (
            "    .local .align 4 .b8 l[8]; st.local.u16 [l+2], 1;\n    ld.local.u32 %x1, [l]; // HERE",
            Space::Local,
        ),
    ] {
        let (device, text) = self::device(body);
        let fault = finding(&device, &text, 1, 1, &[0, 0]);
        assert!(
            matches!(fault.kind, FaultKind::Uninitialised { space: found, .. } if found == space),
            "{fault}"
        );
    }
}

#[test]
fn a_kernel_initialises_memory() {
    let (device, _) = device(&format!("{OWN_WORD}    st.global.u32 [%a2], %i; ld.global.u32 %x1, [%a2];"));
    let out = device.memory.alloc(400).unwrap();
    device.run(1, 100, &[0, out]).unwrap();
    let copy = device.memory.alloc(400).unwrap();
    device.memory.copy(copy, out, 400).unwrap();
    let (reader, _) = self::device("    ret;");
    drop(reader);
    assert_eq!(device.download(copy, 100), (0..100).collect::<Vec<_>>());
}

/// Every thread writes its word of shared memory, then reads another's.
fn exchange(sync: &str, distance: u32) -> String {
    format!(
        "    .shared .align 4 .b8 s[512]; mul.wide.u32 %a1, %i, 4; mov.u64 %a2, s; add.s64 %a3, %a2, %a1;
    st.shared.u32 [%a3], %i; // HERE
    {sync}
    xor.b32 %x1, %i, {distance}; mul.wide.u32 %a4, %x1, 4; add.s64 %a4, %a2, %a4;
    ld.shared.u32 %x2, [%a4]; // HERE"
    )
}

#[test]
fn shared_races() {
    let (mut device, text) = device(&exchange("bar.warp.sync 0xffffffff;", 32));
    // Without the race check the words that are not there yet are what is noticed.
    device.options.checks = Checks { init: false, ..Checks::ALL };
    let fault = finding(&device, &text, 1, 64, &[0, 0]);
    assert!(
        matches!(fault.kind, FaultKind::Race { space: Space::Shared, .. }) && fault.code() == 719,
        "{fault}"
    );
    let (device, _) = self::device(&exchange("bar.sync 0;", 32));
    device.run(1, 64, &[0, 0]).unwrap();
    // Write after read.
    let (device, text) =
        self::device(&format!("{}\n    st.shared.u32 [%a3], 0; // HERE", exchange("bar.sync 0;", 32)));
    assert!(matches!(finding(&device, &text, 1, 64, &[0, 0]).kind, FaultKind::Race { .. }));
}

#[test]
fn a_missing_syncwarp() {
    let (device, text) = device(&exchange("", 1));
    let fault = finding(&device, &text, 1, 32, &[0, 0]);
    assert!(fault.to_string().contains("no __syncwarp"), "{fault}");
    for sync in ["bar.warp.sync 0xffffffff;", "shfl.sync.idx.b32 %x3, %i, 0, 31, 0xffffffff;", "bar.sync 0;"]
    {
        let (device, _) = self::device(&exchange(sync, 1));
        device.run(1, 32, &[0, 0]).unwrap_or_else(|fault| panic!("{sync}: {fault}"));
    }
}

#[test]
fn races_of_one_store() {
    // All lanes write one word: fine when they agree, a race when not.
    let (device, _) = device("    .shared .align 4 .b8 s[4]; st.shared.u32 [s], 7;");
    device.run(1, 64, &[0, 0]).unwrap_or_else(|fault| panic!("{fault}"));
    let (device, text) = self::device("    .shared .align 4 .b8 s[4];\n    st.shared.u32 [s], %i; // HERE");
    assert!(matches!(finding(&device, &text, 1, 32, &[0, 0]).kind, FaultKind::Race { .. }));
    // Neighbouring bytes of a word are not the same memory.
    let (device, _) = self::device(
        "    .shared .align 4 .b8 s[64]; cvt.u64.u32 %a1, %i; mov.u64 %a2, s; add.s64 %a2, %a2, %a1; st.shared.u8 [%a2], %i;",
    );
    device.run(1, 64, &[0, 0]).unwrap_or_else(|fault| panic!("{fault}"));
}

#[test]
fn global_races() {
    // Between blocks.
    let (mut device, text) = device("    mov.u32 %x1, %ctaid.x;\n    st.global.u32 [%out], %x1; // HERE");
    let out = device.upload(&[99]);
    device.run(1, 1, &[0, out]).unwrap();
    let fault = finding(&device, &text, 2, 1, &[0, out]);
    assert!(matches!(fault.kind, FaultKind::Race { space: Space::Global, .. }), "{fault}");
    assert!(fault.to_string().contains("of block (0,0,0)"), "{fault}");
    device.options.checks.race = false;
    device.run(2, 1, &[0, out]).unwrap();
    // Within a block, and in one warp.
    let body = |sync: &str| {
        format!(
            "{OWN_WORD}    st.global.u32 [%a2], %i; // HERE\n    {sync} xor.b32 %x1, %i, 33; mul.wide.u32 %a3, %x1, 4; add.s64 %a3, %out, %a3;\n    ld.global.u32 %x2, [%a3]; // HERE"
        )
    };
    let (device, text) = self::device(&body(""));
    let out = device.upload(&[0; 64]);
    finding(&device, &text, 1, 64, &[0, out]);
    let (device, _) = self::device(&body("bar.sync 0;"));
    let out = device.upload(&[0; 64]);
    device.run(1, 64, &[0, out]).unwrap_or_else(|fault| panic!("{fault}"));
    // Atomics do not race with each other, but with plain reads.
    let (device, _) = self::device("    atom.global.add.u32 %x1, [%out], 1;");
    let out = device.upload(&[0]);
    device.run(8, 64, &[0, out]).unwrap();
    let (device, text) = self::device(
        "    mov.u32 %x2, %ctaid.x; setp.eq.u32 %p0, %x2, 0; @%p0 red.global.add.u32 [%out], 1;\n    @!%p0 ld.global.u32 %x1, [%out]; // HERE",
    );
    let out = device.upload(&[0]);
    finding(&device, &text, 2, 1, &[0, out]);
}

/// The last block to arrive sums what all wrote.
fn last_block(fence: &str) -> String {
    format!(
        "    mov.u32 %x1, %ctaid.x; mul.wide.u32 %a1, %x1, 4; add.s64 %a2, %out, %a1; st.global.u32 [%a2+4], %x1;
    {fence}
    atom.global.add.u32 %x2, [%out], 1; mov.u32 %x3, %nctaid.x; sub.u32 %x3, %x3, 1; setp.ne.u32 %p0, %x2, %x3; @%p0 ret;
    {fence}
    mov.u32 %x4, 0; mov.u32 %x5, 0;
LOOP: mul.wide.u32 %a3, %x4, 4; add.s64 %a3, %out, %a3;
    ld.global.u32 %x6, [%a3+4]; // HERE
    add.u32 %x5, %x5, %x6; add.u32 %x4, %x4, 1; setp.le.u32 %p1, %x4, %x3; @%p1 bra LOOP;
    st.global.u32 [%in], %x5;"
    )
}

#[test]
fn fences_and_atomics_order_blocks() {
    let (device, text) = device(&last_block(""));
    let (input, out) = (device.upload(&[0]), device.upload(&[0; 9]));
    assert!(matches!(finding(&device, &text, 8, 1, &[input, out]).kind, FaultKind::Race { .. }));
    for seed in [None, Some(1), Some(2)] {
        let (mut device, _) = self::device(&last_block("membar.gl;"));
        device.options.seed = seed;
        let (input, out) = (device.upload(&[0]), device.upload(&[0; 9]));
        device.run(8, 1, &[input, out]).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(device.download(input, 1), [28]);
    }
}

#[test]
fn divergent_barriers() {
    // Half of the warp.
    let (mut device, text) = device(
        "    and.b32 %x1, %i, 1; setp.eq.u32 %p0, %x1, 0; @%p0 bra JOIN;\n    bar.sync 0; // HERE\nJOIN: bar.sync 0;",
    );
    let fault = finding(&device, &text, 1, 32, &[0, 0]);
    assert!(matches!(fault.kind, FaultKind::DivergentBarrier(_)), "{fault}");
    // Since Volta, a device counts the threads and goes on.
    device.options.checks.sync = false;
    device.run(1, 32, &[0, 0]).unwrap_or_else(|fault| panic!("{fault}"));
    // Threads that have left.
    let (mut device, text) = self::device("    setp.gt.u32 %p0, %i, 40; @%p0 ret;\n    bar.sync 0; // HERE");
    let fault = finding(&device, &text, 1, 64, &[0, 0]);
    assert!(fault.to_string().contains("23 threads of the block have exited"), "{fault}");
    device.options.checks.sync = false;
    device.run(1, 64, &[0, 0]).unwrap();
}

#[test]
fn shuffles_from_lanes_that_do_not_take_part() {
    let (device, text) = device(
        "    setp.lt.u32 %p0, %i, 16; @!%p0 bra JOIN;\n    shfl.sync.down.b32 %x1, %i, 8, 31, 0xffff; // HERE\nJOIN:",
    );
    let fault = finding(&device, &text, 1, 32, &[0, 0]);
    assert!(fault.to_string().contains("lane 8 reads from lane 16"), "{fault}");
    // A mask without the caller, and one with lanes that never come.
    let (device, text) = self::device("    shfl.sync.idx.b32 %x1, %i, 0, 31, 0x7fffffff; // HERE");
    assert!(finding(&device, &text, 1, 32, &[0, 0]).to_string().contains("leaves out lane 31"));
    let (device, text) = self::device(
        "    .reg .b32 %s; mov.u32 %s, 0; setp.lt.u32 %p0, %i, 16; @!%p0 bra OTHER;\n    bar.warp.sync 0xffffffff; // HERE\n    bra JOIN;\nOTHER: shfl.sync.idx.b32 %x1, %i, 0, 31, 0xffff0000; barrier.sync 1;\nJOIN: barrier.sync 1;",
    );
    let fault = device.run(1, 32, &[0, 0]).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::WarpSync(_) | FaultKind::Deadlock(_)), "{fault}");
    let _ = text;
}

#[test]
fn deadlocks() {
    // Waits for a word that nobody writes.
    let (mut device, text) = device(
        "LOOP: ld.volatile.global.u32 %x1, [%out];\n    setp.eq.u32 %p0, %x1, 0; @%p0 bra LOOP; // HERE",
    );
    device.options.patience = 100_000;
    let out = device.upload(&[0]);
    let fault = device.run(1, 32, &[0, out]).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Deadlock(_)) && fault.code() == 702, "{fault}");
    let _ = text;
    // Two barriers, each waited for by a part of the block.
    let (device, _) = self::device(
        "    setp.lt.u32 %p0, %i, 32; @%p0 bra OTHER; bar.sync 1; bra JOIN;\nOTHER: bar.sync 2;\nJOIN:",
    );
    let fault = device.run(1, 64, &[0, 0]).unwrap_err();
    assert!(fault.to_string().contains("32 of 64 threads are at barrier 2"), "{fault}");
}

#[test]
fn traps() {
    let (device, text) = device("    setp.eq.u32 %p0, %i, 37;\n    @%p0 trap; // HERE");
    let fault = finding(&device, &text, 1, 64, &[0, 0]);
    assert_eq!((fault.code(), fault.site.unwrap().thread), (719, [37, 0, 0]));
}

#[test]
fn source_lines_are_named() {
    let body = "    .loc 1 10 3\n    mov.u64 %a1, 0;\n    .loc 2 77 5, function_name $L__info, inlined_at 1 12 7\n    st.global.u32 [%a1], 0;";
    let text = format!(".file 1 \"kernels/sum.cu\"\n.file 2 \"kernels/field.cuh\"\n{}", kernel(body));
    let fault = Device::new(&text).run(1, 1, &[0, 0]).unwrap_err();
    let site = fault.site.clone().unwrap();
    assert_eq!(site.source, Some(("kernels/field.cuh".to_string(), 77)));
    assert_eq!(site.inlined_at, [("kernels/sum.cu".to_string(), 12)]);
    let shown = fault.to_string();
    for part in [
        "in k, block (0,0,0), thread (0,0,0)",
        "st.global.u32 [%a1], 0;",
        "at kernels/field.cuh:77",
        "inlined at kernels/sum.cu:12",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn the_first_faulty_block_is_named_whatever_runs_first() {
    let (mut device, _) = device("    mov.u32 %x1, %ctaid.x; setp.lt.u32 %p0, %x1, 3; @!%p0 trap;");
    device.options.checks.race = false;
    device.options.threads = Some(1);
    let config = LaunchConfig { grid: [9, 1, 1], block: [1, 1, 1], dynamic_shared: 0, cooperative: false };
    assert_eq!(device.run_with(config, &[0, 0]).unwrap_err().site.unwrap().block, [3, 0, 0]);
}
