//! Two products at a time, in a given order of instructions.
//!
//! A multiply-add takes four cycles and two begin in each: of any eight in a row none may need another's result. One
//! product alone has not the columns for that. Two, interleaved, have: any two multiply-adds of a column are ten apart
//! (in squares a few are closer), and the registers are just enough. That order is written in assembly, since a compiler,
//! to which all orders are equal, takes the products one after the other and puts next to each other what belongs to
//! the same column.
//!
//! Registers: the columns of the first product in 0 to 9 and of the second in 10 to 19; in 20 to 29 what both are
//! multiplied by, or temporary values; in 30 and 31 limbs that are read from memory.

use std::arch::asm;
use std::arch::x86_64::*;

use super::constants::{Constants, LIMBS, Modulus};
use super::lazy::{Columns, broadcast};

/// The columns of two products, not reduced.
struct Pair {
    s: [__m512i; 2 * LIMBS],
    t: [__m512i; 2 * LIMBS],
}

/// Multiply-adds of low (`l`) or high (`h`) halves of limb `x` by limbs `y`. Columns of the second product have the
/// prefix 1.
macro_rules! halves {
    ($half:literal, $product:literal [$($column:literal)*], $register:literal $x:literal, [$($y:literal)*]) => {
        concat!($("vpmadd52", $half, "uq zmm", $product, $column, ", zmm", $register, $x, ", zmm2", $y, "\n",)*)
    };
}

/// For a limb of `a` and of `c`, at an offset: the products by all limbs of `b` and of `d`.
macro_rules! row {
    ($offset:literal, $low:tt, $high:tt) => {
        concat!(
            "vmovdqa64 zmm30, [{a} + ", $offset, "]\n",
            "vmovdqa64 zmm31, [{c} + ", $offset, "]\n",
            halves!("l", "" $low, 3 0, [0 1 2 3 4]),
            halves!("l", 1 $low, 3 1, [5 6 7 8 9]),
            halves!("h", "" $high, 3 0, [0 1 2 3 4]),
            halves!("h", 1 $high, 3 1, [5 6 7 8 9]),
        )
    };
}

/// The products of limb `a` of a value by its limbs `b`, and `c` by `d` for the other value.
macro_rules! square_row {
    ($a:literal $b:tt, $c:literal $d:tt, $low:tt, $high:tt) => {
        concat!(
            halves!("l", "" $low, 2 $a, $b),
            halves!("l", 1 $low, 2 $c, $d),
            halves!("h", "" $high, 2 $a, $b),
            halves!("h", 1 $high, 2 $c, $d),
        )
    };
}

/// Doubles columns.
macro_rules! double {
    ($($column:literal)*) => {
        concat!($(
            "vpaddq zmm", $column, ", zmm", $column, ", zmm", $column, "\n",
            "vpaddq zmm1", $column, ", zmm1", $column, ", zmm1", $column, "\n",
        )*)
    };
}

/// What a column has above its 52nd bit.
macro_rules! excess {
    ($column:literal) => {
        concat!("vpsrlq zmm30, zmm", $column, ", 52\n", "vpsrlq zmm31, zmm1", $column, ", 52\n")
    };
}

/// Adds it to the next.
macro_rules! add_excess {
    ($column:literal) => {
        concat!(
            "vpaddq zmm",
            $column,
            ", zmm",
            $column,
            ", zmm30\n",
            "vpaddq zmm1",
            $column,
            ", zmm1",
            $column,
            ", zmm31\n",
        )
    };
}

/// Clears a column: what the next one needs comes first.
macro_rules! shift {
    ($column:literal, $next:literal, $low:tt, $high:tt) => {
        concat!(
            excess!($column),
            halves!("l", "" $low, "" $column, [0 1 2 3 4]),
            halves!("l", 1 $low, 1 $column, [0 1 2 3 4]),
            add_excess!($next),
            halves!("h", "" $high, "" $column, [0 1 2 3 4]),
            halves!("h", 1 $high, 1 $column, [0 1 2 3 4]),
        )
    };
}

/// `asm!` on the columns of a pair.
macro_rules! on_pair {
    ($pair:ident, [$($template:expr,)*], $($operands:tt)*) => {
        asm!(
            $($template,)*
            inout("zmm0") $pair.s[0], inout("zmm1") $pair.s[1], inout("zmm2") $pair.s[2], inout("zmm3") $pair.s[3],
            inout("zmm4") $pair.s[4], inout("zmm5") $pair.s[5], inout("zmm6") $pair.s[6], inout("zmm7") $pair.s[7],
            inout("zmm8") $pair.s[8], inout("zmm9") $pair.s[9], inout("zmm10") $pair.t[0], inout("zmm11") $pair.t[1],
            inout("zmm12") $pair.t[2], inout("zmm13") $pair.t[3], inout("zmm14") $pair.t[4], inout("zmm15") $pair.t[5],
            inout("zmm16") $pair.t[6], inout("zmm17") $pair.t[7], inout("zmm18") $pair.t[8], inout("zmm19") $pair.t[9],
            out("zmm30") _, out("zmm31") _,
            $($operands)*
            options(readonly, nostack, preserves_flags),
        )
    };
}

/// Carries a column to the next.
macro_rules! carry {
    ($column:literal, $next:literal) => {
        concat!(
            "vpsraq zmm30, zmm",
            $column,
            ", 52\n",
            "vpsraq zmm31, zmm1",
            $column,
            ", 52\n",
            add_excess!($next),
        )
    };
}

/// `asm!` that reduces a pair, and then does what the templates say.
macro_rules! reduce_pair {
    ($pair:ident, $constants:ident, $($template:expr,)*) => {
        on_pair!(
            $pair,
            [
                "vpbroadcastq zmm20, [{constants}]",
                "vpbroadcastq zmm21, [{constants} + 8]",
                "vpbroadcastq zmm22, [{constants} + 16]",
                "vpbroadcastq zmm23, [{constants} + 24]",
                "vpbroadcastq zmm24, [{constants} + 32]",
                shift!(0, 1, [1 2 3 4 5], [2 3 4 5 6]),
                "vpbroadcastq zmm27, [{constants} + 80]",
                shift!(1, 2, [2 3 4 5 6], [3 4 5 6 7]),
                "vpxord zmm28, zmm28, zmm28",
                "vpxord zmm29, zmm29, zmm29",
                shift!(2, 3, [3 4 5 6 7], [4 5 6 7 8]),
                excess!(3),
                halves!("l", "" [4 5 6 7 8], "" 3, [0 1 2 3 4]),
                halves!("l", 1 [4 5 6 7 8], 1 3, [0 1 2 3 4]),
                add_excess!(4),
                // The multiples of `p` that clear the last column.
                "vpmadd52luq zmm28, zmm4, zmm27",
                "vpmadd52luq zmm29, zmm14, zmm27",
                halves!("h", "" [5 6 7 8 9], "" 3, [0 1 2 3 4]),
                halves!("h", 1 [5 6 7 8 9], 1 3, [0 1 2 3 4]),
                "vpbroadcastq zmm20, [{constants} + 40]",
                "vpbroadcastq zmm21, [{constants} + 48]",
                "vpbroadcastq zmm22, [{constants} + 56]",
                "vpbroadcastq zmm23, [{constants} + 64]",
                "vpbroadcastq zmm24, [{constants} + 72]",
                halves!("l", "" [4 5 6 7 8], 2 8, [0 1 2 3 4]),
                halves!("l", 1 [4 5 6 7 8], 2 9, [0 1 2 3 4]),
                excess!(4),
                halves!("h", "" [5 6 7 8 9], 2 8, [0 1 2 3 4]),
                halves!("h", 1 [5 6 7 8 9], 2 9, [0 1 2 3 4]),
                add_excess!(5),
                $($template,)*
            ],
            constants = in(reg) $constants,
            out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _, out("zmm24") _,
            out("zmm27") _, out("zmm28") _, out("zmm29") _,
        )
    };
}

/// What [`Pair::reduce`] multiplies by.
#[repr(C)]
struct Reduction {
    shift: [u64; LIMBS],
    p: [u64; LIMBS],
    negative_inverse: u64,
}

impl Pair {
    /// Products with value `start 2^260`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn new(starts: [&Columns; 2]) -> Self {
        let zero = _mm512_setzero_si512();
        let [s, t] = starts;
        Self {
            s: [zero, zero, zero, zero, zero, s[0], s[1], s[2], s[3], s[4]],
            t: [zero, zero, zero, zero, zero, t[0], t[1], t[2], t[3], t[4]],
        }
    }

    /// Adds `a b` to the first and `c d` to the second.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn add(&mut self, [a, b]: [&Columns; 2], [c, d]: [&Columns; 2]) {
        // SAFETY: the instructions are those of the function's features, and read five aligned vectors at `a` and at `c`.
        unsafe {
            on_pair!(
                self,
                [
                    row!(0, [0 1 2 3 4], [1 2 3 4 5]),
                    row!(64, [1 2 3 4 5], [2 3 4 5 6]),
                    row!(128, [2 3 4 5 6], [3 4 5 6 7]),
                    row!(192, [3 4 5 6 7], [4 5 6 7 8]),
                    row!(256, [4 5 6 7 8], [5 6 7 8 9]),
                ],
                a = in(reg) a, c = in(reg) c,
                in("zmm20") b[0], in("zmm21") b[1], in("zmm22") b[2], in("zmm23") b[3], in("zmm24") b[4],
                in("zmm25") d[0], in("zmm26") d[1], in("zmm27") d[2], in("zmm28") d[3], in("zmm29") d[4],
            );
        }
    }

    /// `a^2` and `c^2`, both plus `2 HALF p 2^260`: columns start with a half, except the one that is not doubled.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn squares<F: Modulus, const HALF: usize>([a, c]: [&Columns; 2]) -> Self {
        let start = broadcast(
            &const {
                let mut half = Constants::<F>::MULTIPLES[HALF];
                half[LIMBS - 1] *= 2;
                half
            },
        );
        let mut pair = Self::new([&start; 2]);
        // SAFETY: the instructions are those of the function's features.
        unsafe {
            on_pair!(
                pair,
                [
                    square_row!(0 [1 2 3 4], 5 [6 7 8 9], [1 2 3 4], [2 3 4 5]),
                    square_row!(1 [2 3 4], 6 [7 8 9], [3 4 5], [4 5 6]),
                    square_row!(2 [3 4], 7 [8 9], [5 6], [6 7]),
                    double!(1 2 3 4),
                    square_row!(3 [4], 8 [9], [7], [8]),
                    double!(5 6 7 8),
                    square_row!(0 [0], 5 [5], [0], [1]),
                    square_row!(1 [1], 6 [6], [2], [3]),
                    square_row!(2 [2], 7 [7], [4], [5]),
                    square_row!(3 [3], 8 [8], [6], [7]),
                    square_row!(4 [4], 9 [9], [8], [9]),
                ],
                in("zmm20") a[0], in("zmm21") a[1], in("zmm22") a[2], in("zmm23") a[3], in("zmm24") a[4],
                in("zmm25") c[0], in("zmm26") c[1], in("zmm27") c[2], in("zmm28") c[3], in("zmm29") c[4],
            );
        }
        pair
    }

    /// The reduction described at [`mul`](super::mul). With `CARRY` columns are carried, and not masked.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn reduce<F: Modulus, const CARRY: bool>(mut self) -> [Columns; 2] {
        let () = Constants::<F>::CHECKED;
        let constants: &Reduction = const {
            &Reduction {
                shift: Constants::<F>::SHIFT,
                p: Constants::<F>::P,
                negative_inverse: Constants::<F>::NEG_INV,
            }
        };
        let pair = &mut self;
        // SAFETY: the instructions are those of the function's features, and read eleven words at `constants`.
        unsafe {
            if CARRY {
                reduce_pair!(pair, constants, carry!(5, 6), carry!(6, 7), carry!(7, 8), carry!(8, 9),);
            } else {
                reduce_pair!(pair, constants,);
            }
        }
        let Self { s, t } = self;
        [[s[5], s[6], s[7], s[8], s[9]], [t[5], t[6], t[7], t[8], t[9]]]
    }
}

/// Two values `start + 2^-260 sum_k a_k b_k` of `T` products each, in the sense of [`mul`](super::mul); of the limbs the
/// low 52 bits count. A start costs nothing: it is what the upper columns are at first.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn dot_columns_pair<F: Modulus, const T: usize>(
    starts: [&Columns; 2],
    terms: [[[&Columns; 2]; T]; 2],
) -> [Columns; 2] {
    dot::<T>(starts, terms).reduce::<F, false>()
}

/// The values of [`dot_columns_pair`] for multiplication: carried, and not masked.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn dot_factors_pair<F: Modulus, const T: usize>(terms: [[[&Columns; 2]; T]; 2]) -> [Columns; 2] {
    let zero = [_mm512_setzero_si512(); LIMBS];
    dot::<T>([&zero; 2], terms).reduce::<F, true>()
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn dot<const T: usize>(starts: [&Columns; 2], terms: [[[&Columns; 2]; T]; 2]) -> Pair {
    let mut pair = Pair::new(starts);
    let [first, second] = terms;
    for k in 0..T {
        pair.add(first[k], second[k]);
    }
    pair
}

/// `a^2 2^-260` and `c^2 2^-260`, both plus `2 HALF p`, as [`dot_columns_pair`].
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn square_columns_pair<F: Modulus, const HALF: usize>(a: &Columns, c: &Columns) -> [Columns; 2] {
    Pair::squares::<F, HALF>([a, c]).reduce::<F, false>()
}
