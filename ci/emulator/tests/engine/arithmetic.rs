//! Arithmetic, logic and shifts against Rust's, on edges and random operands, at every width.

use proptest::prelude::*;

use crate::support::{map, operands};

/// Instructions of one width: suffix of the registers, and how a result gets into 64 bits.
fn at_width(width: u32) -> (&'static str, &'static str) {
    match width {
        16 => ("%h", "cvt.u64.u16 %a16, %h7;"),
        32 => ("%x", "cvt.u64.u32 %a16, %x16;"),
        _ => ("%a", ""),
    }
}

fn destination(width: u32) -> &'static str {
    match width {
        16 => "%h7",
        32 => "%x16",
        _ => "%a16",
    }
}

fn truncate(value: u64, width: u32) -> u64 {
    value & (u64::MAX >> (64 - width))
}

fn extend(value: u64, width: u32) -> i128 {
    i128::from((value << (64 - width)) as i64 >> (64 - width))
}

/// Checks `op d, a, b, ...` against `f`, which sees the operands both ways: as unsigned and as signed numbers.
fn check<const N: usize>(op: &str, width: u32, f: impl Fn([u128; N], [i128; N]) -> i128) {
    let (prefix, out) = at_width(width);
    let sources: Vec<String> = (0..N).map(|j| format!("{prefix}{j}")).collect();
    let body = format!("    {op} {}, {};\n    {out}", destination(width), sources.join(", "));
    let operands = operands::<N>(u64::from(width) + op.len() as u64);
    for (values, [found]) in operands.iter().zip(map::<N, 1>(&body, &operands)) {
        let unsigned = values.map(|value| u128::from(truncate(value, width)));
        let signed = values.map(|value| extend(value, width));
        let expected = truncate(f(unsigned, signed) as u64, width);
        assert_eq!(found, expected, "{op} of {values:x?}");
    }
}

#[test]
fn sums_and_products() {
    for width in [16, 32, 64] {
        for sign in ["u", "s"] {
            let ty = format!("{sign}{width}");
            check::<2>(&format!("add.{ty}"), width, |[a, b], _| (a + b) as i128);
            check::<2>(&format!("sub.{ty}"), width, |_, [a, b]| a - b);
            check::<2>(&format!("mul.lo.{ty}"), width, |[a, b], _| a.wrapping_mul(b) as i128);
            check::<3>(&format!("mad.lo.{ty}"), width, |[a, b, c], _| {
                a.wrapping_mul(b).wrapping_add(c) as i128
            });
        }
        check::<2>(&format!("mul.hi.u{width}"), width, |[a, b], _| ((a * b) >> width) as i128);
        check::<2>(&format!("mul.hi.s{width}"), width, |_, [a, b]| (a * b) >> width);
        check::<3>(&format!("mad.hi.u{width}"), width, |[a, b, c], _| (((a * b) >> width) + c) as i128);
        check::<3>(&format!("mad.hi.s{width}"), width, |_, [a, b, c]| ((a * b) >> width) + c);
        check::<3>(&format!("sad.u{width}"), width, |[a, b, c], _| (c + a.abs_diff(b)) as i128);
        check::<3>(&format!("sad.s{width}"), width, |[_, _, c], [a, b, _]| (c + a.abs_diff(b)) as i128);
    }
    let clamp = |x: i128| x.clamp(i32::MIN.into(), i32::MAX.into());
    check::<2>("add.sat.s32", 32, |_, [a, b]| clamp(a + b));
    check::<2>("sub.sat.s32", 32, |_, [a, b]| clamp(a - b));
    check::<3>("mad.hi.sat.s32", 32, |_, [a, b, c]| clamp(((a * b) >> 32) + c));
}

#[test]
fn products_of_24_bits() {
    let low = |x: u128| x & 0xFF_FFFF;
    let signed = |x: u128| extend(x as u64, 24);
    check::<2>("mul24.lo.u32", 32, |[a, b], _| (low(a) * low(b)) as i128);
    check::<2>("mul24.hi.u32", 32, |[a, b], _| ((low(a) * low(b)) >> 16) as i128);
    check::<2>("mul24.lo.s32", 32, |[a, b], _| signed(a) * signed(b));
    check::<2>("mul24.hi.s32", 32, |[a, b], _| (signed(a) * signed(b)) >> 16);
    check::<3>("mad24.lo.u32", 32, |[a, b, c], _| (low(a) * low(b) + c) as i128);
    check::<3>("mad24.lo.s32", 32, |[a, b, c], _| signed(a) * signed(b) + c as i128);
    check::<3>("mad24.hi.u32", 32, |[a, b, c], _| (((low(a) * low(b)) >> 16) + c) as i128);
    check::<3>("mad24.hi.s32", 32, |[a, b, c], _| ((signed(a) * signed(b)) >> 16) + c as i128);
}

#[test]
fn wide_products() {
    let operands = operands::<3>(5);
    let body = "    mul.wide.u32 %a16, %x0, %x1;
    mul.wide.s32 %a17, %x0, %x1;
    mad.wide.u32 %a18, %x0, %x1, %a2;
    mad.wide.s32 %a19, %x0, %x1, %a2;
    mul.wide.u16 %x16, %h0, %h1;
    mul.wide.s16 %x17, %h0, %h1;
    mad.wide.u16 %x18, %h0, %h1, %x2;
    mad.wide.s16 %x19, %h0, %h1, %x2;
    cvt.u64.u32 %a20, %x16; cvt.u64.u32 %a21, %x17; cvt.u64.u32 %a22, %x18; cvt.u64.u32 %a23, %x19;";
    for ([a, b, c], found) in operands.iter().copied().zip(map::<3, 8>(body, &operands)) {
        let unsigned = u64::from(a as u32) * u64::from(b as u32);
        let signed = (i64::from(a as i32) * i64::from(b as i32)) as u64;
        let unsigned16 = u32::from(a as u16) * u32::from(b as u16);
        let signed16 = (i32::from(a as i16) * i32::from(b as i16)) as u32;
        let expected = [
            unsigned,
            signed,
            unsigned.wrapping_add(c),
            signed.wrapping_add(c),
            u64::from(unsigned16),
            u64::from(signed16),
            u64::from(unsigned16.wrapping_add(c as u32)),
            u64::from(signed16.wrapping_add(c as u32)),
        ];
        assert_eq!(found, expected, "{a:x} {b:x} {c:x}");
    }
}

#[test]
fn quotients() {
    for width in [16, 32, 64] {
        let ones = -1;
        check::<2>(&format!("div.u{width}"), width, |[a, b], _| a.checked_div(b).map_or(ones, |q| q as i128));
        check::<2>(&format!("rem.u{width}"), width, |[a, b], _| a.checked_rem(b).unwrap_or(a) as i128);
        check::<2>(&format!("div.s{width}"), width, |_, [a, b]| if b == 0 { ones } else { a / b });
        check::<2>(&format!("rem.s{width}"), width, |_, [a, b]| if b == 0 { a } else { a % b });
    }
}

#[test]
fn logic_and_order() {
    for width in [16, 32, 64] {
        check::<2>(&format!("and.b{width}"), width, |[a, b], _| (a & b) as i128);
        check::<2>(&format!("or.b{width}"), width, |[a, b], _| (a | b) as i128);
        check::<2>(&format!("xor.b{width}"), width, |[a, b], _| (a ^ b) as i128);
        check::<1>(&format!("not.b{width}"), width, |_, [a]| !a);
        check::<1>(&format!("cnot.b{width}"), width, |_, [a]| i128::from(a == 0));
        check::<1>(&format!("neg.s{width}"), width, |_, [a]| -a);
        check::<1>(&format!("abs.s{width}"), width, |_, [a]| a.abs());
        check::<2>(&format!("min.u{width}"), width, |[a, b], _| a.min(b) as i128);
        check::<2>(&format!("max.u{width}"), width, |[a, b], _| a.max(b) as i128);
        check::<2>(&format!("min.s{width}"), width, |_, [a, b]| a.min(b));
        check::<2>(&format!("max.s{width}"), width, |_, [a, b]| a.max(b));
    }
    for table in [0x80u32, 0xEA, 0x96, 0xCA, 0xE8, 0x00, 0xFF, 0x1B] {
        let operands = operands::<3>(u64::from(table));
        let body = format!("    lop3.b32 %x16, %x0, %x1, %x2, {table};\n    cvt.u64.u32 %a16, %x16;");
        for (values, [found]) in operands.iter().zip(map::<3, 1>(&body, &operands)) {
            let expected = (0..32).fold(0, |word, bit| {
                let [a, b, c] = values.map(|value| (value >> bit & 1) as u32);
                word | u64::from(table >> (a * 4 + b * 2 + c) & 1) << bit
            });
            assert_eq!(found, expected, "{table:#x} {values:x?}");
        }
    }
}

#[test]
fn shifts() {
    for (width, prefix) in [(16, "%h"), (32, "%x"), (64, "%a")] {
        let (_, out) = at_width(width);
        let operands: Vec<[u64; 2]> = operands::<2>(9);
        for op in ["shl.b", "shr.u", "shr.s"] {
            let body = format!("    {op}{width} {}, {prefix}0, %x1;\n    {out}", destination(width));
            for ([a, b], [found]) in operands.iter().copied().zip(map::<2, 1>(&body, &operands)) {
                let n = b as u32;
                let value = u128::from(truncate(a, width));
                let expected = match op {
                    "shl.b" => value.checked_shl(n).unwrap_or(0),
                    "shr.u" => value.checked_shr(n).unwrap_or(0),
                    _ => (extend(a, width) >> n.min(127)) as u128,
                };
                assert_eq!(found, truncate(expected as u64, width), "{op}{width} {a:x} {n}");
            }
        }
    }
    for (mode, wrap) in [("wrap", true), ("clamp", false)] {
        let operands = operands::<3>(10);
        let body = format!(
            "    shf.l.{mode}.b32 %x16, %x0, %x1, %x2;\n    shf.r.{mode}.b32 %x17, %x0, %x1, %x2;
    cvt.u64.u32 %a16, %x16; cvt.u64.u32 %a17, %x17;"
        );
        for ([a, b, c], found) in operands.iter().copied().zip(map::<3, 2>(&body, &operands)) {
            let n = if wrap { c as u32 % 32 } else { (c as u32).min(32) };
            let both = u128::from(b as u32) << 32 | u128::from(a as u32);
            let expected = [(both << n) >> 32, both >> n].map(|value| value as u64 & 0xFFFF_FFFF);
            assert_eq!(found, expected, "{a:x} {b:x} {c:x}");
        }
    }
}

#[test]
fn counts_of_bits() {
    for width in [32u32, 64] {
        let (prefix, _) = at_width(width);
        let operands = operands::<1>(11);
        let body = format!(
            "    popc.b{width} %x16, {prefix}0; clz.b{width} %x17, {prefix}0; brev.b{width} {prefix}18, {prefix}0;
    bfind.u{width} %x19, {prefix}0; bfind.s{width} %x20, {prefix}0; bfind.shiftamt.u{width} %x21, {prefix}0;
    bfind.shiftamt.s{width} %x22, {prefix}0;
    cvt.u64.u32 %a16, %x16; cvt.u64.u32 %a17, %x17; {}
    cvt.u64.u32 %a19, %x19; cvt.u64.u32 %a20, %x20; cvt.u64.u32 %a21, %x21; cvt.u64.u32 %a22, %x22;",
            if width == 32 { "cvt.u64.u32 %a18, %x18;" } else { "" }
        );
        for (&[a], found) in operands.iter().zip(map::<1, 7>(&body, &operands)) {
            let a = truncate(a, width);
            let bits: Vec<bool> = (0..width).map(|i| a >> i & 1 == 1).collect();
            let sign = bits[width as usize - 1];
            let highest = |wanted: bool| bits.iter().rposition(|&bit| bit == wanted).map(|i| i as u64);
            let none = u64::from(u32::MAX);
            let (unsigned, signed) = (highest(true), highest(!sign));
            let amount = |at: Option<u64>| at.map_or(none, |at| u64::from(width) - 1 - at);
            let reversed = bits.iter().fold(0, |word, &bit| word << 1 | u64::from(bit));
            let expected = [
                bits.iter().filter(|bit| **bit).count() as u64,
                unsigned.map_or(u64::from(width), |at| u64::from(width) - 1 - at),
                reversed,
                unsigned.unwrap_or(none),
                signed.unwrap_or(none),
                amount(unsigned),
                amount(signed),
            ];
            assert_eq!(found, expected, "{a:x}");
        }
    }
}

/// Bit `i` of the manual's definition of `bfe`.
fn bfe(signed: bool, width: u32, a: u64, position: u32, length: u32) -> u64 {
    let bit = |i: u32| a >> i & 1;
    let sign = if !signed || length == 0 { 0 } else { bit((position + length - 1).min(width - 1)) };
    (0..width).fold(0, |word, i| {
        let inside = i < length && position + i < width;
        word | (if inside { bit(position + i) } else { sign }) << i
    })
}

#[test]
fn bit_fields() {
    for width in [32, 64] {
        let (prefix, out) = at_width(width);
        let d = destination(width);
        let mut operands = operands::<4>(12);
        // Positions and lengths that matter, among those that do not.
        for (i, [_, _, position, length]) in operands.iter_mut().enumerate() {
            if i % 4 != 0 {
                (*position, *length) = (*position % 70, *length % 70);
            }
        }
        for signed in [false, true] {
            let sign = if signed { 's' } else { 'u' };
            let body = format!("    bfe.{sign}{width} {d}, {prefix}0, %x2, %x3;\n    {out}");
            for ([a, _, p, n], [found]) in operands.iter().copied().zip(map::<4, 1>(&body, &operands)) {
                let expected = bfe(signed, width, truncate(a, width), p as u32 & 255, n as u32 & 255);
                assert_eq!(found, expected, "bfe.{sign}{width} {a:x} {p:x} {n:x}");
            }
        }
        let body = format!("    bfi.b{width} {d}, {prefix}0, {prefix}1, %x2, %x3;\n    {out}");
        for ([a, b, p, n], [found]) in operands.iter().copied().zip(map::<4, 1>(&body, &operands)) {
            let (p, n) = (p & 255, n & 255);
            let expected = (0..u64::from(width)).fold(0, |word, i| {
                let bit = if i >= p && i < p + n { a >> (i - p) & 1 } else { b >> i & 1 };
                word | bit << i
            });
            assert_eq!(found, expected, "bfi.b{width} {a:x} {b:x} {p} {n}");
        }
    }
    let operands = operands::<2>(13);
    let body = "    bmsk.clamp.b32 %x16, %x0, %x1; bmsk.wrap.b32 %x17, %x0, %x1;
    szext.clamp.u32 %x18, %x0, %x1; szext.wrap.s32 %x19, %x0, %x1;
    cvt.u64.u32 %a16, %x16; cvt.u64.u32 %a17, %x17; cvt.u64.u32 %a18, %x18; cvt.u64.u32 %a19, %x19;";
    for ([a, b], found) in operands.iter().copied().zip(map::<2, 4>(body, &operands)) {
        let (a, b) = (a as u32, b as u32);
        let ones = |from: u32, count: u32| {
            (0..32).filter(|i| (from..from + count).contains(i)).fold(0, |m, i| m | 1u64 << i)
        };
        let wrapped = b & 31;
        let expected = [
            ones(a.min(32), b.min(32)),
            ones(a & 31, b & 31),
            u64::from(a) & ones(0, b.min(32)),
            if wrapped == 0 { 0 } else { truncate(extend(u64::from(a), wrapped) as u64, 32) },
        ];
        assert_eq!(found, expected, "{a:x} {b:x}");
    }
}

#[test]
fn permutations_of_bytes() {
    let operands = operands::<3>(14);
    let modes = [
        "prmt.b32",
        "prmt.b32.f4e",
        "prmt.b32.b4e",
        "prmt.b32.rc8",
        "prmt.b32.ecl",
        "prmt.b32.ecr",
        "prmt.b32.rc16",
    ];
    // The bytes of the manual's table, highest first, for each value of the selector.
    let tables: [[[u8; 4]; 4]; 6] = [
        [[3, 2, 1, 0], [4, 3, 2, 1], [5, 4, 3, 2], [6, 5, 4, 3]],
        [[5, 6, 7, 0], [6, 7, 0, 1], [7, 0, 1, 2], [0, 1, 2, 3]],
        [[0; 4], [1; 4], [2; 4], [3; 4]],
        [[3, 2, 1, 0], [3, 2, 1, 1], [3, 2, 2, 2], [3, 3, 3, 3]],
        [[0, 0, 0, 0], [1, 1, 1, 0], [2, 2, 1, 0], [3, 2, 1, 0]],
        [[1, 0, 1, 0], [3, 2, 3, 2], [1, 0, 1, 0], [3, 2, 3, 2]],
    ];
    for (m, mode) in modes.iter().enumerate() {
        // The type comes last in PTX.
        let op = mode.strip_prefix("prmt.b32").map(|rest| format!("prmt.b32{rest}")).unwrap();
        let body = format!("    {op} %x16, %x0, %x1, %x2;\n    cvt.u64.u32 %a16, %x16;");
        for ([a, b, c], [found]) in operands.iter().copied().zip(map::<3, 1>(&body, &operands)) {
            let bytes = [(a as u32).to_le_bytes(), (b as u32).to_le_bytes()].concat();
            let expected = if m == 0 {
                let pick = |i: u32| {
                    let selector = (c >> (4 * i) & 15) as usize;
                    let byte = bytes[selector & 7];
                    if selector < 8 {
                        byte
                    } else if byte >= 128 {
                        255
                    } else {
                        0
                    }
                };
                u32::from_le_bytes([pick(0), pick(1), pick(2), pick(3)])
            } else {
                u32::from_be_bytes(tables[m - 1][(c & 3) as usize].map(|i| bytes[usize::from(i)]))
            };
            assert_eq!(found, u64::from(expected), "{mode} {a:x} {b:x} {c:x}");
        }
    }
}

#[test]
fn dot_products_and_nth_set_bit() {
    let operands = operands::<3>(15);
    for (a_type, b_type) in [("u32", "u32"), ("u32", "s32"), ("s32", "u32"), ("s32", "s32")] {
        let body = format!(
            "    dp4a.{a_type}.{b_type} %x16, %x0, %x1, %x2; dp2a.lo.{a_type}.{b_type} %x17, %x0, %x1, %x2;
    dp2a.hi.{a_type}.{b_type} %x18, %x0, %x1, %x2;
    cvt.u64.u32 %a16, %x16; cvt.u64.u32 %a17, %x17; cvt.u64.u32 %a18, %x18;"
        );
        let part = |ty: &str, value: u64, bits: u32, i: u32| {
            let value = truncate(value >> (bits * i), bits);
            if ty == "s32" { extend(value, bits) } else { i128::from(value) }
        };
        for ([a, b, c], found) in operands.iter().copied().zip(map::<3, 3>(&body, &operands)) {
            let start = i128::from(c as u32);
            let dp4a = (0..4).map(|i| part(a_type, a, 8, i) * part(b_type, b, 8, i)).sum::<i128>() + start;
            let dp2a = |first| {
                (0..2).map(|i| part(a_type, a, 16, i) * part(b_type, b, 8, first + i)).sum::<i128>() + start
            };
            let expected = [dp4a, dp2a(0), dp2a(2)].map(|value| truncate(value as u64, 32));
            assert_eq!(found, expected, "{a:x} {b:x} {c:x}");
        }
    }
    let operands: Vec<[u64; 3]> =
        operands.iter().map(|&[mask, base, offset]| [mask, base % 32, (offset as i64 % 20) as u64]).collect();
    let body = "    fns.b32 %x16, %x0, %x1, %x2;\n    cvt.u64.u32 %a16, %x16;";
    for ([mask, base, offset], [found]) in operands.iter().copied().zip(map::<3, 1>(body, &operands)) {
        let set = |i: &u64| mask >> i & 1 == 1;
        let expected = match offset as i64 {
            0 => Some(base).filter(set),
            n if n > 0 => (base..32).filter(set).nth(n as usize - 1),
            n => (0..=base).rev().filter(set).nth(-n as usize - 1),
        };
        assert_eq!(found, expected.unwrap_or(u64::from(u32::MAX)), "{mask:x} {base} {offset}");
    }
}

#[test]
fn single_carries() {
    for (width, prefix, out) in [(32u32, "%x", "cvt.u64.u32"), (64, "%a", "mov.b64")] {
        let operands = operands::<4>(16);
        // The carry in is one when %0 + %1 overflows; each result is followed by its carry out.
        let ops = ["addc.cc.u", "subc.cc.u", "madc.lo.cc.u", "madc.hi.cc.u", "madc.hi.cc.s"];
        for op in ops {
            for first in ["add", "sub"] {
                let product = op.starts_with("mad");
                let c = if product { format!(", {prefix}3") } else { String::new() };
                let body = format!(
                    "    {first}.cc.u{width} {prefix}20, {prefix}0, {prefix}1;
    {op}{width} {prefix}21, {prefix}2, {prefix}0{c};
    addc.u{width} {prefix}22, 0, 0;
    {out} %a16, {prefix}21;
    {out} %a17, {prefix}22;"
                );
                for (values, [found, carry]) in operands.iter().copied().zip(map::<4, 2>(&body, &operands)) {
                    let [a, b, c, d] = values.map(|value| u128::from(truncate(value, width)));
                    let input = u128::from(if first == "add" { (a + b) >> width != 0 } else { a < b });
                    let (value, overflow) = match op {
                        "addc.cc.u" => (c + a + input, (c + a + input) >> width != 0),
                        "subc.cc.u" => (c.wrapping_sub(a).wrapping_sub(input), c < a + input),
                        _ => {
                            let signed = |x| extend(x as u64, width);
                            let term = match op {
                                "madc.lo.cc.u" => c.wrapping_mul(a),
                                "madc.hi.cc.u" => (c * a) >> width,
                                _ => ((signed(c) * signed(a)) >> width) as u128,
                            };
                            let sum = u128::from(truncate(term as u64, width)) + d + input;
                            (sum, sum >> width != 0)
                        }
                    };
                    assert_eq!(found, truncate(value as u64, width), "{op}{width} {values:x?}");
                    assert_eq!(carry, u64::from(overflow), "carry of {op}{width} {values:x?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// 256-bit sums, differences and a row of a long product by carry chains of 32 bits.
    #[test]
    fn long_chains(operands in prop::collection::vec(prop::array::uniform8(any::<u64>()), 1..70)) {
        let mut body = String::new();
        let limb = |number: u32, j: u32| (number * 4 + j / 2, 32 * (j % 2));
        for j in 0..8 {
            for (number, base) in [(0, 8), (1, 16)] {
                let (a, shift) = limb(number, j);
                body += &format!("    shr.u64 %a31, %a{a}, {shift}; cvt.u32.u64 %x{}, %a31;\n", base + j);
            }
        }
        for (op, kept) in [("add", 16), ("sub", 20)] {
            for j in 0..8 {
                let opcode = match j { 0 => format!("{op}.cc.u32"), 7 => format!("{op}c.u32"), _ => format!("{op}c.cc.u32") };
                body += &format!("    {opcode} %x{j}, %x{}, %x{};\n", 8 + j, 16 + j);
            }
            for j in 0..4 {
                body += &format!("    mov.b64 %a{}, {{%x{}, %x{}}};\n", kept + j, 2 * j, 2 * j + 1);
            }
        }
        // The first number times the lowest limb of the second, plus the second: 288 bits of which 256 are kept.
        for j in 0..8 {
            let opcode = match j { 0 => "mad.lo.cc.u32", 7 => "madc.lo.u32", _ => "madc.lo.cc.u32" };
            body += &format!("    {opcode} %x{j}, %x{}, %x16, %x{};\n", 8 + j, 16 + j);
        }
        for j in 1..8 {
            let opcode = match j { 1 => "mad.hi.cc.u32", 7 => "madc.hi.u32", _ => "madc.hi.cc.u32" };
            body += &format!("    {opcode} %x{j}, %x{}, %x16, %x{j};\n", 7 + j);
        }
        for j in 0..4 {
            body += &format!("    mov.b64 %a{}, {{%x{}, %x{}}};\n", 24 + j, 2 * j, 2 * j + 1);
        }
        for (values, found) in operands.iter().zip(map::<8, 12>(&body, &operands)) {
            let (x, y) = values.split_at(4);
            let factor = u128::from(y[0] as u32);
            let (mut sum, mut difference, mut product) = (Vec::new(), Vec::new(), Vec::new());
            let (mut carry, mut borrow, mut high) = (0u128, 0u128, 0u128);
            for j in 0..4 {
                let (a, b) = (u128::from(x[j]), u128::from(y[j]));
                carry += a + b;
                sum.push(carry as u64);
                carry >>= 64;
                let d = a.wrapping_sub(b).wrapping_sub(borrow);
                difference.push(d as u64);
                borrow = d >> 127;
                high += a * factor + b;
                product.push(high as u64);
                high >>= 64;
            }
            prop_assert_eq!(&found[..4], &sum);
            prop_assert_eq!(&found[4..8], &difference);
            prop_assert_eq!(&found[8..], &product);
        }
    }
}

#[test]
fn floating_point() {
    let operands: Vec<[u64; 3]> = operands::<3>(17)
        .into_iter()
        .map(|tuple| tuple.map(|x| ((x as i64 as f64) / 1024.0).to_bits()))
        .collect();
    let body = "    mov.b64 %d0, %a0; mov.b64 %d1, %a1; mov.b64 %d2, %a2;
    add.f64 %a16, %d0, %d1; sub.f64 %a17, %d0, %d1; mul.f64 %a18, %d0, %d1; div.rn.f64 %a19, %d0, %d1;
    fma.rn.f64 %a20, %d0, %d1, %d2; min.f64 %a21, %d0, %d1; abs.f64 %a22, %d0; neg.f64 %a23, %d0;
    cvt.rn.f32.f64 %f0, %d0; cvt.rn.f32.f64 %f1, %d1;
    mul.f32 %f2, %f0, %f1; mov.b32 %x16, %f2; cvt.u64.u32 %a24, %x16;
    cvt.rzi.s32.f64 %x17, %d0; cvt.u64.u32 %a25, %x17;
    cvt.rni.u64.f64 %a26, %d0; cvt.rn.f64.s64 %a27, %a0;";
    for (tuple, found) in operands.iter().copied().zip(map::<3, 12>(body, &operands)) {
        let [a, b, c] = tuple.map(f64::from_bits);
        let bits = [a + b, a - b, a * b, a / b, a.mul_add(b, c), a.min(b), a.abs(), -a].map(f64::to_bits);
        for (k, (found, expected)) in found.iter().zip(bits).enumerate() {
            let same =
                *found == expected || (f64::from_bits(*found).is_nan() && f64::from_bits(expected).is_nan());
            // Which zero is the smaller one is open.
            let zeros = f64::from_bits(*found) == 0.0 && f64::from_bits(expected) == 0.0;
            assert!(same || zeros, "{k}: {a} {b} {c}");
        }
        let product = a as f32 * b as f32;
        let found32 = f32::from_bits(found[8] as u32);
        assert!(found32.to_bits() == product.to_bits() || (found32.is_nan() && product.is_nan()));
        assert_eq!(found[9], u64::from(a as i32 as u32));
        assert_eq!(found[10], a.round_ties_even() as u64);
        assert_eq!(found[11], (a.to_bits() as i64 as f64).to_bits());
    }
}
