//! The random schedule: finds what depends on order, repeats itself, and lets waiting code finish.

use cuda::machine::{Checks, FaultKind, LaunchConfig};

use crate::support::{Device, kernel};

/// What `body` leaves in the first `words` words of its output, per seed.
fn outcomes(body: &str, config: LaunchConfig, start: &[u32]) -> Vec<Vec<u32>> {
    let mut device = Device::new(&kernel(body));
    // Only the schedule may find the fault here.
    device.options.checks = Checks::NONE;
    (0..50)
        .map(|seed| {
            device.options.seed = Some(seed);
            let out = device.upload(start);
            device.run_with(config, &[0, out]).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
            device.download(out, start.len())
        })
        .collect()
}

fn shape(grid: u32, block: u32) -> LaunchConfig {
    LaunchConfig { grid: [grid, 1, 1], block: [block, 1, 1], dynamic_shared: 0, cooperative: false }
}

#[test]
fn the_order_of_blocks() {
    let outcomes = outcomes("    mov.u32 %x1, %ctaid.x; st.global.u32 [%out], %x1;", shape(4, 1), &[9]);
    for last in 0..4 {
        assert!(outcomes.contains(&vec![last]), "no seed lets block {last} write last");
    }
}

#[test]
fn the_order_of_warps_and_lost_updates() {
    let outcomes = outcomes(
        "    ld.global.u32 %x1, [%out]; add.u32 %x1, %x1, 1; st.global.u32 [%out], %x1;",
        shape(2, 64),
        &[0],
    );
    let distinct: std::collections::HashSet<_> = outcomes.iter().collect();
    assert!(distinct.len() > 1, "the schedules never differ");
}

#[test]
fn a_missing_syncwarp_changes_results() {
    let body = |sync: &str| {
        format!(
            "    .shared .align 4 .b8 s[128]; mul.wide.u32 %a1, %i, 4; mov.u64 %a2, s; add.s64 %a3, %a2, %a1; st.shared.u32 [%a3], %i;
    {sync}
    xor.b32 %x1, %i, 1; mul.wide.u32 %a4, %x1, 4; add.s64 %a4, %a2, %a4; ld.shared.u32 %x2, [%a4];
    add.s64 %a5, %out, %a1; st.global.u32 [%a5], %x2;"
        )
    };
    let right: Vec<u32> = (0..32).map(|i| i ^ 1).collect();
    let wrong = outcomes(&body(""), shape(1, 32), &[0; 32]);
    assert!(wrong.iter().any(|outcome| *outcome != right), "no seed shows the missing __syncwarp");
    let good = outcomes(&body("bar.warp.sync 0xffffffff;"), shape(1, 32), &[0; 32]);
    assert!(good.iter().all(|outcome| *outcome == right));
}

#[test]
fn a_seed_repeats_itself() {
    let body = "    mov.u32 %x2, %ctaid.x; atom.global.add.u32 %x1, [%out], 1; mad.lo.u32 %x3, %x2, 40, %i; mul.wide.u32 %a1, %x1, 4; add.s64 %a1, %out, %a1;
    st.global.u32 [%a1+4], %x3;";
    let first = outcomes(body, shape(3, 40), &[0; 121]);
    let second = outcomes(body, shape(3, 40), &[0; 121]);
    assert_eq!(first, second);
    assert!(first.windows(2).any(|pair| pair[0] != pair[1]));
}

/// Locks a word, adds to another, unlocks: the holder must get its turn though other lanes of its warp spin.
const LOCKED: &str = "
LOCK: atom.global.cas.b32 %x1, [%out], 0, 1; setp.ne.u32 %p0, %x1, 0; @%p0 bra LOCK;
    membar.gl;
    ld.global.u32 %x2, [%out+4]; add.u32 %x2, %x2, 1; st.global.u32 [%out+4], %x2;
    membar.gl;
    atom.global.exch.b32 %x3, [%out], 0;";

#[test]
fn locks_make_progress() {
    for outcome in outcomes(LOCKED, shape(2, 40), &[0, 0]) {
        assert_eq!(outcome, [0, 80]);
    }
    let mut device = Device::new(&kernel(LOCKED));
    device.options.checks = Checks { race: false, ..Checks::ALL };
    let out = device.upload(&[0, 0]);
    device.run(2, 40, &[0, out]).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(device.download(out, 2), [0, 80]);
}

/// A barrier of the grid out of an atomic counter.
const GRID_BARRIER: &str = "
    mov.u32 %x1, %ctaid.x; mul.wide.u32 %a1, %x1, 4; add.s64 %a1, %out, %a1; setp.eq.u32 %p0, %i, 0;
    @%p0 st.global.u32 [%a1+4], %x1;
    bar.sync 0;
    mov.u32 %x3, %nctaid.x;
    @!%p0 bra WAIT;
    membar.gl; atom.global.add.u32 %x2, [%out], 1;
SPIN: ld.acquire.gpu.global.u32 %x4, [%out]; setp.lt.u32 %p1, %x4, %x3; @%p1 bra SPIN;
    membar.gl;
WAIT: bar.sync 0;
    add.u32 %x5, %x1, 1; rem.u32 %x5, %x5, %x3; mul.wide.u32 %a2, %x5, 4; add.s64 %a2, %out, %a2;
    ld.global.u32 %x6, [%a2+4]; mul.wide.u32 %a3, %x3, 4; add.s64 %a3, %a1, %a3; @%p0 st.global.u32 [%a3+4], %x6;";

#[test]
fn cooperative_blocks_wait_for_each_other() {
    let config = LaunchConfig { cooperative: true, ..shape(6, 64) };
    for seed in [None, Some(1), Some(2), Some(3)] {
        let mut device = Device::new(&kernel(GRID_BARRIER));
        device.options.seed = seed;
        let out = device.upload(&[0; 13]);
        let live = device.memory.live();
        device.run_with(config, &[0, out]).unwrap_or_else(|fault| panic!("{seed:?} {fault}"));
        assert_eq!(device.download(out + 28, 6), [1, 2, 3, 4, 5, 0]);
        assert_eq!(device.memory.live(), live, "the launch leaves something behind");
    }
}

#[test]
fn other_blocks_that_wait_for_later_ones_are_stuck() {
    let mut device = Device::new(&kernel(GRID_BARRIER));
    device.options.patience = 100_000;
    let out = device.upload(&[0; 13]);
    let fault = device.run_with(shape(6, 64), &[0, out]).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Deadlock(_)), "{fault}");
}
