//! The lanes' arithmetic: straight loops over 32 lanes, which the compiler turns into vector code.
//!
//! [`run`] is compiled three times, for AVX-512, for AVX2 and for the plain host, and chosen when the machine starts. Results are computed for
//! all lanes and stored for the active ones; no operation here can fail, so that the idle lanes' garbage does no harm.

#![allow(
    clippy::needless_range_loop,
    reason = "one index over several arrays of fixed length is what becomes vector code"
)]

use super::counters::Executed;
use super::scalar;
use crate::isa::{
    Alu, Bin, Chain, Compare, Count, Instr, LANES, Logic, Op, Round, Scalar, SetPred, Shift, Tri, Un,
};
use crate::memory::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW, WINDOW};

/// A register of all lanes.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Lanes<T>(pub(super) [T; LANES]);

/// The registers of a warp's current frame.
pub(super) struct Registers<'r> {
    pub(super) r32: &'r mut [Lanes<u32>],
    pub(super) r64: &'r mut [Lanes<u64>],
    pub(super) preds: &'r mut [u32],
    /// The carry flag of each lane.
    pub(super) carry: &'r mut u32,
}

/// Runs arithmetic from `pc` on, for the lanes of `mask`, until `limit` or another kind of instruction. Returns where it
/// stopped.
pub(super) type Run = fn(&[Instr], usize, usize, u32, Registers<'_>, Option<&mut [Executed]>) -> usize;

/// The fastest [`Run`] for this host.
pub(super) fn fastest() -> Run {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            // SAFETY: the host has the features.
            return |code, pc, limit, mask, registers, counts| unsafe {
                run_avx512(code, pc, limit, mask, registers, counts)
            };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the host has the feature.
            return |code, pc, limit, mask, registers, counts| unsafe {
                run_avx2(code, pc, limit, mask, registers, counts)
            };
        }
    }
    run_plain
}

/// [`run`] without any of the host's extensions.
pub(super) fn run_plain(
    code: &[Instr],
    pc: usize,
    limit: usize,
    mask: u32,
    registers: Registers<'_>,
    counts: Option<&mut [Executed]>,
) -> usize {
    run(code, pc, limit, mask, registers, counts)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,bmi1,bmi2,lzcnt,popcnt,fma")]
fn run_avx512(
    code: &[Instr],
    pc: usize,
    limit: usize,
    mask: u32,
    registers: Registers<'_>,
    counts: Option<&mut [Executed]>,
) -> usize {
    run(code, pc, limit, mask, registers, counts)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(
    code: &[Instr],
    pc: usize,
    limit: usize,
    mask: u32,
    registers: Registers<'_>,
    counts: Option<&mut [Executed]>,
) -> usize {
    run(code, pc, limit, mask, registers, counts)
}

#[inline(always)]
fn run(
    code: &[Instr],
    mut pc: usize,
    limit: usize,
    mask: u32,
    mut registers: Registers<'_>,
    mut counts: Option<&mut [Executed]>,
) -> usize {
    while pc < limit {
        let instr = &code[pc];
        let Op::Alu(alu) = &instr.op else { break };
        let active = instr.guard.mask(registers.preds) & mask;
        if active != 0 {
            if let Some(counts) = counts.as_deref_mut() {
                counts[pc].warp += 1;
                counts[pc].thread += u64::from(active.count_ones());
            }
            execute(alu, active, &mut registers);
        }
        pc += 1;
    }
    pc
}

#[inline(always)]
fn put<T: Copy>(to: &mut Lanes<T>, values: [T; LANES], active: u32) {
    if active == u32::MAX {
        to.0 = values;
    } else {
        for i in 0..LANES {
            to.0[i] = if active >> i & 1 == 1 { values[i] } else { to.0[i] };
        }
    }
}

#[inline(always)]
fn put_mask(to: &mut u32, value: u32, active: u32) {
    *to = *to & !active | value & active;
}

#[inline(always)]
fn lanes1<A: Copy, D: Copy + Default>(a: &Lanes<A>, f: impl Fn(A) -> D) -> [D; LANES] {
    let mut d = [D::default(); LANES];
    for i in 0..LANES {
        d[i] = f(a.0[i]);
    }
    d
}

#[inline(always)]
fn lanes2<A: Copy, B: Copy, D: Copy + Default>(
    a: &Lanes<A>,
    b: &Lanes<B>,
    f: impl Fn(A, B) -> D,
) -> [D; LANES] {
    let mut d = [D::default(); LANES];
    for i in 0..LANES {
        d[i] = f(a.0[i], b.0[i]);
    }
    d
}

#[inline(always)]
fn lanes3<A: Copy, B: Copy, C: Copy, D: Copy + Default>(
    a: &Lanes<A>,
    b: &Lanes<B>,
    c: &Lanes<C>,
    f: impl Fn(A, B, C) -> D,
) -> [D; LANES] {
    let mut d = [D::default(); LANES];
    for i in 0..LANES {
        d[i] = f(a.0[i], b.0[i], c.0[i]);
    }
    d
}

#[inline(always)]
fn mask2<A: Copy>(a: &Lanes<A>, b: &Lanes<A>, f: impl Fn(A, A) -> bool) -> u32 {
    let mut mask = 0;
    for i in 0..LANES {
        mask |= u32::from(f(a.0[i], b.0[i])) << i;
    }
    mask
}

/// The functions of [`Bin`] for one width: the unsigned, signed, double unsigned and double signed types, and the register's.
macro_rules! bin {
    ($name:ident, $u:ty, $s:ty, $w:ty, $ws:ty, $reg:ty) => {
        #[inline(always)]
        fn $name(f: Bin, a: &Lanes<$reg>, b: &Lanes<$reg>) -> [$reg; LANES] {
            macro_rules! u {
                ($op:expr) => {
                    lanes2(a, b, |x, y| {
                        let op: fn($u, $u) -> $u = $op;
                        op(x as $u, y as $u) as $reg
                    })
                };
            }
            macro_rules! s {
                ($op:expr) => {
                    lanes2(a, b, |x, y| {
                        let op: fn($s, $s) -> $s = $op;
                        op(x as $s, y as $s) as $u as $reg
                    })
                };
            }
            match f {
                Bin::Add => u!(|x, y| x.wrapping_add(y)),
                Bin::Sub => u!(|x, y| x.wrapping_sub(y)),
                Bin::AddSat => s!(|x, y| x.saturating_add(y)),
                Bin::SubSat => s!(|x, y| x.saturating_sub(y)),
                Bin::MulLo => u!(|x, y| x.wrapping_mul(y)),
                Bin::MulHiU => u!(|x, y| ((x as $w * y as $w) >> <$u>::BITS) as $u),
                Bin::MulHiS => s!(|x, y| ((x as $ws * y as $ws) >> <$u>::BITS) as $s),
                Bin::Mul24LoU => u!(|x, y| scalar::mul24(false, false, x as u32, y as u32) as $u),
                Bin::Mul24LoS => u!(|x, y| scalar::mul24(true, false, x as u32, y as u32) as $u),
                Bin::Mul24HiU => u!(|x, y| scalar::mul24(false, true, x as u32, y as u32) as $u),
                Bin::Mul24HiS => u!(|x, y| scalar::mul24(true, true, x as u32, y as u32) as $u),
                // What devices give for a division by zero, which PTX leaves open.
                Bin::DivU => u!(|x, y| x.checked_div(y).unwrap_or(<$u>::MAX)),
                Bin::RemU => u!(|x, y| x.checked_rem(y).unwrap_or(x)),
                Bin::DivS => s!(|x, y| if y == 0 { -1 } else { x.wrapping_div(y) }),
                Bin::RemS => s!(|x, y| if y == 0 { x } else { x.wrapping_rem(y) }),
                Bin::MinU => u!(|x, y| x.min(y)),
                Bin::MinS => s!(|x, y| x.min(y)),
                Bin::MaxU => u!(|x, y| x.max(y)),
                Bin::MaxS => s!(|x, y| x.max(y)),
                Bin::And => u!(|x, y| x & y),
                Bin::Or => u!(|x, y| x | y),
                Bin::Xor => u!(|x, y| x ^ y),
            }
        }
    };
}

bin!(bin16, u16, i16, u32, i32, u32);
bin!(bin32, u32, i32, u64, i64, u32);
bin!(bin64, u64, i64, u128, i128, u64);

macro_rules! un {
    ($name:ident, $u:ty, $s:ty, $reg:ty) => {
        #[inline(always)]
        fn $name(f: Un, a: &Lanes<$reg>) -> [$reg; LANES] {
            match f {
                Un::Mov => lanes1(a, |x| x),
                Un::Not => lanes1(a, |x| !(x as $u) as $reg),
                Un::Neg => lanes1(a, |x| (x as $u).wrapping_neg() as $reg),
                Un::Abs => lanes1(a, |x| (x as $s).wrapping_abs() as $u as $reg),
                Un::Cnot => lanes1(a, |x| <$reg>::from(x as $u == 0)),
                Un::Brev => lanes1(a, |x| (x as $u).reverse_bits() as $reg),
            }
        }
    };
}

un!(un16, u16, i16, u32);
un!(un32, u32, i32, u32);
un!(un64, u64, i64, u64);

macro_rules! count {
    ($name:ident, $u:ty, $s:ty) => {
        #[inline(always)]
        fn $name(f: Count, a: &Lanes<$u>) -> [u32; LANES] {
            let find = |x: $u| (<$u>::BITS - 1).wrapping_sub(x.leading_zeros());
            let amount = |x: $u| if x == 0 { u32::MAX } else { x.leading_zeros() };
            // Of a negative number, the highest bit that differs from the sign.
            let fold = |x: $u| if (x as $s) < 0 { !x } else { x };
            match f {
                Count::Popc => lanes1(a, |x| x.count_ones()),
                Count::Clz => lanes1(a, |x| x.leading_zeros()),
                Count::BfindU => lanes1(a, find),
                Count::BfindS => lanes1(a, |x| find(fold(x))),
                Count::BfindShiftU => lanes1(a, amount),
                Count::BfindShiftS => lanes1(a, |x| amount(fold(x))),
            }
        }
    };
}

count!(count32, u32, i32);
count!(count64, u64, i64);

macro_rules! shift {
    ($name:ident, $u:ty, $s:ty, $reg:ty) => {
        #[inline(always)]
        fn $name(f: Shift, a: &Lanes<$reg>, b: &Lanes<u32>) -> [$reg; LANES] {
            const TOP: u32 = <$u>::BITS - 1;
            let within = |x: $u, y: u32| if y > TOP { 0 } else { x };
            match f {
                Shift::Left => lanes2(a, b, |x, y| within((x as $u) << (y & TOP), y) as $reg),
                Shift::RightU => lanes2(a, b, |x, y| within((x as $u) >> (y & TOP), y) as $reg),
                Shift::RightS => lanes2(a, b, |x, y| ((x as $s) >> y.min(TOP)) as $u as $reg),
            }
        }
    };
}

shift!(shift16, u16, i16, u32);
shift!(shift32, u32, i32, u32);
shift!(shift64, u64, i64, u64);

macro_rules! tri {
    ($name:ident, $u:ty, $s:ty, $w:ty, $ws:ty, $reg:ty) => {
        #[inline(always)]
        fn $name(f: Tri, a: &Lanes<$reg>, b: &Lanes<$reg>, c: &Lanes<$reg>) -> [$reg; LANES] {
            macro_rules! u {
                ($op:expr) => {
                    lanes3(a, b, c, |x, y, z| {
                        let op: fn($u, $u) -> $u = $op;
                        op(x as $u, y as $u).wrapping_add(z as $u) as $reg
                    })
                };
            }
            let high = |x: $s, y: $s| (x as $ws * y as $ws) >> <$u>::BITS;
            match f {
                Tri::MadLo => u!(|x, y| x.wrapping_mul(y)),
                Tri::MadHiU => u!(|x, y| ((x as $w * y as $w) >> <$u>::BITS) as $u),
                Tri::MadHiS => {
                    lanes3(a, b, c, |x, y, z| (high(x as $s, y as $s) as $u).wrapping_add(z as $u) as $reg)
                }
                Tri::MadHiSat => lanes3(a, b, c, |x, y, z| {
                    (high(x as $s, y as $s) as $s).saturating_add(z as $s) as $u as $reg
                }),
                Tri::SadU => u!(|x, y| x.abs_diff(y)),
                Tri::SadS => u!(|x, y| (x as $s).abs_diff(y as $s)),
                Tri::Mad24LoU => u!(|x, y| scalar::mul24(false, false, x as u32, y as u32) as $u),
                Tri::Mad24LoS => u!(|x, y| scalar::mul24(true, false, x as u32, y as u32) as $u),
                Tri::Mad24HiU => u!(|x, y| scalar::mul24(false, true, x as u32, y as u32) as $u),
                Tri::Mad24HiS => u!(|x, y| scalar::mul24(true, true, x as u32, y as u32) as $u),
            }
        }
    };
}

tri!(tri16, u16, i16, u32, i32, u32);
tri!(tri32, u32, i32, u64, i64, u32);
tri!(tri64, u64, i64, u128, i128, u64);

macro_rules! chain {
    ($name:ident, $u:ty, $s:ty, $w:ty, $ws:ty) => {
        /// A link of a carry chain: the sums or differences, and the carries or borrows out.
        #[inline(always)]
        fn $name(f: Chain, carry: u32, a: &Lanes<$u>, b: &Lanes<$u>, c: &Lanes<$u>) -> ([$u; LANES], u32) {
            #[inline(always)]
            fn sums(carry: u32, a: impl Fn(usize) -> $u, b: impl Fn(usize) -> $u) -> ([$u; LANES], u32) {
                let mut d = [0; LANES];
                let mut out = 0;
                for i in 0..LANES {
                    let (sum, first) = a(i).overflowing_add(b(i));
                    let (sum, second) = sum.overflowing_add(<$u>::from(carry >> i & 1));
                    d[i] = sum;
                    out |= u32::from(first | second) << i;
                }
                (d, out)
            }
            match f {
                Chain::Add => sums(carry, |i| a.0[i], |i| b.0[i]),
                Chain::Sub => {
                    let mut d = [0; LANES];
                    let mut out = 0;
                    for i in 0..LANES {
                        let (difference, first) = a.0[i].overflowing_sub(b.0[i]);
                        let (difference, second) = difference.overflowing_sub(<$u>::from(carry >> i & 1));
                        d[i] = difference;
                        out |= u32::from(first | second) << i;
                    }
                    (d, out)
                }
                Chain::MadLo => sums(carry, |i| a.0[i].wrapping_mul(b.0[i]), |i| c.0[i]),
                Chain::MadHiU => {
                    sums(carry, |i| ((a.0[i] as $w * b.0[i] as $w) >> <$u>::BITS) as $u, |i| c.0[i])
                }
                Chain::MadHiS => {
                    let high = |i: usize| ((a.0[i] as $s as $ws * b.0[i] as $s as $ws) >> <$u>::BITS) as $u;
                    sums(carry, high, |i| c.0[i])
                }
            }
        }
    };
}

chain!(chain32, u32, i32, u64, i64);
chain!(chain64, u64, i64, u128, i128);

/// Comparison of two rows as integers of type `$t`.
macro_rules! compare {
    ($f:expr, $a:expr, $b:expr, $t:ty) => {
        match $f {
            Compare::Eq | Compare::Equ => mask2($a, $b, |x, y| x as $t == y as $t),
            Compare::Ne | Compare::Neu => mask2($a, $b, |x, y| x as $t != y as $t),
            Compare::Lt | Compare::Ltu => mask2($a, $b, |x, y| (x as $t) < y as $t),
            Compare::Le | Compare::Leu => mask2($a, $b, |x, y| x as $t <= y as $t),
            Compare::Gt | Compare::Gtu => mask2($a, $b, |x, y| x as $t > y as $t),
            Compare::Ge | Compare::Geu => mask2($a, $b, |x, y| x as $t >= y as $t),
            Compare::Num => u32::MAX,
            Compare::Nan => 0,
        }
    };
}

#[inline(always)]
fn compare(ty: Scalar, f: Compare, a: u16, b: u16, registers: &Registers<'_>) -> u32 {
    let (a, b) = (a as usize, b as usize);
    let (r32, r64) = (&registers.r32, &registers.r64);
    match ty {
        Scalar::U8 | Scalar::U16 => compare!(f, &r32[a], &r32[b], u16),
        Scalar::S8 | Scalar::S16 => compare!(f, &r32[a], &r32[b], i16),
        Scalar::U32 => compare!(f, &r32[a], &r32[b], u32),
        Scalar::S32 => compare!(f, &r32[a], &r32[b], i32),
        Scalar::U64 => compare!(f, &r64[a], &r64[b], u64),
        Scalar::S64 => compare!(f, &r64[a], &r64[b], i64),
        Scalar::F32 => {
            let value = |x| f64::from(f32::from_bits(x));
            mask2(&r32[a], &r32[b], |x, y| scalar::compare_float(f, value(x), value(y)))
        }
        Scalar::F64 => {
            mask2(&r64[a], &r64[b], |x, y| scalar::compare_float(f, f64::from_bits(x), f64::from_bits(y)))
        }
    }
}

#[inline(always)]
fn logic(f: Logic, a: u32, b: u32) -> u32 {
    match f {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}

/// The comparison's outcome and its opposite, both combined with the predicate operand.
#[inline(always)]
fn set(set: &SetPred, ty: Scalar, a: u16, b: u16, registers: &Registers<'_>) -> (u32, u32) {
    let outcome = compare(ty, set.compare, a, b, registers);
    match set.with {
        None => (outcome, !outcome),
        Some((f, with)) => {
            let with = with.mask(registers.preds);
            (logic(f, outcome, with), logic(f, !outcome, with))
        }
    }
}

/// Values of type `from` as 64-bit numbers: integers extended, floating point as the bits of an `f64`.
#[inline(always)]
fn widen(from: Scalar, wide: bool, a: u16, registers: &Registers<'_>) -> [u64; LANES] {
    let a = a as usize;
    let raw = if wide { registers.r64[a].0 } else { lanes1(&registers.r32[a], u64::from) };
    let raw = Lanes(raw);
    match from {
        Scalar::U8 => lanes1(&raw, |x| u64::from(x as u8)),
        Scalar::S8 => lanes1(&raw, |x| x as i8 as u64),
        Scalar::U16 => lanes1(&raw, |x| u64::from(x as u16)),
        Scalar::S16 => lanes1(&raw, |x| x as i16 as u64),
        Scalar::U32 => lanes1(&raw, |x| u64::from(x as u32)),
        Scalar::S32 => lanes1(&raw, |x| x as i32 as u64),
        Scalar::U64 | Scalar::S64 | Scalar::F64 => raw.0,
        Scalar::F32 => lanes1(&raw, |x| f64::from(f32::from_bits(x as u32)).to_bits()),
    }
}

/// Range of an integer type, as the two ends of an `i128`.
fn range(ty: Scalar) -> (i128, i128) {
    let bits = ty.bytes() * 8;
    if ty.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

#[inline(always)]
fn convert(to: Scalar, from: Scalar, saturate: bool, mode: Round, values: [u64; LANES]) -> [u64; LANES] {
    let values = Lanes(values);
    let truncate = |x: u64| match to {
        Scalar::U8 => u64::from(x as u8),
        Scalar::S8 => x as i8 as u64,
        Scalar::U16 => u64::from(x as u16),
        Scalar::S16 => x as i16 as u64,
        Scalar::U32 => u64::from(x as u32),
        Scalar::S32 => x as i32 as u64,
        _ => x,
    };
    match (from.is_float(), to.is_float()) {
        (false, false) if saturate => {
            let (low, high) = range(to);
            lanes1(&values, |x| {
                let value = if from.is_signed() { i128::from(x as i64) } else { i128::from(x) };
                value.clamp(low, high) as u64
            })
        }
        (false, false) => lanes1(&values, truncate),
        (false, true) => lanes1(&values, |x| match (to, from.is_signed()) {
            (Scalar::F32, true) => u64::from((x as i64 as f32).to_bits()),
            (Scalar::F32, false) => u64::from((x as f32).to_bits()),
            (_, true) => (x as i64 as f64).to_bits(),
            (_, false) => (x as f64).to_bits(),
        }),
        (true, true) => lanes1(&values, |x| {
            let value = scalar::round(mode, f64::from_bits(x));
            if to == Scalar::F32 { u64::from((value as f32).to_bits()) } else { value.to_bits() }
        }),
        // Conversions to integers always saturate, and turn what is not a number into zero.
        (true, false) => {
            let (low, high) = range(to);
            lanes1(&values, |x| (scalar::round(mode, f64::from_bits(x)) as i128).clamp(low, high) as u64)
        }
    }
}

#[inline(always)]
fn execute(alu: &Alu, active: u32, registers: &mut Registers<'_>) {
    macro_rules! r32 {
        ($row:expr) => {
            &registers.r32[$row as usize]
        };
    }
    macro_rules! r64 {
        ($row:expr) => {
            &registers.r64[$row as usize]
        };
    }
    macro_rules! put32 {
        ($row:expr, $values:expr) => {{
            let values = $values;
            put(&mut registers.r32[$row as usize], values, active)
        }};
    }
    macro_rules! put64 {
        ($row:expr, $values:expr) => {{
            let values = $values;
            put(&mut registers.r64[$row as usize], values, active)
        }};
    }
    match *alu {
        Alu::Bin16 { f, d, a, b } => put32!(d, bin16(f, r32!(a), r32!(b))),
        Alu::Bin32 { f, d, a, b } => put32!(d, bin32(f, r32!(a), r32!(b))),
        Alu::Bin64 { f, d, a, b } => put64!(d, bin64(f, r64!(a), r64!(b))),
        Alu::Un16 { f, d, a } => put32!(d, un16(f, r32!(a))),
        Alu::Un32 { f, d, a } => put32!(d, un32(f, r32!(a))),
        Alu::Un64 { f, d, a } => put64!(d, un64(f, r64!(a))),
        Alu::Count32 { f, d, a } => put32!(d, count32(f, r32!(a))),
        Alu::Count64 { f, d, a } => put32!(d, count64(f, r64!(a))),
        Alu::Shift16 { f, d, a, b } => put32!(d, shift16(f, r32!(a), r32!(b))),
        Alu::Shift32 { f, d, a, b } => put32!(d, shift32(f, r32!(a), r32!(b))),
        Alu::Shift64 { f, d, a, b } => put64!(d, shift64(f, r64!(a), r32!(b))),
        Alu::Tri16 { f, d, a, b, c } => put32!(d, tri16(f, r32!(a), r32!(b), r32!(c))),
        Alu::Tri32 { f, d, a, b, c } => put32!(d, tri32(f, r32!(a), r32!(b), r32!(c))),
        Alu::Tri64 { f, d, a, b, c } => put64!(d, tri64(f, r64!(a), r64!(b), r64!(c))),
        Alu::Chain32 { f, input, output, d, a, b, c } => {
            let carry = if input { *registers.carry } else { 0 };
            let (values, out) = chain32(f, carry, r32!(a), r32!(b), r32!(c));
            put32!(d, values);
            if output {
                put_mask(registers.carry, out, active);
            }
        }
        Alu::Chain64 { f, input, output, d, a, b, c } => {
            let carry = if input { *registers.carry } else { 0 };
            let (values, out) = chain64(f, carry, r64!(a), r64!(b), r64!(c));
            put64!(d, values);
            if output {
                put_mask(registers.carry, out, active);
            }
        }
        Alu::Wide16 { signed, d, a, b, c } => {
            let products = if signed {
                lanes2(r32!(a), r32!(b), |x, y| (i32::from(x as i16) * i32::from(y as i16)) as u32)
            } else {
                lanes2(r32!(a), r32!(b), |x, y| u32::from(x as u16) * u32::from(y as u16))
            };
            put32!(
                d,
                match c {
                    None => products,
                    Some(c) => lanes2(&Lanes(products), r32!(c), |x, y| x.wrapping_add(y)),
                }
            )
        }
        Alu::Wide32 { signed, d, a, b, c } => {
            let products = if signed {
                lanes2(r32!(a), r32!(b), |x, y| (i64::from(x as i32) * i64::from(y as i32)) as u64)
            } else {
                lanes2(r32!(a), r32!(b), |x, y| u64::from(x) * u64::from(y))
            };
            put64!(
                d,
                match c {
                    None => products,
                    Some(c) => lanes2(&Lanes(products), r64!(c), |x, y| x.wrapping_add(y)),
                }
            )
        }
        Alu::Lop3 { table, d, a, b, c } => {
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), |x, y, z| scalar::lop3(table, x, y, z)))
        }
        Alu::Funnel { left, wrap, d, a, b, c } => {
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), |x, y, z| scalar::funnel(left, wrap, x, y, z)))
        }
        Alu::Prmt { mode, d, a, b, c } => {
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), |x, y, z| scalar::prmt(mode, x, y, z)))
        }
        Alu::Bfe32 { signed, d, a, b, c } => {
            let bfe = |x, y, z| scalar::bfe(signed, 32, u64::from(x), y, z) as u32;
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), bfe))
        }
        Alu::Bfe64 { signed, d, a, b, c } => {
            put64!(d, lanes3(r64!(a), r32!(b), r32!(c), |x, y, z| scalar::bfe(signed, 64, x, y, z)))
        }
        Alu::Bfi32 { d, a, b, c, e } => {
            let pairs = lanes2(r32!(a), r32!(b), |x, y| (u64::from(x), u64::from(y)));
            put32!(
                d,
                lanes3(&Lanes(pairs), r32!(c), r32!(e), |(x, y), p, n| scalar::bfi(32, x, y, p, n) as u32)
            )
        }
        Alu::Bfi64 { d, a, b, c, e } => {
            let pairs = lanes2(r64!(a), r64!(b), |x, y| (x, y));
            put64!(d, lanes3(&Lanes(pairs), r32!(c), r32!(e), |(x, y), p, n| scalar::bfi(64, x, y, p, n)))
        }
        Alu::Bmsk { wrap, d, a, b } => put32!(d, lanes2(r32!(a), r32!(b), |x, y| scalar::bmsk(wrap, x, y))),
        Alu::Szext { signed, wrap, d, a, b } => {
            put32!(d, lanes2(r32!(a), r32!(b), |x, y| scalar::szext(signed, wrap, x, y)))
        }
        Alu::Fns { d, a, b, c } => {
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), |x, y, z| scalar::fns(x, y, z as i32)))
        }
        Alu::Dp4a { signed_a, signed_b, d, a, b, c } => {
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), |x, y, z| scalar::dp4a(signed_a, signed_b, x, y, z)))
        }
        Alu::Dp2a { signed_a, signed_b, high, d, a, b, c } => {
            let dot = |x, y, z| scalar::dp2a(signed_a, signed_b, high, x, y, z);
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), dot))
        }
        Alu::Setp { ty, set: ref how, a, b } => {
            let (outcome, opposite) = set(how, ty, a, b, registers);
            if let Some(p) = how.p {
                put_mask(&mut registers.preds[p as usize], outcome, active);
            }
            if let Some(q) = how.q {
                put_mask(&mut registers.preds[q as usize], opposite, active);
            }
        }
        Alu::Set { ty, set: ref how, float, d, a, b } => {
            let (outcome, _) = set(how, ty, a, b, registers);
            let one = if float { 1f32.to_bits() } else { u32::MAX };
            let mut values = [0; LANES];
            for (i, value) in values.iter_mut().enumerate() {
                *value = if outcome >> i & 1 == 1 { one } else { 0 };
            }
            put32!(d, values)
        }
        Alu::Selp32 { d, a, b, p } => {
            let chosen = p.mask(registers.preds);
            let mut values = registers.r32[b as usize];
            put(&mut values, r32!(a).0, chosen);
            put32!(d, values.0)
        }
        Alu::Selp64 { d, a, b, p } => {
            let chosen = p.mask(registers.preds);
            let mut values = registers.r64[b as usize];
            put(&mut values, r64!(a).0, chosen);
            put64!(d, values.0)
        }
        Alu::Slct32 { float, d, a, b, c } => {
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), |x, y, z| if not_negative(float, z) { x } else { y }))
        }
        Alu::Slct64 { float, d, a, b, c } => {
            put64!(d, lanes3(r64!(a), r64!(b), r32!(c), |x, y, z| if not_negative(float, z) { x } else { y }))
        }
        Alu::PredLogic { f, d, a, b } => {
            let value = logic(f, a.mask(registers.preds), b.mask(registers.preds));
            put_mask(&mut registers.preds[d as usize], value, active);
        }
        Alu::PredMov { d, a } => {
            let value = a.mask(registers.preds);
            put_mask(&mut registers.preds[d as usize], value, active);
        }
        Alu::Pack64 { d, low, high } => {
            put64!(d, lanes2(r32!(low), r32!(high), |x, y| u64::from(y) << 32 | u64::from(x)))
        }
        Alu::Unpack64 { low, high, a } => {
            let value = registers.r64[a as usize];
            if let Some(low) = low {
                put32!(low, lanes1(&value, |x| x as u32))
            }
            if let Some(high) = high {
                put32!(high, lanes1(&value, |x| (x >> 32) as u32))
            }
        }
        Alu::Pack32 { d, low, high } => put32!(d, lanes2(r32!(low), r32!(high), |x, y| y << 16 | x & 0xFFFF)),
        Alu::Unpack32 { low, high, a } => {
            let value = registers.r32[a as usize];
            if let Some(low) = low {
                put32!(low, lanes1(&value, |x| x & 0xFFFF))
            }
            if let Some(high) = high {
                put32!(high, lanes1(&value, |x| x >> 16))
            }
        }
        Alu::Pack16x4 { d, ref parts } => {
            let mut values = [0; LANES];
            for (k, &part) in parts.iter().enumerate() {
                for (value, &x) in values.iter_mut().zip(&r32!(part).0) {
                    *value |= u64::from(x & 0xFFFF) << (16 * k);
                }
            }
            put64!(d, values)
        }
        Alu::Unpack16x4 { ref parts, a } => {
            let value = registers.r64[a as usize];
            for (k, part) in parts.iter().enumerate() {
                if let Some(part) = *part {
                    put32!(part, lanes1(&value, |x| (x >> (16 * k)) as u32 & 0xFFFF))
                }
            }
        }
        Alu::Cvt { to, from, saturate, round, bits, from_wide, d, a } => {
            let values = Lanes(convert(to, from, saturate, round, widen(from, from_wide, a, registers)));
            match bits {
                64 => put64!(d, values.0),
                32 => put32!(d, lanes1(&values, |x| x as u32)),
                _ => put32!(d, lanes1(&values, |x| x as u32 & 0xFFFF)),
            }
        }
        Alu::Isspacep { d, a, start } => {
            let within = |x: u64, start: u64| x.wrapping_sub(start) < WINDOW;
            let windows = [SHARED_WINDOW, LOCAL_WINDOW, PARAM_WINDOW];
            let a = r64!(a);
            let inside = match start {
                Some(start) => mask2(a, a, |x, _| within(x, start)),
                None => mask2(a, a, |x, _| !windows.iter().any(|&start| within(x, start))),
            };
            put_mask(&mut registers.preds[d as usize], inside, active);
        }
        Alu::Float32 { f, d, a, b } => {
            let op = |x, y| scalar::bin_f32(f, f32::from_bits(x), f32::from_bits(y)).to_bits();
            put32!(d, lanes2(r32!(a), r32!(b), op))
        }
        Alu::Float64 { f, d, a, b } => {
            let op = |x, y| scalar::bin_f64(f, f64::from_bits(x), f64::from_bits(y)).to_bits();
            put64!(d, lanes2(r64!(a), r64!(b), op))
        }
        Alu::FloatUn32 { f, d, a } => {
            put32!(d, lanes1(r32!(a), |x| scalar::un_f32(f, f32::from_bits(x)).to_bits()))
        }
        Alu::FloatUn64 { f, d, a } => {
            put64!(d, lanes1(r64!(a), |x| scalar::un_f64(f, f64::from_bits(x)).to_bits()))
        }
        Alu::Fma32 { d, a, b, c } => {
            let fma = |x, y, z| f32::from_bits(x).mul_add(f32::from_bits(y), f32::from_bits(z)).to_bits();
            put32!(d, lanes3(r32!(a), r32!(b), r32!(c), fma))
        }
        Alu::Fma64 { d, a, b, c } => {
            let fma = |x, y, z| f64::from_bits(x).mul_add(f64::from_bits(y), f64::from_bits(z)).to_bits();
            put64!(d, lanes3(r64!(a), r64!(b), r64!(c), fma))
        }
    }
}

#[inline(always)]
fn not_negative(float: bool, x: u32) -> bool {
    if float { f32::from_bits(x) >= 0.0 } else { (x as i32) >= 0 }
}
