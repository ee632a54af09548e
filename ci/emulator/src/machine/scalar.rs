//! The less common operations on one lane's values, as the PTX manual defines them.

use crate::isa::{Compare, FloatBin, FloatUn, Permute, Round};

/// Bytes of `b:a` chosen by `c`.
#[inline(always)]
pub(super) fn prmt(mode: Permute, a: u32, b: u32, c: u32) -> u32 {
    let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
    let k = (c & 3) as u8;
    // Byte numbers, least significant first.
    let chosen: [u8; 4] = match mode {
        Permute::Index => {
            let mut result = [0; 4];
            for (i, out) in result.iter_mut().enumerate() {
                let selector = c >> (4 * i) & 15;
                let byte = bytes[(selector & 7) as usize];
                *out = if selector & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 };
            }
            return u32::from_le_bytes(result);
        }
        Permute::F4e => [k, k + 1, k + 2, k + 3],
        Permute::B4e => [k, (k + 7) & 7, (k + 6) & 7, (k + 5) & 7],
        Permute::Rc8 => [k; 4],
        Permute::Ecl => [k, k.max(1), k.max(2), 3],
        Permute::Ecr => [0, k.min(1), k.min(2), k],
        Permute::Rc16 => [(k & 1) * 2, (k & 1) * 2 + 1, (k & 1) * 2, (k & 1) * 2 + 1],
    };
    u32::from_le_bytes(chosen.map(|i| bytes[i as usize]))
}

/// `length` bits of `a` from `position` on; bits beyond the value's width (`width`: 32 or 64) are its sign.
#[inline(always)]
pub(super) fn bfe(signed: bool, width: u32, a: u64, position: u32, length: u32) -> u64 {
    let (position, length) = (position & 255, length & 255);
    if length == 0 {
        return 0;
    }
    let a = if width == 32 && signed {
        a as u32 as i32 as i64 as u64
    } else if width == 32 {
        a & 0xFFFF_FFFF
    } else {
        a
    };
    let shifted = if signed {
        // Past the top only copies of the sign remain.
        ((a as i64) >> position.min(63)) as u64
    } else if position < 64 {
        a >> position
    } else {
        0
    };
    if length >= 64 {
        return shifted;
    }
    if signed {
        let sign_bit = (position + length - 1).min(width - 1);
        let ones = ((a as i64) << (63 - sign_bit)) < 0;
        let kept = shifted & ((1 << length) - 1);
        if ones { kept | u64::MAX << length } else { kept }
    } else {
        shifted & ((1 << length) - 1)
    }
}

/// `b` with `length` bits from `position` on replaced by the lowest of `a`.
#[inline(always)]
pub(super) fn bfi(width: u32, a: u64, b: u64, position: u32, length: u32) -> u64 {
    let (position, length) = (position & 255, length & 255);
    if length == 0 || position >= width {
        return b;
    }
    let ones = if length >= 64 { u64::MAX } else { (1 << length) - 1 };
    let mask = ones << position;
    b & !mask | (a << position) & mask
}

/// `b` ones from bit `a` on.
#[inline(always)]
pub(super) fn bmsk(wrap: bool, a: u32, b: u32) -> u32 {
    let (a, b) = if wrap { (a & 31, b & 31) } else { (a.min(32), b.min(32)) };
    (((1u64 << b) - 1) << a) as u32
}

/// The lowest `n` bits of `a`, extended.
#[inline(always)]
pub(super) fn szext(signed: bool, wrap: bool, a: u32, n: u32) -> u32 {
    let n = if wrap { n & 31 } else { n.min(32) };
    if n == 0 {
        0
    } else if signed {
        ((a << (32 - n)) as i32 >> (32 - n)) as u32
    } else {
        a << (32 - n) >> (32 - n)
    }
}

/// Position of the `offset`-th set bit of `mask`, counted from `base` up, or down when negative.
#[inline(always)]
pub(super) fn fns(mask: u32, base: u32, offset: i32) -> u32 {
    let base = base & 31;
    if offset == 0 {
        return if mask >> base & 1 == 1 { base } else { u32::MAX };
    }
    let mut left = offset.unsigned_abs();
    let mut position = base as i32;
    while (0..32).contains(&position) {
        if mask >> position & 1 == 1 {
            left -= 1;
            if left == 0 {
                return position as u32;
            }
        }
        position += offset.signum();
    }
    u32::MAX
}

/// `value`'s byte or half-word `i` of `bits` bits, extended.
#[inline(always)]
fn part(value: u32, bits: u32, i: u32, signed: bool) -> u32 {
    szext(signed, false, value >> (bits * i), bits)
}

#[inline(always)]
pub(super) fn dp4a(signed_a: bool, signed_b: bool, a: u32, b: u32, c: u32) -> u32 {
    (0..4).fold(c, |sum, i| sum.wrapping_add(part(a, 8, i, signed_a).wrapping_mul(part(b, 8, i, signed_b))))
}

#[inline(always)]
pub(super) fn dp2a(signed_a: bool, signed_b: bool, high: bool, a: u32, b: u32, c: u32) -> u32 {
    let first = if high { 2 } else { 0 };
    (0..2).fold(c, |sum, i| {
        sum.wrapping_add(part(a, 16, i, signed_a).wrapping_mul(part(b, 8, first + i, signed_b)))
    })
}

/// Low or high 32 bits of the 48-bit product of 24-bit numbers.
#[inline(always)]
pub(super) fn mul24(signed: bool, high: bool, a: u32, b: u32) -> u32 {
    let product = if signed {
        let extend = |x: u32| i64::from((x << 8) as i32 >> 8);
        extend(a) * extend(b)
    } else {
        i64::from(a & 0xFF_FFFF) * i64::from(b & 0xFF_FFFF)
    };
    (if high { product >> 16 } else { product }) as u32
}

#[inline(always)]
pub(super) fn funnel(left: bool, wrap: bool, a: u32, b: u32, c: u32) -> u32 {
    let n = if wrap { c & 31 } else { c.min(32) };
    let value = u64::from(b) << 32 | u64::from(a);
    if left { (value << n >> 32) as u32 } else { (value >> n) as u32 }
}

#[inline(always)]
pub(super) fn lop3(table: u8, a: u32, b: u32, c: u32) -> u32 {
    let mut result = 0;
    for k in 0..8 {
        if table >> k & 1 == 1 {
            let flip = |x: u32, bit: u32| if k >> bit & 1 == 1 { x } else { !x };
            result |= flip(a, 2) & flip(b, 1) & flip(c, 0);
        }
    }
    result
}

/// Comparison of floating-point numbers.
#[inline(always)]
pub(super) fn compare_float(f: Compare, a: f64, b: f64) -> bool {
    let unordered = a.is_nan() || b.is_nan();
    match f {
        Compare::Eq => a == b,
        Compare::Ne => !unordered && a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
        Compare::Equ => unordered || a == b,
        Compare::Neu => a != b,
        Compare::Ltu => unordered || a < b,
        Compare::Leu => unordered || a <= b,
        Compare::Gtu => unordered || a > b,
        Compare::Geu => unordered || a >= b,
        Compare::Num => !unordered,
        Compare::Nan => unordered,
    }
}

macro_rules! float {
    ($bin:ident, $un:ident, $type:ident) => {
        #[inline(always)]
        pub(super) fn $bin(f: FloatBin, a: $type, b: $type) -> $type {
            match f {
                FloatBin::Add => a + b,
                FloatBin::Sub => a - b,
                FloatBin::Mul => a * b,
                FloatBin::Div => a / b,
                // Of a number and a NaN, the number; as PTX and IEEE's minNum have it.
                FloatBin::Min => a.min(b),
                FloatBin::Max => a.max(b),
            }
        }

        #[inline(always)]
        pub(super) fn $un(f: FloatUn, a: $type) -> $type {
            match f {
                FloatUn::Neg => -a,
                FloatUn::Abs => a.abs(),
                FloatUn::Sqrt => a.sqrt(),
                FloatUn::Rcp => 1.0 / a,
                FloatUn::Rsqrt => 1.0 / a.sqrt(),
            }
        }
    };
}

float!(bin_f32, un_f32, f32);
float!(bin_f64, un_f64, f64);

/// Rounds to an integer, still as a floating-point number.
#[inline(always)]
pub(super) fn round(mode: Round, a: f64) -> f64 {
    match mode {
        Round::Nearest => a.round_ties_even(),
        Round::Zero => a.trunc(),
        Round::Down => a.floor(),
        Round::Up => a.ceil(),
        Round::None => a,
    }
}
