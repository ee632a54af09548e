//! Between memory, where an element is four 64-bit words, and vectors of 52-bit limbs.

use std::arch::x86_64::*;

use super::constants::{MASK, Modulus};
use super::lazy::{Columns, Factor, Lazy, Operand};

/// Words of eight elements: vector `i` has word `i` of each.
pub(crate) type Words = [__m512i; 4];

/// The element that each lane holds after [`load`], in the order in which 128-bit shuffles leave them.
pub(crate) const LANE_ORDER: [usize; 8] = [0, 2, 1, 3, 4, 6, 5, 7];

/// Eight consecutive elements, lane `l` holding element `LANE_ORDER[l]`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn load<F: Modulus>(from: &[F; 8]) -> Words {
    let from = from.as_ptr().cast::<__m512i>();
    // SAFETY: `F` is four words (`Modulus`), so eight are four vectors; the loads need no alignment.
    let rows = unsafe {
        [
            _mm512_loadu_si512(from),
            _mm512_loadu_si512(from.add(1)),
            _mm512_loadu_si512(from.add(2)),
            _mm512_loadu_si512(from.add(3)),
        ]
    };
    transpose_in(rows)
}

/// The inverse of [`load`]. The words must be below `p`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn store<F: Modulus>(words: &Words, to: &mut [F; 8]) {
    let rows = transpose_out(words);
    let to = to.as_mut_ptr().cast::<__m512i>();
    for (i, row) in rows.into_iter().enumerate() {
        // SAFETY: as in `load`; and the caller's words are valid elements.
        unsafe { _mm512_storeu_si512(to.add(i), row) };
    }
}

/// The elements that eight pointers point to, a lane each, in order.
///
/// # Safety
///
/// Each pointer is valid for reads of four words.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) unsafe fn gather(from: &[*mut u64; 8]) -> Words {
    let pair = |a: usize, b: usize| {
        // SAFETY: the caller's promise.
        let (a, b) = unsafe { (_mm256_loadu_si256(from[a].cast()), _mm256_loadu_si256(from[b].cast())) };
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(a), b)
    };
    transpose_in([pair(0, 2), pair(1, 3), pair(4, 6), pair(5, 7)])
}

/// The inverse of [`gather`].
///
/// # Safety
///
/// Each pointer is valid for writes of four words.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) unsafe fn scatter(words: &Words, to: &[*mut u64; 8]) {
    let rows = transpose_out(words);
    for (row, (a, b)) in rows.into_iter().zip([(0, 2), (1, 3), (4, 6), (5, 7)]) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_si256(to[a].cast(), _mm512_castsi512_si256(row));
            _mm256_storeu_si256(to[b].cast(), _mm512_extracti64x4_epi64::<1>(row));
        }
    }
}

/// The 8 x 8 matrix of words transposed: word `l` of row `w` becomes word `w` of row `l`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn transpose(rows: &[__m512i; 8]) -> [__m512i; 8] {
    let mut result = *rows;
    for odd in 0..2 {
        // Pairs of rows, then 4 x 4 pairs of words.
        let mut pairs = [rows[0]; 4];
        for i in 0..4 {
            let (a, b) = (rows[2 * i], rows[2 * i + 1]);
            pairs[i] = if odd == 0 { _mm512_unpacklo_epi64(a, b) } else { _mm512_unpackhi_epi64(a, b) };
        }
        for half in 0..2 {
            let (a, b) = if half == 0 {
                (
                    _mm512_shuffle_i64x2::<0b10_00_10_00>(pairs[0], pairs[1]),
                    _mm512_shuffle_i64x2::<0b10_00_10_00>(pairs[2], pairs[3]),
                )
            } else {
                (
                    _mm512_shuffle_i64x2::<0b11_01_11_01>(pairs[0], pairs[1]),
                    _mm512_shuffle_i64x2::<0b11_01_11_01>(pairs[2], pairs[3]),
                )
            };
            result[2 * half + odd] = _mm512_shuffle_i64x2::<0b10_00_10_00>(a, b);
            result[4 + 2 * half + odd] = _mm512_shuffle_i64x2::<0b11_01_11_01>(a, b);
        }
    }
    result
}

/// Two elements a vector to one word a vector; elements end in [`LANE_ORDER`].
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn transpose_in(rows: [__m512i; 4]) -> Words {
    let even = [_mm512_unpacklo_epi64(rows[0], rows[1]), _mm512_unpacklo_epi64(rows[2], rows[3])];
    let odd = [_mm512_unpackhi_epi64(rows[0], rows[1]), _mm512_unpackhi_epi64(rows[2], rows[3])];
    [
        _mm512_shuffle_i64x2::<0b10_00_10_00>(even[0], even[1]),
        _mm512_shuffle_i64x2::<0b10_00_10_00>(odd[0], odd[1]),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(even[0], even[1]),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(odd[0], odd[1]),
    ]
}

/// The inverse of [`transpose_in`].
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn transpose_out(words: &Words) -> [__m512i; 4] {
    // Pairs of 128-bit lanes of two vectors: a0 b0 a1 b1, and a2 b2 a3 b3.
    let first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let last = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    let even = [
        _mm512_permutex2var_epi64(words[0], first, words[2]),
        _mm512_permutex2var_epi64(words[0], last, words[2]),
    ];
    let odd = [
        _mm512_permutex2var_epi64(words[1], first, words[3]),
        _mm512_permutex2var_epi64(words[1], last, words[3]),
    ];
    [
        _mm512_unpacklo_epi64(even[0], odd[0]),
        _mm512_unpackhi_epi64(even[0], odd[0]),
        _mm512_unpacklo_epi64(even[1], odd[1]),
        _mm512_unpackhi_epi64(even[1], odd[1]),
    ]
}

/// 256-bit values as limbs.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn limbs_of_words(w: &Words) -> Columns {
    let mask = _mm512_set1_epi64(MASK as i64);
    [
        _mm512_and_si512(w[0], mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<52>(w[0], w[1]), mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<40>(w[1], w[2]), mask),
        _mm512_and_si512(_mm512_shrdi_epi64::<28>(w[2], w[3]), mask),
        _mm512_srli_epi64::<16>(w[3]),
    ]
}

/// Limbs as 256-bit values: the low 52 bits of the lower four limbs count, and the top one must be below `2^48`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn words_of_limbs(l: &Columns) -> Words {
    let high = |i: usize| _mm512_slli_epi64::<12>(l[i]);
    [
        _mm512_shrdi_epi64::<12>(high(0), l[1]),
        _mm512_shrdi_epi64::<24>(high(1), l[2]),
        _mm512_shrdi_epi64::<36>(high(2), l[3]),
        _mm512_shrdi_epi64::<48>(high(3), l[4]),
    ]
}

impl<F: Modulus> Lazy<F, 2> {
    /// The integers that eight elements are in memory, `x 2^256` modulo `p`, canonical or representatives below `2 p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn from_lazy_words(words: &Words) -> Self {
        Self::new(limbs_of_words(words))
    }
}

/// The lanes whose lowest word is `lowest`: a superset of those that are an element with that word.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn suspect_lanes(words: &Words, lowest: u64) -> u8 {
    _mm512_cmpeq_epi64_mask(words[0], _mm512_set1_epi64(lowest as i64))
}

/// The lanes in which the words are `element`'s.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn equal_lanes(words: &Words, element: &[u64; 4]) -> u8 {
    let mut lanes = 0xff;
    for i in 0..4 {
        lanes &= _mm512_cmpeq_epi64_mask(words[i], _mm512_set1_epi64(element[i] as i64));
    }
    lanes
}

/// `element` in the lanes of `mask`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn replace_lanes(words: &Words, mask: u8, element: &[u64; 4]) -> Words {
    let mut words = *words;
    for i in 0..4 {
        words[i] = _mm512_mask_set1_epi64(words[i], mask, element[i] as i64);
    }
    words
}

impl<F: Modulus> Lazy<F, 1> {
    /// The integers that eight canonical elements are in memory, `x 2^256 mod p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn from_words(words: &Words) -> Self {
        Self::new(limbs_of_words(words))
    }
}

impl<F: Modulus> Factor<F, 1> {
    /// As [`Lazy::from_words`], for multiplication only.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn from_words(w: &Words) -> Self {
        Self::from_limbs([
            w[0],
            _mm512_shrdi_epi64::<52>(w[0], w[1]),
            _mm512_shrdi_epi64::<40>(w[1], w[2]),
            _mm512_shrdi_epi64::<28>(w[2], w[3]),
            _mm512_srli_epi64::<16>(w[3]),
        ])
    }
}

impl<F: Modulus> Factor<F, 16> {
    /// Eight elements in this tier's Montgomery form, `x 2^260`: the words shifted left by four bits.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn from_elements(words: &Words) -> Self {
        let w = words;
        Self::from_limbs([
            _mm512_slli_epi64::<4>(w[0]),
            _mm512_shrdi_epi64::<48>(w[0], w[1]),
            _mm512_shrdi_epi64::<36>(w[1], w[2]),
            _mm512_shrdi_epi64::<24>(w[2], w[3]),
            _mm512_srli_epi64::<12>(w[3]),
        ])
    }
}

impl<F: Modulus, const B: usize> Lazy<F, B> {
    /// 256-bit words of the values, which are congruent to the elements they stand for but may exceed `p`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(crate) fn into_words(self) -> Words {
        const { assert!(B <= 5, "2^256 is 5.29 p") };
        words_of_limbs(self.limbs())
    }
}
