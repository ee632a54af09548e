//! Comparisons, selections, conversions, packing, predicates; and refusals of what is not known.

use cuda::ptx::Module;

use crate::support::{HEAD, kernel, map, operands};

fn truncate(value: u64, width: u32) -> u64 {
    value & (u64::MAX >> (64 - width))
}

fn number(value: u64, width: u32, signed: bool) -> i128 {
    let value = truncate(value, width);
    if signed { i128::from((value << (64 - width)) as i64 >> (64 - width)) } else { i128::from(value) }
}

#[test]
fn comparisons() {
    let operands = operands::<3>(20);
    for (width, prefix) in [(16, "%h"), (32, "%x"), (64, "%a")] {
        for sign in ["u", "s"] {
            let ty = format!("{sign}{width}");
            let body = format!(
                "    setp.eq.{ty} %p0, {prefix}0, {prefix}1; setp.ne.{ty} %p1, {prefix}0, {prefix}1;
    setp.lt.{ty} %p2, {prefix}0, {prefix}1; setp.le.{ty} %p3, {prefix}0, {prefix}1;
    setp.gt.{ty} %p4, {prefix}0, {prefix}1; setp.ge.{ty} %p5, {prefix}0, {prefix}1;
    selp.b64 %a16, 1, 0, %p0; selp.b64 %a17, 1, 0, %p1; selp.b64 %a18, 1, 0, %p2;
    selp.b64 %a19, 1, 0, %p3; selp.b64 %a20, 1, 0, %p4; selp.b64 %a21, 1, 0, %p5;"
            );
            for (values, found) in operands.iter().zip(map::<3, 6>(&body, &operands)) {
                let [a, b, _] = values.map(|value| number(value, width, sign == "s"));
                let expected = [a == b, a != b, a < b, a <= b, a > b, a >= b].map(u64::from);
                assert_eq!(found, expected, "{ty} {values:x?}");
            }
        }
    }
}

#[test]
fn combined_comparisons_and_predicates() {
    let operands = operands::<3>(21);
    let body = "    setp.lt.u32 %p0, %x1, %x2;
    setp.lo.and.u32 %p1|%p2, %x0, %x1, %p0;
    setp.hs.xor.u32 %p3|%p4, %x0, %x1, !%p0;
    setp.gt.or.s64 _|%p5, %a0, %a1, %p0;
    and.pred %p6, %p1, !%p3; not.pred %p7, %p6; xor.pred %p6, %p6, %p0;
    set.gt.u32.s32 %x16, %x0, %x1; set.eq.f32.u32 %x17, %x0, %x1;
    selp.u32 %x18, 1, 0, %p1; selp.u32 %x19, 2, 0, %p2; selp.u32 %x20, 4, 0, %p3; selp.u32 %x21, 8, 0, %p4;
    selp.u32 %x22, 16, 0, %p5; selp.u32 %x23, 32, 0, %p6; selp.u32 %x24, 64, 0, %p7;
    or.b32 %x18, %x18, %x19; or.b32 %x18, %x18, %x20; or.b32 %x18, %x18, %x21; or.b32 %x18, %x18, %x22;
    or.b32 %x18, %x18, %x23; or.b32 %x18, %x18, %x24;
    slct.b32.s32 %x25, %x0, %x1, %x2; selp.b32 %x26, %x0, %x1, %p0;
    cvt.u64.u32 %a16, %x18; cvt.u64.u32 %a17, %x16; cvt.u64.u32 %a18, %x17; cvt.u64.u32 %a19, %x25; cvt.u64.u32 %a20, %x26;";
    for (values, found) in operands.iter().copied().zip(map::<3, 5>(body, &operands)) {
        let [a, b, c] = values.map(|value| value as u32);
        let p = b < c;
        let (p1, p2) = (a < b && p, a >= b && p);
        let (p3, p4) = ((a >= b) ^ !p, (a < b) ^ !p);
        let p5 = values[0] as i64 <= values[1] as i64 || p;
        let p6 = p1 && !p3;
        let flags = [p1, p2, p3, p4, p5, p6 ^ p, !p6];
        let flags = flags.iter().rev().fold(0, |word, &flag| word << 1 | u64::from(flag));
        let greater = if a as i32 > b as i32 { u32::MAX } else { 0 };
        let equal = if a == b { 1f32.to_bits() } else { 0 };
        let chosen = if c as i32 >= 0 { a } else { b };
        let selected = if p { a } else { b };
        let expected = [flags, greater.into(), equal.into(), chosen.into(), selected.into()];
        assert_eq!(found, expected, "{values:x?}");
    }
}

#[test]
fn conversions_of_integers() {
    let operands = operands::<1>(22);
    let types =
        [("u8", 8, false), ("s8", 8, true), ("u16", 16, false), ("s16", 16, true), ("u32", 32, false)];
    let types = [&types[..], &[("s32", 32, true), ("u64", 64, false), ("s64", 64, true)]].concat();
    for &(from, from_width, from_signed) in &types {
        for &(to, to_width, to_signed) in &types {
            for saturate in [false, true] {
                let source = if from_width <= 16 {
                    "%h0"
                } else if from_width == 32 {
                    "%x0"
                } else {
                    "%a0"
                };
                let (d, register, out) = match to_width {
                    8 | 16 => ("%h7", 16, "cvt.u64.u16 %a16, %h7;"),
                    32 => ("%x16", 32, "cvt.u64.u32 %a16, %x16;"),
                    _ => ("%a16", 64, ""),
                };
                let sat = if saturate { ".sat" } else { "" };
                let body = format!("    cvt{sat}.{to}.{from} {d}, {source};\n    {out}");
                for ([a], [found]) in operands.iter().copied().zip(map::<1, 1>(&body, &operands)) {
                    let value = number(a, from_width, from_signed);
                    let value = if saturate {
                        let low = if to_signed { -(1i128 << (to_width - 1)) } else { 0 };
                        let high = (1i128 << (to_width - u32::from(to_signed))) - 1;
                        value.clamp(low, high)
                    } else {
                        number(value as u64, to_width, to_signed)
                    };
                    assert_eq!(found, truncate(value as u64, register), "cvt{sat}.{to}.{from} {a:x}");
                }
            }
        }
    }
}

#[test]
fn packing() {
    let operands = operands::<2>(23);
    let body = "    mov.b64 {%x16, %x17}, %a0; mov.b64 %a16, {%x17, %x16};
    mov.b32 {%h4, %h5}, %x1; mov.b32 %x18, {%h5, %h4}; cvt.u64.u32 %a17, %x18;
    mov.b64 {%h4, %h5, %h6, %h7}, %a1; mov.b64 %a18, {%h7, %h6, %h5, %h4};
    mov.b64 {_, %x19}, %a1; cvt.u64.u32 %a19, %x19;";
    for ([a, b], found) in operands.iter().copied().zip(map::<2, 4>(body, &operands)) {
        let halves = |x: u64| (0..4).fold(0, |word, i| word << 16 | (x >> (16 * i) & 0xFFFF));
        let expected = [a.rotate_left(32), u64::from((b as u32).rotate_left(16)), halves(b), b >> 32];
        assert_eq!(found, expected, "{a:x} {b:x}");
    }
}

#[test]
fn what_is_not_known_is_quoted() {
    let cases = [
        ("frobnicate.u32 %x0, %x1;", "unknown instruction frobnicate.u32"),
        ("add.frob.u32 %x0, %x1, %x2;", ".frob is not supported"),
        ("add.u32 %x0, %x1;", "3 operands expected, 2 found"),
        ("add.u32 %x0, %a1, %x2;", "kind B32 expected, one of kind B64"),
        ("add.u32 %x0, %x1, nowhere;", "unknown name nowhere"),
        ("bra nowhere;", "unknown label nowhere"),
        ("mov.u32 %x0, %nothing;", "unknown special register %nothing"),
        ("tex.2d.v4.f32.s32 {%f0, %f1, %f2, %f3}, [t, {%x0, %x1}];", ""),
        ("add.ftz.f32 %f0, %f1, %f2;", ".ftz is not supported"),
    ];
    for (instruction, message) in cases {
        let text = format!("{HEAD}{}", kernel(&format!("    {instruction}")));
        let error = Module::parse(&text).expect_err(instruction);
        assert_eq!(text.lines().nth(error.line as usize - 1).map(str::trim), Some(instruction));
        assert!(error.message.contains(message), "{error}");
        assert!(error.to_string().contains(instruction), "{error}");
    }
    assert!(Module::parse("this is not PTX").is_err());
    assert!(Module::parse(&format!("{HEAD}.visible .entry k() {{ ret;")).is_err());
}

#[test]
fn kernels_say_what_they_need() {
    let text = format!(
        "{HEAD}.extern .shared .align 16 .b8 dynamic[];
.visible .entry k(.param .u32 a, .param .align 16 .b8 b[20], .param .u64 c, .param .u8 d) .maxntid 128, 2, 1 .reqntid 64
{{
    .shared .align 4 .b8 s[100];
    .shared .align 8 .u64 t;
    .local .align 8 .b8 depot[40];
    .reg .b32 %r<2>;
    mov.u32 %r1, s; mov.u32 %r0, t; mov.u32 %r1, dynamic;
    ret;
}}"
    );
    let module = Module::parse(&text).unwrap();
    let kernel = module.kernel("k").unwrap();
    let offsets: Vec<_> = kernel.params.iter().map(|p| (p.offset, p.size, p.align)).collect();
    assert_eq!(offsets, [(0, 4, 4), (16, 20, 16), (40, 8, 8), (48, 1, 1)]);
    assert_eq!((kernel.param_bytes, kernel.static_shared), (49, 112));
    assert_eq!((kernel.maxntid, kernel.reqntid), (Some([128, 2, 1]), Some([64, 1, 1])));
    assert!(kernel.local_bytes >= 40);
    assert!(module.kernel("l").is_none());
}
