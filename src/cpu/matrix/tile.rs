//! The one multiply-add loop: eight rows by sixteen columns of `i32` sums of products of 16-bit pairs.

/// Two neighbours along the summed dimension.
pub(super) type Pair = [i16; 2];

/// Rows of a tile.
pub(super) const ROWS: usize = 8;

/// Columns of a tile.
pub(super) const COLS: usize = 16;

/// The sums of a tile.
pub(super) type Tile = [[i32; COLS]; ROWS];

/// How the left factor's pairs lie in memory: pair `k` of row `i` at `i * row + k * pair`.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) row: usize,
    pub(super) pair: usize,
}

/// The vector instructions the processor has for pairs of 16-bit products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isa {
    /// Whatever the compiler makes of plain code.
    Plain,
    /// `pmaddwd` on 128 bits, which every x86-64 processor has.
    #[cfg(target_arch = "x86_64")]
    Sse2,
    /// `vpmaddwd` on 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// `vpmaddwd` on 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// `vpdpwssd` on 512 bits, which also adds.
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Isa {
    /// All that this processor has, slowest first.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let wider = {
            let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            [
                Some(Self::Sse2),
                is_x86_feature_detected!("avx2").then_some(Self::Avx2),
                avx512.then_some(Self::Avx512),
                (avx512 && is_x86_feature_detected!("avx512vnni")).then_some(Self::Vnni),
            ]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let wider = [None];
        std::iter::once(Self::Plain).chain(wider.into_iter().flatten())
    }

    /// The fastest that this processor has.
    pub(super) fn detect() -> Self {
        Self::available().last().unwrap_or(Self::Plain)
    }

    /// `tile[i][j] = sum_k a(i, k) . b[k][j]` with `.` the inner product of two pairs. Sums wrap: the caller bounds them.
    ///
    /// # Panics
    /// If `a` is too short for eight rows of `b.len()` pairs.
    pub(super) fn tile(self, a: &[Pair], strides: Strides, b: &[[Pair; COLS]]) -> Tile {
        if b.is_empty() {
            return [[0; COLS]; ROWS];
        }
        assert!((ROWS - 1) * strides.row + (b.len() - 1) * strides.pair < a.len());
        match self {
            Self::Plain => plain(a, strides, b),
            // SAFETY: the variants are made by `available` alone, which asked the processor for these features. `a` has
            // eight rows of `b.len()` pairs by the assertion.
            #[cfg(target_arch = "x86_64")]
            Self::Sse2 => unsafe { sse2(a, strides, b) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2(a, strides, b) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512(a, strides, b) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => unsafe { vnni(a, strides, b) },
        }
    }
}

impl Isa {
    /// `out[c] = sum_k a[k] b[k cols + c]`, for `out` of at most `cols` entries.
    pub(super) fn combine(self, a: &[i8], b: &[i8], cols: usize, out: &mut [i32]) {
        match self {
            // SAFETY: as in `tile`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { combine_avx2(a, b, cols, out) },
            // SAFETY: as in `tile`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Vnni => unsafe { combine_avx512(a, b, cols, out) },
            _ => combine(a, b, cols, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn combine_avx2(a: &[i8], b: &[i8], cols: usize, out: &mut [i32]) {
    combine(a, b, cols, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn combine_avx512(a: &[i8], b: &[i8], cols: usize, out: &mut [i32]) {
    combine(a, b, cols, out);
}

/// See [`Isa::combine`]. The compiler makes vector instructions of it.
#[inline(always)]
fn combine(a: &[i8], b: &[i8], cols: usize, out: &mut [i32]) {
    out.fill(0);
    for (&a, b) in a.iter().zip(b.chunks(cols)) {
        let a = i16::from(a);
        for (out, &b) in out.iter_mut().zip(b) {
            // At most 2^14 in magnitude.
            *out += i32::from(a * i16::from(b));
        }
    }
}

fn plain(a: &[Pair], strides: Strides, b: &[[Pair; COLS]]) -> Tile {
    let mut tile = [[0i32; COLS]; ROWS];
    for (k, b) in b.iter().enumerate() {
        for (i, sums) in tile.iter_mut().enumerate() {
            let [x, y] = a[i * strides.row + k * strides.pair].map(i32::from);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = sum.wrapping_add((x * i32::from(b[0])).wrapping_add(y * i32::from(b[1])));
            }
        }
    }
    tile
}

/// A tile in vectors of `$vector`, `$rows` rows at a time, so that the sums stay in registers. `$madd` adds the
/// products' pair sums of two vectors to a third.
///
/// # Safety
/// The processor has `$feature`, and `a` has [`ROWS`] rows of `b.len()` pairs.
#[cfg(target_arch = "x86_64")]
macro_rules! tile {
    ($name:ident, $feature:literal, $vector:ident, $rows:literal, $zero:ident, $splat:ident, $madd:expr) => {
        #[target_feature(enable = $feature)]
        #[allow(clippy::needless_range_loop, reason = "iterators keep the sums in memory")]
        unsafe fn $name(a: &[Pair], strides: Strides, b: &[[Pair; COLS]]) -> Tile {
            use std::arch::x86_64::*;
            use std::mem::transmute;
            const VECTORS: usize = size_of::<[Pair; COLS]>() / size_of::<$vector>();
            let mut tile = [[0; COLS]; ROWS];
            for (group, out) in tile.chunks_exact_mut($rows).enumerate() {
                let mut sums = [[$zero(); VECTORS]; $rows];
                for (k, b) in b.iter().enumerate() {
                    // SAFETY: same size, and any bits are a vector.
                    let b = unsafe { transmute::<[Pair; COLS], [$vector; VECTORS]>(*b) };
                    for i in 0..$rows {
                        let index = (group * $rows + i) * strides.row + k * strides.pair;
                        // SAFETY: the caller vouches for the rows and pairs of `a`. A pair has the bits of an `i32`.
                        let pair = unsafe { transmute::<Pair, i32>(*a.get_unchecked(index)) };
                        let pair = $splat(pair);
                        for v in 0..VECTORS {
                            sums[i][v] = $madd(sums[i][v], pair, b[v]);
                        }
                    }
                }
                for (out, sums) in out.iter_mut().zip(sums) {
                    // SAFETY: same size, and any bits are integers.
                    *out = unsafe { transmute::<[$vector; VECTORS], [i32; COLS]>(sums) };
                }
            }
            tile
        }
    };
}

#[cfg(target_arch = "x86_64")]
tile!(sse2, "sse2", __m128i, 2, _mm_setzero_si128, _mm_set1_epi32, |sum, a, b| {
    _mm_add_epi32(sum, _mm_madd_epi16(a, b))
});
#[cfg(target_arch = "x86_64")]
tile!(avx2, "avx2", __m256i, 4, _mm256_setzero_si256, _mm256_set1_epi32, |sum, a, b| {
    _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
});
#[cfg(target_arch = "x86_64")]
tile!(avx512, "avx512f,avx512bw", __m512i, 8, _mm512_setzero_si512, _mm512_set1_epi32, |sum, a, b| {
    _mm512_add_epi32(sum, _mm512_madd_epi16(a, b))
});
#[cfg(target_arch = "x86_64")]
tile!(
    vnni,
    "avx512f,avx512bw,avx512vnni",
    __m512i,
    8,
    _mm512_setzero_si512,
    _mm512_set1_epi32,
    |sum, a, b| _mm512_dpwssd_epi32(sum, a, b)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_agrees_with_the_definition() {
        let value = |seed: usize| ((seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as i16) / 8;
        for (pairs, strides) in
            [(0, (1, 8)), (1, (1, 8)), (1, (3, 1)), (7, (9, 1)), (7, (1, 11)), (128, (128, 1))]
        {
            let strides = Strides { row: strides.0, pair: strides.1 };
            let len = (ROWS - 1) * strides.row + pairs.max(1) * strides.pair;
            let mut a: Vec<Pair> = (0..len).map(|k| [value(k), value(k + 1000)]).collect();
            a[0] = [-128, 255];
            let mut b: Vec<[Pair; COLS]> = vec![[[0; 2]; COLS]; pairs];
            for (k, pair) in b.as_flattened_mut().iter_mut().enumerate() {
                *pair = [value(k + 7777), value(k + 8888)];
            }
            if let Some(b) = b.first_mut() {
                b[0] = [i16::MIN, i16::MIN];
            }
            for isa in Isa::available() {
                let tile = isa.tile(&a, strides, &b);
                for (i, sums) in tile.iter().enumerate() {
                    for (j, &sum) in sums.iter().enumerate() {
                        let expected: i64 = (0..pairs)
                            .map(|k| {
                                let a = a[i * strides.row + k * strides.pair].map(i64::from);
                                let b = b[k][j].map(i64::from);
                                a[0] * b[0] + a[1] * b[1]
                            })
                            .sum();
                        assert_eq!(sum, expected as i32, "{isa:?} {i} {j}");
                    }
                }
            }
        }
    }
}
