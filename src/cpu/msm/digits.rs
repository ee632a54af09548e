//! Signed digits of scalars of any width.
//!
//! A scalar `v`, taken as the integer of smallest magnitude in its class, is written
//!
//! ```text
//! v = sum_k d_k 2^(o_k),     -2^(w_k - 1) <= d_k < 2^(w_k - 1),     o_(k+1) = o_k + w_k,
//! ```
//!
//! the last digit also reaching `2^(w - 1)`. Adding `B = sum_(k < last) 2^(o_k + w_k - 1)` makes all digits but the last
//! plain bit fields, `d_k = field_k(v + B) - 2^(w_k - 1)`: each is found on its own, no carry runs along, and the two's
//! complement of a negative `v` needs no treatment of its own. With `T` bits in all, `v` fits if `|v| <= 2^(T - 1)`.
//! Scalars near 0 (also from below) have no other than low digits.

use std::marker::PhantomData;
use std::ops::Range;

use ark_ff::PrimeField;
use rayon::prelude::*;

use crate::cpu::pages::advise_large;
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
    Narrow { scalars: &'a [S], bias: i128, field: PhantomData<F> },
    /// The two's complement of `v + B`; each limb's values lie together, since a digit is read from all scalars in turn.
    Wide { limbs: [Vec<u64>; 4] },
}

impl<'a, F: PrimeField, S: Scalar<F>> Prepared<'a, F, S> {
    /// Scalars that are worth a task.
    const PART: usize = 1 << 13;

    /// Measures scalars and makes them ready for [`Self::prepare`].
    pub fn new(scalars: &'a [S]) -> (Sizes, Self) {
        if S::BITS <= 64 {
            let measure = |part: &[S]| {
                let mut sizes = Sizes::EMPTY;
                part.iter().for_each(|scalar| sizes.count(scalar.to_signed().magnitude));
                sizes
            };
            let sizes = if scalars.len() <= Self::PART {
                measure(scalars)
            } else {
                scalars.par_chunks(Self::PART).map(measure).reduce(|| Sizes::EMPTY, Sizes::plus)
            };
            return (sizes, Self::Narrow { scalars, bias: 0, field: PhantomData });
        }
        let mut limbs = [const { Vec::new() }; 4];
        for limb in &mut limbs {
            limb.reserve_exact(scalars.len());
            advise_large(limb);
            limb.resize(scalars.len(), 0);
        }
        let measure = |(mut part, scalars): ([&mut [u64]; 4], &[S])| {
            let mut sizes = Sizes::EMPTY;
            for (i, scalar) in scalars.iter().enumerate() {
                let Signed { negative, magnitude } = scalar.to_signed();
                sizes.count(magnitude);
                // -m = !m + 1
                let mask = (negative as u64).wrapping_neg();
                let mut carry = negative;
                for (limb, magnitude) in part.iter_mut().zip(magnitude) {
                    (limb[i], carry) = (magnitude ^ mask).carrying_add(0, carry);
                }
            }
            sizes
        };
        let parts = Self::parts(&mut limbs).zip(scalars.par_chunks(Self::PART));
        let sizes = parts.map(measure).reduce(|| Sizes::EMPTY, Sizes::plus);
        (sizes, Self::Wide { limbs })
    }

    /// All limbs of [`Self::PART`] scalars at a time.
    fn parts(limbs: &mut [Vec<u64>; 4]) -> impl IndexedParallelIterator<Item = [&mut [u64]; 4]> {
        let [a, b, c, d] = limbs.each_mut().map(|limb| limb.par_chunks_mut(Self::PART));
        a.zip(b).zip(c.zip(d)).map(|((a, b), (c, d))| [a, b, c, d])
    }

    /// For reading the given digits, in ascending order: adds `B`. To be called once.
    pub fn prepare(&mut self, digits: &[Digit]) {
        let halves = digits.iter().filter(|digit| !digit.last).map(|digit| digit.offset + digit.width - 1);
        match self {
            Self::Narrow { bias, .. } => *bias = halves.map(|bit| 1i128 << bit).sum(),
            Self::Wide { limbs } => {
                let mut bias = [0u64; 4];
                halves.for_each(|bit| bias[bit as usize / 64] |= 1 << (bit % 64));
                Self::parts(limbs).for_each(|[a, b, c, d]| {
                    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                        let mut carry = false;
                        for (limb, bias) in [a, b, c, d].into_iter().zip(bias) {
                            (*limb, carry) = limb.carrying_add(bias, carry);
                        }
                    }
                });
            }
        }
    }

    /// Appends one digit of each scalar of the range.
    pub fn read(&self, digit: &Digit, range: Range<usize>, out: &mut Vec<i32>) {
        let Digit { offset, width, last, .. } = *digit;
        let (mask, half) = ((1i64 << width) - 1, 1i64 << (width - 1));
        let field = |shifted: i64| if last { shifted as i32 } else { ((shifted & mask) - half) as i32 };
        match self {
            Self::Narrow { scalars, bias, .. } => out.extend(scalars[range].iter().map(|scalar| {
                let Signed { negative, magnitude: [magnitude, ..] } = scalar.to_signed();
                let value = if negative { -(magnitude as i128) } else { magnitude as i128 };
                field(((value + bias) >> offset) as i64)
            })),
            Self::Wide { limbs } => {
                let (index, bit) = (offset as usize / 64, offset % 64);
                let low = &limbs[index][range.clone()];
                match limbs.get(index + 1) {
                    Some(high) => out.extend(
                        low.iter()
                            .zip(&high[range])
                            .map(|(&low, &high)| field((((high as u128) << 64 | low as u128) >> bit) as i64)),
                    ),
                    None => out.extend(low.iter().map(|&low| field(low as i64 >> bit))),
                }
            }
        }
    }
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
        let sizes = Prepared::<Fr, S>::new(scalars).0;
        let bits = sizes.bits();
        assert_eq!(sizes.zeros + sizes.nonzero(), scalars.len());
        assert_eq!(sizes.at_least()[0], sizes.nonzero());
        for width in 1..=18 {
            let digits = digits(width, bits);
            let mut prepared = Prepared::<Fr, S>::new(scalars).1;
            prepared.prepare(&digits);
            let mut values = vec![Fr::ZERO; scalars.len()];
            for digit in &digits {
                let mut read = Vec::new();
                prepared.read(digit, 0..scalars.len(), &mut read);
                for (value, d) in values.iter_mut().zip(read) {
                    assert!(d.unsigned_abs() <= 1 << (digit.width - 1));
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
        recompose(&scalars.iter().map(|s| s.into_bigint()).collect::<Vec<BigInt<4>>>());
        recompose(&[BigInt([u64::MAX; 4]), Fr::MODULUS]);
        // Only small magnitudes: fewer limbs are kept.
        recompose(&[-Fr::from(5u64), Fr::from(u64::MAX)]);
        recompose(&[-Fr::from(5u64), Fr::from(3u64)]);
    }

    #[test]
    fn sizes_round_up_to_powers_of_two() {
        let size = |v: Fr| Prepared::<Fr, Fr>::new(&[v]).0.bits();
        let two = Fr::from(2u64);
        for k in 0..250u32 {
            let power = two.pow([k as u64]);
            assert_eq!(size(power), k + 1);
            assert_eq!(size(-power), k + 1);
            assert_eq!(size(power + Fr::ONE), k + 2);
        }
        assert_eq!(size(Fr::ZERO), 0);
        assert_eq!(Prepared::<Fr, i8>::new(&[i8::MIN, i8::MAX]).0.bits(), 8);
    }

    #[test]
    fn long_lists_count_the_same() {
        let scalars: Vec<i16> = (0..20_000).map(|i| (i * 7919 % 65_536 - 32_768) as i16).collect();
        let whole = Prepared::<Fr, i16>::new(&scalars).0;
        assert_eq!(whole.nonzero(), scalars.iter().filter(|&&s| s != 0).count());
        assert_eq!(whole.bits(), 16);
    }
}
