//! Counts of small kernels, by hand.

use cuda::machine::{Counters, Executed};

use crate::support::{Device, kernel};

fn executed(warp: u64, thread: u64) -> Executed {
    Executed { warp, thread }
}

#[test]
fn instructions_and_lanes() {
    // 40 threads are two warps. The kernel's frame is 2 parameter loads, one move, and the return.
    let body = "    setp.lt.u32 %p0, %i, 8;
    @%p0 bra SOME;
    mul.wide.u32 %a1, %i, 4;
SOME: mad.lo.u32 %x1, %i, 3, 5;
    add.u32 %x2, %x1, %x1;
    @%p0 add.u32 %x2, %x2, 1;
    shl.b32 %x3, %x2, 1;
    cvt.u64.u32 %a2, %x3;
    bar.sync 0;
    vote.sync.ballot.b32 %x4, %p0, 0x000000ff;";
    let body = body.replace("    vote", "    @%p0 vote");
    let device = Device::new(&kernel(&body));
    let counters = device.run(3, 40, &[0, 0]).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((counters.launches, counters.blocks, counters.threads), (1, 3, 120));
    let i = counters.instructions;
    let all = executed(6, 120);
    assert_eq!(i.constant, executed(12, 240));
    assert_eq!(i.mov, all);
    assert_eq!(i.wide_multiply, executed(6, 96));
    assert_eq!(i.multiply, all);
    assert_eq!(i.add, executed(9, 144));
    assert_eq!(i.logic, all);
    assert_eq!(i.shift, all);
    assert_eq!(i.convert, all);
    assert_eq!(i.barrier, all);
    assert_eq!(i.shuffle, executed(3, 24));
    // The branch that is taken, and the returns: the first warp of each block comes back in two groups, for the vote kept the lanes apart.
    assert_eq!(i.control.thread, 24 + 120);
    assert_eq!((i.global, i.shared, i.local, i.atomic, i.float, i.other), Default::default());
}

fn memory(body: &str, words: usize) -> Counters {
    let device = Device::new(&kernel(body));
    let out = device.upload(&vec![0; words]);
    device.run(1, 32, &[0, out]).unwrap_or_else(|fault| panic!("{fault}"))
}

#[test]
fn sectors_of_requests() {
    for (stride, bytes, sectors) in
        [(4, 32, 4), (8, 32, 8), (32, 32, 32), (128, 32, 32), (0, 32, 1), (16, 128, 16)]
    {
        let access = if bytes == 32 {
            "ld.global.u32 %x1, [%a1];"
        } else {
            "ld.global.v4.u32 {%x1, %x2, %x3, %x4}, [%a1];"
        };
        let counters = memory(&format!("    mad.wide.u32 %a1, %i, {stride}, %out; {access}"), 2048);
        assert_eq!((counters.global_requests, counters.global_sectors), (1, sectors), "stride {stride}");
    }
    // Addresses in no order, and an atomic.
    let counters =
        memory("    xor.b32 %x1, %i, 21; mad.wide.u32 %a1, %x1, 4, %out; red.global.add.u32 [%a1], 1;", 32);
    assert_eq!((counters.global_requests, counters.global_sectors), (1, 4));
    assert_eq!(counters.instructions.atomic, executed(1, 32));
    assert_eq!(counters.sectors_per_request(), 4.0);
}

#[test]
fn bank_conflicts() {
    // Words `stride` apart: gcd(stride, 32) lanes meet in a bank.
    for (stride, conflicts) in [(1, 0), (2, 1), (4, 3), (32, 31), (33, 0), (0, 0)] {
        let body = format!(
            "    .shared .align 4 .b8 s[4300]; mul.lo.u32 %x1, %i, {}; cvt.u64.u32 %a1, %x1; mov.u64 %a2, s; add.s64 %a2, %a2, %a1;
    st.shared.u32 [%a2], 1;",
            4 * stride
        );
        let counters = memory(&body, 1);
        assert_eq!((counters.shared_requests, counters.shared_conflicts), (1, conflicts), "stride {stride}");
    }
    // 16 bytes per lane go a quarter of a warp at a time, without conflict.
    let body =
        "    .shared .align 16 .b8 s[512]; mul.wide.u32 %a1, %i, 16; mov.u64 %a2, s; add.s64 %a2, %a2, %a1;
    st.shared.v4.u32 [%a2], {%i, %i, %i, %i};";
    assert_eq!(memory(body, 1).shared_conflicts, 0);
}

#[test]
fn counts_do_not_depend_on_threads_and_survive_json() {
    let body = "    mad.wide.u32 %a1, %i, 4, %out; ld.global.u32 %x1, [%a1]; setp.eq.u32 %p0, %i, 3; @%p0 bra DONE; add.u32 %x1, %x1, 1; DONE:";
    let run = |threads| {
        let mut device = Device::new(&kernel(body));
        device.options.checks.race = false;
        device.options.threads = Some(threads);
        let out = device.upload(&[0; 64]);
        device.run(20, 64, &[0, out]).unwrap()
    };
    let counters = run(1);
    assert_eq!(counters, run(4));
    let json = serde_json::to_string(&counters).unwrap();
    assert_eq!(serde_json::from_str::<Counters>(&json).unwrap(), counters);
    assert!(json.contains("\"wide_multiply\""), "{json}");
    let mut sum = counters;
    sum += counters;
    assert_eq!(sum.instructions.total().thread, 2 * counters.instructions.total().thread);
    // Nine instructions of the first warp, of which one runs for one lane and one for the others; eight of the second.
    assert_eq!(counters.lanes_per_instruction(), 512.0 / 17.0);
}
