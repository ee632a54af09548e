//! What lanes do together, converged and in divergent code.

use crate::support::{Device, Words, kernel};

/// Runs `body` on one warp whose `%x0` is a scrambled number per lane; returns `%x16` of each lane.
fn lanes(body: &str) -> Vec<u32> {
    let mut results = Vec::new();
    for seed in [None, Some(5), Some(6)] {
        let text = format!(
            "    mul.wide.u32 %a1, %i, 4; add.s64 %a2, %in, %a1; ld.global.u32 %x0, [%a2]; add.s64 %a3, %out, %a1;
{body}
    st.global.u32 [%a3], %x16;"
        );
        let mut device = Device::new(&kernel(&text));
        device.options.seed = seed;
        let (input, out) = (device.upload(&inputs()), device.upload(&[0; 32]));
        device.run(1, 32, &[input, out]).unwrap_or_else(|fault| panic!("{fault}"));
        results.push(device.download(out, 32));
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    results.swap_remove(0)
}

fn inputs() -> Vec<u32> {
    (0..32u32).map(|i| i.wrapping_mul(0x9E37_79B9) ^ 0x5555).collect()
}

#[test]
fn shuffles() {
    let x = inputs();
    for (width, segment) in [(32u32, 0u32), (16, 0x10), (8, 0x18), (4, 0x1C)] {
        for amount in [0u32, 1, 3, 7, 16, 31] {
            for mode in ["up", "down", "bfly", "idx"] {
                let clamp = if mode == "up" { 0 } else { 31 };
                let body = format!(
                    "    shfl.sync.{mode}.b32 %x16|%p0, %x0, {amount}, {}, 0xffffffff; @!%p0 add.u32 %x16, %x16, 1;",
                    segment << 8 | clamp
                );
                let expected = (0..32u32).map(|lane| {
                    let first = lane / width * width;
                    let source = match mode {
                        "up" => lane.checked_sub(amount).filter(|&s| s >= first),
                        "down" => Some(lane + amount).filter(|&s| s < first + width),
                        "bfly" => Some(lane ^ amount).filter(|&s| s < first + width),
                        _ => Some(first + amount % width),
                    };
                    source.map_or(x[lane as usize].wrapping_add(1), |s| x[s as usize])
                });
                assert_eq!(lanes(&body), expected.collect::<Vec<_>>(), "{mode} {amount} of {width}");
            }
        }
    }
}

#[test]
fn shuffles_in_divergent_code() {
    // Odd and even lanes reduce by themselves, on different sides of a branch.
    let body = "    and.b32 %x1, %i, 1; setp.eq.u32 %p0, %x1, 0; mov.u32 %x16, %x0; @%p0 bra EVEN;
    shfl.sync.bfly.b32 %x2, %x16, 2, 0x1f, 0xaaaaaaaa; add.u32 %x16, %x16, %x2;
    shfl.sync.bfly.b32 %x2, %x16, 4, 0x1f, 0xaaaaaaaa; add.u32 %x16, %x16, %x2;
    shfl.sync.bfly.b32 %x2, %x16, 8, 0x1f, 0xaaaaaaaa; add.u32 %x16, %x16, %x2;
    shfl.sync.bfly.b32 %x2, %x16, 16, 0x1f, 0xaaaaaaaa; add.u32 %x16, %x16, %x2;
    bra JOIN;
EVEN: redux.sync.add.u32 %x16, %x0, 0x55555555;
JOIN: bar.warp.sync 0xffffffff;";
    let x = inputs();
    let sum = |parity: usize| x.iter().skip(parity).step_by(2).fold(0u32, |sum, &x| sum.wrapping_add(x));
    assert_eq!(lanes(body), (0..32).map(|i| sum(i % 2)).collect::<Vec<_>>());
}

#[test]
fn lanes_wait_for_each_other() {
    // Half of the warp takes a long way round; the shuffle needs all of it.
    let body = "    mov.u32 %x1, 0; setp.lt.u32 %p0, %i, 16; @%p0 bra JOIN;
LOOP: add.u32 %x1, %x1, 1; setp.lt.u32 %p1, %x1, 100; @%p1 bra LOOP;
JOIN: shfl.sync.bfly.b32 %x16, %x1, 16, 0x1f, 0xffffffff;";
    assert_eq!(lanes(body), (0..32).map(|i| if i < 16 { 100 } else { 0 }).collect::<Vec<_>>());
}

#[test]
fn votes() {
    let x = inputs();
    let body = "    and.b32 %x1, %x0, 4; setp.ne.u32 %p0, %x1, 0;
    vote.sync.ballot.b32 %x16, %p0, 0xffffffff;
    vote.sync.any.pred %p1, %p0, 0xffffffff; vote.sync.all.pred %p2, %p0, 0xffffffff; vote.sync.uni.pred %p3, !%p1, 0xffffffff;
    @%p1 xor.b32 %x16, %x16, 1; @%p2 xor.b32 %x16, %x16, 2; @%p3 xor.b32 %x16, %x16, 4;";
    let ballot = (0..32).filter(|&i| x[i] & 4 != 0).fold(0u32, |mask, i| mask | 1 << i);
    assert!(ballot != 0 && ballot != u32::MAX);
    assert_eq!(lanes(body), vec![ballot ^ 1 ^ 4; 32]);
}

#[test]
fn matches() {
    let x = inputs();
    let body = "    and.b32 %x1, %x0, 3; match.any.sync.b32 %x16, %x1, 0xffffffff;
    cvt.u64.u32 %a4, %x1; match.any.sync.b64 %x2, %a4, 0xffffffff; xor.b32 %x2, %x2, %x16;
    match.all.sync.b32 %x3|%p0, 7, 0xffffffff; match.all.sync.b32 %x4|%p1, %x0, 0xffffffff;
    @!%p0 mov.u32 %x16, 0; @%p1 mov.u32 %x16, 0; not.b32 %x3, %x3; or.b32 %x2, %x2, %x3; or.b32 %x2, %x2, %x4; xor.b32 %x16, %x16, %x2;";
    let expected =
        (0..32).map(|i| (0..32).filter(|&j| x[i] & 3 == x[j] & 3).fold(0u32, |mask, j| mask | 1 << j));
    assert_eq!(lanes(body), expected.collect::<Vec<_>>());
}

#[test]
fn reductions() {
    let x = inputs();
    let cases: [(&str, Words); 8] = [
        ("add.u32", |a, b| a.wrapping_add(b)),
        ("min.u32", |a, b| a.min(b)),
        ("max.u32", |a, b| a.max(b)),
        ("min.s32", |a, b| (a as i32).min(b as i32) as u32),
        ("max.s32", |a, b| (a as i32).max(b as i32) as u32),
        ("and.b32", |a, b| a & b),
        ("or.b32", |a, b| a | b),
        ("xor.b32", |a, b| a ^ b),
    ];
    for (op, f) in cases {
        let expected = x.iter().copied().reduce(f).unwrap();
        assert_eq!(lanes(&format!("    redux.sync.{op} %x16, %x0, 0xffffffff;")), vec![expected; 32], "{op}");
    }
}

#[test]
fn elections_and_masks() {
    let body = "    setp.gt.u32 %p0, %i, 4; mov.u32 %x16, 0; @!%p0 bra JOIN;
    elect.sync %x1|%p1, 0xffffffe0; selp.u32 %x16, 100, 0, %p1; add.u32 %x16, %x16, %x1;
JOIN:";
    let expected = (0..32).map(|i| match i {
        0..5 => 0,
        5 => 105,
        _ => 5,
    });
    assert_eq!(lanes(body), expected.collect::<Vec<_>>());
    // Without a random schedule, converged lanes are all active.
    let device = Device::new(&kernel(
        "    activemask.b32 %x1; setp.lt.u32 %p0, %i, 1; @%p0 st.global.u32 [%out], %x1;",
    ));
    let out = device.upload(&[0]);
    device.run(1, 20, &[0, out]).unwrap();
    assert_eq!(device.download(out, 1), [0xF_FFFF]);
}

#[test]
fn warp_barriers_at_different_places() {
    let body = "    .shared .align 4 .b8 s[128]; mov.u64 %a4, s; add.s64 %a5, %a4, %a1; xor.b32 %x1, %i, 1; mul.wide.u32 %a6, %x1, 4; add.s64 %a6, %a4, %a6;
    st.shared.u32 [%a5], %x0; and.b32 %x2, %i, 1; setp.eq.u32 %p0, %x2, 0; @%p0 bra EVEN;
    bar.warp.sync 0xffffffff; ld.shared.u32 %x16, [%a6]; bra JOIN;
EVEN: bar.warp.sync 0xffffffff; ld.shared.u32 %x16, [%a6]; not.b32 %x16, %x16;
JOIN:";
    let x = inputs();
    let expected = (0..32).map(|i| if i % 2 == 0 { !x[i + 1] } else { x[i - 1] });
    assert_eq!(lanes(body), expected.collect::<Vec<_>>());
}
