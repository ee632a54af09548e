//! Branches, loops, calls, barriers; launches that are refused.

use cuda::machine::{FaultKind, LaunchConfig, Sink};

use crate::support::{Device, kernel};

/// Runs `body` on one block and returns a word per thread, from `%x0`.
fn words(declarations: &str, body: &str, threads: u32) -> Vec<u32> {
    let mut results: Vec<Vec<u32>> = Vec::new();
    for seed in [None, Some(1), Some(2), Some(3)] {
        let store = "    mul.wide.u32 %a30, %i, 4; add.s64 %a30, %out, %a30; st.global.u32 [%a30], %x0;";
        let mut device = Device::new(&format!("{declarations}{}", kernel(&format!("{body}\n{store}"))));
        device.options.seed = seed;
        let out = device.upload(&vec![0; threads as usize]);
        device.run(1, threads, &[0, out]).unwrap_or_else(|fault| panic!("{fault}"));
        results.push(device.download(out, threads as usize));
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "the schedule changes the result");
    results.swap_remove(0)
}

#[test]
fn loops_of_different_lengths() {
    // Collatz steps: every lane loops for itself, with a branch inside.
    let body = "    mov.u32 %x0, 0; add.u32 %x1, %i, 1;
LOOP: setp.eq.u32 %p0, %x1, 1; @%p0 bra DONE;
    and.b32 %x2, %x1, 1; setp.eq.u32 %p1, %x2, 0; @%p1 bra EVEN;
    mad.lo.u32 %x1, %x1, 3, 1; bra.uni NEXT;
EVEN: shr.u32 %x1, %x1, 1;
NEXT: add.u32 %x0, %x0, 1; bra LOOP;
DONE:";
    let steps = |mut n: u32| {
        let mut count = 0;
        while n != 1 {
            n = if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 };
            count += 1;
        }
        count
    };
    assert_eq!(words("", body, 75), (1..76).map(steps).collect::<Vec<_>>());
}

#[test]
fn values_survive_loops() {
    // %x2 is written in the first round only, by a branch, and %x9 by a predicate; registers that die in a round must not take their rows.
    let body = "    mov.u32 %x1, 0; mov.u32 %x0, 0;
LOOP: setp.ne.u32 %p0, %x1, 0; @!%p0 mov.u32 %x9, 1000; @%p0 bra SKIP;
    add.u32 %x2, %i, 7;
SKIP: add.u32 %x0, %x0, %x2; add.u32 %x0, %x0, %x9;
    add.u32 %x3, %x1, 1; add.u32 %x4, %x3, %x3; mul.lo.u32 %x5, %x4, 3; sub.u32 %x6, %x5, %x4; xor.b32 %x7, %x6, 5; xor.b32 %x8, %x7, 5;
    add.u32 %x0, %x0, %x8;
    add.u32 %x1, %x1, 1; setp.lt.u32 %p1, %x1, 5; @%p1 bra LOOP;";
    assert_eq!(words("", body, 40), (0..40).map(|i| 5 * (i + 7 + 1000) + 4 * 15).collect::<Vec<_>>());
}

#[test]
fn groups_meet_again() {
    // After the branches, all lanes of the warp vote together.
    let body = "    and.b32 %x1, %i, 3; setp.lt.u32 %p0, %x1, 2; setp.eq.u32 %p1, %x1, 1;
    @%p0 bra LOW;
    setp.eq.u32 %p1, %x1, 3; @%p1 bra HIGH; mov.u32 %x0, 20; bra JOIN;
HIGH: mov.u32 %x0, 30; bra JOIN;
LOW: @!%p1 bra ZERO; mov.u32 %x0, 10; bra JOIN;
ZERO: mov.u32 %x0, 0;
JOIN: vote.sync.ballot.b32 %x2, 1, 0xffffffff; add.u32 %x0, %x0, %x2;";
    let expected: Vec<u32> = (0..32).map(|i| (i % 4 * 10u32).wrapping_add(u32::MAX)).collect();
    assert_eq!(words("", body, 32), expected);
}

#[test]
fn tables_of_targets() {
    let body = "    and.b32 %x1, %i, 3;
    TABLE: .branchtargets A, B, C, B;
    brx.idx %x1, TABLE;
A:  mov.u32 %x0, 1; bra JOIN;
B:  mov.u32 %x0, 2; bra JOIN;
C:  mov.u32 %x0, 3;
JOIN:";
    assert_eq!(words("", body, 40), (0..40).map(|i| [1, 2, 3, 2][i % 4]).collect::<Vec<_>>());
}

const FUNCTIONS: &str = "
.func (.param .b32 r) twice(.param .b32 a)
{ .reg .b32 %r<3>; ld.param.b32 %r1, [a]; shl.b32 %r2, %r1, 1; st.param.b32 [r], %r2; ret; }
.func (.param .b32 r) plus(.param .b32 a)
{ .reg .b32 %r<3>; ld.param.b32 %r1, [a]; add.u32 %r2, %r1, 100; st.param.b32 [r], %r2; ret; }
.func (.param .align 4 .b8 r[12]) triple(.param .align 8 .b8 a[8], .param .b64 b);
.global .align 8 .u64 table[2] = {twice, plus};
.func (.param .align 4 .b8 r[12]) triple(.param .align 8 .b8 a[8], .param .b64 b)
{ .reg .b32 %r<6>; .reg .b64 %rd<2>;
  ld.param.v2.u32 {%r1, %r2}, [a]; ld.param.u64 %rd1, [b]; cvt.u32.u64 %r3, %rd1;
  st.param.b32 [r], %r3; st.param.b32 [r+4], %r1; st.param.b32 [r+8], %r2; ret; }
.func (.param .b32 r) ackermann(.param .b32 m, .param .b32 n)
{ .reg .pred %p; .reg .b32 %r<8>;
  ld.param.b32 %r1, [m]; ld.param.b32 %r2, [n];
  setp.eq.u32 %p, %r1, 0; @!%p bra POSITIVE;
  add.u32 %r3, %r2, 1; st.param.b32 [r], %r3; ret;
POSITIVE:
  setp.eq.u32 %p, %r2, 0; mov.u32 %r4, 1; @%p bra OUTER;
  sub.u32 %r5, %r2, 1;
  { .param .b32 p0; .param .b32 p1; .param .b32 q; st.param.b32 [p0], %r1; st.param.b32 [p1], %r5;
    call.uni (q), ackermann, (p0, p1); ld.param.b32 %r4, [q]; }
OUTER:
  sub.u32 %r6, %r1, 1;
  { .param .b32 p0; .param .b32 p1; .param .b32 q; st.param.b32 [p0], %r6; st.param.b32 [p1], %r4;
    call.uni (q), ackermann, (p0, p1); ld.param.b32 %r7, [q]; }
  st.param.b32 [r], %r7; ret; }
";

#[test]
fn calls_by_name_and_by_pointer() {
    let body = "    mul.wide.u32 %a1, %i, 4; and.b32 %x1, %i, 1; mul.wide.u32 %a2, %x1, 8; mov.u64 %a3, table; add.s64 %a3, %a3, %a2;
    ld.global.u64 %a4, [%a3];
    { .param .b32 p; .param .b32 q; st.param.b32 [p], %i;
      SHAPE: .callprototype (.param .b32 _) _ (.param .b32 _);
      call (q), %a4, (p), SHAPE; ld.param.b32 %x2, [q]; }
    { .param .align 8 .b8 p[8]; .param .b64 s; .param .align 4 .b8 q[12];
      st.param.b32 [p], %x2; st.param.b32 [p+4], 5; st.param.b64 [s], %a1;
      call (q), triple, (p, s); ld.param.b32 %x3, [q]; ld.param.b32 %x4, [q+4]; ld.param.b32 %x5, [q+8]; }
    mad.lo.u32 %x0, %x3, 1000, %x4; mad.lo.u32 %x0, %x0, 10, %x5;";
    let expected = (0..70u32).map(|i| (4 * i * 1000 + if i % 2 == 0 { 2 * i } else { i + 100 }) * 10 + 5);
    assert_eq!(words(FUNCTIONS, body, 70), expected.collect::<Vec<_>>());
}

#[test]
fn recursion_that_diverges() {
    fn ackermann(m: u32, n: u32) -> u32 {
        match (m, n) {
            (0, _) => n + 1,
            (_, 0) => ackermann(m - 1, 1),
            _ => ackermann(m - 1, ackermann(m, n - 1)),
        }
    }
    let body = "    and.b32 %x1, %i, 1; shr.u32 %x2, %i, 1; and.b32 %x2, %x2, 3; add.u32 %x1, %x1, 1;
    { .param .b32 p0; .param .b32 p1; .param .b32 q; st.param.b32 [p0], %x1; st.param.b32 [p1], %x2;
      call.uni (q), ackermann, (p0, p1); ld.param.b32 %x0, [q]; }";
    let expected = (0..33u32).map(|i| ackermann((i & 1) + 1, i >> 1 & 3));
    assert_eq!(words(FUNCTIONS, body, 33), expected.collect::<Vec<_>>());
}

#[test]
fn endless_recursion_is_a_fault() {
    let text = format!(".func f() {{ call.uni f; ret; }}\n{}", kernel("    call.uni f;"));
    let fault = Device::new(&text).run(1, 1, &[0, 0]).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::StackOverflow(_)), "{fault}");
}

#[test]
fn barriers_order_warps() {
    let body = "    .shared .align 4 .b8 s[512];
    mul.wide.u32 %a1, %i, 4; mov.u64 %a2, s; add.s64 %a1, %a2, %a1; st.shared.u32 [%a1], %i;
    bar.sync 0;
    mov.u32 %x1, 127; sub.u32 %x1, %x1, %i; mul.wide.u32 %a3, %x1, 4; add.s64 %a3, %a2, %a3; ld.shared.u32 %x0, [%a3];
    setp.lt.u32 %p0, %i, 50; bar.red.popc.u32 %x2, 0, %p0; mad.lo.u32 %x0, %x2, 1000, %x0;
    setp.lt.u32 %p1, %i, 500; bar.red.and.pred %p2, 0, %p1; selp.u32 %x3, 100000, 0, %p2; add.u32 %x0, %x0, %x3;
    setp.gt.u32 %p1, %i, 500; barrier.sync 1; bar.red.or.pred %p2, 0, %p1; selp.u32 %x3, 0, 200000, %p2; add.u32 %x0, %x0, %x3;";
    assert_eq!(words("", body, 128), (0..128).map(|i| 350_000 + 127 - i).collect::<Vec<_>>());
}

#[test]
fn named_barriers_of_producers_and_consumers() {
    let body = "    .shared .align 4 .b8 s[4];
    mov.u32 %x0, 0; setp.lt.u32 %p0, %i, 32; @!%p0 bra CONSUMER;
    setp.eq.u32 %p1, %i, 0; @%p1 st.shared.u32 [s], 42; bar.arrive 3, 64; bra JOIN;
CONSUMER: bar.sync 3, 64; ld.shared.u32 %x0, [s];
JOIN:";
    assert_eq!(words("", body, 64), (0..64).map(|i| if i < 32 { 0 } else { 42 }).collect::<Vec<_>>());
}

#[test]
fn special_registers() {
    let mut registers =
        ["%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ctaid.y", "%nctaid.z", "%laneid", "%warpid"].to_vec();
    registers.extend(["%lanemask_lt", "%lanemask_ge", "%lanemask_eq", "%lanemask_le", "%lanemask_gt"]);
    let mut body = String::from(
        "    mov.u32 %x1, %tid.y; mov.u32 %x2, %tid.z; mad.lo.u32 %i, %x1, 5, %i; mad.lo.u32 %i, %x2, 15, %i;
    mov.u32 %x3, %ctaid.y; mad.lo.u32 %i, %x3, 60, %i; mul.wide.u32 %a1, %i, 52; add.s64 %a1, %out, %a1;\n",
    );
    for (k, register) in registers.iter().enumerate() {
        body += &format!("    mov.u32 %x4, {register}; st.global.u32 [%a1+{}], %x4;\n", 4 * k);
    }
    let device = Device::new(&kernel(&body));
    let out = device.upload(&[0; 13 * 120]);
    let config = LaunchConfig { grid: [1, 2, 1], block: [5, 3, 4], dynamic_shared: 0, cooperative: false };
    device.run_with(config, &[0, out]).unwrap();
    for (i, row) in device.download(out, 13 * 120).chunks(13).enumerate() {
        let i = i as u32;
        let (block, thread) = (i / 60, i % 60);
        let lane = thread % 32;
        let bit = 1u32 << lane;
        let expected = [thread % 5, thread / 5 % 3, thread / 15, 5, block, 1, lane, thread / 32];
        assert_eq!(row[..8], expected);
        assert_eq!(row[8..], [bit - 1, !(bit - 1), bit, bit | (bit - 1), !(bit | (bit - 1))]);
    }
}

#[test]
fn printf_and_assert() {
    let externs = ".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);
.extern .func __assertfail(.param .b64 m, .param .b64 f, .param .b32 l, .param .b64 n, .param .b64 c);
.global .align 1 .b8 format[40] = {37, 53, 100, 124, 37, 45, 52, 120, 124, 37, 108, 108, 117, 124, 37, 115, 124, 37, 46, 50, 102, 124, 37, 37, 10, 0};
.global .align 1 .b8 word[6] = {104, 101, 108, 108, 111, 0};
";
    let body = "    .local .align 8 .b8 args[40];
    st.local.u32 [args], -7; st.local.u32 [args+4], 255; st.local.u64 [args+8], 12345678901234;
    mov.u64 %a1, word; cvta.global.u64 %a1, %a1; st.local.u64 [args+16], %a1; mov.f64 %d0, 0d400921FB54442D18; st.local.f64 [args+24], %d0;
    mov.u64 %a2, args; cvta.local.u64 %a2, %a2; mov.u64 %a3, format; cvta.global.u64 %a3, %a3;
    { .param .b64 p0; .param .b64 p1; .param .b32 q; st.param.b64 [p0], %a3; st.param.b64 [p1], %a2;
      call.uni (q), vprintf, (p0, p1); ld.param.b32 %x1, [q]; }
    setp.ne.u32 %p0, %x1, 5; @%p0 trap;";
    let mut device = Device::new(&format!("{externs}{}", kernel(body)));
    let text = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    device.options.printf = Sink::Buffer(text.clone());
    device.run(1, 2, &[0, 0]).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(*text.lock().unwrap(), "   -7|ff  |12345678901234|hello|3.14|%\n".repeat(2));

    let body = "    setp.ne.u32 %p0, %i, 3; @%p0 bra FINE; mov.u64 %a1, word; cvta.global.u64 %a1, %a1;
    { .param .b64 p0; .param .b64 p1; .param .b32 p2; .param .b64 p3; .param .b64 p4;
      st.param.b64 [p0], %a1; st.param.b64 [p1], %a1; st.param.b32 [p2], 17; st.param.b64 [p3], %a1; st.param.b64 [p4], 1;
      call.uni __assertfail, (p0, p1, p2, p3, p4); }
FINE:";
    let fault = Device::new(&format!("{externs}{}", kernel(body))).run(1, 8, &[0, 0]).unwrap_err();
    assert!(fault.to_string().contains("assertion `hello` failed in hello, hello:17"), "{fault}");
    assert_eq!((fault.code(), fault.site.unwrap().thread), (710, [3, 0, 0]));
}

#[test]
fn impossible_launches() {
    let device = Device::new(&kernel("").replace(")\n{", ") .maxntid 64, 1, 1\n{"));
    let config = LaunchConfig { grid: [1, 1, 1], block: [64, 1, 1], dynamic_shared: 0, cooperative: false };
    assert!(device.run_with(config, &[0, 0]).is_ok());
    let refused = [
        LaunchConfig { block: [65, 1, 1], ..config },
        LaunchConfig { block: [0, 1, 1], ..config },
        LaunchConfig { grid: [0, 1, 1], ..config },
        LaunchConfig { grid: [1, 70_000, 1], ..config },
        LaunchConfig { dynamic_shared: 228 << 10, ..config },
    ];
    for config in refused {
        let fault = device.run_with(config, &[0, 0]).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::InvalidLaunch(_)) && fault.code() == 1, "{fault}");
    }
    assert!(matches!(device.run_with(config, &[0]).unwrap_err().kind, FaultKind::InvalidLaunch(_)));
}
