//! Signed digits of scalars of any width.
//!
//! A scalar `v`, taken as the integer of smallest magnitude in its class, is written with `r(o) = round(v / 2^o)`, halves
//! rounded up, as
//!
//! ```text
//! v = sum_k d_k 2^(o_k),     d_k = r(o_k) - 2^(w_k) r(o_k + w_k),     o_(k+1) = o_k + w_k,     o_0 = 0,
//! ```
//!
//! the last digit being `r(o_k)` alone. Rounding moves a quotient by at most a half, so `|d_k| <= 2^(w_k - 1)`; for the last
//! digit this holds if `|v| <= 2^(T - 1)` with `T` bits in all. Since `r(o)` is `floor(v / 2^o)` plus the bit below, a digit
//! is told by its own bits in two's complement and the one below them (Booth's recoding): each is found on its own, no carry
//! runs along. Scalars near 0 (also from below) have no other than low digits.

#[cfg(target_arch = "x86_64")]
use std::any::TypeId;
use std::marker::PhantomData;
use std::ops::Range;

use ark_ff::PrimeField;
use rayon::prelude::*;

use crate::cpu::Tier;
#[cfg(target_arch = "x86_64")]
use crate::cpu::field::ifma::Ifma;
#[cfg(target_arch = "x86_64")]
use crate::element::Fr;
use crate::element::{Scalar, Signed};

/// One digit position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digit {
    /// `o_k`
    pub offset: u32,
    /// `w_k`
    pub width: u32,
    /// Whether this is the last digit.
    pub last: bool,
    /// Which precomputed multiples of the bases the digit is applied to.
    pub level: usize,
    /// Digits of the same set are summed together.
    pub set: usize,
}

/// A digit as it is sorted: the number of its bucket, which is its magnitude less 1, and below it its sign. The digit 0,
/// which has no bucket, has the highest number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code(u32);

impl Code {
    #[inline(always)]
    pub fn new(digit: i32) -> Self {
        let sign = digit >> 31;
        Self((((digit ^ sign) - sign).wrapping_sub(1) as u32) << 1 | sign as u32 & 1)
    }

    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub fn bucket(self) -> usize {
        (self.0 >> 1) as usize
    }

    #[inline(always)]
    pub fn negative(self) -> bool {
        self.0 & 1 == 1
    }

    pub fn is_zero(self) -> bool {
        self == Self::new(0)
    }
}

/// The sizes of a list of scalars: what the cost of their sum depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub zeros: usize,
    /// `counts[h]`: how many scalars have `2^(h-1) < |v| <= 2^h`.
    pub counts: [usize; Self::CLASSES],
}

impl Sizes {
    const CLASSES: usize = 256;

    const EMPTY: Self = Self { zeros: 0, counts: [0; Self::CLASSES] };

    /// Counts a scalar. The upper limbs of narrow types are 0, which a compiler sees.
    #[inline(always)]
    fn count(&mut self, [a, b, c, d]: [u64; 4]) {
        if b | c | d == 0 {
            match a {
                0 => self.zeros += 1,
                a => self.counts[(u64::BITS - (a - 1).leading_zeros()) as usize] += 1,
            }
            return;
        }
        // The bits of |v| - 1, which differs from |v| in the top limb only if the lower ones are 0.
        let limbs = [a, b, c, d];
        let top = limbs.iter().rposition(|&limb| limb != 0).unwrap_or(0);
        let borrow = limbs[..top].iter().all(|&limb| limb == 0);
        let head = limbs[top] - borrow as u64;
        self.counts[64 * top + (u64::BITS - head.leading_zeros()) as usize] += 1;
    }

    /// Counts a scalar in two's complement, given its highest word and all of them.
    #[inline(always)]
    fn count_signed(&mut self, top: u32, words: impl Fn() -> [u32; WORDS]) {
        let sign = (top as i32 >> 31) as u32;
        let top = top ^ sign;
        if top & top.wrapping_sub(1) != 0 {
            // What is below does not matter.
            self.counts[32 * (WORDS - 1) + (u32::BITS - top.leading_zeros()) as usize] += 1;
            return;
        }
        let (words, mut carry) = (words(), sign != 0);
        self.count(std::array::from_fn(|i| {
            let [low, high] = [0, 1].map(|half| u64::from(words[2 * i + half] ^ sign));
            let limb;
            (limb, carry) = (high << 32 | low).carrying_add(0, carry);
            limb
        }));
    }

    /// Of two lists together.
    fn plus(mut self, other: Self) -> Self {
        self.zeros += other.zeros;
        self.counts.iter_mut().zip(other.counts).for_each(|(a, b)| *a += b);
        self
    }

    /// How many scalars there are.
    pub fn len(&self) -> usize {
        self.zeros + self.nonzero()
    }

    /// The bits `T` needed: every `|v| <= 2^(T - 1)`. 0 if all scalars are 0.
    pub fn bits(&self) -> u32 {
        self.counts.iter().rposition(|&count| count > 0).map_or(0, |h| h as u32 + 1)
    }

    /// Scalars that are not 0.
    pub fn nonzero(&self) -> usize {
        self.counts.iter().sum()
    }

    /// `result[h]`: how many scalars have `|v| > 2^(h-1)`, and `result[0]` how many are not 0.
    pub fn at_least(&self) -> [usize; Self::CLASSES] {
        let mut result = self.counts;
        for h in (0..Self::CLASSES - 1).rev() {
            result[h] += result[h + 1];
        }
        result
    }
}

/// Scalars ready to be read digit by digit.
pub(super) enum Prepared<'a, F, S> {
    /// At most 64 bits: read where they are.
    Narrow { scalars: &'a [S], field: PhantomData<F> },
    /// In two's complement. For each [`PART`] of the scalars, the lowest 32 bits of all, then the next of all, and so on,
    /// since a digit is read from all scalars in turn.
    Wide { words: &'a [u32] },
}

/// Scalars that are worth a task, and lie together.
const PART: usize = 1 << 13;
/// Words of a scalar.
const WORDS: usize = 8;

impl<'a, F: PrimeField, S: Scalar<F>> Prepared<'a, F, S> {
    const IS_WIDE: bool = S::BITS > 64;

    /// How many words of memory scalars need.
    pub fn room(scalars: &[S]) -> usize {
        if Self::IS_WIDE { WORDS * scalars.len() } else { 0 }
    }

    /// Measures scalars and makes them ready in memory of [`Self::room`].
    ///
    /// # Panics
    /// If it is less.
    pub fn new(tier: Tier, scalars: &'a [S], room: &'a mut [u32]) -> (Sizes, Self) {
        if !Self::IS_WIDE {
            let measure = |part: &[S]| {
                let mut sizes = Sizes::EMPTY;
                part.iter().for_each(|scalar| sizes.count(scalar.to_signed().magnitude));
                sizes
            };
            let sizes = if scalars.len() <= PART {
                measure(scalars)
            } else {
                scalars.par_chunks(PART).map(measure).reduce(|| Sizes::EMPTY, Sizes::plus)
            };
            return (sizes, Self::Narrow { scalars, field: PhantomData });
        }
        let words = &mut room[..WORDS * scalars.len()];
        let measure = |(words, scalars): (&mut [u32], &[S])| {
            let mut words = words.chunks_exact_mut(scalars.len());
            let mut words = std::array::from_fn(|_| words.next().unwrap_or_default());
            to_signed::<F, S>(tier, scalars, &mut words);
            let mut sizes = Sizes::EMPTY;
            for (i, &top) in words[WORDS - 1].iter().enumerate() {
                sizes.count_signed(top, || words.each_ref().map(|words| words[i]));
            }
            sizes
        };
        let parts = words.par_chunks_mut(WORDS * PART).zip(scalars.par_chunks(PART));
        let sizes = parts.map(measure).reduce(|| Sizes::EMPTY, Sizes::plus);
        (sizes, Self::Wide { words })
    }

    /// One digit of each scalar of the range.
    ///
    /// # Panics
    /// If `out` is not as long as the range.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub fn read(&self, tier: Tier, digit: &Digit, range: Range<usize>, out: &mut [Code]) {
        #[cfg(target_arch = "x86_64")]
        if tier == Tier::Ifma && Ifma::new().is_some() {
            // SAFETY: the processor has the instructions.
            return unsafe { self.read_avx512(digit, range, out) };
        }
        self.read_anywhere(digit, range, out);
    }

    /// [`Self::read`] compiled for longer vectors.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn read_avx512(&self, digit: &Digit, range: Range<usize>, out: &mut [Code]) {
        self.read_anywhere(digit, range, out);
    }

    #[inline(always)]
    fn read_anywhere(&self, digit: &Digit, range: Range<usize>, out: &mut [Code]) {
        let Digit { offset, width, last, .. } = *digit;
        assert_eq!(range.len(), out.len());
        // From `v / 2^(o - 1)`, of which so many bits tell the digit. The last one's highest is its sign.
        let unused = 32 - (width + 1 + last as u32);
        let field = |twice: i32| Code::new((((twice << unused) >> unused) + 1) >> 1);
        match self {
            Self::Narrow { scalars, .. } => {
                let scalars = &scalars[range];
                let (up, down) = if offset == 0 { (1, 0) } else { (0, offset - 1) };
                if S::BITS < 64 {
                    for (out, scalar) in out.iter_mut().zip(scalars) {
                        let Signed { negative, magnitude: [magnitude, ..] } = scalar.to_signed();
                        let value = if negative { -(magnitude as i64) } else { magnitude as i64 };
                        *out = field(((value << up) >> down) as i32);
                    }
                } else {
                    for (out, scalar) in out.iter_mut().zip(scalars) {
                        let Signed { negative, magnitude: [magnitude, ..] } = scalar.to_signed();
                        let value = if negative { -(magnitude as i128) } else { magnitude as i128 };
                        *out = field(((value << up) >> down) as i32);
                    }
                }
            }
            Self::Wide { words } => {
                let (mut range, mut out) = (range, out);
                while !range.is_empty() {
                    let part = range.start / PART;
                    let words = &words[WORDS * PART * part..];
                    let words = &words[..words.len().min(WORDS * PART)];
                    let length = words.len() / WORDS;
                    let first = range.start - part * PART;
                    let count = range.len().min(length - first);
                    let (now, later) = out.split_at_mut(count);
                    let word = |index: u32| &words[index as usize * length + first..][..count];
                    match offset.checked_sub(1).map(|below| (below / 32, below % 32)) {
                        None => now
                            .iter_mut()
                            .zip(word(0))
                            .for_each(|(out, &low)| *out = field((low << 1) as i32)),
                        Some((index, bit)) if index as usize + 1 < WORDS && bit + 32 - unused > 32 => {
                            for ((out, &low), &high) in now.iter_mut().zip(word(index)).zip(word(index + 1)) {
                                *out = field((low >> bit | high << 1 << (31 - bit)) as i32);
                            }
                        }
                        Some((index, bit)) => {
                            now.iter_mut()
                                .zip(word(index))
                                .for_each(|(out, &low)| *out = field(low as i32 >> bit));
                        }
                    }
                    (range.start, out) = (range.start + count, later);
                }
            }
        }
    }
}

/// Writes scalars in two's complement, word by word.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
fn to_signed<F: PrimeField, S: Scalar<F>>(tier: Tier, scalars: &[S], words: &mut [&mut [u32]; WORDS]) {
    #[cfg(target_arch = "x86_64")]
    if tier == Tier::Ifma
        && let (Some(elements), Some(ifma)) = (elements(scalars), Ifma::new())
    {
        return super::ifma::scalars::to_signed(ifma, elements, words);
    }
    for (i, scalar) in scalars.iter().enumerate() {
        let Signed { negative, magnitude } = scalar.to_signed();
        // -m = !m + 1
        let mask = (negative as u64).wrapping_neg();
        let mut carry = negative;
        for (words, magnitude) in words.as_chunks_mut::<2>().0.iter_mut().zip(magnitude) {
            let limb;
            (limb, carry) = (magnitude ^ mask).carrying_add(0, carry);
            (words[0][i], words[1][i]) = (limb as u32, (limb >> 32) as u32);
        }
    }
}

/// The scalars, if that is what they are.
#[cfg(target_arch = "x86_64")]
fn elements<S: 'static>(scalars: &[S]) -> Option<&[Fr]> {
    if TypeId::of::<S>() != TypeId::of::<Fr>() {
        return None;
    }
    // SAFETY: the types are the same.
    Some(unsafe { std::slice::from_raw_parts(scalars.as_ptr().cast(), scalars.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::Fr;
    use ark_ff::{AdditiveGroup, BigInt, Field, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn digits(width: u32, bits: u32) -> Vec<Digit> {
        let count = bits.div_ceil(width);
        (0..count)
            .map(|k| {
                let (offset, last) = (k * width, k + 1 == count);
                Digit { offset, width: width.min(bits - offset), last, level: 0, set: 0 }
            })
            .collect()
    }

    fn recompose<S: Scalar + Scalar<Fr>>(scalars: &[S]) {
        Tier::ALL.iter().for_each(|&tier| recompose_on(tier, scalars));
    }

    fn recompose_on<S: Scalar + Scalar<Fr>>(tier: Tier, scalars: &[S]) {
        let mut room = vec![0; Prepared::<Fr, S>::room(scalars)];
        let (sizes, prepared) = Prepared::<Fr, S>::new(tier, scalars, &mut room);
        let bits = sizes.bits();
        assert_eq!(sizes.zeros + sizes.nonzero(), scalars.len());
        assert_eq!(sizes.at_least()[0], sizes.nonzero());
        for width in 1..=18 {
            let digits = digits(width, bits);
            let mut values = vec![Fr::ZERO; scalars.len()];
            for digit in &digits {
                let mut read = vec![Code::default(); scalars.len()];
                prepared.read(tier, digit, 0..scalars.len(), &mut read);
                let mut anywhere = vec![Code::default(); scalars.len()];
                prepared.read_anywhere(digit, 0..scalars.len(), &mut anywhere);
                assert_eq!(read, anywhere);
                for (value, code) in values.iter_mut().zip(read) {
                    if code.is_zero() {
                        continue;
                    }
                    assert!(code.bucket() < 1 << (digit.width - 1));
                    let d = (code.bucket() as i64 + 1) * if code.negative() { -1 } else { 1 };
                    *value += Fr::from(d) * Fr::from(2u64).pow([digit.offset as u64]);
                }
            }
            let expected: Vec<Fr> = scalars.iter().map(|&s| Scalar::<Fr>::to_field(s)).collect();
            assert_eq!(values, expected, "width {width}");
        }
    }

    #[test]
    fn digits_recompose() {
        recompose(&(i8::MIN..=i8::MAX).collect::<Vec<_>>());
        recompose(&(u8::MIN..=u8::MAX).collect::<Vec<_>>());
        recompose(&[i16::MIN, -1, 0, 1, i16::MAX]);
        recompose(&[i32::MIN, i32::MAX, 77]);
        recompose(&[i64::MIN, i64::MAX, -77]);
        recompose(&[u64::MAX, 0]);
        recompose(&[u64::MAX, 1 << 63, (1 << 63) + 1]);
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let half = Fr::from_bigint(Fr::MODULUS_MINUS_ONE_DIV_TWO).unwrap();
        let mut scalars = vec![Fr::ZERO, Fr::ONE, -Fr::ONE, half, half + Fr::ONE, half.double()];
        scalars.extend((0..256).map(|k| Fr::from(2u64).pow([k])));
        scalars.extend((0..256).map(|k| -Fr::from(2u64).pow([k]) - Fr::ONE));
        scalars.extend((0..50).map(|_| Fr::rand(&mut rng)));
        recompose(&scalars);
        for len in 1..9 {
            recompose(&scalars[scalars.len() - len..]);
        }
        recompose(&scalars.iter().map(|s| s.into_bigint()).collect::<Vec<BigInt<4>>>());
        recompose(&[BigInt([u64::MAX; 4]), Fr::MODULUS]);
        // Only small magnitudes: fewer limbs are kept.
        recompose(&[-Fr::from(5u64), Fr::from(u64::MAX)]);
        recompose(&[-Fr::from(5u64), Fr::from(3u64)]);
    }

    #[test]
    fn sizes_round_up_to_powers_of_two() {
        let size = |v: Fr| Prepared::<Fr, Fr>::new(Tier::Portable, &[v], &mut [0; WORDS]).0.bits();
        let two = Fr::from(2u64);
        for k in 0..250u32 {
            let power = two.pow([k as u64]);
            assert_eq!(size(power), k + 1);
            assert_eq!(size(-power), k + 1);
            assert_eq!(size(power + Fr::ONE), k + 2);
        }
        assert_eq!(size(Fr::ZERO), 0);
        assert_eq!(Prepared::<Fr, i8>::new(Tier::Portable, &[i8::MIN, i8::MAX], &mut []).0.bits(), 8);
    }

    #[test]
    fn long_lists_are_read_part_by_part() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let len = 2 * PART + 77;
        let mut scalars: Vec<Fr> = (0..100).map(|_| Fr::rand(&mut rng)).collect();
        for i in 100..len {
            scalars.push(scalars[i - 100] + scalars[i - 99]);
        }
        let mut room = vec![0; Prepared::<Fr, Fr>::room(&scalars)];
        let prepared = Prepared::new(Tier::Ifma, &scalars, &mut room).1;
        let digit = Digit { offset: 120, width: 13, last: false, level: 0, set: 0 };
        let mut each = vec![Code::default(); len];
        for (scalar, code) in scalars.chunks(1).zip(&mut each) {
            Prepared::new(Tier::Portable, scalar, &mut [0; WORDS]).1.read(
                Tier::Portable,
                &digit,
                0..1,
                std::slice::from_mut(code),
            );
        }
        for range in
            [0..len, 3..PART, 3..PART + 1, PART..2 * PART, PART - 1..2 * PART + 1, 2 * PART + 76..len]
        {
            let mut codes = vec![Code::default(); range.len()];
            prepared.read(Tier::Ifma, &digit, range.clone(), &mut codes);
            assert!(codes == each[range.clone()], "{range:?}");
        }
    }

    #[test]
    fn long_lists_count_the_same() {
        let scalars: Vec<i16> = (0..20_000).map(|i| (i * 7919 % 65_536 - 32_768) as i16).collect();
        let whole = Prepared::<Fr, i16>::new(Tier::Portable, &scalars, &mut []).0;
        assert_eq!(whole.nonzero(), scalars.iter().filter(|&&s| s != 0).count());
        assert_eq!(whole.bits(), 16);
    }
}
